"""
Use cases of storages. On each node that a storage is attached to it is a libvirt pool, ``wawel-<id>``.

A directory that several nodes attach must hold the same files on all of them; a ``netfs`` is mounted by the nodes; a
``logical`` is a volume group of one node. A directory may be one node's own, too (``node_id``): VMs' disks
there stay with it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy.orm import Session

from cm.results.storage import Storage, StorageUsage, StorageWork, StoredVolume
from cm.rpc.errors import Conflict, InUse, InvalidParameter, NameTaken, NoStorage, ObjectNotFound, StorageFull
from cm.rpc.vocabulary import DiskFormat
from cm.rules.names import pool_name
from cm.rules.operation import ObjectKind, OperationKind
from cm.rules.storage import capabilities, choose
from cm.rules.vm import vms
from cm.runtime.database import notify
from cm.runtime.taken import refused_by
from cm.services.cached_image import StorageOfNode, forget_copies
from cm.services.context import ClusterCall, ClusterPolicy
from cm.services.storage_kind import check_overcommit, checked
from cm.store.change import record_change
from cm.store.claim import refuse_storage
from cm.store.drift import close_storage_findings
from cm.store.node import get_node
from cm.store.node_document import document_changed
from cm.store.operation import open_operation
from cm.store.operation_object import find_holder
from cm.store.storage import (
    candidates,
    close_storage,
    content,
    find_attachment,
    find_attachment_id,
    get_storage,
    insert_storage,
    list_content,
    list_usage,
    own_storages,
    set_attachment,
    set_default,
    update_storage,
    users_on_node,
)


@dataclass(eq=False)
class StorageLocked(Conflict):
    code = "storage_locked"
    message = "Storage {storage_id} is locked."
    storage_id: int


@dataclass(eq=False)
class StorageDraining(Conflict):
    code = "storage_draining"
    message = "Storage {storage_id} is being drained and takes no new volumes."
    storage_id: int


def _apart(policy: ClusterPolicy, path: str) -> None:
    """
    Where administrators may import files from, nobody's disks are to lie, nor where the manager has its keys.
    :raises InvalidParameter: the path is such a place, lies in one, or around one.
    """
    pool = PurePosixPath(path)
    for private, what in (
        (policy.staging_dir.parent, "the manager has its keys there"),
        *((directory, "images may be imported from there") for directory in policy.import_dirs),
    ):
        if pool.is_relative_to(private) or private.is_relative_to(pool):
            raise InvalidParameter("path", f"{what} ({private})")


def add(caller: ClusterCall, values: dict[str, Any]) -> Storage:
    """
    :param values: those of the view. Without ``capacity_bytes`` the first attachment says it, and until then nothing
        fits.
    :raises InvalidParameter: a path, address or source that does not fit the kind.
    :raises NameTaken: the name is in use.
    """
    values = checked(values)
    _apart(caller.policy, values["path"])
    if values["node_id"] is not None:
        if capabilities(values["kind"]).remote or not capabilities(values["kind"]).overlays:
            raise InvalidParameter("node_id", f"a {values['kind']} cannot be a node's own; a dir can")
        get_node(caller.session, values["node_id"])
    overcommit = values["overcommit"]
    if overcommit is None:
        overcommit = caller.policy.storage_overcommit if capabilities(values["kind"]).sparse else 1.0
    capacity = values["capacity_bytes"] or 0
    row = {**values, "capacity_bytes": capacity, "capacity_follows": not capacity, "overcommit": overcommit}
    with refused_by(caller.session, {"uq_storage_name": NameTaken("storage", values["name"])}):
        storage_id = insert_storage(caller.session, row)
    record_change(caller.session, "storage", storage_id, None, "enter")
    document_changed(caller.session)
    caller.note("add storage", **row)
    return get_storage(caller.session, storage_id)


def edit(caller: ClusterCall, storage_id: int, values: dict[str, Any]) -> Storage:
    """
    Change what is not None. The capacity may go below what is claimed: nothing more fits then. A capacity of 0 is that
    of the pool from now on, whatever that becomes.

    :raises NameTaken: the name is in use.
    :raises InvalidParameter: an overcommit that its kind cannot have.
    """
    session = caller.session
    row = get_storage(session, storage_id, lock=True, version=caller.if_version)
    check_overcommit(row["kind"], values["overcommit"])
    if values["capacity_bytes"] is not None:
        capacity = values["capacity_bytes"] or row["capacity_bytes"]
        values = {**values, "capacity_bytes": capacity, "capacity_follows": not values["capacity_bytes"]}
    with refused_by(session, {"uq_storage_name": NameTaken("storage", values["name"] or "")}):
        update_storage(session, storage_id, values)
    record_change(session, "storage", storage_id, None)
    caller.note("edit storage", storage_id=storage_id, **{k: v for k, v in values.items() if v is not None})
    return get_storage(session, storage_id)


def set_locked(caller: ClusterCall, storage_id: int, locked: bool) -> Storage:
    """No image of a locked storage is used anew and none is imported to it; VMs that use it go on."""
    session = caller.session
    get_storage(session, storage_id, lock=True, version=caller.if_version)
    update_storage(session, storage_id, {"locked": locked})
    record_change(session, "storage", storage_id, None)
    caller.note("lock storage" if locked else "unlock storage", storage_id=storage_id)
    return get_storage(session, storage_id)


def scan(caller: ClusterCall, storage_id: int) -> Storage:
    """
    Have it be looked at soon, beside the passes that do so now and then.

    :raises ObjectNotFound: there is no such storage.
    """
    found = get_storage(caller.session, storage_id)
    notify(caller.session, "storages", storage_id)
    caller.note("look at storage", storage_id=storage_id)
    return found


def set_draining(caller: ClusterCall, storage_id: int, draining: bool) -> Storage:
    """
    A storage that is drained takes no new volumes, of VMs or images; what lies on it stays, and may be used and moved.
    """
    session = caller.session
    get_storage(session, storage_id, lock=True, version=caller.if_version)
    update_storage(session, storage_id, {"draining": draining})
    record_change(session, "storage", storage_id, None)
    caller.note("drain storage" if draining else "fill storage", storage_id=storage_id)
    return get_storage(session, storage_id)


def make_default(caller: ClusterCall, storage_id: int, default: bool) -> Storage:
    """New volumes go to the default storage first; of storages one is the default, or none."""
    session = caller.session
    row = get_storage(session, storage_id, lock=True, version=caller.if_version)
    if default != row["is_default"]:
        for changed in set_default(session, storage_id if default else None):
            record_change(session, "storage", changed, None)
    caller.note("set default storage", storage_id=storage_id, default=default)
    return get_storage(session, storage_id)


def usage(caller: ClusterCall, storage_id: int | None) -> list[StorageUsage]:
    """
    :raises ObjectNotFound: absent or deleted.
    """
    if storage_id is not None:
        get_storage(caller.session, storage_id)
    return list_usage(caller.session, storage_id)


def content_page(caller: ClusterCall, storage_id: int, limit: int, after: int | None) -> list[StoredVolume]:
    """
    :raises ObjectNotFound: absent or deleted.
    """
    get_storage(caller.session, storage_id)
    return list(list_content(caller.session, storage_id, limit=limit, after=after))


# ------------------------------------------------------------------ new volumes


def known_storage(session: Session, storage_id: int, *, administrator: bool) -> Storage:
    """
    :param administrator: who may name any; users may name those that are offered to them.
    :raises ObjectNotFound: there is none of that id, for them.
    """
    row = get_storage(session, storage_id)
    if not (administrator or row["offered"]):
        raise ObjectNotFound("storage", storage_id)
    return row


def chosen_storage(
    caller: ClusterCall,
    size_bytes: int,
    storage_id: int | None = None,
    *,
    administrator: bool = False,
    format: DiskFormat | None = None,
    shared: bool = False,
    own: bool = False,
) -> int:
    """
    The storage that a new volume goes to: the one that the caller names, else what ``rules.storage.choose`` says. It is
    claimed for by whoever makes the volume.

    :param administrator: who may name any; users may name those that are offered to them.
    :param own: a node's own may be named, too.
    :raises ObjectNotFound: there is none of that id, for them.
    :raises StorageLocked: StorageDraining: the one that is named takes none.
    :raises StorageFull: it does not fit the one that is named, or the roomiest.
    :raises NoStorage: none takes any.
    """
    session = caller.session
    if storage_id is not None:
        row = known_storage(session, storage_id, administrator=administrator)
        refuse_new(row, own=own)
        refuse_storage(session, storage_id, capabilities(row["kind"]).whole(size_bytes))
        return storage_id
    found = candidates(session)
    chosen = choose(found, size_bytes, shared=shared, format=format)
    if chosen is not None:
        return chosen.id
    roomiest = choose([replace(each, room_bytes=sys.maxsize) for each in found], 0, shared=shared, format=format)
    if roomiest is None:
        raise NoStorage()
    most = max(each.room_bytes for each in found)
    raise StorageFull(roomiest.id, max(most, 0), size_bytes)


def refuse_new(row: Storage, *, own: bool = False) -> None:
    """
    :param own: a node's own storage takes it, too.
    :raises StorageLocked: StorageDraining: the storage takes no new volumes.
    :raises StorageOfNode: it is one node's own: images and disks that are brought lie where many nodes reach them.
    """
    if row["own_node_id"] is not None and not own:
        raise StorageOfNode(row["storage_id"], row["own_node_id"])
    if row["locked"]:
        raise StorageLocked(row["storage_id"])
    if row["draining"]:
        raise StorageDraining(row["storage_id"])


def delete(caller: ClusterCall, storage_id: int) -> None:
    """
    Forget a storage; its files stay where they are.

    :raises InUse: images or disks are on it, or nodes have it attached.
    """
    session = caller.session
    row = get_storage(session, storage_id, lock=True, version=caller.if_version)
    found = content(session, storage_id)
    if any(found) or row["claimed_bytes"]:
        more = {
            "copies of images (evict them)": found.copies, "free volumes (delete them)": found.free,
            "files in buckets (their owners delete them)": found.objects,
        }  # fmt: skip
        told = "".join(f", {count} {what}" for what, count in more.items() if count)
        raise InUse("storage", storage_id, f"{found.images} images and {found.disks} disks{told}")
    if row["nodes"]:
        raise InUse("storage", storage_id, ", ".join(f"node {a['name']}" for a in row["nodes"][:5]))
    close_storage(session, storage_id)
    close_storage_findings(session, pool_name(storage_id))
    record_change(session, "storage", storage_id, None, "exit")
    document_changed(session)
    caller.note("delete storage", storage_id=storage_id, name=row["name"])


def close_own(session: Session, node_id: int) -> None:
    """A node is no more: its own storages, on which no disk is, go with it, and the images that were copied there."""
    forget_copies(session, node_id)
    for storage_id in own_storages(session, node_id):
        close_storage(session, storage_id)
        close_storage_findings(session, pool_name(storage_id))
        record_change(session, "storage", storage_id, None, "exit")


# ------------------------------------------------------------------ attachments


def attach(caller: ClusterCall, storage_id: int, node_id: int) -> StorageWork:
    """
    Have a node define and start the storage's pool. What is attached already is looked after again.

    :return: the operation; one that is under way is named instead of a second.
    :raises InUse: it is just being detached there; another node has it, and its kind is for one at a time.
    :raises StorageOfNode: it is another node's own.
    """
    session = caller.session
    row = get_storage(session, storage_id, lock=True)
    get_node(session, node_id)
    if row["own_node_id"] not in (None, node_id):
        raise StorageOfNode(storage_id, row["own_node_id"])
    elsewhere = [a["name"] for a in row["nodes"] if a["node_id"] != node_id]
    if elsewhere and not capabilities(row["kind"]).shared:
        raise InUse("storage", storage_id, f"node {elsewhere[0]}; nothing keeps two nodes apart on a {row['kind']}")
    state = find_attachment(session, storage_id, node_id)
    under_way = _under_way(session, storage_id, node_id)
    if under_way is not None:
        if state == "detaching":
            raise InUse("storage", storage_id, f"operation {under_way}, which detaches it")
        return {"storage_id": storage_id, "node_id": node_id, "operation_id": under_way}
    if state != "attached":
        set_attachment(session, storage_id, node_id, "attaching")
    return _open(caller, storage_id, node_id, detach=False)


def detach(caller: ClusterCall, storage_id: int, node_id: int) -> StorageWork:
    """
    Have a node forget the storage's pool; its files stay. Nothing is placed there for it from now on.

    :raises ObjectNotFound: it is not attached there.
    :raises InUse: VMs on the node use it, or it is just being attached.
    """
    session = caller.session
    get_storage(session, storage_id, lock=True)
    state = find_attachment(session, storage_id, node_id)
    if state is None:
        raise ObjectNotFound("storage attachment", f"{storage_id}/{node_id}")
    users = users_on_node(session, storage_id, node_id)
    if users:
        raise InUse("storage", storage_id, vms(users))
    under_way = _under_way(session, storage_id, node_id)
    if under_way is not None:
        if state == "detaching":
            return {"storage_id": storage_id, "node_id": node_id, "operation_id": under_way}
        raise InUse("storage", storage_id, f"operation {under_way}, which attaches it")
    set_attachment(session, storage_id, node_id, "detaching")
    return _open(caller, storage_id, node_id, detach=True)


def _under_way(session: Session, storage_id: int, node_id: int) -> int | None:
    """The operation that attaches or detaches just now."""
    attachment_id = find_attachment_id(session, storage_id, node_id)
    found = None if attachment_id is None else find_holder(session, ObjectKind.ATTACHMENT, attachment_id)
    return None if found is None else found.id


def _open(caller: ClusterCall, storage_id: int, node_id: int, *, detach: bool) -> StorageWork:
    session = caller.session
    attachment_id = find_attachment_id(session, storage_id, node_id)
    assert attachment_id is not None
    operation_id = open_operation(
        session,
        OperationKind.STORAGE_ATTACH,
        account_id=caller.account_id or None,
        objects={ObjectKind.STORAGE: [storage_id], ObjectKind.ATTACHMENT: [attachment_id]},
        node_id=node_id,
        arguments={"detach": detach},
        cause=caller.cause,
    )
    record_change(session, "storage", storage_id, None)
    caller.note("operation", kind=OperationKind.STORAGE_ATTACH, storage_id=storage_id, node_id=node_id, detach=detach)
    return {"storage_id": storage_id, "node_id": node_id, "operation_id": operation_id}
