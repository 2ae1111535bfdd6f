"""
Managers, their database and their nodes go down in the midst of work: what went wrong elsewhere, done here. As
``test_evidence``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.postgres import PrivatePostgres
from simulation.asking import OPEN
from simulation.process import Process
from simulation.scenario import Scene


def test_destroyed_while_it_boots(server: PrivatePostgres, state_dir: Path) -> None:
    """
    Launchpad #1914777: an instance that is deleted while it boots is left running, or its deletion is stuck.

    At whatever moment of its creation a VM is destroyed: it ends, and nothing of it comes up afterwards.
    """
    with Scene(server, state_dir, 701) as scene:
        for node in scene.nodes:
            node.slow = 10.0  # calls take seconds, and a destruction falls into the midst of one
        gone = []
        for half_seconds in range(12):
            (made,) = scene.call("user.vm.create", scene.new(), login="ann")
            scene.run_for(half_seconds / 2)
            assert scene.act("destroy", made["vm_id"])["status"] == "ok"
            gone.append(made["vm_id"])
        scene.quiet(60.0)
        scene.run_for(60)
        for vm_id in gone:
            assert (scene.state(vm_id), scene.runs_on(vm_id)) == ("destroyed", [])
        assert [node.memory.world.domains for node in scene.nodes] == [{}, {}, {}]
        assert (scene.used(), scene.leased(), scene.books()) == ((0, 0, 0, 0), (0, 0), [])
        scene.finish()


def test_power_cut(server: PrivatePostgres, state_dir: Path) -> None:
    """
    CloudStack #7154 (after a power cut of all hosts their VMs do not come back), KubeVirt #6685 (shown as Running
    though nothing runs).

    The power of every node and of the manager is cut. What ran runs again when they are back, each VM once; what was
    stopped stays so.
    """
    with Scene(server, state_dir, 702) as scene:
        ran = [scene.vm(on_poweroff=policy) for policy in ("stop", "stop", "destroy", "restart")]
        stopped = scene.vm()
        scene.act("stop", stopped)
        scene.until_state(stopped, "stopped")
        for node in scene.nodes:
            scene.cut(node)
        scene.kill(scene.processes[0], 60.0)
        scene.run_for(100)
        assert [len(node.running()) for node in scene.nodes] == [0, 0, 0]
        scene.heal()
        scene.run_for(60)
        scene.quiet()
        for vm_id in ran:
            assert scene.state(vm_id) == "running"
            assert len(scene.runs_on(vm_id)) == 1
            assert scene.row(vm_id).launches == 2
        assert (scene.state(stopped), scene.runs_on(stopped)) == ("stopped", [])
        scene.finish()


@pytest.mark.parametrize("managers", [1, 2])
def test_database_restart(server: PrivatePostgres, state_dir: Path, managers: int) -> None:
    """
    oVirt, pull 670 of ovirt-engine (after a restart in the middle of a move the command waits for its own lock), Xen
    Orchestra #7771 (a job that is running for ever).

    The database restarts in the middle of a save, and a manager dies of it or not: the save ends, once, and its image
    can be used.
    """
    with Scene(server, state_dir, 703, managers=managers) as scene:
        vm_id = scene.vm()

        def restart(process: Process) -> bool:
            scene.database_down = True
            for each in scene.processes:
                if each.listener is not None:
                    each.run(each.listener.lose)
            scene.later(12.0, back)
            if managers == 2:
                scene.kill(process, 60.0)
            return managers == 2

        def back() -> None:
            scene.database_down = False
            for each in scene.processes:
                if each.listener is not None and each.endpoint is not None:
                    each.run(each.listener.find)

        scene.at_point("node create_copy", restart)
        image_id = scene.act("save_and_shutdown", vm_id, name="saved", description="")["image_id"]
        scene.until(lambda: scene.on_point is None, "the database restarts")
        scene.run_for(13)
        scene.until_state(vm_id, "destroyed")
        assert scene.operations(vm_id) == [("vm_create", "done", ""), ("vm_save_and_shutdown", "done", "")]
        shown = scene.call("user.system_image.get_by_id", {"image_id": image_id}, login="ann")
        assert shown["state"] == "ok"
        assert (scene.used(), scene.leased(), scene.books()) == ((0, 0, 64, 0), (0, 0), [])
        copy = scene.vm(image_id=image_id)
        assert scene.state(copy) == "running"
        scene.finish()


def test_no_notifications(server: PrivatePostgres, state_dir: Path) -> None:
    """
    Platform9, recover-messaging-layer-failures (docs.platform9.com): a fault of the broker leaves every creation in
    BUILD, with no error, while all hosts look up.

    What a transaction notifies never arrives. All that is asked for still happens, some seconds later.
    """
    with Scene(server, state_dir, 704) as scene:
        scene.notifications_lost = True
        (made,) = scene.call("user.vm.create", scene.new(), login="ann")
        scene.until_state(made["vm_id"], "running", 30.0)
        for verb, state in (("pause", "paused"), ("resume", "running"), ("stop", "stopped"), ("destroy", "destroyed")):
            scene.act(verb, made["vm_id"])
            scene.until_state(made["vm_id"], state, 30.0)
        scene.finish()


def test_manager_killed_in_a_retry(server: PrivatePostgres, state_dir: Path) -> None:
    """
    OpenNebula #4268 (what is locked blocks its own recovery), Launchpad #1735407 (parallel recoveries break what each
    had checked).

    Two VMs' stops wait for a node that is away; the manager is killed while they wait, three times. When the node is
    back both are stopped, each by the one operation that was asked for.
    """
    with Scene(server, state_dir, 705, managers=2) as scene:
        node = scene.nodes[0]
        vms = [scene.vm(on=node) for _ in range(2)]
        scene.part(node)
        for vm_id in vms:
            scene.act("stop", vm_id)
        for _ in range(3):
            scene.run_for(20)
            scene.kill(scene.processes[0], 5.0)
        scene.run_for(20)
        assert [scene.state(vm_id) for vm_id in vms] == ["stopping", "stopping"]
        assert [scene.runs_on(vm_id) for vm_id in vms] == [[node.name], [node.name]]
        scene.heal()
        for vm_id in vms:
            scene.until_state(vm_id, "stopped", 60.0)
            assert scene.operations(vm_id) == [("vm_create", "done", ""), ("vm_stop", "done", "")]
            assert scene.runs_on(vm_id) == []
        assert (scene.books(), scene.used()[3]) == ([], 2)
        scene.finish()


def test_manager_without_time(server: PrivatePostgres, state_dir: Path) -> None:
    """
    A manager that has cut a VM's power gets no time for longer than its lease. The other takes its work over, and
    the VM is started again; what the first goes on with then changes nothing of that.
    """
    with Scene(server, state_dir, 706, managers=2) as scene:
        vm_id = scene.vm()
        slow: list[Process] = []

        def stall(process: Process) -> bool:
            slow.append(process)
            process.stalled_until = scene.schedule.seconds() + 90
            return False

        scene.at_point("node destroy", stall)
        scene.act("stop", vm_id)
        scene.until_state(vm_id, "stopped", 80.0)
        assert slow[0].stalled_until > scene.schedule.seconds()
        scene.act("start", vm_id)
        scene.until_state(vm_id, "running")
        scene.run_for(100)
        assert slow[0].alive and scene.state(vm_id) == "running" and len(scene.runs_on(vm_id)) == 1
        kinds = [("vm_create", "done", ""), ("vm_stop", "done", ""), ("vm_start", "done", "")]
        assert scene.operations(vm_id) == kinds
        scene.finish()


def test_silent_storage(server: PrivatePostgres, state_dir: Path) -> None:
    """
    An NFS server has no answer for minutes, longer than any call may last. What lies there waits, and elsewhere all
    goes on; no node is taken for silent. When the server is back all is done that was asked for, and the calls that
    waited, which nobody waits for any more, change nothing of that.
    """
    with Scene(server, state_dir, 707, storages=2) as scene:
        held, other = scene.vm(), scene.vm(image_id=scene.image_ids[1])
        doomed = scene.vm()
        scene.silence.begin("/srv/main")
        scene.act("stop", held)
        scene.act("destroy", doomed)
        (made,) = scene.call("user.vm.create", scene.new("late"), login="ann")
        for verb, state in (("stop", "stopped"), ("start", "running")):
            scene.act(verb, other)
            scene.until_state(other, state)
        scene.run_for(100)
        waiting = {row.vm_id for row in scene.sql(f"SELECT vm_id FROM operation WHERE state IN {OPEN}")}
        assert waiting == {held, doomed, made["vm_id"]}
        assert {row.state for row in scene.sql("SELECT state FROM node")} == {"ok"}
        assert scene.told("does not answer node")
        scene.silence.end()
        for vm_id, state in ((held, "stopped"), (doomed, "destroyed"), (made["vm_id"], "running")):
            scene.until_state(vm_id, state)
        assert scene.books() == []
        scene.finish()
