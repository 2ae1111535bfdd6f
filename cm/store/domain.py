"""What a launch needs to know of a VM, in one read: its domain, volumes, network and node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.interfaces.hypervisor import DomainSpec, NicSpec, VncSpec
from cm.rpc.vocabulary import (
    CpuModel,
    DiskBus,
    DiskFormat,
    Firmware,
    FreedPolicy,
    HangPolicy,
    MachineType,
    MetadataSource,
    NetworkKind,
    NicModel,
    VideoModel,
    VolumeMode,
)
from cm.rules.metadata import SEED_DEVICE, seed_bus, smbios_serial
from cm.rules.names import console_path, domain_name, is_link, network_name, pool_name
from cm.rules.network import default_mtu
from cm.rules.storage import capabilities
from cm.runtime.prepared import Prepared
from cm.store.conditions import is_lost
from cm.store.cpu_baseline import baseline_cpu
from cm.store.nic import nics_of
from cm.store.variables import Variables


@dataclass(frozen=True)
class VolumePlan:
    """A volume that a VM needs: made from ``base`` (None: empty), on the storage's pool."""

    volume_id: int
    pool: str
    volume: str
    base: str | None
    base_format: DiskFormat
    mode: VolumeMode
    size_bytes: int
    made: bool
    format: DiskFormat
    base_id: int | None = None
    base_made: bool = True  # or there is none


_DISKS = Prepared(
    "disks_of_vm",
    f"""
SELECT a.device, a.bus, a.read_only, a.cdrom, a.boot_order, a.delete_with_vm, u.id AS volume_id, u.storage_id,
       u.name AS volume, u.format, u.mode, u.size_bytes, u.made, {is_lost('u')} AS lost, b.name AS base,
       b.format AS base_format, b.id AS base_id, b.made AS base_made, s.kind AS storage_kind
  FROM attachment a LEFT JOIN disk k ON k.id = a.disk_id LEFT JOIN volume u ON u.id = k.volume_id
  LEFT JOIN storage s ON s.id = u.storage_id
  LEFT JOIN volume b ON b.id = u.backing_id
 WHERE a.vm_id = :id ORDER BY a.number
""",
)


@dataclass(frozen=True)
class DiskPlan:
    """
    A disk of a domain, by its volume: where that is the node tells.

    :ivar place: pool and volume; None: an empty drive.
    """

    place: tuple[str, str] | None
    format: DiskFormat
    device: str
    bus: DiskBus
    cdrom: bool
    read_only: bool
    boot_order: int | None
    remote: bool = False  # its storage's server may fall silent


@dataclass(frozen=True)
class DomainPlan:
    """
    The definition of a VM's domain, but for where its disks are.

    :ivar spec: without disks.
    """

    spec: DomainSpec
    disks: tuple[DiskPlan, ...]
    variables: Variables | None = None  # its firmware's; None with BIOS

    @property
    def seeded(self) -> bool:
        """Whether what its guest is told is in a drive of it."""
        return any(disk.device == SEED_DEVICE for disk in self.disks)


def disks_of(session: Session, vm_id: int) -> Sequence[Any]:
    """The rows of a VM's disks, for ``plans_of`` and ``domain_plan``; the root disk is first."""
    return _DISKS(session, id=vm_id)


def plans_of(disks: Sequence[Any]) -> tuple[VolumePlan, ...]:
    """The volumes of those of these disks that are the VM's own: they are made for it, and go with it."""
    return tuple(
        VolumePlan(
            row.volume_id,
            pool_name(row.storage_id),
            row.volume,
            row.base,
            DiskFormat(row.base_format or "qcow2"),
            VolumeMode(row.mode),
            row.size_bytes,
            row.made,
            DiskFormat(row.format),
            row.base_id,
            row.base_id is None or row.base_made,
        )
        for row in disks
        if row.delete_with_vm
    )


def disk_plan(row: Any) -> DiskPlan:
    """One of the rows of ``disks_of``."""
    return DiskPlan(
        None if row.volume is None else (pool_name(row.storage_id), row.volume),
        DiskFormat(row.format or "raw"),
        row.device,
        DiskBus(row.bus),
        row.cdrom,
        row.read_only,
        row.boot_order,
        row.storage_kind is not None and capabilities(row.storage_kind).remote,
    )


def volume_plans(session: Session, vm_id: int) -> tuple[VolumePlan, ...]:
    """The volumes of a VM's own disks."""
    return plans_of(disks_of(session, vm_id))


@dataclass(frozen=True)
class EndingVolume:
    """
    A volume of a VM that ends.

    :ivar whole: it stands on nothing.
    :ivar keep: it stands alone, and its storage keeps such for others.
    """

    volume_id: int
    storage_id: int
    pool: str
    volume: str
    format: DiskFormat
    size_bytes: int
    made: bool
    policy: FreedPolicy
    whole: bool
    keep: bool


_ENDING = Prepared(
    "ending_volumes",
    """
SELECT u.id, u.storage_id, u.name, u.format, u.size_bytes, o.freed, min(a.number) AS number,
       u.backing_id IS NULL AS whole,
       u.made OR coalesce(bool_or(u.id = s.volume_id), false) AS made,
       o.keep_freed AND u.made AND u.backing_id IS NULL AND bool_and(s.id IS NULL)
       AND NOT EXISTS (SELECT 1 FROM volume b WHERE b.backing_id = u.id) AS keep
  FROM attachment a JOIN disk k ON k.id = a.disk_id LEFT JOIN snapshot s ON s.disk_id = k.id
  CROSS JOIN LATERAL unnest(ARRAY[k.volume_id, s.volume_id, s.spare_id]) AS x (id) JOIN volume u ON u.id = x.id
  JOIN storage o ON o.id = u.storage_id
 WHERE a.vm_id = :id AND a.delete_with_vm GROUP BY u.id, o.id
 UNION ALL SELECT u.id, u.storage_id, u.name, u.format, u.size_bytes, o.freed, 32767, false, true, false
  FROM suspension m JOIN volume u ON u.id = m.volume_id JOIN storage o ON o.id = u.storage_id WHERE m.vm_id = :id
 UNION ALL SELECT u.id, u.storage_id, u.name, u.format, u.size_bytes, o.freed, 32767, false, true, false
  FROM seed e JOIN volume u ON u.id = e.volume_id JOIN storage o ON o.id = u.storage_id WHERE e.vm_id = :id
 ORDER BY number, id
""",
)


def ending_volumes(session: Session, vm_id: int) -> tuple[EndingVolume, ...]:
    """
    What lies on storages of a VM's own disks, snapshots too, the root disk's first; what is to become of it. A snapshot
    whose deletion was given up may be there, and then has what it had. Last are its memory and its seed, be they half
    written.
    """
    return tuple(
        EndingVolume(
            row.id,
            row.storage_id,
            pool_name(row.storage_id),
            row.name,
            DiskFormat(row.format),
            row.size_bytes,
            row.made,
            FreedPolicy(row.freed),
            row.whole,
            row.keep,
        )
        for row in _ENDING(session, id=vm_id)
    )


_PLACED = Prepared(
    "placed_vm",
    "SELECT v.uuid::text AS uuid, v.name, v.cpu, v.memory_mib, v.vnc_enabled, n.address, p.port, i.video_device,"
    " v.cpu_shares, v.metadata_source, v.firmware, v.machine, v.boot_menu_s, v.nvram_storage_id, v.cpu_model,"
    " v.nvram_directory, v.raw_data, v.on_hang, v.max_cpu, v.max_memory_mib, i.platform,"
    " u.storage_id AS seed_storage_id, u.name AS seed, s.kind AS seed_storage_kind"
    " FROM vm v JOIN node n ON n.id = v.node_id JOIN image i ON i.id = v.image_id"
    " LEFT JOIN vnc_port p ON p.vm_id = v.id LEFT JOIN seed e ON e.vm_id = v.id"
    " LEFT JOIN volume u ON u.id = e.volume_id LEFT JOIN storage s ON s.id = u.storage_id WHERE v.id = :id",
)


def nic_spec(row: Any) -> NicSpec:
    """One of the rows of ``nics_of``."""
    if row.kind == NetworkKind.NAT:
        return NicSpec(network_name(row.network), row.mac, row.tap, NicModel(row.model))
    # A bridge of the node's has the MTU that it has, and would take that of a card which has a lower one.
    mtu = row.mtu or (default_mtu(row.kind) if is_link(row.bridge) else 0)
    return NicSpec("", row.mac, row.tap, NicModel(row.model), row.bridge, mtu)


def _seed_drive(vm: Any) -> DiskPlan:
    """Of a row of ``_PLACED``."""
    return DiskPlan(
        (pool_name(vm.seed_storage_id), vm.seed),
        DiskFormat.RAW,
        SEED_DEVICE,
        seed_bus(vm.platform),
        cdrom=True,
        read_only=True,
        boot_order=None,
        remote=capabilities(vm.seed_storage_kind).remote,
    )


def domain_plan(session: Session, vm_id: int, vnc_password: str, disks: Sequence[Any] | None = None) -> DomainPlan:
    """
    The definition of a VM's domain on the node that it is placed on.

    :param disks: its disks, where they were read already.
    """
    vm = _PLACED(session, id=vm_id).one()
    disks = disks_of(session, vm_id) if disks is None else disks
    plans = [disk_plan(row) for row in disks]
    if vm.seed is not None:
        plans.append(_seed_drive(vm))
    nics = [nic_spec(row) for row in nics_of(session, vm_id)]
    spec = DomainSpec(
        name=domain_name(vm_id),
        uuid=vm.uuid,
        title=vm.name,
        vcpus=vm.cpu,
        memory_mib=vm.memory_mib,
        disks=(),
        nics=tuple(nics),
        vnc=None if vm.port is None else VncSpec(vm.address, vm.port, vnc_password, vm.vnc_enabled),
        console_log=console_path(vm.uuid),
        smbios_serial=smbios_serial(MetadataSource(vm.metadata_source), vm.uuid),
        video=VideoModel(vm.video_device),
        firmware=Firmware(vm.firmware),
        machine=MachineType(vm.machine),
        boot_menu_s=vm.boot_menu_s,
        cpu=baseline_cpu(session) if vm.cpu_model == CpuModel.BASELINE else None,
        cpu_shares=vm.cpu_shares,
        watchdog=vm.on_hang != HangPolicy.IGNORE,
        raw=vm.raw_data,
        max_vcpus=vm.max_cpu,
        max_memory_mib=vm.max_memory_mib,
    )
    uefi = spec.firmware is Firmware.UEFI and vm.nvram_storage_id is not None
    variables = Variables(vm.uuid, vm.nvram_storage_id, vm.nvram_directory) if uefi else None
    return DomainPlan(spec, tuple(plans), variables)


_NODE_WITH_DISKS = Prepared(
    "node_with_disks",
    "SELECT n.id FROM attachment a JOIN disk k ON k.id = a.disk_id JOIN volume u ON u.id = k.volume_id"
    " JOIN storage_attachment s ON s.storage_id = u.storage_id AND s.state = 'attached'"
    " JOIN node n ON n.id = s.node_id WHERE a.vm_id = :id AND a.delete_with_vm AND n.state = 'ok'"
    " AND n.deleted_at IS NULL GROUP BY n.id ORDER BY count(*) DESC, min(a.number), n.id LIMIT 1",
)


def node_with_disks(session: Session, vm_id: int) -> int | None:
    """A node that answers and reaches the storages of a VM's disks, or of as many of them as there is one for."""
    found: int | None = _NODE_WITH_DISKS(session, id=vm_id).scalar()
    return found


def root_storage(session: Session, vm_id: int) -> int | None:
    """Where a VM's first disk is; None where it is deleted."""
    found: int | None = session.scalar(
        text(
            "SELECT u.storage_id FROM attachment a JOIN disk k ON k.id = a.disk_id JOIN volume u ON u.id = k.volume_id"
            " WHERE a.vm_id = :id ORDER BY a.number LIMIT 1"
        ),
        {"id": vm_id},
    )
    return found
