"""
What is made again, as nobody knows what became of the first attempt. Who began that may be a process that was taken for
dead, or a call whose time had passed: it may be at its node still, and would delete, write over, or finish what goes by
the name that it knows. So a second attempt makes something of another name, which that one never heard of; and what the
first has come to is deleted.
"""

from __future__ import annotations

import uuid

from sqlalchemy.orm import Session

from cm.rpc.vocabulary import CauseKind
from cm.rules.cause import Cause
from cm.rules.names import another_name
from cm.services.disk_bytes import open_volume_delete
from cm.store.disk_bytes import find_volume, rename_volume
from cm.store.operation import OperationRow
from cm.store.volume import insert_leftover
from cm.store.worker import note_begun


def make_anew(session: Session, op: OperationRow, volume_id: int, *, device: str = "") -> None:
    """
    Before a node is asked to make a volume that was not made yet: give it a name that no attempt before has used.

    :param device: as which the operation's VM may have open what an attempt before has made.
    """
    if note_begun(session, op.id, f"making-{volume_id}"):
        return
    volume = find_volume(session, volume_id, lock=True)
    if volume is None:
        return
    rename_volume(session, volume_id, another_name(volume.name, uuid.uuid4()))
    left = insert_leftover(session, volume.storage_id, volume.name, str(volume.format), volume.size_bytes, 0)
    if left is not None:
        cause = Cause(CauseKind.OPERATION, str(op.id))
        open_volume_delete(session, left, cause, vm_id=op.vm_id if device else None, device=device)
