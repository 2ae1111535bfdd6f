"""VMs, as lists and single answers show them; what is being done to them."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict

from msgspec import Meta

from cm.results.public_address import Connection, PublicPort
from cm.rpc.fields import (
    Address,
    LoginName,
    Map,
    MiB,
    Named,
    Number,
    Owner,
    Platform,
    Prose,
    SizeCpus,
    TagMap,
    Text,
    Time,
    Token,
    Uuid,
    Version,
)
from cm.rpc.vocabulary import (
    ConsoleKind,
    CpuModel,
    CrashPolicy,
    Doubt,
    Firmware,
    HangPolicy,
    HostFailurePolicy,
    MachineType,
    MetadataSource,
    MetadataTokens,
    PowerOffPolicy,
    Seen,
    SeenReason,
    UserDataEncoding,
    VMState,
    Wanted,
)
from cm.rules.access import Level
from cm.rules.operation import OperationKind

PowerState = Literal["Halted", "Paused", "Running", "Suspended"]
Ec2State = Literal["pending", "running", "shutting-down", "stopping", "stopped", "terminated"]
Endpoint = Annotated[str, Meta(examples=["192.0.2.1:5900"], description="Address and port.")]


class Doubtful(TypedDict):
    """Why what is shown of a VM may not be so any more."""

    reason: Doubt
    since: Time


class VMLease(TypedDict):
    """An address of a VM."""

    address: Address


class AttachedImage(TypedDict):
    """An image that a VM has attached."""

    id: Number
    name: Named


class VM(TypedDict):
    """A VM as lists show it, with CC1's names where it had them."""

    vm_id: Number
    uuid: Uuid
    name: Named
    description: Text
    user_id: Owner
    state: VMState
    cc1_state: Annotated[int, Meta(examples=[1], description="CC1's number of the state.")]
    power_state: Annotated[PowerState, Meta(description="XO's name of the state.")]
    ec2_state: Annotated[Ec2State, Meta(description="EC2's name of the state.")]
    contextualized: Annotated[bool, Meta(description="Whether the guest has said hello since it was started.")]
    error: Annotated[str, Meta(examples=[""], description="Why it is in the state error; empty otherwise.")]
    doubtful: Doubtful | None
    image_id: Number
    image_name: Named
    platform: Platform
    template_id: Number
    template_name: Named
    cpu: SizeCpus
    memory_mib: MiB
    leases: list[VMLease]
    public_ip: Annotated[str | None, Meta(examples=["203.0.113.7"], description="A public address; the first, if any.")]
    vnc_enabled: bool
    vnc_endpoint: Endpoint | None
    iso_images: list[AttachedImage]
    storage_images: list[AttachedImage]
    reservation_id: Annotated[Uuid | None, Meta(description="The same for VMs that were made by one call.")]
    on_poweroff: PowerOffPolicy
    created: Time
    launched: Annotated[Time | None, Meta(description="When it was started last.")]
    operation_id: Annotated[Number | None, Meta(description="What is under way.")]
    operation: OperationKind | None
    version: Version


class CreatedVM(VM):
    """A VM that was just asked for."""

    vnc_password: NotRequired[Annotated[Token, Meta(description="With vnc alone; told this once.")]]


class ListedVM(VM):
    """A VM in a list; what is shared by others tells whose it is."""

    user_login: NotRequired[LoginName]
    access: NotRequired[Annotated[Level, Meta(description="The caller's level.")]]


class GroupOfNic(TypedDict):
    """A security group that a network card is in."""

    uuid: Uuid
    name: Named


class ImageOfVM(TypedDict):
    """The system image that a VM was made of."""

    uuid: Uuid
    architecture: Annotated[str, Meta(examples=["x86_64"])]


class WholeNic(TypedDict):
    """A network card of a VM, with what is told of it elsewhere."""

    nic: Annotated[int, Meta(examples=[0], description="Its number in the VM; 0: the first.")]
    nic_id: Number
    uuid: Uuid
    network_id: Number
    mac: Annotated[str, Meta(examples=["02:58:00:00:00:07"])]
    subnet: Annotated[Uuid | None, Meta(description="Its network, where that is the account's own and has a range.")]
    addresses: list[Address]
    public: Annotated[str | None, Meta(examples=["203.0.113.7"], description="A public address of IPv4.")]
    groups: list[GroupOfNic]
    spoofing: Annotated[bool, Meta(description="Whether it may send from addresses that are not its own.")]
    arriving: Annotated[bool, Meta(description="Whether the guest is still being given it.")]
    leaving: Annotated[bool, Meta(description="Whether the guest was asked to let go of it.")]


class WholeDisk(TypedDict):
    """A disk that a VM has, but for what is in its drives."""

    disk_id: Number
    uuid: Uuid
    device: Annotated[str, Meta(examples=["vdb"], description="What the guest is likely to call it.")]
    delete_with_vm: Annotated[bool, Meta(description="Whether it ends with the VM.")]
    created: Time
    arriving: Annotated[bool, Meta(description="Whether the guest is still being given it.")]
    leaving: Annotated[bool, Meta(description="Whether the guest was asked to let go of it.")]


class ImdsOptions(TypedDict):
    """How a VM's guest is told EC2's metadata."""

    tokens: MetadataTokens
    hop_limit: Annotated[int, Meta(examples=[1], description="The IP TTL of the answer that carries a token.")]
    enabled: Annotated[bool, Meta(examples=[True], description="Whether it is told anything.")]
    ipv6: Annotated[bool, Meta(examples=[True], description="Whether by IPv6 too, where it has that.")]
    tags: Annotated[bool, Meta(examples=[False], description="Whether it is told the VM's tags.")]


class AffinityGroupOfVM(TypedDict):
    """An affinity group that a VM is in."""

    uuid: Uuid
    name: Named


class WholeVM(VM):
    """A VM with all that belongs to it."""

    type: Annotated[str, Meta(examples=["small"], description="Its template's name with EC2, or its own.")]
    image: Annotated[ImageOfVM | None, Meta(description="null of one that was made with an ISO image.")]
    nics: Annotated[list[WholeNic], Meta(description="By number.")]
    disks: Annotated[list[WholeDisk], Meta(description="Those of its own account, the root disk first.")]
    metadata: MetadataSource
    imds: ImdsOptions
    affinity_group: Annotated[AffinityGroupOfVM | None, Meta(description="null: it is in none.")]
    tags: TagMap


class VMDetail(VM):
    """Everything about a VM."""

    wanted: Wanted
    seen: Seen
    seen_reason: SeenReason
    seen_at: Time | None
    contextualized_at: Time | None
    boot_s: Annotated[
        float | None,
        Meta(examples=[21.4], description="Seconds from its last start, or reset, until its guest said hello."),
    ]
    node: Annotated[str | None, Meta(examples=["192.0.2.1"], description="The address of the node it is placed on.")]
    ssh_username: Annotated[str, Meta(examples=["debian"])]
    ports: Annotated[list[PublicPort], Meta(description="Of shared public addresses, that lead to it.")]
    connections: Annotated[list[Connection], Meta(description="How it is reached from outside.")]
    closed: Annotated[Time | None, Meta(description="When it was destroyed.")]
    on_crash: Annotated[
        CrashPolicy, Meta(description="What becomes of it when its kernel panics, or its QEMU ends unasked.")
    ]
    on_hang: Annotated[
        HangPolicy,
        Meta(description="What becomes of it when its guest does not feed its watchdog any more; ignore: it has none."),
    ]
    on_host_failure: Annotated[
        HostFailurePolicy, Meta(description="What becomes of it when its host restarts, or is lost, as it runs.")
    ]
    guarded: Annotated[bool, Meta(description="Whether its users' calls to destroy it are refused.")]
    firmware: Annotated[Firmware, Meta(description="What its machine boots by, from its next start on.")]
    machine: Annotated[MachineType, Meta(description="Its chipset, likewise.")]
    boot_menu_s: Annotated[
        int, Meta(ge=0, examples=[0], description="Seconds for which it asks what to boot from; 0: it does not.")
    ]
    cpu_model: Annotated[CpuModel, Meta(description="Its CPU, likewise.")]
    architecture: Annotated[str, Meta(examples=["x86_64"], description="Of its image; empty where that says none.")]
    max_cpu: Annotated[
        int, Meta(ge=0, examples=[4], description="CPUs that it may have while it runs; 0: what it has as it starts.")
    ]
    max_memory_mib: Annotated[int, Meta(ge=0, examples=[4096], description="MiB of memory, likewise.")]
    raw_data: Annotated[bool, Meta(description="Whether an administrator has put something into its definition.")]
    dns: Annotated[
        str,
        Meta(
            examples=["9.9.9.9"],
            description="Servers that it asks for names, separated by blanks; empty: its networks'.",
        ),
    ]
    metadata: MetadataSource
    imds: ImdsOptions
    traits: Annotated[list[str], Meta(examples=[["ssd"]], description="That its node must have where it starts next.")]
    affinity_group_id: Number | None
    farm_id: Annotated[Number | None, Meta(description="The farm that it is in.")]
    vm_template_id: Annotated[Number | None, Meta(description="The VM template that it was made by.")]
    resource_pool_id: Annotated[Number | None, Meta(description="The resource pool that it counts in.")]
    user_data: Annotated[str | None, Meta(examples=["#cloud-config\n"], description="Told to owners alone.")]
    user_data_encoding: UserDataEncoding
    user_login: LoginName
    access: Annotated[Level, Meta(description="The caller's level; an administrator's is owner.")]


class VMWork(TypedDict):
    """What was asked of a VM, and the operation that does it."""

    vm_id: Number
    operation_id: Number


class DriveWork(VMWork):
    """A VM whose CD is being changed."""

    device: Annotated[str, Meta(examples=["sdw"], description="The drive, as the guest is likely to call it.")]


class VMOutcome(TypedDict):
    """What became of one VM of a list: an operation, or an error that concerns this VM alone."""

    status: Annotated[str, Meta(examples=["ok"], description='"ok", or an error\'s slug.')]
    vm_id: Number
    operation_id: NotRequired[Number]
    message: NotRequired[Prose]
    fields: NotRequired[Annotated[Map, Meta(description="The error's own, by its slug.")]]


class SavedVM(VMWork):
    """A VM that an image is being made of."""

    image_id: Annotated[int, Meta(ge=1, examples=[23], description="The image to be.")]


class RawData(TypedDict):
    """What an administrator has put into the definition of a VM's domain."""

    vm_id: Number
    raw_data: Annotated[str, Meta(examples=["<domain><devices/></domain>"], description="XML; empty: nothing.")]


class SavedTemplate(SavedVM):
    """A VM that a VM template is being made of."""

    vm_template_id: Annotated[Number, Meta(description="The template to be: it is there once its image is made.")]
    name: Annotated[str, Meta(examples=["web v2"], description="Of the template, and of its image.")]


class Screen(VMWork):
    """A VM's screen over VNC; where and by which password only while it is open."""

    address: NotRequired[Annotated[str | None, Meta(examples=["192.0.2.1"], description="Of its node.")]]
    port: NotRequired[Annotated[int | None, Meta(examples=[5900])]]
    password: NotRequired[Token]


class Screenshot(TypedDict):
    """What a VM's screen showed."""

    vm_id: Number
    png: Annotated[str, Meta(examples=["iVBORw0KGgo="], description="A PNG file, as base64.")]
    width: Annotated[int, Meta(examples=[720], description="Pixels.")]
    height: Annotated[int, Meta(examples=[400], description="Pixels.")]


class ConsoleTicket(TypedDict):
    """Where a WebSocket speaks to a VM's serial console or screen, once."""

    vm_id: Number
    kind: ConsoleKind
    path: Annotated[str, Meta(examples=["/console?ticket=x3Yk"], description="At the cluster manager; holds a secret.")]
    url: Annotated[
        str | None,
        Meta(
            examples=["wss://krakow.example:8001/console?ticket=x3Yk"],
            description="The same with the cluster manager's address; null where it listens on a socket alone.",
        ),
    ]
    expires: Annotated[Time, Meta(description="From then on the ticket is good no more.")]


class ErasedVM(TypedDict):
    """A VM that was closed without its node's word."""

    vm_id: Number
    was_gone: Annotated[bool, Meta(description="Whether its domain was known to have ended, or never seen.")]
