"""
What no client of S3's would send: paths, queries, headers, chunks and documents that are spoilt, and signed all the
same. ``fuzz.py`` sends them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import random
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from urllib.parse import quote, unquote_to_bytes
from xml.etree import ElementTree

from support.connection import Answered
from support.inputs import Broken, Input

BUCKET: Final = "of-bob"  # of whoever asks
ANOTHERS: Final = "bucket-of-ann"  # of another, though whoever asks may have one called so, too
SECRET: Final = b"what ann keeps from everybody"  # in an object of another's; nobody says it here
_SECRETS: Final = (SECRET, hashlib.md5(SECRET).hexdigest().encode())
_CODE: Final = re.compile(r"[A-Z][A-Za-z0-9]+\Z")
_KEYS: Final = (
    "a", "a/b", "a/b/c", "..", "../../etc/passwd", "/", "//", "/a", "a//b", ".", "%", "%2F", "+", " ", "a b", "?", "#",
    "ż", "\x01", "\ufffe", "k" * 1024, "k" * 1025, "ż" * 512, "a\tb", "\r\n", "\x00", "<x>", "&", "''", "secret", "~",
)  # fmt: skip
_BUCKETS: Final = (
    BUCKET, BUCKET, BUCKET, BUCKET, BUCKET, BUCKET, BUCKET, BUCKET, ANOTHERS, ANOTHERS, "none", "of-bob-too", "x", "..",
    "192.0.2.1", "UPPER", "a_b", "-", "b" * 64, "b" * 300, "alpha", "%00",
)  # fmt: skip
_VALUES: Final = (
    "", "a", "/", "0", "1", "2", "-1", "1000", "1001", "2147483647", "2147483648", "9" * 25, "1e3", "true", "url",
    "x" * 1025, "ż", "\x00", "\ufffe", "%", "<x>", "YQ==", "=", "a/", "../", "\x01", "1.2.3", "0.0.0",
)  # fmt: skip
_QUERIES: Final = (
    "list-type", "prefix", "delimiter", "marker", "max-keys", "continuation-token", "start-after", "encoding-type",
    "fetch-owner", "uploads", "uploadId", "partNumber", "delete", "location", "part-number-marker", "max-parts",
    "key-marker", "upload-id-marker", "max-uploads", "acl", "versioning", "tagging", "versionId",
    "response-content-type", "response-content-disposition", "X-Amz-Expires", "x-id", "cors", "policy", "attributes",
    "<x>", "", "a" * 200,
)  # fmt: skip
_METHODS: Final = ("GET", "GET", "GET", "PUT", "PUT", "PUT", "HEAD", "DELETE", "POST", "POST", "PATCH", "OPTIONS", "X")
_RANGES: Final = (
    "bytes=0-0", "bytes=0-", "bytes=-1", "bytes=-0", "bytes=5-2", "bytes=0-0,2-3", "bytes=99999999999999999999-", "x",
    "bytes=", "bytes=a-b", "bytes=-99999999999999999999", "octets=0-1", "bytes=1-1000000",
)  # fmt: skip
_TAGS: Final = ('"x"', "*", "x", '"a", "b"', "", '"d41d8cd98f00b204e9800998ecf8427e"', "\xff")
_SUMS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "sha1": lambda data: hashlib.sha1(data).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
    "crc32c": lambda data: b"none",
    "crc64nvme": lambda data: b"it is none",
}
_SIGNED_CHUNKS: Final = "STREAMING-AWS4"
_SIGNED: Final = frozenset({"SignatureDoesNotMatch", "AuthorizationHeaderMalformed", "RequestTimeTooSkewed"})
UNSIGNED: Final = "UNSIGNED-PAYLOAD"
SIGNED_CHUNKS: Final = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER: Final = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER: Final = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
# What is refused with a status above 499: what is not done at all, and what a client is to ask for again.
TOLD: Final = frozenset({(501, "NotImplemented"), (503, "SlowDown"), (503, "ServiceUnavailable")})
Headers = list[tuple[str, bytes]]
KEPT: Final = 6  # ids of uploads in parts that are known, the newest


@dataclass
class Maker:
    """
    Makes requests of one person, whose key it has; the same ones of the same seed but for ids that are told.

    :param host: with its port. :param others: ids of another's uploads in parts.
    :ivar uploads: of their own, the newest that answers told.
    :ivar tags: ETags, likewise.
    """

    chance: random.Random
    host: str
    access_key: str
    secret_key: str
    others: Sequence[str]
    uploads: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)

    def make(self) -> Input:
        chance = self.chance
        method, pairs = self._what()
        for _ in range(chance.choice((0, 0, 0, 1, 1, 3))):
            pairs.append((chance.choice(_QUERIES), chance.choice(_VALUES)))
        bucket = chance.choice(_BUCKETS)
        key = "" if chance.random() < 0.25 else chance.choice(_KEYS)
        path = f"/{bucket}/{key}" if key else f"/{bucket}"
        if chance.random() < 0.03:
            path = chance.choice(("/", "//"))
        raw = quote(path, safe=chance.choice(("/-_.~", "/-_.~", "-_.~", "/-_.~+!*'();:@&=$,")))
        if chance.random() < 0.02:
            raw += chance.choice(("%", "%zz", "%FF%FE", "%C3", "%2", "?"))
        body, told, headers = self._body(method, dict(pairs))
        query = "&".join(self._pair(name, value) for name, value in pairs)
        headers += self._further()
        made = self._signed(method, raw, query, headers, told, body)
        return self._spoilt(made) if chance.random() < 0.1 else self._input(*made, told.startswith(_SIGNED_CHUNKS))

    def _input(self, method: str, target: str, headers: Headers, body: bytes, refusable: bool) -> Input:
        """:param refusable: its signatures may be wrong."""
        said = unquote_to_bytes(target.replace("+", " ")) + target.encode() + body
        said += b" ".join(value for _, value in headers)
        told = {name: value for name, value in headers if name.lower() not in ("authorization", "host")}
        shown = f"{method} {target[:2000]} {told!r} {body[:2000]!r}"
        judge = partial(self._judge, method, refusable)
        return Input(method, target, headers, body, said, method not in ("GET", "HEAD"), judge, shown)

    def _pair(self, name: str, value: str) -> str:
        if not value and self.chance.random() < 0.5:
            return quote(name, safe="-_.~")
        return f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"

    def _what(self) -> tuple[str, list[tuple[str, str]]]:
        """A method, and what a client would say with it."""
        chance = self.chance
        upload = ("uploadId", chance.choice([*self.uploads, *self.others, "1.2.3", "", "x"]))
        part = ("partNumber", chance.choice(("1", "2", "3", "10000", "10001", "0", "x")))
        known: tuple[tuple[str, list[tuple[str, str]]], ...] = (
            ("PUT", []), ("PUT", []), ("PUT", []), ("GET", []), ("GET", []), ("HEAD", []), ("DELETE", []),
            ("DELETE", []), ("GET", [("list-type", "2")]),
            ("GET", [("prefix", chance.choice(_VALUES)), ("delimiter", "/")]), ("GET", [("uploads", "")]),
            ("GET", [("location", "")]), ("POST", [("delete", "")]),
            ("POST", [("uploads", "")]), ("PUT", [upload, part]), ("PUT", [upload, part]), ("GET", [upload]),
            ("POST", [upload]), ("POST", [upload]), ("DELETE", [upload]), (chance.choice(_METHODS), []),
        )  # fmt: skip
        method, pairs = chance.choice(known)
        return method, list(pairs)

    # ------------------------------------------------------------------ bodies

    def _body(self, method: str, query: dict[str, str]) -> tuple[bytes, str, Headers]:
        """What it stands for and how it is sent: the body, what is said of it, headers."""
        chance = self.chance
        if method not in ("PUT", "POST") and chance.random() < 0.95:
            return b"", chance.choice((UNSIGNED, hashlib.sha256(b"").hexdigest())), []
        if method == "POST" or (method == "PUT" and chance.random() < 0.1):
            body = self._document(query)
        else:
            body = chance.randbytes(chance.choice((0, 1, 7, 100, 5000)))
        headers: Headers = []
        if chance.random() < 0.2:
            digest = hashlib.md5(body if chance.random() < 0.7 else b"x").digest()
            headers.append(("Content-MD5", chance.choice((base64.b64encode(digest), b"x", b"", b"\xff"))))
        if chance.random() < 0.2:
            name = chance.choice(list(_SUMS))
            headers.append((f"x-amz-checksum-{name}", base64.b64encode(_SUMS[name](body))))
        how = chance.random()
        if how < 0.35:
            return body, UNSIGNED, headers
        if how < 0.6:
            return body, hashlib.sha256(body if chance.random() < 0.8 else b"x").hexdigest(), headers
        if how < 0.65:
            return body, chance.choice(("x", "", "STREAMING-X", "A" * 64)), headers
        told = chance.choice((SIGNED_CHUNKS, SIGNED_TRAILER, UNSIGNED_TRAILER))
        length = chance.choice((len(body), len(body), len(body), len(body) + 1, 0, -1, 2**62, 10**30))
        if chance.random() < 0.95:
            headers.append(("x-amz-decoded-content-length", b"%d" % length))
        if (told != SIGNED_CHUNKS) == (chance.random() < 0.9):
            headers.append(("x-amz-trailer", f"x-amz-checksum-{chance.choice(list(_SUMS))}".encode()))
        return body, told, headers

    def _document(self, query: dict[str, str]) -> bytes:
        chance = self.chance
        if "delete" in query:
            keys = [chance.choice(_KEYS) for _ in range(chance.choice((0, 1, 1, 3, 1001)))]
            inside = "".join(f"<Object><Key>{_escaped(key)}</Key></Object>" for key in keys)
            text = f"<Delete><Quiet>{chance.choice(('true', 'false', 'x'))}</Quiet>{inside}</Delete>"
        elif "uploadId" in query:
            inside = "".join(
                f"<Part><PartNumber>{chance.choice(('1', '2', '3', '-1', '99999999', 'x', ''))}</PartNumber>"
                f"<ETag>{_escaped(chance.choice([*self.tags, 'x', '']))}</ETag></Part>"
                for _ in range(chance.choice((0, 1, 1, 2, 3)))
            )
            text = f"<CompleteMultipartUpload>{inside}</CompleteMultipartUpload>"
        else:
            place = chance.choice(("alpha", "us-east-1", "", "x", "<y/>"))
            inside = f"<LocationConstraint>{place}</LocationConstraint>"
            text = f"<CreateBucketConfiguration>{inside}</CreateBucketConfiguration>"
        made = text.encode("utf-8", "replace")
        if chance.random() < 0.5:
            return made
        if chance.random() < 0.5 and made:
            at = chance.randrange(len(made))
            return made[:at] + chance.choice((b"", b"\xff", b"\x00", b"<", b"&", b">")) + made[at + 1 :]
        return chance.choice((
            b"", b"<", b"x" * 100, b"<a>" * 5000, b"\xff\xfe" + text.encode("utf-16-le", "replace"), made * 2,
            b'<!DOCTYPE d [<!ENTITY a "b">]>' + made, b'<?xml version="1.0" encoding="x"?>' + made,
            b'<?xml version="1.0" encoding="utf-7"?>' + made, b"<!-- x -->" + made, made[: len(made) // 2],
        ))  # fmt: skip

    def _further(self) -> Headers:
        chance, found = self.chance, []
        if chance.random() < 0.15:
            found.append(("Range", chance.choice(_RANGES).encode()))
        if chance.random() < 0.1:
            name = chance.choice(("If-Match", "If-None-Match", "If-Modified-Since", "x-amz-copy-source"))
            found.append((name, chance.choice(_TAGS).encode("latin-1")))
        if chance.random() < 0.15:
            name = chance.choice(
                ("Content-Type", "Content-Disposition", "Content-Encoding", "Cache-Control", "Expires", "x-amz-meta-a",
                 "x-amz-meta-", "x-amz-acl", "x-amz-tagging", "x-amz-storage-class")
            )  # fmt: skip
            value = chance.choice((b"x", b"", b"aws-chunked", b"aws-chunked,gzip", b"\xff\xfe", b"y" * 9000, b"a\tb"))
            found.append((name, value))
        return found

    # ------------------------------------------------------------------ signatures

    def _signed(
        self, method: str, path: str, query: str, headers: Headers, told: str, body: bytes
    ) -> tuple[str, str, Headers, bytes]:
        """Whatever it is, by version 4: what is decoded is encoded again."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{stamp[:8]}/alpha/s3/aws4_request"
        every = [*headers, ("Host", self.host.encode()), ("X-Amz-Date", stamp.encode()),
                 ("X-Amz-Content-SHA256", told.encode())]  # fmt: skip
        # Of a path that ends in a sign of a query, that begins there.
        path, cut, more = path.partition("?")
        query = f"{more}&{query}" if cut and more else query
        named: dict[str, list[str]] = {}
        for name, value in every:
            text = re.sub(" +", " ", value.decode("latin-1").strip(" \t"))
            named.setdefault(name.lower(), []).append(text)
        names = sorted(named)
        pairs = []
        for part in query.split("&"):
            if part:
                name, _, value = part.replace("+", " ").partition("=")
                pairs.append((_encoded(name), _encoded(value)))
        request = "\n".join((
            method, quote(unquote_to_bytes(path), safe="/-_.~") or "/", "&".join(f"{n}={v}" for n, v in sorted(pairs)),
            *(f"{name}:{','.join(named[name])}" for name in names), "", ";".join(names), told,
        ))  # fmt: skip
        key = b"AWS4" + self.secret_key.encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        hashed = hashlib.sha256(request.encode("latin-1")).hexdigest()
        signature = hmac.digest(key, f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashed}".encode(), "sha256").hex()
        credential = f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}"
        signed = f"{credential}, SignedHeaders={';'.join(names)}, Signature={signature}"
        every.append(("Authorization", signed.encode("latin-1")))
        if told in (SIGNED_CHUNKS, SIGNED_TRAILER, UNSIGNED_TRAILER):
            trailer = next((value.decode() for name, value in headers if name == "x-amz-trailer"), "")
            sign = None if told == UNSIGNED_TRAILER else (lambda text: hmac.digest(key, text.encode(), "sha256").hex())
            body = self._chunked(body, trailer, sign, stamp, scope, signature)
        return method, f"{path}?{query}" if query else path, every, body

    def _chunked(
        self, data: bytes, trailer: str, sign: Callable[[str], str] | None, stamp: str, scope: str, before: str
    ) -> bytes:
        """In pieces, each with its signature where that is wanted; now and then not as it should be."""
        chance, empty = self.chance, hashlib.sha256(b"").hexdigest()
        size = chance.choice((1000, 3000, 8192))
        pieces = [data[at : at + size] for at in range(0, len(data), size)] + [b""]
        body = b""
        for piece in pieces:
            head = f"{len(piece):x}"
            if sign is not None:
                digest = hashlib.sha256(piece).hexdigest()
                before = sign("\n".join(("AWS4-HMAC-SHA256-PAYLOAD", stamp, scope, before, empty, digest)))
                head += f";chunk-signature={before}"
            body += head.encode() + b"\r\n" + piece + (b"\r\n" if piece else b"")
        if trailer:
            digest = _SUMS[trailer.removeprefix("x-amz-checksum-")](data)
            line = f"{trailer}:{base64.b64encode(digest).decode()}\n"
            body += line.strip().encode() + b"\r\n"
            if sign is not None:
                hashed = hashlib.sha256(line.encode()).hexdigest()
                last = sign("\n".join(("AWS4-HMAC-SHA256-TRAILER", stamp, scope, before, hashed)))
                body += f"x-amz-trailer-signature:{last}\r\n".encode()
        body += b"\r\n"
        if chance.random() < 0.3:
            at = chance.randrange(len(body))
            piece = chance.choice((b"", b"\x00", b"\r\n", b"ffffffff", b"x" * 5000, body[at : at + 50]))
            body = body[:at] + piece + body[at + chance.choice((0, 1, 20)) :]
        return body

    def _spoilt(self, made: tuple[str, str, Headers, bytes]) -> Input:
        """Otherwise than it was signed."""
        chance = self.chance
        method, target, headers, body = made
        index = chance.randrange(len(headers))
        name, value = headers[index]
        how = chance.randrange(5)
        if how == 0 and name != "Host":
            del headers[index]
        elif how == 1 and name != "Host":
            headers.append((name, value))
        elif how == 2 and value:
            at = chance.randrange(len(value))
            headers[index] = name, value[:at] + chance.choice((b"", b"x", b"=", b",")) + value[at + 1 :]
        elif how == 3:
            target += chance.choice(("&", "&a=b", "?acl", "%00", "/x"))
        else:
            body = body[: len(body) // 2] + b"x"
        return self._input(method, target, headers, body, True)

    # ------------------------------------------------------------------ answers

    def _judge(self, method: str, refusable: bool, answered: Answered) -> str:
        status, body = answered.status, answered.body
        is_xml, code = answered.headers.get(b"content-type") == b"application/xml", ""
        if any(each in body + answered.headers.get(b"etag", b"") for each in _SECRETS):
            raise Broken("what another keeps")
        if is_xml and body:
            try:
                root = ElementTree.fromstring(body.lstrip())
            except ElementTree.ParseError as error:
                raise Broken(f"no XML ({error})") from None
            if root.tag == "Error":
                code = root.findtext("Code") or ""
                if _CODE.match(code) is None or code == "InternalError":
                    raise Broken("no error of S3's")
            else:
                self._learn(body)
        if method == "HEAD" and status in (501, 503):
            return f"HEAD {status}"  # without a body there is no code
        if status >= 500 and (status, code) not in TOLD:
            raise Broken("a 5xx")
        if status >= 400 and is_xml and method != "HEAD" and not code:
            raise Broken("a refusal without a code")
        if code in _SIGNED and not refusable:
            raise Broken("it was signed well")
        return code or (f"HEAD {status}" if status >= 400 else "")

    def _learn(self, body: bytes) -> None:
        """What an answer tells that further requests can name."""
        for name, kept in ((b"UploadId", self.uploads), (b"ETag", self.tags)):
            told = body.partition(b"<" + name + b">")[2].partition(b"<")[0].decode("utf-8", "replace")
            told = told.replace("&quot;", '"')
            if told and told not in kept:
                kept.append(told)
                del kept[:-KEPT]


def _encoded(text: str) -> str:
    return quote(unquote_to_bytes(text), safe="-_.~")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def furnished(client: Any) -> list[str]:
    """
    What another has: an object, and an upload in parts.

    :return: what tells of these.
    """
    client.create_bucket(Bucket=ANOTHERS)
    client.put_object(Bucket=ANOTHERS, Key="secret", Body=SECRET)
    upload = client.create_multipart_upload(Bucket=ANOTHERS, Key="secret")["UploadId"]
    client.upload_part(Bucket=ANOTHERS, Key="secret", UploadId=upload, PartNumber=1, Body=SECRET)
    return [str(upload)]
