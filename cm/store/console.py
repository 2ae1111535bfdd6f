"""Queries about tickets for consoles and screens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rpc.vocabulary import ConsoleKind


@dataclass(frozen=True)
class Ticket:
    """
    Who may speak to which VM, and how. ``force``: taking the serial console from whoever has it.

    :ivar origin: whose pages alone may use it; "": it is for a program, and no browser's.
    """

    vm_id: int
    account_id: int
    account_version: int
    issuer: str
    groups: tuple[int, ...]
    kind: ConsoleKind
    force: bool
    origin: str


def count_tickets(session: Session, account_id: int) -> int:
    """Those of an account that can still be used. What nobody used in time is removed, whoever's."""
    session.execute(text("DELETE FROM console_ticket WHERE expires_at < clock_timestamp()"))
    found: int = session.execute(
        text("SELECT count(*) FROM console_ticket WHERE account_id = :id"), {"id": account_id}
    ).scalar_one()
    return found


def insert_ticket(session: Session, digest: bytes, ticket: Ticket, valid_s: float) -> datetime:
    """:return: when it expires."""
    found: datetime = session.execute(
        text(
            "INSERT INTO console_ticket (digest, vm_id, account_id, account_version, issuer, groups, kind, force,"
            " origin, expires_at) VALUES (:digest, :vm_id, :account_id, :account_version, :issuer, :groups, :kind,"
            " :force, :origin, clock_timestamp() + make_interval(secs => :valid_s)) RETURNING expires_at"
        ),
        {"digest": digest, "valid_s": valid_s, **vars(ticket), "groups": list(ticket.groups)},
    ).scalar_one()
    return found


def take_ticket(session: Session, digest: bytes) -> Ticket | None:
    """The ticket, which nobody gets again; None: there is none, or no longer."""
    found = session.execute(
        text(
            "DELETE FROM console_ticket WHERE digest = :digest RETURNING vm_id, account_id, account_version, issuer,"
            " groups, kind, force, origin, expires_at >= clock_timestamp() AS good"
        ),
        {"digest": digest},
    ).first()
    if found is None or not found.good:
        return None
    return Ticket(
        found.vm_id,
        found.account_id,
        found.account_version,
        found.issuer,
        tuple(found.groups),
        ConsoleKind(found.kind),
        found.force,
        found.origin,
    )
