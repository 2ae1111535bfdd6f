"""
Taking a domain into the records: one that Wawel made, and that the database does not know, or knows elsewhere, since an
older dump of it was restored. The domain goes on as it is; what it holds becomes its VM's.

Whatever the domain takes of its node and its storage is counted, full or not, for it does take it; only a quota may
refuse.
"""

from __future__ import annotations

import json
import re
import secrets
import uuid as uuid_module
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from sqlalchemy.orm import Session

from cm.interfaces.hypervisor import DiskDescription, DomainDescription, DomainSeen
from cm.interfaces.volume import VolumeSeen
from cm.results.vm import VM
from cm.rpc.errors import (
    CannotAdopt,
    DomainNotFound,
    InUse,
    InvalidParameter,
    ObjectNotFound,
    RunsElsewhere,
    VMBusy,
    VolumeNotFound,
)
from cm.rpc.vocabulary import DiskBus, DiskFormat, Firmware, NicModel, Seen
from cm.rules.cause import Cause
from cm.rules.machine import NVRAM_DIRECTORY
from cm.rules.metadata import source_of
from cm.rules.names import CONSOLE_DIRECTORY, domain_name, nvram_name, pool_name, root_volume, seed_volume, vm_of_domain
from cm.rules.network import Address
from cm.rules.operation import ObjectKind, OperationKind
from cm.rules.vm import GONE
from cm.runtime.taken import refused_by
from cm.services.context import AsyncClusterCall, ClusterCall, Services
from cm.services.suspension import forget_memory
from cm.store.adopting import (
    AdoptedVM,
    Evidence,
    close_findings,
    find_attachable,
    find_system_image,
    find_template,
    insert_adopted,
    insert_adopted_disk,
    is_system_image,
    lock_port,
    place_where_seen,
    storages_by_directory,
    take_port,
)
from cm.store.attachment import attach_image
from cm.store.claim import count_node, count_quota, count_storage, mib, release_node
from cm.store.creation import DiskRow
from cm.store.nic import insert_nic, lock_lease, nics_of
from cm.store.node import get_node
from cm.store.operation import open_operation
from cm.store.placement import record_placement
from cm.store.unknown import forget_domain, our_addresses, pass_numbers
from cm.store.vm import VMRow, find_by_uuid, find_detail, get_vm, render_vm

_OLD_SECRET: Final = re.compile(r"/nocloud/([A-Za-z0-9_-]{16,64})/")  # in the serial of VMs of an earlier release


@dataclass(frozen=True)
class Wanted:
    """What the administrator says of it; None is found out."""

    user_id: int
    name: str | None
    image_id: int | None
    template_id: int | None
    force: bool


@dataclass(frozen=True)
class Place:
    """A disk's volume. ``storage_id`` and what it is called there."""

    storage_id: int
    volume: str


@dataclass(frozen=True)
class Found:
    """What the node says of the domain."""

    seen: DomainSeen
    domain: DomainDescription
    root: VolumeSeen
    root_place: Place
    others: tuple[tuple[DiskDescription, Place], ...]
    nvram: tuple[int, str] | None = None  # storage and directory of its firmware's variables, with UEFI


async def adopt(caller: AsyncClusterCall, node_id: int, uuid: str, wanted: Wanted) -> VM:
    """
    Look at a domain and at its root volume on its node, and make a VM of it, or place its VM there.

    :return: the VM's summary.
    :raises DomainNotFound: the node has none of that uuid.
    :raises CannotAdopt: it is none that Wawel made, or its disk or its VM is not as it must be; the reason says what.
    :raises InUse: its number, address or port is another VM's.
    :raises QuotaReached: the user's quota would be exceeded; ``force`` exceeds it.
    """
    services = caller.services
    await services.database.read(get_node, node_id)
    try:
        key = str(uuid_module.UUID(uuid))
    except ValueError:
        raise InvalidParameter("uuid", "it is no UUID") from None
    found = await _look(services, node_id, key)
    known = await services.database.read(find_by_uuid, key)
    elsewhere = known is not None and known.node_claimed and known.node_id != node_id
    if elsewhere and not wanted.force:
        assert known is not None and known.node_id is not None
        if (await services.fleet.node(known.node_id).hypervisor.look(key)).state is not Seen.ABSENT:
            raise RunsElsewhere(known.id, known.node_id)
    summary: VM = json.loads(await services.database.transact(_adopt, caller, node_id, found, wanted))
    return summary


async def _look(services: Services, node_id: int, uuid: str) -> Found:
    seen = await services.fleet.node(node_id).hypervisor.look(uuid)
    domain = await services.fleet.node(node_id).hypervisor.describe(uuid)
    if seen.state is Seen.ABSENT or domain is None:
        raise DomainNotFound(uuid)
    paths = await services.database.read(storages_by_directory, node_id)
    places = []
    for disk in domain.disks:
        pure = PurePosixPath(disk.path)
        storage_id = paths.get(str(pure.parent))
        if storage_id is None:
            raise CannotAdopt(domain.name, f"its disk {disk.path} is in no storage that is attached to the node")
        places.append((disk, Place(storage_id, pure.name)))
    names = {root_volume(uuid, format) for format in DiskFormat}
    roots = [(disk, place) for disk, place in places if place.volume in names]
    if len(roots) != 1:
        raise CannotAdopt(domain.name, f"it has no disk {root_volume(uuid)}")
    disk, place = roots[0]
    root = await services.fleet.node(node_id).volumes.find(pool_name(place.storage_id), place.volume)
    if root is None:
        raise VolumeNotFound(pool_name(place.storage_id), place.volume)
    others = tuple(each for each in places if each[0] is not disk)
    return Found(seen, domain, root, place, others, _nvram(domain, paths))


def _nvram(domain: DomainDescription, paths: Mapping[str, int]) -> tuple[int, str] | None:
    """
    The storage of its variables, and the directory of their own there, "" where they have none.

    :param paths: of the node's storages.
    :raises CannotAdopt: its UEFI keeps its variables elsewhere than we do.
    """
    if domain.firmware is Firmware.BIOS:
        return None
    path = PurePosixPath(domain.nvram)
    common = path.parent if path.parent.name == NVRAM_DIRECTORY else path.parent.parent
    storage_id = paths.get(str(common.parent))
    if storage_id is None or (common.name, path.name) != (NVRAM_DIRECTORY, nvram_name(domain.uuid)):
        raise CannotAdopt(domain.name, f"its firmware keeps its variables at {domain.nvram or 'no place that is told'}")
    return storage_id, "" if common == path.parent else path.parent.name


# ------------------------------------------------------------------ in one transaction


def _adopt(session: Session, caller: ClusterCall, node_id: int, found: Found, wanted: Wanted) -> str:
    row = find_by_uuid(session, found.domain.uuid, lock=True)
    if row is None:
        vm_id = _make(session, node_id, found, wanted)
    else:
        vm_id = _take_back(session, row, node_id, found, wanted, caller.cause)
    pass_numbers(session, vm_id)
    forget_domain(session, node_id, found.domain.uuid)
    close_findings(session, found.domain.uuid)
    if found.seen.state in GONE:
        # Its definition is forgotten as any stopped VM's, and the node's share goes back.
        _open(session, caller, OperationKind.VM_STOP, vm_id, node_id)
    elif found.domain.ports:
        # Whatever password its screen has is no longer known to anybody here.
        _open(session, caller, OperationKind.VM_VNC, vm_id, node_id)
    return render_vm(session, vm_id, "enter" if row is None else "change")


def _open(session: Session, caller: ClusterCall, kind: OperationKind, vm_id: int, node_id: int) -> None:
    open_operation(
        session,
        kind,
        account_id=caller.account_id or None,
        objects={ObjectKind.VM: [vm_id]},
        node_id=node_id,
        cause=caller.cause,
    )


def _make(session: Session, node_id: int, found: Found, wanted: Wanted) -> int:
    domain = found.domain
    number = vm_of_domain(domain.name)
    if number is None:
        raise CannotAdopt(domain.name, "it is not named as Wawel names its own, vm-NUMBER")
    if domain.vcpus < 1 or domain.memory_mib < 1:
        raise CannotAdopt(domain.name, "its definition has no CPUs or no memory")
    image_id, backing_id = _image(session, found, wanted.image_id)
    size = found.root.capacity_bytes
    count_quota(
        session, wanted.user_id, cpu=domain.vcpus, memory_mib=domain.memory_mib, storage_mib=mib(size), vms=1,
        force=wanted.force,
    )  # fmt: skip
    count_storage(session, found.root_place.storage_id, size)
    count_node(session, node_id, cpu=domain.vcpus, memory_mib=domain.memory_mib)
    old = _OLD_SECRET.search(domain.smbios_serial)
    row = AdoptedVM(
        id=number,
        uuid=uuid_module.UUID(domain.uuid),
        name=wanted.name or domain.title.strip()[:100] or domain.name,
        account_id=wanted.user_id,
        image_id=image_id,
        template_id=_template(session, domain, wanted.template_id),
        reservation_id=uuid_module.uuid4(),
        cpu=domain.vcpus,
        memory_mib=domain.memory_mib,
        secret=old[1] if old and old[1] != domain.uuid else secrets.token_urlsafe(24),
        node_id=node_id,
        metadata_source=source_of(domain.smbios_serial, domain.uuid),
        firmware=domain.firmware,
        nvram_storage_id=found.nvram[0] if found.nvram else None,
        nvram_directory=found.nvram[1] if found.nvram else "",
    )
    with refused_by(session, {"pk_vm": InUse("VM number", number, "another VM")}):
        insert_adopted(session, row, _evidence(node_id, found))
    insert_adopted_disk(session, number, _root_disk(found, backing_id))
    for disk, place in found.others:
        _attach(session, number, domain, disk, place)
    for order, (address, nic) in enumerate(zip(_addresses(domain), domain.nics, strict=True)):
        if nic.model not in set(NicModel):
            raise CannotAdopt(domain.name, f"it has a network card of a model that is not known here: {nic.model}")
        _nic(session, number, order, address, nic.model)
    _port(session, number, node_id, domain)
    record_placement(session, number, node_id)
    return number


def _evidence(node_id: int, found: Found) -> Evidence:
    """The intent that it suggests: that it goes on as it is."""
    state = found.seen.state
    intent = {Seen.RUNNING: "running", Seen.PAUSED: "paused"}.get(state, "stopped")
    logged = PurePosixPath(found.domain.console_log or "").parent == PurePosixPath(CONSOLE_DIRECTORY)
    return Evidence(intent, state, found.seen.reason, node_id if logged else None)


def _root_disk(found: Found, backing_id: int | None) -> DiskRow:
    disk = next(d for d in found.domain.disks if PurePosixPath(d.path).name == found.root_place.volume)
    ending = PurePosixPath(disk.path).suffix[1:]
    if disk.format not in ("", ending):
        raise CannotAdopt(found.domain.name, f"its root disk is {disk.format}, not {ending}")
    if disk.bus not in set(DiskBus):
        raise CannotAdopt(found.domain.name, f"its root disk is on a bus that is not known here: {disk.bus}")
    return DiskRow(
        storage_id=found.root_place.storage_id,
        backing_id=backing_id,
        volume=found.root_place.volume,
        device=disk.device,
        bus=disk.bus,
        mode="overlay" if backing_id is not None else "copy",
        size_bytes=found.root.capacity_bytes,
        format=ending,
    )


def _image(session: Session, found: Found, image_id: int | None) -> tuple[int, int | None]:
    """
    The system image that the VM counts as made of, and its volume, if the disk stands on it.

    :raises CannotAdopt: its disk stands on an image that is not on record.
    """
    base = PurePosixPath(found.root.base).name if found.root.base else ""
    below = find_system_image(session, found.root_place.storage_id, base)
    if below is not None and image_id in (None, below.id):
        return below
    if below is not None:
        raise InvalidParameter("image_id", f"its disk stands on image {below.id}")
    if image_id is None:
        what = f"its disk stands on {base}, of which there is no record" if base else "its disk stands alone"
        raise CannotAdopt(found.domain.name, f"{what}: say by image_id which image it is to count as made of")
    if not is_system_image(session, image_id):
        raise ObjectNotFound("image", image_id)
    return image_id, None


def _template(session: Session, domain: DomainDescription, template_id: int | None) -> int:
    """The template that the VM counts as made by: the one asked for, or one of its size."""
    found = find_template(session, template_id, cpu=domain.vcpus, memory_mib=domain.memory_mib)
    if found is not None:
        return found
    if template_id is not None:
        raise ObjectNotFound("template", template_id)
    size = f"{domain.vcpus} CPUs and {domain.memory_mib} MiB"
    raise CannotAdopt(domain.name, f"no template has its size, {size}: say by template_id which it counts as made by")


def _attach(session: Session, vm_id: int, domain: DomainDescription, disk: DiskDescription, place: Place) -> None:
    """A disk that is an image of its own: it is attached, as it was."""
    if place.volume == seed_volume(domain.uuid):
        return  # its guest has read it; once the domain ends it is nobody's, and goes
    image = find_attachable(session, place.storage_id, place.volume)
    if image is None:
        raise CannotAdopt(domain.name, f"of its disk {disk.path} there is no record")
    read_only = disk.read_only or disk.cdrom
    if image.writer_id is not None and not read_only:
        raise InUse("image", image.id, f"VM {image.writer_id}")
    attach_image(session, vm_id, image.id, disk.device, read_only=read_only)


def _addresses(domain: DomainDescription) -> list[Address]:
    found = our_addresses(nic.mac for nic in domain.nics)
    if len(found) != len(domain.nics):
        raise CannotAdopt(domain.name, "it has a network card whose MAC address is none of Wawel's")
    return found


def _nic(session: Session, vm_id: int, number: int, address: Address, model: str) -> None:
    lease = lock_lease(session, address)
    if lease is None:
        raise CannotAdopt(domain_name(vm_id), f"no network has its address {address}")
    if lease.vm_id is not None:
        raise InUse(f"address {address} of VM", vm_id, f"VM {lease.vm_id}; settle that one first")
    insert_nic(session, lease, vm_id, number, model)


def _port(session: Session, vm_id: int, node_id: int, domain: DomainDescription) -> None:
    """The port of its screen; one beyond those of the node stays its own affair until it is started again."""
    for port in domain.ports[:1]:
        other = lock_port(session, node_id, port)
        if other is not None:
            raise InUse(f"VNC port {port} of VM", vm_id, f"VM {other}; settle that one first")
        take_port(session, vm_id, node_id, port)


def _take_back(session: Session, row: VMRow, node_id: int, found: Found, wanted: Wanted, cause: Cause) -> int:
    """A VM that is on record, and runs where it is not placed: it is placed there."""
    domain = found.domain
    if row.closed_at is not None:
        raise CannotAdopt(domain.name, f"it was VM {row.id}, which is destroyed")
    if row.account_id != wanted.user_id:
        raise InvalidParameter("user_id", f"it is VM {row.id} of user {row.account_id}")
    if row.operation_id is not None:
        raise VMBusy(row.id, row.operation_id, row.operation_kind or "")
    if row.node_claimed and row.node_id == node_id:
        raise CannotAdopt(domain.name, f"it is VM {row.id}, which is placed there")
    detail = find_detail(session, row.id)
    macs = [nic.mac for nic in nics_of(session, row.id)]
    if detail is None or macs != [nic.mac for nic in domain.nics]:
        raise CannotAdopt(domain.name, f"its network cards are not those of VM {row.id}, {', '.join(macs)}")
    forget_memory(session, row.id, cause)  # it was suspended, and goes on as that domain is
    release_node(session, row.id)
    count_node(session, node_id, cpu=row.cpu, memory_mib=row.memory_mib)
    place_where_seen(session, row.id, node_id, _evidence(node_id, found))
    _port(session, row.id, node_id, domain)
    record_placement(session, row.id, node_id)
    return get_vm(session, row.id).id
