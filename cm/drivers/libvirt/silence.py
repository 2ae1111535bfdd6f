"""
Whether the servers answer that a domain's disks lie on.

QEMU that is to be killed while its NFS server is silent cannot end: it waits for what it wrote, which no signal
interrupts. libvirt holds the domain meanwhile, and then every list of that node waits as well, until the server is back
(tried; docs/reliability.md). So who ends a domain asks here first.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from posixpath import dirname
from typing import Final

import libvirt

from cm.drivers.libvirt.connection import Connections
from cm.drivers.libvirt.pool import LibvirtPools, optional
from cm.drivers.libvirt.xml_text import parsed
from cm.rpc.errors import NodeUnreachable, StorageSilent
from cm.rpc.vocabulary import StorageKind

log = logging.getLogger(__name__)

PATIENCE_S: Final = 5.0  # with a server that answers it takes milliseconds


class _Question:
    """One that is put to a server, in a thread of its own: it comes back when the server does."""

    def __init__(self, ask: Callable[[], None]) -> None:
        self.until = time.monotonic() + PATIENCE_S
        self.ended = threading.Event()
        self.error: Exception | None = None
        self._ask = ask
        threading.Thread(target=self._run, name="libvirt-silence", daemon=True).start()

    def _run(self) -> None:
        try:
            self._ask()
        except Exception as error:
            self.error = error
        finally:
            self.ended.set()


class Silence:
    """
    Of one node. At most one question is open for each directory, however many ask: libvirtd has a thread less for as
    long as it has no answer.
    """

    def __init__(self, connections: Connections, pools: LibvirtPools) -> None:
        self._connections = connections
        self._pools = pools
        self._lock = threading.Lock()
        self._questions: dict[str, _Question] = {}

    def check(self, domain_xml: str) -> None:
        """
        :raises StorageSilent: a server had no answer within ``PATIENCE_S``.
        :raises NodeUnreachable: the node had none.
        """
        asked = [(path, self._question(path)) for path in self._remote(domain_xml)]
        for path, question in asked:
            if not question.ended.wait(max(0.0, question.until - time.monotonic())):
                raise StorageSilent(self._connections.node, dirname(path))
            if isinstance(question.error, NodeUnreachable):
                raise question.error
            if question.error is not None:  # it answered, and not what would keep anybody from ending
                log.debug("asked for %s: %s", path, question.error)

    def _question(self, path: str) -> _Question:
        with self._lock:
            question = self._questions.get(dirname(path))
            if question is None or question.ended.is_set():
                question = self._questions[dirname(path)] = _Question(lambda: self._ask(path))
            return question

    def _remote(self, domain_xml: str) -> list[str]:
        """
        One of the domain's files of each directory that is a server's: by what its disk was made with (``domain_xml``),
        or by its pool, for a disk that was moved under a running guest keeps the driver it had.
        """
        mounted = self._pools.known_paths(StorageKind.NETFS)
        found = {}
        for disk in parsed(domain_xml).iterfind("devices/disk"):
            driver, source = disk.find("driver"), disk.find("source")
            path = None if source is None else source.get("file")
            stops = driver is not None and driver.get("error_policy") == "stop"
            if path and (stops or dirname(path) in mounted):
                found[dirname(path)] = path
        return list(found.values())

    def _ask(self, path: str) -> None:
        """What libvirt has to ask the server for: a file's size, or where it knows no file, the directory."""
        with self._connections.slow() as connection:
            volume = optional(lambda: connection.storageVolLookupByPath(path), libvirt.VIR_ERR_NO_STORAGE_VOL)
            if volume is not None:
                volume.info()
                return
            for pool in connection.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE):
                if self._pools.place_of(pool).path == dirname(path):
                    pool.refresh(0)
