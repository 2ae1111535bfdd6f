"""
Bringing a copy of an image to a node's own storage, and removing it from there.

The node copies by itself where it has the image's storage attached; else the bytes go through this process, from a node
that has it (``carrying.py``), and are held against the SHA-256 that was recorded when the image was imported, too. What
an earlier attempt left is thrown away: only the journal says that a copy is whole.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session

from cm.interfaces.volume import VolumeSeen
from cm.operations.anew import make_anew
from cm.operations.base import Kind, Wait, Work, others_stopped, register, storage_reached
from cm.operations.carrying import End, carry
from cm.rpc.errors import CloudError, CopyDamaged, ImageChanged, ObjectNotFound
from cm.rpc.vocabulary import CachedState, CauseKind
from cm.rules.cause import Cause
from cm.rules.names import pool_name
from cm.rules.operation import ObjectKind, OperationKind
from cm.services.cached_image import TURN, settled
from cm.store.cached_image import Copy, copying, require_copy, set_copy, take_slot
from cm.store.operation import OperationRow
from cm.store.operation_object import Objects, others_at_work
from cm.store.storage import find_attachment, node_reaching
from cm.store.unknown import refuse_held_volume
from cm.store.waking import awaited

TURN_S: Final = 60.0  # the end of each copy is notified


def _id(op: OperationRow) -> int:
    return op.get(ObjectKind.CACHED_IMAGE)


async def take_turn(work: Work) -> None:
    """So many at once: a hundred nodes that want one image share one storage server."""
    if work.arguments.get("evict"):
        return
    limit = work.services.policy.image_copies
    if not await work.db(_take_turn, work.op, limit):
        raise Wait(
            TURN_S,
            f"{limit} images are being copied to nodes, which is as many as may be at once.",
            lambda session, op: copying(session) < limit,
            on=awaited(TURN, 0),
        )


def _take_turn(session: Session, op: OperationRow, limit: int) -> bool:
    copy = require_copy(session, _id(op), lock=True)
    return copy.state is CachedState.COPYING or take_slot(session, copy.id, limit)


async def settle(work: Work) -> None:
    """Have the volume be there as a whole, or be gone."""
    copy = await work.read(require_copy, _id(work.op))
    if await work.read(others_at_work, ObjectKind.CACHED_IMAGE, copy.id, work.op.id):
        raise others_stopped(ObjectKind.CACHED_IMAGE, copy.id)
    node = work.node(copy.node_id, work.services.policy.import_timeout_s)
    pool = pool_name(copy.storage_id)
    await work.read(refuse_held_volume, copy.storage_id, copy.volume)
    if work.arguments.get("evict"):
        await node.volumes.delete(pool, copy.volume)
        await work.complete(_gone, work.op)
        return
    copy = await work.db(_anew, work.op)
    if copy.source is None or copy.source_storage_id is None:
        raise ObjectNotFound("image", copy.image_id)
    if await work.read(_reaches, copy.source_storage_id, copy.node_id):
        seen = await node.volumes.create_copy(
            pool,
            copy.volume,
            copy.source,
            copy.format,
            source_storage=pool_name(copy.source_storage_id),
            format=copy.format,
        )
    else:
        seen = await _carry(work, copy, copy.source, copy.source_storage_id)
    if seen.capacity_bytes < copy.size_bytes:
        came = f"{seen.capacity_bytes} of {copy.size_bytes} bytes came"
        raise CopyDamaged("image", copy.image_id, copy.node_id, came)
    await work.complete(_made, work.op)


def _anew(session: Session, op: OperationRow) -> Copy:
    make_anew(session, op, require_copy(session, _id(op), lock=True).volume_id)
    return require_copy(session, _id(op))


def _reaches(session: Session, storage_id: int, node_id: int) -> bool:
    return find_attachment(session, storage_id, node_id) == "attached"


def _gone(session: Session, op: OperationRow) -> None:
    settled(session, _id(op), _cause(op), made=None)


def _made(session: Session, op: OperationRow) -> None:
    settled(session, _id(op), _cause(op), made=True)


def _cause(op: OperationRow) -> Cause:
    return Cause(CauseKind.OPERATION, str(op.id))


# ------------------------------------------------------------------ through this process


async def _carry(work: Work, copy: Copy, source: str, storage_id: int) -> VolumeSeen:
    source_node_id = await work.read(node_reaching, storage_id, work.op.attempts)
    if source_node_id is None:
        raise storage_reached(storage_id)
    there, here = End(source_node_id, storage_id, source), End(copy.node_id, copy.storage_id, copy.volume)

    def check(sha256: str) -> None:
        if copy.source_sha256 and sha256 != copy.source_sha256:
            raise ImageChanged(copy.image_id)

    size_bytes, format = copy.size_bytes, copy.format
    return await carry(work, there, here, "image", copy.image_id, size_bytes=size_bytes, format=format, check=check)


@register
class ImageCache(Kind):
    kind = OperationKind.IMAGE_CACHE
    steps = {"take_turn": take_turn, "settle": settle}

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        """The copy stays, failed, with what it claims: whoever needs it next has it made anew."""
        settled(session, _id(op), _cause(op), made=False, error=str(error))

    def abandoned(self, session: Session, op: OperationRow) -> None:
        """One that was to go is no longer known: its volume is left where it may be."""
        settled(session, _id(op), _cause(op), made=None if op.arguments.get("evict") else False, error="given up")

    def reopened(self, session: Session, op: OperationRow) -> Objects:
        copy = require_copy(session, _id(op), lock=True)
        set_copy(session, copy.id, CachedState.EVICTING if op.arguments.get("evict") else CachedState.WAITING)
        return {ObjectKind.CACHED_IMAGE: [copy.id], ObjectKind.STORAGE: [copy.storage_id]}
