"""What every ``IStreams`` does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from cm.interfaces.hypervisor import VncSpec
from cm.interfaces.node import INode
from cm.interfaces.stream import Hole, Piece
from cm.interfaces.volume import StorageSpec
from cm.rpc.errors import (
    CloudError,
    ConsoleInUse,
    DomainNotRunning,
    InvalidParameter,
    NotSupported,
    ObjectNotFound,
    VolumeNotFound,
)
from cm.rpc.vocabulary import DiskFormat
from cm.runtime.pipe import Broken, Duplex, Pipe
from tests.contract.hypervisor import domain_spec, eventually
from tests.contract.on_storage import OnStorage

KIB = 1024
LENGTH = 640 * KIB  # more than two packets


def giving(*pieces: Piece) -> Callable[[], Piece | None]:
    left = iter(pieces)
    return lambda: next(left, None)


class Joined:
    """A console that is being spoken to; ``error`` is what its call ended with."""

    def __init__(self, node: INode, uuid: str, force: bool = False) -> None:
        self.ends = Duplex()
        self.error: BaseException | None = None
        self.heard = b""
        self._thread = threading.Thread(target=self._run, args=(node, uuid, force), daemon=True)
        self._thread.start()

    def _run(self, node: INode, uuid: str, force: bool) -> None:
        try:
            node.streams.console(uuid, self.ends, force)
        except BaseException as error:
            self.error = error

    def hear(self) -> bytes:
        self.heard += self.ends.outward.poll()
        return self.heard

    def over(self, timeout_s: float = 10.0) -> bool:
        self._thread.join(timeout_s)
        return not self._thread.is_alive()


class StreamsContract(OnStorage):
    """As ``OnStorage``, on what ``make`` and ``storage`` give."""

    streams = True  # whether this hypervisor has any

    @pytest.fixture()
    def volume(self, holder: INode, spec: StorageSpec) -> str:
        if not self.streams:
            pytest.skip("needs a hypervisor with streams; test_none shows that this one has none")
        holder.volumes.create_empty(spec.name, "flow.raw", DiskFormat.RAW, LENGTH)
        return "flow.raw"

    def read(self, node: INode, spec: StorageSpec, offset: int = 0, length: int = 2 * LENGTH) -> bytes:
        parts: list[bytes] = []
        told = node.streams.download(spec.name, "flow.raw", offset, length, parts.append)
        assert told == sum(map(len, parts))
        return b"".join(parts)

    def test_none(self, holder: INode, spec: StorageSpec) -> None:
        """Who has none says so, and nothing is changed."""
        if self.streams:
            pytest.skip("needs a hypervisor without streams")
        running = domain_spec()
        holder.hypervisor.define(running)
        holder.volumes.create_empty(spec.name, "a.raw", DiskFormat.RAW, LENGTH)
        asks: tuple[Callable[[], object], ...] = (
            lambda: holder.streams.console(running.uuid, Duplex()),
            lambda: holder.streams.screenshot(running.uuid),
            lambda: holder.streams.download(spec.name, "a.raw", 0, 1, lambda data: None),
            lambda: holder.streams.upload(spec.name, "a.raw", 0, 1, giving(b"x")),
        )
        for ask in asks:
            with pytest.raises(NotSupported):
                ask()
        holder.hypervisor.undefine(running.uuid)

    # ------------------------------------------------------------------ volumes

    def test_whole(self, holder: INode, spec: StorageSpec, volume: str) -> None:
        """What is written is read again, byte by byte, whole and in part; a read ends with the volume."""
        content = bytes(range(256)) * (LENGTH // 256)
        pieces = [content[at : at + 100_000] for at in range(0, LENGTH, 100_000)]
        assert holder.streams.upload(spec.name, volume, 0, LENGTH, giving(*pieces)) == LENGTH
        assert self.read(holder, spec) == content
        assert self.read(holder, spec, 300_001, 77) == content[300_001:300_078]
        assert self.read(holder, spec, LENGTH - 5, 100) == content[-5:]
        assert self.read(holder, spec, LENGTH, 100) == b""

    def test_resumed(self, holder: INode, spec: StorageSpec, volume: str) -> None:
        """A volume is written in parts, some of which end early; each goes on where the one before has ended."""
        content = bytes(reversed(range(256))) * (LENGTH // 256)
        at = 0
        for size in (1, 300_000, 0, 250_000, LENGTH):
            part = content[at : at + size]
            at += holder.streams.upload(spec.name, volume, at, LENGTH - at, giving(part[: len(part) // 2 + 1]))
            assert self.read(holder, spec)[:at] == content[:at]
        at += holder.streams.upload(spec.name, volume, at, LENGTH - at, giving(content[at:]))
        assert (at, self.read(holder, spec)) == (LENGTH, content)

    def test_holes(self, holder: INode, spec: StorageSpec, volume: str) -> None:
        """Holes read as zeros, in the middle and at the end; the volume keeps its length."""
        pieces = (b"a" * 5000, Hole(300_000), b"b" * 100, Hole(LENGTH - 305_100))
        assert holder.streams.upload(spec.name, volume, 0, LENGTH, giving(*pieces)) == LENGTH
        assert self.read(holder, spec) == b"a" * 5000 + bytes(300_000) + b"b" * 100 + bytes(LENGTH - 305_100)

    def test_broken(self, holder: INode, spec: StorageSpec, volume: str) -> None:
        """What the other side raises ends a stream, and the next one begins as if it had not been."""

        def stop(*_: Any) -> Any:
            raise KeyError("stop")

        with pytest.raises(KeyError):
            holder.streams.upload(spec.name, volume, 0, LENGTH, stop)
        assert holder.streams.upload(spec.name, volume, 0, LENGTH, giving(b"x" * LENGTH)) == LENGTH
        with pytest.raises(KeyError):
            holder.streams.download(spec.name, volume, 0, LENGTH, stop)
        assert self.read(holder, spec, 0, 3) == b"xxx"

    def test_slow(self, holder: INode, spec: StorageSpec, volume: str) -> None:
        """Who reads or writes by a pipe holds the node back: no more waits than the pipe takes."""
        content = bytes(range(256)) * (LENGTH // 256)
        inward, outward = Pipe(limit_bytes=10_000, idle_s=10), Pipe(limit_bytes=10_000, idle_s=10)
        done: list[int] = []

        def write() -> None:
            done.append(holder.streams.upload(spec.name, volume, 0, LENGTH, lambda: inward.take(10_000) or None))

        def read() -> None:
            done.append(holder.streams.download(spec.name, volume, 0, LENGTH, outward.put))
            outward.end()

        for run in (write, read):
            thread = threading.Thread(target=run, daemon=True)
            thread.start()
            if run is write:
                for at in range(0, LENGTH, 10_000):
                    inward.put(content[at : at + 10_000])
                inward.end()
            else:
                heard = b""
                while data := outward.take():
                    assert len(outward) <= 10_000 + 262_120
                    heard += data
                assert heard == content
            thread.join(10)
        assert done == [LENGTH, LENGTH]

    def test_beyond(self, holder: INode, spec: StorageSpec, volume: str) -> None:
        """Nothing is written beyond a volume's end, or beyond what was said."""
        for offset, length in ((0, LENGTH + 1), (LENGTH, 1)):
            with pytest.raises(InvalidParameter):
                holder.streams.upload(spec.name, volume, offset, length, giving(b"x"))
        with pytest.raises(InvalidParameter):
            holder.streams.upload(spec.name, volume, 0, 10, giving(b"x" * 11))
        assert len(self.read(holder, spec)) == LENGTH

    def test_absent(self, holder: INode, spec: StorageSpec, volume: str) -> None:
        """An absent volume and an unknown storage are told."""
        for storage, name, error in ((spec.name, "absent.raw", VolumeNotFound), ("no-such", volume, ObjectNotFound)):
            expected: type[CloudError] = error
            with pytest.raises(expected):
                holder.streams.upload(storage, name, 0, 1, giving(b"x"))
            with pytest.raises(expected):
                holder.streams.download(storage, name, 0, 1, lambda data: None)

    # ------------------------------------------------------------------ consoles

    @pytest.fixture()
    def uuid(self, holder: INode) -> Iterator[str]:
        if not self.streams:
            pytest.skip("needs a hypervisor with consoles; test_none shows that this one has none")
        running = domain_spec()
        holder.hypervisor.define(running)
        holder.hypervisor.start(running.uuid)
        yield running.uuid
        holder.hypervisor.destroy(running.uuid)
        holder.hypervisor.undefine(running.uuid)

    def test_console_left(self, holder: INode, uuid: str) -> None:
        """Whoever leaves frees the console for the next."""
        for _ in range(3):
            joined = Joined(holder, uuid)
            joined.ends.inward.offer(b"x")
            assert not joined.over(0.2)
            joined.ends.end()
            assert joined.over() and joined.error is None, joined.error

    def test_console_in_use(self, holder: INode, uuid: str) -> None:
        """There is one at a time, and who insists takes it."""
        first = Joined(holder, uuid)
        assert not first.over(0.5)
        second = Joined(holder, uuid)
        assert second.over() and isinstance(second.error, ConsoleInUse)
        third = Joined(holder, uuid, force=True)
        assert first.over() and first.error is None and first.ends.ended
        assert not third.over(0.2)
        third.ends.end()
        assert third.over() and third.error is None

    def test_console_ends(self, holder: INode, uuid: str) -> None:
        """It ends with its domain."""
        joined = Joined(holder, uuid)
        assert not joined.over(0.5)
        holder.hypervisor.destroy(uuid)
        assert joined.over() and joined.error is None and joined.ends.ended

    def test_console_off(self, holder: INode, uuid: str) -> None:
        """There is none of a domain that is off or absent."""
        holder.hypervisor.destroy(uuid)
        for each in (uuid, str(uuid4())):
            ends = Duplex()
            with pytest.raises(DomainNotRunning):
                holder.streams.console(each, ends)
            assert ends.ended

    def test_console_full(self, holder: INode, uuid: str) -> None:
        """What nobody takes does not grow, nor keep the stream from ending."""
        joined = Joined(holder, uuid)
        while joined.ends.inward.offer(b"y" * 65_536):
            pass
        assert not joined.over(0.3)
        assert len(joined.ends.outward) <= 256 * KIB + 262_120
        joined.ends.end()
        joined.ends.outward.fail(Broken())
        assert joined.over() and eventually(lambda: joined.ends.ended)

    # ------------------------------------------------------------------ screens

    def test_screenshot(self, holder: INode) -> None:
        """What its screen shows; nothing of a domain that is off, absent, or without a screen."""
        if not self.streams:
            pytest.skip("needs a hypervisor with screens; test_none shows that this one has none")
        seen = domain_spec(vnc=VncSpec("127.0.0.1", 5998, "secret"))
        blind = domain_spec()
        for spec in (seen, blind):
            holder.hypervisor.define(spec)
            with pytest.raises(DomainNotRunning):
                holder.streams.screenshot(spec.uuid)
            holder.hypervisor.start(spec.uuid)
        picture = holder.streams.screenshot(seen.uuid)
        assert picture.png[:8] == b"\x89PNG\r\n\x1a\n"
        size = int.from_bytes(picture.png[16:20], "big"), int.from_bytes(picture.png[20:24], "big")
        assert size == (picture.width, picture.height) and min(size) > 0
        with pytest.raises(NotSupported):
            holder.streams.screenshot(blind.uuid)
        for spec in (seen, blind):
            holder.hypervisor.destroy(spec.uuid)
            with pytest.raises(DomainNotRunning):
                holder.streams.screenshot(spec.uuid)
            holder.hypervisor.undefine(spec.uuid)
        with pytest.raises(DomainNotRunning):
            holder.streams.screenshot(str(uuid4()))
