"""Attaching a storage to a node, and detaching it: the node defines and starts the pool, or forgets it."""

from __future__ import annotations

from sqlalchemy.orm import Session

from cm.operations.base import Kind, Work, register
from cm.rpc.errors import CloudError, InUse
from cm.rules.names import pool_name
from cm.rules.operation import ObjectKind, OperationKind
from cm.rules.vm import vms
from cm.store.change import record_change
from cm.store.node import get_node
from cm.store.operation import OperationRow
from cm.store.operation_object import Objects
from cm.store.storage import (
    delete_attachment,
    find_attachment,
    find_attachment_id,
    record_attached,
    set_attachment,
    storage_spec,
    users_on_node,
)


async def settle(work: Work) -> None:
    """Make the node's pool be as the attachment says."""
    storage_id, node_id = _where(work.op)
    if work.arguments.get("detach"):
        await work.db(_unused, storage_id, node_id)
        await work.node(node_id).pools.detach(pool_name(storage_id))
        await work.complete(_detached, storage_id, node_id)
    else:
        spec = await work.read(storage_spec, storage_id)
        usage = await work.node(node_id).pools.attach(spec)
        await work.complete(_attached, storage_id, node_id, usage.capacity_bytes)


def _where(op: OperationRow) -> tuple[int, int]:
    assert op.node_id is not None
    return op.get(ObjectKind.STORAGE), op.node_id


def _unused(session: Session, storage_id: int, node_id: int) -> None:
    """A VM may have been placed while it was being marked."""
    users = users_on_node(session, storage_id, node_id)
    if users:
        raise InUse("storage", storage_id, vms(users))


def _attached(session: Session, storage_id: int, node_id: int, capacity_bytes: int) -> None:
    record_attached(session, storage_id, node_id, capacity_bytes)
    record_change(session, "storage", storage_id, None)


def _detached(session: Session, storage_id: int, node_id: int) -> None:
    delete_attachment(session, storage_id, node_id)
    record_change(session, "storage", storage_id, None)


@register
class StorageAttach(Kind):
    kind = OperationKind.STORAGE_ATTACH
    steps = {"settle": settle}

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        _rest(session, op, error)

    def abandoned(self, session: Session, op: OperationRow) -> None:
        """What the node was asked may still happen; attaching or detaching again settles it."""
        _rest(session, op, None)

    def reopened(self, session: Session, op: OperationRow) -> Objects:
        """The attachment, which may have been made anew since."""
        storage_id, node_id = _where(op)
        # A storage or node that was deleted meanwhile cannot come back by a retry.
        storage_spec(session, storage_id)
        get_node(session, node_id)
        if op.arguments.get("detach"):
            set_attachment(session, storage_id, node_id, "detaching")  # nothing is placed there while it goes
        elif find_attachment(session, storage_id, node_id) != "attached":
            set_attachment(session, storage_id, node_id, "attaching")
        attachment_id = find_attachment_id(session, storage_id, node_id)
        assert attachment_id is not None
        return {ObjectKind.ATTACHMENT: [attachment_id]}


def _rest(session: Session, op: OperationRow, error: CloudError | None) -> None:
    storage_id, node_id = _where(op)
    if find_attachment(session, storage_id, node_id) is None:
        return
    # In use is the one refusal that leaves the pool as it was.
    state = "attached" if isinstance(error, InUse) else "failed"
    set_attachment(session, storage_id, node_id, state, str(error) if error else "given up")
    record_change(session, "storage", storage_id, None)
