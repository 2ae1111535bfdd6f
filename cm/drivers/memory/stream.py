"""``IStreams`` in memory."""

from __future__ import annotations

from collections.abc import Callable

from cm.drivers.memory.link import Link
from cm.drivers.memory.volume import CONTENT_MAX
from cm.interfaces.stream import Hole, Picture, Piece
from cm.rpc.errors import ConsoleInUse, InvalidParameter, NotSupported, VolumeNotFound
from cm.rules.picture import png_of
from cm.runtime.pipe import Broken, Duplex

CHUNK_BYTES = 65_536
LOOK_S = 30.0
_SCREEN = (720, 400)  # pixels: a VGA text screen's


class MemoryStreams:
    def __init__(self, link: Link) -> None:
        self._link = link

    def console(self, uuid: str, ends: Duplex, force: bool = False) -> None:
        """The guest answers as ``World.on_console`` says; without it each byte comes back, as from a terminal."""
        try:
            with self._link.call("console") as world, world.lock:
                domain = self._link.running(uuid)
                other = world.consoles.get(uuid)
                if other is not None and not force:
                    raise ConsoleInUse(domain.spec.name)
                world.consoles[uuid] = ends
            if other is not None:
                other.end()
            try:
                while not ends.ended:
                    ends.wait(LOOK_S)
                    data = ends.inward.poll()
                    if data and not ends.ended:
                        ends.outward.put(world.on_console(uuid, data))
            except Broken:
                pass
            finally:
                with world.lock:
                    if world.consoles.get(uuid) is ends:
                        del world.consoles[uuid]
        finally:
            ends.end()

    def screenshot(self, uuid: str) -> Picture:
        """In the colour that its uuid begins with."""
        with self._link.call("screenshot") as world, world.lock:
            spec = self._link.running(uuid).spec
            if spec.vnc is None:
                raise NotSupported("show the screen of a domain without one")
            columns, rows = _SCREEN
            return Picture(*png_of(b"P6\n%d %d\n255\n" % _SCREEN + bytes.fromhex(uuid[:6]) * (columns * rows)))

    def download(self, storage_name: str, volume: str, offset: int, length: int, sink: Callable[[bytes], None]) -> int:
        with self._link.call("download") as world, world.lock:
            found = world.storages.share(storage_name).volumes.get(volume)
            if found is None:
                raise VolumeNotFound(storage_name, volume)
            end = min(found.length, offset + length)
        at = offset
        while at < end:
            with world.lock:
                data = found.read(at, min(CHUNK_BYTES, end - at))
            sink(data)
            at += len(data)
        return max(0, at - offset)

    def upload(
        self, storage_name: str, volume: str, offset: int, length: int, source: Callable[[], Piece | None]
    ) -> int:
        """Of volumes that are no larger than what is kept of one."""
        with self._link.call("upload_part") as world, world.lock:
            found = world.storages.share(storage_name).volumes.get(volume)
            if found is None:
                raise VolumeNotFound(storage_name, volume)
            if offset + length > found.length:
                raise InvalidParameter("length", f"ends beyond the volume's {found.length} bytes")
            if found.length > CONTENT_MAX:
                raise NotSupported("hold so much")
        done = 0
        while length and (piece := source()) is not None:
            size = piece.length if isinstance(piece, Hole) else len(piece)
            if done + size > length:
                raise InvalidParameter("length", f"is {length}, and more came")
            if not isinstance(piece, Hole):
                with world.lock:
                    found.write(offset + done, piece)
            done += size
        return done
