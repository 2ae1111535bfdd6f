"""
``user.vm.*``: CC1's functions with their names, order and defaults, and what a VM with a stopped state needs beside.

Lists of VMs answer with one entry per VM: ``status`` is "ok", or the slug of the error that concerns this VM alone.
VMs may be shared (``user.acl``): a user sees one, an operator has its screen, its power and its name, an owner all.
"""

from __future__ import annotations

import base64
from typing import Annotated

import msgspec
from msgspec import Meta

from cm.results.guest import GuestChange, GuestHostname, GuestInfo, GuestKeys, GuestOwnKey, GuestPassword, GuestRoot
from cm.results.offer import VMOffers
from cm.results.public_address import Entrance, PublicPort
from cm.results.series import MeasuredVM, VMLoad
from cm.results.snapshot import SnapshotWork
from cm.results.vm import (
    VM,
    ConsoleTicket,
    CreatedVM,
    DriveWork,
    ListedVM,
    SavedTemplate,
    SavedVM,
    Screen,
    Screenshot,
    VMDetail,
    VMOutcome,
    VMWork,
    WholeVM,
)
from cm.rpc.caller import RawList, RawObject
from cm.rpc.errors import InvalidParameter
from cm.rpc.types import Count, Id, IdList, Ids, Limit, Name, Secret, SSHKeys, TagValues, Text, UserData, matching
from cm.rpc.view import user_view
from cm.rpc.vocabulary import (
    PAGE_MAX,
    ConsoleKind,
    CpuModel,
    CrashPolicy,
    DeployMode,
    Firmware,
    Freeze,
    HangPolicy,
    HostFailurePolicy,
    MachineType,
    Match,
    MetadataSource,
    MetadataTokens,
    PortProtocol,
    PowerOffPolicy,
    ShareKind,
    TagKind,
    UserDataEncoding,
    VMMetric,
)
from cm.rules.access import Action
from cm.rules.imds import ImdsChange
from cm.rules.machine import BOOT_MENU_MAX_S, MachineChange
from cm.rules.operation import OperationKind
from cm.rules.sizing import MAX_CPU, Ceiling
from cm.runtime.json_text import array_of
from cm.services import (
    affinity_group,
    allowed,
    console,
    console_log,
    drive,
    guest_agent,
    image,
    public_address,
    public_port,
    screenshot,
    snapshot,
    vm_image,
    vm_machine,
    vm_policy,
    vm_size,
    vm_template,
)
from cm.services import vm as service
from cm.services.attach_or_create import Asked
from cm.services.context import AsyncClusterCall, ClusterCall
from cm.services.guest_command import Share
from cm.services.network import name_servers
from cm.services.series import vm_loads, vm_statistics
from cm.services.suspension import claim_memory
from cm.services.tag import put_on_new
from cm.services.trash import recover_all
from cm.store import vm as store
from cm.store.nic import Bandwidth
from cm.store.whole_vm import UUID_DIGITS, whole_text
from cm.views.user.nic import Kbit
from cm.views.user.security_group import Card

Addresses = Annotated[list[Annotated[str, Meta(max_length=15)]], Meta(max_length=8)]
Networks = Annotated[list[Id], Meta(max_length=8)]
MaybeIds = Annotated[list[Id], Meta(max_length=24)]
BootMenu = Annotated[int, Meta(ge=0, le=BOOT_MENU_MAX_S, description="Seconds; 0: none.")]
MaxCpu = Annotated[int, Meta(ge=1, le=MAX_CPU, description="CPUs.")]
MaxMemory = Annotated[int, Meta(ge=1, le=2**31, description="MiB.")]
DiskSize = Annotated[int, Meta(ge=1, le=2 * 2**20, description="MiB.")]  # as an image
NewDisks = Annotated[list[DiskSize], Meta(max_length=8)]
GuestPort = Annotated[int, Meta(ge=1, le=65535, description="The guest's own.")]
NameServers = Annotated[str, Meta(max_length=200, examples=["9.9.9.9 2620:fe::fe"])]
Device = Annotated[str, Meta(pattern=matching(r"[a-z]{3}", "it must be a device such as vda"), examples=["vda"])]
Origin = Annotated[
    str,
    Meta(
        max_length=300,
        pattern=matching(r"(https?://[^\s/?#@]+)?", "it must be an origin such as https://cloud.example"),
        examples=["https://cloud.example"],
    ),
]
Devices = Annotated[list[Device], Meta(max_length=32)]
VMMetrics = Annotated[list[VMMetric], Meta(min_length=1, max_length=13)]
Moment = Annotated[int, Meta(ge=0, le=2**40, description="Unix seconds.")]
Resolution = Annotated[
    int, Meta(ge=10, le=604_800, description="Seconds: 10, 60, 300, 900, 3600, 86400 (a day) or 604800 (a week).")
]
UuidStart = Annotated[
    str,
    Meta(
        pattern=matching(f"[0-9a-f]{{{UUID_DIGITS}}}", f"it must be {UUID_DIGITS} digits of a uuid"),
        examples=["5a1f6a527c0e4b589"],
    ),
]
UuidStarts = Annotated[list[UuidStart], Meta(max_length=5000)]
Username = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=32,
        pattern=matching(r"[a-z_][a-z0-9_-]*", "it must be lower-case letters, digits, _ and -, no digit or - first"),
    ),
]

Source = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=1024,
        pattern=matching(r"[^\s,-][^\s,]*", "it must be a share's name, without spaces and commas, no - first"),
        examples=["10.128.0.9:/srv/data"],
    ),
]
Mountpoint = Annotated[
    str,
    Meta(
        min_length=2,
        max_length=1024,
        pattern=matching("/[ -~]+", "it must be an absolute path of printable ASCII"),
        examples=["/srv/data"],
    ),
]
ShareUser = Annotated[
    str,
    Meta(
        max_length=64,
        pattern=matching(r"[A-Za-z0-9_.\\@-]*", "it must be letters, digits and _ . \\ @ -"),
    ),
]
Hosts = Annotated[str, Meta(max_length=65_536, examples=["10.128.0.5 db db.example"])]
Hostname = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=253,
        pattern=matching(guest_agent.HOSTNAME, "it must be labels of letters, digits and -, with points between them"),
        examples=["web"],
    ),
]


@user_view(changing=True, on={"image_id": Action.USE, "iso_list": Action.USE, "disk_list": Action.USE,
                          "networks": Action.USE, "expiry_id": Action.USE, "vm_template_id": Action.USE})  # fmt: skip
def create(
    caller: ClusterCall,
    name: Name,
    description: Text,
    image_id: Id | image.Family | None,
    template_id: Id,
    public_ip_id: Id | None = None,
    iso_list: MaybeIds | None = None,
    disk_list: MaybeIds | None = None,
    vnc: bool = False,
    groups: Ids | None = None,
    count: Count = 1,
    user_data: UserData | None = None,
    ssh_key: SSHKeys | None = None,
    ssh_username: Username | None = None,
    on_poweroff: PowerOffPolicy = PowerOffPolicy.STOP,
    deploy_mode: DeployMode = DeployMode.OVERLAY,
    disk_mib: DiskSize | None = None,
    local_disk: bool | None = None,
    new_disks: NewDisks | None = None,
    new_disks_match: Match = Match.EXACT,
    networks: Networks | None = None,
    addresses: Addresses | None = None,
    security_group_ids: Ids | None = None,
    user_data_encoding: UserDataEncoding = UserDataEncoding.AUTO,
    tags: TagValues | None = None,
    guarded: bool = False,
    kbit_in: Kbit | None = None,
    kbit_out: Kbit | None = None,
    imds_tokens: MetadataTokens | None = None,
    imds_hop_limit: image.HopLimit | None = None,
    imds_enabled: bool | None = None,
    imds_ipv6: bool | None = None,
    imds_tags: bool | None = None,
    affinity_group_id: Id | None = None,
    expiry_id: Id | None = None,
    vm_template_id: Id | None = None,
    metadata: MetadataSource | None = None,
    firmware: Firmware | None = None,
    machine: MachineType | None = None,
    boot_menu_s: BootMenu | None = None,
    cpu_model: CpuModel | None = None,
    max_cpu: MaxCpu | None = None,
    max_memory_mib: MaxMemory | None = None,
    dns: NameServers = "",
) -> RawList[CreatedVM]:
    """
    Create virtual machines: claim what they need and start them.

    Several VMs (``count``) are named ``name_1``, ``name_2`` ...; ISO images and disks go to the first. ``on_poweroff``
    says what becomes of a VM whose guest powers itself off: stop, save, destroy or restart.

    :param public_ip_id: of the caller's public addresses; the first VM's first card is reached by it.
    :param image_id: an image's id, or the name of a family, of which the newest image is taken. An ISO image's is in a
        drive of each VM, whose root disk is empty, of ``disk_mib``: the VM boots from the ISO until something is
        installed on the disk. null: as ``vm_template_id`` says.
    :param disk_mib: size of each root disk, if it is to be larger than the image: cloud images grow into it.
    :param local_disk: whether root disks lie on the own storage of the VM's node, where they are fast and stay with it;
        without it, as the template says.
    :param new_disks: sizes in MiB of further, empty disks of each VM, which are made before it starts and go with it.
    :param new_disks_match: "at_least": they may be larger by a tenth or 1 GiB, where a volume is free.
    :param networks: the networks of the VM's cards, one for each: the caller's, everybody's, or shared with them;
        without it one card, on the caller's default network, which is made with their first VM where users have
        networks of their own.
    :param addresses: which address each card gets, of one VM; "" where any will do.
    :param security_group_ids: of the caller's; all cards are in these from the beginning. Without it those on users'
        networks are in the default group, others in none.
    :param user_data_encoding: "plain": guests read ``user_data`` as it is; "base64": the bytes that it stands for, to
        the last; "auto": these where it looks like that.
    :param tags: of each VM, from the start.
    :param guarded: as of ``set_policy``.
    :param kbit_in: what each card gets at the most, and ``kbit_out`` what it sends; as of ``user.nic.edit``, but not
        refused: a node that cannot hold limits tells so among its troubles.
    :param imds_tokens: as of ``set_imds``, and so are ``imds_hop_limit`` and those after it; without them as the image
        says.
    :param affinity_group_id: of the caller's; each VM is in it, and starts where the others want it.
    :param expiry_id: the VMs' expiry lease (``user.expiry.get_list``); without it the default one, where there is one.
    :param vm_template_id: a VM template, which says what is not given of ``image_id``, ``iso_list``, ``new_disks`` and
        ``networks``; its tags are the VMs' beside ``tags``, and its traits their nodes' beside those of their size.
    :param metadata: where its guest finds what it is told; without it as the image says.
    :param firmware: what its machine boots by; without it as ``vm_template_id`` says, or the image. ``machine`` is its
        chipset, likewise.
    :param boot_menu_s: seconds for which its firmware asks at its screen what to boot from; 0: not at all.
    :param max_cpu: that it may have while it runs, by ``resize``, and ``max_memory_mib`` likewise: its size's, and a
        multiple of 128 MiB more. Nothing of it is counted before the VM has it.
    :param cpu_model: "baseline": the CPU that all nodes of the cluster can give, so that it moves while it runs between
        nodes unlike each other; "host": all that its node has.
    :param dns: servers that the guest asks for names in place of its networks', IP addresses with blanks between.
    :param groups: of the caller's; whoever is in one of them will see the VMs (level user).
    :return: the VMs' summaries; ``operation_id`` tells how each is coming on. With ``vnc`` their screens are open from
        the start, and ``vnc_password`` is told, this once.
    """
    if ssh_key and not ssh_username:
        raise InvalidParameter("ssh_username", "a key needs the name of the user who gets it")
    if user_data_encoding is UserDataEncoding.BASE64:
        check_base64(user_data or "")
    by = vm_template.given(caller, vm_template_id)
    meant = by.image_id if image_id is None else image.newest_of(caller, image_id)
    if meant is None:
        raise InvalidParameter("image_id", "give an image, or a VM template that has one")
    if new_disks is None:
        new_disks = by.new_disks
    made = service.create(
        caller,
        service.NewVM(
            name=name,
            description=description,
            image_id=meant,
            template_id=template_id,
            iso_list=by.iso_list if iso_list is None else distinct("iso_list", iso_list),
            disk_list=distinct("disk_list", disk_list),
            vnc=vnc,
            count=count,
            user_data=user_data or "",
            user_data_encoding=user_data_encoding,
            ssh_key=ssh_key or "",
            ssh_username=ssh_username or "",
            on_poweroff=on_poweroff,
            guarded=guarded,
            mode=deploy_mode,
            disk_mib=disk_mib,
            local_disk=local_disk,
            groups=groups or (),
            new_disks=[Asked(size_mib * 2**20, new_disks_match) for size_mib in new_disks],
            networks=by.networks if networks is None else networks,
            addresses=addresses or (),
            security_groups=security_group_ids,
            bandwidth=Bandwidth(kbit_in, kbit_out),
            imds=ImdsChange(imds_tokens, imds_hop_limit, imds_enabled, imds_ipv6, imds_tags),
            affinity_group_id=affinity_group_id,
            expiry_id=expiry_id,
            vm_template_id=vm_template_id,
            traits=by.traits,
            metadata=metadata,
            ceiling=Ceiling(max_cpu or 0, max_memory_mib or 0),
            machine=MachineChange(firmware, machine, boot_menu_s, cpu_model).over(vars(by.machine)),
            dns=" ".join(name_servers(dns)),
        ),
    )
    tags = {**by.tags, **(tags or {})}
    if tags:
        put_on_new(caller, TagKind.VM, [msgspec.json.decode(each)["vm_id"] for each in made], tags)
    if public_ip_id is not None:
        made = public_address.assign_made(caller, public_ip_id, made)
    return RawList(array_of(made))


def check_base64(user_data: str) -> None:
    """:raises InvalidParameter: it is none."""
    try:
        base64.b64decode(user_data, validate=True)
    except ValueError:
        raise InvalidParameter("user_data", "it is not base64") from None


def distinct(parameter: str, ids: list[Id] | None) -> list[Id]:
    """:raises InvalidParameter: one of them is there twice."""
    if ids and len(set(ids)) != len(ids):
        raise InvalidParameter(parameter, "an id is there twice")
    return ids or []


@user_view(changing=True, on={"vm_ids": Action.DESTROY})
def destroy(caller: ClusterCall, vm_ids: IdList) -> list[VMOutcome]:
    """
    Destroy VMs: cut their power and delete their disks.

    Only the power is cut here; the node's hook reports the end, and that cleans up and releases. An operation that is
    under way and can be given up is given up.
    """
    return service.for_each(caller, vm_ids, lambda vm_id: service.change_state(caller, vm_id, OperationKind.VM_DESTROY))


@user_view(changing=True, on={"vm_ids": Action.DESTROY})
def trash(caller: ClusterCall, vm_ids: IdList) -> list[VMOutcome]:
    """
    Put VMs into the trash: cut their power, and keep all that they have, on the quota too, until they are recovered
    (``user.vm.recover``), or destroyed: by a call, or by themselves after ``cluster.vm_trash_s``.
    """
    return service.for_each(caller, vm_ids, lambda vm_id: service.change_state(caller, vm_id, OperationKind.VM_TRASH))


@user_view(changing=True, on={"vm_ids": Action.DESTROY})
def recover(caller: ClusterCall, vm_ids: IdList) -> list[VMOutcome]:
    """Take VMs out of the trash again: they are stopped, and have all that they had. A lease of theirs begins anew."""
    return recover_all(caller, vm_ids)


@user_view(changing=True, on={"vm_id": Action.EDIT})
def edit(
    caller: ClusterCall,
    vm_id: Id,
    name: Name | None = None,
    description: Text | None = None,
    firmware: Firmware | None = None,
    machine: MachineType | None = None,
    boot_menu_s: BootMenu | None = None,
    cpu_model: CpuModel | None = None,
    dns: NameServers | None = None,
) -> RawObject[VM]:
    """
    Change a VM's name, description or servers for names, or, while it is stopped, its machine; what is left out stays.
    Its operators may.

    :param firmware: as of ``create``, and so are those after it. A guest that was installed with one may not boot by
        the other.
    :param dns: as of ``create``; "": its networks' again. A guest hears of it when it asks for its address next, at the
        latest after an hour.
    """
    change = MachineChange(firmware, machine, boot_menu_s, cpu_model)
    if change:
        vm_machine.edit_machine(caller, vm_id, change)
    servers = None if dns is None else " ".join(name_servers(dns))
    return RawObject(service.edit(caller, vm_id, name, description, dns=servers))


@user_view(changing=True, on={"vm_id": Action.RESIZE})
def resize(
    caller: ClusterCall,
    vm_id: Id,
    template_id: Id,
    max_cpu: MaxCpu | None = None,
    max_memory_mib: MaxMemory | None = None,
) -> RawObject[VM]:
    """
    Give a VM another size: a stopped one from its next start on, one that runs as it runs, within what it was prepared
    for. It is counted of the quota at once, and costs what the new size does. Its disks stay as they are. Its owners
    may.

    Of one that runs ``operation_id`` tells how that is coming on. Memory comes and goes in modules of 128 MiB and
    multiples of it; what its guest does not give back it keeps, and then the VM is as large as before.

    :param max_cpu: that it may have while it runs, from its next start on; without it what it had, as far as that goes
        with the size. Of a VM that is stopped; ``max_memory_mib`` likewise.
    """
    return RawObject(vm_size.resize(caller, vm_id, template_id, max_cpu, max_memory_mib))


@user_view(changing=True, on={"vm_id": Action.DESTROY})
def set_policy(
    caller: ClusterCall,
    vm_id: Id,
    on_poweroff: PowerOffPolicy | None = None,
    guarded: bool | None = None,
    on_host_failure: HostFailurePolicy | None = None,
    on_crash: CrashPolicy | None = None,
    on_hang: HangPolicy | None = None,
) -> RawObject[VM]:
    """
    Change what becomes of a VM whose guest powers itself off, crashes or hangs, or whose host fails, or whether it is
    guarded; what is left out stays. Its owners may. ``user.vm.get_by_id`` tells all.

    :param guarded: while it is, ``user.vm.destroy``, ``trash`` and ``save_and_shutdown`` are refused; administrators
        may end it all the same, and so may its guest, where that is its policy.
    :param on_host_failure: when its node's machine restarts as it runs, or an administrator says that it is lost
        (``admin.node.fence``): it is started again, there or elsewhere, or stays stopped.
    :param on_crash: when its guest's kernel panics, or its QEMU ends without being asked to: it is started again, or
        stays stopped, with its disks, whatever ``on_poweroff`` says.
    :param on_hang: when its guest does not feed the watchdog that it has then, from its next start on: it is reset, or
        stopped. A guest that has no driver for it (``i6300esb``), or no program that feeds it, notices nothing of it.
    """
    return RawObject(vm_policy.set_policy(caller, vm_id, on_poweroff, guarded, on_host_failure, on_crash, on_hang))


@user_view(changing=True, on={"vm_id": Action.DESTROY})
def set_affinity_group(caller: ClusterCall, vm_id: Id, affinity_group_id: Id | None = None) -> RawObject[VM]:
    """
    Put a VM into an affinity group of its owner's, and out of the one that it was in, which tells where it starts and
    moves to from then on. Its owners may.

    :param affinity_group_id: null: into none.
    """
    return RawObject(affinity_group.put(caller, vm_id, affinity_group_id))


@user_view(changing=True, on={"vm_id": Action.EDIT})
def set_imds(
    caller: ClusterCall,
    vm_id: Id,
    tokens: MetadataTokens | None = None,
    hop_limit: image.HopLimit | None = None,
    enabled: bool | None = None,
    ipv6: bool | None = None,
    tags: bool | None = None,
) -> RawObject[VM]:
    """
    Change how a VM's guest is told EC2's metadata, from its next request on; what is left out stays. Its operators may.
    ``user.vm.get_by_id`` tells all of it (``imds``).

    :param tokens: "required": nothing is told without one, and NoCloud's documents to cloud-init alone. A cluster may
        want them of all its guests.
    :param hop_limit: the IP TTL of the answer that carries a token: with 1 it goes no further than the guest itself,
        containers behind a bridge of the guest's need 2.
    :param enabled: false: nothing is told, to cloud-init neither.
    :param ipv6: whether it is told at ``fd00:ec2::254``, too.
    :param tags: whether the VM's tags are told.
    """
    return RawObject(vm_policy.set_imds(caller, vm_id, ImdsChange(tokens, hop_limit, enabled, ipv6, tags)))


@user_view(changing=True, on={"vm_id": Action.EDIT})
def add_port(
    caller: ClusterCall, vm_id: Id, guest_port: GuestPort, protocol: PortProtocol = PortProtocol.TCP, nic: Card = 0
) -> PublicPort:
    """
    Have a port of a VM be reached from outside by a port of a shared public address, as far as its security groups let
    others in. It is answered with, also if it is there already; ``user.vm.get_by_id`` lists them.
    """
    return public_port.add(caller, vm_id, guest_port, protocol, nic)


@user_view(changing=True, on={"vm_id": Action.EDIT})
def remove_port(
    caller: ClusterCall, vm_id: Id, guest_port: GuestPort, protocol: PortProtocol = PortProtocol.TCP, nic: Card = 0
) -> None:
    """Have a port of a VM be reached from outside no more."""
    public_port.remove(caller, vm_id, guest_port, protocol, nic)


@user_view(on={"vm_id": Action.SEE})
def get_connections(caller: ClusterCall, vm_id: Id) -> list[Entrance]:
    """
    What to type, or to open, to reach a VM: by ssh, rdp (Windows), vnc or http, from outside by its public addresses
    and ports, from its networks by its own addresses, and at its screen where that is open. Its security groups have to
    let callers in. Its serial console is ``open_console``'s.
    """
    return public_port.entrances(caller, vm_id)


@user_view(on={"vm_id": Action.SEE}, prompt=True)
def get_by_id(caller: ClusterCall, vm_id: Id) -> RawObject[VMDetail]:
    """
    Everything about one of the caller's VMs, also a destroyed one, or about one that is shared with them.

    :return: ``access`` is the caller's level; whoever is not an owner gets no ``user_data``.
    """
    return RawObject(service.detail(caller, vm_id))


@user_view(on={"vm_ids": Action.SEE})
def operations(caller: ClusterCall, vm_ids: IdList) -> list[VMOffers]:
    """
    What may be asked of VMs as they are now and, of the rest, why not: by the caller's level, the VM's state, and what
    is under way. What else a call may be refused for, such as a quota, it tells itself; ``dry_run`` finds out.

    :return: one entry for each VM: ``operations`` has every call that is about a VM, with ``reason``, the error that it
        would give now.
    """
    return allowed.of_vms(caller, vm_ids)


@user_view(prompt=True)
def get_list(
    caller: ClusterCall,
    limit: Limit = PAGE_MAX,
    before: Id | None = None,
    closed: bool = False,
    shared: bool = False,
) -> RawList[ListedVM]:
    """
    The caller's VMs, newest first; destroyed ones only if ``closed``.

    :param before: the last ``vm_id`` of the page before.
    :param shared: others' VMs that are shared with the caller instead, with ``user_login`` and ``access``, the
        caller's level; a destroyed one is its own account's alone.
    """
    if shared:
        return RawList("[]" if closed else service.shared_list(caller, limit, before))
    return RawList(
        store.list_text(caller.session, account_id=caller.account_id, limit=limit, before=before, closed=closed)
    )


@user_view(prompt=True)
def list_whole(
    caller: ClusterCall,
    uuids: UuidStarts | None = None,
    ended_s: Annotated[int, Meta(ge=0, le=86_400, description="Seconds.")] = 0,
    limit: Limit = PAGE_MAX,
    before: Id | None = None,
) -> RawList[WholeVM]:
    """
    The caller's VMs, newest first, with their network cards, disks and tags: in one answer what else takes one of each
    kind's.

    :param uuids: the first 17 digits, without hyphens, of those that are wanted; what is not there is left out.
    :param ended_s: of these also such as were destroyed within so many seconds.
    :param before: the last ``vm_id`` of the page before.
    """
    return RawList(
        whole_text(caller.session, caller.account_id, limit=limit, before=before, uuids=uuids, ended_s=ended_s)
    )


@user_view(changing=True, on={"vm_ids": Action.RESET})
def reset(caller: ClusterCall, vm_ids: IdList) -> list[VMOutcome]:
    """Press the reset buttons of running VMs."""
    return service.for_each(caller, vm_ids, lambda vm_id: service.change_state(caller, vm_id, OperationKind.VM_RESET))


@user_view(changing=True, on={"vm_id": Action.SAVE})
def save_and_shutdown(caller: ClusterCall, vm_id: Id, name: Name, description: Text) -> SavedVM:
    """
    Shut a VM down and keep its root disk as a new system image, which new VMs can boot from.

    :return: ``image_id`` of the image to be, and the operation.
    """
    return service.save_and_shutdown(caller, vm_id, name, description)


@user_view(changing=True, on={"vm_id": Action.SAVE})
def save(caller: ClusterCall, vm_id: Id, name: Name, description: Text = "", freeze: Freeze = Freeze.AUTO) -> SavedVM:
    """
    Make a new system image of a VM's root disk, as it is at one moment, while the VM goes on.

    A VM that runs is not halted: its disk is frozen for the moment, as for a snapshot. Until the image is made and what
    was written meanwhile is merged, that claims the disk's size of quota and storage once more. The operation's result
    tells what the image is as good as (``consistency``). A stopped VM stays stopped.

    :param freeze: as of ``user.disk.create_snapshot``.
    :return: ``image_id`` of the image to be, and the operation.
    """
    return vm_image.save(caller, vm_id, name, description, freeze)


@user_view(changing=True, on={"vm_id": Action.SAVE})
def save_as_template(
    caller: ClusterCall,
    vm_id: Id,
    name: Name | None = None,
    description: Text = "",
    freeze: Freeze = Freeze.AUTO,
) -> SavedTemplate:
    """
    Make a VM template of a VM, as it is at one moment, while the VM goes on: an image of its root disk as by ``save``,
    and what the VM template that it was made by says beside.

    The template is there once the image is made; the operation tells how far that is, and can be given up until then.

    :param name: of the template and its image; without it the next version: "web v1" of "web", then "web v2".
    """
    return vm_template.save(caller, vm_id, name, description, freeze)


@user_view(changing=True, on={"vm_id": Action.SNAPSHOT})
def create_snapshot(
    caller: ClusterCall, vm_id: Id, name: Name, description: Text = "", freeze: Freeze = Freeze.AUTO
) -> SnapshotWork:
    """
    Take a snapshot of all disks that a VM writes to, at one moment. Its memory is not kept: taken back to it, the VM
    boots.

    What the disks may grow by since is claimed of their owner's quota: their size once more.

    :param freeze: as of ``user.disk.create_snapshot``.
    """
    return snapshot.create_of_vm(caller, vm_id, name, description, freeze)


@user_view(changing=True, on={"vm_id": Action.CONSOLE})
def attach_vnc(caller: ClusterCall, vm_id: Id) -> Screen:
    """
    Open a VM's screen over VNC.

    :return: address and port on its node, and a password that works from the end of the operation until
        ``detach_vnc`` or the next ``attach_vnc``. It is not told again.
    """
    return service.set_vnc(caller, vm_id, True)


@user_view(changing=True, on={"vm_id": Action.CONSOLE})
def detach_vnc(caller: ClusterCall, vm_id: Id) -> Screen:
    """Close a VM's screen: the password that ``attach_vnc`` gave works no more."""
    return service.set_vnc(caller, vm_id, False)


@user_view(changing=True, on={"vm_id": Action.START})
def start(caller: ClusterCall, vm_id: Id) -> VMWork:
    """Start a stopped VM, on any node that reaches its disks."""
    return service.change_state(caller, vm_id, OperationKind.VM_START)


@user_view(changing=True, on={"vm_id": Action.STOP})
def stop(caller: ClusterCall, vm_id: Id) -> VMWork:
    """Cut a VM's power; its disk, address and quota stay."""
    return service.change_state(caller, vm_id, OperationKind.VM_STOP)


@user_view(changing=True, on={"vm_id": Action.SHUTDOWN})
def shutdown(caller: ClusterCall, vm_id: Id) -> VMWork:
    """Ask a VM's guest to shut down; its disk, address and quota stay."""
    return service.change_state(caller, vm_id, OperationKind.VM_SHUTDOWN)


@user_view(changing=True, on={"vm_id": Action.PAUSE})
def pause(caller: ClusterCall, vm_id: Id) -> VMWork:
    """Halt a VM's CPUs; its memory stays in place."""
    return service.change_state(caller, vm_id, OperationKind.VM_PAUSE)


@user_view(changing=True, on={"vm_id": Action.RESUME})
def resume(caller: ClusterCall, vm_id: Id) -> VMWork:
    """Let a paused VM go on."""
    return service.change_state(caller, vm_id, OperationKind.VM_RESUME)


@user_view(changing=True, on={"vm_id": Action.STOP})
def suspend(caller: ClusterCall, vm_id: Id) -> VMWork:
    """
    Suspend a running VM: its guest's memory is written to the storage of its root disk, where it counts of its
    account's quota, and its node's CPUs and memory are free for others, until ``wake_up``. Its disks stay as they are
    meanwhile; should the memory not fit, the guest goes on. ``stop`` forgets the memory: the VM is stopped then.
    """
    return service.change_state(caller, vm_id, OperationKind.VM_SUSPEND, before=claim_memory)


@user_view(changing=True, on={"vm_id": Action.START})
def wake_up(caller: ClusterCall, vm_id: Id) -> VMWork:
    """
    Have a suspended VM go on, on any node that reaches its disks and has a CPU like that of its node. Where that fails
    it stays suspended.
    """
    return service.change_state(caller, vm_id, OperationKind.VM_WAKE_UP)


@user_view(changing=True, on={"vm_id": Action.CONSOLE})
def open_console(
    caller: ClusterCall,
    vm_id: Id,
    kind: ConsoleKind = ConsoleKind.SERIAL,
    force: bool = False,
    origin: Origin = "",
) -> ConsoleTicket:
    """
    Let the caller speak to a running VM's serial console, or look at its screen, which ``attach_vnc`` has opened: by a
    WebSocket, whose bytes are the console's, or VNC's without a password.

    :param force: take the serial console from whoever has it; there is one at a time. A screen has any number.
    :param origin: of the page that is to use the ticket, as a browser tells it; without it no page can.
    :return: an address that is good once and for half a minute. At the cluster it needs no other credentials, so it is
        a secret; at the cloud it is ``path`` with ``&cluster=`` and the cluster's name, for the same caller.
    """
    return console.open_console(caller, vm_id, kind, force, origin)


@user_view(on={"vm_id": Action.SEE})
async def get_console(
    caller: AsyncClusterCall, vm_id: Id, limit: Annotated[int, Meta(ge=1, le=262_144)] = 65_536
) -> str:
    """The last bytes of what a VM wrote to its serial console."""
    return await console_log.tail(caller, vm_id, limit)


@user_view(on={"vm_id": Action.CONSOLE})
async def get_screenshot(caller: AsyncClusterCall, vm_id: Id) -> Screenshot:
    """What a running VM's screen shows now, as a picture: also where ``attach_vnc`` has not opened it."""
    return await screenshot.take(caller, vm_id)


@user_view(waiting=True, on={"vm_id": Action.SEE})
async def guest_info(caller: AsyncClusterCall, vm_id: Id) -> GuestInfo:
    """
    What a running VM's guest tells of itself: its host name, system, addresses, file systems, and who is logged in.
    ``way`` says how it was asked; a guest that has no agent is refused with that reason.
    """
    return await guest_agent.guest_info(caller, vm_id)


@user_view(changing=True, waiting=True, on={"vm_id": Action.PASSWORD})
async def password_reset(
    caller: AsyncClusterCall, vm_id: Id, user: Username | None = None, password: Secret | None = None
) -> GuestPassword:
    """
    Give an account of a running VM's guest another password, by the way that the guest has. Its owners may.

    :param user: the guest's account; without it the one that the VM was made for, else its image's, else root.
    :param password: without it one is drawn, and told this once.
    """
    return await guest_agent.reset_password(caller, vm_id, user, password)


@user_view(changing=True, waiting=True, on={"vm_id": Action.KEYS})
async def install_keys(caller: AsyncClusterCall, vm_id: Id, keys: SSHKeys, user: Username | None = None) -> GuestKeys:
    """
    Let SSH keys log in to a running VM's guest, beside those that may. Its owners may.

    :param keys: lines of an authorized_keys file.
    :param user: as of ``password_reset``.
    :return: all keys of that account.
    """
    return await guest_agent.install_keys(caller, vm_id, user, keys)


@user_view(changing=True, waiting=True, on={"vm_id": Action.KEYS})
async def remove_keys(caller: AsyncClusterCall, vm_id: Id, keys: SSHKeys, user: Username | None = None) -> GuestKeys:
    """
    Let SSH keys log in to a running VM's guest no more; those that are not there are no error. Its owners may.

    :param keys: lines of an authorized_keys file, as they are there.
    :param user: as of ``password_reset``.
    :return: the keys that are left of that account.
    """
    return await guest_agent.remove_keys(caller, vm_id, user, keys)


@user_view(changing=True, waiting=True, on={"vm_id": Action.EDIT})
async def set_time(caller: AsyncClusterCall, vm_id: Id) -> GuestChange:
    """Set the clock of a running VM's guest to that of the cluster manager. Its operators may."""
    return await guest_agent.set_time(caller, vm_id)


@user_view(changing=True, waiting=True, on={"vm_id": Action.RESET})
async def reboot(caller: AsyncClusterCall, vm_id: Id) -> GuestChange:
    """
    Ask a running VM's guest to reboot: by the agent that it has, else by Ctrl+Alt+Del, which it may ignore; ``reset``
    asks nobody. Its operators may.
    """
    return await guest_agent.reboot(caller, vm_id)


@user_view(changing=True, waiting=True, on={"vm_id": Action.EDIT})
async def set_hostname(caller: AsyncClusterCall, vm_id: Id, hostname: Hostname) -> GuestHostname:
    """
    Give a running VM's guest another host name, now and after its next boot. The VM's name is not changed by it, nor
    what its network's names call it. Its operators may; it takes Wawel's own agent.
    """
    return await guest_agent.set_hostname(caller, vm_id, hostname)


@user_view(changing=True, waiting=True, on={"vm_id": Action.EDIT})
async def set_hosts(caller: AsyncClusterCall, vm_id: Id, hosts: Hosts) -> GuestChange:
    """
    Say which other hosts a running VM's guest knows by name, in its /etc/hosts, in place of what this said before;
    lines of others' making stay. Its operators may; it takes Wawel's own agent.

    :param hosts: lines of an /etc/hosts; "": none any more.
    """
    return await guest_agent.set_hosts(caller, vm_id, hosts)


@user_view(changing=True, waiting=True, on={"vm_id": Action.PASSWORD})
async def mount_share(
    caller: AsyncClusterCall,
    vm_id: Id,
    kind: ShareKind,
    source: Source,
    mountpoint: Mountpoint,
    user: ShareUser = "",
    password: Secret | None = None,
    key: Secret | None = None,
) -> GuestChange:
    """
    Have a running VM's guest mount what another host shares, until its next boot. The guest needs the programs for it
    (nfs-common, cifs-utils, sshfs). Its owners may; it takes Wawel's own agent.

    :param source: ``host:/path``, of cifs ``//host/share``.
    :param mountpoint: made where it is not there; else an empty directory.
    :param user: as whom at the other end, and ``password``; of cifs and sshfs. Neither is kept here.
    :param key: the private part of an SSH key without a passphrase, in place of the password; of sshfs.
    """
    given = (password.reveal() if password else "", key.reveal() if key else "")
    return await guest_agent.mount_share(caller, vm_id, Share(kind, source, mountpoint, user, *given))


@user_view(changing=True, waiting=True, on={"vm_id": Action.PASSWORD})
async def unmount_share(caller: AsyncClusterCall, vm_id: Id, mountpoint: Mountpoint) -> GuestChange:
    """Have a running VM's guest unmount what ``mount_share`` mounted. Its owners may; it takes Wawel's own agent."""
    return await guest_agent.unmount_share(caller, vm_id, mountpoint)


@user_view(changing=True, waiting=True, on={"vm_id": Action.KEYS})
async def generate_key(caller: AsyncClusterCall, vm_id: Id, user: Username | None = None) -> GuestOwnKey:
    """
    Make an SSH key (Ed25519) for an account of a running VM's guest, within it, if it has none: its private part stays
    there. Its owners may; it takes Wawel's own agent.

    :param user: as of ``password_reset``.
    :return: its public part, which others' ``install_keys`` lets in.
    """
    return await guest_agent.generate_key(caller, vm_id, user)


@user_view(changing=True, waiting=True, on={"vm_id": Action.EDIT})
async def grow_root(caller: AsyncClusterCall, vm_id: Id) -> GuestRoot:
    """
    Have a running VM's guest make its root file system as large as its disk, as after ``user.disk.grow``: the partition
    first, where it is the last one. Its operators may; it takes Wawel's own agent.
    """
    return await guest_agent.grow_root(caller, vm_id)


@user_view(changing=True, on={"vm_id": Action.DRIVE, "iso_image_id": Action.USE})
def insert_cd(
    caller: ClusterCall, vm_id: Id, iso_image_id: Id, device: Device | None = None, force: bool = False
) -> DriveWork:
    """
    Put an ISO image into a CD drive of a VM, running or stopped, in place of what is in it. Its operators may.

    :param device: the drive ("sdw"); else an empty one, the only one, or a new one.
    :param force: also where the guest holds what is in the drive.
    """
    return drive.insert(caller, vm_id, iso_image_id, device, force)


@user_view(changing=True, on={"vm_id": Action.DRIVE})
def eject_cd(caller: ClusterCall, vm_id: Id, device: Device | None = None, force: bool = False) -> DriveWork:
    """
    Take the CD out of a drive of a VM, running or stopped. Its operators may.

    :param device: the drive ("sdw"); may be left out where one has a CD.
    :param force: also where the guest holds it.
    """
    return drive.eject(caller, vm_id, device, force)


@user_view(changing=True, on={"vm_id": Action.DRIVE})
def set_boot_order(caller: ClusterCall, vm_id: Id, devices: Devices) -> RawObject[VM]:
    """
    Say what a VM boots from, from its next start on. Its operators may.

    :param devices: of its disks and drives, first to last, such as ["sdw", "vda"]; those that are left out come after.
    """
    return RawObject(drive.set_boot_order(caller, vm_id, devices))


@user_view(on={"vm_ids": Action.SEE})
def statistics(
    caller: ClusterCall,
    vm_ids: IdList,
    metrics: VMMetrics | None = None,
    resolution_s: Resolution | None = None,
    since: Moment | None = None,
    until: Moment | None = None,
    devices: bool = False,
) -> list[MeasuredVM]:
    """
    What VMs used over a time, as series with totals: CPU, memory, disks, network.

    :param metrics: without it CPU, memory, bytes read and written, received and sent.
    :param resolution_s: that each value stands for; without it as fits some hundred values. Of what is older than fine
        values are kept, coarser ones are told: the answer's own ``resolution_s`` says so.
    :param since: without it an hour before the end, which is now where it is not given.
    :param devices: also of each disk and each network card by itself.
    :return: one entry for each VM. An answer has 50,000 values at the most.
    """
    return vm_statistics(caller, vm_ids, metrics, resolution_s, since, until, devices)


@user_view(on={"vm_ids": Action.SEE})
def get_load(caller: ClusterCall, vm_ids: IdList) -> list[VMLoad]:
    """How busy VMs were over the last 1, 5 and 15 minutes, as means of their CPU: 100 is one CPU."""
    return vm_loads(caller, vm_ids)
