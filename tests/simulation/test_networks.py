"""Networks of simulated nodes, made by the production agent over a kernel in memory, when their nodes are not well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.postgres import PrivatePostgres
from node_hooks.command import CommandFailed
from simulation import netwatch
from simulation.kernel import UPLINK, Kernel
from simulation.netfilter import NetFilter
from simulation.runner import _await_quiet
from simulation.scenario import Scene
from simulation.world import Node

ADDRESS = "203.0.113.7"


class Networked:
    """A VM of ann's on a network of her own, with a public address, on the first node."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        scene.until(lambda: all(self._able(node) for node in scene.nodes), "the nodes' agents to have reported")
        scene.call("admin.pool.add", {"name": "vx", "network": "10.130.0.0/20", "network6": "fd12:3456:789a::/48"})
        scene.call("admin.public_address.add", {"addresses": [ADDRESS]})
        self.own = scene.call("user.public_address.request", {}, login="ann")["public_address_id"]
        self.vm_id = scene.vm(on=scene.nodes[0])
        scene.call("user.public_address.assign", {"public_address_id": self.own, "vm_id": self.vm_id}, login="ann")
        scene.until(lambda: self.state() == "answered", "a node that answers", 5)
        assert self.answering() == ["n1"]

    def _able(self, node: Node) -> bool:
        report = self.scene.call("admin.node.get_by_id", {"node_id": node.node_id})["report"]
        return report is not None and {"links", "public"} <= set(report["capabilities"])

    def kernel(self, number: int) -> Kernel:
        return self.scene.nodes[number - 1].agent.wiring.kernel

    def answering(self) -> list[str]:
        return [node.name for node in self.scene.nodes if ADDRESS in node.agent.wiring.kernel.answers()]

    def state(self) -> str:
        asked = {"public_address_id": self.own}
        return str(self.scene.call("user.public_address.get_by_id", asked, login="ann")["state"])

    def as_the_rows_say(self) -> list[str]:
        return netwatch.at_rest(self.scene)


def test_reboot(server: PrivatePostgres, state_dir: Path) -> None:
    """
    After a reboot a node has the networks that it had, and answers for nothing until a manager has told it again; its
    guest is started again, and is reached.
    """
    with Scene(server, state_dir, 141) as scene:
        there, node = Networked(scene), scene.nodes[0]
        scene.kill(scene.processes[0], 60.0)
        scene.cut(node)
        assert not there.kernel(1).devices and there.answering() == []
        scene.run_for(5)
        node.memory.unreachable = False
        node.boot()
        scene.run_for(20)
        assert there.kernel(1).devices and there.answering() == []
        scene.until(lambda: there.answering() == ["n1"], "a manager that tells it so")
        assert node.agent.wiring.confirmed and scene.row(there.vm_id).launches == 2
        scene.rest()
        assert there.state() == "answered" and there.as_the_rows_say() == []
        scene.finish()


def test_bandwidth(server: PrivatePostgres, state_dir: Path) -> None:
    """
    A card is held to what its user says, from the next start of its guest on, after a reboot and after somebody took
    that away; and no more once they say so. Where no agent has told that it holds limits none is taken.
    """
    with Scene(server, state_dir, 147) as scene:
        there, node, kernel = Networked(scene), scene.nodes[0], scene.nodes[0].agent.wiring.kernel
        place = {"vm_id": there.vm_id, "nic": 0}
        scene.call("user.nic.edit", {**place, "kbit_in": 1000, "kbit_out": 64}, login="ann")
        (tap,) = kernel.taps()
        scene.until(lambda: kernel.traffic.limits(kernel.taps()) == {(tap, 1000, 64)}, "limits of its tap", 5)
        kernel.delete(f"wq{tap[2:]}")
        assert kernel.traffic.limits(kernel.taps()) == {(tap, 1000, None)}
        node.agent.disturbed()
        assert kernel.traffic.limits(kernel.taps()) == {(tap, 1000, 64)}
        scene.cut(node)
        assert not kernel.traffic.limits({tap: ""})
        scene.run_for(5)
        node.memory.unreachable = False
        node.boot()
        scene.until(lambda: kernel.traffic.limits(kernel.taps()) == {(tap, 1000, 64)}, "limits after a reboot", 60)
        scene.rest()
        assert there.as_the_rows_say() == []
        scene.call("user.nic.edit", {**place, "kbit_in": 0, "kbit_out": 0}, login="ann")
        scene.until(lambda: not kernel.traffic.limits(kernel.taps()), "no limits", 5)
        scene.finish()


def test_agent_away(server: PrivatePostgres, state_dir: Path) -> None:
    """
    While its agent is away a node keeps what it had; what was taken from it meanwhile it gives up before anything else,
    and what was withdrawn is not opened again by the document that it had saved.
    """
    with Scene(server, state_dir, 142) as scene:
        there, node = Networked(scene), scene.nodes[0]
        node.agent.running = False
        scene.act("stop", there.vm_id)
        scene.quiet()
        assert there.answering() == ["n1"] and there.kernel(1).nft.content("inet wawel_public", "guests4")
        with scene.only(scene.nodes[1]):
            scene.act("start", there.vm_id)
        scene.until(lambda: "n2" in there.answering(), "the other node's answer")
        assert there.answering() == ["n1", "n2"]  # it cannot be told
        node.agent.start()
        scene.until(lambda: there.answering() == ["n2"], "the first node to give up", 5)
        assert not there.kernel(1).devices and there.kernel(1).nft.content("bridge wawel", "taps") == set()
        scene.rest()
        assert there.as_the_rows_say() == []
        scene.finish()


def test_late(server: PrivatePostgres, state_dir: Path) -> None:
    """A document that comes late, or in part, changes nothing until a whole one comes."""
    with Scene(server, state_dir, 143) as scene:
        there, node = Networked(scene), scene.nodes[0]
        node.agent.cut = 2
        scene.call("user.public_address.unassign", {"public_address_id": there.own}, login="ann")
        scene.run_for(1)
        assert there.answering() == ["n1"] and node.agent.cut == 1
        scene.until(lambda: there.answering() == [], "a whole document", 60)
        node.agent.late_until = scene.schedule.seconds() + 50
        scene.call("user.public_address.assign", {"public_address_id": there.own, "vm_id": there.vm_id}, login="ann")
        scene.run_for(40)
        assert there.answering() == []
        scene.until(lambda: there.answering() == ["n1"], "the late one", 30)
        scene.finish()


def test_changed_by_others(server: PrivatePostgres, state_dir: Path) -> None:
    """What somebody else changes on a node is put right, and in the ledger; two nodes that answer, too."""
    with Scene(server, state_dir, 144) as scene:
        there, node, kernel = Networked(scene), scene.nodes[0], scene.nodes[0].agent.wiring.kernel
        [tunnel] = [name for name in kernel.devices if name.startswith("wx")]
        kernel.nft.flush()
        node.agent.disturbed()
        kernel.peers[tunnel] = {"192.0.2.99": None}
        there.kernel(2).proxies[ADDRESS, UPLINK] = None

        def ledger(**asked: Any) -> set[tuple[str, str, str]]:
            rows: list[dict[str, Any]] = scene.call("admin.drift.get_list", asked)
            return {(each["kind"], each["subject"], each["node"]) for each in rows}

        scene.run_for(60)
        found = ledger() | ledger(closed=True)
        removed = {("wrong_rules", table, "n1") for table in ("bridge wawel", "inet wawel", "inet wawel_public")}
        assert removed | {("wrong_link", f"wn{tunnel[2:]}", "n1"), ("wrong_public", ADDRESS, "n2")} <= found
        assert {name for _, _, name in found} == {"n1", "n2"}
        assert any("n2 differs in answers" in each for each in there.as_the_rows_say())
        del there.kernel(2).proxies[ADDRESS, UPLINK]
        scene.run_for(80)
        assert ledger() == set() and there.as_the_rows_say() == []
        scene.finish()


def test_netfilter() -> None:
    """The nftables here refuse what nft refuses, and do all of a text or nothing of it."""
    nft = NetFilter()
    nft.load('table inet a\ndelete table inet a\ntable inet a {\n\tset s { type ifname; elements = { "x", "y" }; }\n'
             "\tchain c {\n\t\tdrop\n\t}\n}\n")  # fmt: skip
    for refused in (
        'delete element inet a s { "z" }', "flush chain inet a d", "add rule inet b c drop", "delete table inet b",
        "delete set inet a t", "frobnicate",
    ):  # fmt: skip
        with pytest.raises(CommandFailed):
            nft.load(f'delete element inet a s {{ "x" }}\n{refused}\n')
        assert nft.content("inet a", "s") == {'"x"', '"y"'}
    before = nft.list("inet a")
    nft.load('delete element inet a s { "x" }\nadd element inet a s { "w" }\n')
    assert nft.content("inet a", "s") == {'"y"', '"w"'} and nft.list("inet a") == before
    nft.load("add rule inet a c accept\n")
    assert nft.list("inet a") != before


def test_ended_just_now(server: PrivatePostgres, state_dir: Path) -> None:
    """A node is told of cards that come, and hears a while later of those that went: a look at rest waits for that."""
    with Scene(server, state_dir, 149) as scene:
        vm_id = scene.vm(on=scene.nodes[0])
        scene.act("stop", vm_id)
        scene.until_state(vm_id, "stopped")
        assert any("taps" in problem for problem in netwatch.at_rest(scene))
        _await_quiet(scene)
        assert netwatch.at_rest(scene) == []
        scene.finish()
