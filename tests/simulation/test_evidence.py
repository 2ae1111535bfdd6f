"""
Reports of nodes and hooks that are late, lost or of an earlier run: what went wrong elsewhere, done here. Known faults
of other managers as scenarios on the simulator.

Each test names the reports that it comes from, says what happened there, and holds what must happen here.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

from cm.interfaces.hypervisor import DomainSeen
from lab.postgres import PrivatePostgres
from simulation.scenario import Scene, nothing_happened
from simulation.world import Node


def test_release_of_an_earlier_run(server: PrivatePostgres, state_dir: Path) -> None:
    """
    Eucalyptus pull 214 (github.com/Corymbia/eucalyptus): records of an instance that was torn down made the restarted
    one look stopped.

    A VM is stopped and started again on its node while the agent's records wait. The release of the first run comes
    minutes late: it is stored, and ends nothing.
    """
    with Scene(server, state_dir, 201) as scene:
        node = scene.nodes[0]
        vm_id = scene.vm(on=node)
        node.agent.stalled_until = scene.schedule.seconds() + 240
        scene.act("stop", vm_id)
        scene.until_state(vm_id, "stopped")
        with scene.only(node):
            scene.act("start", vm_id)
            scene.until_state(vm_id, "running")
        assert scene.runs_on(vm_id) == [node.name]
        scene.until(lambda: not node.agent.spool, "the records are delivered", 400)
        scene.run_for(60)
        late = scene.sql("SELECT effect FROM hook_event WHERE operation = 'release' AND node_id = :n", n=node.node_id)
        assert [row.effect for row in late] == ["late"]
        assert scene.state(vm_id) == "running"
        assert scene.runs_on(vm_id) == [node.name]
        assert [kind for kind, _, _ in scene.operations(vm_id)] == ["vm_create", "vm_stop", "vm_start"]
        scene.finish()


def test_look_from_before_a_start(server: PrivatePostgres, state_dir: Path) -> None:
    """
    Nova, nova/compute/manager.py at 00a0304: the sync of power states says of itself that asking again makes its race
    smaller, not gone.

    A pass sees a guest that has powered itself off. Before its answer comes, the end is settled by a stop and the VM is
    started again: what the pass saw is of the run before and changes nothing.
    """
    with Scene(server, state_dir, 202) as scene:
        node = scene.nodes[0]
        vm_id = scene.vm(on=node)
        held = False

        def holding(found: Sequence[DomainSeen]) -> Sequence[DomainSeen]:
            nonlocal held
            if not held:
                held = True
                scene.hold(18.0)  # within the deadline of a pass
            return found

        with scene.lists(node, holding), scene.only(node):
            node.agent.stalled_until = scene.schedule.seconds() + 4
            node.memory.guest_power_off(scene.uuid(vm_id))
            scene.until(lambda: held, "a pass looks")
            assert scene.row(vm_id).seen == "running"
            scene.act("stop", vm_id)
            scene.until_state(vm_id, "stopped")
            scene.act("start", vm_id)
            scene.until_state(vm_id, "running")
            assert not scene.told(f"VM {vm_id} was found")
            scene.run_for(30)
        assert scene.state(vm_id) == "running"
        assert scene.runs_on(vm_id) == [node.name]
        assert [kind for kind, _, _ in scene.operations(vm_id)] == ["vm_create", "vm_stop", "vm_start"]
        assert scene.told(f"VM {vm_id} was found off (shutdown): changed")
        scene.finish()


def test_end_soon_after_a_start(server: PrivatePostgres, state_dir: Path) -> None:
    """
    OpenNebula, src/im/InformationManager.cc at f847cf2: reports of states are thrown away for 30 s after a change; a
    guest that ends meanwhile is shown as running.

    However soon after its start a guest ends, and whether or not its hook could say so: half a minute later the VM
    is stopped, and its node's share is given back.
    """
    with Scene(server, state_dir, 203) as scene:
        vm_id = scene.vm()
        scene.act("stop", vm_id)
        scene.until_state(vm_id, "stopped")
        for after_s, lost in product((0.0, 0.3, 1.9, 2.1, 6.0, 20.0), (False, True)):
            scene.act("start", vm_id)
            scene.until_state(vm_id, "running")
            scene.run_for(after_s)
            (name,) = scene.runs_on(vm_id)
            node = next(node for node in scene.nodes if node.name == name)
            node.agent.lose = int(lost)
            node.memory.guest_power_off(scene.uuid(vm_id))
            scene.until_state(vm_id, "stopped", 30.0)
            row = scene.row(vm_id)
            assert (row.node_claimed, row.node_id, row.wanted) == (False, None, "stopped")
            assert scene.leased() == (1, 0)
        scene.finish()


def test_guest_that_crashes(server: PrivatePostgres, state_dir: Path) -> None:
    """
    OpenNebula #4344: a guest that crashed was shown as UNKNOWN for good.

    A crash is an end like others: the VM's policy for it is followed, and its owner can start it.
    """
    with Scene(server, state_dir, 204) as scene:
        for policy, state in (("stop", "stopped"), ("restart", "running")):
            vm_id = scene.vm(on=scene.nodes[0], on_poweroff="destroy")
            scene.act("set_policy", vm_id, on_crash=policy)
            scene.nodes[0].memory.crash(scene.uuid(vm_id))
            scene.run_for(60)
            assert scene.state(vm_id) == state
            assert len(scene.runs_on(vm_id)) == (state == "running")
            if state == "stopped":
                scene.act("start", vm_id)
                scene.until_state(vm_id, "running")
        scene.finish()


def _destroyed_under(scene: Scene, node: Node, fault: str) -> list[str]:
    """A VM is made and destroyed, with a fault of the node's hook. What the releases that came were taken for."""
    held = scene.used(), scene.leased()
    gone = scene.vm(on=node)
    if fault == "late":
        node.agent.stalled_until = scene.schedule.seconds() + 120
    else:
        setattr(node.agent, fault, 1 if fault in ("lose", "skip") else 3)
    assert scene.act("destroy", gone)["status"] == "ok"
    scene.until_state(gone, "destroyed", 60.0)
    for _ in range(3):
        assert (scene.used(), scene.leased(), scene.books()) == (*held, [])
        scene.run_for(50)
    assert scene.runs_on(gone) == []
    scene.heal()
    return [row.effect for row in scene.sql(
        "SELECT effect FROM hook_event WHERE operation = 'release' AND domain_uuid = :u", u=scene.row(gone).uuid
    )]  # fmt: skip


def test_destroy_without_its_hook(server: PrivatePostgres, state_dir: Path) -> None:
    """
    OpenNebula, hook_driver.rst at 7e66d99 (hooks go by a publisher that drops events past a mark), OpenNebula #3441 (a
    hook that came just then left a state from which recover cannot work).

    The release of a VM that is being destroyed is lost, is skipped, is minutes late, comes again, or its
    acknowledgement is lost: the VM ends within a minute, and what it held is given back once. Another VM of its owner
    on the same node goes on holding what is its own.
    """
    with Scene(server, state_dir, 401) as scene:
        node = scene.nodes[0]
        bystander = scene.vm(on=node)
        effects = {fault: _destroyed_under(scene, node, fault) for fault in ("lose", "skip", "late", "repeat", "deaf")}
        assert effects == {"lose": [], "skip": [], "late": ["late"], "repeat": ["ended"], "deaf": ["ended"]}
        nothing_happened(scene, bystander)
        scene.finish()


def test_batch_that_cannot_be_stored(server: PrivatePostgres, state_dir: Path) -> None:
    """
    What the database loses in a commit is not acknowledged: the record of a guest's end comes again, though no look
    would tell of it for a while, and is stored once.
    """
    with Scene(server, state_dir, 208) as scene:
        node = scene.nodes[0]
        vm_id = scene.vm(on=node)
        node.agent.unstored = 1
        node.memory.guest_power_off(scene.uuid(vm_id))
        scene.until_state(vm_id, "stopped", 60.0)
        scene.until(lambda: not node.agent.spool, "the records are delivered", 60.0)
        assert node.agent.unstored == 0 and scene.told("commit lost")
        releases = "SELECT count(*) AS n FROM hook_event WHERE operation = 'release' AND node_id = :n"
        assert scene.sql(releases, n=node.node_id)[0].n == 1
        scene.finish()
