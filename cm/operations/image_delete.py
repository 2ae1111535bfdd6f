"""Deleting an image's volume; what it claims goes back when the volume is gone."""

from __future__ import annotations

from sqlalchemy.orm import Session

from cm.operations.base import Kind, Work, image_of, others_stopped, register, storage_reached
from cm.rpc.vocabulary import FreedPolicy, ImageKind
from cm.rules.names import is_unmade, pool_name
from cm.rules.operation import CLEANING, ObjectKind, OperationKind
from cm.store.change import record_change
from cm.store.image import ImageRow, find_image
from cm.store.image_claim import close_image, release_image
from cm.store.operation import OperationRow
from cm.store.operation_object import others_at_work
from cm.store.snapshot import volumes_beside
from cm.store.storage import freed_policy, node_reaching
from cm.store.unknown import refuse_held_volume
from cm.store.worker import note_begun


async def delete(work: Work) -> None:
    """Delete the volume through a node that has the storage attached and answers; an absent one is as good."""
    if await work.read(others_at_work, ObjectKind.IMAGE, image_of(work.op), work.op.id):
        raise others_stopped(ObjectKind.IMAGE, image_of(work.op))
    row: ImageRow | None = await work.read(find_image, image_of(work.op))
    if row is not None and not is_unmade(row.volume):
        node_id = await work.read(node_reaching, row.storage_id, work.op.attempts)
        if node_id is None:
            raise storage_reached(row.storage_id)
        await work.read(refuse_held_volume, row.storage_id, row.volume)
        policy, keep = await work.read(freed_policy, row.storage_id)
        first = row.kind is ImageKind.STORAGE and await work.db(note_begun, work.op.id, CLEANING)
        volumes, pool = work.node(node_id).volumes, pool_name(row.storage_id)
        if policy is not FreedPolicy.NONE:
            await volumes.wipe(pool, row.volume, row.format, row.size_bytes, policy is FreedPolicy.WIPE)
        # What failed to come is no disk for others; of what VMs were made from there may be overlays unknown to us.
        beside = [] if work.arguments.get("keep") else await work.read(volumes_beside, row.id)
        keep = keep and first and not beside and not work.arguments.get("keep")
        if keep and await volumes.find(pool, row.volume) is not None:
            await work.complete(_kept, work.op, policy is not FreedPolicy.NONE)
            return
        await volumes.delete(pool, row.volume)
        for lies in beside:  # of its snapshots, on the same storage
            if policy is not FreedPolicy.NONE:
                await volumes.wipe(lies.pool, lies.name, lies.format, lies.size_bytes, policy is FreedPolicy.WIPE)
            await volumes.delete(lies.pool, lies.name)
    await work.complete(_gone, work.op)


def _kept(session: Session, op: OperationRow, clean: bool) -> None:
    """Its volume stays, for others to use."""
    row = find_image(session, image_of(op), lock=True)
    if row is not None:
        close_image(session, row.id, free=True, clean=clean)
        record_change(session, "image", row.id, row.account_id, "exit")


def _gone(session: Session, op: OperationRow) -> None:
    row = find_image(session, image_of(op), lock=True)
    if row is None:
        return
    if op.arguments.get("keep"):
        release_image(session, row.id)
        record_change(session, "image", row.id, row.account_id)
    else:
        close_image(session, row.id)
        record_change(session, "image", row.id, row.account_id, "exit")


@register
class ImageDelete(Kind):
    kind = OperationKind.IMAGE_DELETE
    steps = {"delete": delete}

    def abandoned(self, session: Session, op: OperationRow) -> None:
        """For a storage that will not come back: the claims go back, and the volume is left where it may be."""
        _gone(session, op)
