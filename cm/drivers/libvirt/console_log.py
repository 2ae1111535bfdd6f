"""
``IConsoleLogs`` without a pool. libvirtd (root) looks into each file of a pool's directory whenever it goes through it,
and opens whatever a qcow2 header at a file's beginning names; of a log that beginning is a guest's.

What libvirt reads and deletes as it is told are the disks and the variable store of a domain: so a log is the raw disk
of one that is defined for the time of a call (some 15 ms; it never starts, no hook hears of it), read as root by
``virDomainBlockPeek``, which serves no other format, or it is its variable store, which is deleted along.
"""

from __future__ import annotations

import errno
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import PurePosixPath
from typing import Any, Final

import libvirt

from cm.drivers.libvirt.connection import Connections
from cm.drivers.libvirt.errors import code_of, is_connection_error
from cm.drivers.libvirt.pool import optional, stop_and_forget
from cm.drivers.libvirt.pool_xml import pool_xml
from cm.drivers.libvirt.xml_text import element, exact_text, serialized
from cm.interfaces.volume import StorageSpec
from cm.rpc.errors import NotSupported, VolumeNotFound
from cm.rpc.vocabulary import StorageKind

READER: Final = "wawel-log-"  # begins the names of our domains; nobody else is told of them
POOL: Final = "wawel-console"  # of older versions' pools, and of ours for as long as it takes to make the directory
PIECE_BYTES: Final = 1 << 20  # of one answer; libvirt's own bound is 4 MiB (REMOTE_DOMAIN_BLOCK_PEEK_BUFFER_MAX)
TRIES: Final = 5  # for logs that get shorter meanwhile, and domains that another manager takes for left behind
ENSURED_S: Final = 600.0  # so long nobody is asked again
ASIDE: Final = 1000  # virtlogd's max_backups is 3, unless somebody says otherwise


class LibvirtConsoleLogs:
    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._test = connections.driver == "test"
        self._ensured: dict[str, float] = {}
        self._lock = threading.Lock()

    def ensure(self, directory: str) -> None:
        """By a pool that is defined and built and never started: libvirt has no other call that makes a directory."""
        if self._test:
            return
        with self._lock:
            if self._ensured.get(directory, 0.0) > time.monotonic():
                return
            self._repeated(self._ensure, directory)
            self._ensured[directory] = time.monotonic() + ENSURED_S

    def _ensure(self, connection: Any, directory: str) -> None:
        pool = optional(lambda: connection.storagePoolLookupByName(POOL), libvirt.VIR_ERR_NO_STORAGE_POOL)
        if pool is not None:
            stop_and_forget(pool)  # its files stay
        made = connection.storagePoolDefineXML(pool_xml(StorageSpec(POOL, StorageKind.DIR, directory)), 0)
        try:
            made.build(0)
        finally:
            optional(made.undefine, libvirt.VIR_ERR_NO_STORAGE_POOL)
        for domain in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_INACTIVE):
            if domain.name().startswith(READER):  # of a manager that was killed
                optional(domain.undefine, libvirt.VIR_ERR_NO_DOMAIN)

    def read_tail(self, path: str, limit_bytes: int) -> bytes:
        if self._test:
            raise NotSupported("keep logs of consoles")
        return self._repeated(lambda connection, _: _tail(connection, path, limit_bytes), path)

    def delete_file(self, path: str) -> None:
        """This one alone."""
        if not self._test:
            self._repeated(lambda connection, _: _deleted(connection, path), path)

    def delete(self, path: str) -> None:
        if self._test:
            return
        self.delete_file(path)
        for number in range(ASIDE):
            aside = f"{path}.{number}"
            if not self._repeated(lambda connection, at: _deleted(connection, at), aside):
                return

    def _repeated(self, ask: Any, path: str) -> Any:
        """
        What ``ask`` gives for a connection and ``path``; once more where another manager was in the way.

        :raises VolumeNotFound: there is no such file.
        """
        left = TRIES
        while True:
            left -= 1
            with self._connections.slow(path) as connection:
                try:
                    return ask(connection, path)
                except libvirt.libvirtError as error:
                    if _is_absent(error):
                        raise VolumeNotFound("", PurePosixPath(path).name) from error
                    if is_connection_error(error) or not left:
                        raise
            time.sleep(0.02)


def _tail(connection: Any, path: str, limit_bytes: int) -> bytes:
    with _defined(connection, path) as domain:
        end = domain.blockInfo(path)[2]
        at = max(0, end - limit_bytes)
        pieces = []
        while at < end:
            pieces.append(domain.blockPeek(path, at, min(PIECE_BYTES, end - at)))
            at += len(pieces[-1])
        return b"".join(pieces)


def _deleted(connection: Any, path: str) -> bool:
    """Whether there was one."""
    with _defined(connection, path, delete=True) as domain:
        try:
            domain.blockInfo(path)
        except libvirt.libvirtError as error:
            if _is_absent(error):
                return False
            raise
        domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
        return True


def _is_absent(error: libvirt.libvirtError) -> bool:
    return code_of(error) == libvirt.VIR_ERR_SYSTEM_ERROR and error.get_int1() == errno.ENOENT


@contextmanager
def _defined(connection: Any, path: str, delete: bool = False) -> Iterator[Any]:
    domain = connection.defineXML(_xml(path, delete))
    try:
        yield domain
    finally:
        flags = libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM if delete else 0
        optional(partial(domain.undefineFlags, flags), libvirt.VIR_ERR_NO_DOMAIN)


def _xml(path: str, delete: bool) -> str:
    """
    :param delete: the log is its variable store too; that takes firmware (any: it never starts) and so ACPI.
    """
    name = READER + uuid.uuid4().hex
    file = exact_text("path", path)
    firmware = element("loader", text="/usr/share/none.fd", readonly="yes", type_="pflash") if delete else None
    return serialized(
        element(
            "domain",
            element("name", text=name),
            element("memory", text="1", unit="MiB"),
            element("os", element("type", text="hvm"), firmware, element("nvram", text=file) if delete else None),
            element("features", element("acpi")) if delete else None,
            element(
                "devices",
                element(
                    "disk",
                    element("driver", name="qemu", type_="raw"),
                    element("source", file=file),
                    element("backingStore"),
                    element("target", dev="vda", bus="virtio"),
                    type_="file",
                    device="disk",
                ),
                element("controller", type_="usb", model="none"),
                element("memballoon", model="none"),
            ),
            # QEMU's own user cannot read a log.
            element("seclabel", element("label", text="+0:+0"), type_="static", model="dac", relabel="no"),
            type_="qemu",
        )
    )
