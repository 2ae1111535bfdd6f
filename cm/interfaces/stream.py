"""
Bytes that flow between a node and whoever asks: a domain's serial console, what is written to and read from volumes.

A stream is one call, which lasts as long as it flows. It runs on a thread and a connection of its own
(``calls.py``, ``Pace.STREAM``), so that neither looks nor copies wait for it; what it is joined to is bounded and holds
the faster side back (``runtime/pipe.py``), so that it costs the same memory at any size. Where nothing moves for
``IDLE_S`` it is given up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from cm.runtime.pipe import Duplex

IDLE_S: Final = 60.0  # a transfer that neither side moves; a console may be silent for as long as who reads it allows


@dataclass(frozen=True)
class Hole:
    """So many bytes that are not there, and read as zeros."""

    length: int


Piece = bytes | Hole


@dataclass(frozen=True)
class Picture:
    """:ivar png: a file of that format. ``width`` and ``height``: pixels."""

    png: bytes
    width: int
    height: int


class IStreams(Protocol):
    """What one node can stream."""

    def console(self, uuid: str, ends: Duplex, force: bool = False) -> None:
        """
        Join a running domain's first serial console to ``ends``, until the domain or the other side ends it.

        :param force: whoever has it now loses it.
        :raises DomainNotRunning: there is nothing to speak to.
        :raises ConsoleInUse: somebody has it already.
        :raises NotSupported: this hypervisor has none, or the domain was started without one.
        """

    def screenshot(self, uuid: str) -> Picture:
        """
        What a running domain's first screen shows now.

        :raises DomainNotRunning: it shows nothing.
        :raises NotSupported: it was started without a screen, or this hypervisor gives no pictures.
        :raises HypervisorError: what it gave is no picture, or too large a one.
        """

    def download(self, storage_name: str, volume: str, offset: int, length: int, sink: Callable[[bytes], None]) -> int:
        """
        Read a volume's bytes as they lie there: a qcow2 file, not what a guest sees of it.

        :param length: no more than so many; a volume may end before.
        :param sink: gets them in order. What it raises ends the stream, and is raised.
        :return: how many.
        :raises VolumeNotFound: StreamIdle:
        :raises NotSupported: this hypervisor gives no downloads.
        """

    def upload(
        self, storage_name: str, volume: str, offset: int, length: int, source: Callable[[], Piece | None]
    ) -> int:
        """
        Write into a volume that is there, from ``offset`` on.

        Whoever sends a large one in parts makes the volume first, empty and of its whole length, and goes on where the
        part before has ended. Parts go in order: a hole cuts off what lies behind it, until that is written.

        :param length: no more than so many bytes, holes included; others' are refused.
        :param source: gives them in order; None: that is all, which may be fewer. What it raises ends the stream, and
            is raised; how much was written then is not known.
        :return: how many there were, all of them handed to the node's file system.
        :raises VolumeNotFound: StreamIdle: StorageFull:
        :raises InvalidParameter: it is beyond the volume's end, or more than ``length``.
        :raises NotSupported: this hypervisor takes no uploads.
        """
