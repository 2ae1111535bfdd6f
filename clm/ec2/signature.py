"""
Who signed a request: signature versions 4 (in the header, or in the query of a signed URL) and 2.

``claim_of`` reads who a request says it is from, and refuses what nobody's key could make good; ``Claim.check`` then
holds it against the secret. Both look at the bytes as they came: whatever is decoded first could be read in two ways.

There is no cache of signatures seen: clients sign to the second and without a nonce, so that two honest requests may
carry the same one. TLS, the window of time and clients' tokens protect from repeats.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from clm.ec2.errors import EC2Error
from clm.ec2.query import split_query

SKEW_S: Final = 300.0
EXPIRES_MAX_S: Final = 604_800  # of a signed URL: a week, as AWS has it
SERVICES: Final = frozenset({"ec2", "sts"})
ALGORITHM: Final = "AWS4-HMAC-SHA256"
FAILED: Final = "AWS was not able to validate the provided access credentials"
_STAMP: Final = "%Y%m%dT%H%M%SZ"
_HEADER: Final = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=([^,\s]+) *, *SignedHeaders=([^,\s]+) *, *Signature=([0-9a-f]{64}) *\Z", re.ASCII
)
_SIGNATURE: Final = re.compile(r"[0-9a-f]{64}\Z", re.ASCII)
_STAMPED: Final = re.compile(r"[0-9]{8}T[0-9]{6}Z\Z", re.ASCII)
_SCOPE: Final = re.compile(
    r"([A-Za-z0-9]{1,128})/([0-9]{8})/([A-Za-z0-9._-]{1,64})/([a-z0-9]+)/aws4_request\Z", re.ASCII
)

Pairs = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Asked:
    """
    A request as it came.

    :ivar uri: path and query, undecoded.
    :ivar headers: names in lower case, in the order of each name's values.
    """

    method: bytes
    uri: bytes
    headers: Pairs
    body: bytes = b""

    @property
    def path(self) -> bytes:
        return self.uri.partition(b"?")[0]

    @property
    def query(self) -> Pairs:
        return split_query(self.uri.partition(b"?")[2])

    @property
    def form(self) -> Pairs:
        """What the body holds of parameters."""
        return split_query(self.body) if self.method == b"POST" else ()

    def header(self, name: bytes) -> bytes | None:
        return next((value for found, value in self.headers if found == name), None)


@dataclass(frozen=True)
class Claim:
    """
    :ivar region: of the scope that was signed; "" of version 2.
    :ivar token: of a temporary key; "": it is none.
    :ivar _right: whether a secret makes this signature.
    :ivar stamp: with ``scope`` and ``signature``: of version 4, as they stand there.
    """

    access_key: str
    region: str
    _right: Callable[[bytes], bool]
    token: str = ""
    stamp: str = ""
    scope: str = ""
    signature: str = ""

    def signer(self, secret: str) -> Callable[[bytes], str]:
        """What signs with the key of this scope, as whoever made this signature of version 4 does."""
        key = b"AWS4" + secret.encode()
        for part in self.scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        return lambda text: hmac.digest(key, text, "sha256").hex()

    def check(self, secret: str) -> None:
        """:raises EC2Error: ``AuthFailure``: it was signed with another secret, or changed since."""
        if not self._right(secret.encode()):
            raise failed()


def failed() -> EC2Error:
    """The one refusal of all credentials that are not good: it does not tell what is wrong with them."""
    return EC2Error("AuthFailure", FAILED)


def claim_of(
    asked: Asked, now: float, *, version_2: bool = True, services: Collection[str] = SERVICES,
    payload: str | None = None,
) -> Claim:  # fmt: skip
    """
    Who the request says it is from.

    :param now: seconds since 1970.
    :param version_2: whether that is taken.
    :param services: that it may be signed for.
    :param payload: what was signed of the body, which is not here, and held against it elsewhere; None: it is here.
    :raises EC2Error: ``MissingAuthenticationToken``: nobody; ``IncompleteSignature``: it is said in no way of ours;
        ``RequestExpired``: at another time; ``SignatureDoesNotMatch``: it says itself what is wrong with it.
    """
    header = asked.header(b"authorization")
    query = dict(asked.query)
    presigned = b"X-Amz-Signature" in query or b"X-Amz-Algorithm" in query
    second = b"Signature" in query or b"AWSAccessKeyId" in query or _is_form_signed(asked)
    if (header is not None) + presigned + second > 1:
        raise _incomplete("the request is signed in more than one way")
    if header is not None:
        return _by_header(asked, header, now, services, payload)
    if presigned:
        return _by_query(asked, now, services, payload)
    if second:
        if not version_2:
            raise _incomplete("signatures of version 2 are not taken here")
        return _by_version_2(asked, now)
    raise EC2Error("MissingAuthenticationToken", "The request is not signed.")


def _incomplete(reason: str) -> EC2Error:
    return EC2Error("IncompleteSignature", f"The signature cannot be read: {reason}.")


def _mismatch(reason: str) -> EC2Error:
    return EC2Error("SignatureDoesNotMatch", f"The signature does not cover the request: {reason}.")


# ------------------------------------------------------------------ version 4


def _by_header(
    asked: Asked, header: bytes, now: float, services: Collection[str], payload: str | None
) -> Claim:
    read = _HEADER.match(header.decode("latin-1"))
    if read is None:
        raise _incomplete(f"Authorization is not {ALGORITHM} with Credential, SignedHeaders and Signature")
    credential, signed, signature = read.groups()
    stamp = (asked.header(b"x-amz-date") or b"").decode("latin-1")
    at = _stamped(stamp)
    if abs(now - at) > SKEW_S:
        raise _expired(f"X-Amz-Date is more than {SKEW_S:.0f} s from this clock")
    digest = hashlib.sha256(asked.body).hexdigest() if payload is None else payload
    told = asked.header(b"x-amz-content-sha256")
    if told is not None and told.decode("latin-1") != digest:
        raise _mismatch("X-Amz-Content-Sha256 is not the body's")
    tokens = [value for name, value in asked.headers if name == b"x-amz-security-token"]
    if len(tokens) > 1:
        raise _incomplete("there are several tokens")
    token = tokens[0].decode("latin-1") if tokens else ""
    return _version_4(asked, credential, signed, signature, stamp, digest, token, services)


def _by_query(asked: Asked, now: float, services: Collection[str], payload: str | None) -> Claim:
    query = asked.query
    given = {}
    for name, value in query:
        if name.startswith(b"X-Amz-"):
            if name in given:
                raise _incomplete("a parameter of the signature is given twice")
            given[name] = value.decode("latin-1")
    try:
        credential, signed = given[b"X-Amz-Credential"], given[b"X-Amz-SignedHeaders"]
        signature, stamp = given[b"X-Amz-Signature"], given[b"X-Amz-Date"]
        expires, algorithm = given[b"X-Amz-Expires"], given[b"X-Amz-Algorithm"]
    except KeyError as missing:
        raise _incomplete(f"{missing.args[0].decode()} is missing") from None
    if algorithm != ALGORITHM or _SIGNATURE.match(signature) is None:
        raise _incomplete(f"it is not {ALGORITHM}")
    if not (expires.isascii() and expires.isdigit() and len(expires) < 8 and 1 <= int(expires) <= EXPIRES_MAX_S):
        raise _incomplete(f"X-Amz-Expires is not 1 to {EXPIRES_MAX_S}")
    at = _stamped(stamp)
    if now < at - SKEW_S or now > at + int(expires):
        raise _expired("the signed URL is not good at this time")
    token = given.get(b"X-Amz-Security-Token", "")
    digest = hashlib.sha256(asked.body).hexdigest() if payload is None else payload
    return _version_4(asked, credential, signed, signature, stamp, digest, token, services)


def _version_4(
    asked: Asked, credential: str, signed: str, signature: str, stamp: str, digest: str, token: str,
    services: Collection[str],
) -> Claim:  # fmt: skip
    scope = _SCOPE.match(credential)
    if scope is None:
        raise _incomplete("Credential is not key/date/region/service/aws4_request")
    access_key, date, region, service = scope.groups()
    if service not in services:
        raise _mismatch(f"its scope is of another service than {' or '.join(sorted(services))}")
    if stamp[:8] != date:
        raise _mismatch("the scope's date is not X-Amz-Date's")
    names = signed.split(";")
    if names != sorted(set(names)) or signed != signed.lower():
        raise _incomplete("SignedHeaders is not sorted, or not in lower case")
    if "host" not in names:
        raise _mismatch("host is not signed")
    here = {name.decode("latin-1") for name, _ in asked.headers}
    if not here >= set(names):
        raise _mismatch("a signed header is missing")
    if any(name.startswith("x-amz-") and name not in names for name in here):
        raise _mismatch("a header of X-Amz- is not signed")
    request = "\n".join((
        asked.method.decode("latin-1"), _canonical_path(asked.path), _canonical_query(asked.query),
        *(f"{name}:{_canonical_header(asked, name)}" for name in names), "", signed, digest,
    ))  # fmt: skip
    hashed = hashlib.sha256(request.encode("latin-1")).hexdigest()
    to_sign = f"{ALGORITHM}\n{stamp}\n{date}/{region}/{service}/aws4_request\n{hashed}"

    def right(secret: bytes) -> bool:
        key = b"AWS4" + secret
        for part in (date, region, service, "aws4_request", to_sign):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.compare_digest(key.hex(), signature)

    scope_ = f"{date}/{region}/{service}/aws4_request"
    return Claim(access_key, region, right, token, stamp, scope_, signature)


def _canonical_path(path: bytes) -> str:
    return quote(unquote_to_bytes(path), safe="/-_.~") or "/"


def _canonical_query(pairs: Pairs) -> str:
    kept = sorted((_encoded(name), _encoded(value)) for name, value in pairs if name != b"X-Amz-Signature")
    return "&".join(f"{name}={value}" for name, value in kept)


def _canonical_header(asked: Asked, name: str) -> str:
    values = [value for found, value in asked.headers if found == name.encode("latin-1")]
    return ",".join(re.sub(" +", " ", value.decode("latin-1").strip(" \t")) for value in values)


def _encoded(text: bytes) -> str:
    return quote(text, safe="-_.~")


def _stamped(stamp: str) -> float:
    if _STAMPED.match(stamp) is None:
        raise _incomplete("X-Amz-Date is missing, or no time like 20260102T030405Z")
    try:
        return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise _incomplete("X-Amz-Date is no time") from None


def _expired(reason: str) -> EC2Error:
    return EC2Error("RequestExpired", f"Request has expired: {reason}.")


# ------------------------------------------------------------------ version 2


def _is_form_signed(asked: Asked) -> bool:
    return any(name in (b"Signature", b"AWSAccessKeyId") for name, _ in asked.form)


def _by_version_2(asked: Asked, now: float) -> Claim:
    pairs = [*asked.query, *asked.form]
    given = dict(pairs)
    if len(given) != len(pairs):
        raise _incomplete("a parameter is given twice")
    try:
        access_key, signature = given[b"AWSAccessKeyId"].decode("latin-1"), given[b"Signature"]
        method, version = given[b"SignatureMethod"], given[b"SignatureVersion"]
    except KeyError as missing:
        raise _incomplete(f"{missing.args[0].decode()} is missing") from None
    if version != b"2" or method != b"HmacSHA256":
        raise _incomplete("SignatureVersion is not 2, or SignatureMethod not HmacSHA256")
    if (b"Timestamp" in given) == (b"Expires" in given):
        raise _incomplete("it takes either Timestamp or Expires")
    if b"Timestamp" in given:
        if abs(now - _iso(given[b"Timestamp"])) > SKEW_S:
            raise _expired(f"Timestamp is more than {SKEW_S:.0f} s from this clock")
    else:
        ends = _iso(given[b"Expires"])
        if not now <= ends <= now + EXPIRES_MAX_S:
            raise _expired("it is past Expires")
    signed = sorted((name, value) for name, value in pairs if name != b"Signature")
    query = "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in signed)
    host = (asked.header(b"host") or b"").decode("latin-1")
    path = _canonical_path(asked.path)
    # Clients differ on the host's case, and on whether a port that is not the usual one belongs to it.
    hosts = {host, host.lower(), host.lower().rpartition(":")[0] or host.lower()}
    texts = [f"{asked.method.decode('latin-1')}\n{each}\n{path}\n{query}".encode("latin-1") for each in sorted(hosts)]

    def right(secret: bytes) -> bool:
        made = [base64.b64encode(hmac.digest(secret, text, "sha256")) for text in texts]
        return any([hmac.compare_digest(each, signature) for each in made])

    return Claim(access_key, "", right, given.get(b"SecurityToken", b"").decode("latin-1"))


def _iso(text: bytes) -> float:
    try:
        at = datetime.fromisoformat(text.decode("ascii"))
        return (at.replace(tzinfo=UTC) if at.tzinfo is None else at).timestamp()
    except (ValueError, OverflowError):
        raise _incomplete("its time is no ISO 8601 time") from None
