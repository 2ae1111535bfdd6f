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

NETWORKS: Final = "networks"
FIREWALL: Final = "firewall"
NICS: Final = "nics"
SECURITY: Final = "security"
SETTINGS: Final = "settings"
SCREENS: Final = "screens"
CONSOLES: Final = "consoles"
LINKS: Final = "links"
HOSTS: Final = "hosts"
PUBLIC: Final = "public"
CALLS: Final = "calls"  # there while somebody waits for one
# Others with every VM or moment, so that agents do not tell that they have them.
_UNTOLD: Final = (NICS, SECURITY, HOSTS, PUBLIC, CALLS)
_NOT_OF_FORMAT_1: Final = (NICS, SECURITY, LINKS, HOSTS, PUBLIC, CALLS)


@dataclass(frozen=True)
class Section:
    """
    :ivar text: its content, JSON: written once, however many documents it is in.
    :ivar version: the digest of that: equal content, equal version.
    """

    name: str
    text: str
    version: str


@dataclass(frozen=True)
class Rendered:
    """
    A document as a node is sent it.

    :ivar versions: of its sections, by name, without those of NICs, their groups and hosts: they are others with every
        VM, so that agents do not tell that they have them. What keeps them from these they do tell.
    """

    version: str
    versions: Mapping[str, str]
    body: bytes


def section(name: str, **content: Any) -> Section:
    text = json.dumps(content, sort_keys=True)
    return Section(name, text, _digest(text))


def render(sections: Sequence[Section], format_: int) -> Rendered:
    """:param format_: 1 or ``FORMAT``. A document has another version in each, so that none is taken for the other."""
    if format_ == 1:
        # Its agents know the NICs of whole networks.
        sections = [each for each in sections if each.name not in _NOT_OF_FORMAT_1]
    versions = {each.name: each.version for each in sections}
    version = f"{format_}-{_digest(json.dumps(versions, sort_keys=True))}"
    for name in _UNTOLD:
        versions.pop(name, None)
    if format_ == 1:
        body = json.dumps({"version": version, **_in_one(sections)})
    else:
        told = (f'"{each.name}": {{"version": "{each.version}", "content": {each.text}}}' for each in sections)
        body = f'{{"format": {format_}, "version": "{version}", "sections": {{{", ".join(told)}}}}}'
    return Rendered(version, versions, body.encode())


def _in_one(sections: Sequence[Section]) -> dict[str, Any]:
    """The document of agents that know no sections, which had the logs of consoles one level deeper."""
    content: dict[str, Any] = {}
    for each in sections:
        told = json.loads(each.text)
        content |= {"console_logs": told} if each.name == CONSOLES else told
    return content


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
