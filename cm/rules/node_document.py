"""
What the agent of a node is to converge to, written down: in sections, each with a version of its own. Pure.

``docs/node.md`` has the protocol. Sections that all nodes share are made once for all of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

FORMAT: Final = 2  # the newest; format 1, of agents that ask for none, is the same in one piece
FORMATS: Final = (1, 2)

NETWORKS: Final = "networks"
FIREWALL: Final = "firewall"
NICS: Final = "nics"
SETTINGS: Final = "settings"
SCREENS: Final = "screens"
CONSOLES: Final = "consoles"


@dataclass(frozen=True)
class Section:
    """:ivar version: the digest of its content: equal content, equal version."""

    name: str
    content: Mapping[str, Any]
    version: str


@dataclass(frozen=True)
class Rendered:
    """
    A document as a node is sent it.

    :ivar versions: of its sections, by name, without that of NICs: it is another with every VM, so that agents do not
        tell that they have it. What keeps them from it they do tell.
    """

    version: str
    versions: Mapping[str, str]
    body: bytes


def section(name: str, **content: Any) -> Section:
    return Section(name, content, _digest(content))


def render(sections: Sequence[Section], format_: int) -> Rendered:
    """:param format_: of ``FORMATS``. A document has another version in each, so that none is taken for the other."""
    if format_ == 1:
        sections = [each for each in sections if each.name != NICS]  # its agents know the NICs of whole networks
    versions = {each.name: each.version for each in sections}
    version = f"{format_}-{_digest(versions)}"
    versions.pop(NICS, None)
    if format_ == 1:
        content = _in_one(sections)
    else:
        content = {"sections": {each.name: {"version": each.version, "content": each.content} for each in sections}}
        content = {"format": format_, **content}
    return Rendered(version, versions, json.dumps({"version": version, **content}).encode())


def _in_one(sections: Sequence[Section]) -> dict[str, Any]:
    """The document of agents that know no sections, which had the logs of consoles one level deeper."""
    content: dict[str, Any] = {}
    for each in sections:
        content |= {"console_logs": each.content} if each.name == CONSOLES else each.content
    return content


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]
