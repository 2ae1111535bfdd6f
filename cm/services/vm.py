"""Use cases of VMs: each writes intent, claims and opens an operation, all in the caller's transaction."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple, cast

from sqlalchemy.orm import Session

from cm.results.vm import SavedVM, Screen, VMOutcome, VMWork
from cm.rpc.errors import CloudError, InvalidParameter, ObjectNotFound, VMBusy, VMGuarded, WrongVMState
from cm.rpc.vocabulary import (
    DiskBus,
    Firmware,
    ImageId,
    ImageKind,
    MachineType,
    MetadataSource,
    PowerOffPolicy,
    StorageId,
    StorageKind,
    UserDataEncoding,
    VMEventCode,
    VolumeMode,
    Wanted,
)
from cm.rules.access import NEEDS, Action, Level, Shared, enough
from cm.rules.cause import Cause
from cm.rules.image import check_least
from cm.rules.imds import NO_CHANGE, ImdsChange
from cm.rules.machine import Machine, MachineChange, asks
from cm.rules.metadata import SEED_BYTES, SEEDED, new_uuid
from cm.rules.names import root_volume, seed_volume
from cm.rules.operation import SPECS, ObjectKind, OperationKind
from cm.rules.placement import LocalRoot, VMRequest
from cm.rules.sizing import Ceiling, Size, check_ceiling
from cm.rules.storage import capabilities
from cm.runtime.database import at_last
from cm.runtime.json_text import array_of, with_members
from cm.services import bandwidth as bandwidths
from cm.services.access import authorized_vm, level_on, person_of, require, require_usable, usable_image
from cm.services.acl import own_groups, share_with_groups
from cm.services.attach_or_create import Asked, Asker, encoded, likely, reserve_all
from cm.services.cached_image import CACHE_S, bring
from cm.services.context import ClusterCall, vnc_password
from cm.services.expiry import give_new
from cm.services.joining import check_free, networks_for
from cm.services.kind import ENDS, look_at_holder
from cm.services.placement import Placing, Seen, explained
from cm.services.saving import reserve_image
from cm.services.security_group import join
from cm.services.storage import StorageDraining
from cm.services.usage import refuse_points
from cm.services.vm_machine import check_machine
from cm.store.access import list_shared_vms
from cm.store.affinity_group import get_affinity_group, peers_in
from cm.store.attachment import attach_image
from cm.store.booking import Booking, Share, book_with_commit
from cm.store.claim import MIB, mib
from cm.store.creation import DiskRow, NicRow, VMRows, insert_vm
from cm.store.expiry import restart_suspension
from cm.store.guest import guest_changed
from cm.store.image import UsableImage
from cm.store.instance import note_event
from cm.store.link import links_changed
from cm.store.nic import AS_IT_IS, Bandwidth, limit_nics
from cm.store.operation import get_operation, open_operation
from cm.store.operation_change import abandon
from cm.store.operation_object import Objects, find_yielding
from cm.store.placement import others_text, verdicts_text
from cm.store.reservation import Seat
from cm.store.resource_pool import put_into_pool
from cm.store.seed import insert_seed
from cm.store.vm import VMRow, find_detail, render_new, render_vm
from cm.store.vm_request import look_up
from cm.store.vm_state import rename_vm, screen_of, want, write_ceiling, write_dns, write_imds, write_policy, write_vnc
from cm.store.vm_template import note_made_by
from cm.store.waking import wake_parent

# What a guarded VM is kept from.
ENDING: Final = frozenset({OperationKind.VM_TRASH, OperationKind.VM_DESTROY, OperationKind.VM_SAVE})


@dataclass(frozen=True)
class NewVM:
    """What a caller asks for; ``count`` VMs alike."""

    name: str
    description: str
    image_id: int
    template_id: int
    iso_list: Sequence[int] = ()
    disk_list: Sequence[int] = ()
    vnc: bool = False
    count: int = 1
    user_data: str = field(default="", repr=False)
    user_data_encoding: UserDataEncoding = UserDataEncoding.AUTO
    ssh_key: str = ""
    ssh_username: str = ""
    on_poweroff: PowerOffPolicy = PowerOffPolicy.STOP
    guarded: bool = False
    mode: str = "overlay"
    disk_mib: int | None = None
    local_disk: bool | None = None
    groups: Sequence[int] = ()
    new_disks: Sequence[Asked] = ()  # of each VM
    networks: Sequence[int] = ()  # one for each NIC
    addresses: Sequence[str] = ()  # likewise, "" where any will do; of one VM alone
    security_groups: Sequence[int] | None = None  # of each NIC; None: the default one, of those on users' networks
    bandwidth: Bandwidth = AS_IT_IS  # of each NIC
    metadata: MetadataSource | None = None  # as the image says
    machine: MachineChange = MachineChange()  # likewise
    ceiling: Ceiling = Ceiling()  # what they may have while they run
    imds: ImdsChange = NO_CHANGE  # against what the image says
    affinity_group_id: int | None = None
    expiry_id: int | None = None
    vm_template_id: int | None = None  # that has said what the caller did not
    resource_pool_id: int | None = None  # that they count in, which has room for them
    traits: frozenset[str] = frozenset()  # that their nodes must have, beside those of their size
    names: Sequence[str] = ()  # of each, where ``name`` is not to be numbered
    dns: str = ""  # whom their guests ask for names; "": whom their networks say
    noted: Mapping[str, Any] = field(default_factory=dict)  # in the arguments of their operations
    waits_s: float = 0.0  # that these may wait before they begin


@dataclass(frozen=True)
class Made:
    """
    VMs that are made, and not booked yet.

    :ivar summaries: as JSON texts. :ivar held: what they hold of account, storages and nodes.
    """

    summaries: list[str]
    ids: list[int]
    operation_ids: list[int]
    held: Booking


def create(caller: ClusterCall, new: NewVM) -> list[str]:
    """
    Claim everything ``new.count`` VMs need and open an operation for each. All are made, or none. What they hold of
    account, storage and nodes is booked last: everybody's creates wait for these rows.

    :return: the VMs' summaries, as JSON texts.
    """
    made = make(caller, new)
    book_with_commit(caller.session, made.held)
    return made.summaries


def make(caller: ClusterCall, new: NewVM, placing: Placing | None = None) -> Made:
    """
    The same, but for the booking, which is left to the caller: of what one call makes by several of these it is one.

    :param placing: of VMs that the same call has made before, whose requests asked for as many storages.
    """
    session, account_id = caller.session, caller.account_id
    person = person_of(caller.identity)
    issuer = own_groups(caller, "groups", new.groups) if new.groups else ""
    requested = look_up(session, account_id, new.template_id, new.image_id)
    template = requested.size
    if template is None:
        raise ObjectNotFound("template", new.template_id)
    image = require_usable(session, new.image_id, requested.image, person, [ImageKind.SYSTEM, ImageKind.ISO])
    blank = image.kind is ImageKind.ISO
    if image.storage_draining:
        raise StorageDraining(image.storage_id)
    check_ceiling(Size(template.cpu, template.memory_mib), new.ceiling)
    size_bytes = _root_size(image, new.disk_mib, template.disk_mib)
    check_least(
        image.id,
        least_memory_mib=image.least_memory_mib,
        least_disk_bytes=image.least_disk_bytes,
        memory_mib=template.memory_mib,
        disk_bytes=size_bytes,
    )
    local = template.local_disk if new.local_disk is None else new.local_disk
    if local and blank:
        if new.local_disk:
            raise InvalidParameter("local_disk", f"image {image.id} is an ISO, which no node copies")
        local = False
    source = MetadataSource(image.metadata_source) if new.metadata is None else new.metadata
    machine = Machine(Firmware(image.firmware), MachineType(image.machine)).changed(new.machine)
    kind = StorageKind.DIR if local else StorageKind(image.storage_kind)
    check_machine(session, machine, bus=image.bus, storage_id=image.storage_id, storage_kind=kind)
    seed_bytes = 0
    if source in SEEDED:
        seed_bytes = capabilities(StorageKind.DIR if local else image.storage_kind).whole(SEED_BYTES)
    held = Booking(
        account_id,
        template.cpu * new.count,
        template.memory_mib * new.count,
        (mib(size_bytes) + mib(seed_bytes)) * new.count,
        new.count,
        {} if local else {image.storage_id: (size_bytes + seed_bytes) * new.count},
    )
    requested.refuse(held)
    refuse_points(session, account_id, caller.policy)
    caller.note("claim quota", cpu=held.cpu, memory_mib=held.memory_mib, vms=new.count)
    extra = [usable_image(session, i, person, [ImageKind.ISO]) for i in new.iso_list]
    extra += [usable_image(session, i, person, [ImageKind.STORAGE]) for i in new.disk_list]
    wanted = frozenset({StorageId(image.storage_id)})
    needs = asks(machine.firmware, machine.machine, image.architecture)
    request = VMRequest(template.cpu, template.memory_mib, wanted, traits=new.traits.union(template.traits), asks=needs)
    placed_on = networks_for(caller, new.networks, requested.found.network_id, requested.found.has_pools)
    links = any(place.links for place in placed_on)
    nics = _nics(session, image.nic_model, [place.network_id for place in placed_on], new)
    if links:
        uplinks = frozenset(place.uplink for place in placed_on if place.uplink)
        request = replace(request, links=True, uplinks=uplinks)
    if local:
        root = LocalRoot(ImageId(image.id), size_bytes + seed_bytes, image.size_bytes)
        request = replace(request, storages=frozenset(), local=root)
    # Disks and ISOs go to the first VM, as in CC1: a writable disk has one user.
    if new.new_disks:
        found = likely(session, new.new_disks, account_id, Seat(image.storage_id, beside=request.storages))
        request = replace(request, storages=request.storages | found)
    first = replace(request, storages=request.storages | {StorageId(image.storage_id) for image in extra})
    if new.affinity_group_id is not None:
        get_affinity_group(session, new.affinity_group_id, account_id=account_id, lock=True)
        peers = peers_in(session, new.affinity_group_id)
        first, request = replace(first, peers=peers), replace(request, peers=peers)
    reservation = uuid.uuid4()
    made: list[str] = []
    ids: list[int] = []
    operation_ids: list[int] = []
    placed: Counter[int] = Counter()
    if placing is None:
        seen = Seen(frozenset({StorageId(image.storage_id)}), requested.lines)
        placing = Placing(session, caller.policy.placement, seen=seen)
    own: Counter[int] = Counter()  # bytes by storage
    for number in range(1, new.count + 1):
        decision = placing.decide(first if number == 1 else request)
        placed[decision.node_id] += 1
        if request.peers is not None:
            request = replace(request, peers=request.peers.joined(decision.node_id))
        base = Base(image.storage_id, image.storage_kind, image.volume_id)
        seconds = SPECS[OperationKind.VM_CREATE].seconds + new.waits_s
        if decision.own is not None:
            present, more = bring(
                session, image.id, decision.own.id, decision.node_id, account_id=account_id, cause=caller.cause
            )
            base = Base(decision.own.id, StorageKind.DIR, present.volume_id)
            own[base.storage_id] += size_bytes + seed_bytes + more
            seconds += 0 if present.made else CACHE_S
            caller.note("claim own storage", storage_id=base.storage_id, size_bytes=size_bytes, copy_bytes=more)
        name = new.name if new.count == 1 else f"{new.name[:90]}_{number}"
        if new.names:
            name = new.names[number - 1]
        key = new_uuid(source)
        disks = dict(enumerate(new.new_disks, 1 + (len(extra) if number == 1 else 0)))
        inserted = insert_vm(
            session,
            VMRows(
                uuid=key,
                name=name,
                description=new.description,
                account_id=account_id,
                image_id=image.id,
                template_id=template.id,
                reservation_id=reservation,
                cpu=template.cpu,
                memory_mib=template.memory_mib,
                user_data=new.user_data,
                user_data_encoding=new.user_data_encoding,
                ssh_key=new.ssh_key,
                ssh_username=new.ssh_username,
                on_poweroff=new.on_poweroff,
                vnc=new.vnc,
                node_id=decision.node_id,
                affinity_group_id=new.affinity_group_id,
                metadata_source=source,
                firmware=machine.firmware,
                machine=machine.machine,
                boot_menu_s=machine.boot_menu_s,
                cpu_model=machine.cpu_model,
                nvram_storage_id=base.storage_id if machine.firmware is Firmware.UEFI else None,
                disks=(_root_disk(key, image, base, new.mode, size_bytes),),
                nics=nics,
                verdicts=verdicts_text(decision.verdicts),
                others=others_text(decision.others),
                seconds=seconds,
                cause=caller.cause,
                **({"arguments": encoded(disks, new.noted)} if disks or new.noted else {}),
            ),
        )
        vm_id = inserted.vm_id
        if seed_bytes:
            insert_seed(session, vm_id, base.storage_id, seed_volume(key), seed_bytes)
        if links:
            links_changed(session, vm_id)
        if disks:
            seat = Seat(image.storage_id, decision.node_id)
            asker = Asker(vm_id, str(key), account_id)
            at_last(session, reserve_all, disks, seat, asker, inserted.operation_id)
        if blank or (number == 1 and extra):
            isos = [image.id] if blank else []
            if number == 1:
                isos += [iso for iso in new.iso_list if iso not in isos]
            attach_images(session, vm_id, isos, new.disk_list if number == 1 else ())
            summary = render_vm(session, vm_id, "enter")
        else:
            summary = render_new(session, inserted.row)
        if new.vnc:
            password = vnc_password(caller.policy.secret, str(key), 1)
            summary = with_members(summary, {"vnc_password": password})
        made.append(summary)
        ids.append(vm_id)
        operation_ids.append(inserted.operation_id)
        if caller.dry_run:
            caller.note("place", vm=name, node_id=decision.node_id, **explained(decision))
        caller.note("lease", vm=name, address=" ".join(map(str, inserted.addresses)), vnc_port=inserted.port)
        if disks:
            caller.note("disks", vm=name, size_mib=[mib(disk.size_bytes) for disk in disks.values()])
        caller.note("operation", vm=name, kind=OperationKind.VM_CREATE, steps=["volumes", "launch"])
    if new.bandwidth:
        bandwidths.check(caller, new.bandwidth)
        limit_nics(session, ids, None, new.bandwidth)
    if new.security_groups is not None or any(nic.network_id is not None for nic in nics):
        join(session, account_id, ids, new.security_groups)
    if new.vm_template_id is not None:
        note_made_by(session, ids, new.vm_template_id, new.traits)
    if new.resource_pool_id is not None:
        put_into_pool(session, ids, new.resource_pool_id)
    if new.guarded:
        write_policy(session, ids, None, True)
    if new.dns:
        write_dns(session, ids, new.dns)
    if new.ceiling != Ceiling():
        write_ceiling(session, ids, new.ceiling)
    give_new(caller, ids, new.expiry_id)
    if new.imds:
        write_imds(session, ids, new.imds)
    if new.groups:
        share_with_groups(session, Shared.VM, ids, issuer, new.groups)
        caller.note("share", vms=len(ids), groups=list(new.groups), level=Level.USER)
    shares = {n: Share(template.cpu * count, template.memory_mib * count, count) for n, count in placed.items()}
    held = replace(held, storages={**held.storages, **own}, own=frozenset(own), nodes=shares)
    return Made(made, ids, operation_ids, held)


def _nics(session: Session, model: str, networks: Sequence[int | None], new: NewVM) -> tuple[NicRow, ...]:
    """
    :raises InvalidParameter: addresses of several VMs, of no network that was named, or twice the same.
    :raises AddressTaken: a NIC has one of them.
    """
    if not new.addresses:
        return tuple(NicRow(model, network_id) for network_id in networks)
    if new.count > 1 or len(new.addresses) != len(new.networks):
        raise InvalidParameter("addresses", "give one for each of networks, of one VM; an empty one is drawn")
    wanted = [(network_id, address) for network_id, address in zip(networks, new.addresses, strict=True) if address]
    if len(set(wanted)) != len(wanted):
        raise InvalidParameter("addresses", "one is there twice")
    for network_id, address in wanted:
        check_free(session, network_id, address)
    pairs = zip(networks, new.addresses, strict=True)
    return tuple(NicRow(model, network_id, address or None) for network_id, address in pairs)


def _root_size(image: UsableImage, disk_mib: int | None, template_mib: int) -> int:
    """
    In bytes.

    :param disk_mib: what the caller asks for; ``template_mib``: what counts if they ask for none and the image is not
        larger.

    :raises InvalidParameter: the image does not fit: its file systems would be cut off.
    """
    whole = capabilities(image.storage_kind).whole
    if image.kind is ImageKind.ISO:
        if not (disk_mib or template_mib):
            raise InvalidParameter("disk_mib", f"image {image.id} is an ISO: it needs an empty disk to install on")
        return whole((disk_mib or template_mib) * MIB)
    if disk_mib is None:
        return whole(max(image.size_bytes, template_mib * MIB))
    if disk_mib * MIB < image.size_bytes:
        raise InvalidParameter("disk_mib", f"is less than the {mib(image.size_bytes)} MiB of image {image.id}")
    return whole(disk_mib * MIB)


class Base(NamedTuple):
    """What a root disk is made from, and lies beside: an image, or its copy on a node's own storage."""

    storage_id: int
    kind: str  # the storage's
    volume_id: int


def _root_disk(key: uuid.UUID, image: UsableImage, base: Base, mode: str, size_bytes: int) -> DiskRow:
    """Where the storage has no overlays it is a full copy; of an ISO it is an empty one."""
    device = "vda" if image.bus == DiskBus.VIRTIO else "sda"
    can = capabilities(base.kind)
    how = can.mode(VolumeMode(mode))
    volume = root_volume(key, can.format)
    if image.kind is ImageKind.ISO:
        whole = VolumeMode.WHOLE
        return DiskRow(base.storage_id, None, volume, device, image.bus, whole, size_bytes, can.format)
    return DiskRow(base.storage_id, base.volume_id, volume, device, image.bus, how, size_bytes, can.format)


def attach_images(session: Session, vm_id: int, isos: Sequence[int], disks: Sequence[int]) -> None:
    """
    :raises InvalidParameter: there are too many.
    :raises InUse: a storage image is attached to another VM.
    """
    for number, image_id in enumerate(disks):
        if number >= 24:
            raise InvalidParameter("disk_list", "more than 24 disks")
        attach_image(session, vm_id, image_id, f"vd{chr(ord('b') + number)}", read_only=False)
    for number, image_id in enumerate(isos):
        if number >= 4:
            raise InvalidParameter("iso_list", "more than 4 ISO images")
        attach_image(session, vm_id, image_id, f"sd{chr(ord('w') + number)}", read_only=True)


# ------------------------------------------------------------------ what callers see


def detail(caller: ClusterCall, vm_id: int, *, administrator: bool = False) -> str:
    """
    Everything that a caller may know of one VM, as JSON text.

    :raises ObjectNotFound: absent, not shared with the caller, or destroyed and somebody else's.
    """
    found = find_detail(caller.session, vm_id)
    if found is None:
        raise ObjectNotFound("vm", vm_id)
    who = None if administrator else person_of(caller.identity)
    level = level_on(caller.session, who, Shared.VM, vm_id, found.account_id, live=not found.closed)
    require(level, Shared.VM, vm_id, NEEDS[Shared.VM, Action.SEE if who is None else caller.action("vm_id")])
    assert level is not None
    return found.text(level, secrets=enough(level, NEEDS[Shared.VM, Action.SECRETS]))


def shared_list(caller: ClusterCall, limit: int, before: int | None) -> str:
    """Others' live VMs that are shared with the caller, newest first, as JSON text."""
    found = list_shared_vms(caller.session, person_of(caller.identity), limit=limit, before=before)
    return array_of(with_members(summary, {"user_login": login, "access": level}) for summary, login, level in found)


# ------------------------------------------------------------------ changes of state


def change_state(
    caller: ClusterCall,
    vm_id: int,
    kind: OperationKind,
    *,
    administrator: bool = False,
    arguments: dict[str, Any] | None = None,
    before: Callable[[Session, VMRow], Objects] | None = None,
) -> VMWork:
    """
    Write the intent of ``kind`` and open its operation.

    Whoever asks, the VM's account pays: what is claimed is claimed of its quota.

    :param before: further checks and claims, under the VM's lock; it gives what the operation is about beside the VM.
    :raises ObjectNotFound: absent, not shared with the caller, or destroyed and somebody else's.
    :raises AccessNeeded: the caller may see it, and not do this.
    :raises WrongVMState: its state does not allow this.
    :raises VMGuarded: it would end the VM, whose owner does not want that; administrators do it all the same.
    :raises PointsUsedUp: it would be started or woken up, and its account has used up its points.
    :raises VMBusy: another operation is under way; destroy alone ends an interruptible one.
    """
    session = caller.session
    who = None if administrator else person_of(caller.identity)
    spec = SPECS[kind]
    assert spec.wanted is not None, kind
    action = Action.SEE if who is None else caller.action("vm_id", "vm_ids")
    row = authorized_vm(session, who, vm_id, action, lock=True, version=caller.if_version)
    if row.closed_at is not None:
        raise WrongVMState(vm_id, row.state, " or ".join(sorted(spec.allowed)))
    if who is not None and row.guarded and kind in ENDING:
        raise VMGuarded(vm_id)
    if kind is OperationKind.VM_DESTROY and row.operation_kind and SPECS[row.operation_kind].interruptible:
        assert row.operation_id is not None
        interrupt(session, row.operation_id)
        caller.note("give up", operation_id=row.operation_id, kind=row.operation_kind)
    elif row.operation_id is not None:  # before anything is claimed beside what that holds
        raise VMBusy(vm_id, row.operation_id, row.operation_kind or "")
    elif row.state not in spec.allowed:
        raise WrongVMState(vm_id, row.state, " or ".join(sorted(spec.allowed)))
    if kind in (OperationKind.VM_START, OperationKind.VM_WAKE_UP) and who is not None:
        refuse_points(session, row.account_id, caller.policy)
    if kind in (OperationKind.VM_START, OperationKind.VM_WAKE_UP):
        restart_suspension(session, vm_id)
    if kind is OperationKind.VM_DESTROY:
        for yielding_id in find_yielding(session, ObjectKind.VM, vm_id):
            interrupt(session, yielding_id)
    beside = {} if before is None else before(session, row)
    operation_id = open_operation(
        session,
        kind,
        account_id=caller.account_id or None,
        objects={ObjectKind.VM: [vm_id], **beside},
        node_id=row.node_id,
        arguments=arguments,
        cause=caller.cause,
    )
    want(session, vm_id, spec.wanted)
    render_vm(session, vm_id)
    caller.note("operation", vm_id=vm_id, kind=kind, node_id=row.node_id)
    return {"vm_id": vm_id, "operation_id": operation_id}


def interrupt(session: Session, operation_id: int) -> None:
    """
    Give an operation up. A worker that is at it keeps its mark until it has stopped, and who follows waits for that.

    :raises NotAbandonable: what it does cannot be undone now.
    """
    given_up = abandon(session, operation_id)
    if given_up is not None:
        ENDS[given_up.kind].interrupted(session, given_up.vm_id)
        op = get_operation(session, operation_id)
        ENDS[given_up.kind].dropped(session, op)
        look_at_holder(session, op)
        wake_parent(session, given_up.parent_id)


def begin_destroy(session: Session, row: VMRow, *, account_id: int | None, cause: Cause) -> int:
    """
    Begin to end a VM under lock, for nobody's call; what yields ends before.

    :return: the operation.
    :raises VMBusy: NotAbandonable: work that holds it is under way, or what yields cannot end now.
    """
    for yielding_id in find_yielding(session, ObjectKind.VM, row.id):
        interrupt(session, yielding_id)
    operation_id = open_operation(
        session,
        OperationKind.VM_DESTROY,
        account_id=account_id,
        objects={ObjectKind.VM: [row.id]},
        node_id=row.node_id,
        cause=cause,
    )
    want(session, row.id, Wanted.DESTROYED)
    render_vm(session, row.id)
    return operation_id


def for_each(
    caller: ClusterCall, vm_ids: Sequence[int], act: Callable[[int], VMWork | VMOutcome]
) -> list[VMOutcome]:
    """
    CC1's shape for lists of VMs: one entry per VM with ``status`` "ok" or the error's slug; one VM's refusal does not
    stop the others.
    """
    answers: list[VMOutcome] = []
    for vm_id in vm_ids:
        try:
            with caller.session.begin_nested():
                answers.append(cast(VMOutcome, {"status": "ok", **act(vm_id)}))
        except CloudError as error:
            caller.note("refuse", vm_id=vm_id, status=error.code, message=str(error))
            answers.append({"status": error.code, "vm_id": vm_id, "message": str(error), "fields": error.details()})
    return answers


def save_and_shutdown(caller: ClusterCall, vm_id: int, name: str, description: str) -> SavedVM:
    """
    Shut the guest down and keep its root disk as a new system image; the VM ends as by destroy. The image is the VM's
    account's, whoever asks.

    :raises QuotaReached: the image would not fit the owner's storage quota; nothing is stopped then.
    """
    made: list[int] = []

    def reserve(session: Session, row: VMRow) -> Objects:
        made.append(reserve_image(session, row, name, description))
        return {ObjectKind.IMAGE: made}

    answer = change_state(caller, vm_id, OperationKind.VM_SAVE, before=reserve)
    return {**answer, "image_id": made[0]}


def edit(
    caller: ClusterCall,
    vm_id: int,
    name: str | None,
    description: str | None,
    *,
    dns: str | None = None,
    always: bool = False,
) -> str:
    """
    Change a VM's name, description or servers for names; what is None stays. Its summary, as JSON text.

    :param dns: addresses, separated by blanks.
    :param always: its history tells of the name, also where that was its name already.
    """
    who = person_of(caller.identity)
    row = authorized_vm(caller.session, who, vm_id, caller.action("vm_id"), lock=True, version=caller.if_version)
    if row.closed_at is not None:
        raise WrongVMState(vm_id, row.state, "a VM that is not destroyed")
    rename_vm(caller.session, vm_id, name, description)
    if name is not None and (always or name != row.name):
        told = {"old_name": row.name, "new_name": name}
        note_event(caller.session, vm_id, VMEventCode.RENAME, caller.account_id, told)
    if dns is not None:
        write_dns(caller.session, [vm_id], dns)
        guest_changed(caller.session, vm_id)
    if name is not None or dns is not None:
        links_changed(caller.session, vm_id)
    caller.note("edit", vm_id=vm_id)
    return render_vm(caller.session, vm_id)


def set_vnc(caller: ClusterCall, vm_id: int, enabled: bool) -> Screen:
    """
    Attach or detach a VM's VNC. Attaching makes a new password each time; detaching ends it.

    :return: with ``operation_id``; when attached also the address, port and password.
    """
    session = caller.session
    who = person_of(caller.identity)
    row = authorized_vm(session, who, vm_id, caller.action("vm_id"), lock=True, version=caller.if_version)
    allowed = SPECS[OperationKind.VM_VNC].allowed
    if row.state not in allowed:
        raise WrongVMState(vm_id, row.state, " or ".join(sorted(allowed)))
    generation = row.vnc_generation + 1
    write_vnc(session, vm_id, enabled, generation)
    operation_id = open_operation(
        session,
        OperationKind.VM_VNC,
        account_id=caller.account_id,
        objects={ObjectKind.VM: [vm_id]},
        node_id=row.node_id,
        cause=caller.cause,
    )
    render_vm(session, vm_id)
    caller.note("operation", vm_id=vm_id, kind=OperationKind.VM_VNC, enabled=enabled)
    answer: Screen = {"vm_id": vm_id, "operation_id": operation_id}
    if enabled:
        screen = screen_of(session, vm_id)
        answer["address"] = screen.address if screen else None
        answer["port"] = screen.port if screen else None
        answer["password"] = vnc_password(caller.policy.secret, row.uuid, generation)
    return answer
