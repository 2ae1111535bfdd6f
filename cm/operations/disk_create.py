"""Making disks: empty ones, and such as have a file system in their one partition."""

from __future__ import annotations

from sqlalchemy.orm import Session

from cm.operations import staging
from cm.operations.base import Kind, Work, image_of, register, storage_reached
from cm.operations.disk_format import upload_formatted
from cm.rpc.errors import CloudError, ObjectNotFound, WrongImageState
from cm.rpc.vocabulary import CauseKind, Filesystem, ImageState
from cm.rules.cause import Cause
from cm.rules.names import pool_name
from cm.rules.operation import ObjectKind, OperationKind
from cm.services.image import open_delete
from cm.store.change import record_change
from cm.store.disk import DiskFacts, get_disk
from cm.store.image import find_image, set_state
from cm.store.operation import OperationRow
from cm.store.operation_object import Objects
from cm.store.storage import node_reaching


def _disk(session: Session, op: OperationRow) -> DiskFacts:
    return get_disk(session, op.get(ObjectKind.DISK))


@staging.removed_if_lost
async def make(work: Work) -> None:
    """Through any node that has the storage; found there, it is done."""
    disk = await work.read(_disk, work.op)
    node_id = await work.read(node_reaching, disk.storage_id, work.op.attempts)
    if node_id is None:
        raise storage_reached(disk.storage_id)
    if work.arguments.get("filesystem"):
        await upload_formatted(work, disk, Filesystem(work.arguments["filesystem"]), node_id)
    else:
        pool = pool_name(disk.storage_id)
        await work.node(node_id).volumes.create_empty(pool, disk.volume, disk.format, disk.size_bytes)
    await work.complete(_made, work.op)


def _made(session: Session, op: OperationRow) -> None:
    staging.discard_at_commit(session, op.id)
    row = find_image(session, image_of(op), lock=True)
    if row is None or row.state is not ImageState.ADDING:
        raise WrongImageState(image_of(op), "gone" if row is None else row.state, ImageState.ADDING)
    set_state(session, row.id, ImageState.OK)
    record_change(session, "image", row.id, row.account_id)


@register
class DiskCreate(Kind):
    kind = OperationKind.DISK_CREATE
    steps = {"make": make}

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        """It stays, failed, with the reason; what it claims goes back once its volume is surely gone."""
        staging.discard_at_commit(session, op.id)
        row = find_image(session, image_of(op), lock=True)
        if row is None:
            return
        set_state(session, row.id, ImageState.FAILED, error.for_user())
        open_delete(session, row, account_id=op.account_id, cause=Cause(CauseKind.OPERATION, str(op.id)), keep=True)
        record_change(session, "image", row.id, row.account_id)

    def abandoned(self, session: Session, op: OperationRow) -> None:
        staging.discard_at_commit(session, op.id)
        row = find_image(session, image_of(op), lock=True)
        if row is None:
            return
        set_state(session, row.id, ImageState.DELETED, "given up")
        open_delete(session, row, account_id=op.account_id, cause=Cause(CauseKind.OPERATION, str(op.id)))
        record_change(session, "image", row.id, row.account_id)

    def reopened(self, session: Session, op: OperationRow) -> Objects:
        """:raises WrongImageState: its claims went back; another is made as easily."""
        row = find_image(session, image_of(op), lock=True)
        if row is None:
            raise ObjectNotFound("image", image_of(op))
        raise WrongImageState(row.id, row.state, "a disk that is being made; create another")
