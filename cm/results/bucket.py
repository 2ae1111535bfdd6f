"""Buckets, what is in them, and what comes in parts."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from cm.rpc.fields import Bytes, Named, Number, Time, Total, Uuid

Key = Annotated[str, Meta(examples=["images/debian.qcow2"], description="What it is called in its bucket.")]
ETag = Annotated[
    str,
    Meta(examples=["d41d8cd98f00b204e9800998ecf8427e"], description="Its MD5; of parts theirs, and how many they were"),
]
Headers = Annotated[dict[str, str], Meta(examples=[{"content-type": "text/plain"}], description="It is told with.")]


class Bucket(TypedDict):
    """A bucket of the caller's."""

    bucket_id: Number
    uuid: Uuid
    name: Named
    objects: Annotated[Total, Meta(description="How many objects are in it.")]
    size_bytes: Annotated[Bytes, Meta(description="Bytes that these are.")]
    created: Time


class StoredObject(TypedDict):
    """What is in a bucket under a key."""

    key: Key
    uuid: Uuid
    size_bytes: Bytes
    etag: ETag
    headers: Headers
    modified: Time


class ObjectPage(TypedDict):
    """Some of a bucket's objects, in the order of their keys' bytes."""

    objects: list[StoredObject]
    prefixes: Annotated[list[Key], Meta(description="Of what has the delimiter behind the prefix: up to there.")]
    after: Annotated[Key | None, Meta(description="Where the next page begins; null: that was all.")]


class Multipart(TypedDict):
    """An object that comes in parts."""

    multipart_id: Number
    uuid: Uuid
    bucket_id: Number
    key: Key
    parts: Annotated[Total, Meta(description="How many have come.")]
    size_bytes: Annotated[Bytes, Meta(description="Bytes that have come.")]
    created: Time
    expires: Annotated[Time, Meta(description="When it is given up, unless it is complete.")]


class Part(TypedDict):
    """A part that has come."""

    number: Annotated[int, Meta(ge=1, examples=[1])]
    size_bytes: Bytes
    etag: ETag
    created: Time
