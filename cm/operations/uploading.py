"""
The bytes of uploads: on this machine, in a file beside those of imports, an upload's by one request at a time.

What is told to have come is on the disk. A process that dies leaves what it had written to the system, yet a machine
that loses its power does not: so bytes are synchronised before they count, at the end of each request and every now
and then in a long one, while more of it is written. That is the ``received_bytes`` of the row, and what a file has
beyond it is cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from cm.drivers.images.receive import Intake, Lost
from cm.rpc.errors import NotAuthenticated, UploadElsewhere, UploadGone, UploadOffset
from cm.rules.names import upload_file
from cm.runtime.closing import Closing
from cm.services.context import Services
from cm.services.upload import Found, complete, expire, find, terminate
from cm.store.upload import move_offset, received_of, wanted

log = Logger()
T = TypeVar("T")
POOL: Final = "uploads"
DISK_S: Final = 60.0  # for one write or synchronisation


class UploadDesk:
    """Where the addresses lead: ``rpc/uploads.py``'s ``Desk``."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def find(self, secret: str, remote: str, call_id: str) -> Found:
        """:raises UploadGone: NotAuthenticated: AccountBlocked: there is none, or its owner may do nothing any more."""
        found = await self._services.database.transact(find, secret, remote, call_id)
        if found.row.issuer and not await self._services.authenticator.still_good(found.identity):
            raise NotAuthenticated()
        return found

    async def begin(self, found: Found, offset: int) -> Receiving:
        """
        Have an upload to oneself.

        :raises UploadBusy: another process has it.
        :raises UploadOffset: it goes on elsewhere.
        :raises UploadElsewhere: it is another machine's.
        """
        policy, row = self._services.policy, found.row
        if not row.open or offset != row.received_bytes:
            raise UploadOffset(row.received_bytes, offset)
        if row.place != policy.staging_id:
            raise UploadElsewhere()
        intake = await self._run(Intake, policy.staging_dir / upload_file(row.uuid))
        try:
            # Whoever had it until now may have moved it on since it was looked at.
            received = await self._services.database.read(received_of, row.image_id)
            if received != offset:
                raise UploadGone() if received is None else UploadOffset(received, offset)
            try:
                await self._run(intake.start, offset)
            except Lost:
                await self._services.database.transact(move_offset, row.image_id, offset, 0)
                raise UploadOffset(0, offset) from None
        except GeneratorExit:
            raise  # as ``Closing``
        except BaseException:
            await self._run(intake.close)
            raise
        return Receiving(self._services, found, intake)

    async def terminate(self, found: Found) -> None:
        """
        Give an upload up: nothing of it stays.

        :raises WrongImageState: it is complete; the image can be deleted.
        """
        await self._services.database.transact(terminate, found)
        if found.row.place == self._services.policy.staging_id:
            await self._run(_unlink, self._services.policy.staging_dir / upload_file(found.row.uuid))

    async def _run(self, function: Callable[..., T], *args: Any) -> T:
        return await self._services.threads.run(POOL, function, *args, deadline_s=DISK_S)


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)


class Receiving:
    """
    One request's writing to an upload; ``rpc/uploads.py``'s.

    :ivar offset: what counts as come.
    """

    def __init__(self, services: Services, found: Found, intake: Intake) -> None:
        self._services = services
        self._found = found
        self._intake = intake
        self._settling: Deferred[None] | None = None
        self._digest = False
        self.offset = intake.offset
        self.size_bytes = found.row.size_bytes

    @property
    def written(self) -> int:
        return self._intake.offset

    def verify(self, algorithm: str) -> None:
        """Count nothing before all of the request has come, and ``digested`` was as it should be."""
        self._digest = True
        self._intake.digest(algorithm)

    def digested(self) -> bytes:
        return self._intake.digested()

    async def write(self, pieces: Sequence[bytes]) -> None:
        await self._run(self._intake.write, pieces)

    def settle_on(self) -> None:
        """Let what is written so far count soon, while more comes; errors are told by ``settle``."""
        if self.written == self.size_bytes:
            return  # who sends more than was announced has not sent all of it
        if self._settling is None and not self._digest and self.written > self.offset:
            self._settling = Deferred.fromCoroutine(self._settle())
            self._settling.addCallback(self._settled)

    def _settled(self, _: None) -> None:
        self._settling = None

    async def settle(self) -> None:
        """
        Let all that is written count. What is complete is an import from then on.

        :raises UploadGone: it was given up, or has expired.
        """
        if self._settling is not None:
            await self._settling
        if self.written > self.offset:
            await self._settle()

    async def _settle(self) -> None:
        written = self.written
        await self._run(self._intake.sync)
        database, row = self._services.database, self._found.row
        if written == self.size_bytes:
            policy = self._services.policy
            moved = await database.transact(complete, self._found, self.offset, policy)
        else:
            moved = await database.transact(move_offset, row.image_id, self.offset, written)
        if not moved:
            raise UploadGone()
        self.offset = written

    async def drop(self) -> None:
        """Forget what does not count yet."""
        if self._settling is not None:
            await self._settling
        await self._run(self._intake.cut, self.offset)

    async def close(self) -> None:
        async with Closing(lambda: self._run(self._intake.close)):
            try:
                if self._settling is not None:
                    await self._settling
            except Exception as error:  # whoever writes was told of another before
                log.info("what came of an upload does not count: {error}", error=str(error))

    async def _run(self, function: Callable[..., T], *args: Any) -> T:
        return await self._services.threads.run(POOL, function, *args, deadline_s=DISK_S)


async def care(services: Services) -> None:
    """End uploads whose time is over, and remove files of this machine that nobody needs any more."""
    database, directory = services.database, services.policy.staging_dir
    await database.transact(expire)
    there = await services.threads.run(POOL, _files, directory, deadline_s=DISK_S)
    if there:
        kept = set(await database.read(wanted, list(there)))
        for uuid, path in there.items():
            if uuid not in kept:
                await services.threads.run(POOL, _unlink, path, deadline_s=DISK_S)


def _files(directory: Path) -> dict[str, Path]:
    if not directory.is_dir():
        return {}
    ending = upload_file("")
    return {path.name.removeprefix(ending): path for path in directory.iterdir() if path.name.startswith(ending)}
