"""``IVariables`` of a node in memory: they lie beside the disks, so whichever node has these has them."""

from __future__ import annotations

from pathlib import PurePosixPath

from cm.drivers.memory.domain import SYSTEM_ERROR
from cm.drivers.memory.link import Link
from cm.rpc.errors import HypervisorError, NotSupported, VolumeNotFound
from cm.rules.machine import NVRAM_DIRECTORY


class MemoryVariables:
    def __init__(self, link: Link) -> None:
        self._link = link

    def ensure(self, directory: str) -> None:
        with self._link.call("ensure") as world, world.lock:
            share, name = world.storages.below(directory)
            if share is None:
                raise HypervisorError(f"cannot create path '{directory}'", SYSTEM_ERROR)
            share.directories.add(name)

    def read(self, path: str) -> bytes:
        with self._link.call("read") as world, world.lock:
            share, name = world.storages.below(path)
            if share is None or name not in share.variables:
                raise VolumeNotFound("", PurePosixPath(path).name)
            return share.variables[name]

    def write(self, path: str, content: bytes) -> None:
        directory = PurePosixPath(path).parent
        with self._link.call("write") as world, world.lock:
            if directory.name == NVRAM_DIRECTORY:
                raise NotSupported(f"write variables into {directory}, which others have theirs in")
            share, name = world.storages.below(path)
            if share is None:
                raise HypervisorError(f"cannot create path '{directory}'", SYSTEM_ERROR)
            share.directories.add(str(PurePosixPath(name).parent))
            share.variables[name] = content

    def delete(self, path: str) -> None:
        with self._link.call("delete") as world, world.lock:
            share, name = world.storages.below(path)
            if share is not None:
                share.variables.pop(name, None)
                if PurePosixPath(path).parent.name != NVRAM_DIRECTORY:
                    share.directories.discard(str(PurePosixPath(name).parent))
