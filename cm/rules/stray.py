"""
Volumes that differ from what is on record, as findings of the drift ledger: each with the plan that an administrator
can have carried out, or why there is none. Pure.
"""

from __future__ import annotations

from typing import Final

from cm.rpc.vocabulary import DriftKind
from cm.rules.reconcile import Finding

KINDS: Final = (DriftKind.LEAKED_VOLUME, DriftKind.MISSING_VOLUME, DriftKind.GUEST_FORMAT)  # of findings of storages
PLAN: Final = "plan"  # in the evidence: which of these is proposed
DELETE: Final = "delete"
LOST: Final = "mark_lost"
LEAVE: Final = "leave"
WAIT: Final = "wait"


def leftover(
    pool: str, name: str, taken: tuple[int, int], base: str, used_by: str | None, waits_for: int | None
) -> Finding:
    """
    A volume that is on no record.

    :param taken: the bytes that it takes, and those that a guest would see.
    :param base: the volume that it stands on; "": none.
    :param used_by: what of it is in use; None: nothing that we know of.
    :param waits_for: the node that may still run what wrote to it.
    """
    if used_by is not None:
        plan, proposal = LEAVE, f"leave it: {used_by}"
    elif waits_for is not None:
        plan = WAIT
        proposal = f"it is deleted when node {waits_for} has no domain of it any more, or is deleted"
    else:
        plan = DELETE
        proposal = "delete it, when you know what it was: an older dump may just not know it; or adopt it as a disk"
    evidence = ((PLAN, plan), ("allocated_bytes", str(taken[0])), ("size_bytes", str(taken[1])))
    based = (("base", base),) if base else ()
    return Finding(DriftKind.LEAKED_VOLUME, f"{pool}/{name}", None, evidence + based, proposal)


def guest_format(pool: str, volume: str, format: str, disk_id: int | None) -> Finding:
    """
    A volume of a format that guests do not write to there any more (``Capabilities.written``), and one may write to.

    :param disk_id: whose it is; None: no disk's, but a free one, or a snapshot's.
    """
    if disk_id is None:
        proposal = "delete it, or the snapshot that it belongs to: its guest can have libvirtd open files of the node"
    else:
        proposal = (
            f"move disk {disk_id} (admin.disk.move), to another storage or onto the one where it lies, and it becomes"
            " qcow2: its guest can have libvirtd open files of the node"
        )
    told = () if disk_id is None else (("disk_id", str(disk_id)),)
    return Finding(DriftKind.GUEST_FORMAT, f"{pool}/{volume}", None, (("format", format), *told), proposal)


def missing(pool: str, volume: str) -> Finding:
    proposal = "restore it from a backup, which the next pass sees; or mark what was on it as lost"
    return Finding(DriftKind.MISSING_VOLUME, f"{pool}/{volume}", None, ((PLAN, LOST),), proposal)
