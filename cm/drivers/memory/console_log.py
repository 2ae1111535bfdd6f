"""``IConsoleLogs`` in memory."""

from __future__ import annotations

from pathlib import PurePosixPath

from cm.drivers.memory.link import Link
from cm.rpc.errors import VolumeNotFound


class MemoryConsoleLogs:
    def __init__(self, link: Link) -> None:
        self._link = link

    def ensure(self, directory: str) -> None:
        with self._link.call("ensure"):
            pass

    def read_tail(self, path: str, limit_bytes: int) -> bytes:
        with self._link.call("read_tail") as world, world.lock:
            if path not in world.logs:
                raise VolumeNotFound("", PurePosixPath(path).name)
            return world.logs[path][-limit_bytes:] if limit_bytes > 0 else b""

    def delete(self, path: str) -> None:
        with self._link.call("delete") as world, world.lock:
            for each in [log for log in world.logs if log == path or log.startswith(f"{path}.")]:
                del world.logs[each]
