"""What a request of S3's is about: a bucket and a key, by its path or its host, and what is said beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

from clm.ec2.query import as_text
from clm.ec2.s3.errors import S3Error
from clm.ec2.signature import Asked

# Headers that an object is told with again.
KEPT: Final = (
    "content-type", "cache-control", "content-disposition", "content-encoding", "content-language", "expires",
)  # fmt: skip
META: Final = "x-amz-meta-"
# Of a key, as S3 has it, and of these headers, as clusters have it: what is longer has no room on the way to them.
KEY_BYTES: Final = 1024
KEPT_BYTES: Final = 4096
_MARKS: Final = 6  # of each header
# By which a query asks for what else S3 knows of buckets and objects.
ELSE: Final = frozenset({
    "accelerate", "acl", "analytics", "attributes", "cors", "encryption", "intelligent-tiering", "inventory",
    "legal-hold", "lifecycle", "logging", "metrics", "notification", "object-lock", "ownershipControls", "policy",
    "policyStatus", "publicAccessBlock", "replication", "requestPayment", "restore", "retention", "select", "tagging",
    "torrent", "versionId", "versioning", "versions", "website", "metadataTable", "session", "renameObject",
})  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """
    :ivar bucket: "": none is named. :ivar key: "": the bucket itself.
    :ivar query: the first value of each name. :ivar headers: in lower case, values of one name joined.
    """

    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False, default_factory=dict)

    def number(self, name: str, most: int, least: int = 0, default: int = 0) -> int:
        """:raises S3Error: it is no number of that range."""
        given = self.query.get(name)
        if given is None or given == "":
            return default
        if not (given.isascii() and given.isdigit() and len(given) < 12 and least <= int(given) <= most):
            raise S3Error("InvalidArgument", f"{name} is not {least} to {most}.")
        return int(given)

    @property
    def kept(self) -> dict[str, str]:
        """
        What an object is told with.

        :raises S3Error: it is too much.
        """
        found = {name: value for name, value in self.headers.items() if name in KEPT or name.startswith(META)}
        encodings = [each.strip() for each in found.pop("content-encoding", "").split(",")]
        left = ",".join(each for each in encodings if each and each != "aws-chunked")
        kept = {**found, "content-encoding": left} if left else found
        if sum(len(name) + len(value.encode()) + _MARKS for name, value in kept.items()) > KEPT_BYTES:
            raise S3Error("MetadataTooLarge", f"Headers that are kept have up to {KEPT_BYTES} bytes in all.")
        return kept


def read(asked: Asked, hosts: Sequence[str]) -> Wanted:
    """
    :param hosts: names, with their ports, below which buckets are hosts themselves.
    :raises S3Error: a key is no text, or too long.
    """
    headers: dict[str, str] = {}
    for raw, value in asked.headers:
        name = raw.decode("latin-1")
        headers[name] = f"{headers[name]},{value.decode('latin-1')}" if name in headers else value.decode("latin-1")
    host = headers.get("host", "").lower()
    path = unquote_to_bytes(asked.path)
    bucket = next((host.removesuffix("." + each) for each in hosts if host.endswith("." + each)), "").encode()
    if bucket:
        key = path[1:]
    else:
        bucket, _, key = path[1:].partition(b"/")
    if len(key) > KEY_BYTES:
        raise S3Error("KeyTooLongError", f"A key has up to {KEY_BYTES} bytes.")
    query: dict[str, str] = {}
    for name, text in as_text(asked.query):
        query.setdefault(name, text)
    try:
        return Wanted(asked.method.decode("latin-1"), bucket.decode(), key.decode(), query, headers)
    except UnicodeDecodeError:
        raise S3Error("InvalidArgument", "A key is not UTF-8.") from None


def hosts_of(url: str, names: Sequence[str]) -> list[str]:
    """
    :param url: of the endpoint, a pattern with ``{cluster}``; "": none.
    :param names: of clusters.
    """
    return list(dict.fromkeys(urlsplit(url.replace("{cluster}", name)).netloc.lower() for name in names)) if url else []
