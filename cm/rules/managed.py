"""
What objects of the managed-node model are called: by the node, and by what libvirt knows them by there. An object of
that name is the same one for as long as libvirt there has it, whatever becomes of the records.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_NODE: Final = "[1-9][0-9]{0,17}"
# Without anchors, for parameters of views.
DOMAIN: Final = f"domain:{_NODE}:{_UUID}"
POOL: Final = f"pool:{_NODE}:{_UUID}"
VOLUME: Final = f"volume:{_NODE}:{_UUID}:[^/\\x00-\\x1f\\x7f]{{1,255}}"

EXAMPLE: Final = "3:5a1f6a52-7c0e-4b58-9d0a-3f2f0c7e9b11"  # of a node, and a uuid there


@dataclass(frozen=True)
class Reference:
    """
    A domain or a pool.

    :ivar uuid: libvirt's.
    """

    node_id: int
    uuid: str


@dataclass(frozen=True)
class VolumeReference:
    """:ivar pool: the uuid of its pool."""

    node_id: int
    pool: str
    name: str


def domain_id(node_id: int, uuid: str) -> str:
    return f"domain:{node_id}:{uuid}"


def pool_id(node_id: int, uuid: str) -> str:
    return f"pool:{node_id}:{uuid}"


def volume_id(node_id: int, pool: str, name: str) -> str:
    """:param pool: its uuid."""
    return f"volume:{node_id}:{pool}:{name}"


def reference(object_id: str) -> Reference:
    """:param object_id: matches ``DOMAIN`` or ``POOL``."""
    _, node_id, uuid = object_id.split(":")
    return Reference(int(node_id), uuid)


def volume_reference(object_id: str) -> VolumeReference:
    """:param object_id: matches ``VOLUME``."""
    _, node_id, pool, name = object_id.split(":", 3)
    return VolumeReference(int(node_id), pool, name)
