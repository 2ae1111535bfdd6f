"""
Messages: what people are told of work that ended while they were not looking.

They are codes with parameters, for each front to word; CC1's, where it had one. Written in the transaction that ends
the work, so there is one for each end, and it reaches whoever reads the feed as an object of the kind ``message``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy.orm import Session

from cm.rpc.errors import (
    CloudError,
    HypervisorError,
    ObjectNotFound,
    StorageFull,
    StorageUnreached,
    VolumeNotFound,
)
from cm.rpc.fields import MessageLevel
from cm.rpc.vocabulary import CauseKind
from cm.rules.cause import BY_ITSELF
from cm.rules.operation import ObjectKind, OperationKind
from cm.services.context import ClusterCall
from cm.store.change import record_change
from cm.store.message import (
    about_farm,
    about_image,
    about_vm,
    cause_of,
    delete_messages,
    insert_message,
    untold,
    where_of,
)  # fmt: skip
from cm.store.operation import OperationRow

# Storages' own: no room, no way, not what should be there. That a hypervisor refuses a VM its people alone are told.
TROUBLES: Final = (StorageFull, StorageUnreached, VolumeNotFound)
TROUBLE: Final = "operation_trouble"
TROUBLE_S: Final = 3600.0
# What becomes of a VM that ended by itself, by the operation that its policy opened.
THEN: Final = {
    OperationKind.VM_STOP: "stopped",
    OperationKind.VM_DESTROY: "destroyed",
    OperationKind.VM_START: "restarted",
}
# And by what its expiry lease had opened.
EXPIRED: Final = {OperationKind.VM_SUSPEND: "suspended", OperationKind.VM_DESTROY: "deleted"}


def tell(
    session: Session, account_ids: Sequence[int | None], level: MessageLevel, code: str, params: dict[str, Any]
) -> None:
    """One message to each of these; the same one twice, and nobody, are left out."""
    for account_id in dict.fromkeys(account_ids):
        if account_id is not None:
            message_id = insert_message(session, account_id, level, code, params)
            record_change(session, "message", message_id, account_id, "enter")


def tell_failed(session: Session, op: OperationRow, error: CloudError) -> None:
    """An operation failed: whoever asked for it is told, and whose object it is."""
    params: dict[str, Any] = {"operation_id": op.id, "error": error.code, "reason": error.for_user()}
    owner: int | None = None
    image_id = op.find(ObjectKind.IMAGE)
    if op.vm_id is not None:
        found = about_vm(session, op.vm_id)
        params |= {"vm_id": op.vm_id, "name": found.name}
        owner = found.account_id
    elif image_id is not None:
        image = about_image(session, image_id)
        params |= {"image_id": image_id, "name": image.name}
        owner = image.account_id
    disk_id = op.find(ObjectKind.DISK)
    if disk_id is not None:
        params["disk_id"] = disk_id
    storage_id = op.find(ObjectKind.STORAGE)
    if storage_id is not None:
        params["storage_id"] = storage_id
    if op.kind is OperationKind.NODE_EVACUATE:
        params["node_id"] = op.node_id
    farm_id = op.find(ObjectKind.FARM)
    if farm_id is not None:
        farm = about_farm(session, farm_id)
        params |= {"farm_id": farm_id, "name": farm.name}
        owner = farm.account_id
    tell(session, (owner, op.account_id), "error", f"{op.kind}_failed", params)
    if isinstance(error, TROUBLES) or (isinstance(error, HypervisorError) and op.vm_id is None):
        _tell_administrators(session, op, error)


def _tell_administrators(session: Session, op: OperationRow, error: CloudError) -> None:
    """
    Of what users can do nothing about, administrators are told: where it was, and the cause in full. Of one storage not
    again for an hour, however many operations stumble over it; each operation's own text has the same.
    """
    where = where_of(session, op)
    params: dict[str, Any] = {
        "operation_id": op.id,
        "kind": op.kind,
        "node_id": op.node_id,
        "node": where.node,
        "storage_id": where.storage_id,
        "storage": where.storage,
        "error": error.code,
        "reason": error.for_administrator(),
    }
    tell(session, untold(session, TROUBLE, where.storage_id, TROUBLE_S), "error", TROUBLE, params)


def tell_done(session: Session, op: OperationRow) -> None:
    """An operation ended well: of what takes long, and of what nobody asked for, people are told."""
    if op.kind is OperationKind.IMAGE_IMPORT:
        image_id = op.get(ObjectKind.IMAGE)
        image = about_image(session, image_id)
        params: dict[str, Any] = {"image_id": image_id, "name": image.name}
        tell(session, (image.account_id, op.account_id), "info", "image_imported", params)
    elif op.kind is OperationKind.DISK_COPY:
        image_id = op.get(ObjectKind.IMAGE)
        image = about_image(session, image_id)
        if image.account_id != op.account_id:  # it was given to them
            params = {"image_id": image_id, "name": image.name}
            tell(session, (image.account_id,), "info", "image_imported", params)
    elif op.kind is OperationKind.VM_SAVE and op.vm_id is not None:
        vm = about_vm(session, op.vm_id)
        params = {"vm_id": op.vm_id, "name": vm.name, "image_id": vm.save_image_id, "image_name": vm.image_name}
        tell(session, (vm.account_id, op.account_id), "info", "vm_saved", params)
    elif op.kind is OperationKind.VM_MOVE and op.vm_id is not None:
        vm = about_vm(session, op.vm_id)  # it was off for a while, and its owner did not ask for that
        tell(session, (vm.account_id,), "info", "vm_moved", {"vm_id": op.vm_id, "name": vm.name})
    elif op.kind is OperationKind.VM_RESUME and op.vm_id is not None and cause_of(session, op.id) in BY_ITSELF:
        vm = about_vm(session, op.vm_id)
        tell(session, (vm.account_id,), "info", "vm_storage_resumed", {"vm_id": op.vm_id, "name": vm.name})
    elif op.kind in EXPIRED and op.vm_id is not None and cause_of(session, op.id) is CauseKind.EXPIRY:
        vm = about_vm(session, op.vm_id)
        params = {"vm_id": op.vm_id, "name": vm.name, "then": EXPIRED[op.kind]}
        tell(session, (vm.account_id,), "warn", "vm_expired", params)
    elif op.kind in THEN and op.vm_id is not None and cause_of(session, op.id) in BY_ITSELF:
        vm = about_vm(session, op.vm_id)
        params = {"vm_id": op.vm_id, "name": vm.name, "then": THEN[op.kind]}
        tell(session, (vm.account_id,), "info", "vm_ended", params)


def delete(caller: ClusterCall, message_ids: Sequence[int]) -> None:
    """
    :raises ObjectNotFound: one is not there, or somebody else's; then all stay.
    """
    session = caller.session
    gone = delete_messages(session, caller.account_id, message_ids)
    for message_id in message_ids:
        if message_id not in gone:
            raise ObjectNotFound("message", message_id)
        record_change(session, "message", message_id, caller.account_id, "exit")
        caller.note("delete message", message_id=message_id)
