"""What a launch needs to know of a VM, in one read: its domain, volumes, network and node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.interfaces.hypervisor import DomainSpec, NicSpec, VncSpec
from cm.rpc.vocabulary import DeployMode, DiskBus, DiskFormat, NicModel, VideoModel
from cm.rules.names import console_volume, domain_name, network_name, pool_name
from cm.runtime.prepared import Prepared
from cm.store.nic import nics_of

# Where cloud-init reads its documents. Whose they are, the asker's bridge and address say: a serial stands in QEMU's
# command line, which every account of the node may read, so it is no place for a secret.
SERIAL = "ds=nocloud-net;s=http://169.254.169.254/nocloud/"


@dataclass(frozen=True)
class VolumePlan:
    """A volume that a VM needs: made from ``base`` (None: empty), on the storage's pool."""

    disk_id: int | None
    pool: str
    volume: str
    base: str | None
    base_format: DiskFormat
    mode: DeployMode
    size_bytes: int
    made: bool


_DISKS = Prepared(
    "disks_of_vm",
    """
SELECT d.id, d.storage_id, d.volume, d.device, d.bus, d.format, d.mode, d.size_bytes, d.made,
       i.volume AS base, i.format AS base_format, i.video_device
  FROM disk d LEFT JOIN image i ON i.id = d.image_id
 WHERE d.vm_id = :id AND d.deleted_at IS NULL ORDER BY d.id
""",
)

_ATTACHED = Prepared(
    "attached_to_vm",
    """
SELECT a.device, a.read_only, i.volume, i.format, i.kind, i.storage_id
  FROM image_attachment a JOIN image i ON i.id = a.image_id
 WHERE a.vm_id = :id ORDER BY a.device
""",
)


@dataclass(frozen=True)
class DiskPlan:
    """A disk of a domain, by its volume: where that is the node tells."""

    pool: str
    volume: str
    format: DiskFormat
    device: str
    bus: DiskBus = DiskBus.VIRTIO
    cdrom: bool = False
    read_only: bool = False


@dataclass(frozen=True)
class DomainPlan:
    """
    The definition of a VM's domain, but for where its disks are.

    :ivar spec: without disks, and without a log of its console.
    :ivar console: pool and volume that its console is logged to.
    """

    spec: DomainSpec
    disks: tuple[DiskPlan, ...]
    console: tuple[str, str] | None


def disks_of(session: Session, vm_id: int) -> Sequence[Any]:
    """The rows of a VM's own disks, for ``plans_of`` and ``domain_plan``."""
    return _DISKS(session, id=vm_id)


def plans_of(disks: Sequence[Any]) -> tuple[VolumePlan, ...]:
    """The volumes of these disks."""
    return tuple(
        VolumePlan(
            row.id,
            pool_name(row.storage_id),
            row.volume,
            row.base,
            DiskFormat(row.base_format or "qcow2"),
            DeployMode(row.mode),
            row.size_bytes,
            row.made,
        )
        for row in disks
    )


def volume_plans(session: Session, vm_id: int) -> tuple[VolumePlan, ...]:
    """The volumes of a VM's own disks."""
    return plans_of(disks_of(session, vm_id))


_PLACED = Prepared(
    "placed_vm",
    "SELECT v.uuid::text AS uuid, v.name, v.cpu, v.memory_mib, v.vnc_enabled, n.address, p.port"
    " FROM vm v JOIN node n ON n.id = v.node_id LEFT JOIN vnc_port p ON p.vm_id = v.id WHERE v.id = :id",
)


def domain_plan(session: Session, vm_id: int, vnc_password: str, own: Sequence[Any] | None = None) -> DomainPlan:
    """
    The definition of a VM's domain on the node that it is placed on.

    :param own: its own disks, where they were read already.
    """
    vm = _PLACED(session, id=vm_id).one()
    own = disks_of(session, vm_id) if own is None else own
    disks = [DiskPlan(pool_name(d.storage_id), d.volume, DiskFormat(d.format), d.device, DiskBus(d.bus)) for d in own]
    for a in _ATTACHED(session, id=vm_id):
        cdrom = a.kind == "iso"
        disks.append(
            DiskPlan(
                pool_name(a.storage_id),
                a.volume,
                DiskFormat(a.format),
                a.device,
                DiskBus.SATA if cdrom else DiskBus.VIRTIO,
                cdrom=cdrom,
                read_only=a.read_only,
            )
        )
    nics = [NicSpec(network_name(n.pool), n.mac, n.tap, NicModel(n.model)) for n in nics_of(session, vm_id)]
    spec = DomainSpec(
        name=domain_name(vm_id),
        uuid=vm.uuid,
        title=vm.name,
        vcpus=vm.cpu,
        memory_mib=vm.memory_mib,
        disks=(),
        nics=tuple(nics),
        vnc=None if vm.port is None else VncSpec(vm.address, vm.port, vnc_password, vm.vnc_enabled),
        console_log=None,
        smbios_serial=SERIAL,
        video=VideoModel(own[0].video_device or "vga") if own else VideoModel.VGA,
    )
    console = (pool_name(own[0].storage_id), console_volume(vm.uuid)) if own else None
    return DomainPlan(spec, tuple(disks), console)


_NODE_WITH_DISKS = Prepared(
    "node_with_disks",
    "SELECT n.id FROM disk d JOIN storage_attachment a ON a.storage_id = d.storage_id AND a.state = 'attached'"
    " JOIN node n ON n.id = a.node_id WHERE d.vm_id = :id AND d.deleted_at IS NULL AND n.state = 'ok'"
    " AND n.deleted_at IS NULL ORDER BY d.id, n.id LIMIT 1",
)


def node_with_disks(session: Session, vm_id: int) -> int | None:
    """A node that answers and reaches the storage of a VM's first disk."""
    found: int | None = _NODE_WITH_DISKS(session, id=vm_id).scalar()
    return found


def root_storage(session: Session, vm_id: int) -> int | None:
    """Where a VM's first disk is; None where it is deleted."""
    found: int | None = session.scalar(
        text("SELECT storage_id FROM disk WHERE vm_id = :id AND deleted_at IS NULL ORDER BY id LIMIT 1"), {"id": vm_id}
    )
    return found
