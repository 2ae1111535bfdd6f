"""Each kind of work in each of its modes is done once, and seen to be: the disks, buttons, screens and ends of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from cm.drivers.memory.block_job import MemoryBlockJobs
from cm.interfaces.block_job import BlockJobSeen
from cm.rpc.errors import HypervisorError
from lab.postgres import PrivatePostgres
from simulation import judge, netwatch
from simulation.effects import EXPECTED
from simulation.expiries import overdue
from simulation.intake import VALID_S
from simulation.scenario import Scene


class Tour:
    """Calls as the workload makes them, one after the other."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def ask(self, method: str, login: str = "ann", /, **params: Any) -> Any:
        ask = self.scene.clients.ask(login, method, **params)
        self.scene.until(lambda: ask.ended, f"{method} is answered")
        assert ask.accepted, f"{method} {params}: {ask.error}"
        self.scene.run_for(3.0)
        self.scene.quiet()
        return ask.answer

    def new(self, **more: Any) -> int:
        params = self.scene.new(f"vm{len(self.scene.clients.asks)}", **more)
        vm_id = int(self.ask("user.vm.create", **params)[0]["vm_id"])
        self.scene.until(lambda: bool(self.scene.row(vm_id).contextualized_at), "it says hello")
        return vm_id

    def save(self, vm_id: int) -> int:
        name = f"image{len(self.scene.clients.asks)}"
        return int(self.ask("user.vm.save_and_shutdown", vm_id=vm_id, name=name, description="")["image_id"])

    def power_off(self, policy: str) -> None:
        vm_id = self.new(on_poweroff=policy)
        uuid = self.scene.uuid(vm_id)
        node = next(node for node in self.scene.nodes if uuid in node.running())
        self.scene.effects.endings.happens(uuid)
        node.memory.guest_power_off(uuid)
        self.scene.run_for(30.0)
        self.scene.quiet()

    def ill(self, how: str, policy: str) -> None:
        """Its guest crashes, or hangs, which it has a watchdog for from its second start on."""
        vm_id = self.new(on_poweroff="destroy")
        self.ask("user.vm.set_policy", vm_id=vm_id, **{f"on_{how}": policy})
        for verb in ("stop", "start"):
            self.ask(f"user.vm.{verb}", vm_id=vm_id)
        uuid = self.scene.uuid(vm_id)
        node = next(node for node in self.scene.nodes if uuid in node.running())
        self.scene.effects.endings.happens(uuid, how)
        (node.memory.panic if how == "crash" else node.memory.starve_watchdog)(uuid)
        self.scene.run_for(30.0)
        self.scene.quiet()
        assert self.scene.state(vm_id) == ("running" if policy == "restart" else "stopped")
        self.ask("user.vm.destroy", vm_ids=[vm_id])


def test_everything_succeeds(server: PrivatePostgres, state_dir: Path) -> None:
    with Scene(server, state_dir, 401, storages=2, spares=1, own=True) as scene:
        tour = Tour(scene)
        vm_id = tour.new(vnc=True, iso_list=[scene.iso_id], disk_list=[scene.disk_ids[0]])
        for verb in (
            "pause", "resume", "suspend", "wake_up", "attach_vnc", "detach_vnc", "stop", "start", "shutdown", "start",
        ):  # fmt: skip
            tour.ask(f"user.vm.{verb}", vm_id=vm_id)
        tour.ask("user.vm.reset", vm_ids=[vm_id])
        for verb in ("trash", "recover", "trash", "destroy"):
            tour.ask(f"user.vm.{verb}", vm_ids=[vm_id])
        _is_asked_within(scene, tour)
        first = tour.save(tour.new(deploy_mode="copy"))
        again = tour.save(tour.new(image_id=first))
        tour.ask("user.system_image.delete", image_id=again)
        for policy in ("stop", "save", "destroy", "restart"):
            tour.power_off(policy)
        for how in ("crash", "hang"):
            for policy in ("restart", "stop"):
                tour.ill(how, policy)
        scene.clients._import_image()
        scene.run_for(5.0)
        scene.quiet()
        moved = tour.new()
        tour.ask("admin.vm.migrate", "admin", vm_id=moved)
        tour.ask("admin.node.evacuate", "admin", node_id=scene.row(moved).node_id, live=False)
        both = {"storage_id": scene.storage_id, "node_id": scene.row(moved).node_id}
        empty = next(node.node_id for node in scene.nodes if not node.running())
        tour.ask("admin.storage.detach", "admin", **(both | {"node_id": empty}))
        tour.ask("admin.storage.attach", "admin", **(both | {"node_id": empty}))
        tour.new(image_id=scene.image_ids[1])
        _has_new_disks(scene, tour)
        _has_disks_worked_on(scene, tour)
        _has_disks_come_and_go(tour)
        _has_local_disks(scene, tour)
        _sends(scene)
        scene.clients.keepers.bring()
        scene.run_for(5.0)
        _comes_and_goes(scene)
        _fails_and_is_retried(tour)
        _is_abandoned(tour)
        _is_reached(scene, tour)
        _is_sized_and_grouped(tour)
        _has_jobs(scene, tour)
        _has_a_lease(scene, tour)
        _has_templates(tour)
        _begins_as_a_farm(scene, tour)
        assert scene.effects.at_rest(scene.clients) == []
        done = {name for name, times in scene.effects.table(scene.clients).items() if times}
        assert sorted({*EXPECTED, "crash stop", "hang restart", "hang stop"} - done) == []
        scene.finish()


def _is_sized_and_grouped(tour: Tour) -> None:
    size = tour.ask("admin.template.add", "admin", name="larger", cpu=2, memory_mib=256, disk_mib=96, points=3)
    group = tour.ask("user.affinity_group.create", name="beside", affinity="apart")
    vm_id = tour.new()
    tour.ask("user.vm.stop", vm_id=vm_id)
    tour.ask("user.vm.resize", vm_id=vm_id, template_id=size["template_id"])
    tour.ask("user.vm.set_affinity_group", vm_id=vm_id, affinity_group_id=group["affinity_group_id"])
    tour.ask("user.vm.start", vm_id=vm_id)
    running = tour.new(max_cpu=2, max_memory_mib=1024)
    size = tour.ask("admin.template.add", "admin", name="more", cpu=2, memory_mib=896, points=3)
    for template_id in (size["template_id"], tour.scene.template_id):
        tour.ask("user.vm.resize", vm_id=running, template_id=template_id)
    tour.ask("user.vm.destroy", vm_ids=[running])


def _has_jobs(scene: Scene, tour: Tour) -> None:
    """One that is run by its schedule, by hand, and then no more."""
    vm_id = tour.new()
    calls = [{"vm_id": vm_id, "description": "by a job"}, {"vm_id": 10**6, "description": "of nothing"}]
    asked = {"name": "job", "method": "user.vm.edit", "parameters": calls, "cron": scene.clients.jobs._schedule()}
    job_id = tour.ask("user.job.create", **asked)["job_id"]
    scene.until(lambda: bool(scene.sql("SELECT 1 FROM job_run WHERE state = 'failed'")), "it is run", 200.0)
    tour.ask("user.job.edit", job_id=job_id, cron="")
    tour.ask("user.job.run", job_id=job_id)
    scene.until(lambda: len(scene.sql("SELECT 1 FROM job_run WHERE state = 'failed'")) == 2, "it is run again")
    run = scene.clients.ask("ann", "user.job.run", job_id=job_id)
    scene.until(lambda: run.ended, "it is to be run once more")
    tour.ask("user.job.cancel", job_run_id=run.answer["job_run_id"])
    tour.ask("user.vm.destroy", vm_ids=[vm_id])
    assert scene.clients.jobs.at_rest(judge.model_of(scene)) == []


def _has_a_lease(scene: Scene, tour: Tour) -> None:
    """A VM is suspended by it, and deleted; another is renewed once its owner was told."""
    asked = {"name": "short", "suspend_s": 3600, "delete_s": 7200, "for_all": True}
    expiry_id = tour.ask("admin.expiry.add", "admin", **asked)["expiry_id"]
    ends, stays = tour.new(expiry_id=expiry_id), tour.new()
    tour.ask("user.expiry.set", vm_id=stays, expiry_id=expiry_id)
    expiries = scene.clients.expiries
    for seconds, then in ((3500, "told"), (600, "suspended"), (3000, "told"), (800, "found due"), (600, "deleted")):
        for vm_id in (ends, stays):
            expiries.pass_time(vm_id, seconds)
        scene.run_for(60.0)
        scene.quiet()
        assert overdue(scene) == []
        if then == "told":
            tour.ask("user.expiry.renew", vm_id=stays)
        assert scene.state(stays) == "running"
        assert then not in ("suspended", "found due") or scene.state(ends) == "suspended"
    assert scene.state(ends) == "destroyed"
    tour.ask("user.vm.destroy", vm_ids=[stays])
    assert expiries.at_rest(judge.model_of(scene)) == []


def _has_templates(tour: Tour) -> None:
    """A VM is saved as one, and others are made by it."""
    vm_id = tour.new()
    saved = tour.ask("user.vm.save_as_template", vm_id=vm_id)["vm_template_id"]
    template_id = tour.ask("user.vm_template.create", name="of it", parent_template_id=saved)["vm_template_id"]
    size = tour.scene.template_id
    tour.ask("user.vm_profile.create", name="both", vm_template_id=template_id, template_id=size)
    asked = {"image_id": None, "template_id": size, "vm_template_id": template_id}
    made = tour.ask("user.vm.create", name="by it", description="", **asked)
    model = judge.model_of(tour.scene)
    image_id = model.installed(template_id)
    assert image_id is not None and model.vms[made[0]["vm_id"]].facts["image_id"] == image_id
    assert tour.scene.sql("SELECT image_id FROM vm WHERE id = :i", i=made[0]["vm_id"])[0].image_id == image_id
    tour.ask("user.vm.destroy", vm_ids=[made[0]["vm_id"], vm_id])


def _begins_as_a_farm(scene: Scene, tour: Tour) -> None:
    """A head, and a worker that starts when it says hello."""
    template_id = scene.template_id
    made = tour.ask(
        "user.farm.create", name="farm", description="", image_id=scene.image_id, head_template_id=template_id,
        worker_template_id=template_id, count=1,
    )  # fmt: skip
    scene.until(lambda: all(scene.row(vm["vm_id"]).contextualized_at for vm in made["vms"]), "both say hello", 120)


def _is_asked_within(scene: Scene, tour: Tour) -> None:
    """Guests do what they are asked by the agent that they have, and reboot by keys where they have none."""
    for temper in ("quick", "qemu", "none"):
        with mock.patch.object(scene.insides, "_drawn", lambda temper=temper: temper):
            vm_id = tour.new()
            scene.run_for(1.0)
        if temper != "none":
            tour.ask("user.vm.password_reset", vm_id=vm_id)
            tour.ask("user.vm.install_keys", vm_id=vm_id, keys=f"ssh-ed25519 {'A' * 68} ann")
        if temper == "quick":
            tour.ask("user.vm.set_hostname", vm_id=vm_id, hostname="within")
            tour.ask("user.vm.mount_share", vm_id=vm_id, kind="nfs", source="192.0.2.9:/srv", mountpoint="/mnt/share")
        tour.ask("user.vm.reboot", vm_id=vm_id)
        tour.ask("user.vm.destroy", vm_ids=[vm_id])


def _has_new_disks(scene: Scene, tour: Tour) -> None:
    """A VM's new disk is kept when it ends, and is the next one's, which finds nothing on it."""
    for storage_id in scene.storage_ids:
        tour.ask("admin.storage.edit", "admin", storage_id=storage_id, keep_freed=True)
    first, second = tour.new(new_disks=[32]), tour.new()
    tour.ask("user.vm.destroy", vm_ids=[first])
    tour.ask("user.vm.stop", vm_id=second)
    given = tour.ask("admin.storage.attach_or_create", "admin", vm_id=second, size_bytes=32 * 2**20)
    assert given["reused"] and given["wiped"]
    tour.ask("user.vm.start", vm_id=second)


def _has_disks_worked_on(scene: Scene, tour: Tour) -> None:
    """A VM's disk grows, moves, is taken back to how it was, and copied."""
    vm_id = tour.new()
    found = scene.sql(
        "SELECT k.id, u.storage_id FROM attachment t JOIN disk k ON k.id = t.disk_id JOIN volume u"
        " ON u.id = k.volume_id WHERE t.vm_id = :v",
        v=vm_id,
    )
    disk_id, elsewhere = found[0].id, next(each for each in scene.storage_ids if each != found[0].storage_id)
    tour.ask("user.disk.grow", disk_id=disk_id, size_mib=96)
    tour.ask("user.disk.move", disk_id=disk_id, storage_id=elsewhere)
    (point,) = tour.ask("user.disk.create_snapshot", disk_id=disk_id, name="point")["snapshot_ids"]
    node = next(node for node in scene.nodes if scene.uuid(vm_id) in node.running())
    scene.effects.writes(node, scene.uuid(vm_id), 9)
    tour.ask("user.vm.stop", vm_id=vm_id)
    tour.ask("user.snapshot.revert", snapshot_id=point)
    tour.ask("user.vm.start", vm_id=vm_id)
    assert scene.effects.held.compared() == []
    tour.ask("user.snapshot.delete", snapshot_id=point)
    tour.ask("user.vm.save", vm_id=vm_id, name="imaged")
    _is_flattened(scene, tour, disk_id)
    tour.ask("user.vm.stop", vm_id=vm_id)
    tour.ask("user.disk.to_image", disk_id=disk_id, name="copied")


def _is_flattened(scene: Scene, tour: Tour, disk_id: int) -> None:
    """A disk that is read through many files is not for long; its snapshots stay."""
    for number in range(2):
        tour.ask("user.disk.create_snapshot", disk_id=disk_id, name=f"long {number}")
    scene.until(lambda: bool(scene.sql("SELECT 1 FROM operation WHERE kind = 'disk_flatten'")), "it is begun", 400.0)
    scene.quiet()
    assert scene.effects.held.compared() == []


def _has_disks_come_and_go(tour: Tour) -> None:
    """A running VM gets a disk, a network card and a CD, and gives the first two back."""
    vm_id = tour.new()
    disk = {"disk_id": tour.ask("user.disk.create", name="data", size_mib=1)["disk_id"], "vm_id": vm_id}
    tour.ask("user.disk.attach", **disk)
    tour.ask("user.disk.detach", **disk)
    tour.ask("user.nic.attach", vm_id=vm_id, network_id=tour.scene.network_id)
    tour.ask("user.nic.detach", vm_id=vm_id, nic=1)
    tour.ask("user.vm.insert_cd", vm_id=vm_id, iso_image_id=tour.scene.iso_id)


def _has_local_disks(scene: Scene, tour: Tour) -> None:
    """
    A VM's disk is on its node's own storage, for which its image comes there, and goes to another node's, where its
    guest finds what it wrote; the copy of the image is thrown out again.
    """
    vm_id = tour.new(local_disk=True)
    (lies,) = scene.sql(
        "SELECT k.id, u.storage_id FROM attachment t JOIN disk k ON k.id = t.disk_id JOIN volume u"
        " ON u.id = k.volume_id WHERE t.vm_id = :v",
        v=vm_id,
    )
    elsewhere = next(each for each in scene.local.values() if each != lies.storage_id)
    tour.ask("user.vm.stop", vm_id=vm_id)
    tour.ask("admin.disk.move", "admin", disk_id=lies.id, storage_id=elsewhere)
    tour.ask("user.vm.start", vm_id=vm_id)
    assert scene.local[scene.row(vm_id).node_id] == elsewhere
    tour.ask("user.vm.destroy", vm_ids=[vm_id])
    tour.ask("admin.system_image.evict", "admin", image_id=scene.image_id)
    tour.ask("user.vm.destroy", vm_ids=[tour.new(metadata="seed-iso")])


def _sends(scene: Scene) -> None:
    """Uploads come to each of their ends, one cut off, and one sent twice at once."""
    senders = scene.clients.senders
    senders.begin("complete", "ann", ("cut", "twice", "damaged", "too_long", "elsewhere"))
    senders.begin("terminate", "bob")
    senders.begin("forget", "eve")
    scene.until(lambda: len(senders.all) == 3 and all(each.over for each in senders.all), "all of them end")
    scene.run_for(VALID_S)
    scene.care()
    scene.quiet()
    assert senders.at_rest() == []


def _comes_and_goes(scene: Scene) -> None:
    """A node is added and used, and taken out again."""
    spare = scene.clients.spare
    assert spare is not None
    spare.turn()
    scene.until(lambda: bool(spare.node.node_id and spare.node.agent.reports), "the node is in and reports")
    scene.quiet()
    with scene.only(spare.node):
        vm_id = int(scene.call("user.vm.create", scene.new("there"), login="ann")[0]["vm_id"])
    scene.until(lambda: scene.runs_on(vm_id) == [spare.node.name], "a VM runs on it")
    scene.quiet()
    spare.turn()
    scene.until(lambda: not spare.node.node_id, "the node is out")
    assert scene.runs_on(vm_id) not in ([], [spare.node.name])


def _is_reached(scene: Scene, tour: Tour) -> None:
    """A VM on a network of its owner's is reached by a public address and by a port, on one node and on another."""
    tour.ask("admin.pool.add", "admin", name="vx", network="10.130.0.0/20")
    for address, shared in (("203.0.113.7", False), ("203.0.113.8", True)):
        tour.ask("admin.public_address.add", "admin", addresses=[address], shared=shared)
    network_id = tour.ask("user.network.request", name="lab")["network_id"]
    own = tour.ask("user.public_address.request")["public_address_id"]
    vm_id = tour.new(networks=[network_id], public_ip_id=own)
    tour.ask("user.vm.add_port", vm_id=vm_id, guest_port=22)
    tour.ask("user.nic.edit", vm_id=vm_id, nic=0, kbit_out=1000)
    before = scene.row(vm_id).node_id
    tour.ask("user.vm.stop", vm_id=vm_id)
    tour.ask("admin.node.lock", "admin", node_id=before)
    tour.ask("user.vm.start", vm_id=vm_id)
    tour.ask("admin.node.unlock", "admin", node_id=before)
    assert scene.row(vm_id).node_id != before
    scene.run_for(30.0)  # the agent has limits on a new tap with its next round
    assert netwatch.at_rest(scene) == []


def _fails_and_is_retried(tour: Tour) -> None:
    scene = tour.scene
    for node in scene.nodes:
        node.memory.fail_next("create_overlay", HypervisorError("Input/output error", 38))
    made = scene.clients.ask("ann", "user.vm.create", **scene.new("retried"))
    scene.until(lambda: bool(scene.sql("SELECT 1 FROM operation WHERE state = 'failed'")), "it fails")
    for node in scene.nodes:
        node.memory._faults.next.clear()
    tour.ask("user.operation.retry", operation_id=made.answer[0]["operation_id"])
    assert scene.state(made.answer[0]["vm_id"]) == "running"


def _is_abandoned(tour: Tour) -> None:
    scene = tour.scene
    vm_id = tour.new()
    for node in scene.nodes:
        node.memory.ignores_power_button.update(node.running())
    ask = scene.clients.ask("ann", "user.vm.shutdown", vm_id=vm_id)
    scene.run_for(2.0)
    tour.ask("user.operation.abandon", operation_id=ask.answer["operation_id"])
    assert scene.state(vm_id) == "running"


@pytest.mark.parametrize("what", ["disk", "boot"])
def test_what_a_disk_has_is_looked_at(server: PrivatePostgres, state_dir: Path, what: str) -> None:
    """A disk that somebody wrote to behind a guest's back, or that does not boot, is seen when it is started from."""
    with Scene(server, state_dir, 402) as scene:
        vm_id = scene.vm()
        scene.act("stop", vm_id)
        scene.quiet()
        volume = scene.share.volumes[f"vm-{scene.uuid(vm_id)}-root.qcow2"]
        if what == "disk":
            volume.content += b"else"
        else:
            scene.share.volumes["image-1.qcow2"].content = b"nothing"
        scene.act("start", vm_id)
        scene.quiet()
        assert any("as its guest left it" in told or "does not boot" in told for told in scene.broken)


def test_kept_disk_is_anothers(server: PrivatePostgres, state_dir: Path) -> None:
    """What a VM that ended has left to another is not left of it."""
    with Scene(server, state_dir, 404) as scene:
        scene.call("admin.storage.edit", {"storage_id": scene.storage_id, "keep_freed": True})
        first, second = scene.vm(deploy_mode="copy"), scene.vm()
        scene.act("stop", second)
        scene.act("destroy", first)
        scene.quiet()
        asked = {"vm_id": second, "size_bytes": 64 * 2**20}
        assert scene.call("admin.storage.attach_or_create", asked)["reused"]
        scene.quiet()
        assert f"vm-{scene.uuid(first)}-root.qcow2" in scene.volumes
        scene.watcher._look_at_done(0.0)
        assert scene.broken == []


@pytest.mark.parametrize("started", [False, True])
def test_saved_after_a_revert(server: PrivatePostgres, state_dir: Path, started: bool) -> None:
    """What a VM was saved to is held against what its disk was taken back to, and no longer once its guest went on."""
    with Scene(server, state_dir, 403, nodes=1) as scene:
        tour = Tour(scene)
        vm_id = tour.new()
        uuid, node = scene.uuid(vm_id), scene.nodes[0]
        (point,) = tour.ask("user.vm.create_snapshot", vm_id=vm_id, name="point")["snapshot_ids"]
        scene.effects.writes(node, uuid, 9)
        tour.ask("user.vm.stop", vm_id=vm_id)
        tour.ask("user.snapshot.revert", snapshot_id=point)
        if started:
            tour.ask("user.vm.start", vm_id=vm_id)
            scene.effects.writes(node, uuid, 10)
        image_id = tour.save(vm_id)
        assert scene.effects._saved() == []
        row = scene.sql("SELECT u.name FROM image i JOIN volume u ON u.id = i.volume_id WHERE i.id = :i", i=image_id)[0]
        scene.volumes[row.name].content = scene.effects.held.was[point] if started else scene.effects.disks[uuid]
        assert len(scene.effects._saved()) == 1


def test_snapshot_that_came_to_nothing(server: PrivatePostgres, state_dir: Path) -> None:
    """A disk is on record to be written to its new volume before its domain is asked: one that refuses goes on as it
    was, as long as nobody has cleared that up. Nothing but such a snapshot says so."""
    with Scene(server, state_dir, 405, nodes=1) as scene:
        vm_id, node = scene.vm(), scene.nodes[0]
        whole = MemoryBlockJobs.look

        def look(jobs: MemoryBlockJobs, uuid: str, device: str) -> BlockJobSeen:
            if scene.sql("SELECT 1 FROM operation WHERE kind = 'snapshot_delete'"):
                raise HypervisorError("it is not well", 1)
            return whole(jobs, uuid, device)

        node.memory.fail_next("take", HypervisorError("it is not well", 1))
        with mock.patch.object(MemoryBlockJobs, "look", look):
            scene.call("user.vm.create_snapshot", {"vm_id": vm_id, "name": "point"}, login="ann")
            scene.quiet()
        assert [kind for kind, state, _ in scene.operations(vm_id) if state == "failed"] == [
            "snapshot_create", "snapshot_delete",
        ]  # fmt: skip
        (row,) = scene.sql(
            "SELECT u.name FROM attachment a JOIN disk k ON k.id = a.disk_id JOIN volume u ON u.id = k.volume_id"
            " WHERE a.vm_id = :v",
            v=vm_id,
        )
        spec = node.memory.world.domains[scene.uuid(vm_id)].running
        assert spec is not None and not spec.disks[0].path.endswith(row.name)
        assert scene.effects.definitions() == []
        with mock.patch("simulation.effects._UNTAKEN", "SELECT '' AS below, '' AS above"):
            assert len(scene.effects.definitions()) == 1
