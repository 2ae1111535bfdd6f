"""
Bringing a copy of an image to a node's own storage, and removing it from there.

The node copies by itself where it has the image's storage attached; else the bytes go through this process, from a node
that has it, and whoever is faster is held back. What an earlier attempt left is thrown away: only the journal says that
a copy is whole. What went through this process is read back from the node, and its SHA-256 is held against
that of what left its storage, and against the one that was recorded when the image was imported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final, cast

from sqlalchemy.orm import Session
from twisted.internet.defer import Deferred, FirstError, gatherResults

from cm.interfaces.stream import Hole, Piece
from cm.interfaces.volume import VolumeSeen
from cm.operations.anew import make_anew
from cm.operations.base import Kind, LeaseLost, Wait, Work, others_stopped, register, storage_reached
from cm.rpc.errors import CloudError, CopyDamaged, ImageChanged, ObjectNotFound, StreamIdle, VolumeNotFound
from cm.rpc.vocabulary import CachedState, CauseKind, DiskFormat
from cm.rules.cause import Cause
from cm.rules.names import pool_name
from cm.rules.operation import ObjectKind, OperationKind
from cm.runtime.pipe import Broken, Pipe
from cm.runtime.wall import steady_seconds
from cm.services.cached_image import TURN, settled
from cm.store.cached_image import Copy, copying, require_copy, set_copy, take_slot
from cm.store.operation import OperationRow
from cm.store.operation_object import Objects, others_at_work
from cm.store.storage import find_attachment, node_reaching
from cm.store.unknown import refuse_held_volume
from cm.store.waking import awaited
from cm.store.worker import holds, record_step

TURN_S: Final = 60.0  # the end of each copy is notified
TELL_S: Final = 1.0  # between two records of progress
PIPE_BYTES: Final = 4 * 2**20  # of one copy that wait in this process
ZEROS: Final = bytes(2**20)


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
        raise CopyDamaged(copy.image_id, copy.node_id, f"{seen.capacity_bytes} of {copy.size_bytes} bytes came")
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
    deadline_s = work.services.policy.import_timeout_s
    giving, taking = work.node(source_node_id, deadline_s), work.node(copy.node_id, deadline_s)
    there, here = pool_name(storage_id), pool_name(copy.storage_id)
    found = await giving.volumes.find(there, source)
    if found is None:
        raise VolumeNotFound(there, source)
    length = found.length_bytes
    await taking.volumes.create_empty(here, copy.volume, DiskFormat.RAW, length)
    pipe = Pipe(limit_bytes=PIPE_BYTES)
    told = _Told(work, length)
    left, came = hashlib.sha256(), hashlib.sha256()

    def sink(data: bytes) -> None:
        pipe.put(data)
        left.update(data)
        told.moved(len(data))

    async def give(offset: int, size: int) -> int:
        with _ending(pipe, last=offset + size == length):
            return await giving.streams.download(there, source, offset, size, sink)

    async def take() -> int:
        with _ending(pipe):
            return await taking.streams.upload(here, copy.volume, 0, length, lambda: _piece(pipe))

    # A piece that the pipe holds comes first, so that whoever takes never waits for one that cannot even begin.
    gave = await give(0, min(length, PIPE_BYTES // 2))
    if gave < length:
        both = [Deferred.fromCoroutine(each) for each in (give(gave, length - gave), take())]
        try:
            rest, took = await gatherResults(both, consumeErrors=True)
        except FirstError as error:
            raise _reason(error.subFailure.value) from None
        gave += rest
    else:
        took = await take()
    if (gave, took) != (length, length):
        raise CopyDamaged(copy.image_id, copy.node_id, f"{min(gave, took)} of {length} bytes came")
    if copy.source_sha256 and left.hexdigest() != copy.source_sha256:
        raise ImageChanged(copy.image_id)

    def back(data: bytes) -> None:
        came.update(data)
        told.moved(len(data))

    await taking.streams.download(here, copy.volume, 0, length, back)
    if came.digest() != left.digest():
        raise CopyDamaged(copy.image_id, copy.node_id, "other bytes lie there than were sent")
    # libvirt takes it for the raw file that it was made as, until it looks through the pool.
    volumes = await taking.volumes.list_all(here)
    seen = next((volume for volume in volumes if volume.name == copy.volume), None)
    if seen is None:
        raise VolumeNotFound(here, copy.volume)
    return seen


def _reason(error: BaseException | None) -> BaseException:
    """What one of two sides has ended with, the other of which had left."""
    return StreamIdle(0.0) if error is None or isinstance(error, Broken) else error


class _ending:
    """Ends a pipe with whoever leaves: well, unless more is to follow, or for the reason for which they do."""

    def __init__(self, pipe: Pipe, *, last: bool = True) -> None:
        self._pipe = pipe
        self._last = last

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None and self._last:
            self._pipe.end()
        elif error is not None:
            self._pipe.fail(error)


def _piece(pipe: Pipe) -> Piece | None:
    data = pipe.take(len(ZEROS))
    if not data:
        return None
    return Hole(len(data)) if data == ZEROS[: len(data)] else data


class _Told:
    """
    Progress, from the thread that moves the bytes, first there and then back; its end is to raise where the operation
    is no longer ours.
    """

    def __init__(self, work: Work, total: int) -> None:
        self._work = work
        self._total = max(total, 1)
        self._done = 0
        self._told_at = steady_seconds()

    def moved(self, size: int) -> None:
        self._done += size
        now = steady_seconds()
        if now - self._told_at >= TELL_S:
            self._told_at = now
            tell = cast(Callable[..., bool], self._work.services.database.transact_now)
            if not tell(_tell, self._work, self._done, self._total):
                raise LeaseLost()


def _tell(session: Session, work: Work, done: int, total: int) -> bool:
    if not holds(session, work.op, work.worker_id):
        return False
    part, what = (done, "have come") if done <= total else (done - total, "are verified")
    told = f"{part >> 20} of {-(-total >> 20)} MiB {what}."
    record_step(session, work.op.id, work.step, min(99, 50 * done // total), told)
    return True


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
