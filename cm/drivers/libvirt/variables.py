"""
``IVariables`` by what libvirt does for the logs of consoles: neither lies in a pool that is ever looked through.

What has to be written is written through a pool all the same, as libvirt has no other call for it: one over a directory
that is new and empty, and that is forgotten between the opening of the stream and its first byte. libvirt looks into
what a stream has written, and opens what a header at its beginning names, but of a pool that it still has.
"""

from __future__ import annotations

from functools import partial
from pathlib import PurePosixPath
from typing import Any, Final

import libvirt

from cm.drivers.libvirt.connection import Connections
from cm.drivers.libvirt.console_log import LibvirtConsoleLogs
from cm.drivers.libvirt.pool import optional, stop_and_forget
from cm.drivers.libvirt.pool_xml import pool_xml, volume_xml
from cm.drivers.libvirt.transfer import send_all
from cm.interfaces.volume import StorageSpec
from cm.rpc.errors import NotSupported
from cm.rpc.vocabulary import DiskFormat, StorageKind
from cm.rules.machine import NVRAM_DIRECTORY, VARIABLES_MAX_BYTES

POOL: Final = "wawel-variables-"  # begins the names of our pools, of which none outlasts a call but by a kill
_ABSENT: Final = (libvirt.VIR_ERR_NO_STORAGE_POOL,)


class LibvirtVariables:
    """The test driver keeps none."""

    def __init__(self, connections: Connections, files: LibvirtConsoleLogs) -> None:
        self._connections = connections
        self._files = files
        self._test = connections.driver == "test"

    def ensure(self, directory: str) -> None:
        self._files.ensure(directory)

    def read(self, path: str) -> bytes:
        content = self._files.read_tail(path, VARIABLES_MAX_BYTES + 1)
        if len(content) > VARIABLES_MAX_BYTES:
            raise NotSupported(f"keep more than {VARIABLES_MAX_BYTES} bytes of variables")
        return content

    def write(self, path: str, content: bytes) -> None:
        if self._test:
            raise NotSupported("keep variables of UEFI")
        if not _own(path):
            raise NotSupported(f"write variables into {PurePosixPath(path).parent}, which others have theirs in")
        self._files.delete_file(path)  # of an attempt that was cut off: the pool would look into it
        with self._connections.slow(path) as connection:
            self._forget(connection, path)
            _write(connection, path, content)

    def delete(self, path: str) -> None:
        if self._test:
            return
        self._files.delete_file(path)
        if _own(path):
            with self._connections.slow(path) as connection:
                self._forget(connection, path)
                _remove_directory(connection, path)

    def _forget(self, connection: Any, path: str) -> None:
        """The pool that a manager left which was killed within a call: nothing was written yet."""
        pool = optional(partial(connection.storagePoolLookupByName, _pool_name(path)), *_ABSENT)
        if pool is not None:
            optional(partial(stop_and_forget, pool), *_ABSENT)


def _own(path: str) -> bool:
    """Whether a file has a directory of its own."""
    return PurePosixPath(path).parent.name != NVRAM_DIRECTORY


def _pool_name(path: str) -> str:
    return f"{POOL}{PurePosixPath(path).parent.name}"


def _pool(path: str) -> str:
    return pool_xml(StorageSpec(_pool_name(path), StorageKind.DIR, str(PurePosixPath(path).parent)))


def _write(connection: Any, path: str, content: bytes) -> None:
    pool = connection.storagePoolCreateXML(_pool(path), libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD)
    stream = None
    try:
        volume = pool.createXML(volume_xml(PurePosixPath(path).name, DiskFormat.RAW, len(content)), 0)
        if content:
            stream = connection.newStream(0)
            volume.upload(stream, 0, len(content), 0)
    finally:
        pool.destroy()
    if stream is not None:
        send_all(stream, content)


def _remove_directory(connection: Any, path: str) -> None:
    """By a pool that is never started: libvirt has no other call that removes one."""
    pool = connection.storagePoolDefineXML(_pool(path), 0)
    try:
        optional(partial(pool.delete, 0), libvirt.VIR_ERR_SYSTEM_ERROR)  # it is not there; or somebody put more into it
    finally:
        optional(pool.undefine, *_ABSENT)
