"""
The bytes of objects: from whoever sends them to a file on this machine, then, once they are all here and what they
should be, by a node to a volume. A part of an object waits here for the others.

A file is named by its row's uuid. What a process that died has left is nobody's once its row's time is over; an object
in one piece, which nobody can go on with, as soon as nobody holds its file any more.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final, TypeVar

from sqlalchemy.orm import Session
from twisted.logger import Logger

from cm.drivers.images.receive import Intake, is_held
from cm.interfaces.calls import NodeCalls
from cm.rpc.caller import Call
from cm.rpc.errors import ChecksumDiffers, StorageUnreached, UploadGone, VolumeNotFound
from cm.rpc.vocabulary import CauseKind, DiskFormat
from cm.rules.bucket import HEAD
from cm.rules.cause import Cause
from cm.rules.names import object_file, pool_name
from cm.services import bucket as service
from cm.services.bucket import Assembling, Coming
from cm.services.context import Services
from cm.store.bucket import ObjectRow, coming_in_one, wanted_files
from cm.store.storage import node_reaching

log = Logger()
T = TypeVar("T")
POOL: Final = "uploads"
DISK_S: Final = 60.0  # for one write or synchronisation
LOST_S: Final = 600.0  # from when an object is announced: whoever sends it holds its file long before
_READ_BYTES: Final = 256 * 1024


class ObjectDesk:
    """``rpc/objects.py``'s ``Desk``."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def begin(
        self, call: Call, bucket_id: int, key: str, size_bytes: int, headers: Mapping[str, str]
    ) -> Mapping[str, Any]:
        """:raises CloudError: as ``services.bucket.begin_object``."""
        services = self._services
        coming = await services.database.transact(
            service.begin_object, call, services.policy, bucket_id, key, size_bytes, headers
        )
        return {"object_id": coming.id}

    async def put(self, call: Call, object_id: int) -> PuttingObject:
        """:raises CloudError: as ``services.bucket.find_coming``; or UploadBusy: somebody else sends it."""
        services = self._services
        coming = await services.database.transact(service.find_coming, call, services.policy, object_id)
        taking = PuttingObject(services, call, coming)
        await taking.begin(coming.uuid, coming.size_bytes)
        return taking

    async def begin_part(self, call: Call, multipart_id: int, number: int, size_bytes: int) -> Mapping[str, Any]:
        """:raises CloudError: as ``services.bucket.begin_part``."""
        services = self._services
        part = await services.database.transact(
            service.begin_part, call, services.policy, multipart_id, number, size_bytes
        )
        return {"part_id": part.id}

    async def put_part(self, call: Call, multipart_id: int, part_id: int) -> PuttingPart:
        """:raises CloudError: as ``services.bucket.find_coming_part``; or UploadBusy: somebody else sends it."""
        services = self._services
        part = await services.database.transact(
            service.find_coming_part, call, services.policy, multipart_id, part_id
        )
        taking = PuttingPart(services, call, multipart_id, part.id)
        await taking.begin(part.uuid, part.size_bytes)
        return taking

    async def give_up(self, call: Call, object_id: int) -> None:
        """What was begun does not come; of what is there, or another's, nothing is changed."""
        services = self._services
        try:
            await services.database.transact(service.find_coming, call, services.policy, object_id)
        except UploadGone:
            return
        await _give_up(services, call, object_id)

    async def give_up_part(self, call: Call, multipart_id: int, part_id: int) -> None:
        """Likewise of a part."""
        services = self._services
        try:
            await services.database.transact(service.find_coming_part, call, services.policy, multipart_id, part_id)
        except UploadGone:
            return
        await services.database.transact(service.give_up_part, multipart_id, part_id)

    async def complete(
        self, call: Call, multipart_id: int, multipart_uuid: str, parts: Sequence[tuple[int, str]]
    ) -> Mapping[str, Any]:
        """:raises CloudError: as ``services.bucket.begin_completing``, or no node reaches the storage."""
        services = self._services
        assembling: Assembling = await services.database.transact(
            service.begin_completing, call, services.policy, multipart_id, multipart_uuid, parts
        )
        if assembling.coming is None:
            assert assembling.there is not None
            return assembling.there
        paths = [_path(services, uuid) for uuid in assembling.files]
        try:
            made, files = await _kept(
                services, assembling.coming, paths, service.finish_completing, call, multipart_id, assembling
            )
        except GeneratorExit:
            raise
        except BaseException:  # also cancelled: nothing of it stays; raised again
            await _give_up(services, call, assembling.coming.id)
            raise
        for uuid in files:
            await _unlink(services, uuid)
        return made

    async def read(self, call: Call, bucket_id: int, key: str) -> ReadingObject:
        """:raises ObjectNotFound: there is none that is the caller's."""
        row, shown, node_id = await self._services.database.read(_readable, call, bucket_id, key)
        return ReadingObject(self._services, call, row, shown, node_id)


def _readable(
    session: Session, call: Call, bucket_id: int, key: str
) -> tuple[ObjectRow, Mapping[str, Any], int | None]:
    row, shown = service.find_readable(session, call.identity.account_id, bucket_id, key)
    return row, shown, node_reaching(session, row.storage_id)


def _path(services: Services, uuid: str) -> Path:
    return services.policy.staging_dir / object_file(uuid)


async def _unlink(services: Services, uuid: str) -> None:
    await services.threads.run(POOL, _remove, _path(services, uuid), deadline_s=DISK_S)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


async def _give_up(services: Services, call: Call, object_id: int) -> None:
    cause = Cause(CauseKind.CALL, call.call_id)
    await services.database.transact(service.give_up_object, object_id, cause)


async def _kept(services: Services, coming: Coming, paths: Sequence[Path], finish: Callable[..., T], *args: Any) -> T:
    """
    Have the object's volume hold what the files do, and count.

    :param finish: makes it count, in a transaction.
    :raises StorageUnreached: no node that answers has the storage.
    :raises UploadGone: it was given up meanwhile. Who did that may have deleted the volume before it was there.
    """
    node_id = await services.database.read(node_reaching, coming.storage_id)
    if node_id is None:
        raise StorageUnreached(coming.storage_id)
    node = services.fleet.node(node_id)
    try:
        await _store(node, coming, paths)
        return await services.database.transact(finish, *args)
    except UploadGone:
        await node.volumes.delete(pool_name(coming.storage_id), coming.volume)
        raise


async def _store(node: NodeCalls, coming: Coming, paths: Sequence[Path]) -> None:
    """Have the object's volume be there, with our head before what the files hold."""
    pool = pool_name(coming.storage_id)
    await node.volumes.create_empty(pool, coming.volume, DiskFormat.RAW, coming.whole_bytes)
    source = _Joined(paths)
    length = len(HEAD) + coming.size_bytes
    try:
        done = await node.streams.upload(pool, coming.volume, 0, length, source)
    finally:
        source.close()
    if done != length:
        raise UploadGone()  # a file is shorter than what came: its disk has failed


class _Joined:
    """Our head, then files one after another, in pieces. Called by one thread."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._left = list(paths)
        self._file: IO[bytes] | None = None
        self._begun = False

    def __call__(self) -> bytes | None:
        if not self._begun:
            self._begun = True
            return HEAD
        while True:
            if self._file is None:
                if not self._left:
                    return None
                try:
                    self._file = self._left.pop(0).open("rb", buffering=0)
                except FileNotFoundError:
                    raise UploadGone() from None
            if data := self._file.read(_READ_BYTES):
                return data
            self.close()

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


class _Taking(ABC):
    """
    A body that comes to a file of its own.

    :ivar size_bytes: that are to come.
    """

    def __init__(self, services: Services, call: Call) -> None:
        self._services = services
        self._call = call
        self._intake: Intake | None = None
        self._uuid = ""
        self.size_bytes = 0

    async def begin(self, uuid: str, size_bytes: int) -> None:
        self._uuid, self.size_bytes = uuid, size_bytes
        self._intake = await self._run(Intake, _path(self._services, uuid))
        try:
            self._intake.digest("md5")
            await self._run(self._intake.start, 0)
        except GeneratorExit:
            raise
        except BaseException:  # also cancelled: nothing of it stays; raised again
            await self.drop()
            raise

    @property
    def written(self) -> int:
        return 0 if self._intake is None else self._intake.offset

    async def write(self, pieces: Sequence[bytes]) -> None:
        assert self._intake is not None
        await self._run(self._intake.write, pieces)

    async def _whole(self) -> str:
        """
        What came is all, and stays.

        :return: its MD5.
        :raises ChecksumDiffers: it is less than was told.
        """
        assert self._intake is not None
        if self._intake.offset != self.size_bytes:
            raise ChecksumDiffers()
        await self._run(self._intake.sync)
        return self._intake.digested().hex()

    async def _close(self) -> None:
        intake, self._intake = self._intake, None
        if intake is not None:
            await self._run(intake.close)

    async def drop(self) -> None:
        """Nothing of it is to stay."""
        await self._close()
        await self._given_up()
        await _unlink(self._services, self._uuid)

    @abstractmethod
    async def _given_up(self) -> None:
        """What its rows claim is to be given back."""

    async def _run(self, function: Callable[..., T], *args: Any) -> T:
        return await self._services.threads.run(POOL, function, *args, deadline_s=DISK_S)


class PuttingObject(_Taking):
    """An object in one piece."""

    def __init__(self, services: Services, call: Call, coming: Coming) -> None:
        super().__init__(services, call)
        self._coming = coming

    async def finish(self) -> Mapping[str, Any]:
        """
        It goes to its storage, and is there.

        :raises UploadGone: it was given up meanwhile.
        """
        etag = await self._whole()  # its file is held on, until it is there
        services, coming = self._services, self._coming
        paths = [_path(services, self._uuid)]
        made: Mapping[str, Any] = await _kept(
            services, coming, paths, service.finish_object, self._call, coming, etag
        )
        await self._close()
        await _unlink(services, self._uuid)
        return made

    async def _given_up(self) -> None:
        await _give_up(self._services, self._call, self._coming.id)


class PuttingPart(_Taking):
    """A part of one."""

    def __init__(self, services: Services, call: Call, multipart_id: int, part_id: int) -> None:
        super().__init__(services, call)
        self._multipart_id, self._part_id = multipart_id, part_id

    async def finish(self) -> Mapping[str, Any]:
        """It counts. :raises UploadGone: its upload was given up."""
        etag = await self._whole()
        await self._close()
        services = self._services
        before = await services.database.transact(
            service.finish_part, self._call, self._multipart_id, self._part_id, etag
        )
        for uuid in before:
            await _unlink(services, uuid)
        return {"etag": etag}

    async def _given_up(self) -> None:
        await self._services.database.transact(service.give_up_part, self._multipart_id, self._part_id)


class ReadingObject:
    """Somebody who reads an object; ``rpc/downloads.py``'s ``Reading``."""

    def __init__(
        self, services: Services, call: Call, row: ObjectRow, shown: Mapping[str, Any], node_id: int | None
    ) -> None:
        self._services = services
        self._call = call
        self._row = row
        self._node_id = node_id
        self.identity = call.identity
        self.filename = ""
        self.shown = shown

    async def look(self) -> tuple[int, str]:
        """:return: how long it is, and its tag."""
        return self._row.size_bytes, self._row.etag

    async def stream(self, offset: int, length: int, sink: Callable[[bytes], None]) -> int:
        """As ``IStreams.download``."""
        pool = pool_name(self._row.storage_id)
        return await self._node().streams.download(pool, self._row.volume, len(HEAD) + offset, length, sink)

    def _node(self) -> NodeCalls:
        if self._node_id is None:
            raise StorageUnreached(self._row.storage_id)
        return self._services.fleet.node(self._node_id)

    async def check(self) -> None:
        """:raises CloudError: it is there no more, or they may read it no more."""
        call, row = self._call, self._row
        if not await self._services.authenticator.still_good(call.identity):
            raise VolumeNotFound(pool_name(row.storage_id), row.volume)
        found, _, _ = await self._services.database.read(_readable, call, row.bucket_id, row.key)
        if found.uuid != row.uuid:
            raise UploadGone()

    async def ended(self, sent_bytes: int) -> None:
        """Nothing is kept of it: a client reads one object by hundreds of requests."""


async def care(services: Services) -> None:
    """
    End what is on its way and whose time is over, or that nobody sends any more, and remove files of this machine that
    nobody needs.
    """
    database, directory = services.database, services.policy.staging_dir
    await database.transact(service.expire)
    for object_id, uuid in await database.read(coming_in_one, services.policy.staging_id, LOST_S):
        if not await services.threads.run(POOL, is_held, _path(services, uuid), deadline_s=DISK_S):
            log.info("an object is given up, for nobody sends it any more", object_id=object_id)
            await database.transact(service.give_up_object, object_id, Cause(CauseKind.LOOK, "lost"))
    there = await services.threads.run(POOL, _files, directory, deadline_s=DISK_S)
    if there:
        kept = set(await database.read(wanted_files, there))
        for uuid in there:
            if uuid not in kept:
                await _unlink(services, uuid)


def _files(directory: Path) -> list[str]:
    if not directory.is_dir():
        return []
    beginning = object_file("")
    return [path.name.removeprefix(beginning) for path in directory.iterdir() if path.name.startswith(beginning)]
