"""
What was done, and not only written down: whoever is told that something is done finds it so on the nodes.

It keeps, beside the product, what each guest wrote to its disk, which calls took effect on a node and how guests ended;
at rest it holds what is recorded as done against that.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from simulation import expiries, jobs, judge, templates
from simulation.beginning import ELSEWHERE
from simulation.endings import Endings
from simulation.points import BOOTS, Held
from simulation.simulation import EPOCH
from simulation.tickets import REMOTES

if TYPE_CHECKING:
    from cm.drivers.memory.node import MemoryNode
    from simulation.simulation import Simulation
    from simulation.workload import Workload
    from simulation.world import Node

PRESSED: Final = {"vm_reset": "reset", "vm_pause": "pause", "vm_resume": "resume"}
# What succeeds at least once over the fixed seeds, with its effect.
EXPECTED: Final = (
    "vm_create overlay", "vm_create copy", "vm_create vnc", "vm_create iso", "vm_create data disk",
    "vm_create saved image", "vm_start", "vm_stop", "vm_shutdown", "vm_reset", "vm_pause", "vm_resume", "vm_destroy",
    "vm_trash", "vm_suspend", "vm_wake_up", "memories compared", "vm_create new disk", "attach_or_create",
    "attach_or_create used",
    "vm_vnc attach", "vm_vnc detach", "vm_save asked", "vm_save policy", "vm_save again", "vm_move", "vm_migrate",
    "power-off stop", "power-off save", "power-off destroy", "power-off restart", "crash restart",
    "image_import", "image_delete",
    "storage_attach", "storage_detach", "node_evacuate", "farm_launch", "retried", "abandoned",
    "vm_create local", "vm_create seeded",
    "image_cache copy", "image_cache evict", "vm_create elsewhere", "node added", "node taken out",
    "disk_grow", "disk_copy", "disk_move", "disk_move apart", "volume_delete",
    "snapshot_create", "snapshot_revert", "snapshot_delete", "snapshots compared", "reverts compared",
    "vm_to_image", "images compared", "disk_flatten",
    "disk_create", "disk_attach", "disk_detach", "vm_cd", "nic_attach", "nic_detach",
    "card limited", "public address answered", "public address moved", "public port answered",
    "vm resized", "vm_resize more", "vm_resize less", "vm put into a group",
    "job asked for", "job by its schedule", "job canceled", "job's call done", "job's call refused",
    "told of a lease's end", "suspended by its lease", "deleted by its lease", "lease renewed",
    "vm_create by a template", "saved as a template", "profile made",
    *(f"{what} by our agent" for what in ("set_password", "add_keys", "set_hostname", "mount_share", "reboot")),
    *(f"{what} by agent" for what in ("set_password", "add_keys", "reboot")), "reboot by keys",
    "volume adopted", "uploaded", "upload cut off", "upload busy", "upload terminated", "upload expired",
)  # fmt: skip

# A VM's disks, as they lie on storages.
_LIES: Final = (
    "attachment a JOIN disk k ON k.id = a.disk_id JOIN volume u ON u.id = k.volume_id"
    " JOIN storage s ON s.id = u.storage_id WHERE a.vm_id = v.id"
)

# Of snapshots that were not taken: what a domain may go on with, by what the disk is on record to be written to.
_UNTAKEN: Final = (
    "SELECT s.path || '/' || b.name AS below, s.path || '/' || u.name AS above FROM snapshot n JOIN disk k"
    " ON k.id = n.disk_id JOIN volume u ON u.id = k.volume_id JOIN volume b ON b.id = u.backing_id"
    " JOIN storage s ON s.id = b.storage_id WHERE n.volume_id = b.id AND n.taken_at IS NULL"
)


class Effects:
    """
    :ivar disks: by uuid, what a VM's root disk has to hold.
    :ivar counted: what was held against the product at rest, and what was not, by the reason.
    """

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.disks: dict[str, bytes] = {}
        self.held = Held(simulation)
        self.asleep: dict[str, bytes] = {}  # by the volume of a guest's memory: what its disk held when it was written
        self.did: dict[tuple[str, str], list[float]] = defaultdict(list)  # (method, uuid): when
        self.endings = Endings(simulation)
        self.counted: Counter[str] = Counter()

    # ------------------------------------------------------------------ what happens

    def called(self, method: str, args: tuple[Any, ...], memory: MemoryNode) -> None:
        """A call took effect on a node."""
        self.simulation.insides.happened(method, args)
        if method == "take":
            self.held.taken(memory.world.storages, args)
        if method == "resume":
            for node in self.simulation.nodes:
                if node.memory.world is memory.world:
                    node.drowsy.discard(str(args[0]))
        if method == "save":
            self.asleep[args[2]] = self.disks.get(args[0], b"")
        if method in PRESSED.values() or method == "set_vnc":
            self.did[method, str(args[0])].append(self.simulation.unix_s())

    def stood_still(self, uuid: str, begin: float, end: float) -> float:
        """For how many of these seconds (unix) a guest was paused, as somebody had asked."""
        goes_on = [*self.did["resume", uuid], *(at + EPOCH for at in self.simulation.runs.ended(uuid))]
        happened = sorted([*((at, True) for at in self.did["pause", uuid]), *((at, False) for at in goes_on)])
        stood, since = 0.0, None
        for at, pauses in [*happened, (end, False)]:
            if pauses and since is None:
                since = at
            elif not pauses and since is not None:
                stood += max(0.0, min(at, end) - max(since, begin))
                since = None
        return stood

    def _root(self, node: Node, uuid: str) -> tuple[str, Any]:
        """The pool and volume that a domain boots from."""
        storages = node.memory.world.storages
        path = node.memory.world.domains[uuid].spec.disks[0].path
        volume = storages.behind(path)
        pool = next((name for name, (spec, _) in storages._pools.items() if path.startswith(f"{spec.path}/")), "")
        return pool, volume

    def _further(self, node: Node, uuid: str) -> list[Any]:
        """The volumes of a domain's further disks that were made for VMs, and that guests write to."""
        storages = node.memory.world.storages
        disks = [disk for disk in node.memory.world.domains[uuid].spec.disks[1:] if not disk.cdrom]
        found = [storages.behind(disk.path) for disk in disks]
        return [volume for volume in found if volume is not None and not volume.missing and volume.name[:3] == "vm-"]

    def starts(self, node: Node, uuid: str) -> None:
        """A domain is about to run: from a disk that boots, which is as its guest left it, or as its image."""
        domain = node.memory.world.domains[uuid]
        if not domain.spec.disks:
            return
        for disk in domain.spec.disks:
            if "-seed" in disk.path and f"/vm-{uuid}-seed" not in disk.path:
                self.simulation.break_invariant(f"VM {uuid} is told what is another's: {disk.path}")
        for further in self._further(node, uuid):
            theirs = [each for each in further.content.split(b";") if each and not each.startswith(uuid[:8].encode())]
            if theirs:
                told = f"on {further.name} what it did not write: {theirs!r:.80}"
                self.simulation.break_invariant(f"VM {uuid} finds {told}")
        pool, volume = self._root(node, uuid)
        if volume is None or volume.missing:
            return
        content = node.memory.world.storages.whole(pool, volume)
        if not content.startswith(BOOTS):
            what = f"{volume.name}, which does not boot: {content!r:.60}"
            self.simulation.break_invariant(f"VM {uuid} starts from {what}")
        known = self.disks.get(uuid)
        if known is None:
            rows = self.simulation.sql(
                "SELECT u.name AS volume FROM vm v JOIN image i ON i.id = v.image_id"
                " JOIN volume u ON u.id = i.volume_id WHERE v.uuid = CAST(:u AS uuid)",
                u=uuid,
            )
            image = self.simulation.volumes.get(rows[0].volume) if rows else None
            if image is not None and content != image.content:
                self.simulation.break_invariant(f"VM {uuid} starts from something else than its image")
            self.disks[uuid] = content
        elif content != known and self.held.taken_back(uuid, content):
            self.disks[uuid] = content
            self.counted["reverts compared"] += 1
        elif content != known and not self.simulation.excuses.holds("volume deleted", f"vm-{uuid}-root.qcow2"):
            self.simulation.break_invariant(f"VM {uuid} starts with a disk that is not as its guest left it")
        self.held.written.setdefault(uuid, set()).add(content)

    def wakes(self, node: Node, uuid: str) -> None:
        """A guest is about to go on: from what its disk is as it was by then."""
        pools = [share.volumes for share in self.simulation.shares]
        lies = {name: v.saved.uuid for volumes in pools for name, v in volumes.items() if v.saved is not None}
        known = [self.asleep[name] for name, of in lies.items() if of == uuid and name in self.asleep]
        if uuid in self.disks and known and self.disks[uuid] not in known:
            self.simulation.break_invariant(f"VM {uuid} goes on from memory that is older than its disk")
        self.counted["memories compared"] += bool(known)

    def writes(self, node: Node, uuid: str, launch: int) -> None:
        """A guest writes to its disk, what nobody else does."""
        if not node.memory.world.domains[uuid].spec.disks:
            return
        _, volume = self._root(node, uuid)
        if volume is not None and not volume.missing and uuid in self.disks:
            written = f"{uuid[:8]}/{launch};".encode()
            volume.append(written)
            self.disks[uuid] += written
            self.held.written.setdefault(uuid, set()).add(self.disks[uuid])
            for further in self._further(node, uuid):
                further.append(written)

    # ------------------------------------------------------------------ at rest

    def at_rest(self, workload: Workload) -> list[str]:
        return [
            *self._saved(),
            *self.held.compared(),
            *self.held.imaged(),
            *self._pressed(),
            *self.endings.wrong(self.counted),
            *self.definitions(),
            *self._screens(workload),
            *self._trail(workload),
            *self.simulation.insides.at_rest(workload),
        ]

    def _saved(self) -> list[str]:
        """The image that a VM was saved to has what its disk had, by itself, and boots."""
        wrong = []
        for row in self.simulation.sql(
            "SELECT v.id, v.uuid::text AS uuid, i.id AS image_id, u.name AS volume FROM vm v JOIN image i"
            " ON i.id = v.save_image_id JOIN volume u ON u.id = i.volume_id WHERE i.state = 'ok' ORDER BY 1"
        ):
            volume, kept = self.simulation.volumes.get(row.volume), self.disks.get(row.uuid)
            if volume is None or kept is None:
                continue  # that it is there, others look at; one that never ran was saved as it was
            taken_back = self.held.taken_back(row.uuid, volume.content, unstarted=True)
            as_it_was = volume.content == kept if taken_back is None else taken_back
            if volume.base is not None or not as_it_was:
                wrong.append(f"image {row.image_id} has not what the disk of VM {row.id} had: {volume.content!r:.80}")
            self.counted["saves compared"] += 1
        asked = judge.model_of(self.simulation)
        for image in asked.images.values():
            if "name" in image.facts:
                row = self.simulation.sql("SELECT a.login FROM image i JOIN account a ON a.id = i.account_id"
                                          " WHERE i.id = :i", i=image.id)[0]  # fmt: skip
                if row.login != image.owner:
                    wrong.append(f"image {image.id} is {row.login}'s; it was made for {image.owner}")
        return wrong

    def _pressed(self) -> list[str]:
        """A button that is said to have been pressed was, in that time."""
        wrong = []
        for row in self.simulation.sql(
            "SELECT o.id, o.kind, v.uuid::text AS uuid, extract(epoch FROM o.created_at)::float8 AS begun,"
            " extract(epoch FROM o.finished_at)::float8 AS ended FROM operation o JOIN vm v ON v.id = o.vm_id"
            " WHERE o.state = 'done' AND o.kind IN ('vm_reset', 'vm_pause', 'vm_resume') ORDER BY 1"
        ):
            times = self.did[PRESSED[row.kind], row.uuid]
            if not any(row.begun - 0.01 <= at <= row.ended + 0.01 for at in times):
                wrong.append(f"operation {row.id} ({row.kind}) is done, and nobody pressed that button")
        return wrong

    def definitions(self, vm_ids: Sequence[int] | None = None) -> list[str]:
        """What runs is defined as its rows say. :param vm_ids: of these alone; None: all."""
        wrong, macs = [], Counter[str]()
        above = {row.below: row.above for row in self.simulation.sql(_UNTAKEN)}
        rows = self.simulation.sql(
            "SELECT v.id, v.uuid::text AS uuid, v.cpu, v.memory_mib, v.launches, p.port,"
            # Of one that was to get another size, and did not, it counts as what it may have.
            " coalesce((SELECT o.kind = 'vm_resize' AND o.state <> 'done' FROM operation o WHERE o.vm_id = v.id"
            " AND o.kind IN ('vm_resize', 'vm_start', 'vm_create') ORDER BY o.id DESC LIMIT 1), false) AS at_most,"
            " (SELECT array_agg(n.mac::text ORDER BY n.number) FROM nic n WHERE n.vm_id = v.id) AS nics,"
            f" (SELECT array_agg(s.path || '/' || u.name ORDER BY a.number) FROM {_LIES} AND a.delete_with_vm) AS own,"
            f" (SELECT array_agg(s.path || '/' || u.name || ' ' || a.read_only ORDER BY a.number) FROM {_LIES}"
            " AND NOT a.delete_with_vm) AS more,"
            " (SELECT array_agg(s.path || '/' || u.name || ' true') FROM seed e JOIN volume u ON u.id = e.volume_id"
            " JOIN storage s ON s.id = u.storage_id WHERE e.vm_id = v.id) AS seed,"
            " (SELECT concat_ws('/', s.path, 'nvram', nullif(v.nvram_directory, ''), 'vm-' || v.uuid || '.fd')"
            " FROM storage s WHERE s.id = v.nvram_storage_id AND v.firmware = 'uefi') AS nvram"
            " FROM vm v LEFT JOIN vnc_port p ON p.vm_id = v.id"
            " WHERE v.closed_at IS NULL AND (CAST(:ids AS bigint[]) IS NULL OR v.id = ANY(CAST(:ids AS bigint[])))"
            " ORDER BY 1",
            ids=None if vm_ids is None else list(vm_ids),
        )
        for node in self.simulation.nodes:
            for row in rows:
                domain = node.memory.world.domains.get(row.uuid)
                if domain is None or domain.running is None:
                    continue
                spec = domain.running
                has: list[Any] = [spec.vcpus, spec.memory_mib, [nic.mac for nic in spec.nics]]
                if row.at_most:
                    has[:2] = max(spec.vcpus, row.cpu), max(spec.memory_mib, row.memory_mib)
                has.append(spec.vnc.port if spec.vnc else None)
                paths = [(above.get(disk.path, disk.path), disk) for disk in spec.disks]
                has.append([path for path, _ in paths if path in (row.own or [])])
                # What came while it ran stands where it came; an empty drive has nothing that rows would tell.
                others = [(path, disk) for path, disk in paths if path and path not in (row.own or [])]
                has.append(sorted(f"{path} {'true' if disk.read_only else 'false'}" for path, disk in others))
                wanted = [row.cpu, row.memory_mib, row.nics or [], row.port, row.own or []]
                wanted.append(sorted([*(row.more or []), *(row.seed or [])]))
                has.append(spec.nvram)
                wanted.append(row.nvram or "")
                by_hand = (row.uuid, node.launches.get(row.uuid, 0))
                if has != wanted and not self.simulation.excuses.holds("started by hand", by_hand):
                    wrong.append(f"the domain of VM {row.id} is {has}, and its rows say {wanted}")
                macs.update(nic.mac for nic in spec.nics)
        return wrong + [f"{n} domains have the address {mac}" for mac, n in macs.items() if n > 1]

    def _screens(self, workload: Workload) -> list[str]:
        """The screen of what runs is open as it was asked for last, with the password that was told."""
        wrong = []
        last: dict[int, Any] = {}
        order = {
            row.request_id: row.id
            for row in self.simulation.sql("SELECT request_id, max(id) AS id FROM audit GROUP BY 1")
        }
        for ask in sorted(workload.asks, key=lambda each: order.get(each.request_id, 0)):
            if ask.accepted and ask.method in ("user.vm.attach_vnc", "user.vm.detach_vnc"):
                last[ask.params["vm_id"]] = ask
        for row in self.simulation.sql(
            "SELECT id, uuid::text AS uuid, vnc_enabled, (SELECT state FROM operation o WHERE o.vm_id = vm.id"
            " AND o.kind = 'vm_vnc' ORDER BY o.id DESC LIMIT 1) AS how FROM vm WHERE closed_at IS NULL ORDER BY 1"
        ):
            for node in self.simulation.nodes:
                domain = node.memory.world.domains.get(row.uuid)
                if domain is None or domain.vnc is None or row.how not in (None, "done"):
                    continue
                if domain.vnc.enabled != row.vnc_enabled:
                    wrong.append(f"the screen of VM {row.id} is {domain.vnc.enabled}, asked for is {row.vnc_enabled}")
                ask = last.get(row.id)
                told = ask.answer.get("password") if ask is not None and isinstance(ask.answer, dict) else None
                if told is not None and told != domain.vnc.password:
                    wrong.append(f"the screen of VM {row.id} has another password than was told")
        return wrong

    def _trail(self, workload: Workload) -> list[str]:
        """The audit says who asked for what, from where."""
        asks = {ask.request_id: ask for ask in workload.asks}
        wrong = []
        cloud = self.simulation.cloud
        books = [(self.simulation.sql, None if cloud is None else "192.0.2.10")]
        if cloud is not None:
            books.append((cloud.sql, "198.51.100.7"))
        for sql, whence in books:
            for row in sql(
                "SELECT request_id, login, method, remote, arguments FROM audit WHERE request_id IS NOT NULL"
            ):
                ask = asks.get(row.request_id)
                if ask is None:
                    continue
                kept = {name: value for name, value in ask.params.items() if name in row.arguments}
                there = {name: row.arguments[name] for name in kept}
                missing = sorted(set(ask.params) - set(row.arguments) - {"user_data"})
                told = (row.login, row.method, row.remote, there, missing)
                wanted = (ask.login, ask.method, whence or REMOTES[ask.login], kept, [])
                if told != wanted:
                    wrong.append(f"the audit of call {ask.number} says {told}, it was {wanted}")
        return wrong

    def table(self, workload: Workload) -> Counter[str]:
        """What succeeded, by kind and mode."""
        simulation, made = self.simulation, Counter[str]()
        asked = {
            vm["vm_id"]: ask.params.get("deploy_mode", "overlay")
            for ask in workload.asks
            if ask.method == "user.vm.create" and ask.accepted
            for vm in ask.answer
        }
        for row in simulation.sql(
            "SELECT o.kind, o.state, o.cause_kind, o.arguments, o.vm_id, i.name AS image, s.node_id AS to_node_id"
            " FROM operation o LEFT JOIN vm v ON v.id = o.vm_id"
            " LEFT JOIN image i ON i.id = v.image_id"
            " LEFT JOIN storage s ON s.id = (o.objects -> 'storage' ->> 0)::bigint"
        ):
            if row.state == "abandoned":
                made["abandoned"] += 1
            if row.state != "done":
                continue
            kind = {"vm_save_and_shutdown": "vm_save"}.get(row.kind, row.kind)
            modes = [""]
            saved = row.image is not None and not row.image.startswith("tiny")
            if kind == "vm_create":
                elsewhere = [" elsewhere"] if row.image == ELSEWHERE else []
                modes = [f" {asked.get(row.vm_id, 'overlay')}", *([" saved image"] if saved else []), *elsewhere]
            elif kind == "vm_save":
                modes = [" asked" if row.cause_kind == "call" else " policy", *([" again"] if saved else [])]
            elif kind == "vm_vnc":
                modes = []
            elif kind == "storage_attach" and (row.arguments or {}).get("detach"):
                kind, modes = "storage_detach", [""]
            elif kind == "vm_resize":
                less = any(row.arguments[name] < row.arguments[f"from_{name}"] for name in ("cpu", "memory_mib"))
                modes = [" less" if less else " more"]
            elif kind == "image_cache":
                modes = [" evict" if row.arguments["evict"] else " copy"]
            elif kind == "disk_move" and row.to_node_id is not None:
                modes.append(" apart")  # to nodes' own storages disks go from others' alone here
            made.update(f"{kind}{mode}" for mode in modes)
        launched = {row.id for row in simulation.sql("SELECT id FROM vm WHERE launches > 0")}
        for ask in workload.asks:
            if ask.method == "user.vm.create" and ask.accepted and ask.answer[0]["vm_id"] in launched:
                modes_of = {"vnc": "vnc", "iso_list": "iso", "disk_list": "data disk", "local_disk": "local"}
                modes_of |= {"new_disks": "new disk", "metadata": "seeded"}
                for parameter, mode in modes_of.items():
                    made[f"vm_create {mode}"] += bool(ask.params.get(parameter))
        for row in simulation.sql(
            "SELECT o.result, v.uuid::text AS uuid FROM operation o JOIN vm v ON v.id = o.vm_id"
            " WHERE o.state = 'done' AND o.kind = 'attach_or_create'"
        ):
            made["attach_or_create used"] += any(row.uuid not in disk["volume"] for disk in row.result["disks"])
        made.update(self.counted)
        made.update(jobs.counted(simulation))
        made.update(expiries.counted(simulation))
        made.update(templates.counted(workload))
        for row in simulation.sql("SELECT method, count(*) AS n FROM audit WHERE request_id IS NOT NULL GROUP BY 1"):
            if row.method.endswith("operation.retry"):
                made["retried"] += row.n
            elif row.method in ("admin.node.add", "admin.node.delete"):
                made["node added" if row.method.endswith("add") else "node taken out"] += row.n
            elif row.method.endswith("vm.resize"):
                made["vm resized"] += row.n
            elif row.method == "user.vm.set_affinity_group":
                made["vm put into a group"] += row.n
            elif row.method == "admin.storage.adopt_volume":
                made["volume adopted"] += row.n
            elif row.method in ("user.vm.attach_vnc", "user.vm.detach_vnc"):
                made[f"vm_vnc {row.method[8:14]}"] += row.n
        return made
