"""
Live migration: what keeps a VM from it, and which of two domains of one VM is the guest's once it has ended.

libvirt's protocol has the guest go on at the target once the source has sent everything, and at the source where the
target has not said that it runs. A target that has not heard of that runs on as well: seen with libvirtd hung in the
last moment (both ran, the source resumed). So while a target has a domain, that is ended before the source is believed.

Of a node that is off, by an administrator's word, nothing of the guest runs. Whether it had gone on there before nobody
can tell, where the other one stands still for it: its memory may be older than its disks then, so it is not resumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final
from urllib.parse import urlsplit

from cm.rpc.vocabulary import Seen, SeenReason
from cm.rules.vm import GONE

# How a domain is paused by a migration: at the source while the last of it is sent, at the target until it has come.
BY_MIGRATION: Final = frozenset({SeenReason.MIGRATION, SeenReason.POSTCOPY, SeenReason.STARTING_UP})
TORN: Final = SeenReason.POSTCOPY_FAILED  # each node has a part of its memory, and neither can go on
_PORTS: Final = ("tcp", "tls")


class Next(Enum):
    """What to do about a migration that is not under way any more."""

    MOVED = "moved"  # the guest is at the target, and nothing of it at the source
    STAYED = "stayed"  # the guest is at the source, and nothing of it at the target
    ENDED = "ended"  # it is nowhere: it has ended
    CLEAR_TARGET = "clear target"  # and look again
    CLEAR_SOURCE = "clear source"  # likewise
    RESUME_SOURCE = "resume source"  # likewise: nothing else has it, and it stands still
    END_SOURCE = "end source"  # likewise, unless it was paused before: the target may have gone on, and is off
    LOOK_AGAIN = "look again"


@dataclass(frozen=True)
class Side:
    """A VM's domain as one node has it."""

    state: Seen
    reason: SeenReason

    @property
    def gone(self) -> bool:
        return self.state in GONE

    @property
    def lost(self) -> bool:
        """Its node is off."""
        return self.reason is SeenReason.HOST_LOST

    @property
    def waits(self) -> bool:
        """It stands still for the migration alone."""
        return self.state is Seen.PAUSED and self.reason in BY_MIGRATION


def settle(source: Side, target: Side) -> Next:
    """
    Total. Whoever acts on it looks at both nodes again, until it says where the guest is.

    :param source: seen when no migration was under way any more; ``target`` after it.
    """
    if Seen.UNKNOWN in (source.state, target.state):
        return Next.LOOK_AGAIN
    if source.gone:
        if target.state is Seen.ABSENT:
            return Next.ENDED
        if target.gone or target.waits or target.reason is TORN:
            return Next.CLEAR_TARGET  # it came to nothing, or has ended there since
        if source.lost and target.reason is SeenReason.POSTCOPY:
            return Next.CLEAR_TARGET  # it runs, and what it has not of its memory is no more
        return Next.MOVED if source.state is Seen.ABSENT else Next.CLEAR_SOURCE
    if target.state is Seen.RUNNING and (source.waits or source.reason is TORN):
        return Next.CLEAR_SOURCE  # it has said that it runs, and the source does not
    if target.state is not Seen.ABSENT:
        return Next.CLEAR_TARGET
    if source.reason is TORN:
        return Next.CLEAR_SOURCE
    if source.waits and target.lost:
        return Next.END_SOURCE
    return Next.RESUME_SOURCE if source.waits else Next.STAYED


NOWHERE: Final = Side(Seen.ABSENT, SeenReason.HOST_LOST)  # as a node has it that is off


def migration_uri(uri: str, given: str) -> str:
    """
    Where other nodes reach a node's hypervisor; "": that is not known.

    :param uri: where we do. One over the network by itself leads others there, too; ssh needs keys of ours.
    :param given: what an administrator says.
    """
    if given:
        return given
    parts = urlsplit(uri)
    driver, _, transport = parts.scheme.partition("+")
    if driver == "memory":
        return uri
    if driver == "qemu" and parts.hostname and transport in ("", *_PORTS):
        return f"{parts.scheme}://{parts.netloc}{parts.path}"
    return ""


def data_host(uri: str) -> str:
    """Where a node takes guests' memory, by where others reach its hypervisor; "": as it says itself."""
    host = urlsplit(uri).hostname or ""
    return f"[{host}]" if ":" in host else host


def differs(source: Mapping[str, Any], target: Mapping[str, Any]) -> str:
    """
    Why guests of one node cannot run on at another, as far as both have told of themselves; "": they may.

    :param source: ``NodeInfo`` as it is recorded; empty: it was never asked.
    """
    for name, noun in (("hypervisor", "hypervisor"), ("arch", "architecture")):
        here, there = source.get(name, ""), target.get(name, "")
        if here and there and here != there:
            return f"its {noun} is {there}, not {here}"
    here, there = source.get("domain_types") or [""], target.get("domain_types") or [""]
    if here[0] and there[0] and here[0] != there[0]:
        return f"its guests run by {there[0]}, not by {here[0]}"
    if _version(target) and _version(source) > _version(target):
        older, newer = target["hypervisor_version"], source["hypervisor_version"]
        return f"its hypervisor is older: {older}, not {newer}"
    return ""


def _version(info: Mapping[str, Any]) -> tuple[int, ...]:
    words = str(info.get("hypervisor_version", "")).split(".")
    return tuple(int(word) for word in words) if all(word.isdecimal() for word in words) else ()
