"""
Waking operations by what they wait for: each names an object (``operation.waits_for``), and whoever changes that object
has those go on at once who wait for it.

One who is about to wait looks once more, under a lock; whoever wakes takes it before. So a change between a step's look
and its wait is seen by the one or the other. Of a VM that lock is its row, which evidence is written under; of any
other object an advisory lock, which those who wake share.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rules.operation import ObjectKind
from cm.runtime.database import CHANNEL, at_last, note_notified
from cm.runtime.prepared import Prepared
from cm.store.conditions import is_due

TOPIC: Final = "operation"  # of the notification that workers hear
OPERATION: Final = "operation"  # what waits for its children waits for itself
_CLASS: Final = 0x57414B  # first key of the advisory locks; "WAK"


def awaited(noun: str, number: int) -> str:
    """An object, as ``operation.waits_for`` names it. :param noun: an ``ObjectKind``, or ``OPERATION``."""
    return f"{noun}:{number}"


# Whoever has an operation's row just now looks again before it waits, or is changing when it goes on: nobody needs to
# wait for that row, which may be locked behind those that we hold.
_WAKE = Prepared(
    "wake",
    f"""
WITH woken AS (
    UPDATE operation SET not_before = clock_timestamp() WHERE id IN (
        SELECT o.id FROM operation o WHERE o.waits_for = :awaited AND o.waits_for <> '' AND {is_due("o")}
           AND o.not_before > clock_timestamp() FOR NO KEY UPDATE SKIP LOCKED))
SELECT pg_notify(:channel, :topic)
""",
)


def _wake(session: Session, what: str) -> None:
    _WAKE.post(session, awaited=what, channel=CHANNEL, topic=TOPIC)
    note_notified(session, TOPIC)


def wake_vm(session: Session, vm_id: int) -> None:
    """Have those go on who wait for news of a VM, whose row is locked."""
    _wake(session, awaited(ObjectKind.VM, vm_id))


def wake(session: Session, noun: str, number: int) -> None:
    """Have those go on who wait for another object."""
    what = awaited(noun, number)
    session.execute(
        text("SELECT pg_advisory_xact_lock_shared(:class, hashtext(:what))"), {"class": _CLASS, "what": what}
    )
    _wake(session, what)


def wake_parent(session: Session, parent_id: int | None) -> None:
    """A child has ended: have its parent look, if it has one."""
    if parent_id is not None:
        wake(session, OPERATION, parent_id)


def wake_reaching(session: Session, node_id: int) -> None:
    """A node answers again, or has one more storage: those go on who wait for it or for a storage of its."""
    at_last(session, _wake_reaching, node_id)


def _wake_reaching(session: Session, node_id: int) -> None:
    wake(session, ObjectKind.NODE, node_id)
    storages = session.scalars(
        text("SELECT storage_id FROM storage_attachment WHERE node_id = :id AND state = 'attached' ORDER BY 1"),
        {"id": node_id},
    )
    for storage_id in list(storages):
        wake(session, ObjectKind.STORAGE, storage_id)


def hold_awaited(session: Session, what: str) -> None:
    """Before the last look of one who is about to wait: whoever wakes those who wait for it has committed, or waits."""
    session.execute(text("SELECT pg_advisory_xact_lock(:class, hashtext(:what))"), {"class": _CLASS, "what": what})
