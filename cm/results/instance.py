"""
VMs as CIRCLE's instances, by its names. Where each field comes from is told by ``FIELDS`` of ``cm/rules/instance.py``.
"""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict

from msgspec import Meta

from cm.results.offer import Reason
from cm.results.vm import VMWork
from cm.rpc.fields import Address, Bytes, LoginName, Map, Named, Number, Owner, Percent, Prose, TagMap, Text, Time, Uuid
from cm.rpc.vocabulary import AccessMethod, InstanceOperation, InstanceStatus
from cm.rules.access import Level

DiskType = Literal["qcow2-norm", "qcow2-snap", "iso", "raw-ro", "raw-rw"]
_Cores = Annotated[int, Meta(ge=0, examples=[2], description="CPUs.")]
_Ram = Annotated[int, Meta(ge=0, examples=[2048], description="MiB.")]
_Code = Annotated[str, Meta(examples=["vm.Instance.deploy"])]
_Error = Annotated[str, Meta(examples=["WrongStateError"], description="CIRCLE's class; empty: it has none like it.")]
_Mac = Annotated[str, Meta(examples=["02:58:00:00:00:07"])]


class InstanceInterface(TypedDict):
    """A network card."""

    nic: Annotated[int, Meta(ge=0, examples=[0], description="Its number in the instance; 0: the first.")]
    uuid: Uuid
    network_id: Number
    model: Annotated[str, Meta(examples=["virtio"])]
    mac: _Mac
    ipv4: Address | None
    ipv6: Address | None


class InstanceAddress(TypedDict):
    """The addresses of a card."""

    ipv4: Address | None
    ipv6: Address | None
    mac: _Mac


class InstanceDisk(TypedDict):
    """A disk, by the names of CIRCLE's Disk."""

    disk_id: Number
    uuid: Uuid
    name: Annotated[str, Meta(examples=["data"], description="Empty: it is its VM's own.")]
    filename: Annotated[str, Meta(examples=["disk-5a1f.qcow2"], description="Of its volume on the data store.")]
    datastore: Annotated[Number, Meta(description="The storage that has it.")]
    type: Annotated[DiskType, Meta(description="qcow2-snap: it stands on another volume.")]
    bus: Annotated[str, Meta(examples=["virtio"])]
    size: Bytes
    base: Annotated[Number | None, Meta(description="The image that it stands on; null: on none that is an image.")]
    dev_num: Annotated[str, Meta(examples=["a"], description="The last letter of its device.")]
    destroyed: Annotated[Time | None, Meta(description="Since when it lies in the trash.")]
    is_ready: bool


class BlockDevice(TypedDict):
    """The place of a disk."""

    device_name: Annotated[str, Meta(examples=["vda"], description="What the guest is likely to call it.")]
    disk_id: Annotated[Number | None, Meta(description="null: an empty drive.")]
    delete_on_termination: bool
    read_only: bool
    boot_index: Annotated[int | None, Meta(examples=[1], description="1 first; null: after those that have one.")]


class Instance(TypedDict):
    """A VM as CIRCLE has it."""

    vm_id: Number
    uuid: Uuid
    name: Named
    vm_name: Annotated[str, Meta(examples=["vm-17"], description="Its domain's.")]
    description: Text
    owner: Owner
    owner_login: LoginName
    level: Annotated[Level, Meta(description="The caller's; an administrator's is owner.")]
    num_cores: _Cores
    ram_size: _Ram
    max_ram_size: _Ram
    arch: Annotated[str, Meta(examples=["x86_64"])]
    priority: Annotated[int | None, Meta(examples=[1024], description="CPU shares; null: the hypervisor's own.")]
    access_method: AccessMethod
    boot_menu: bool
    lease: Annotated[Number | None, Meta(description="Its expiry lease.")]
    lease_name: Annotated[str, Meta(examples=["lab"], description="Empty without one.")]
    raw_data: Annotated[Text, Meta(description="Told to administrators alone, of one instance.")]
    req_traits: Annotated[list[str], Meta(examples=[["ssd"]])]
    system: Annotated[str, Meta(examples=["Debian 12 amd64"])]
    tags: TagMap
    has_agent: bool
    template: Annotated[Number | None, Meta(description="The VM template that it was made by.")]
    time_of_suspend: Time | None
    time_of_delete: Time | None
    node: Annotated[str | None, Meta(examples=["192.0.2.1"], description="The address of its node.")]
    disks: list[InstanceDisk]
    vnc_port: Annotated[int | None, Meta(examples=[5900], description="Of its node.")]
    is_base: bool
    is_active: bool
    destroyed_at: Time | None
    interfaces: list[InstanceInterface]
    addresses: list[InstanceAddress]
    ipv4: Address | None
    ipv6: Address | None
    mac: _Mac | None
    status: InstanceStatus
    status_display: Annotated[str, Meta(examples=["running"])]
    status_icon: Annotated[str, Meta(examples=["fa-play"])]
    is_in_status_change: bool
    block_device_mapping: list[BlockDevice]
    launched_at: Time | None
    terminated_at: Time | None
    created: Time
    modified: Time
    status_changed: Time


class InstanceDetail(Instance):
    """All of an instance."""

    pw: Annotated[str | None, Meta(examples=["dTz8kQ2mWnRx4hYb"], description="Told to owners alone.")]
    connect_host: Annotated[str | None, Meta(examples=["203.0.113.9"])]
    connect_port: Annotated[int | None, Meta(examples=[20022])]
    connect_command: Annotated[str | None, Meta(examples=["ssh -p 20022 debian@203.0.113.9"])]
    connect_uri: Annotated[str | None, Meta(examples=["ssh://debian@203.0.113.9:20022"])]


class SubActivity(TypedDict):
    """What an activity had others do."""

    activity_id: Number
    activity_code: _Code
    readable_name: Annotated[str, Meta(examples=["deploy"])]
    parent: Annotated[Number | None, Meta(description="The activity that waits for it.")]
    user: Annotated[Number | None, Meta(description="Who asked for it; null: the cluster itself.")]
    started: Time
    finished: Annotated[Time | None, Meta(description="null: it is under way.")]
    succeeded: Annotated[bool | None, Meta(description="null: it is under way.")]
    step: Annotated[str, Meta(examples=["launch"], description="The one it is at, or ended at; empty: done at once.")]
    percentage: Annotated[Percent | None, Meta(description="Of what tells how far it is, while it is under way.")]
    result: Annotated[Prose, Meta(description="How it ended, or what it waits for; administrators are told more.")]
    params: Annotated[Map, Meta(description="What the words are about, by the code.")]


class Activity(SubActivity):
    """What was done to an instance, or is."""

    vm_id: Number
    operation_id: Annotated[Number | None, Meta(description="Of the journal; null: it was done at once.")]
    resultant_state: Annotated[InstanceStatus | None, Meta(description="null: it changes no status.")]
    interruptible: Annotated[bool, Meta(description="Whether a destroy may end it early.")]
    abortable: Annotated[bool, Meta(description="Whether it is under way, and may be given up.")]
    children: list[SubActivity]


class InstanceReason(Reason):
    """Why an operation is not to be had now."""

    error: _Error


class AvailableOperation(TypedDict):
    """An operation of CIRCLE's, and whether it would be taken as things are."""

    operation: InstanceOperation
    name: Annotated[str, Meta(examples=["deploy"])]
    call: Annotated[str, Meta(examples=["user.vm.start"], description="By which all fronts have it.")]
    allowed: bool
    hidden: Annotated[bool, Meta(description="Whether the caller's level is too low; else it is shown as disabled.")]
    is_preferred: bool
    resultant_state: InstanceStatus | None
    reason: InstanceReason | None


class AvailableOperations(TypedDict):
    """What may be asked of one instance of a list, or an error that concerns this one alone."""

    status: Annotated[str, Meta(examples=["ok"], description='"ok", or an error\'s slug.')]
    vm_id: Number
    instance_status: NotRequired[InstanceStatus]
    preferred: NotRequired[Annotated[InstanceOperation | None, Meta(description="null: none is.")]]
    operations: NotRequired[list[AvailableOperation]]
    message: NotRequired[Prose]
    fields: NotRequired[Annotated[Map, Meta(description="The error's own, by its slug.")]]


class InstanceOutcome(TypedDict):
    """What became of one instance of a list: an activity, or an error that concerns this one alone."""

    status: Annotated[str, Meta(examples=["ok"], description='"ok", or an error\'s slug.')]
    vm_id: Number
    activity: NotRequired[Activity]
    error: NotRequired[_Error]
    message: NotRequired[Prose]
    fields: NotRequired[Annotated[Map, Meta(description="The error's own, by its slug.")]]


class InstanceWork(VMWork):
    """An instance, and what it is busy with now."""

    activity: Activity
