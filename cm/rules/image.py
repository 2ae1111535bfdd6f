"""Which image of a family is the newest, and what a VM has to have for an image."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from cm.rpc.errors import ImageNeedsMore

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
