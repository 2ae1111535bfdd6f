"""Never two copies of a VM: what went wrong elsewhere, done here. As ``test_evidence``."""

from __future__ import annotations

from pathlib import Path

import pytest

from cm.rpc.errors import NodeUnreachable
from lab.postgres import PrivatePostgres
from simulation.process import Process
from simulation.scenario import Scene, nothing_happened


def test_erased_and_back(server: PrivatePostgres, state_dir: Path) -> None:
    """
    Incus, doc/howto/cluster_manage.md at be7afc5 (healing starts instances elsewhere without fencing, and warns of
    corruption); OpenNebula #6126 (asked for: no second copy of what is on a host that is not heard of).

    A VM on a node that is not heard of can only be erased. The node comes back with its domain running: that is
    discarded, what the VM held was given back once, and its volumes go once no node has it.
    """
    with Scene(server, state_dir, 301) as scene:
        node = scene.nodes[0]
        bystander, lost = scene.vm(on=node), scene.vm(on=node)
        held = scene.used(), scene.leased()
        uuid = scene.uuid(lost)
        scene.part(node)
        scene.run_for(30)
        assert scene.refused("user.vm.start", {"vm_id": lost}) == "vm_wrong_state"
        scene.call("admin.vm.erase", {"vm_id": lost})
        assert scene.state(lost) == "destroyed"
        assert scene.refused("admin.vm.erase", {"vm_id": lost}, login="admin") == "vm_wrong_state"
        again = int(scene.call("user.vm.create", scene.new(), login="ann")[0]["vm_id"])
        scene.until_state(again, "running")
        assert scene.runs_on(again) != [node.name]
        assert uuid in node.running()
        assert (scene.used(), scene.leased()) == held
        scene.heal()
        scene.run_for(40)
        assert uuid not in node.memory.world.domains
        assert scene.told("is left over and discarded")
        assert (scene.used(), scene.leased(), scene.books()) == (*held, [])
        scene.look_at_storages()
        scene.until(lambda: not any(uuid in name for name in scene.volumes), "the end of its volumes", 1800.0)
        nothing_happened(scene, bystander)
        scene.finish()


@pytest.mark.parametrize("then", ["left", "started"])
def test_start_without_answer(server: PrivatePostgres, state_dir: Path, then: str) -> None:
    """
    Launchpad #1713783 (an evacuation that failed left its record behind), KubeVirt #6685 (pod, VMI and domain
    disagree): after a start whose outcome nobody knows, a second one elsewhere makes a second copy.

    A node starts a domain and is heard of no more. Its owner gives the start up, and starts again or leaves it: as
    long as the node is away nothing is started anywhere else. When it is back there is one domain, which is the VM's,
    or is what the ledger proposes to stop.
    """
    with Scene(server, state_dir, 302) as scene:
        node = scene.nodes[0]
        vm_id = scene.vm()
        scene.act("stop", vm_id)
        scene.until_state(vm_id, "stopped")
        node.memory.fail_next("start", NodeUnreachable(node.name, "Connection reset by peer"), after=True)

        def part(process: Process) -> bool:
            scene.later(0.0, scene.part, node)
            return False

        scene.at_point("node start", part, before=True)
        with scene.only(node):
            operation_id = scene.act("start", vm_id)["operation_id"]
            scene.until(lambda: node.memory.unreachable, "the domain is started")
        scene.run_for(30)
        scene.call("user.operation.abandon", {"operation_id": operation_id}, login="ann")
        scene.run_for(30)
        if then == "started":
            scene.act("start", vm_id)
        scene.run_for(120)
        assert scene.runs_on(vm_id) == [node.name]
        scene.heal()
        scene.quiet()
        scene.run_for(40)
        assert scene.runs_on(vm_id) == [node.name]
        if then == "left":
            assert scene.ledger() == [("wrong_state", vm_id)]
            drift = scene.call("admin.drift.get_list")[0]
            assert drift["proposal"] == "stop it"
            scene.call("admin.drift.apply", {"drift_id": drift["drift_id"]})
            scene.until_state(vm_id, "stopped")
        else:
            assert (scene.ledger(), scene.state(vm_id)) == ([], "running")
        scene.finish()


def test_stop_on_a_dead_node(server: PrivatePostgres, state_dir: Path) -> None:
    """
    CloudStack #8748 (locked for ever after its host died), Nova, doc/source/admin/node-down.rst at 00a0304 (UPDATE
    statements for the administrator).

    A VM on a dead node is to be stopped. Until the node has said that the domain is gone, it is not started anywhere
    else; then the stop ends by itself, and a start finds another node.
    """
    with Scene(server, state_dir, 303) as scene:
        node = scene.nodes[0]
        vm_id = scene.vm(on=node)
        scene.cut(node)
        scene.run_for(10)
        scene.act("stop", vm_id)
        scene.run_for(120)
        assert scene.state(vm_id) == "stopping"
        assert scene.refused("user.vm.start", {"vm_id": vm_id}) == "vm_busy"
        scene.heal()
        scene.until_state(vm_id, "stopped", 60.0)
        scene.call("admin.node.lock", {"node_id": node.node_id})
        scene.act("start", vm_id)
        scene.until_state(vm_id, "running")
        assert scene.runs_on(vm_id) not in ([], [node.name])
        assert scene.uuid(vm_id) not in node.memory.world.domains
        scene.finish()


def test_stands_where_its_move_broke(server: PrivatePostgres, state_dir: Path) -> None:
    """
    Ours. The source of a paused VM's move loses its libvirtd in the last moment, and the guest is nowhere else: it
    stands there, as it is meant to, and is no guest that may be elsewhere.
    """
    with Scene(server, state_dir, 306) as scene:
        vm_id = scene.vm(on=scene.nodes[0])
        scene.act("pause", vm_id)
        scene.quiet()
        scene.nodes[0].memory.world.broken = "nowhere"
        scene.call("admin.vm.migrate", {"vm_id": vm_id})
        scene.quiet()
        assert [state for kind, state, _ in scene.operations(vm_id) if kind == "vm_migrate"] == ["failed"]
        assert (scene.state(vm_id), scene.runs_on(vm_id)) == ("paused", [scene.nodes[0].name])
        scene.act("resume", vm_id)
        scene.until_state(vm_id, "running")
        scene.quiet()
        assert scene.runs_on(vm_id) == [scene.nodes[0].name]
