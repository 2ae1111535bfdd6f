"""Storages: where images and disks are kept, and the nodes that reach them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cm.results.storage import Storage, StorageCheck, StorageWork
from cm.rpc.types import Id, Name, Size
from cm.rpc.view import admin_view
from cm.rpc.vocabulary import StorageKind
from cm.services import storage as service
from cm.services.context import AsyncClusterCall, ClusterCall
from cm.services.volume import check_storage
from cm.store.storage import get_storage, list_storages

Path = Annotated[str, Meta(min_length=1, max_length=service.PATH_MAX)]
Source = Annotated[str, Meta(max_length=service.PATH_MAX)]
Address = Annotated[str, Meta(max_length=253)]
Overcommit = Annotated[float, Meta(gt=0, le=1000)]


@admin_view(changing=True)
def add(
    caller: ClusterCall,
    name: Name,
    kind: StorageKind,
    path: Path,
    address: Address = "",
    source: Source = "",
    capacity_bytes: Size | None = None,
    overcommit: Overcommit | None = None,
) -> Storage:
    """
    Add a storage; attach it to nodes next.

    :param path: the directory on the nodes; of a ``netfs`` where it is mounted.
    :param address: of a ``netfs`` its server, with ``source`` the exported path.
    :param capacity_bytes: without it, what the first node that attaches it says.
    """
    values = {"name": name, "kind": kind, "path": path, "address": address, "source": source}
    return service.add(caller, {**values, "capacity_bytes": capacity_bytes, "overcommit": overcommit})


@admin_view
def get_list(caller: ClusterCall) -> list[Storage]:
    """All storages, with the nodes they are attached to."""
    return list(list_storages(caller.session))


@admin_view
def get_by_id(caller: ClusterCall, storage_id: Id) -> Storage:
    """One storage."""
    return get_storage(caller.session, storage_id)


@admin_view(changing=True)
def edit(
    caller: ClusterCall,
    storage_id: Id,
    name: Name | None = None,
    capacity_bytes: Size | None = None,
    overcommit: Overcommit | None = None,
) -> Storage:
    """Change a storage; what is not given stays."""
    values = {"name": name, "capacity_bytes": capacity_bytes, "overcommit": overcommit}
    return service.edit(caller, storage_id, values)


@admin_view(changing=True)
def attach(caller: ClusterCall, storage_id: Id, node_id: Id) -> StorageWork:
    """Attach a storage to a node; the operation tells how that is coming on."""
    return service.attach(caller, storage_id, node_id)


@admin_view(changing=True)
def detach(caller: ClusterCall, storage_id: Id, node_id: Id) -> StorageWork:
    """Detach a storage from a node on which no VM uses it; its files stay."""
    return service.detach(caller, storage_id, node_id)


@admin_view(changing=True)
async def check(caller: AsyncClusterCall, storage_id: Id) -> StorageCheck:
    """
    Look through a storage now, through a node that has it attached: leftovers of what has ended are deleted, and what
    is missing or cannot be accounted for is told, and written to the drift ledger.
    """
    return await check_storage(caller, storage_id)


@admin_view(changing=True)
def lock(caller: ClusterCall, storage_id: Id) -> Storage:
    """Use nothing more of a storage; VMs that use it go on."""
    return service.set_locked(caller, storage_id, True)


@admin_view(changing=True)
def unlock(caller: ClusterCall, storage_id: Id) -> Storage:
    """Use a storage again."""
    return service.set_locked(caller, storage_id, False)


@admin_view(changing=True)
def delete(caller: ClusterCall, storage_id: Id) -> None:
    """Forget a storage that is empty and attached nowhere."""
    service.delete(caller, storage_id)
