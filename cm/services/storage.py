"""
Use cases of storages. On each node that a storage is attached to it is a libvirt pool, ``wawel-<id>``.

A directory that several nodes attach must hold the same files on all of them; a ``netfs`` is mounted by the nodes.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import PurePosixPath
from typing import Any, Final

from sqlalchemy.orm import Session

from cm.results.storage import Storage, StorageWork
from cm.rpc.errors import InUse, InvalidParameter, NameTaken, ObjectNotFound
from cm.rpc.vocabulary import StorageKind
from cm.rules.names import CONSOLE_DIRECTORY, pool_name
from cm.rules.operation import ObjectKind, OperationKind
from cm.runtime.taken import refused_by
from cm.services.context import ClusterCall, ClusterPolicy
from cm.services.network import vms
from cm.store.change import record_change
from cm.store.drift import close_storage_findings
from cm.store.node import get_node
from cm.store.node_document import document_changed
from cm.store.operation import open_operation
from cm.store.operation_object import find_holder
from cm.store.storage import (
    close_storage,
    content,
    find_attachment,
    find_attachment_id,
    get_storage,
    insert_storage,
    set_attachment,
    update_storage,
    users_on_node,
)

PATH_MAX: Final = 200  # characters; volumes' names come after it
_SYSTEM: Final = (
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/sbin", "/sys", "/usr",
)  # fmt: skip
_WHOLE: Final = ("/", "/home", "/media", "/mnt", "/opt", "/root", "/run", "/srv", "/tmp", "/var", "/var/lib")
_PATH: Final = re.compile(r"/[A-Za-z0-9_./@+=:-]*\Z")
_HOST: Final = re.compile(r"[A-Za-z0-9:][A-Za-z0-9:.-]{0,252}\Z")


def check_path(path: str, parameter: str = "path") -> None:
    """
    :raises InvalidParameter: not absolute and normal, or a place that belongs to the system.
    """
    if len(path) > PATH_MAX or not _PATH.match(path):
        raise InvalidParameter(parameter, f"it must be absolute, at most {PATH_MAX} letters, digits and _./@+=:-")
    if posixpath.normpath(path) != path or path.startswith("//"):
        raise InvalidParameter(parameter, "it must be normal: no '.', '..', double or last slash")
    if path in _WHOLE or any(path == top or path.startswith(top + "/") for top in _SYSTEM):
        raise InvalidParameter(parameter, "that directory belongs to the system")
    pool, logs = PurePosixPath(path), PurePosixPath(CONSOLE_DIRECTORY)
    if pool.is_relative_to(logs) or logs.is_relative_to(pool):
        raise InvalidParameter(parameter, f"nodes have the logs of consoles there ({logs})")


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
    check_path(values["path"])
    _apart(caller.policy, values["path"])
    if values["kind"] == StorageKind.NETFS:
        if not _HOST.match(values["address"]):
            raise InvalidParameter("address", "a netfs needs the address or name of its server")
        source = values["source"]
        if len(source) > PATH_MAX or not _PATH.match(source) or posixpath.normpath(source) != source:
            raise InvalidParameter("source", "a netfs needs the absolute path that its server exports")
    elif values["address"] or values["source"]:
        raise InvalidParameter("address" if values["address"] else "source", "a dir has none")
    overcommit = caller.policy.storage_overcommit if values["overcommit"] is None else values["overcommit"]
    row = {**values, "capacity_bytes": values["capacity_bytes"] or 0, "overcommit": overcommit}
    with refused_by(caller.session, {"uq_storage_name": NameTaken("storage", values["name"])}):
        storage_id = insert_storage(caller.session, row)
    record_change(caller.session, "storage", storage_id, None, "enter")
    document_changed(caller.session)
    caller.note("add storage", **row)
    return get_storage(caller.session, storage_id)


def edit(caller: ClusterCall, storage_id: int, values: dict[str, Any]) -> Storage:
    """
    Change what is not None. The capacity may go below what is claimed: nothing more fits then.

    :raises NameTaken: the name is in use.
    """
    session = caller.session
    get_storage(session, storage_id, lock=True, version=caller.if_version)
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


def delete(caller: ClusterCall, storage_id: int) -> None:
    """
    Forget a storage; its files stay where they are.

    :raises InUse: images or disks are on it, or nodes have it attached.
    """
    session = caller.session
    row = get_storage(session, storage_id, lock=True, version=caller.if_version)
    images, disks = content(session, storage_id)
    if images or disks or row["claimed_bytes"]:
        raise InUse("storage", storage_id, f"{images} images and {disks} disks")
    if row["nodes"]:
        raise InUse("storage", storage_id, ", ".join(f"node {a['name']}" for a in row["nodes"][:5]))
    close_storage(session, storage_id)
    close_storage_findings(session, pool_name(storage_id))
    record_change(session, "storage", storage_id, None, "exit")
    document_changed(session)
    caller.note("delete storage", storage_id=storage_id, name=row["name"])


# ------------------------------------------------------------------ attachments


def attach(caller: ClusterCall, storage_id: int, node_id: int) -> StorageWork:
    """
    Have a node define and start the storage's pool. What is attached already is looked after again.

    :return: the operation; one that is under way is named instead of a second.
    :raises InUse: it is just being detached there.
    """
    session = caller.session
    get_storage(session, storage_id, lock=True)
    get_node(session, node_id)
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
