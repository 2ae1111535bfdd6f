"""
Use cases of VMs as CIRCLE's instances: they are told by its names, and what is asked of them is done by the services
that all fronts have. Nothing is decided here.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, cast

import msgspec
from sqlalchemy.orm import Session

from cm.results.instance import (
    Activity,
    AvailableOperation,
    AvailableOperations,
    BlockDevice,
    Instance,
    InstanceDetail,
    InstanceDisk,
    InstanceInterface,
    InstanceOutcome,
    SubActivity,
)
from cm.results.public_address import Entrance
from cm.rpc.errors import CloudError, ObjectNotFound, RoleNeeded, WrongVMState
from cm.rpc.types import Secret
from cm.rpc.vocabulary import (
    OPEN_OPERATIONS,
    AccessMethod,
    InstanceOperation,
    InstanceStatus,
    OperationState,
    Role,
    Seen,
    VMState,
    Wanted,
)
from cm.rules.access import NEEDS, Action, Level, Shared, enough
from cm.rules.instance import (
    ACTIVITIES,
    DISPLAYED,
    ENDED,
    ICONS,
    INSTANCE_DESTROYED,
    OPERATIONS,
    PERCENT,
    Connect,
    InstanceFacts,
    activity_code,
    connect_uri,
    error_of,
    instance_status,
    is_abortable,
    is_interruptible,
    preferred,
    readable,
    resultant_state,
)
from cm.rules.names import domain_name
from cm.rules.operation import ObjectKind, OperationKind
from cm.rules.public_address import PORTS, Through, way
from cm.rules.vm import VMFacts, status
from cm.services import allowed, guest_agent, sealing, trash
from cm.services import operation as journal
from cm.services import vm as service
from cm.services.access import Who, authorized_vm, level_on, person_of, require
from cm.services.console import RUNNING
from cm.services.context import AsyncClusterCall, ClusterCall
from cm.services.kind import ENDS
from cm.services.suspension import claim_memory
from cm.store import instance as store
from cm.store.access import list_shared_vms
from cm.store.operation import OperationRow, get_operation, list_operations
from cm.store.public_port import entrances_of
from cm.store.vm import VMRow, find_vm, render_vm
from cm.store.vm_state import write_password, write_shares
from cm.store.vm_template import effective_of

CHILDREN_MAX: Final = 1000  # of one page of activities


# ------------------------------------------------------------------ what they are


def get_list(caller: ClusterCall, *, everything: bool, shared: bool, limit: int, before: int | None) -> list[Instance]:
    """
    The caller's, newest first.

    :param everything: also those that are destroyed.
    :param shared: others' that are shared with the caller instead.
    """
    session = caller.session
    if not shared:
        ids = store.list_ids(session, account_id=caller.account_id, everything=everything, before=before, limit=limit)
        return _told(session, ids, dict.fromkeys(ids, Level.OWNER))
    found = list_shared_vms(session, person_of(caller.identity), limit=limit, before=before)
    levels = {_id_of(summary): level for summary, _, level in found}
    return _told(session, list(levels), levels)


def _id_of(summary: str) -> int:
    return int(msgspec.json.decode(summary)["vm_id"])


def list_all(
    caller: ClusterCall,
    *,
    account_id: int | None,
    node_id: int | None,
    everything: bool,
    limit: int,
    before: int | None,
) -> list[Instance]:
    """Everybody's, newest first."""
    ids = store.list_ids(
        caller.session, account_id=account_id, node_id=node_id, everything=everything, before=before, limit=limit
    )
    return _told(caller.session, ids, dict.fromkeys(ids, Level.OWNER))


def detail(caller: ClusterCall, vm_id: int, *, administrator: bool = False) -> InstanceDetail:
    """
    :raises ObjectNotFound: absent, not shared with the caller, or destroyed and somebody else's.
    """
    session = caller.session
    who = None if administrator else person_of(caller.identity)
    level = _level(caller, who, vm_id)
    (row,) = store.read_instances(session, [vm_id])
    (told,) = _told(session, [vm_id], {vm_id: level}, [row])
    sealed = row.vm.password_sealed
    may = sealed and enough(level, NEEDS[Shared.VM, Action.SECRETS])
    connect = Connect()
    if told["is_active"]:
        connect = _connect(entrances_of(session, vm_id), told["access_method"], row.vm.ssh_username)
    return {
        **told,
        "raw_data": row.vm.raw_data if administrator else "",
        "pw": unseal(caller.policy.secret, vm_id, sealed) if may else None,
        "connect_host": connect.host,
        "connect_port": connect.port,
        "connect_command": connect.command,
        "connect_uri": connect.uri,
    }


def _level(caller: ClusterCall, who: Who, vm_id: int) -> Level:
    """:raises ObjectNotFound: AccessNeeded: as ``require``."""
    row = find_vm(caller.session, vm_id)
    if row is None:
        raise ObjectNotFound("vm", vm_id)
    level = level_on(caller.session, who, Shared.VM, vm_id, row.account_id, live=row.closed_at is None)
    action = Action.SEE if who is None else caller.action("vm_id", "vm_ids")
    require(level, Shared.VM, vm_id, NEEDS[Shared.VM, action])
    assert level is not None
    return level


def _told(
    session: Session, ids: Sequence[int], levels: Mapping[int, Level], rows: Sequence[store.InstanceRow] | None = None
) -> list[Instance]:
    rows = store.read_instances(session, ids) if rows is None else rows
    templates = effective_of(session, {row.vm.vm_template_id for row in rows if row.vm.vm_template_id is not None})
    return [_instance(row, templates.get(row.vm.vm_template_id, {}), levels[row.vm.id]) for row in rows]


def _status(vm: Any) -> tuple[InstanceStatus, OperationKind | None]:
    """:param vm: a row with ``wanted seen error closed_at launched_at operation_kind``."""
    kind = OperationKind(vm.operation_kind) if vm.operation_kind else None
    seen = Seen(vm.seen)
    state = status(VMFacts(Wanted(vm.wanted), seen, vm.closed_at is not None, bool(vm.error), kind))
    return instance_status(InstanceFacts(state, kind, seen, vm.launched_at is not None)), kind


def _instance(row: store.InstanceRow, template: Mapping[str, Any], level: Level) -> Instance:
    vm = row.vm
    told, kind = _status(vm)
    cards = [_interface(nic) for nic in row.nics]
    leads_to = None if kind is None else resultant_state(kind)
    windows = vm.platform == "windows"
    has_agent = template.get("has_agent")
    return {
        "vm_id": vm.id,
        "uuid": vm.uuid,
        "name": vm.name,
        "vm_name": domain_name(vm.id),
        "description": vm.description,
        "owner": vm.account_id,
        "owner_login": vm.login,
        "level": level,
        "num_cores": vm.cpu,
        "ram_size": vm.memory_mib,
        "max_ram_size": vm.max_memory_mib,
        "arch": vm.architecture,
        "priority": vm.cpu_shares,
        "access_method": AccessMethod(template.get("access_method") or ("rdp" if windows else "ssh")),
        "boot_menu": vm.boot_menu_s > 0,
        "lease": vm.lease,
        "lease_name": vm.lease_name,
        "raw_data": "",
        "req_traits": vm.traits,
        "system": template.get("system") or vm.platform,
        "tags": vm.tags,
        "has_agent": vm.contextualized_at is not None if has_agent is None else has_agent,
        "template": vm.vm_template_id,
        "time_of_suspend": vm.suspend_at,
        "time_of_delete": vm.delete_at,
        "node": vm.node,
        "disks": [_disk(each) for each in row.disks if each.disk_id is not None],
        "vnc_port": vm.vnc_port,
        "is_base": vm.is_base,
        "is_active": told is not InstanceStatus.DESTROYED,
        "destroyed_at": vm.shown_since if vm.closed_at is None and told is InstanceStatus.DESTROYED else vm.closed_at,
        "interfaces": cards,
        "addresses": [{"ipv4": card["ipv4"], "ipv6": card["ipv6"], "mac": card["mac"]} for card in cards],
        "ipv4": next((card["ipv4"] for card in cards if card["ipv4"]), None),
        "ipv6": next((card["ipv6"] for card in cards if card["ipv6"]), None),
        "mac": cards[0]["mac"] if cards else None,
        "status": told,
        "status_display": DISPLAYED[told],
        "status_icon": ICONS[told],
        "is_in_status_change": leads_to is not None and leads_to is not told,
        "block_device_mapping": [_device(each) for each in row.disks],
        "launched_at": vm.launched_at,
        "terminated_at": vm.terminated_at,
        "created": vm.created_at,
        "modified": vm.changed_at,
        "status_changed": vm.shown_since,
    }


def _interface(nic: Any) -> InstanceInterface:
    return {
        "nic": nic.number,
        "uuid": nic.uuid,
        "network_id": nic.network_id,
        "model": nic.model,
        "mac": nic.mac,
        "ipv4": nic.ipv4,
        "ipv6": nic.ipv6,
    }


def _disk(row: Any) -> InstanceDisk:
    if row.cdrom:
        kind = "iso"
    elif row.format == "qcow2":
        kind = "qcow2-norm" if row.backing_id is None else "qcow2-snap"
    else:
        kind = "raw-ro" if row.read_only else "raw-rw"
    told = {
        "disk_id": row.disk_id,
        "uuid": row.uuid,
        "name": row.name,
        "filename": row.filename,
        "datastore": row.storage_id,
        "type": kind,
        "bus": row.bus,
        "size": row.size_bytes,
        "base": row.base,
        "dev_num": row.device[-1],
        "destroyed": row.trashed_at,
        "is_ready": row.made,
    }
    return cast(InstanceDisk, told)


def _device(row: Any) -> BlockDevice:
    return {
        "device_name": row.device,
        "disk_id": row.disk_id,
        "delete_on_termination": row.delete_with_vm,
        "read_only": row.read_only,
        "boot_index": row.boot_order,
    }


def _connect(ways: Iterable[Entrance], access: AccessMethod, username: str) -> Connect:
    """The farthest reaching way for a method; NX goes through SSH."""
    method = "rdp" if access is AccessMethod.RDP else "ssh"
    for each in ways:
        by_port = each["through"] == Through.PORT
        if each["through"] == Through.SCREEN or (by_port and each["method"] != method):
            continue
        host, port = each["address"], each["port"] if by_port else PORTS[method]
        return Connect(host, port, way(method, host, port, username).command, connect_uri(method, host, port, username))
    return Connect()


# ------------------------------------------------------------------ its password


def seal(secret: bytes, vm_id: int, password: str) -> str:
    """A password as it is kept: encrypted, for this VM alone."""
    return sealing.seal(_key(secret), str(vm_id), password.encode())


def unseal(secret: bytes, vm_id: int, sealed: str) -> str:
    return sealing.unseal(_key(secret), str(vm_id), sealed).decode()


def _key(secret: bytes) -> bytes:
    return hashlib.sha256(b"instance password\0" + secret).digest()


async def reset_password(
    caller: AsyncClusterCall, vm_id: int, user: str | None, password: Secret | None
) -> Activity:
    """
    As ``guest_agent.reset_password``, and the password is kept for the VM's owners.
    """
    if password is None:
        password = Secret("".join(secrets.choice(guest_agent.ALPHABET) for _ in range(guest_agent.LENGTH)))
    await guest_agent.reset_password(caller, vm_id, user, password)
    sealed = seal(caller.policy.secret, vm_id, password.reveal())
    await caller.services.database.transact(write_password, vm_id, sealed)
    return await caller.services.database.read(newest_event, vm_id)


async def install_keys(caller: AsyncClusterCall, vm_id: int, user: str | None, keys: str) -> Activity:
    await guest_agent.install_keys(caller, vm_id, user, keys)
    return await caller.services.database.read(newest_event, vm_id)


async def remove_keys(caller: AsyncClusterCall, vm_id: int, user: str | None, keys: str) -> Activity:
    await guest_agent.remove_keys(caller, vm_id, user, keys)
    return await caller.services.database.read(newest_event, vm_id)


async def reboot(caller: AsyncClusterCall, vm_id: int) -> Activity:
    await guest_agent.reboot(caller, vm_id)
    return await caller.services.database.read(newest_event, vm_id)


# ------------------------------------------------------------------ what is done to them


def operate(
    caller: ClusterCall, vm_ids: Sequence[int], operation: InstanceOperation, *, administrator: bool = False
) -> list[InstanceOutcome]:
    """What takes nothing but the instance, of each by itself: one that is refused does not stop the others."""
    kind = OPERATIONS[operation].kind
    assert kind is not None, operation
    before = claim_memory if kind is OperationKind.VM_SUSPEND else None

    def begin(vm_id: int) -> Activity:
        work = service.change_state(caller, vm_id, kind, administrator=administrator, before=before)
        return opened(caller, work["operation_id"])

    return _each(caller, vm_ids, begin)


def recover(caller: ClusterCall, vm_ids: Sequence[int], *, administrator: bool = False) -> list[InstanceOutcome]:
    """Out of the trash, each by itself."""

    def begin(vm_id: int) -> Activity:
        trash.recover(caller, vm_id, administrator=administrator)
        return newest_event(caller.session, vm_id)

    return _each(caller, vm_ids, begin)


def _each(caller: ClusterCall, vm_ids: Sequence[int], begin: Callable[[int], Activity]) -> list[InstanceOutcome]:
    answers: list[InstanceOutcome] = []
    for vm_id in vm_ids:
        try:
            with caller.session.begin_nested():
                answers.append({"status": "ok", "vm_id": vm_id, "activity": begin(vm_id)})
        except CloudError as error:
            caller.note("refuse", vm_id=vm_id, status=error.code, message=str(error))
            answers.append(
                {
                    "status": error.code,
                    "vm_id": vm_id,
                    "error": error_of(error.code, _is_destroyed(error)),
                    "message": str(error),
                    "fields": error.details(),
                }
            )
    return answers


def _is_destroyed(error: CloudError) -> bool:
    return isinstance(error, WrongVMState) and error.state in ENDED


def opened(caller: ClusterCall, operation_id: int) -> Activity:
    """What an operation that was just opened is in CIRCLE's words."""
    return _activities([get_operation(caller.session, operation_id)], [], admin=False)[0]


def newest_event(session: Session, vm_id: int) -> Activity:
    """What was done to a VM at once last."""
    (event,) = store.list_events(session, vm_id, before=None, limit=1)
    return _event(event)


def edit(caller: ClusterCall, vm_id: int, description: str) -> InstanceDetail:
    """:raises WrongVMState: it is destroyed."""
    service.edit(caller, vm_id, None, description)
    return detail(caller, vm_id)


def tune(caller: ClusterCall, vm_id: int, priority: int) -> InstanceDetail:
    """Administrators alone say how much a VM counts among others. :raises WrongVMState: it is destroyed."""
    row = authorized_vm(caller.session, None, vm_id, Action.SEE, lock=True, version=caller.if_version)
    if row.closed_at is not None:
        raise WrongVMState(vm_id, row.state, "a VM that is not destroyed")
    write_shares(caller.session, vm_id, priority)
    caller.note("edit", vm_id=vm_id)
    render_vm(caller.session, vm_id)
    return detail(caller, vm_id, administrator=True)


# ------------------------------------------------------------------ what may be done

# What is told of beside ``allowed.CALLS``.
_BESIDE: Final = (
    allowed.Call("user.vm.add_port", Action.EDIT),
    allowed.Call("user.vm.remove_port", Action.EDIT),
    allowed.Call("user.vm.get_screenshot", Action.CONSOLE, states=frozenset(RUNNING)),
    allowed.Call("user.disk.grow", Action.EDIT, states=frozenset({*RUNNING, VMState.STOPPED}), undisturbed=True),
    allowed.Call("admin.storage.attach_or_create", Action.ATTACH, OperationKind.ATTACH_OR_CREATE),
    allowed.Call("admin.vm.migrate", Action.STOP, OperationKind.VM_MIGRATE),
)
_CALLS: Final = {call.view: call for call in (*allowed.CALLS, *_BESIDE)}


def available(
    caller: ClusterCall, vm_ids: Sequence[int], *, administrator: bool = False
) -> list[AvailableOperations]:
    """An entry for each instance; one that the caller does not see has the error instead."""
    who = None if administrator else person_of(caller.identity)
    answers: list[AvailableOperations] = []
    for vm_id in vm_ids:
        try:
            level = _level(caller, who, vm_id)
            row = find_vm(caller.session, vm_id)
            assert row is not None
            answers.append(_available(caller.session, row, level, administrator))
        except CloudError as error:
            answers.append(
                {"status": error.code, "vm_id": vm_id, "message": str(error), "fields": error.details()}
            )
    return answers


def _available(session: Session, row: VMRow, level: Level, administrator: bool) -> AvailableOperations:
    (found,) = store.read_instances(session, [row.id])
    told, _ = _status(found.vm)
    best = preferred(told, found.vm.is_base)
    operations: list[AvailableOperation] = []
    for operation, spec in OPERATIONS.items():
        refused: CloudError | None = _CALLS[spec.view].refusal(row, level)
        if operation is InstanceOperation.MIGRATE and not administrator:
            refused = RoleNeeded(Role.ADMIN.value)
        operations.append(
            {
                "operation": operation,
                "name": spec.name,
                "call": spec.view,
                "allowed": refused is None,
                "hidden": refused is not None and error_of(refused.code, False) == "PermissionDenied",
                "is_preferred": operation is best,
                "resultant_state": spec.resultant,
                "reason": None
                if refused is None
                else {
                    "slug": refused.code,
                    "message": str(refused),
                    "fields": refused.details(),
                    "error": INSTANCE_DESTROYED
                    if row.state in ENDED and isinstance(refused, WrongVMState)
                    else error_of(refused.code, False),
                },
            }
        )
    return {
        "status": "ok",
        "vm_id": row.id,
        "instance_status": told,
        "preferred": best,
        "operations": operations,
    }


# ------------------------------------------------------------------ what was done


def activities(
    caller: ClusterCall, vm_id: int, *, limit: int, before: int | None, administrator: bool = False
) -> list[Activity]:
    """
    What was done to an instance, newest first, each with what it had others do.

    :raises ObjectNotFound: absent, not shared with the caller, or destroyed and somebody else's.
    """
    session = caller.session
    _level(caller, None if administrator else person_of(caller.identity), vm_id)
    ops = list_operations(session, account_id=None, vm_id=vm_id, only_open=False, before=before, limit=limit)
    events = store.list_events(session, vm_id, before=before, limit=limit)
    children = store.operations_within(session, [op.id for op in ops], CHILDREN_MAX)
    own = {op.id for op in ops}
    found = _activities(ops, [each for each in children if each.id not in own], admin=administrator)
    found += [_event(event) for event in events]
    return sorted(found, key=lambda each: each["activity_id"], reverse=True)[:limit]


def _activities(
    ops: Sequence[OperationRow], children: Sequence[OperationRow], *, admin: bool
) -> list[Activity]:
    root: dict[int, int] = {op.id: op.id for op in ops}
    codes: dict[int, str] = {op.id: activity_code(op.kind) for op in ops}
    below: dict[int, list[SubActivity]] = {}
    for child in children:
        assert child.parent_id is not None
        if child.parent_id in root:  # they come by their ids, so a parent has been there
            root[child.id] = root[child.parent_id]
            codes[child.id] = activity_code(child.kind, codes[child.parent_id])
            below.setdefault(root[child.id], []).append(_sub(child, codes[child.id], admin))
    return [
        {
            **_sub(op, codes[op.id], admin),
            "vm_id": op.vm_id or 0,
            "operation_id": op.id,
            "resultant_state": resultant_state(op.kind),
            "interruptible": is_interruptible(op.kind),
            "abortable": op.state in OPEN_OPERATIONS and is_abortable(op.kind),
            "children": below.get(op.id, []),
        }
        for op in ops
    ]


_ENDED: Final = {
    OperationState.DONE: True, OperationState.FAILED: False, OperationState.ABANDONED: False,
}  # fmt: skip


def _sub(op: OperationRow, code: str, admin: bool) -> SubActivity:
    is_open = op.state in OPEN_OPERATIONS
    text = op.user_text or (readable(op.kind, {}) if op.state is OperationState.DONE else "")
    if op.state is OperationState.ABANDONED and not op.user_text:
        text = "It was given up."
    if admin:
        node = "" if op.node_id is None else f"Node {op.node_id}."
        text = " ".join(part for part in (text, op.admin_text, node) if part)
    storage = op.find(ObjectKind.STORAGE)
    return {
        "activity_id": op.id,
        "activity_code": code,
        "readable_name": ACTIVITIES[op.kind].name,
        "parent": op.parent_id,
        "user": op.account_id,
        "started": op.created_at,
        "finished": op.finished_at,
        "succeeded": _ENDED.get(op.state),
        "step": op.step or (ENDS[op.kind].first if is_open else ""),
        "percentage": op.progress if is_open and op.kind in PERCENT else None,
        "result": text,
        "params": {
            "error": op.error, "image_id": op.find(ObjectKind.IMAGE), "disk_id": op.find(ObjectKind.DISK),
            **({"node_id": op.node_id, "storage_id": storage} if admin else {}), **op.result,
        },
    }  # fmt: skip


def _event(event: store.VMEventRow) -> Activity:
    return {
        "activity_id": event.id,
        "activity_code": activity_code(event.code),
        "readable_name": ACTIVITIES[event.code].name,
        "parent": None,
        "user": event.account_id,
        "started": event.at,
        "finished": event.at,
        "succeeded": True,
        "step": "",
        "percentage": None,
        "result": readable(event.code, event.params),
        "params": event.params,
        "vm_id": event.vm_id,
        "operation_id": None,
        "resultant_state": None,
        "interruptible": False,
        "abortable": False,
        "children": [],
    }


def abort(caller: ClusterCall, operation_id: int) -> Activity:
    """
    Give an activity up.

    :raises WrongOperationState: it has ended. :raises NotAbandonable: what it does cannot be undone.
    """
    journal.abandon(caller, operation_id)
    return opened(caller, operation_id)
