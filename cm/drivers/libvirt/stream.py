"""
``IStreams`` by libvirt's streams, each on a connection of its own: consoles last for hours, and four downloads on one
connection made every other call on it wait for up to a quarter of a second.

Streams are non-blocking, so that who works on one can wait for both of its sides, and no longer than it should.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import libvirt

from cm.drivers.libvirt.connection import Connections, Line
from cm.drivers.libvirt.errors import code_of, is_connection_error, translate
from cm.drivers.libvirt.flow import CHUNK_BYTES, Flow
from cm.drivers.libvirt.transfer import physical_size
from cm.drivers.libvirt.xml_text import parsed
from cm.interfaces.stream import Hole, Picture, Piece
from cm.rpc.errors import (
    ConsoleInUse,
    DomainNotFound,
    DomainNotRunning,
    HypervisorError,
    InvalidParameter,
    NotSupported,
    VolumeNotFound,
)
from cm.rules.picture import PIXMAP_MAX, png_of
from cm.runtime.pipe import Broken, Duplex

LEFT_S: Final = 1.0  # until libvirtd has noticed that whoever had a console is gone
QUICK_S: Final = 0.004  # between looks at a console where something happened just now
SLOW_S: Final = 0.05  # and where not
LIVELY_S: Final = 2.0
STALL_S: Final = 10.0  # what a guest writes meanwhile to whom does not read waits here: libvirt holds no guest back


# libvirt holds no reader back: what a node sends waits in this process until it is taken, so no more is asked for.
WINDOW_BYTES: Final = 8 * 2**20


class LibvirtStreams:
    """The test driver has none."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._test = connections.driver == "test"

    # ------------------------------------------------------------------ consoles

    def console(self, uuid: str, ends: Duplex, force: bool = False) -> None:
        if self._test:
            raise NotSupported("open serial consoles")
        try:
            with self._connections.stream(uuid) as line:
                self._join(line, uuid, ends, force)
        except DomainNotFound:
            raise DomainNotRunning(uuid) from None
        finally:
            ends.end()

    def _join(self, line: Line, uuid: str, ends: Duplex, force: bool) -> None:
        domain = line.connection.lookupByUUIDString(uuid)
        until = time.monotonic() + LEFT_S
        while True:
            flow = Flow(line)
            try:
                domain.openConsole(None, flow.stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE if force else 0)
                break
            except libvirt.libvirtError as error:
                if code_of(error) == libvirt.VIR_ERR_OPERATION_INVALID:
                    raise DomainNotRunning(uuid) from error
                if code_of(error) != libvirt.VIR_ERR_OPERATION_FAILED or "console session exists" not in str(error):
                    raise
                if ends.ended or time.monotonic() > until:
                    raise ConsoleInUse(domain.name()) from error
            time.sleep(0.1)
        with flow.begun():
            try:
                _pump(flow, ends)
            except libvirt.libvirtError as error:
                # What a domain's end, or another who takes the console, looks like from here is an I/O failure.
                if is_connection_error(error):
                    line.check()
            except Broken:
                pass

    # ------------------------------------------------------------------ screens

    def screenshot(self, uuid: str) -> Picture:
        if self._test:
            raise NotSupported("show screens")
        try:
            with self._connections.stream(uuid) as line:
                return _picture(self._shown(line, uuid))
        except DomainNotFound:
            raise DomainNotRunning(uuid) from None

    def _shown(self, line: Line, uuid: str) -> bytes:
        domain = line.connection.lookupByUUIDString(uuid)
        flow = Flow(line)
        try:
            domain.screenshot(flow.stream, 0, 0)
        except libvirt.libvirtError as error:
            if is_connection_error(error):
                raise
            if not domain.isActive():
                raise DomainNotRunning(uuid) from error
            if parsed(domain.XMLDesc()).find("./devices/video") is None:
                raise NotSupported("show the screen of a domain without one") from error
            raise
        data = bytearray()
        with flow.begun():
            while part := flow.receive(CHUNK_BYTES):
                data += part
                if len(data) > PIXMAP_MAX:
                    raise HypervisorError(f"its picture has more than {PIXMAP_MAX} bytes", libvirt.VIR_ERR_OK)
            flow.finish()
        return bytes(data)

    # ------------------------------------------------------------------ volumes

    def download(self, storage_name: str, volume: str, offset: int, length: int, sink: Callable[[bytes], None]) -> int:
        if self._test:
            raise NotSupported("download volumes")
        with self._volume(storage_name, volume) as (line, found):
            length = min(length, physical_size(found) - offset)
            done = 0
            while done < length:
                flow = Flow(line)
                found.download(flow.stream, offset + done, min(WINDOW_BYTES, length - done), 0)
                before = done
                with flow.begun():
                    while data := flow.receive(CHUNK_BYTES):
                        sink(data)
                        done += len(data)
                    flow.finish()
                if done == before:
                    break  # it was cut off meanwhile
            return done

    def upload(
        self, storage_name: str, volume: str, offset: int, length: int, source: Callable[[], Piece | None]
    ) -> int:
        if self._test:
            raise NotSupported("upload volumes")
        with self._volume(storage_name, volume) as (line, found):
            if offset + length > physical_size(found):
                raise InvalidParameter("length", f"ends beyond the volume's {physical_size(found)} bytes")
            if length <= 0:
                return 0
            flow = Flow(line)
            found.upload(flow.stream, offset, length, libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM)
            done = 0
            with flow.begun():
                while (piece := source()) is not None:
                    size = piece.length if isinstance(piece, Hole) else len(piece)
                    done += size
                    if done > length:
                        raise InvalidParameter("length", f"is {length}, and more came")
                    if isinstance(piece, Hole):
                        flow.skip(size)
                    else:
                        flow.send(piece)
                flow.finish()
            return done

    @contextmanager
    def _volume(self, storage_name: str, volume: str) -> Iterator[tuple[Line, Any]]:
        with self._connections.stream(volume, storage_name) as line:
            pool = line.connection.storagePoolLookupByName(storage_name)
            try:
                found = pool.storageVolLookupByName(volume)
            except libvirt.libvirtError as error:
                told = translate(error, node=self._connections.node, subject=volume, storage=storage_name)
                if not isinstance(told, VolumeNotFound):
                    raise
                pool.refresh(0)  # another node may have made it
                found = pool.storageVolLookupByName(volume)
            yield line, found


def _picture(shown: bytes) -> Picture:
    try:
        return Picture(*png_of(shown))
    except ValueError as error:
        raise HypervisorError(f"no picture of its screen: {error}", libvirt.VIR_ERR_OK) from error


def _pump(flow: Flow, ends: Duplex) -> None:
    """Both ways, until the guest's side or the other ends."""
    waiting = b""
    moved_at = room_at = time.monotonic()
    while not ends.ended:
        now = time.monotonic()
        moved = False
        if ends.outward.has_room:
            room_at = now
            data = flow.receive_now(CHUNK_BYTES)
            if data == b"":
                return
            if data is not None:
                ends.outward.offer(data)
                moved = True
        elif now - room_at > STALL_S:
            return
        waiting = waiting or ends.inward.poll()
        if waiting:
            sent = flow.send_now(waiting)
            waiting = waiting[sent:]
            moved = moved or bool(sent)
        if moved:
            moved_at = now
        else:
            flow.check()
            ends.wait(QUICK_S if now - moved_at < LIVELY_S else SLOW_S, until_input=not waiting)
