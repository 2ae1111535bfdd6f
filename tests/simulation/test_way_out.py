"""Every state has a way out: what went wrong elsewhere, done here. As ``test_evidence``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from lab.postgres import PrivatePostgres
from simulation.asking import OPEN
from simulation.kinds import KINDS, Kind
from simulation.process import Process
from simulation.scenario import Scene, abandon, nothing_happened
from simulation.world import Node

# Where the manager is killed and its node dies: after this call of each kind took effect.
DEATHS: Final = {
    "vm_create": "start",
    "vm_start": "start",
    "vm_stop": "destroy",
    "vm_shutdown": "shutdown",
    "vm_shutdown, ignored": "shutdown",
    "vm_reset": "reset",
    "vm_move": "destroy",
    "vm_migrate": "migrate",
    "vm_pause": "pause",
    "vm_resize": "plug_memory",
    "vm_resume": "resume",
    "vm_suspend": "save",
    "vm_wake_up": "restore",
    "vm_destroy": "destroy",
    "vm_save": "create_copy",
    "vm_save, ignored": "shutdown",
    "vm_vnc, attach": "set_vnc",
    "image_import": "upload",
    "image_delete": "delete",
    "storage_attach": "attach",
    "storage_detach": "detach",
}


def _kind(name: str) -> Kind:
    return next(kind for kind in KINDS if kind.name == name)


def _half_done(scene: Scene, name: str) -> int:
    """
    The id of an operation of this kind whose manager was killed in its middle, and whose node, or all where any would
    do, is dead for good. The manager is back.
    """
    kind = _kind(name)
    params = kind.prepare(scene)
    dead: list[Node] = []

    def die(process: Process) -> bool:
        placed = scene.sql("SELECT node_id FROM vm WHERE closed_at IS NULL AND node_id IS NOT NULL")
        place = params.get("node_id") or (placed[0].node_id if placed else None)
        dead.extend(scene.nodes if place is None else [scene.by_id[place]])
        for node in dead:
            scene.cut(node)
        scene.kill(process, 3.0)
        return True

    scene.at_point(f"node {DEATHS[name]}", die)
    scene.clients.ask(kind.login, kind.method, **params)
    scene.until(lambda: bool(dead), "the manager dies")
    scene.until(lambda: scene.some_process() is not None, "it is back")
    scene.run_for(40)
    waiting = "EXISTS (SELECT 1 FROM operation c WHERE c.parent_id = o.id)"
    found = scene.sql(f"SELECT id FROM operation o WHERE state IN {OPEN} AND NOT {waiting} ORDER BY id DESC")
    assert len(found) == 1, "the operation is stuck, as long as nobody acts"
    return int(found[0].id)


def _way_out(scene: Scene, name: str) -> None:
    """From the middle of an operation on a VM to nothing, by views alone and without its node."""
    operation_id = _half_done(scene, name)
    assert scene.books() == []
    patient = name in ("vm_destroy", "vm_migrate")
    stays = patient or name == "vm_suspend"  # while it is being written its node alone knows; a destroy ends it
    assert abandon(scene, operation_id, "ann") == ("operation_not_abandonable" if stays else "")
    assert scene.books() == []
    (vm,) = scene.call("user.vm.get_list", login="ann")
    if name == "vm_create":
        assert vm["state"] == "destroying"  # a creation that is given up is undone
    elif not patient:
        scene.run_for(10)
        assert scene.state(vm["vm_id"]) in ("running", "paused", "pending", "stopped", "stopping", "suspended")
        assert scene.act("destroy", vm["vm_id"])["status"] == "ok"
    scene.run_for(10)
    assert scene.books() == []
    if name == "vm_save":  # its domain had ended, and any node deletes its disk
        assert scene.state(vm["vm_id"]) == "destroyed"
    else:
        # Of a guest on its way nobody knows at which node it is: it can be ended by neither.
        assert scene.state(vm["vm_id"]) == ("running" if name == "vm_migrate" else "destroying")
        scene.call("admin.vm.erase", {"vm_id": vm["vm_id"]})
    _nothing_left(scene, vm["vm_id"])


def _nothing_left(scene: Scene, vm_id: int) -> None:
    """A VM has ended, without its node; nothing is under way or held. Then its node comes back."""
    assert scene.state(vm_id) == "destroyed"
    scene.run_for(60)
    assert scene.sql(f"SELECT 1 FROM operation WHERE state IN {OPEN}") == []
    assert (scene.used(), scene.leased(), scene.books()) == ((0, 0, 0, 0), (0, 0), [])
    assert scene.sql("SELECT 1 FROM image WHERE state NOT IN ('ok', 'failed') AND deleted_at IS NULL") == []
    scene.finish()


@pytest.mark.parametrize(
    "names",
    [
        ("vm_create", "vm_start", "vm_destroy"),
        ("vm_stop", "vm_shutdown", "vm_shutdown, ignored"),
        ("vm_save", "vm_save, ignored"),
        ("vm_reset", "vm_pause", "vm_resume", "vm_vnc, attach"),
        ("vm_move",),
        ("vm_migrate",),
        ("vm_suspend", "vm_wake_up"),
    ],
    ids=lambda names: names[0],
)
def test_way_out_of_a_vm(server: PrivatePostgres, state_dir: Path, names: tuple[str, ...]) -> None:
    """
    Nova, wiki.openstack.org/wiki/VMStateCleanupService (stuck in BUILD or DELETING); OpenNebula #4137 (a user has no
    way out of SNAPSHOT), #3441 (onedb change-body); oVirt, unlock_entity.sh at 0111fc6; CloudStack #10798 (SQL).

    The manager is killed in the middle of an operation and the VM's node never comes back. The owner gives the
    operation up, or is told that it cannot be, and asks for the VM's end; the administrator erases it: after each call
    the books balance, and in the end nothing is held. Should the node come back after all, it has nothing left either.
    """
    with Scene(server, state_dir, 501, nodes=2) as scene:
        for name in names:
            _way_out(scene, name)


def test_erased_in_the_middle(server: PrivatePostgres, state_dir: Path) -> None:
    """
    CloudStack #8748 (locked for ever after the source host died), OpenNebula #7155 (a VM stays in CLEANUP_RESUBMIT).

    As above, but nobody gives the operation up: erasing alone ends it, with the image that a save had reserved.
    """
    with Scene(server, state_dir, 505, nodes=2) as scene:
        for name in ("vm_create", "vm_save, ignored", "vm_destroy"):
            _half_done(scene, name)
            (vm,) = scene.call("user.vm.get_list", login="ann")
            scene.call("admin.vm.erase", {"vm_id": vm["vm_id"]})
            assert scene.books() == []
            _nothing_left(scene, vm["vm_id"])


@pytest.mark.parametrize("name", ["image_import", "image_delete"])
def test_way_out_of_an_image(server: PrivatePostgres, state_dir: Path, name: str) -> None:
    """
    go-ovirt-client #13 (a failed upload leaves the disk locked), terraform-provider-ovirt #37 (image locked),
    CloudStack #10798 (a volume in Migrating for four days, the cure is SQL).

    The manager is killed in the middle of an import or a deletion, and no node comes back: giving up the operation,
    and the deletion that follows from it, leaves no image and nothing counted.
    """
    with Scene(server, state_dir, 502, nodes=2) as scene:
        before = scene.used("admin")
        operation_id = _half_done(scene, name)
        assert abandon(scene, operation_id, "admin") == ""
        assert scene.books() == []
        scene.run_for(20)
        for row in scene.sql(f"SELECT id FROM operation WHERE state IN {OPEN}"):
            assert abandon(scene, row.id, "admin") == ""
        assert scene.sql("SELECT 1 FROM image WHERE id > :i AND deleted_at IS NULL", i=max(scene.disk_ids)) == []
        assert (scene.used("admin"), scene.books()) == (before, [])
        scene.finish()


@pytest.mark.parametrize("name", ["storage_attach", "storage_detach"])
def test_way_out_of_an_attachment(server: PrivatePostgres, state_dir: Path, name: str) -> None:
    """
    Harvester #4809, #6212, #9595 (upgrades hang on one node that is never ready); Incus #3996 (changes of the cluster
    fail while a member is off).

    The manager is killed while a storage is attached or detached, and the node never comes back: the operation can be
    given up, asked for again and given up again; the node can be taken out of the cluster, and its attachments go
    with it.
    """
    with Scene(server, state_dir, 503, nodes=2) as scene:
        node = scene.nodes[0]
        operation_id = _half_done(scene, name)
        assert abandon(scene, operation_id, "admin") == ""
        rows = scene.sql("SELECT * FROM storage_attachment WHERE node_id = :n AND storage_id <> :s",
                         n=node.node_id, s=scene.storage_id)  # fmt: skip
        assert [row.state for row in rows] == ["failed"]
        params = {"storage_id": rows[0].storage_id, "node_id": node.node_id}
        again = scene.call(f"admin.storage.{name.partition('_')[2]}", params)
        assert abandon(scene, again["operation_id"], "admin") == ""
        vm_id = scene.vm()
        assert scene.runs_on(vm_id) == [scene.nodes[1].name]
        scene.call("admin.node.delete", {"node_id": node.node_id})
        assert scene.sql("SELECT 1 FROM storage_attachment WHERE node_id = :n", n=node.node_id) == []
        scene.run_for(30)
        nothing_happened(scene, vm_id)
        assert scene.books() == []
        scene.finish()


def test_failed_and_tried_again(server: PrivatePostgres, state_dir: Path) -> None:
    """
    Xen Orchestra #7771 ("job is already running" for ever, a restart of the tool stack cured it), oVirt, pull 383 of
    ovirt-engine (locked, and not by what), Ganeti #1081, #301 (only "hypervisor returned failure").

    Whatever a node does not do in time fails by its deadline with a reason that names the node; when the node is
    back, a retry of each does what had been asked for.
    """
    with Scene(server, state_dir, 504) as scene:
        node = scene.nodes[0]
        asked = {"pause": "paused", "resume": "running", "reset": "running", "attach_vnc": "running"}
        vms = {verb: scene.vm(on=node) for verb in asked}
        scene.act("pause", vms["resume"])
        scene.quiet()
        scene.part(node)
        operations = {verb: scene.act(verb, vms[verb])["operation_id"] for verb in asked}
        scene.run_for(200)
        for verb, operation_id in operations.items():
            told = scene.call("user.operation.get", {"operation_id": operation_id}, login="ann")
            assert (told["state"], bool(told["error"]), bool(told["text"])) == ("failed", True, True), verb
        assert scene.books() == []
        scene.heal()
        scene.run_for(20)
        for verb, operation_id in operations.items():
            scene.call("user.operation.retry", {"operation_id": operation_id}, login="ann")
            scene.until_state(vms[verb], asked[verb])
        scene.quiet()
        for verb, vm_id in vms.items():
            assert [state for _, state, _ in scene.operations(vm_id)][-1] == "done", verb
            assert scene.state(vm_id) == asked[verb]
        assert "reset" in node.memory.calls
        vnc = node.memory.vnc_of(scene.uuid(vms["attach_vnc"]))
        assert vnc is not None and vnc.enabled
        scene.finish()
