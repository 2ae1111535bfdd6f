"""``IPools`` by libvirt, and what volumes ask of a pool."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import libvirt

from cm.drivers.libvirt.connection import Connections
from cm.drivers.libvirt.pool_kind import PoolKind, pool_kind
from cm.drivers.libvirt.pool_xml import PoolPlace, pool_place, pool_xml, same_pool
from cm.interfaces.volume import StorageSpec, StorageUsage

START_WAIT_S: Final = 30.0  # for a pool that somebody else is starting; a mount may take so long


class LibvirtPools:
    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        # By pool, for all threads: each look and each change is one step of the interpreter's.
        self._places: dict[str, PoolPlace] = {}

    def attach(self, storage: StorageSpec) -> StorageUsage:
        """
        A pool of that name that is defined otherwise is defined anew; its files stay.
        """
        self._places.pop(storage.name, None)
        with self._connections.slow(storage.name, storage.name) as connection:
            pool = optional(lambda: connection.storagePoolLookupByName(storage.name), libvirt.VIR_ERR_NO_STORAGE_POOL)
            if pool is not None and not same_pool(pool.XMLDesc(), storage):
                stop_and_forget(pool)
                pool = None
            if pool is None:
                pool = _defined(connection, storage)
            _started(connection, pool, storage)
            if not pool.autostart():
                pool.setAutostart(1)
            return _usage(pool)

    def ensure(self, storage: StorageSpec) -> None:
        with self._connections.slow(storage.name, storage.name) as connection:
            pool = optional(lambda: connection.storagePoolLookupByName(storage.name), libvirt.VIR_ERR_NO_STORAGE_POOL)
            if pool is not None and pool.isActive():
                return
        self.attach(storage)

    def detach(self, storage_name: str) -> None:
        self._places.pop(storage_name, None)
        with self._connections.slow(storage_name, storage_name) as connection:
            pool = optional(lambda: connection.storagePoolLookupByName(storage_name), libvirt.VIR_ERR_NO_STORAGE_POOL)
            if pool is not None:
                stop_and_forget(pool)

    def usage(self, storage_name: str, fresh: bool = True) -> StorageUsage:
        """libvirt counts afresh only in a refresh; while a volume is being made the last figures are given."""
        with self._connections.slow(storage_name, storage_name) as connection:
            pool = connection.storagePoolLookupByName(storage_name)
            if fresh:
                refresh(pool)
            return _usage(pool)

    def kind_of(self, pool: Any) -> PoolKind:
        """Of a handle of libvirt's."""
        return pool_kind(self.place_of(pool).kind)

    def place_of(self, pool: Any) -> PoolPlace:
        """Where the volumes of a pool are, a handle of libvirt's. It is asked once: a storage stays where it is."""
        name = pool.name()
        found = self._places.get(name)
        if found is None:
            found = self._places[name] = pool_place(pool.XMLDesc())
        return found

    def known_paths(self, kind: str) -> frozenset[str]:
        """Where those pools of a kind are, libvirt's word, that were asked for so far."""
        return frozenset(place.path for place in list(self._places.values()) if place.kind == kind)

    def place(self, storage_name: str) -> PoolPlace:
        """Likewise, of the pool with this name."""
        found = self._places.get(storage_name)
        if found is None:
            with self._connections.fast(storage_name, storage_name) as connection:
                found = self.place_of(connection.storagePoolLookupByName(storage_name))
        return found


def optional(ask: Callable[[], Any], *absent: int) -> Any | None:
    """What ``ask`` gives; None for libvirt errors of these numbers."""
    try:
        return ask()
    except libvirt.libvirtError as error:
        if error.get_error_code() in absent:
            return None
        raise


def refresh(pool: Any) -> bool:
    """False where libvirt refuses, which it does while a volume is being made ("pool has asynchronous jobs
    running")."""
    try:
        pool.refresh(0)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_INTERNAL_ERROR and "asynchronous jobs" in str(error):
            return False
        raise
    return True


def _defined(connection: Any, storage: StorageSpec) -> Any:
    """The pool, which others may be about to define just now: launches want the node's own pools all at once."""
    try:
        return connection.storagePoolDefineXML(pool_xml(storage), 0)
    except libvirt.libvirtError as error:
        known = (libvirt.VIR_ERR_OPERATION_FAILED, libvirt.VIR_ERR_OPERATION_INVALID)
        if error.get_error_code() not in known:
            raise
        pool = optional(lambda: connection.storagePoolLookupByName(storage.name), libvirt.VIR_ERR_NO_STORAGE_POOL)
        if pool is None or not same_pool(pool.XMLDesc(), storage):
            raise
        return pool


def _started(connection: Any, pool: Any, storage: StorageSpec) -> None:
    """Likewise. One that somebody else is starting is said to be active, and is so once that has ended."""
    until = time.monotonic() + START_WAIT_S
    while not pool.isActive():
        try:
            pool_kind(storage.kind).prepare(connection, pool, storage)
            pool.create(0)
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_OPERATION_INVALID or time.monotonic() > until:
                raise
            time.sleep(0.02)


def stop_and_forget(pool: Any) -> None:
    if pool.isActive():
        pool.destroy()
    if pool.isPersistent():
        pool.undefine()


def _usage(pool: Any) -> StorageUsage:
    _, capacity, _, available = pool.info()
    return StorageUsage(capacity, available)
