"""
The catalogue of well-known images: what is in it, read out of its text (TOML), with all that is wrong with it.

One table an image, its name the catalogue's. ``url`` gives the newest of its kind, ``sums`` the file of checksums
beside it, ``signature`` a file that signs that, or ``INLINE`` where it is signed text, and ``keyring`` is a file of the
operator's with the keys that may have signed it. What else there is are facts that the image will tell.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from cm.rpc.vocabulary import Architecture, DiskBus, NicModel, SourceFormat, VideoModel

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}\Z")
_LINE: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f]{0,200}\Z")


@dataclass(frozen=True)
class KnownImage:
    name: str
    url: str
    sums: str
    system: str
    family: str
    signature: str = ""
    keyring: str = ""
    description: str = ""
    format: SourceFormat = SourceFormat.QCOW2
    platform: str = "linux"
    architecture: Architecture = Architecture.X86_64
    least_memory_mib: int = 0
    least_disk_bytes: int = 0
    default_user: str = ""
    agent: bool = False
    disk_controller: DiskBus = DiskBus.VIRTIO
    network_device: NicModel = NicModel.VIRTIO
    video_device: VideoModel = VideoModel.VGA


_ENUMS: Final[Mapping[str, type[StrEnum]]] = {
    "format": SourceFormat, "architecture": Architecture, "disk_controller": DiskBus, "network_device": NicModel,
    "video_device": VideoModel,
}  # fmt: skip
_NEEDED: Final = ("url", "sums", "system", "family")
INLINE: Final = "inline"


def read_catalogue(text: str) -> tuple[dict[str, KnownImage], list[str]]:
    """
    :return: images by name, and what is wrong, a line each.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return {}, [str(error)]
    found: dict[str, KnownImage] = {}
    problems: list[str] = []
    for name, table in tables.items():
        wrong = _wrong(name, table)
        problems += [f"{name[:60]}: {told}" for told in wrong]
        if not wrong:
            values: dict[str, Any] = {
                key: _ENUMS[key](value) if key in _ENUMS else value for key, value in table.items()
            }
            found[name] = KnownImage(name=name, **values)
    return found, problems


def _is(value: Any, kind: type) -> bool:
    return type(value) is kind  # to Python a bool is an int


def _wrong(name: str, given: Any) -> list[str]:
    if not _NAME.match(name):
        return ["an image's name is lower-case letters, digits, . _ and -"]
    if not isinstance(given, dict):
        return ["it is no table"]
    table: dict[str, Any] = given
    kinds: dict[str, type] = {
        each.name: bool if each.type == "bool" else int if each.type == "int" else str for each in fields(KnownImage)
    }
    del kinds["name"]
    wrong = [f"{key} is missing" for key in _NEEDED if key not in table]
    for key, value in table.items():
        if key not in kinds:
            wrong.append(f"{key} is unknown")
        elif not _is(value, kinds[key]):
            wrong.append(f"{key} is no {kinds[key].__name__}")
        elif kinds[key] is int and value < 0:
            wrong.append(f"{key} is below zero")
        elif key in _ENUMS and value not in set(_ENUMS[key]):
            wrong.append(f"{key} is none of {', '.join(map(str, _ENUMS[key]))}")
        elif kinds[key] is str and not _LINE.match(value):
            wrong.append(f"{key} is no line of 200 characters at the most")
    if not wrong:
        for key, url in (("url", table["url"]), ("sums", urljoin(table["url"], table["sums"]))):
            if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
                wrong.append(f"{key} is no URL of http or https")
        wrong += _of_signature(urljoin(table["url"], table["sums"]), table)
        if not _NAME.match(table["family"]):
            wrong.append("family is lower-case letters, digits, . _ and -")
    return wrong


def _of_signature(sums: str, table: Mapping[str, Any]) -> list[str]:
    wrong, signature, keyring = [], table.get("signature", ""), table.get("keyring", "")
    if signature and signature != INLINE and urlsplit(urljoin(sums, signature)).scheme not in ("http", "https"):
        wrong.append("signature is neither a URL of http or https nor inline")
    if keyring and not signature:
        wrong.append("keyring is told, and no signature")
    if keyring and not keyring.startswith("/"):
        wrong.append("keyring is no absolute path")
    return wrong
