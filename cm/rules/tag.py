"""What a tag may be: EC2's bounds, which tools for it count on, whoever writes the tag."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from cm.rpc.errors import InvalidParameter
from cm.rpc.vocabulary import TAG_RESERVED, TagKind

# What an object is called is no tag of it; its front for EC2 tells it as this one.
NAME: Final = "Name"
NAMED: Final = frozenset({TagKind.VM, TagKind.DISK, TagKind.SNAPSHOT, TagKind.NETWORK})


def check_keys(kind: TagKind, keys: Collection[str]) -> None:
    """:raises InvalidParameter: one is not for owners to give."""
    for key in keys:
        if key.lower().startswith(TAG_RESERVED):
            raise InvalidParameter("tags", f"keys that begin with {TAG_RESERVED} are reserved")
        if key == NAME and kind in NAMED:
            raise InvalidParameter("tags", f"{NAME} is what the object is called: edit that")
