"""
Taking volumes into the records that lie on a storage and are on none: somebody put them there, or an older dump was
restored. One becomes a disk or an image of a user, as it lies there.

What it is our own reader says, out of the few bytes of it that a node is asked for; QEMU opens it with that format
alone. What it stands on has to be an image of ours: a name in a header is never followed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final, cast

from sqlalchemy.orm import Session

from cm.drivers.images import qcow2
from cm.drivers.images.inspect import ImageFacts, ImageFormat
from cm.drivers.images.inspect import inspect as inspect_header
from cm.drivers.images.patchwork import Lacking, Patchwork
from cm.drivers.images.promise import check_disk
from cm.interfaces.volume import VolumeSeen
from cm.results.image import Image
from cm.results.storage import UnknownVolume
from cm.rpc.codec import encode_json
from cm.rpc.errors import (
    ImageRefused,
    InUse,
    InvalidParameter,
    NotApplicable,
    ObjectNotFound,
    StorageUnreached,
    VolumeNotFound,
)
from cm.rpc.vocabulary import DiskFormat, ImageFault, ImageKind
from cm.rules.names import pool_name, volume_of
from cm.rules.storage import capabilities
from cm.runtime.taken import refused_by
from cm.services.cached_image import StorageOfNode
from cm.services.context import AsyncClusterCall, ClusterCall, Services
from cm.services.volume import in_use
from cm.store.account import find_facts
from cm.store.change import record_change
from cm.store.claim import count_quota, count_storage, mib
from cm.store.disk import touch_disk
from cm.store.drift import close_drift, lock_volume_finding
from cm.store.found_volume import FoundVolume, backing_of, insert_found, known_names, known_uuids
from cm.store.image import show_image
from cm.store.storage import get_storage, node_reaching
from cm.store.volume import left_volumes

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}\Z")
_HALF_MADE: Final = ".part"
UNKNOWN_MAX: Final = 1000


@dataclass(frozen=True)
class Wanted:
    """
    What the administrator says of it.

    :ivar format: that it must have; None takes what is found, if it looks like a disk.
    """

    user_id: int
    name: str
    description: str
    kind: ImageKind
    format: DiskFormat | None
    force: bool


@dataclass(frozen=True)
class Facts:
    """What our reader says. ``backing`` and its format: of the file that it stands on, as it is written."""

    format: DiskFormat
    size_bytes: int
    backing: str = ""
    backing_format: str = ""


# ------------------------------------------------------------------ what there is


async def list_unknown(caller: AsyncClusterCall, storage_id: int) -> list[UnknownVolume]:
    """
    The volumes that lie on a storage and are on no record, by their names.

    :raises StorageUnreached: no node that answers has it attached.
    """
    services = caller.services
    await services.database.read(get_storage, storage_id)
    node_id = await services.database.read(node_reaching, storage_id)
    if node_id is None:
        raise StorageUnreached(storage_id)
    volumes = await services.fleet.node(node_id).volumes.list_all(pool_name(storage_id))
    known = await services.database.read(known_names, storage_id)
    used = await services.database.read(in_use, storage_id, volumes)
    ours = {volume.name: named.uuid for volume in volumes if (named := volume_of(volume.name)) is not None}
    ended = await services.database.read(known_uuids, sorted(set(ours.values())))
    left = await services.database.read(left_volumes, storage_id)
    found: list[UnknownVolume] = []
    for volume in sorted(volumes, key=lambda each: each.name):
        if volume.name in known or volume.name.endswith(_HALF_MADE):
            continue
        found.append(
            {
                "name": volume.name,
                "size_bytes": volume.capacity_bytes,
                "allocated_bytes": volume.allocation_bytes,
                "base": volume.base.rpartition("/")[2] or None,
                "obstacle": _obstacle(volume.name, used, volume.name in left or ours.get(volume.name) in ended),
            }
        )
    return found[:UNKNOWN_MAX]


def _obstacle(name: str, used: Mapping[str, str], of_ours: bool) -> str:
    """Why a volume cannot be adopted; "": nothing that is seen from here."""
    if of_ours:
        return "it is of something that is on record or has ended, which looks after it"
    if not _NAME.match(name):
        return "its name has other characters than letters, digits, '.', '_' and '-': rename it first"
    return used.get(name, "")


# ------------------------------------------------------------------ adopting one


async def adopt(caller: AsyncClusterCall, storage_id: int, name: str, wanted: Wanted) -> Image:
    """
    Look at a volume through a node, and make an entry of the catalogue of it, as it lies there.

    :raises VolumeNotFound: there is none.
    :raises ObjectNotFound: there is no such storage, or user.
    :raises InvalidParameter: it has a name that none of ours may have.
    :raises InUse: it is on record, or something uses it.
    :raises ImageRefused: it is no disk, or one of another format, or stands on what is not known.
    :raises NotApplicable: that it is deleted was approved of.
    :raises StorageOfNode: StorageUnreached: nothing can be adopted there, or nobody can look.
    :raises QuotaReached: the user's quota would be exceeded; ``force`` exceeds it.
    """
    services = caller.services
    storage = await services.database.read(get_storage, storage_id)
    if await services.database.read(find_facts, wanted.user_id) is None:
        raise ObjectNotFound("account", wanted.user_id)
    if storage["own_node_id"] is not None:
        raise StorageOfNode(storage_id, storage["own_node_id"])
    if not _NAME.match(name) or name.endswith(_HALF_MADE):
        raise InvalidParameter("volume", "its name has other characters than letters, digits, '.', '_' and '-'")
    node_id = await services.database.read(node_reaching, storage_id)
    if node_id is None:
        raise StorageUnreached(storage_id)
    node, pool = services.fleet.node(node_id), pool_name(storage_id)
    volumes = await node.volumes.list_all(pool)
    seen = next((volume for volume in volumes if volume.name == name), None)
    if seen is None:
        raise VolumeNotFound(pool, name)
    facts = await look(services, node_id, pool, seen, wanted)
    answer: Image = json.loads(
        await services.database.transact(_adopt, caller, storage_id, seen, volumes, facts, wanted)
    )
    return answer


async def look(services: Services, node_id: int, pool: str, seen: VolumeSeen, wanted: Wanted) -> Facts:
    """
    Have our reader look at a volume, with the bytes that it asks for.

    :raises ImageRefused: with the reason.
    """
    held = Patchwork(seen.length_bytes)
    while True:
        try:
            return _read(cast(BinaryIO, held), seen.length_bytes, wanted)
        except Lacking as lacking:
            if held.full:
                raise ImageRefused("too much of it would have to be read to know what it is") from None
            got = bytearray()
            await services.fleet.node(node_id).streams.download(
                pool, seen.name, lacking.offset, lacking.length, got.extend
            )
            held.put(lacking.offset, bytes(got))


def _read(file: BinaryIO, size_bytes: int, wanted: Wanted) -> Facts:
    try:
        found: ImageFacts = inspect_header(file)
    except ImageRefused as refused:
        if refused.fault != ImageFault.NAMES_FILES or wanted.kind is not ImageKind.STORAGE or not _is_qcow2(file):
            raise
        overlay = qcow2.overlay_of(file, size_bytes)
        if overlay is None:
            raise
        _check_claim(wanted, DiskFormat.QCOW2)
        return Facts(DiskFormat.QCOW2, overlay.virtual_size, overlay.backing, overlay.backing_format)
    is_iso = found.format is ImageFormat.ISO
    if wanted.kind is ImageKind.ISO and not is_iso:
        raise ImageRefused(f"it is {found.format}, not an ISO image", ImageFault.FORMAT)
    if found.format not in (ImageFormat.RAW, ImageFormat.QCOW2, ImageFormat.ISO):
        raise ImageRefused(f"it is {found.format}, which has to be imported to be converted", ImageFault.FORMAT)
    format_ = DiskFormat.QCOW2 if found.format is ImageFormat.QCOW2 else DiskFormat.RAW
    _check_claim(wanted, format_)
    if wanted.format is None and found.format is ImageFormat.RAW:
        check_disk(file)
    return Facts(format_, found.virtual_size_bytes)


def _check_claim(wanted: Wanted, found: DiskFormat) -> None:
    if wanted.format is not None and wanted.format is not found:
        raise ImageRefused(f"it is {found}, not {wanted.format} as claimed", ImageFault.CLAIM)


def _is_qcow2(file: BinaryIO) -> bool:
    file.seek(0)
    return file.read(4) == b"QFI\xfb"


def _adopt(
    session: Session, caller: ClusterCall, storage_id: int, seen: VolumeSeen, volumes: Sequence[VolumeSeen],
    facts: Facts, wanted: Wanted,
) -> str:  # fmt: skip
    pool = pool_name(storage_id)
    finding = lock_volume_finding(session, f"{pool}/{seen.name}")
    if finding is not None and finding.approved:
        raise NotApplicable(finding.id, "its deletion was approved of, and is under way")
    ours = volume_of(seen.name)
    if ours is not None and ours.uuid in known_uuids(session, [ours.uuid]):
        raise InUse(f"volume {seen.name} of storage", storage_id, "what it is named after, which looks after it")
    if seen.name in left_volumes(session, storage_id):
        raise InUse(f"volume {seen.name} of storage", storage_id, "a VM that was erased, whose it was")
    used = in_use(session, storage_id, volumes).get(seen.name)
    if used is not None:
        raise InUse(f"volume {seen.name} of storage", storage_id, used)
    storage = get_storage(session, storage_id, lock=True)
    can = capabilities(storage["kind"])
    if facts.format not in can.formats:
        raise ImageRefused(f"a storage of kind {storage['kind']} has no volumes of that format", ImageFault.FORMAT)
    if wanted.kind is ImageKind.STORAGE and facts.format not in can.written:
        raise ImageRefused(
            f"it is a {facts.format} file, which guests may not write to on a storage of kind {storage['kind']};"
            " import a copy of it (admin.system_image.import_file), and that becomes qcow2",
            ImageFault.FORMAT,
        )
    backing_id = _backing(session, storage_id, volumes, facts)
    count_quota(
        session, wanted.user_id, cpu=0, memory_mib=0, storage_mib=mib(facts.size_bytes), vms=0, force=wanted.force
    )
    count_storage(session, storage_id, facts.size_bytes)
    row = FoundVolume(
        storage_id, seen.name, facts.format, facts.size_bytes, seen.allocation_bytes, backing_id, wanted.user_id,
        wanted.kind, wanted.name, wanted.description,
    )  # fmt: skip
    taken = InUse(f"volume {seen.name} of storage", storage_id, "what is on record of it")
    with refused_by(session, {"uq_volume_storage_id_name": taken}):
        image_id, disk_id = insert_found(session, row)
    if finding is not None:
        close_drift(session, finding.id, "adopted")
    record_change(session, "image", image_id, wanted.user_id, "enter")
    if disk_id is not None:
        touch_disk(session, disk_id, "enter")
    caller.note("adopt", storage_id=storage_id, volume=seen.name, image_id=image_id, disk_id=disk_id)
    return encode_json(show_image(session, image_id, None)).decode()


def _backing(session: Session, storage_id: int, volumes: Sequence[VolumeSeen], facts: Facts) -> int | None:
    """
    The volume on record that it stands on; None where it stands alone.

    :raises ImageRefused: it is none of ours, or its format is not written, or not the one on record.
    """
    if not facts.backing:
        return None
    paths = {volume.path: volume.name for volume in volumes} | {volume.name: volume.name for volume in volumes}
    name = paths.get(facts.backing)
    below = None if name is None else backing_of(session, storage_id, name)
    if below is None:
        told = facts.backing.rpartition("/")[2][:100]
        raise ImageRefused(f"it stands on {told!r}, which is no image on this storage", ImageFault.NAMES_FILES)
    if facts.backing_format != below.format:
        told = facts.backing_format[:20] or "nothing"
        raise ImageRefused(f"it says {told!r} of the format of what it stands on, which is {below.format}")
    return below.volume_id
