"""Letting go of records that nobody asks for any more: a table at a time, a batch in a transaction."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.runtime.feed import prune_changes
from cm.runtime.logins import prune_logins
from cm.store.tag import prune_tags
from cm.store.worker import LOCK_CLASS

BATCH: Final = 10_000  # rows of a table in one transaction, so that nobody waits for it
_LOCKS: Final = 0x50524E  # first key of the locks that give one table to one process at a time


@dataclass(frozen=True)
class Retention:
    """For how many days what is kept; 0: for ever. What is needed of something that lives stays as long as it does."""

    change_days: int = 7  # a reader who stays away for longer has to load everything anew
    request_days: int = 7  # for as long a repeat gets the first answer
    hook_event_days: int = 30
    placement_days: int = 30
    drift_days: int = 30
    message_days: int = 30
    operation_days: int = 366
    audit_days: int = 0
    usage_days: int = 400  # what VMs cost: a year and the month that is under way
    login_days: int = 90

    def problems(self) -> list[str]:
        return [f"retention.{f.name} is below zero" for f in fields(self) if getattr(self, f.name) < 0]


# Per table: the setting, and what may go once it is older than :days.
_OLD: Final = {
    "request": ("request_days", "at < now() - make_interval(days => :days)"),
    "hook_event": ("hook_event_days", "received_at < now() - make_interval(days => :days)"),
    "placement": (
        "placement_days",
        "at < now() - make_interval(days => :days) AND vm_id IN (SELECT id FROM vm WHERE closed_at IS NOT NULL)",
    ),
    "drift": ("drift_days", "closed_at < now() - make_interval(days => :days)"),
    # What it was shared with hears of its end through the feed, so grants outlive their object by as long as changes.
    "acl": (
        "change_days",
        "kind = 'vm' AND EXISTS"
        " (SELECT 1 FROM vm v WHERE v.id = object_id AND v.closed_at < now() - make_interval(days => :days))"
        " OR kind = 'image' AND EXISTS"
        " (SELECT 1 FROM image i WHERE i.id = object_id AND i.deleted_at < now() - make_interval(days => :days))"
        " OR kind = 'network' AND EXISTS"
        " (SELECT 1 FROM network w WHERE w.id = object_id AND w.deleted_at < now() - make_interval(days => :days))"
        " OR kind = 'expiry' AND EXISTS"
        " (SELECT 1 FROM expiry e WHERE e.id = object_id AND e.deleted_at < now() - make_interval(days => :days))"
        " OR kind = 'vm_template' AND EXISTS"
        " (SELECT 1 FROM vm_template t WHERE t.id = object_id AND t.deleted_at < now() - make_interval(days => :days))",
    ),
    # What was to be of an image that was never made.
    "vm_template": (
        "",
        "NOT ready AND image_id IN (SELECT id FROM image WHERE deleted_at IS NOT NULL)",
    ),
    "message": ("message_days", "created_at < now() - make_interval(days => :days)"),
    # What nobody answered has expired long before, or is kept until it has.
    "transfer": (
        "message_days",
        "created_at < now() - make_interval(days => :days) AND (closed_at IS NOT NULL OR expires_at < now())",
    ),
    "change_request": (
        "message_days",
        "created_at < now() - make_interval(days => :days) AND closed_at IS NOT NULL",
    ),
    # Of a VM that lives, all is kept: it tells how it came to be what it is. A parent goes after its children.
    "operation": (
        "operation_days",
        "finished_at < now() - make_interval(days => :days)"
        " AND (vm_id IS NULL OR vm_id IN (SELECT id FROM vm WHERE closed_at IS NOT NULL))"
        " AND NOT EXISTS (SELECT 1 FROM operation c WHERE c.parent_id = operation.id) AND worker_id IS NULL",
    ),
    "vm_event": (
        "operation_days",
        "at < now() - make_interval(days => :days) AND vm_id IN (SELECT id FROM vm WHERE closed_at IS NOT NULL)",
    ),
    # Who asked has been told long ago.
    "guest_command": ("", "created_at < now() - interval '1 day'"),
    "guest_agent": ("", "vm_id IN (SELECT id FROM vm WHERE closed_at IS NOT NULL)"),
    "audit": ("audit_days", "at < now() - make_interval(days => :days)"),
    "vm_run": ("usage_days", "ended_at < now() - make_interval(days => :days)"),
    "enrolment_token": ("", "expires_at < now() - interval '1 day'"),
    # Logs that a node would have to delete which is no more, and which would not be recognised should it come back.
    "console_leftover": ("", "node_id IN (SELECT id FROM node WHERE deleted_at IS NOT NULL AND host_uuid = '')"),
}
TABLES: Final = ("change", "login", *_OLD, "object_tag", "worker")


def prune_table(session: Session, table: str, retention: Retention) -> int:
    """
    Delete a batch of what is old.

    :param table: of ``TABLES``.
    :return: how many rows went; ``BATCH`` of them: there may be more. 0 while another process is at that table.
    """
    key = {"class": _LOCKS, "table": TABLES.index(table)}
    if not session.scalar(text("SELECT pg_try_advisory_xact_lock(:class, :table)"), key):
        return 0
    if table == "change":
        return prune_changes(session, BATCH, retention.change_days) if retention.change_days else 0
    if table == "login":
        return prune_logins(session, retention.login_days, BATCH)
    if table == "object_tag":
        return prune_tags(session, BATCH)
    if table == "worker":
        return _prune_workers(session)
    setting, condition = _OLD[table]
    days = getattr(retention, setting) if setting else 1
    if not days:
        return 0
    statement = f"DELETE FROM {table} WHERE ctid IN (SELECT ctid FROM {table} WHERE {condition} LIMIT :batch)"
    done = session.execute(text(statement), {"batch": BATCH, "days": days} if setting else {"batch": BATCH})
    return int(done.rowcount)  # type: ignore[attr-defined]


def _prune_workers(session: Session) -> int:
    done = session.execute(
        text(
            "DELETE FROM worker w WHERE started_at < now() - interval '1 day'"
            " AND NOT EXISTS (SELECT 1 FROM operation o WHERE o.worker_id = w.id)"
            " AND NOT EXISTS (SELECT 1 FROM pg_locks l WHERE l.locktype = 'advisory' AND l.classid = :lock_class"
            "  AND l.objid = w.id)"
        ),
        {"lock_class": LOCK_CLASS},
    )
    return int(done.rowcount)  # type: ignore[attr-defined]


def prune(session: Session, retention: Retention | None = None) -> dict[str, int]:
    """
    All tables in one transaction, for tests and tools.

    :return: rows deleted, by table.
    """
    return {table: prune_table(session, table, retention or Retention()) for table in TABLES}
