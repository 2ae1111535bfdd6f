"""
Carrying a volume's bytes from one node to another, through this process, where no node reaches both storages. Whoever
is faster is held back. What came is read back, and its SHA-256 held against that of what was sent.

A volume is carried as it lies there: it stands on no other one, and has the same format on either side.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final, NamedTuple, cast

from sqlalchemy.orm import Session
from twisted.internet.defer import Deferred, FirstError, gatherResults

from cm.interfaces.calls import NodeCalls
from cm.interfaces.stream import Hole, Piece
from cm.interfaces.volume import VolumeSeen
from cm.operations.base import LeaseLost, Work, storage_reached
from cm.rpc.errors import CloudError, CopyDamaged, StorageFull, StreamIdle, VolumeNotFound
from cm.rpc.vocabulary import DiskFormat
from cm.rules.names import pool_name
from cm.runtime.pipe import Broken, Pipe
from cm.runtime.wall import steady_seconds
from cm.services.disk_bytes import fits_as_it_is
from cm.store.disk_bytes import Lies, are_together, node_reaching_both
from cm.store.storage import node_reaching
from cm.store.worker import holds, record_step

TELL_S: Final = 1.0  # between two records of progress
PIPE_BYTES: Final = 4 * 2**20  # of one volume that wait in this process
ZEROS: Final = bytes(2**20)


class End(NamedTuple):
    """A volume of a node's storage."""

    node_id: int
    storage_id: int
    volume: str


class Ways(NamedTuple):
    """
    :ivar node_id: that has the source's storage; ``to_node_id`` has the target's, where that one has not.
    """

    node_id: int
    to_node_id: int | None


def ways(session: Session, source: Lies, target: Lies, attempts: int) -> Ways:
    """
    By which nodes a volume that nobody writes to is copied.

    :param attempts: that were made: each goes by other nodes.
    :raises Wait: none that answers has both storages, and it cannot go through this process; or one of them is reached
        by none.
    """
    node_id = node_reaching_both(session, source.storage_id, target.storage_id, attempts)
    if node_id is not None:
        return Ways(node_id, None)
    if are_together(session, source.storage_id, target.storage_id) or not fits_as_it_is(session, source, target):
        raise storage_reached(target.storage_id)
    giving, taking = (node_reaching(session, each.storage_id, attempts) for each in (source, target))
    if giving is None or taking is None:
        raise storage_reached(source.storage_id if giving is None else target.storage_id)
    return Ways(giving, taking)


async def carry(
    work: Work,
    source: End,
    target: End,
    noun: str,
    object_id: int,
    *,
    size_bytes: int,
    format: DiskFormat,
    check: Callable[[str], None] = lambda sha256: None,
) -> VolumeSeen:
    """
    Have one volume hold what another does. What an earlier attempt left goes by another name.

    :param noun: what is copied ("image", "disk"), and its id.
    :param size_bytes: that a guest sees, as the record has it. Of a raw volume what is beyond the other one reads as
        zeros.
    :param check: gets the SHA-256 of what was sent, and raises where it is not what it should be.
    :raises CopyDamaged: VolumeNotFound: StorageFull: StreamIdle: LeaseLost:
    """
    deadline_s = work.services.policy.import_timeout_s
    giving = _Open(work.node(source.node_id, deadline_s), pool_name(source.storage_id), source.volume)
    taking = _Open(work.node(target.node_id, deadline_s), pool_name(target.storage_id), target.volume)
    length_bytes = size_bytes if format is DiskFormat.RAW else 0

    def damaged(why: str) -> CloudError:
        return CopyDamaged(noun, object_id, target.node_id, why)

    try:
        seen = await _carry(work, giving, taking, damaged, length_bytes, check)
    except StorageFull:
        raise StorageFull(target.storage_id, 0, size_bytes) from None
    if seen.capacity_bytes < size_bytes:
        raise damaged(f"{seen.capacity_bytes} of {size_bytes} bytes came")
    return seen


class _Open(NamedTuple):
    node: NodeCalls
    pool: str
    volume: str


async def _carry(
    work: Work,
    giving: _Open,
    taking: _Open,
    damaged: Callable[[str], CloudError],
    length_bytes: int,
    check: Callable[[str], None],
) -> VolumeSeen:
    """:param length_bytes: of the new volume, at the least."""
    found = await giving.node.volumes.find(giving.pool, giving.volume)
    if found is None:
        raise VolumeNotFound(giving.pool, giving.volume)
    length = found.length_bytes
    await taking.node.volumes.create_empty(taking.pool, taking.volume, DiskFormat.RAW, max(length, length_bytes))
    pipe = Pipe(limit_bytes=PIPE_BYTES)
    told = _Told(work, length)
    left, came = hashlib.sha256(), hashlib.sha256()

    def sink(data: bytes) -> None:
        pipe.put(data)
        left.update(data)
        told.moved(len(data))

    async def give(offset: int, size: int) -> int:
        with _ending(pipe, last=offset + size == length):
            return await giving.node.streams.download(giving.pool, giving.volume, offset, size, sink)

    async def take() -> int:
        with _ending(pipe):
            return await taking.node.streams.upload(taking.pool, taking.volume, 0, length, lambda: _piece(pipe))

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
        raise damaged(f"{min(gave, took)} of {length} bytes came")
    check(left.hexdigest())

    def back(data: bytes) -> None:
        came.update(data)
        told.moved(len(data))

    await taking.node.streams.download(taking.pool, taking.volume, 0, length, back)
    if came.digest() != left.digest():
        raise damaged("other bytes lie there than were sent")
    # libvirt takes it for the raw file that it was made as, until it looks through the pool.
    volumes = await taking.node.volumes.list_all(taking.pool)
    seen = next((volume for volume in volumes if volume.name == taking.volume), None)
    if seen is None:
        raise VolumeNotFound(taking.pool, taking.volume)
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
