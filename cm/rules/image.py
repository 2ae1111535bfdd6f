"""Which image of a family is the newest, what a VM has to have for an image, and what may be done with one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from cm.rpc.errors import CloudError, Conflict, ImageNeedsMore, InUse, NotWhole, ObjectNotFound, WrongImageState
from cm.rpc.vocabulary import DiskFormat, ImageKind, ImageState
from cm.rules.storage import capabilities
from cm.rules.vm import vms

_PARTS: Final = re.compile(r"([0-9]+)|([A-Za-z]+)")


def version_key(version: str) -> tuple[tuple[int, int, str], ...]:
    """
    Versions in order: by their numbers as numbers, a number behind a word (``rc1`` comes before ``1``), and what goes
    on behind what ends, unless it goes on with a word (``12-rc1`` comes before ``12``). None at all comes first.
    """
    if not version:
        return ()
    parts = [(2, int(number), "") if number else (0, 0, word.lower()) for number, word in _PARTS.findall(version)]
    return (*parts, (1, 0, ""))


def newest(images: Iterable[tuple[str, int]]) -> int | None:
    """
    :param images: version and id; of equal versions the one that was made last is meant.
    :return: its id; None: there is none.
    """
    found = max(images, key=lambda image: (version_key(image[0]), image[1]), default=None)
    return None if found is None else found[1]


def check_least(
    image_id: int, *, least_memory_mib: int, least_disk_bytes: int, memory_mib: int, disk_bytes: int
) -> None:
    """
    :param memory_mib, disk_bytes: what a VM is to have.
    :raises ImageNeedsMore: it is less than the image's guests can do with.
    """
    for resource, least, given in (
        ("memory_mib", least_memory_mib, memory_mib),
        ("disk_bytes", least_disk_bytes, disk_bytes),
    ):
        if given < least:
            raise ImageNeedsMore(image_id, resource, least, given)


# ------------------------------------------------------------------ what may be done with one


@dataclass(eq=False)
class GuestFormat(Conflict):
    """What guests write to has another format there (``Capabilities.written``), and is not changed in passing."""

    code = "guest_format"
    message = (
        "Image {image_id} is a {format} file on a storage of kind {kind}, where guests write to qcow2 alone: move its"
        " disk (user.disk.move, also to the storage that it lies on), or import it as a storage image, and it is qcow2."
    )
    image_id: int
    format: str
    kind: str


@dataclass(frozen=True)
class ImageStanding:
    """
    An entry of the catalogue as it stands. Of a storage image or an ISO its disk says more (``disk.DiskStanding``).

    :ivar disk_id: the disk that it is, unless it is a system image.
    :ivar users: VMs that need its volume.
    :ivar snapshot: one of its disk.
    :ivar stood_on: something else is made from it.
    :ivar busy: an operation has it to itself.
    :ivar copied: the operation that copies it to a node just now.
    :ivar erased: the erased VM that may write to it, in words; "": none.
    :ivar backed: its volume stands on another.
    :ivar writers: VMs that are on, and may write to it.
    """

    id: int
    kind: ImageKind
    state: ImageState
    disk_id: int | None
    users: tuple[int, ...]
    snapshot: int | None
    stood_on: bool
    busy: bool
    copied: int | None
    erased: str
    backed: bool
    writers: tuple[int, ...]
    format: DiskFormat
    storage_kind: str


def _usable(image: Known) -> CloudError | None:
    return None if image.state is ImageState.OK else WrongImageState(image.id, image.state, ImageState.OK)


def _busy(image: ImageStanding) -> CloudError | None:
    return WrongImageState(image.id, "busy", "no other operation under way") if image.busy else None


class Known(Protocol):
    """An image of which little is known."""

    @property
    def id(self) -> int: ...
    @property
    def state(self) -> ImageState: ...


def editing(image: Known) -> CloudError | None:
    if image.state is ImageState.DELETED:
        return WrongImageState(image.id, image.state, "an image that is not deleted")
    return None


def sharing(image: Known) -> CloudError | None:
    return ObjectNotFound("image", image.id) if image.state is ImageState.DELETED else None


def reading(image: ImageStanding) -> CloudError | None:
    """Its file, as it lies on the storage."""
    found = _usable(image) or (NotWhole(image.id) if image.backed else None)
    if found is None and image.writers:
        return InUse("image", image.id, vms(image.writers))
    return found


def copying(image: ImageStanding) -> CloudError | None:
    return _usable(image) or _busy(image)


def _needed(image: ImageStanding) -> CloudError | None:
    if image.users:
        return InUse("image", image.id, vms(image.users))
    if image.snapshot is not None:
        return InUse("image", image.id, f"its snapshot {image.snapshot}")
    return InUse("image", image.id, "what is made from it") if image.stood_on else None


def deleting(image: ImageStanding) -> CloudError | None:
    if image.state is ImageState.ADDING:
        return WrongImageState(image.id, image.state, "ok or failed; its operation can be abandoned")
    return _needed(image) or _busy(image)


def converting(image: ImageStanding) -> CloudError | None:
    """To a storage image, or from one to a system image, as it lies there."""
    found = _usable(image) or _needed(image) or _busy(image)
    if found is not None:
        return found
    if image.disk_id is not None and image.backed:
        return NotWhole(image.disk_id)
    if image.erased:
        return InUse("image", image.id, image.erased)
    if image.format not in capabilities(image.storage_kind).written:
        return GuestFormat(image.id, image.format, image.storage_kind)
    if image.copied is not None:
        return InUse("image", image.id, f"operation {image.copied}, which copies it to a node")
    return None
