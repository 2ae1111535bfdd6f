"""``IVariables`` of a node in memory: they lie beside the disks, so whichever node has these has them."""

from __future__ import annotations

from pathlib import PurePosixPath

from cm.drivers.memory.domain import SYSTEM_ERROR
from cm.drivers.memory.link import Link
from cm.rpc.errors import HypervisorError


class MemoryVariables:
    def __init__(self, link: Link) -> None:
        self._link = link

    def ensure(self, directory: str) -> None:
        with self._link.call("ensure") as world, world.lock:
            share = world.storages.around(directory)
            if share is None:
                raise HypervisorError(f"cannot create path '{directory}'", SYSTEM_ERROR)
            share.directories.add(PurePosixPath(directory).name)

    def delete(self, path: str) -> None:
        with self._link.call("delete") as world, world.lock:
            share = world.storages.around(str(PurePosixPath(path).parent))
            if share is not None:
                share.variables.discard(PurePosixPath(path).name)
