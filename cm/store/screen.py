"""Queries about screens: where they are, and the calls for them that nodes' agents are asked to make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.runtime.prepared import Prepared
from cm.store.node_document import document_changed


@dataclass(frozen=True)
class Screen:
    """
    A VM's screen as it is by now.

    :ivar address: on its node.
    :ivar generation: of its password.
    """

    uuid: str
    node_id: int
    address: str
    port: int
    enabled: bool
    generation: int


_SCREEN: Final = Prepared(
    "screen_to_join",
    "SELECT v.uuid::text AS uuid, n.id AS node_id, n.address, p.port, v.vnc_enabled, v.vnc_generation FROM vm v"
    " JOIN vnc_port p ON p.vm_id = v.id JOIN node n ON n.id = p.node_id WHERE v.id = :id",
)


def find_screen(session: Session, vm_id: int) -> Screen | None:
    """None: it has none, or is on no node."""
    row = _SCREEN(session, id=vm_id).first()
    if row is None:
        return None
    return Screen(row.uuid, row.node_id, row.address, row.port, row.vnc_enabled, row.vnc_generation)


def insert_call(session: Session, token: str, screen: Screen, meeting: str, valid_s: float) -> None:
    """Ask the node's agent to call. What nobody called for in time is removed, of whichever node."""
    session.execute(text("DELETE FROM screen_call WHERE expires_at < clock_timestamp()"))
    session.execute(
        text(
            "INSERT INTO screen_call (token, node_id, address, port, meeting, expires_at) VALUES (:token, :node_id,"
            " :address, :port, :meeting, clock_timestamp() + make_interval(secs => :valid_s))"
        ),
        {
            "token": token,
            "node_id": screen.node_id,
            "address": screen.address,
            "port": screen.port,
            "meeting": meeting,
            "valid_s": valid_s,
        },
    )
    document_changed(session, screen.node_id)


def take_call(session: Session, token: str, node_id: int) -> str | None:
    """
    Where the one who asked for this call waits; it is good no more. None: there is none, no longer, or it was another
    node's.
    """
    row = session.execute(
        text(
            "DELETE FROM screen_call WHERE token = :token AND node_id = :node_id"
            " RETURNING meeting, expires_at >= clock_timestamp() AS good"
        ),
        {"token": token, "node_id": node_id},
    ).first()
    if row is None:
        return None
    document_changed(session, node_id)
    return str(row.meeting) if row.good else None
