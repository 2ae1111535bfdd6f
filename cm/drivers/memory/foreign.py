"""What a node in memory has that others than we made there: pools with their volumes, saved domains, definitions."""

from __future__ import annotations

from dataclasses import dataclass, field

from cm.interfaces.hypervisor import DomainSpec


@dataclass
class Pool:
    """:ivar volumes: their definitions, by name; empty: as we made it."""

    uuid: str
    name: str
    type: str
    path: str
    xml: str
    active: bool
    persistent: bool
    volumes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Saved:
    spec: DomainSpec
    paused: bool
    defined: bool


class Foreign:
    """Of one world."""

    def __init__(self) -> None:
        self.pools: dict[str, Pool] = {}
        self.saved: dict[str, Saved] = {}  # by path
        self.xml: dict[str, str] = {}  # definitions of domains, by uuid
