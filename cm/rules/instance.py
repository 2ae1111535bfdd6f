"""
VMs as CIRCLE's instances: its words for their states, operations, activities and errors, each in one table, and where
each field of an instance comes from. What is done is done by the services that all fronts have.

Source: RECIRCLE's page "New models", and the registry of operations of CIRCLE's code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from cm.rpc.vocabulary import InstanceOperation, InstanceStatus, Seen, VMEventCode, VMState
from cm.rules.operation import SPECS, OperationKind

_S, _O, _K = InstanceStatus, InstanceOperation, OperationKind

# ------------------------------------------------------------------ states


@dataclass(frozen=True)
class InstanceFacts:
    """What an instance's status depends on. :ivar launched: whether its domain was ever asked to start."""

    state: VMState
    work: OperationKind | None
    seen: Seen
    launched: bool


# None: CIRCLE has no word for it, for there a status lasts until what is under way has ended.
STATUSES: Final[Mapping[VMState, InstanceStatus | None]] = {
    VMState.PENDING: _S.PENDING,
    VMState.STARTING: None,
    VMState.RUNNING: _S.RUNNING,
    VMState.PAUSED: _S.PAUSED,
    VMState.STOPPING: None,
    VMState.STOPPED: _S.STOPPED,
    VMState.SUSPENDED: _S.SUSPENDED,
    VMState.SAVING: None,
    VMState.REBOOTING: _S.RUNNING,
    VMState.ERROR: _S.ERROR,
    VMState.TRASHED: _S.DESTROYED,
    VMState.DESTROYING: None,
    VMState.DESTROYED: _S.DESTROYED,
}
ENDED: Final = frozenset({VMState.TRASHED, VMState.DESTROYED})
_MOVES: Final = frozenset({_K.VM_MIGRATE, _K.VM_MOVE})
_ON: Final = {Seen.RUNNING: _S.RUNNING, Seen.PAUSED: _S.PAUSED}
_BEFORE: Final = {_K.VM_CREATE: _S.PENDING, _K.VM_WAKE_UP: _S.SUSPENDED}  # of what is not on yet


def instance_status(facts: InstanceFacts) -> InstanceStatus:
    """
    CIRCLE's word for a state. Total: all combinations of facts have one.

    Work that is under way leaves it as it was, but for migrations; NOSTATE is a VM of which nobody knows whether its
    domain, which was asked to start, is there.
    """
    if facts.state in ENDED:
        return _S.DESTROYED
    if facts.work in _MOVES:
        return _S.MIGRATING
    told = STATUSES[facts.state]
    if told is _S.PENDING and facts.launched:
        return _S.NOSTATE
    if told is not None:
        return told
    if facts.seen in _ON:
        return _ON[facts.seen]
    if facts.work in _BEFORE:
        return _BEFORE[facts.work]
    return _S.STOPPED if facts.launched else _S.PENDING


DISPLAYED: Final[Mapping[InstanceStatus, str]] = {
    _S.NOSTATE: "no state",
    _S.RUNNING: "running",
    _S.STOPPED: "stopped",
    _S.SUSPENDED: "suspended",
    _S.ERROR: "error",
    _S.PENDING: "pending",
    _S.DESTROYED: "destroyed",
    _S.MIGRATING: "migrating",
    _S.PAUSED: "paused",
}
# Names of Font Awesome's, as CIRCLE's pages have them.
ICONS: Final[Mapping[InstanceStatus, str]] = {
    _S.NOSTATE: "fa-rocket",
    _S.RUNNING: "fa-play",
    _S.STOPPED: "fa-stop",
    _S.SUSPENDED: "fa-pause",
    _S.ERROR: "fa-warning",
    _S.PENDING: "fa-rocket",
    _S.DESTROYED: "fa-trash-o",
    _S.MIGRATING: "fa-truck",
    _S.PAUSED: "fa-pause",
}

# ------------------------------------------------------------------ operations


@dataclass(frozen=True)
class OperationSpec:
    """
    :ivar view: whose work it is, by the name that all fronts have it by.
    :ivar resultant: the status that it leads to; None: it changes none.
    """

    name: str
    view: str
    resultant: InstanceStatus | None = None
    kind: OperationKind | None = None  # of those that take nothing but the instance


OPERATIONS: Final[Mapping[InstanceOperation, OperationSpec]] = {
    _O.DEPLOY: OperationSpec("deploy", "user.vm.start", _S.RUNNING, _K.VM_START),
    _O.DESTROY: OperationSpec("destroy", "user.vm.trash", _S.DESTROYED, _K.VM_TRASH),
    _O.RECOVER: OperationSpec("recover", "user.vm.recover", _S.STOPPED),
    _O.MIGRATE: OperationSpec("migrate", "admin.vm.migrate", _S.RUNNING),
    _O.RESET: OperationSpec("reset", "user.vm.reset", _S.RUNNING, _K.VM_RESET),
    _O.REBOOT: OperationSpec("reboot", "user.vm.reboot", _S.RUNNING),
    _O.SHUTDOWN: OperationSpec("shutdown", "user.vm.shutdown", _S.STOPPED, _K.VM_SHUTDOWN),
    _O.SHUT_OFF: OperationSpec("shut off", "user.vm.stop", _S.STOPPED, _K.VM_STOP),
    _O.SLEEP: OperationSpec("sleep", "user.vm.suspend", _S.SUSPENDED, _K.VM_SUSPEND),
    _O.WAKE_UP: OperationSpec("wake up", "user.vm.wake_up", _S.RUNNING, _K.VM_WAKE_UP),
    _O.SAVE_AS_TEMPLATE: OperationSpec("save as template", "user.vm.save_as_template"),
    _O.RENEW: OperationSpec("renew", "user.expiry.renew"),
    _O.RENAME: OperationSpec("rename", "user.vm.edit"),
    _O.RESOURCES_CHANGE: OperationSpec("resources change", "user.vm.resize"),
    _O.ADD_INTERFACE: OperationSpec("add interface", "user.nic.attach"),
    _O.REMOVE_INTERFACE: OperationSpec("remove interface", "user.nic.detach"),
    _O.ADD_PORT: OperationSpec("add port", "user.vm.add_port"),
    _O.REMOVE_PORT: OperationSpec("remove port", "user.vm.remove_port"),
    _O.CREATE_DISK: OperationSpec("create disk", "admin.storage.attach_or_create"),
    _O.RESIZE_DISK: OperationSpec("resize disk", "user.disk.grow"),
    _O.REMOVE_DISK: OperationSpec("remove disk", "user.disk.detach"),
    _O.PASSWORD_RESET: OperationSpec("password reset", "user.vm.password_reset"),
    _O.INSTALL_KEYS: OperationSpec("install SSH keys", "user.vm.install_keys"),
    _O.REMOVE_KEYS: OperationSpec("remove SSH keys", "user.vm.remove_keys"),
    _O.SCREENSHOT: OperationSpec("screenshot", "user.vm.get_screenshot"),
}


def preferred(status: InstanceStatus, is_base: bool) -> InstanceOperation | None:
    """What CIRCLE recommends to do with an instance next; None: nothing."""
    if status in (_S.STOPPED, _S.PENDING, _S.ERROR):
        return _O.DEPLOY
    if status is _S.SUSPENDED:
        return _O.WAKE_UP
    if status is _S.RUNNING:
        return _O.SAVE_AS_TEMPLATE if is_base else _O.SLEEP
    return None


# What CIRCLE's code calls the errors that an operation is refused by. "PermissionDenied": its pages hide it.
ERRORS: Final[Mapping[str, str]] = {
    "access_needed": "PermissionDenied",
    "role_needed": "PermissionDenied",
    "vm_wrong_state": "WrongStateError",
    "vm_busy": "ActivityInProgressError",
    "vm_guarded": "PermissionDenied",
    "agent_silent": "NoAgentError",
    "agent_refused": "NoAgentError",
    "agent_needed": "NoAgentError",
    "no_capacity": "SchedulerError",
    "quota_reached": "LimitExceeded",
    "in_use": "DiskInUse",
}
INSTANCE_DESTROYED: Final = "InstanceDestroyedError"


def error_of(slug: str, destroyed: bool) -> str:
    """CIRCLE's class of an error of ours; "" where it has none like it."""
    if destroyed and slug == "vm_wrong_state":
        return INSTANCE_DESTROYED
    return ERRORS.get(slug, "")


# ------------------------------------------------------------------ activities

ROOT: Final = "vm.Instance"


@dataclass(frozen=True)
class ActivitySpec:
    """
    :ivar code: behind ``ROOT``.
    :ivar name: for people.
    :ivar done: what is told once it has succeeded, for ``str.format`` with its parameters.
    """

    code: str
    name: str
    done: str


ACTIVITIES: Final[Mapping[OperationKind | VMEventCode, ActivitySpec]] = {
    _K.VM_CREATE: ActivitySpec("create", "create", "It was made, and runs."),
    _K.VM_START: ActivitySpec("deploy", "deploy", "It was started."),
    _K.VM_STOP: ActivitySpec("shut_off", "shut off", "Its power was cut, or had ended."),
    _K.VM_SHUTDOWN: ActivitySpec("shutdown", "shutdown", "Its guest has shut down."),
    _K.VM_RESET: ActivitySpec("reset", "reset", "Its reset button was pressed."),
    _K.VM_MOVE: ActivitySpec("migrate", "migrate", "It was stopped, and started on another node."),
    _K.VM_MIGRATE: ActivitySpec("migrate", "migrate", "It went to another node while it ran."),
    _K.VM_RESIZE: ActivitySpec("resources_change", "resources change", "It has another size, as it runs."),
    _K.VM_PAUSE: ActivitySpec("pause", "pause", "Its CPUs were halted."),
    _K.VM_RESUME: ActivitySpec("resume", "resume", "It goes on."),
    _K.VM_SUSPEND: ActivitySpec("sleep", "sleep", "Its memory lies on a storage, and its node is free of it."),
    _K.VM_WAKE_UP: ActivitySpec("wake_up", "wake up", "It goes on where it was suspended."),
    _K.VM_TRASH: ActivitySpec("destroy", "destroy", "It lies in the trash, and can be recovered."),
    _K.VM_DESTROY: ActivitySpec("destroy", "destroy", "It was destroyed, and the disks that go with it."),
    _K.VM_SAVE: ActivitySpec("save_and_shutdown", "save and shut down", "Its root disk is an image now."),
    _K.VM_TO_IMAGE: ActivitySpec("save_as_template", "save as template", "An image was made of its root disk."),
    _K.VM_VNC: ActivitySpec("screen", "switch screen", "Its screen was switched."),
    _K.VM_CD: ActivitySpec("change_cd", "change CD", "Its CD was changed."),
    _K.DISK_CREATE: ActivitySpec("make_disk", "make disk", "A disk was made."),
    _K.DISK_ATTACH: ActivitySpec("attach_disk", "attach disk", "It was given a disk."),
    _K.DISK_DETACH: ActivitySpec("remove_disk", "remove disk", "A disk was taken from it."),
    _K.NIC_ATTACH: ActivitySpec("add_interface", "add interface", "It was given a network card."),
    _K.NIC_DETACH: ActivitySpec("remove_interface", "remove interface", "A network card was taken from it."),
    _K.ATTACH_OR_CREATE: ActivitySpec("create_disk", "create disk", "It was given a disk."),
    _K.IMAGE_IMPORT: ActivitySpec("download_disk", "download disk", "An image was fetched."),
    _K.IMAGE_DELETE: ActivitySpec("delete_image", "delete image", "An image was deleted."),
    _K.DISK_GROW: ActivitySpec("resize_disk", "resize disk", "A disk of it is larger."),
    _K.DISK_FLATTEN: ActivitySpec("flatten_disk", "flatten disk", "A disk of it was merged with what it stood on."),
    _K.DISK_COPY: ActivitySpec("copy_disk", "copy disk", "A disk was copied."),
    _K.DISK_MOVE: ActivitySpec("move_disk", "move disk", "A disk of it lies elsewhere."),
    _K.VOLUME_DELETE: ActivitySpec("delete_volume", "delete volume", "A volume was deleted."),
    _K.SNAPSHOT_CREATE: ActivitySpec("create_snapshot", "take snapshot", "A snapshot was taken."),
    _K.SNAPSHOT_REVERT: ActivitySpec("revert_snapshot", "go back to snapshot", "It was taken back to a snapshot."),
    _K.SNAPSHOT_DELETE: ActivitySpec("delete_snapshot", "delete snapshot", "A snapshot was deleted."),
    _K.STORAGE_ATTACH: ActivitySpec("attach_storage", "attach storage", "A storage was attached."),
    _K.IMAGE_CACHE: ActivitySpec("copy_image", "copy image to node", "An image was brought to its node."),
    _K.NODE_EVACUATE: ActivitySpec("flush", "flush node", "Its node was emptied."),
    _K.FARM_LAUNCH: ActivitySpec("launch_farm", "launch farm", "Its farm was started."),
    VMEventCode.CONSOLE: ActivitySpec(VMEventCode.CONSOLE, "access console", "Its {kind} console was opened."),
    VMEventCode.RENAME: ActivitySpec(VMEventCode.RENAME, "rename", 'It was called "{old_name}", now "{new_name}".'),
    VMEventCode.RESOURCES_CHANGE: ActivitySpec(
        VMEventCode.RESOURCES_CHANGE,
        "resources change",
        "It has {num_cores} CPUs and {ram_size} MiB from its next start on.",
    ),
    VMEventCode.RENEW: ActivitySpec(VMEventCode.RENEW, "renew", "Its times began anew."),
    VMEventCode.RECOVER: ActivitySpec(VMEventCode.RECOVER, "recover", "It was taken out of the trash."),
    VMEventCode.NOTICE: ActivitySpec(
        VMEventCode.NOTICE, "notify about expiration", "Its people were told: it will be {then}."
    ),
    VMEventCode.PASSWORD_RESET: ActivitySpec(
        VMEventCode.PASSWORD_RESET, "password reset", "{login} of its guest has another password."
    ),
    VMEventCode.INSTALL_KEYS: ActivitySpec(
        VMEventCode.INSTALL_KEYS, "install SSH keys", "More keys may log in to its guest as {login}."
    ),
    VMEventCode.REMOVE_KEYS: ActivitySpec(
        VMEventCode.REMOVE_KEYS, "remove SSH keys", "Fewer keys may log in to its guest as {login}."
    ),
    VMEventCode.REBOOT: ActivitySpec(VMEventCode.REBOOT, "reboot", "Its guest was asked to reboot ({way})."),
    VMEventCode.HOSTNAME: ActivitySpec(VMEventCode.HOSTNAME, "set host name", "Its guest calls itself {hostname}."),
    VMEventCode.GENERATE_KEY: ActivitySpec(
        VMEventCode.GENERATE_KEY, "generate SSH key", "{login} of its guest has an SSH key of its own."
    ),
    VMEventCode.GROW_ROOT: ActivitySpec(
        VMEventCode.GROW_ROOT, "grow root", "Its guest's root file system has {total_bytes} bytes."
    ),
    VMEventCode.MOUNT_SHARE: ActivitySpec(
        VMEventCode.MOUNT_SHARE, "mount share", "Its guest has {source} at {mountpoint}."
    ),
    VMEventCode.UNMOUNT_SHARE: ActivitySpec(
        VMEventCode.UNMOUNT_SHARE, "unmount share", "Its guest has nothing at {mountpoint} any more."
    ),
    VMEventCode.ADD_PORT: ActivitySpec(
        VMEventCode.ADD_PORT, "add port", "{protocol}/{port} of it is reached from outside."
    ),
    VMEventCode.REMOVE_PORT: ActivitySpec(
        VMEventCode.REMOVE_PORT, "remove port", "{protocol}/{port} of it is reached from outside no more."
    ),
    VMEventCode.TRANSFER: ActivitySpec(VMEventCode.TRANSFER, "ownership transferred", "It was {old_owner}'s before."),
}  # fmt: skip

# Kinds that tell how far they are, as CIRCLE's has_percentage.
PERCENT: Final = frozenset(
    {_K.VM_TO_IMAGE, _K.VM_SAVE, _K.VM_MIGRATE, _K.VM_SUSPEND, _K.IMAGE_IMPORT, _K.DISK_COPY, _K.DISK_MOVE,
     _K.DISK_FLATTEN, _K.DISK_CREATE}
)  # fmt: skip
_RESULTANT: Final[Mapping[OperationKind, InstanceStatus]] = {
    _K.VM_CREATE: _S.RUNNING,
    _K.VM_START: _S.RUNNING,
    _K.VM_STOP: _S.STOPPED,
    _K.VM_SHUTDOWN: _S.STOPPED,
    _K.VM_RESET: _S.RUNNING,
    _K.VM_MOVE: _S.RUNNING,
    _K.VM_MIGRATE: _S.RUNNING,
    _K.VM_PAUSE: _S.PAUSED,
    _K.VM_RESUME: _S.RUNNING,
    _K.VM_SUSPEND: _S.SUSPENDED,
    _K.VM_WAKE_UP: _S.RUNNING,
    _K.VM_TRASH: _S.DESTROYED,
    _K.VM_DESTROY: _S.DESTROYED,
    _K.VM_SAVE: _S.DESTROYED,
}


def activity_code(what: OperationKind | VMEventCode, parent: str = ROOT) -> str:
    """``vm.Instance.deploy``; of one within another ``vm.Instance.deploy.copy_image``."""
    return f"{parent}.{ACTIVITIES[what].code}"


def resultant_state(kind: OperationKind) -> InstanceStatus | None:
    """The status that work of this kind leads to; None: it changes none."""
    return _RESULTANT.get(kind)


def is_interruptible(kind: OperationKind) -> bool:
    """Whether something else may end it early."""
    return SPECS[kind].interruptible


def is_abortable(kind: OperationKind) -> bool:
    """Whether it may be given up at all; whether it still can be when it is asked for, is the operation's to say."""
    return kind is not _K.VM_DESTROY


def readable(what: OperationKind | VMEventCode, params: Mapping[str, Any]) -> str:
    """What is told of one that has succeeded."""
    return ACTIVITIES[what].done.format_map(_Known(params))


class _Known(dict[str, Any]):
    """Of an older release's event less may be known."""

    def __missing__(self, key: str) -> str:
        return "?"


# ------------------------------------------------------------------ where fields come from


class Source(StrEnum):
    """Where what is told of an instance comes from."""

    DATABASE = "database"  # what somebody said, kept by the cluster
    DOMAIN = "domain"  # what was seen of its domain last, or is defined of it on its node
    COMPUTED = "computed"  # follows from others


@dataclass(frozen=True)
class Origin:
    """:ivar by: what changes it; "": nothing that anybody may ask for."""

    source: Source
    what: str
    by: str = ""


_D, _L, _C = Source.DATABASE, Source.DOMAIN, Source.COMPUTED
_TEMPLATE: Final = "user.vm_template.edit"
# By the names of the seed, in its order; then what CIRCLE's code has beside.
FIELDS: Final[Mapping[str, Origin]] = {
    "num_cores": Origin(_D, "CPUs from its next start on, of its size", "user.instance.resources_change"),
    "ram_size": Origin(_D, "MiB, likewise", "user.instance.resources_change"),
    "max_ram_size": Origin(_D, "MiB that it may have while it runs, from its next start on", "user.vm.edit"),
    "arch": Origin(_D, "its image's architecture"),
    "priority": Origin(
        _D, "libvirt's CPU shares, from its next start on; null: as the hypervisor has it", "admin.instance.edit"
    ),
    "access_method": Origin(_D, "its VM template's, else rdp of Windows and ssh of all others", _TEMPLATE),
    "boot_menu": Origin(_D, "whether its firmware asks what to boot from (`boot_menu_s`)", "user.vm.edit"),
    "lease": Origin(_D, "its expiry lease", "user.expiry.set"),
    "raw_data": Origin(_D, "XML beside its domain's own, told to administrators alone", "admin.vm.set_raw_data"),
    "req_traits": Origin(_D, "its own, and of its size", "admin.vm.set_traits"),
    "system": Origin(_D, "its VM template's, else its image's platform", _TEMPLATE),
    "tags": Origin(_D, "values by keys", "user.tag.set"),
    "has_agent": Origin(_C, "its VM template's word, else whether its guest has said hello since its last start"),
    "name": Origin(_D, "", "user.instance.rename"),
    "description": Origin(_D, "", "user.instance.edit"),
    "template": Origin(_D, "the VM template that it was made by"),
    "pw": Origin(
        _D, "that password_reset gave last, told to owners alone; null: none was", "user.instance.password_reset"
    ),
    "time_of_suspend": Origin(_D, "by its lease, from its last renewal on", "user.instance.renew"),
    "time_of_delete": Origin(_D, "likewise", "user.instance.renew"),
    "node": Origin(_D, "the address of the node that it is placed on; null: it is off"),
    "disks": Origin(_D, "in the order of their devices", "user.instance.create_disk"),
    "vnc_port": Origin(_D, "TCP port of its screen on its node"),
    "is_base": Origin(_C, "whether a VM template is being saved of it"),
    "owner": Origin(_D, "its account"),
    "destroyed_at": Origin(_D, "since when; null: it is active", "user.instance.destroy"),
    "is_active": Origin(_C, "neither gone nor in the trash: CIRCLE's active, beside objects, which are all"),
    "interfaces": Origin(_D, "its network cards", "user.instance.add_interface"),
    "addresses": Origin(_D, "of each card one of IPv4 and one of IPv6, and its MAC"),
    "status": Origin(_L, "as its domain was seen last, and by what is under way"),
    "block_device_mapping": Origin(_D, "the places of its disks, with what goes with the VM"),
    "launched_at": Origin(_L, "when its domain was asked to start last"),
    "terminated_at": Origin(_L, "when its domain's last end was settled; null: it never ended"),
    "created": Origin(_D, ""),
    "modified": Origin(_D, "when anything that is told of it changed last"),
    "status_changed": Origin(_D, "since when its state is what it is"),
    "ipv4": Origin(_C, "the first of its addresses that is one"),
    "ipv6": Origin(_C, "likewise"),
    "mac": Origin(_C, "of its first card"),
    "vm_name": Origin(_C, "its domain's name on nodes"),
    "status_display": Origin(_C, "for people"),
    "status_icon": Origin(_C, "a name of Font Awesome's"),
    "is_in_status_change": Origin(_C, "whether what is under way leads to another status"),
    "connect_host": Origin(_C, "where people outside reach it by its access_method; null: nowhere"),
    "connect_port": Origin(_C, "likewise"),
    "connect_command": Origin(_C, "to be typed"),
    "connect_uri": Origin(_C, "to be opened by a program"),
    "level": Origin(_C, "the caller's, by CIRCLE's ACL_LEVELS"),
}  # fmt: skip


@dataclass(frozen=True)
class Connect:
    """How people reach an instance."""

    host: str | None = None
    port: int | None = None
    command: str | None = None
    uri: str | None = None


def connect_uri(method: str, host: str, port: int, username: str) -> str:
    """What programs open: ``ssh://debian@203.0.113.9:20022``."""
    shown = f"[{host}]" if ":" in host else host
    user = f"{username}@" if username else ""
    return f"{method}://{user}{shown}:{port}"
