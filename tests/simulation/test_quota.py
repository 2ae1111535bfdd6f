"""Quota and addresses: what went wrong elsewhere, done here. As ``test_evidence``."""

from __future__ import annotations

from pathlib import Path

from cm.rpc.errors import CloudError, HypervisorError, QuotaReached
from lab.postgres import PrivatePostgres
from simulation.scenario import Scene, abandon


def test_creations_beyond_the_quota(server: PrivatePostgres, state_dir: Path) -> None:
    """
    Launchpad #1780373, #1893284 (quota is wrong since it is counted), Xen Orchestra #3658 (counts are wrong until
    recomputed by hand); CloudStack #3104, bpg/terraform-provider-proxmox #995, Telmate/terraform-provider-proxmox #173
    (of twenty at once some stay Starting, or find a lock).

    Twenty creations at once, at two managers, by an account that may have fourteen VMs: fourteen run soon, six are
    refused for the quota, and what is counted is fourteen times one.
    """
    with Scene(server, state_dir, 601, managers=2) as scene:
        first, second = scene.processes
        asked = [
            scene.ask("user.vm.create", scene.new(f"vm{number}"), login="ann", process=(first, second)[number % 2])
            for number in range(20)
        ]
        answers = scene.all_of(asked)
        refused = [answer for answer in answers if isinstance(answer, CloudError)]
        assert [(type(error), error.details()["resource"]) for error in refused] == [(QuotaReached, "vms")] * 6
        made = [answer[0]["vm_id"] for answer in answers if not isinstance(answer, CloudError)]
        assert len(set(made)) == 14
        assert scene.used() == (14, 14 * 512, 14 * 64, 14)
        scene.quiet(60.0)
        assert {scene.state(vm_id) for vm_id in made} == {"running"}
        assert sorted(len(node.running()) for node in scene.nodes) == [4, 5, 5]
        assert (scene.leased(), scene.books()) == ((14, 14), [])
        # Several in one call are made all or not at all.
        assert scene.refused("user.vm.create", scene.new(count=15), login="bob") == "quota_reached"
        assert scene.used("bob") == (0, 0, 0, 0)
        for vm_id in made[:3]:
            scene.act("destroy", vm_id)
        scene.quiet()
        assert scene.refused("user.vm.create", scene.new(count=4)) == "quota_reached"
        assert len(scene.call("user.vm.create", scene.new(count=3), login="ann")) == 3
        assert scene.used() == (14, 14 * 512, 14 * 64, 14)
        scene.finish()


def test_creation_that_fails(server: PrivatePostgres, state_dir: Path) -> None:
    """
    Launchpad #1679750, #1794996, #1848343 (allocations without an owner after a failed or repeated deployment); MAAS,
    Launchpad #2049508 (addresses without an owner slow all down).

    A creation that fails keeps what it holds, with the reason, until it is started or destroyed; one that is given up
    is undone; one that fits no node was never there. Afterwards not an address, port or MiB is counted.
    """
    with Scene(server, state_dir, 602) as scene:
        nothing = (0, 0, 0, 0), (0, 0)
        for node in scene.nodes:
            node.memory.fail_next("create_overlay", HypervisorError("Input/output error", 38))
        (failed,) = scene.call("user.vm.create", scene.new(), login="ann")
        scene.until_state(failed["vm_id"], "error")
        assert "Input/output error" in scene.shown(failed["vm_id"])["error"]
        assert (scene.used(), scene.leased(), scene.books()) == ((1, 512, 64, 1), (1, 1), [])
        scene.act("destroy", failed["vm_id"])
        scene.quiet()
        assert (scene.used(), scene.leased(), scene.books()) == (*nothing, [])
        for node in scene.nodes:
            node.memory._faults.next.clear()
        for delay_s in (0.0, 0.1, 0.3, 0.6):
            (given_up,) = scene.call("user.vm.create", scene.new(), login="ann")
            scene.run_for(delay_s)
            abandon(scene, given_up["operation_id"], "ann")
            scene.act("destroy", given_up["vm_id"])
            scene.quiet()
            assert scene.state(given_up["vm_id"]) == "destroyed"
            assert (scene.used(), scene.leased(), scene.books()) == (*nothing, [])
        for node in scene.nodes:
            scene.call("admin.node.lock", {"node_id": node.node_id})
        assert scene.refused("user.vm.create", scene.new(count=3)) == "no_capacity"
        assert (scene.used(), scene.leased(), scene.books()) == (*nothing, [])
        scene.finish()


def test_commit_without_answer(server: PrivatePostgres, state_dir: Path) -> None:
    """
    Synnefo pulls 108 and 142 (github.com/grnet/synnefo: figures of quota that were wrong, twice), doc/admin-guide.rst
    at d06ec8c (quota and compute are two databases, and are reconciled by hand).

    The connection breaks in the commit of a creation, which happened or did not. The client asks again, as it must:
    there is one VM, counted once.
    """
    with Scene(server, state_dir, 603) as scene:
        for number, fault in enumerate(("done", "lost"), 1):
            scene.commit_fault = fault
            ask = scene.clients.ask("ann", "user.vm.create", **scene.new())
            scene.run_for(60)
            assert scene.told(f"commit {fault}")
            assert (ask.accepted, ask.tries) == (True, 2)
            vms = scene.call("user.vm.get_list", login="ann")
            assert [vm["state"] for vm in vms] == ["running"] * number
            used = (number, number * 512, number * 64, number)
            assert (scene.used(), scene.leased(), scene.books()) == (used, (number, number), [])
        scene.finish()
