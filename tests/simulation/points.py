"""Snapshots: people take them, go back to them and delete them, by draws of their own, so that seeds of before tell the
same story else; and what each holds is compared with what the disk held at that moment. So are images of VMs that go
on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from simulation.asking import OPEN
from simulation.draws import Draws

if TYPE_CHECKING:
    from simulation.simulation import Simulation
    from simulation.workload import Ask

BOOTS: Final = b"boots:"  # how whatever a VM can be started from begins
LOOK_S: Final = 1.0  # whether one call of several has ended, and the next can be made
LOOKS: Final = 45
MEET_S: Final = 0.1  # between looks for a flattening: most take less than a second


class Points(Draws):
    STREAM = "snapshots"
    PACE_S = 9.0
    ASKED = {"create": 6, "whole": 4, "revert": 5, "delete": 6, "edit": 1, "copy": 2, "there_and_back": 3}

    def _create(self) -> None:
        row = self._one(
            "SELECT a.login, t.disk_id FROM vm v JOIN account a ON a.id = v.account_id JOIN attachment t"
            " ON t.vm_id = v.id AND t.number = 0 WHERE v.closed_at IS NULL ORDER BY 2"
        )
        if row is not None:
            freeze = self._rng.choice(["auto", "auto", "no", "yes"])
            self._workload.ask(
                row.login, "user.disk.create_snapshot", disk_id=row.disk_id, name="point", freeze=freeze
            )

    def _whole(self) -> None:
        row = self._one(
            "SELECT a.login, v.id FROM vm v JOIN account a ON a.id = v.account_id WHERE v.closed_at IS NULL ORDER BY 2"
        )
        if row is not None:
            self._workload.ask(row.login, "user.vm.create_snapshot", vm_id=row.id, name="whole")

    def _there_and_back(self) -> None:
        """A guest that has written since a snapshot finds at its next start what there was before."""
        row = self._one(
            "SELECT a.login, v.id, t.disk_id FROM vm v JOIN account a ON a.id = v.account_id JOIN attachment t"
            " ON t.vm_id = v.id AND t.number = 0 WHERE v.closed_at IS NULL AND v.seen = 'running' ORDER BY 2"
        )
        if row is not None:
            asked = self._workload.ask(
                row.login, "user.disk.create_snapshot", disk_id=row.disk_id, name="there", freeze="no"
            )
            self._follow(asked, row.id, ["stop", "start", "stop", "revert", "start"])

    def _follow(self, asked: Ask, vm_id: int, rest: list[str], snapshot_id: int = 0, looks: int = LOOKS) -> None:
        """One call after the other, as long as each is accepted: a guest writes to its disk when it starts."""
        # A flattening keeps nobody waiting.
        busy = self.simulation.sql(
            f"SELECT 1 FROM operation WHERE vm_id = :v AND kind <> 'disk_flatten' AND state IN {OPEN} LIMIT 1", v=vm_id
        )
        if asked.ended and not asked.accepted or not looks:
            return
        if not asked.ended or busy:
            self.simulation.later(LOOK_S, self._follow, asked, vm_id, rest, snapshot_id, looks - 1)
            return
        snapshot_id = snapshot_id or asked.answer["snapshot_ids"][0]
        step, *later = rest
        if step == "revert":
            again = self._workload.ask(asked.login, "user.snapshot.revert", snapshot_id=snapshot_id)
        elif step == "snapshot":
            again = self._workload.ask(asked.login, "user.vm.create_snapshot", vm_id=vm_id, name="in a row")
        else:
            again = self._workload.ask(asked.login, f"user.vm.{step}", vm_id=vm_id)
        if later:
            self.simulation.later(LOOK_S, self._follow, again, vm_id, later, snapshot_id)

    def _snapshot(self, where: str = "true") -> Any:
        return self._one(
            "SELECT a.login, s.id, t.vm_id, u.storage_id, u.name AS volume FROM snapshot s JOIN volume u"
            " ON u.id = s.volume_id JOIN disk k ON k.id = s.disk_id JOIN account a"
            " ON a.id = k.account_id JOIN attachment t ON t.disk_id = k.id AND NOT t.read_only"
            f" JOIN vm v ON v.id = t.vm_id WHERE {where} ORDER BY 2"
        )

    def _revert(self) -> None:
        """Mostly of a VM that is stopped; of one that runs it is refused."""
        row = self._snapshot("v.seen IN ('off', 'absent')") or self._snapshot()
        if row is not None:
            self._workload.ask(row.login, "user.snapshot.revert", snapshot_id=row.id)

    def _delete(self) -> None:
        row = self._snapshot()
        if row is not None:
            alone = self._rng.random() < 0.3
            self._workload.ask(row.login, "user.snapshot.delete", snapshot_id=row.id, alone=alone)

    def _copy(self) -> None:
        row = self._snapshot()
        if row is not None:
            view = self._rng.choice(["create_disk", "to_image"])
            if not self.simulation.effects.held.boots(row.storage_id, row.volume):
                view = "create_disk"
            self._workload.ask(row.login, f"user.snapshot.{view}", snapshot_id=row.id, name=f"copy of point {row.id}")

    def _edit(self) -> None:
        row = self._snapshot()
        if row is not None:
            self._workload.ask(row.login, "user.snapshot.edit", snapshot_id=row.id, name=f"point {row.id}")


class Chains(Points):
    """Several snapshots of one VM in a row, so that its disk is flattened; and some calls more, while that may be."""

    STREAM = "chains"
    PACE_S = 30.0

    def _draw(self) -> None:
        row = self._one(
            "SELECT a.login, v.id FROM vm v JOIN account a ON a.id = v.account_id"
            " WHERE v.closed_at IS NULL AND v.seen = 'running' ORDER BY 2"
        )
        if row is None:
            return
        rest = ["snapshot", "snapshot"]
        asked = self._workload.ask(row.login, "user.vm.create_snapshot", vm_id=row.id, name="in a row")
        self._follow(asked, row.id, rest)
        if self._rng.random() < 0.5:
            self.simulation.later(self._rng.uniform(2.0, 20.0), self._meet, row.login, row.id, LOOKS * 10)

    def _meet(self, login: str, vm_id: int, looks: int) -> None:
        """As soon as a disk of the VM is being flattened, another call."""
        found = self.simulation.sql(
            f"SELECT 1 FROM operation WHERE vm_id = :v AND kind = 'disk_flatten' AND state IN {OPEN}", v=vm_id
        )
        if found:
            step = self._rng.choice(["pause", "stop", "shutdown", "start", "resume", "create_snapshot"])
            more = {"name": "met"} if step == "create_snapshot" else {}
            self._workload.ask(login, f"user.vm.{step}", vm_id=vm_id, **more)
        elif looks:
            self.simulation.later(MEET_S, self._meet, login, vm_id, looks - 1)


class Images(Draws):
    """Of VMs that go on, in any state; now and then its work is given up, its VM destroyed, or its guest ends."""

    STREAM = "images of VMs"
    PACE_S = 14.0

    def _draw(self) -> None:
        row = self._one(
            "SELECT a.login, v.id, v.uuid::text AS uuid FROM vm v JOIN account a ON a.id = v.account_id"
            " WHERE v.closed_at IS NULL ORDER BY 2"
        )
        if row is None:
            return
        freeze = self._rng.choice(["auto", "auto", "no", "yes"])
        name = f"image of {row.id}, {len(self._workload.asks)}"
        self._workload.ask(row.login, "user.vm.save", vm_id=row.id, name=name, freeze=freeze)
        what, after_s = self._rng.random(), self._rng.uniform(0.0, 3.0)
        if what < 0.2:
            self.simulation.later(after_s, self._give_up, row.login, row.id)
        elif what < 0.25:
            self._workload._later(after_s, row.login, "user.vm.destroy", vm_ids=[row.id])
        elif what < 0.4:
            self.simulation.later(after_s, self._end, row.uuid)

    def _give_up(self, login: str, vm_id: int) -> None:
        found = self.simulation.sql(
            "SELECT id FROM operation WHERE vm_id = :v AND kind = 'vm_to_image' ORDER BY id DESC LIMIT 1", v=vm_id
        )
        if found:
            self._workload.ask(login, "user.operation.abandon", operation_id=found[0].id)

    def _end(self, uuid: str) -> None:
        for node in self.simulation.nodes:
            domain = node.memory.world.domains.get(uuid)
            if self.simulation.silence.holds(node.memory, uuid):
                continue
            if node.agent.running and domain is not None and domain.running is not None and not domain.paused:
                self.simulation.effects.endings.happens(uuid)
                node.memory.guest_power_off(uuid)


class Held:
    """
    What disks held when snapshots of them were taken, as far as a hypervisor took them.

    :ivar was: by the snapshot's id.
    :ivar written: by a VM's uuid, all that its disk ever held.
    """

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self.was: dict[int, bytes] = {}
        self.written: dict[str, set[bytes]] = {}

    def taken(self, storages: Any, args: Sequence[Any]) -> None:
        """A call took effect, be it that it is not known to have."""
        for top in args[1]:
            pool, _, name = self._where(storages, top.source.path)
            below = storages.share(pool).volumes[name].base
            for row in self._simulation.sql(
                "SELECT s.id FROM snapshot s JOIN disk k ON k.id = s.disk_id JOIN volume u ON u.id = k.volume_id"
                " WHERE u.name = :n AND s.taken_at IS NULL",
                n=name,
            ):
                if below is not None:
                    self.was.setdefault(row.id, storages.whole(pool, storages.source(pool, below)))

    def _where(self, storages: Any, path: str) -> tuple[str, str, str]:
        directory, _, name = path.rpartition("/")
        pool = next(pool for pool, (spec, _) in storages._pools.items() if spec.path == directory)
        return pool, directory, name

    def taken_back(self, uuid: str, content: bytes, *, unstarted: bool = False) -> bool | None:
        """
        Whether the snapshot that a disk was taken back to held this; None: it was not taken back.

        :param unstarted: nor counts what was before its VM was started.
        """
        row = self._simulation.sql(
            "SELECT (o.objects -> 'snapshot' ->> 0)::bigint AS id FROM operation o JOIN vm v ON v.id = o.vm_id"
            " WHERE o.kind = 'snapshot_revert' AND v.uuid = CAST(:u AS uuid) AND o.finished_at IS NOT NULL"
            " AND (NOT :unstarted OR o.finished_at > v.launched_at) ORDER BY o.id DESC LIMIT 1",
            u=uuid,
            unstarted=unstarted,
        )
        if not row:
            return None
        known = self.was.get(row[0].id)
        return content == known if known is not None else content in self.written.get(uuid, set())

    def whole(self, storage_id: int, name: str) -> bytes | None:
        """What is read of a volume, by a node that has its storage; None: it is not there, or for no node."""
        pool = f"wawel-{storage_id}"
        for node in self._simulation.nodes:
            storages = node.memory.world.storages
            if storages.has(pool):
                volume = storages.share(pool).volumes.get(name)
                return None if volume is None or volume.missing else storages.whole(pool, volume)
        return None

    def boots(self, storage_id: int, name: str) -> bool:
        return (self.whole(storage_id, name) or b"").startswith(BOOTS)

    def imaged(self) -> list[str]:
        """An image of a VM that went on has what its disk had at that moment, by itself."""
        wrong = []
        simulation = self._simulation
        for row in simulation.sql(
            "SELECT o.id, v.uuid::text AS uuid, u.name, u.storage_id, (o.objects -> 'snapshot' ->> 0)::bigint AS point"
            " FROM operation o JOIN vm v ON v.id = o.vm_id JOIN image i ON i.id = (o.objects -> 'image' ->> 0)::bigint"
            " JOIN volume u ON u.id = i.volume_id WHERE o.kind = 'vm_to_image' AND i.state = 'ok' ORDER BY 1"
        ):
            whole, known = self.whole(row.storage_id, row.name), self.was.get(row.point)
            if whole is None or row.uuid not in self.written:
                continue
            fits = whole == known if known is not None else whole in self.written[row.uuid]
            if not fits or simulation.volumes[row.name].base is not None:
                wrong.append(f"the image of operation {row.id} holds {whole!r:.80}, the disk held {known!r:.80}")
            simulation.effects.counted["images compared"] += 1
        return wrong

    def compared(self) -> list[str]:
        """Each snapshot that is there has what the disk had."""
        wrong = []
        simulation = self._simulation
        for row in simulation.sql(
            "SELECT s.id, u.name, u.storage_id FROM snapshot s JOIN volume u ON u.id = s.volume_id"
            " WHERE s.taken_at IS NOT NULL ORDER BY 1"
        ):
            known, whole = self.was.get(row.id), self.whole(row.storage_id, row.name)
            if known is None or whole is None:
                continue
            if whole != known and not simulation.excuses.holds("volume deleted", f"{row.name[:39]}-root.qcow2"):
                wrong.append(f"snapshot {row.id} holds {whole!r:.80}, its disk held {known!r:.80}")
            simulation.effects.counted["snapshots compared"] += 1
        return wrong
