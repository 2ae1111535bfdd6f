"""What S3's requests do: by their method, what they name and what their query asks for."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import quote

from clm.ec2.context import Context
from clm.ec2.s3.body import STREAMING, Chain, Payload
from clm.ec2.s3.errors import S3Error, not_implemented
from clm.ec2.s3.request import ELSE, Wanted
from clm.ec2.s3.xml import BODY_MAX, read_keys, read_location, read_parts, write
from clm.ec2.xml import told_time
from clm.services.stored_object import ObjectBytes, drop
from cm.rpc.http.body import Body

PAGE: Final = 1000
PARTS_MAX: Final = 10_000
_CLASS: Final = "STANDARD"  # the one class of storage


@dataclass
class Work:
    """
    One request under way.

    :ivar told: ``x-amz-content-sha256``. :ivar let_in: has the body come. :ivar answer: ``endpoint.Answer``.
    """

    context: Context
    wanted: Wanted
    objects: ObjectBytes
    body: Body
    told: str
    chain: Chain | None
    let_in: Callable[[], None]
    answer: Any

    @property
    def identity(self) -> Any:
        return self.context.identity

    @property
    def cluster(self) -> str:
        return self.context.region

    async def bucket(self) -> Mapping[str, Any]:
        """:raises S3Error: the caller has none of that name."""
        for each in await self.context.read("user.bucket.get_list"):
            if each["name"] == self.wanted.bucket:
                found: Mapping[str, Any] = each
                return found
        raise S3Error("NoSuchBucket", "The specified bucket does not exist.")

    def payload(self, most: int) -> tuple[Payload, int]:
        """
        The body, and how long it is.

        :raises S3Error: that is not said, or too much.
        """
        headers = self.wanted.headers
        length = headers.get("x-amz-decoded-content-length")
        if length is None and self.told not in STREAMING:
            length = "" if self.body.length is None else str(self.body.length)
        if not length or not (length.isascii() and length.isdigit() and len(length) < 16):
            raise S3Error("MissingContentLength", "How long the body is has to be said.")
        if int(length) > most:
            raise S3Error("EntityTooLarge", f"It has more than {most} bytes.")

        async def take() -> list[bytes]:
            self.let_in()
            return await self.body.take()

        return Payload(take, self.told, int(length), headers, self.chain), int(length)

    async def text(self) -> bytes:
        """A body that is a document, all of it."""
        if self.body.length == 0 or (self.body.length is None and self.body.complete):
            return b""
        payload, _ = self.payload(BODY_MAX)
        parts = []
        while pieces := await payload.take():
            parts += pieces
        return b"".join(parts)


async def do(work: Work) -> None:
    """
    :raises S3Error: it is nothing that is done here, or was refused.
    :raises CloudError: a view's or a cluster's refusal.
    """
    wanted = work.wanted
    if other := sorted(ELSE & wanted.query.keys()):
        raise not_implemented(other[0])
    method = "GET" if wanted.method == "HEAD" and wanted.key else wanted.method
    if not wanted.bucket:
        if method != "GET":
            raise S3Error("MethodNotAllowed", "The service itself is read.")
        await list_buckets(work)
        return
    table = _OBJECT if wanted.key else _BUCKET
    for names, of_method, handler in table:
        if of_method == method and names <= wanted.query.keys():
            await handler(work)
            return
    raise S3Error("MethodNotAllowed", "The method is none of what it names.")


# ------------------------------------------------------------------ buckets


async def list_buckets(work: Work) -> None:
    found = await work.context.read("user.bucket.get_list")
    told = [("Bucket", (("Name", b["name"]), ("CreationDate", told_time(b["created"])))) for b in found]
    owner = (("ID", work.context.owner), ("DisplayName", work.identity.login))
    work.answer.send(200, write("ListAllMyBucketsResult", (("Owner", owner), ("Buckets", told))))


async def create_bucket(work: Work) -> None:
    place = read_location(await work.text())
    if place not in ("", work.cluster, "us-east-1"):
        raise S3Error("InvalidLocationConstraint", f"The region that was asked is {work.cluster}.")
    await work.context.change("user.bucket.create", name=work.wanted.bucket)
    work.answer.send(200, b"", (("location", f"/{work.wanted.bucket}"),))


async def delete_bucket(work: Work) -> None:
    bucket = await work.bucket()
    await work.context.change("user.bucket.delete", bucket_id=bucket["bucket_id"])
    work.answer.send(204)


async def head_bucket(work: Work) -> None:
    await work.bucket()
    work.answer.send(200, b"", (("x-amz-bucket-region", work.cluster),))


async def get_location(work: Work) -> None:
    await work.bucket()
    work.answer.send(200, write("LocationConstraint", ()).replace(b"></", b">%s</" % work.cluster.encode()))


async def list_objects(work: Work) -> None:
    """Both versions of the list: the second has a token where the first has a marker."""
    wanted, second = work.wanted, work.wanted.query.get("list-type") == "2"
    bucket = await work.bucket()
    query = wanted.query
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    marker = query.get("marker", "")
    if second:
        told_token = query.get("continuation-token")
        marker = _of_token(told_token) if told_token else query.get("start-after", "")
    limit = wanted.number("max-keys", 2**31, default=PAGE)
    if max(map(len, (prefix, delimiter, marker))) > 1024:
        raise S3Error("InvalidArgument", "No key is as long.")
    asked = {"prefix": prefix, "delimiter": delimiter, "after": marker, "limit": min(limit, PAGE)}
    page: Any = {"objects": [], "prefixes": [], "after": None}
    if limit:
        page = await work.context.read("user.stored_object.get_page", bucket_id=bucket["bucket_id"], **asked)
    encoded = query.get("encoding-type") == "url"

    def key(text: str) -> str:
        return quote(text, safe="/-_.~") if encoded else text

    after = page["after"]
    told: list[tuple[str, Any]] = [
        ("Name", wanted.bucket), ("Prefix", key(prefix)), ("Delimiter", key(delimiter) or None), ("MaxKeys", limit),
        ("EncodingType", "url" if encoded else None), ("IsTruncated", after is not None),
    ]  # fmt: skip
    if second:
        told += [
            ("KeyCount", len(page["objects"]) + len(page["prefixes"])),
            ("NextContinuationToken", None if after is None else _token(after)),
            ("ContinuationToken", query.get("continuation-token")),
            ("StartAfter", key(query.get("start-after", "")) or None),
        ]  # fmt: skip
    else:
        told += [("Marker", key(marker)), ("NextMarker", None if after is None else key(after))]
    owner = ("Owner", (("ID", work.context.owner), ("DisplayName", work.identity.login)))
    for each in page["objects"]:
        shown = [
            ("Key", key(each["key"])), ("LastModified", told_time(each["modified"])), ("ETag", f'"{each["etag"]}"'),
            ("Size", each["size_bytes"]), ("StorageClass", _CLASS),
        ]  # fmt: skip
        told.append(("Contents", shown if second and query.get("fetch-owner") != "true" else [*shown, owner]))
    told += [("CommonPrefixes", (("Prefix", key(each)),)) for each in page["prefixes"]]
    work.answer.send(200, write("ListBucketResult", told))


def _token(after: str) -> str:
    return base64.urlsafe_b64encode(after.encode()).decode()


def _of_token(token: str) -> str:
    try:
        return base64.b64decode(token.encode(), b"-_", validate=True).decode()
    except ValueError:
        raise S3Error("InvalidArgument", "The continuation token is none.") from None


async def delete_objects(work: Work) -> None:
    keys, quiet = read_keys(await work.text())
    bucket = await work.bucket()
    await work.context.change("user.stored_object.delete", bucket_id=bucket["bucket_id"], keys=keys)
    told = [] if quiet else [("Deleted", (("Key", key),)) for key in keys]
    work.answer.send(200, write("DeleteResult", told))


async def list_uploads(work: Work) -> None:
    bucket = await work.bucket()
    prefix = work.wanted.query.get("prefix", "")
    told: list[tuple[str, Any]] = [
        ("Bucket", work.wanted.bucket), ("Prefix", prefix), ("MaxUploads", PAGE), ("IsTruncated", False)
    ]
    for each in await work.context.read("user.multipart.get_list"):
        if each["bucket_id"] == bucket["bucket_id"] and each["key"].startswith(prefix):
            shown = (("Key", each["key"]), ("UploadId", upload_id(each)), ("Initiated", told_time(each["created"])))
            told.append(("Upload", shown))
    work.answer.send(200, write("ListMultipartUploadsResult", told))


# ------------------------------------------------------------------ objects


async def put_object(work: Work) -> None:
    _refuse_copy(work.wanted)
    payload, length = work.payload(5 * 2**30)
    bucket = await work.bucket()
    told = {
        "bucket_id": bucket["bucket_id"], "key": work.wanted.key, "size_bytes": length, "headers": work.wanted.kept
    }  # fmt: skip
    begun = await work.objects.begin(work.identity, work.cluster, "begin", told)
    made = await work.objects.put(work.identity, work.cluster, "/objects", begun, payload.take)
    work.answer.send(200, b"", (("etag", f'"{made["etag"]}"'),))


def _refuse_copy(wanted: Wanted) -> None:
    if "x-amz-copy-source" in wanted.headers:
        raise not_implemented("A copy of an object")
    if "if-match" in wanted.headers or "if-none-match" in wanted.headers:
        raise not_implemented("A condition of an upload")


async def get_object(work: Work) -> None:
    """All of it or a range; by HEAD what is told of it."""
    wanted = work.wanted
    bucket = await work.bucket()
    told = {"bucket_id": bucket["bucket_id"], "key": wanted.key}
    given = wanted.headers.get("range")
    found, shown = await work.objects.get(
        work.identity, work.cluster, wanted.method.encode(), told, None if given is None else given.encode("latin-1")
    )
    etag = f'"{shown["etag"]}"'
    modified = datetime.fromisoformat(shown["modified"]).astimezone(UTC)
    status = _condition(wanted.headers, etag)
    answered = found.headers.getRawHeaders
    headers = {
        "etag": etag, "last-modified": format_datetime(modified.replace(microsecond=0), usegmt=True),
        "accept-ranges": "bytes", "content-type": "binary/octet-stream", **shown["headers"],
    }  # fmt: skip
    if status is not None or found.code == 416:
        drop(found)
        if found.code == 416:
            raise S3Error("InvalidRange", "The range is behind its end.")
        if status == 412:
            raise S3Error("PreconditionFailed", "It is another.")
        work.answer.send(304, b"", (("etag", etag),))
        return
    for name in ("response-content-type", "response-content-disposition", "response-cache-control"):
        value = wanted.query.get(name, "")
        if value and value.isascii() and value.isprintable():
            headers[name.removeprefix("response-")] = value
    content_range = answered("content-range", [None])[0]
    length = shown["size_bytes"]
    if content_range is not None:
        headers["content-range"] = content_range
        first, _, rest = content_range.removeprefix("bytes ").partition("-")
        length = int(rest.partition("/")[0]) - int(first) + 1
    headers["content-length"] = str(length)
    await work.answer.pass_on(found, found.code, headers.items())


def _condition(headers: Mapping[str, str], etag: str) -> int | None:
    """The status of an answer without it."""

    def among(given: str) -> bool:
        return given.strip() == "*" or etag in [each.strip() for each in given.split(",")]

    if "if-match" in headers and not among(headers["if-match"]):
        return 412
    if "if-none-match" in headers and among(headers["if-none-match"]):
        return 304
    return None


async def delete_object(work: Work) -> None:
    bucket = await work.bucket()
    await work.context.change("user.stored_object.delete", bucket_id=bucket["bucket_id"], keys=[work.wanted.key])
    work.answer.send(204)


# ------------------------------------------------------------------ in parts


def upload_id(multipart: Mapping[str, Any]) -> str:
    """What it is asked for by: where it is found, and that it is meant, by the bucket and the key that it is for."""
    return f"{multipart['multipart_id']}.{multipart['uuid']}.{_mark(multipart['bucket_id'], multipart['key'])}"


def _mark(bucket_id: int, key: str) -> str:
    return hashlib.sha256(f"{bucket_id}/{key}".encode()).hexdigest()[:16]


async def _upload(work: Work) -> tuple[int, str]:
    """
    :return: its id, and its uuid.
    :raises S3Error: the id is none, or of another key.
    """
    bucket = await work.bucket()
    number, _, rest = work.wanted.query["uploadId"].partition(".")
    uuid, _, mark = rest.partition(".")
    good = number.isascii() and number.isdigit() and len(number) < 18 and len(uuid) == 36 and int(number) > 0
    if not good or mark != _mark(bucket["bucket_id"], work.wanted.key):
        raise S3Error("NoSuchUpload", "The specified upload does not exist.")
    return int(number), uuid


async def create_upload(work: Work) -> None:
    bucket = await work.bucket()
    made = await work.context.change(
        "user.multipart.begin", bucket_id=bucket["bucket_id"], key=work.wanted.key, headers=work.wanted.kept
    )
    told = (("Bucket", work.wanted.bucket), ("Key", work.wanted.key), ("UploadId", upload_id(made)))
    work.answer.send(200, write("InitiateMultipartUploadResult", told))


async def put_part(work: Work) -> None:
    _refuse_copy(work.wanted)
    payload, length = work.payload(5 * 2**30)
    multipart_id, _ = await _upload(work)
    number = work.wanted.number("partNumber", PARTS_MAX, 1)
    told = {"multipart_id": multipart_id, "number": number, "size_bytes": length}
    begun = await work.objects.begin(work.identity, work.cluster, "begin-part", told)
    sent = {"multipart_id": multipart_id, **begun}
    made = await work.objects.put(work.identity, work.cluster, "/objects/part", sent, payload.take)
    work.answer.send(200, b"", (("etag", f'"{made["etag"]}"'),))


async def complete_upload(work: Work) -> None:
    """It is answered at its end, with blanks before if that takes long; an error may have a status of 200 then."""
    parts = read_parts(await work.text())
    multipart_id, uuid = await _upload(work)
    told = {"multipart_id": multipart_id, "uuid": uuid, "parts": parts}
    made = (await work.objects.complete(work.identity, work.cluster, told, work.answer.beat))["result"]
    shown = (
        ("Location", f"/{work.wanted.bucket}/{quote(work.wanted.key)}"), ("Bucket", work.wanted.bucket),
        ("Key", work.wanted.key), ("ETag", f'"{made["etag"]}"'),
    )  # fmt: skip
    work.answer.send(200, write("CompleteMultipartUploadResult", shown))


async def abort_upload(work: Work) -> None:
    multipart_id, _ = await _upload(work)
    await work.context.change("user.multipart.abort", multipart_id=multipart_id)
    work.answer.send(204)


async def list_parts(work: Work) -> None:
    multipart_id, _ = await _upload(work)
    wanted = work.wanted
    most = wanted.number("max-parts", 2**31, 1, PAGE)
    after = wanted.number("part-number-marker", PARTS_MAX)
    found = await work.context.read("user.multipart.get_parts", multipart_id=multipart_id)
    left = [each for each in found if each["number"] > after]
    shown = left[: min(most, PAGE)]
    more = len(left) > len(shown)
    told: list[tuple[str, Any]] = [
        ("Bucket", wanted.bucket), ("Key", wanted.key), ("UploadId", wanted.query["uploadId"]),
        ("PartNumberMarker", after), ("NextPartNumberMarker", shown[-1]["number"] if more else None),
        ("MaxParts", most), ("IsTruncated", more), ("StorageClass", _CLASS),
    ]  # fmt: skip
    for each in shown:
        part = (
            ("PartNumber", each["number"]), ("LastModified", told_time(each["created"])),
            ("ETag", f'"{each["etag"]}"'), ("Size", each["size_bytes"]),
        )  # fmt: skip
        told.append(("Part", part))
    work.answer.send(200, write("ListPartsResult", told))


Handler = Callable[[Work], Awaitable[None]]
# The first whose names the query has.
_BUCKET: Final[Sequence[tuple[frozenset[str], str, Handler]]] = (
    (frozenset({"location"}), "GET", get_location),
    (frozenset({"uploads"}), "GET", list_uploads),
    (frozenset(), "GET", list_objects),
    (frozenset(), "HEAD", head_bucket),
    (frozenset(), "PUT", create_bucket),
    (frozenset(), "DELETE", delete_bucket),
    (frozenset({"delete"}), "POST", delete_objects),
)
_OBJECT: Final[Sequence[tuple[frozenset[str], str, Handler]]] = (
    (frozenset({"uploadId"}), "GET", list_parts),
    (frozenset(), "GET", get_object),
    (frozenset({"uploadId", "partNumber"}), "PUT", put_part),
    (frozenset(), "PUT", put_object),
    (frozenset({"uploadId"}), "POST", complete_upload),
    (frozenset({"uploads"}), "POST", create_upload),
    (frozenset({"uploadId"}), "DELETE", abort_upload),
    (frozenset(), "DELETE", delete_object),
)
