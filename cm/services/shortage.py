"""Owners of guests that run out of memory are told, once a shortage and a few times a day at the most."""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session

from cm.rules.shortage import Left
from cm.services.message import tell
from cm.store.message import told_of_vm
from cm.store.vm import find_vm

AGAIN_S: Final = 6 * 3600.0
CODE: Final = "vm_memory_short"
MIB: Final = 1 << 20


def tell_short(session: Session, vm_id: int, left: Left) -> None:
    row = find_vm(session, vm_id)
    if row is None or row.closed_at is not None or told_of_vm(session, row.account_id, CODE, vm_id, AGAIN_S):
        return
    params = {
        "vm_id": vm_id,
        "name": row.name,
        "available_mib": int(left.available_bytes // MIB),
        "memory_mib": int(left.memory_bytes // MIB),
    }
    tell(session, (row.account_id,), "warn", CODE, params)
