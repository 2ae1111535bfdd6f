"""
Memory nodes in a process of their own: a farm of hundreds of hosts that takes no rights and no libvirt.

``python -m lab.farm SOCKET`` serves the memory provider's worlds on a UNIX socket; they live as long as it does, so
managers may be stopped, killed and several at once, as with real hosts. ``farm_node.py`` is how a manager gets there.
A call is a pickle of (world, part and method, arguments) after four bytes of length, its answer one of (error, value).
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

from cm.drivers.memory.domain import Domain
from cm.drivers.memory.node import MemoryNode
from cm.drivers.memory.volume import HEADER_BYTES, Volume
from cm.interfaces.hypervisor import DomainEvent, DomainSpec
from cm.interfaces.source import FileSource
from cm.rpc.errors import CloudError
from cm.rpc.vocabulary import DiskFormat

LENGTH_BYTES = 4
Row = tuple[int, str, str, int]  # of a VM: id, uuid, its node's world, its VNC port


def packed(value: Any) -> bytes:
    body = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


class Farm:
    """All the worlds. One thread serves everybody, as storages that worlds share have no lock of their own."""

    def __init__(self) -> None:
        self._nodes: dict[str, MemoryNode] = {}

    def node(self, world: str) -> MemoryNode:
        if world not in self._nodes:
            self._nodes[world] = MemoryNode.named(world)
        return self._nodes[world]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until its end; events of the worlds that it subscribes to go out on it too."""
        heard: dict[str, MemoryNode] = {}
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big")
                # Whoever may open the socket is of our account, and may do as much without us.
                world, method, arguments = pickle.loads(await reader.readexactly(length))
                if method == "subscribe":
                    node = heard.setdefault(world, MemoryNode.named(world))
                    node.hypervisor.subscribe(partial(_tell, writer, world), _ignore)
                    continue
                writer.write(packed(self._answer(world, method, arguments)))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            for node in heard.values():
                node.close()
            writer.close()

    def _answer(self, world: str, method: str, arguments: tuple[Any, ...]) -> tuple[Any, Any]:
        try:
            if not world:
                return None, getattr(self, method)(*arguments)
            node = self.node(world)
            node.calls.clear()  # nobody asks for them, and they grow
            if method == "volumes.upload":
                arguments = (*arguments, _no_progress)
            return None, attrgetter(method)(node)(*arguments)
        except CloudError as error:
            return (type(error), error.details()), None
        except Exception as error:
            traceback.print_exc()
            return (None, f"{type(error).__name__}: {error}"), None

    # ------------------------------------------------------------------ what no node does

    def populate(self, storage: str, model: tuple[str, str], rows: Iterable[Row]) -> int:
        """
        Running domains like a model's, with disks and consoles of their own.

        :param storage: the pool that the disks are in.
        :param model: its uuid and its world.
        :return: how many there are now in these worlds.
        """
        uuid, home = model
        first = self.node(home).world.get(uuid)
        spec = first.spec
        size = max(volume.capacity_bytes for volume in self.node(home).world.storages.share(storage).volumes.values())
        worlds = {home}
        for vm_id, own, name, port in rows:
            world = self.node(name).world
            worlds.add(name)
            like = _like(spec, vm_id, own, port)
            share = world.storages.share(storage)
            disk = Path(like.disks[0].path).name
            made = share.volumes[disk] = Volume(disk, DiskFormat.QCOW2, size, HEADER_BYTES, writer=own)
            if like.console_log is not None:
                world.log(like.console_log)
            world.networks.update(self.node(home).world.networks)
            world.domains[own] = Domain(like, like, reason=first.reason, vnc=like.vnc, writes=[made])
        return sum(len(self.node(name).world.domains) for name in worlds)


def _like(spec: DomainSpec, vm_id: int, own: str, port: int) -> DomainSpec:
    disks = tuple(replace(disk, source=FileSource(disk.path.replace(spec.uuid, own))) for disk in spec.disks)
    vnc = None if spec.vnc is None else replace(spec.vnc, port=port)
    console = None if spec.console_log is None else spec.console_log.replace(spec.uuid, own)
    return replace(spec, name=f"vm-{vm_id}", uuid=own, disks=disks, vnc=vnc, console_log=console)


def _tell(writer: asyncio.StreamWriter, world: str, event: DomainEvent) -> None:
    if not writer.is_closing():
        writer.write(packed((world, event)))


def _no_progress(sent: int) -> None:
    """The caller tells itself."""


def _ignore(reason: str) -> None:
    """Connections to a farm end with the farm."""


async def run(path: str) -> None:
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.cancel)
    os.umask(0o077)
    # Of 500 nodes a manager that starts asks all at once, by several connections each.
    server = await asyncio.start_unix_server(Farm().serve, path, backlog=4096)
    print("ready", flush=True)
    try:
        await ended
    except asyncio.CancelledError:
        pass
    finally:
        server.close()
        Path(path).unlink(missing_ok=True)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1]))
