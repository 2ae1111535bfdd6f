"""What hooks of nodes told, each call once."""

from __future__ import annotations

import uuid as uuid_module
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from cm.runtime.prepared import Prepared


@dataclass(frozen=True)
class HookRecord:
    """One call of a node's hook, as its agent delivered it. ``time`` is the node's."""

    boot_id: str
    sequence: int
    domain_uuid: str
    domain_name: str
    operation: str
    sub_operation: str
    extra: str
    time: datetime
    xml_sha256: str = ""


_INSERT = Prepared(
    "insert_hook_event",
    """
INSERT INTO hook_event (node_id, boot_id, sequence, domain_uuid, domain_name, operation, sub_operation, extra,
                        xml_sha256, happened_at)
VALUES (:node_id, :boot_id, :sequence, CAST(:domain_uuid AS uuid), :domain_name, :operation, :sub_operation, :extra,
        :xml_sha256, :happened_at)
ON CONFLICT DO NOTHING RETURNING sequence
""",
)
_EFFECT = Prepared(
    "hook_effect",
    "UPDATE hook_event SET effect = :effect WHERE node_id = :node AND boot_id = :boot AND sequence = :number",
)


def insert_event(session: Session, node_id: int, event: HookRecord) -> bool:
    """:return: False where it was there already: its agent delivers it again."""
    fresh = _INSERT(
        session,
        node_id=node_id,
        boot_id=event.boot_id,
        sequence=event.sequence,
        domain_uuid=str(uuid_module.UUID(event.domain_uuid)),
        domain_name=event.domain_name,
        operation=event.operation,
        sub_operation=event.sub_operation,
        extra=event.extra,
        xml_sha256=event.xml_sha256,
        happened_at=event.time,
    )
    return bool(fresh)


def write_effect(session: Session, node_id: int, event: HookRecord, effect: str) -> None:
    """:param effect: what it led to, in a word."""
    _EFFECT.post(session, effect=effect, node=node_id, boot=event.boot_id, number=event.sequence)


_LAST = Prepared(
    "last_hook_event", "SELECT max(sequence) FROM hook_event WHERE node_id = :node_id AND boot_id = :boot_id"
)


def last_sequence(session: Session, node_id: int, boot_id: str) -> int | None:
    """The highest number that a node gave an event since it was booted; None: it gave none."""
    found: int | None = _LAST(session, node_id=node_id, boot_id=boot_id).scalar()
    return found
