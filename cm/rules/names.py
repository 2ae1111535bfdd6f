"""
What things of ours are called on nodes: domains, pools, networks, volumes. Names are made and read back here alone.

A node may hold what others made too, so nothing is taken for ours unless its whole name has the form: what a function
here gives is the only name that its inverse understands. The forms stand on nodes in the field and in databases, and
stay. What runs on a node knows some of them by itself (``node_hooks/consoles.py``), and a test holds it to these.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid4

# 18 digits are within PostgreSQL's bigint.
_NUMBER: Final = "[1-9][0-9]{0,17}"
_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_DOMAIN: Final = re.compile(f"vm-({_NUMBER})")
_POOL: Final = re.compile(f"wawel-({_NUMBER})")
_OURS: Final = "wawel-"
_NETWORK: Final = _OURS
LINK_PREFIX: Final = "wn"  # with the network's number within the 15 characters of an interface; its VXLAN is "wx"
_VOLUME: Final = re.compile(f"(?P<kind>vm|image|object)-(?P<uuid>{_UUID})(?P<rest>[-.].*)", re.DOTALL)
_ROOT: Final = "-root"
_CONSOLE: Final = "-console.log"
_CACHED: Final = "-cached"
_MEMORY: Final = "-memory"
_SEED: Final = "-seed.iso"
# libvirt's virtlogd gives a full log a number and begins another.
_ROTATED: Final = re.compile(rf"{re.escape(_CONSOLE)}\.[0-9]{{1,3}}")
_HOLDER: Final = re.compile(f"merge-({_NUMBER})")
# Where each node has its consoles' logs: in no storage. libvirt, its log daemon and their AppArmor profiles write below
# /var/log/libvirt; in a directory of ours no logrotate of theirs takes the files.
CONSOLE_DIRECTORY: Final = "/var/log/libvirt/wawel"
_UNMADE: Final = ".new"  # ends the name of an image's volume that nothing was ever written to


def domain_name(vm_id: int) -> str:
    """A VM's domain."""
    return f"vm-{vm_id}"


def vm_of_domain(name: str) -> int | None:
    """The number of the VM whose domain has this name; None: nobody's of ours."""
    found = _DOMAIN.fullmatch(name)
    return int(found[1]) if found else None


def holder_name(operation_id: int) -> str:
    """The domain that holds disks, without a guest, for an operation that works on what they stand on."""
    return f"merge-{operation_id}"


def operation_of_holder(name: str) -> int | None:
    """The operation that a domain holds disks for; None: it is none of these."""
    found = _HOLDER.fullmatch(name)
    return int(found[1]) if found else None


def pool_name(storage_id: int) -> str:
    """A storage's pool on the nodes."""
    return f"wawel-{storage_id}"


def storage_of_pool(pool: str) -> int | None:
    """The number of the storage whose pool has this name; None: none of ours."""
    found = _POOL.fullmatch(pool)
    return int(found[1]) if found else None


def network_name(network: str) -> str:
    """
    The libvirt network of one of ours on the nodes.

    :param network: what the administrator calls it.
    """
    return _NETWORK + network


def network_of(name: str) -> str | None:
    """What the administrator calls the network that nodes know by this name; None: none of ours."""
    network = name.removeprefix(_NETWORK)
    return network if network and network != name else None


def link_name(network_id: int) -> str:
    """The bridge, on the nodes that carry it, of a network that their agents make."""
    return f"{LINK_PREFIX}{network_id}"


def is_link(bridge: str) -> bool:
    """Whether a bridge is one that agents make for a network."""
    return bridge.startswith(LINK_PREFIX) and bridge[len(LINK_PREFIX) :].isdecimal()


class VolumeKind(StrEnum):
    """What a volume belongs to: a VM, by its disk or console log, an image, or what is in a bucket."""

    VM = "vm"
    IMAGE = "image"
    OBJECT = "object"


@dataclass(frozen=True)
class VolumeName:
    """
    What a volume's name says: whose it is.

    :ivar rest: the end of the name, which begins with ``-`` or ``.`` and tells what of it this is.
    """

    kind: VolumeKind
    uuid: str
    rest: str

    def __str__(self) -> str:
        return f"{self.kind}-{self.uuid}{self.rest}"

    @property
    def base(self) -> VolumeName:
        """Itself, or of a console log that was put aside when it was full the one that it was."""
        rotated = _ROTATED.fullmatch(self.rest) if self.kind is VolumeKind.VM else None
        return replace(self, rest=_CONSOLE) if rotated else self


def volume_of(name: str) -> VolumeName | None:
    """Whose a volume is by its name; None: nothing's of ours."""
    found = _VOLUME.fullmatch(name)
    return VolumeName(VolumeKind(found["kind"]), found["uuid"], found["rest"]) if found else None


def root_volume(vm_uuid: UUID | str, ending: str = "qcow2") -> str:
    """
    The volume of a VM's first disk.

    :param ending: its format.
    """
    return str(VolumeName(VolumeKind.VM, str(vm_uuid), f"{_ROOT}.{ending}"))


def data_volume(vm_uuid: UUID | str, ending: str) -> str:
    """
    A new volume for a further disk of a VM. Each has another name: it may be free for others later, and keeps its name.

    :param ending: "qcow2", "raw".
    """
    return str(VolumeName(VolumeKind.VM, str(vm_uuid), f"-d{uuid4().hex[:12]}.{ending}"))


def memory_volume(vm_uuid: UUID | str, key: UUID) -> str:
    """
    What the memory of a VM that is suspended is written to.

    :param key: a new one: should a node be late with deleting one, it is not the next that it deletes.
    """
    return str(VolumeName(VolumeKind.VM, str(vm_uuid), f"-{key.hex[:12]}{_MEMORY}.raw"))


def seed_volume(vm_uuid: UUID | str) -> str:
    """What a VM's guest is seeded by; there is one in its life."""
    return str(VolumeName(VolumeKind.VM, str(vm_uuid), _SEED))


def console_volume(vm_uuid: UUID | str) -> str:
    """The name of what a VM's serial console is logged to."""
    return str(VolumeName(VolumeKind.VM, str(vm_uuid), _CONSOLE))


def nvram_name(uuid: str) -> str:
    """The file of a VM's that UEFI keeps its variables in."""
    return f"vm-{uuid}.fd"


def console_path(vm_uuid: UUID | str) -> str:
    """Where that is on the VM's node."""
    return f"{CONSOLE_DIRECTORY}/{console_volume(vm_uuid)}"


def console_of(name: str) -> str | None:
    """The uuid of the VM whose log has this name, or was put aside under it; None: it is no such log."""
    found = volume_of(name)
    return found.uuid if found is not None and str(found.base) == console_volume(found.uuid) else None


def image_volume(uuid: UUID | str, ending: str) -> str:
    """
    An image's volume.

    :param ending: by what it holds: "qcow2", "raw", "iso".
    """
    return str(VolumeName(VolumeKind.IMAGE, str(uuid), f".{ending}"))


def cached_volume(uuid: UUID | str, key: UUID, ending: str) -> str:
    """
    A copy of an image on a node's own storage.

    :param key: a new one: should a node be late with deleting one copy, it is not the next that it deletes.
    """
    return str(VolumeName(VolumeKind.IMAGE, str(uuid), f"-{key.hex[:12]}{_CACHED}.{ending}"))


def moved_volume(name: str, key: UUID, ending: str) -> str:
    """
    What a volume's disk is called where it moves to: whose it is stays readable, and no name is used twice.

    :param name: the volume's.
    :param key: any, for this move alone.
    :param ending: by its format: "qcow2", "raw".
    """
    owner = volume_of(name)
    if owner is None:  # nobody's of ours, as an administrator brought it
        return str(VolumeName(VolumeKind.IMAGE, str(key), f".{ending}"))
    return str(replace(owner, rest=f"-{key.hex[:12]}.{ending}"))


def is_kept(name: str) -> bool:
    """Whether a domain of that name would pass for something of ours that is none."""
    return name.startswith(_OURS) or operation_of_holder(name) is not None


def another_name(name: str, key: UUID) -> str:
    """For what is made once more. Whose it is, and that it is a copy in the cache or memory, stays readable."""
    stem, _, ending = name.rpartition(".")
    owner = volume_of(name)
    if owner is not None and stem.endswith(_CACHED):
        return cached_volume(owner.uuid, key, ending)
    if owner is not None and stem.endswith(_MEMORY):
        return memory_volume(owner.uuid, key)
    return moved_volume(name, key, ending)


def unmade_volume(uuid: UUID | str) -> str:
    """An image's volume while nothing was written to it, nor is known of what it will hold."""
    return str(VolumeName(VolumeKind.IMAGE, str(uuid), _UNMADE))


def layer_volume(kind: VolumeKind, uuid: UUID | str, key: UUID) -> str:
    """
    What a disk is written to since a snapshot of it, or since it was taken back to one.

    :param kind: with ``uuid``: whose it is. A VM's own disk is the VM's, one of the catalogue its entry's.
    :param key: a new one.
    """
    return str(VolumeName(kind, str(uuid), f"-{key.hex[:12]}.qcow2"))


def is_unmade(volume: str) -> bool:
    return volume.endswith(_UNMADE)


def object_volume(uuid: UUID | str) -> str:
    """The volume of what is in a bucket."""
    return str(VolumeName(VolumeKind.OBJECT, str(uuid), ".raw"))


def object_file(uuid: UUID | str) -> str:
    """The file, in the staging directory, of an object, or a part of one, that comes."""
    return f"object-{uuid}"


def upload_file(image_uuid: UUID | str) -> str:
    """The file, in the staging directory, of an image that is uploaded."""
    return f"upload-{image_uuid}"
