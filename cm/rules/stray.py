"""
Volumes that differ from what is on record, as findings of the drift ledger: each with the plan that an administrator
can have carried out, or why there is none. Pure.
"""

from __future__ import annotations

from typing import Final

from cm.rpc.vocabulary import DriftKind
from cm.rules.reconcile import Finding

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


def missing(pool: str, volume: str) -> Finding:
    proposal = "restore it from a backup, which the next pass sees; or mark what was on it as lost"
    return Finding(DriftKind.MISSING_VOLUME, f"{pool}/{volume}", None, ((PLAN, LOST),), proposal)
