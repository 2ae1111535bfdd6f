"""Nodes' agents of a memory cloud, as far as they make networks: each converges when it is told to."""

from __future__ import annotations

from typing import Any

from cm.rules.link import link_of
from cm.rules.node_document import PUBLIC
from cm.rules.node_report import SHAPING, Bridge, Report
from cm.runtime.wall import utc_now
from cm.services.node_report import take_report
from cm.store.link import LINKS
from cm.store.node_document import own_facts
from support.cloud import MemoryCloud


class LinkAgent:
    """The agent of one node. ``capable``: it knows links at all."""

    def __init__(self, cloud: MemoryCloud, node_id: int, tunnel_address: str, capable: bool = True) -> None:
        self.cloud = cloud
        self.node_id = node_id
        self.capable = capable
        self.sequence = 0
        self.answers: tuple[str, ...] | None = None  # addresses that it answers for; None: it knows of none
        self.coming: tuple[str, ...] | None = None  # of VMs on their way, what it translates; None: it never says so
        self.uplinks: tuple[str, ...] = ()
        self.shapes = False
        self.made: dict[str, str] = {}  # bridges by networks
        cloud.sql("UPDATE node SET tunnel_address = :a WHERE id = :n", a=tunnel_address, n=node_id)
        self.report()

    def links(self) -> list[dict[str, Any]]:
        """What it is told to have."""
        facts = self.cloud.manager.database.read_now(own_facts, self.node_id)
        return [link_of(each, facts.tunnel_address) for each in facts.links]

    def converge(self) -> None:
        """Have what it is told to have, and tell so."""
        self.made = {each["name"]: each["bridge"] for each in self.links()}
        self.cloud.memory[self.node_id].world.links = set(self.made.values())
        self.report()

    def report(self) -> None:
        self.sequence += 1
        there = self.cloud.memory[self.node_id].world.links
        bridges = {each: each for each in there} | {name: each for name, each in self.made.items() if each in there}
        told = Report(
            protocol=2,
            run=f"run-{self.node_id}",
            sequence=self.sequence,
            boot_id="boot-1",
            capabilities=(
                *((LINKS,) if self.capable else ()), *(() if self.answers is None else (PUBLIC,)),
                *((SHAPING,) if self.shapes else ()), *(() if self.coming is None else ("coming",)),
            ),  # fmt: skip
            public=self.answers or (),
            bridges=[Bridge(name, bridge, True) for name, bridge in sorted(bridges.items())],
            uplinks=self.uplinks,
            coming=self.coming or (),
        )
        at = int(utc_now().timestamp())
        assert self.cloud.manager.database.transact_now(take_report, self.node_id, told, at, {}, "")


def link_agents(cloud: MemoryCloud) -> list[LinkAgent]:
    """One for each node, with addresses of their own."""
    return [LinkAgent(cloud, node_id, f"10.77.0.1{n}") for n, node_id in enumerate(cloud.node_ids, 1)]
