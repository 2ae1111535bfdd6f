"""The kinds of operations that the crash walk has: what each begins with, and what must hold when it has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from simulation.asking import OPEN
from simulation.simulation import Simulation

SOURCE: Final = "walk.raw"


@dataclass(frozen=True)
class Kind:
    """
    :ivar prepare: brings the cluster to where the call is made; its parameters.
    :ivar wanted: the intent of the VM in the end; None where there is none.
    :ivar check: what else must hold in the end, given the call's answer: problems.
    :ivar ends: how the operation ends, with its error.
    """

    name: str
    method: str
    prepare: Callable[[Simulation], dict[str, Any]]
    wanted: str | None
    check: Callable[[Simulation, Any], Iterable[str]] = lambda simulation, answer: ()
    login: str = "ann"
    ends: tuple[str, str] = ("done", "")
    hello: bool = True  # whether a VM that runs in the end has said hello since it was launched
    own: bool = False  # whether nodes have storages of their own
    operations: int = 1  # that the call leads to
    margin: int | None = None  # walk so many points at the beginning and at the end: between them it looks and waits


WRITTEN: Final = b"what a guest has written into its variables"


# ------------------------------------------------------------------ preparing


def busy(simulation: Simulation) -> str:
    """What is not quiet yet; "" for nothing."""
    if len(simulation.processes) < simulation._managers or any(p.endpoint is None for p in simulation.processes):
        return "a process is down"
    if any(node.agent.spool for node in simulation.nodes):
        return "a node has records to deliver"
    found = simulation.sql(f"SELECT id, kind, state, step, attempts, admin_text FROM operation WHERE state IN {OPEN}")
    return "; ".join(f"operation {r.id} ({r.kind}) is {r.state} at step {r.step}: {r.admin_text}" for r in found)


def _vm(simulation: Simulation, **more: Any) -> int:
    """A VM that runs and whose guest has said hello."""
    made = simulation.call("user.vm.create", {**_new(simulation), **more}, login="ann")
    vm_id: int = made[0]["vm_id"]
    for _ in range(600):
        simulation.run_for(0.1)
        row = simulation.sql("SELECT contextualized_at FROM vm WHERE id = :id", id=vm_id)[0]
        if row.contextualized_at is not None:
            break
    _settle(simulation)
    return vm_id


def _new(simulation: Simulation) -> dict[str, Any]:
    return {
        "name": "walked", "description": "", "image_id": simulation.image_id, "template_id": simulation.template_id,
    }  # fmt: skip


def _new_seeded(simulation: Simulation) -> dict[str, Any]:
    return {**_new(simulation), "metadata": "seed-iso"}


def _new_uefi(simulation: Simulation) -> dict[str, Any]:
    return {**_new(simulation), "firmware": "uefi"}


def _uefi_list(simulation: Simulation) -> dict[str, Any]:
    return {"vm_ids": [_vm(simulation, firmware="uefi")]}


def _to_resize(simulation: Simulation) -> dict[str, Any]:
    """A VM that runs, and is to have more CPUs and more memory as it runs."""
    vm_id = _vm(simulation, max_cpu=4, max_memory_mib=1024)
    size = simulation.call("admin.template.add", {"name": "large", "cpu": 3, "memory_mib": 896, "points": 9})
    return {"vm_id": vm_id, "template_id": size["template_id"]}


def _to_shrink(simulation: Simulation) -> dict[str, Any]:
    """One that got them, and is to give them back."""
    large = _to_resize(simulation)
    simulation.call("user.vm.resize", large, login="ann")
    _settle(simulation)
    return {**large, "template_id": simulation.template_id}


def _read(simulation: Simulation) -> dict[str, Any]:
    """A VM that runs, and whose guest has read its seed."""
    return {"vm_id": _vm(simulation, metadata="seed-iso")}


def _settle(simulation: Simulation) -> None:
    """Let pass what is under way."""
    for _ in range(600):
        simulation.run_for(0.2)
        if not busy(simulation):
            return
    raise TimeoutError("what was prepared did not settle")


def _running(simulation: Simulation) -> dict[str, Any]:
    return {"vm_id": _vm(simulation)}


def _running_list(simulation: Simulation) -> dict[str, Any]:
    return {"vm_ids": [_vm(simulation)]}


def _after(method: str, prepare: Callable[[Simulation], dict[str, Any]]) -> Callable[[Simulation], dict[str, Any]]:
    """``prepare``, and then another call with the same parameters."""

    def prepared(simulation: Simulation) -> dict[str, Any]:
        params = prepare(simulation)
        simulation.call(method, params, login="admin" if method.startswith("admin.") else "ann")
        _settle(simulation)
        return params

    return prepared


def _stubborn(simulation: Simulation) -> dict[str, Any]:
    params = _running(simulation)
    for node in simulation.nodes:
        node.memory.ignores_power_button.update(node.running())
    return params


def _on_node(simulation: Simulation) -> dict[str, Any]:
    """A running VM's node, which is to be emptied."""
    vm_id = _vm(simulation)
    return {"node_id": simulation.sql("SELECT node_id FROM vm WHERE id = :id", id=vm_id)[0].node_id}


def _on_node_cold(simulation: Simulation) -> dict[str, Any]:
    return {**_on_node(simulation), "live": False}


def _to_save(simulation: Simulation) -> dict[str, Any]:
    return {"vm_id": _vm(simulation), "name": "saved", "description": ""}


def _to_save_off(simulation: Simulation) -> dict[str, Any]:
    return {**_after("user.vm.stop", _running)(simulation), "name": "saved", "description": ""}


def _stopped(simulation: Simulation) -> dict[str, Any]:
    return {**_after("user.vm.stop", _running)(simulation), "size_bytes": 32 * 2**20, "number": 1}


def _stopped_and_free(simulation: Simulation) -> dict[str, Any]:
    """A VM that is stopped, and a volume that another had."""
    for kept in (True, False):
        storage = {"storage_id": simulation.storage_id, "keep_freed": kept}
        simulation.call("admin.storage.edit", storage)
        if kept:
            made = simulation.call("user.vm.create", {**_new(simulation), "new_disks": [32]}, login="ann")
            _settle(simulation)
            simulation.call("user.vm.destroy", {"vm_ids": [made[0]["vm_id"]]}, login="ann")
            _settle(simulation)
    (free,) = (each for each in simulation.share.volumes.values() if each.name.startswith("vm-"))
    free.content = b"secret"
    return _stopped(simulation)


def _to_attach(simulation: Simulation) -> dict[str, Any]:
    added = simulation.call("admin.storage.add", {"name": "other", "kind": "dir", "path": "/srv/other"})
    return {"storage_id": added["storage_id"], "node_id": simulation.nodes[0].node_id}


def _root(simulation: Simulation, vm_id: int) -> int:
    found = simulation.sql("SELECT disk_id FROM attachment WHERE vm_id = :id AND number = 0", id=vm_id)
    return int(found[0].disk_id)


def _to_grow(simulation: Simulation) -> dict[str, Any]:
    return {"disk_id": _root(simulation, _vm(simulation)), "size_mib": 96}


def _stopped_root(simulation: Simulation) -> int:
    return _root(simulation, _after("user.vm.stop", _running)(simulation)["vm_id"])


def _to_copy(simulation: Simulation) -> dict[str, Any]:
    return {"disk_id": _stopped_root(simulation), "name": "copied"}


def _to_give(simulation: Simulation) -> dict[str, Any]:
    return {"image_id": simulation.image_id, "user_id": simulation.users["ann"], "name": "given"}


def _elsewhere(simulation: Simulation) -> int:
    """Another storage, on all nodes."""
    storage = {"name": "more", "kind": "netfs", "path": "/srv/more", "address": "nas"}
    added = simulation.call("admin.storage.add", {**storage, "source": f"/{simulation.name}-more"})["storage_id"]
    for node in simulation.nodes:
        simulation.call("admin.storage.attach", {"storage_id": added, "node_id": node.node_id})
    _settle(simulation)
    simulation.sql("UPDATE storage SET capacity_bytes = 1099511627776, offered = true WHERE id = :id", id=added)
    return int(added)


def _to_move(simulation: Simulation) -> dict[str, Any]:
    return {"disk_id": _root(simulation, _vm(simulation)), "storage_id": _elsewhere(simulation)}


def _to_move_cold(simulation: Simulation) -> dict[str, Any]:
    return {"disk_id": _stopped_root(simulation), "storage_id": _elsewhere(simulation)}


def _to_import(simulation: Simulation) -> dict[str, Any]:
    source = simulation.import_dir / SOURCE
    source.write_bytes(bytes(510) + b"\x55\xaa" + b"walk" * 16256)
    return {"name": "imported", "description": "", "path": str(source), "storage_id": simulation.storage_id}


def _to_delete(simulation: Simulation) -> dict[str, Any]:
    made = simulation.call("admin.system_image.import_file", _to_import(simulation))
    _settle(simulation)
    return {"image_id": made["image_id"]}


def _to_cache(simulation: Simulation) -> dict[str, Any]:
    """An image of its own, which is deleted in the end."""
    return {**_to_delete(simulation), "node_ids": [simulation.nodes[0].node_id]}


def _new_local(simulation: Simulation) -> dict[str, Any]:
    """On nodes that have no copy of its image yet."""
    image = _to_delete(simulation)
    simulation.sql("UPDATE image SET access = 'public' WHERE id = :id", id=image["image_id"])
    (row,) = simulation.sql(f"{_IMAGE} WHERE i.id = :id", id=image["image_id"])
    simulation.share.volumes[row.volume].content = b"boots: walked;"
    return {**_new(simulation), **image, "local_disk": True}


def _to_carry(simulation: Simulation) -> dict[str, Any]:
    """The disk of a VM that is stopped, on its node's own storage, and the other node's."""
    made = simulation.call("user.vm.create", _new_local(simulation), login="ann")
    _settle(simulation)
    simulation.call("user.vm.stop", {"vm_id": made[0]["vm_id"]}, login="ann")
    _settle(simulation)
    disk_id = _root(simulation, made[0]["vm_id"])
    lies = simulation.sql(_LIES, id=disk_id)[0].storage_id
    return {"disk_id": disk_id, "storage_id": next(each for each in simulation.local.values() if each != lies)}


def _local_uefi(simulation: Simulation) -> int:
    """A VM with UEFI on its node's own storage, whose guest has written into its variables, and runs."""
    made = simulation.call("user.vm.create", {**_new_local(simulation), "firmware": "uefi"}, login="ann")
    _settle(simulation)
    for _, variables in simulation.own_variables():
        variables.update({name: WRITTEN for name in variables})
    vm_id: int = made[0]["vm_id"]
    return vm_id


def _to_carry_uefi(simulation: Simulation) -> dict[str, Any]:
    """The disk of such a VM that is stopped, and the other node's storage."""
    vm_id = _local_uefi(simulation)
    simulation.call("user.vm.stop", {"vm_id": vm_id}, login="ann")
    _settle(simulation)
    disk_id = _root(simulation, vm_id)
    lies = simulation.sql(_LIES, id=disk_id)[0].storage_id
    return {"disk_id": disk_id, "storage_id": next(each for each in simulation.local.values() if each != lies)}


def _apart_uefi(simulation: Simulation) -> dict[str, Any]:
    """Such a VM, stopped, whose disk has moved while it ran, without its variables."""
    vm_id = _local_uefi(simulation)
    moving = {"disk_id": _root(simulation, vm_id), "storage_id": simulation.storage_id}
    simulation.call("admin.disk.move", moving, login="admin")
    _settle(simulation)
    simulation.call("user.vm.stop", {"vm_id": vm_id}, login="ann")
    _settle(simulation)
    return {"vm_id": vm_id}


def _to_snap(simulation: Simulation) -> dict[str, Any]:
    """A running VM's disk."""
    vm_id = _vm(simulation)
    row = simulation.sql("SELECT disk_id FROM attachment WHERE vm_id = :v AND number = 0", v=vm_id)[0]
    return {"disk_id": row.disk_id, "name": "walked"}


def _snapped(simulation: Simulation, count: int = 1, stop: bool = False) -> dict[str, Any]:
    """So many snapshots of a VM's disk, between which its guest writes; the first of them."""
    params, ids = _to_snap(simulation), []
    for _ in range(count):
        made = simulation.call("user.disk.create_snapshot", params, login="ann")
        _settle(simulation)
        ids += made["snapshot_ids"]
        for node in simulation.nodes:
            for uuid in node.running():
                simulation.effects.writes(node, uuid, len(ids))
    if stop:
        row = simulation.sql("SELECT vm_id FROM attachment WHERE disk_id = :d", d=params["disk_id"])[0]
        simulation.call("user.vm.stop", {"vm_id": row.vm_id}, login="ann")
        _settle(simulation)
    return {"snapshot_id": ids[0]}


def _to_insert(simulation: Simulation) -> dict[str, Any]:
    return {"vm_id": _vm(simulation), "iso_image_id": simulation.iso_id}


def _to_plug(simulation: Simulation) -> dict[str, Any]:
    """A running VM, and a disk of the same person's."""
    vm_id = _vm(simulation)
    made = simulation.call("user.disk.create", {"name": "data", "size_mib": 1}, login="ann")
    _settle(simulation)
    return {"disk_id": made["disk_id"], "vm_id": vm_id}


def _to_wire(simulation: Simulation) -> dict[str, Any]:
    return {"vm_id": _vm(simulation), "network_id": simulation.network_id}


def _to_unwire(simulation: Simulation) -> dict[str, Any]:
    """Of two NICs the second."""
    params = _after("user.nic.attach", _to_wire)(simulation)
    return {"vm_id": params["vm_id"], "nic": 1}


# ------------------------------------------------------------------ what must hold in the end


def _one_vm(simulation: Simulation, answer: Any) -> Iterable[str]:
    count = simulation.sql("SELECT count(*) FROM vm")[0][0]
    if count != 1:
        yield f"{count} VMs were made"


def _seeded(simulation: Simulation, answer: Any) -> Iterable[str]:
    """The VM that was made has its seed, whole and once, in a drive."""
    yield from _one_vm(simulation, answer)
    found = simulation.sql("SELECT u.name, u.made FROM seed e JOIN volume u ON u.id = e.volume_id")
    rows = [tuple(row) for row in found]
    there = [name for name in simulation.share.volumes if name.endswith("-seed.iso")]
    if rows != [(name, True) for name in there] or len(there) != 1:
        yield f"its seed is {rows}, and there is {there}"
    domains = [domain for node in simulation.nodes for domain in node.memory.world.domains.values()]
    drives = [disk.path for domain in domains for disk in domain.spec.disks if disk.cdrom]
    if [path.rpartition("/")[2] for path in drives] != there:
        yield f"in its drives is {drives}"


def _resized(simulation: Simulation, answer: Any) -> Iterable[str]:
    """Its domain has what its row says, and its modules are the rest of it."""
    row = simulation.sql(
        "SELECT v.uuid::text AS uuid, v.cpu, v.memory_mib, t.cpu AS size_cpu, t.memory_mib AS size_mib"
        " FROM vm v JOIN template t ON t.id = v.template_id"
    )[0]
    worlds = [node.memory.world for node in simulation.nodes]
    [domain] = [world.domains[row.uuid] for world in worlds if row.uuid in world.domains]
    has = (domain.running.vcpus, domain.running.memory_mib) if domain.running is not None else None
    if has != (row.cpu, row.memory_mib) or has != (row.size_cpu, row.size_mib):
        yield f"its domain has {has}, its row {row.cpu} and {row.memory_mib}"
    if domain.running is not None and sum(domain.modules) + domain.spec.memory_mib != domain.running.memory_mib:
        yield f"its modules are {domain.modules}"


def _with_variables(simulation: Simulation, answer: Any) -> Iterable[str]:
    """The VM that was made has what its UEFI keeps, and its domain knows where."""
    yield from _one_vm(simulation, answer)
    [(uuid,)] = [tuple(row) for row in simulation.sql("SELECT uuid::text FROM vm")]
    there = sorted(simulation.share.variables)
    domains = [domain for node in simulation.nodes for domain in node.memory.world.domains.values()]
    if there != [f"nvram/vm-{uuid}.fd"] or [domain.spec.nvram[-len(there[0]) :] for domain in domains] != there:
        yield f"its variables are {there}, and its domain has {[domain.spec.nvram for domain in domains]}"


def _without_variables(simulation: Simulation, answer: Any) -> Iterable[str]:
    if simulation.share.variables:
        yield f"its variables are there: {sorted(simulation.share.variables)}"


def _unseeded(simulation: Simulation, answer: Any) -> Iterable[str]:
    """Its seed is gone, and what it claimed."""
    there = [name for name in simulation.share.volumes if "-seed" in name]
    if there or simulation.sql("SELECT 1 FROM seed"):
        yield f"its seed is there: {there}"


def _was_reset(simulation: Simulation, answer: Any) -> Iterable[str]:
    if not any("reset" in node.memory._faults.calls for node in simulation.nodes):
        yield "no reset button was pressed"


def _moved(simulation: Simulation, answer: Any) -> Iterable[str]:
    """The VM is where the answer said that its place was."""
    (move,) = answer["moving"]
    places = [row.node_id for row in simulation.sql("SELECT node_id FROM vm WHERE closed_at IS NULL")]
    if places != [move["node_id"]] or places == [answer["node_id"]] or answer["left"]:
        yield f"VMs are on {places}, though the answer was {answer}"


def _migrated(simulation: Simulation, answer: Any) -> Iterable[str]:
    """It is where the answer said, and its guest was not started anew."""
    found = [tuple(row) for row in simulation.sql("SELECT node_id, launches FROM vm WHERE closed_at IS NULL")]
    if found != [(answer["node_id"], 1)]:
        yield f"VMs are on {found} (node, launches), though the answer was {answer}"


def _asleep(simulation: Simulation, answer: Any) -> Iterable[str]:
    """Its memory lies on its storage, whole and once, and no node has its domain."""
    rows = simulation.sql("SELECT u.name, u.made FROM suspension s JOIN volume u ON u.id = s.volume_id")
    there = [name for name, volume in simulation.share.volumes.items() if volume.saved is not None]
    if [tuple(row) for row in rows] != [(name, True) for name in there] or len(there) != 1:
        yield f"its memory is {[tuple(row) for row in rows]}, and there is {there}"
    if any(node.memory.world.domains for node in simulation.nodes):
        yield "a node has its domain"


def _awake(simulation: Simulation, answer: Any) -> Iterable[str]:
    """It runs once, and its memory is gone."""
    there = [name for name, volume in simulation.share.volumes.items() if volume.saved is not None]
    if there or simulation.sql("SELECT 1 FROM suspension"):
        yield f"its memory is there: {there}"
    running = [node.name for node in simulation.nodes if node.running()]
    if len(running) != 1:
        yield f"it runs on {running}"


def _screen(simulation: Simulation, answer: Any) -> Iterable[str]:
    """The running domain's screen is as the answer, or after a detach its absence, says."""
    row = simulation.sql("SELECT uuid::text, vnc_enabled FROM vm")[0]
    for node in simulation.nodes:
        if row.uuid in node.running():
            vnc = node.memory.vnc_of(row.uuid)
            if vnc is None or vnc.enabled != row.vnc_enabled or row.vnc_enabled != ("password" in answer):
                yield f"the screen is {vnc}, though enabled is {row.vnc_enabled}"
            elif "password" in answer and (vnc.password, vnc.port) != (answer["password"], answer["port"]):
                yield "the screen's password or port is not the one that was told"


_LIES: Final = (
    "SELECT u.name, u.storage_id, u.size_bytes, u.claimed_bytes, a.used_storage_mib FROM disk k JOIN volume u"
    " ON u.id = k.volume_id JOIN account a ON a.id = k.account_id WHERE k.id = :id"
)


def _grown(simulation: Simulation, answer: Any) -> Iterable[str]:
    """As it was asked for: on the node, on record, and of its owner's quota."""
    row = simulation.sql(_LIES, id=answer["disk_id"])[0]
    seen = simulation.share.volumes[row.name].capacity_bytes
    if {seen, row.size_bytes, row.claimed_bytes} != {96 * 2**20} or row.used_storage_mib != 96:
        yield f"the disk has {seen} bytes, its row says {tuple(row)}"


def _disk_moved(simulation: Simulation, answer: Any) -> Iterable[str]:
    """It lies on the other storage and nowhere else, with what its guest wrote, and is counted once."""
    row = simulation.sql(_LIES, id=answer["disk_id"])[0]
    storages = simulation.nodes[0].memory.world.storages
    there = storages.share(f"wawel-{row.storage_id}").volumes
    if row.storage_id == simulation.storage_id or list(there) != [row.name] or row.used_storage_mib != 64:
        yield f"the disk lies at {tuple(row)}, beside {sorted(there)}"
    elif not there[row.name].content.startswith(b"boots:") or there[row.name].base is not None:
        yield f"the disk holds {there[row.name].content!r:.60}, on {there[row.name].base}"
    if any(name.startswith("vm-") and "console" not in name for name in simulation.share.volumes):
        yield f"something is left where it was: {sorted(simulation.share.volumes)}"


def _carried(simulation: Simulation, answer: Any) -> Iterable[str]:
    """It lies on the other node's storage and nowhere else, whole, with what its guest wrote, and is counted once."""
    row = simulation.sql(_LIES, id=answer["disk_id"])[0]
    (cached,) = simulation.sql("SELECT u.storage_id FROM cached_image c JOIN volume u ON u.id = c.volume_id")
    there = {
        storage_id: [volume for name, volume in volumes.items() if "-cached." not in name]
        for storage_id, volumes in simulation.own_volumes()
    }
    names = {storage_id: [volume.name for volume in volumes] for storage_id, volumes in there.items()}
    if names != {cached.storage_id: [], row.storage_id: [row.name]} or there[row.storage_id][0].base is not None:
        yield f"the disk lies at {tuple(row)}, and there is {there}"
    if row.claimed_bytes != row.size_bytes or row.used_storage_mib != -(-row.size_bytes // 2**20):
        yield f"the disk is counted as {tuple(row)}"
    yield from _content(simulation, lambda uuid: simulation.effects.disks[uuid])


def _carried_variables(simulation: Simulation, answer: Any) -> Iterable[str]:
    """What UEFI keeps of its VM went along, is where its row says, and nowhere else."""
    yield from _carried(simulation, answer)
    [row] = simulation.sql("SELECT uuid::text AS uuid, nvram_storage_id, nvram_directory FROM vm")
    there = {storage_id: dict(variables) for storage_id, variables in simulation.own_variables() if variables}
    if there != {row.nvram_storage_id: {f"nvram/{row.nvram_directory}/vm-{row.uuid}.fd": WRITTEN}}:
        yield f"its row says {tuple(row)}, and there is {there}"
    if row.nvram_storage_id != simulation.sql(_LIES, id=answer["disk_id"])[0].storage_id:
        yield "its variables are not where its disk is"


def _followed(simulation: Simulation, answer: Any) -> Iterable[str]:
    """Its variables are beside its disk and nowhere else, as they were, and its domain has them."""
    [row] = simulation.sql("SELECT uuid::text AS uuid, nvram_storage_id, nvram_directory FROM vm")
    if simulation.share.variables != {f"nvram/{row.nvram_directory}/vm-{row.uuid}.fd": WRITTEN}:
        yield f"its row says {tuple(row)}, and there is {simulation.share.variables}"
    if row.nvram_storage_id != simulation.storage_id or any(there for _, there in simulation.own_variables()):
        yield f"its row says {tuple(row)}, and nodes have {simulation.own_variables()}"
    yield from simulation.effects.definitions()


def _snap(simulation: Simulation, answer: Any) -> Iterable[str]:
    """The snapshot is taken, and its domain writes to what stands on it."""
    (snapshot_id,) = answer["snapshot_ids"]
    row = simulation.sql(
        "SELECT s.consistency, s.spare_id, b.id = s.volume_id AS above FROM snapshot s JOIN disk k ON k.id = s.disk_id"
        " JOIN volume c ON c.id = k.volume_id LEFT JOIN volume b ON b.id = c.backing_id WHERE s.id = :i",
        i=snapshot_id,
    )
    if [tuple(each)[1:] for each in row] != [(None, True)] or row[0].consistency is None:
        yield f"the snapshot is {[tuple(each) for each in row]}"
    yield from simulation.effects.held.compared()
    yield from simulation.effects.definitions()


def _imaged(simulation: Simulation, answer: Any) -> Iterable[str]:
    """The image has what the disk had, and the disk what it had, in the volume that it was; nothing else is left."""
    yield from _image_there(simulation, answer)
    yield from simulation.effects.held.imaged()
    yield from _unsnapped(simulation, {"snapshot_ids": [row.id for row in simulation.sql("SELECT id FROM snapshot")]})
    (row,) = simulation.sql(
        "SELECT v.uuid::text AS uuid, u.name FROM attachment a JOIN vm v ON v.id = a.vm_id"
        " JOIN disk k ON k.id = a.disk_id JOIN volume u ON u.id = k.volume_id WHERE a.number = 0"
    )
    there = sorted(name for name in simulation.share.volumes if name.startswith("vm-") and "console" not in name)
    if there != [row.name] or row.name != f"vm-{row.uuid}-root.qcow2":
        yield f"the disk is {row.name}, and there is {there}"


def _unsnapped(simulation: Simulation, answer: Any) -> Iterable[str]:
    """It is gone, and the disk has what it had; no domain is left that held it."""
    for snapshot_id in answer["snapshot_ids"]:
        if simulation.sql("SELECT 1 FROM snapshot WHERE id = :i", i=snapshot_id):
            yield f"snapshot {snapshot_id} is there"
    yield from _content(simulation, lambda uuid: simulation.effects.disks[uuid])
    yield from simulation.effects.held.compared()
    yield from simulation.effects.definitions()
    for node in simulation.nodes:
        if any(domain.spec.name.startswith("merge") for domain in node.memory.world.domains.values()):
            yield f"a domain that held a disk is left on {node.name}"


def _reverted(simulation: Simulation, answer: Any) -> Iterable[str]:
    """The disk has what it had when the snapshot was taken."""
    (snapshot_id,) = answer["snapshot_ids"]
    yield from _content(simulation, lambda uuid: simulation.effects.held.was[snapshot_id])
    if simulation.sql("SELECT 1 FROM snapshot WHERE spare_id IS NOT NULL"):
        yield "something is left over"


def _content(simulation: Simulation, wanted: Callable[[str], bytes]) -> Iterable[str]:
    for row in simulation.sql(
        "SELECT v.uuid::text AS uuid, u.name, u.storage_id FROM attachment a JOIN vm v ON v.id = a.vm_id"
        " JOIN disk k ON k.id = a.disk_id JOIN volume u ON u.id = k.volume_id WHERE a.number = 0"
    ):
        whole = simulation.effects.held.whole(row.storage_id, row.name)
        if whole != wanted(row.uuid):
            yield f"the disk has {whole!r:.80}, and should have {wanted(row.uuid)!r:.80}"


def _provided(simulation: Simulation, answer: Any) -> Iterable[str]:
    """The VM has the disk that the answer said, which reads as zeros."""
    rows = simulation.sql(
        "SELECT a.number, u.name FROM attachment a JOIN disk k ON k.id = a.disk_id JOIN volume u ON u.id = k.volume_id"
        " WHERE a.number > 0"
    )
    if [(row.number, row.name) for row in rows] != [(1, answer["volume"])]:
        yield f"the disks are {[tuple(row) for row in rows]}, though the answer was {answer}"
    volume = simulation.share.volumes.get(answer["volume"])
    if volume is None or volume.capacity_bytes != 32 * 2**20 or volume.content:
        yield f"the volume is {volume}"
    for table in ("reservation", "free_volume"):
        if simulation.sql(f"SELECT 1 FROM {table}"):
            yield f"there is a row of {table}"


def _provided_live(simulation: Simulation, answer: Any) -> Iterable[str]:
    """And its domain has it."""
    yield from _provided(simulation, answer)
    found = simulation.sql("SELECT disk_id, device FROM attachment WHERE number > 0")
    for row in found:
        yield from _devices(simulation, {"disk_id": row.disk_id, "device": row.device}, True)


_IMAGE: Final = (
    "SELECT i.state, i.uuid::text AS uuid, i.deleted_at, u.name AS volume FROM image i"
    " LEFT JOIN volume u ON u.id = i.volume_id"
)


def _image_there(simulation: Simulation, answer: Any) -> Iterable[str]:
    row = simulation.sql(f"{_IMAGE} WHERE i.id = :id", id=answer["image_id"])[0]
    if row.state != "ok" or row.volume not in simulation.share.volumes:
        yield f"the image is {row.state}, its volume {'there' if row.volume in simulation.share.volumes else 'missing'}"


def _image_gone(simulation: Simulation, answer: Any) -> Iterable[str]:
    row = simulation.sql(f"{_IMAGE} WHERE i.id = :id", id=answer["image_id"])[0]
    left = any(row.uuid in name for name in simulation.share.volumes)
    if row.state != "deleted" or row.deleted_at is None or left:
        yield f"the image is {row.state}, deleted at {row.deleted_at}"


def _cached(simulation: Simulation, answer: Any) -> Iterable[str]:
    (asked,) = answer
    rows = simulation.sql("SELECT c.state, u.name FROM cached_image c JOIN volume u ON u.id = c.volume_id")
    there = dict(simulation.own_volumes())[asked["storage_id"]]
    if [row.state for row in rows] != ["ok"] or any(row.name not in there for row in rows):
        yield f"the copies are {[tuple(row) for row in rows]}, and there is {sorted(there)}"


def _evicted(simulation: Simulation, answer: Any) -> Iterable[str]:
    rows = simulation.sql("SELECT id FROM cached_image")
    left = [name for _, there in simulation.own_volumes() for name in there]
    if rows or left:
        yield f"{len(rows)} copies are on record, and there is {left}"


def _attached(simulation: Simulation, answer: Any) -> Iterable[str]:
    yield from _pool(simulation, answer, True)


def _detached(simulation: Simulation, answer: Any) -> Iterable[str]:
    yield from _pool(simulation, answer, False)


def _pool(simulation: Simulation, answer: Any, wanted: bool) -> Iterable[str]:
    found = simulation.sql(
        "SELECT state FROM storage_attachment WHERE storage_id = :s AND node_id = :n",
        s=answer["storage_id"],
        n=answer["node_id"],
    )
    states = [row.state for row in found]
    pools = simulation.by_id[answer["node_id"]].memory.world.storages._pools
    if states != (["attached"] if wanted else []):
        yield f"the attachment is {states}"
    if (f"wawel-{answer['storage_id']}" in pools) != wanted:
        yield "the node's pool is not as the attachment says"


def _plugged(simulation: Simulation, answer: Any) -> Iterable[str]:
    yield from _devices(simulation, answer, True)


def _unplugged(simulation: Simulation, answer: Any) -> Iterable[str]:
    yield from _devices(simulation, answer, False)


def _devices(simulation: Simulation, answer: Any, wanted: bool) -> Iterable[str]:
    """The record and the domain that runs say alike that a disk is there, or is not."""
    row = simulation.sql("SELECT uuid::text FROM vm")[0]
    recorded = bool(simulation.sql("SELECT 1 FROM attachment WHERE disk_id = :d", d=answer["disk_id"]))
    for node in simulation.nodes:
        if row.uuid in node.running():
            domain = node.memory.world.domains[row.uuid].running
            there = domain is not None and answer["device"] in [disk.device for disk in domain.disks]
            if (recorded, there) != (wanted, wanted):
                yield f"on record is {recorded}, in the domain {there}"


def _wired(simulation: Simulation, answer: Any) -> Iterable[str]:
    yield from _cards(simulation, answer, True)


def _unwired(simulation: Simulation, answer: Any) -> Iterable[str]:
    yield from _cards(simulation, answer, False)


def _cards(simulation: Simulation, answer: Any, wanted: bool) -> Iterable[str]:
    """The record and the domain that runs say alike that a NIC is there, or is not; its address is its own, or free."""
    yield from simulation.effects.definitions()
    leased = simulation.sql("SELECT host(address) AS address FROM network_lease WHERE nic_id = :n", n=answer["nic_id"])
    if [row.address for row in leased] != (answer["addresses"] if wanted else []):
        yield f"it has {[row.address for row in leased]}, though the answer was {answer}"
    if len(simulation.sql("SELECT 1 FROM nic")) != 1 + wanted:
        yield f"the NICs are {[tuple(row) for row in simulation.sql('SELECT id, vm_id, number FROM nic')]}"


def _inserted(simulation: Simulation, answer: Any) -> Iterable[str]:
    row = simulation.sql("SELECT uuid::text FROM vm")[0]
    recorded = simulation.sql("SELECT disk_id FROM attachment WHERE cdrom AND disk_id IS NOT NULL")
    for node in simulation.nodes:
        if row.uuid in node.running():
            domain = node.memory.world.domains[row.uuid].running
            there = domain is not None and any(disk.cdrom and disk.source for disk in domain.disks)
            if len(recorded) != 1 or not there:
                yield f"on record are {len(recorded)} CDs, in the domain is one: {there}"


def _disk_there(simulation: Simulation, answer: Any) -> Iterable[str]:
    row = simulation.sql(
        "SELECT i.state, u.made, u.name FROM disk k JOIN volume u ON u.id = k.volume_id JOIN image i"
        " ON i.id = k.image_id WHERE k.id = :d", d=answer["disk_id"],
    )[0]  # fmt: skip
    if row.state != "ok" or not row.made or row.name not in simulation.share.volumes:
        yield f"the disk is {row.state}, made {row.made}"


def _new_farm(simulation: Simulation) -> dict[str, Any]:
    sizes = dict.fromkeys(("head_template_id", "worker_template_id"), simulation.template_id)
    return {"name": "sums", "description": "", "image_id": simulation.image_id, **sizes, "count": 2}


def _to_grow(simulation: Simulation) -> dict[str, Any]:
    """A farm of which all runs."""
    made = simulation.call("user.farm.create", {**_new_farm(simulation), "count": 1}, login="ann")
    _settle(simulation)
    return {"farm_id": made["farm_id"]}


def _farm_there(simulation: Simulation, answer: Any) -> Iterable[str]:
    """Its VMs are what was answered, each once and as what it was made; none but the head is waited for any more."""
    rows = simulation.sql("SELECT id, farm_number FROM vm WHERE farm_id = :f ORDER BY farm_number", f=answer["farm_id"])
    there, told = [tuple(row) for row in rows], [(vm["vm_id"], vm["number"]) for vm in answer["vms"]]
    if there != told:
        yield f"the farm has {there}, though the answer was {told}"
    (work,) = simulation.sql("SELECT result FROM operation WHERE id = :o", o=answer["operation_id"])
    if work.result != {"started": answer["made"], "reason": ""}:
        yield f"its work ended with {work.result}, and made were {answer['made']}"
    hosts = simulation.sql("SELECT count(*) FROM farm")[0][0]
    if hosts != 1:
        yield f"{hosts} farms were made"


KINDS: Final[tuple[Kind, ...]] = (
    Kind("farm_launch", "user.farm.create", _new_farm, None, _farm_there, operations=4, margin=24),
    Kind("farm_launch, grown", "user.farm.grow", _to_grow, None, _farm_there, operations=2),
    Kind("vm_create", "user.vm.create", _new, "running", _one_vm),
    Kind("vm_create, seeded", "user.vm.create", _new_seeded, "running", _seeded),
    Kind("vm_stop, seeded", "user.vm.stop", _read, "stopped", _unseeded, margin=16),
    Kind("vm_create, uefi", "user.vm.create", _new_uefi, "running", _with_variables),
    Kind("vm_destroy, uefi", "user.vm.destroy", _uefi_list, "destroyed", _without_variables),
    Kind("vm_start", "user.vm.start", _after("user.vm.stop", _running), "running"),
    Kind("vm_start, uefi", "user.vm.start", _apart_uefi, "running", _followed, own=True),
    Kind("vm_stop", "user.vm.stop", _running, "stopped"),
    Kind("vm_shutdown", "user.vm.shutdown", _running, "stopped"),
    Kind("vm_shutdown, ignored", "user.vm.shutdown", _stubborn, "running", ends=("failed", "guest_ignored"),
         margin=24),
    Kind("vm_reset", "user.vm.reset", _running_list, "running", _was_reset, hello=False),
    Kind("vm_move", "admin.node.evacuate", _on_node_cold, "running", _moved, "admin"),
    Kind("vm_migrate", "admin.vm.migrate", _running, "running", _migrated, "admin"),
    Kind("vm_migrate, evacuated", "admin.node.evacuate", _on_node, "running", _moved, "admin", margin=16),
    Kind("vm_resize", "user.vm.resize", _to_resize, "running", _resized),
    Kind("vm_resize, less", "user.vm.resize", _to_shrink, "running", _resized),
    Kind("vm_pause", "user.vm.pause", _running, "paused"),
    Kind("vm_resume", "user.vm.resume", _after("user.vm.pause", _running), "running"),
    Kind("vm_suspend", "user.vm.suspend", _running, "suspended", _asleep),
    Kind("vm_wake_up", "user.vm.wake_up", _after("user.vm.suspend", _running), "running", _awake),
    Kind("vm_trash", "user.vm.trash", _running_list, "trashed"),
    Kind("vm_destroy", "user.vm.destroy", _running_list, "destroyed"),
    Kind("vm_save", "user.vm.save_and_shutdown", _to_save, "saved", _image_there),
    Kind("vm_save, ignored", "user.vm.save_and_shutdown",
         lambda s: {**_stubborn(s), "name": "saved", "description": ""}, "saved", _image_there,
         margin=38),
    Kind("vm_to_image", "user.vm.save", _to_save, "running", _imaged),
    Kind("vm_to_image, off", "user.vm.save", _to_save_off, "stopped", _imaged, margin=12),
    Kind("vm_vnc, attach", "user.vm.attach_vnc", _running, "running", _screen),
    Kind("vm_vnc, detach", "user.vm.detach_vnc", _after("user.vm.attach_vnc", _running), "running", _screen),
    Kind("snapshot_create", "user.disk.create_snapshot", _to_snap, "running", _snap),
    Kind("snapshot_revert", "user.snapshot.revert", lambda s: _snapped(s, 1, stop=True), "stopped", _reverted),
    Kind("snapshot_delete", "user.snapshot.delete", _snapped, "running", _unsnapped),
    Kind("snapshot_delete, between", "user.snapshot.delete", lambda s: _snapped(s, 2), "running", _unsnapped),
    Kind("snapshot_delete, off", "user.snapshot.delete", lambda s: _snapped(s, 1, stop=True), "stopped", _unsnapped),
    Kind("vm_cd", "user.vm.insert_cd", _to_insert, "running", _inserted),
    Kind("disk_create", "user.disk.create", lambda simulation: {"name": "data", "size_mib": 1}, None, _disk_there),
    Kind("disk_attach", "user.disk.attach", _to_plug, "running", _plugged),
    Kind("disk_detach", "user.disk.detach", _after("user.disk.attach", _to_plug), "running", _unplugged),
    Kind("nic_attach", "user.nic.attach", _to_wire, "running", _wired),
    Kind("nic_detach", "user.nic.detach", _to_unwire, "running", _unwired),
    Kind("attach_or_create", "admin.storage.attach_or_create", _stopped, "stopped", _provided, "admin"),
    Kind("attach_or_create, live", "admin.storage.attach_or_create",
         lambda s: {**_running(s), "size_bytes": 32 * 2**20, "number": 1}, "running", _provided_live, "admin"),
    Kind("attach_or_create, used", "admin.storage.attach_or_create", _stopped_and_free, None, _provided, "admin"),
    Kind("image_import", "admin.system_image.import_file", _to_import, None, _image_there, "admin"),
    Kind("image_delete", "user.system_image.delete", _to_delete, None, _image_gone, "admin"),
    Kind("image_cache", "admin.system_image.prefetch", _to_cache, None, _cached, "admin", own=True),
    Kind("image_cache, evict", "admin.system_image.evict", _after("admin.system_image.prefetch", _to_cache), None,
         _evicted, "admin", own=True),
    Kind("vm_create, local", "user.vm.create", _new_local, "running", _one_vm, own=True, operations=2),
    Kind("disk_grow", "user.disk.grow", _to_grow, "running", _grown),
    Kind("disk_copy", "user.disk.to_image", _to_copy, "stopped", _image_there, margin=16),
    Kind("disk_copy, of an image", "admin.system_image.copy", _to_give, None, _image_there, "admin"),
    Kind("disk_move", "user.disk.move", _to_move, "running", _disk_moved),
    Kind("disk_move, cold", "user.disk.move", _to_move_cold, "stopped", _disk_moved),
    Kind("disk_move, apart", "admin.disk.move", _to_carry, "stopped", _carried, "admin", own=True),
    Kind("disk_move, uefi", "admin.disk.move", _to_carry_uefi, "stopped", _carried_variables, "admin", own=True),
    Kind("storage_attach", "admin.storage.attach", _to_attach, None, _attached, "admin"),
    Kind("storage_detach", "admin.storage.detach", _after("admin.storage.attach", _to_attach), None, _detached,
         "admin"),
)  # fmt: skip
