"""
A month of expiry leases, on the production code with two managers: every notice comes once, nothing ends early, and
nothing is kept late, though managers are killed, their database goes away and its clock jumps.

Most of a month nothing happens, so its hours pass between two events, as on a machine that slept: the clocks of the
database and of all others jump, and leases of workers run out. Between these jumps everything runs as it does.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, Final

from cm.rules.expiry import LOOKS_APART_S
from lab.postgres import PrivatePostgres
from simulation.scenario import Scene
from simulation.simulation import EPOCH

DAY: Final = 86_400.0
HOURS: Final = 24  # of one jump
AWAKE_S: Final = 36.0  # between two: more than a round of looks
LATE_S: Final = 3 * HOURS * 3600.0  # one until it is told, one until it is due, one for what went wrong
AHEAD_S: Final = 60 * DAY


class Month(Scene):
    """:ivar slept_s: that passed in jumps. ``heard``: VM and end of each notice, by its number."""

    slept_s = 0.0

    def __init__(self, *args: Any, **more: Any) -> None:
        self.heard: dict[int, tuple[int, str]] = {}
        super().__init__(*args, **more)

    def unix_s(self) -> float:
        return super().unix_s() + self.slept_s

    def now_s(self) -> float:
        """Since the begin."""
        return self.unix_s() - EPOCH

    def sleep(self, seconds: float) -> None:
        self.slept_s += seconds

    def lease(self, name: str, suspend_d: float | None, delete_d: float | None) -> int:
        days = {"suspend_s": suspend_d, "delete_s": delete_d}
        given = {key: None if value is None else int(value * DAY) for key, value in days.items()}
        found: int = self.call("admin.expiry.add", {"name": name, "for_all": True, **given})["expiry_id"]
        return found

    def listen(self) -> None:
        """Note who was told what: a clock that is ahead has messages be pruned."""
        for row in self.sql("SELECT id, params FROM message WHERE code = 'vm_expires' ORDER BY id"):
            self.heard[row.id] = (row.params["vm_id"], row.params["then"])

    def told(self, vm_id: int, then: str) -> int:
        """How often somebody was told that a VM is going to end so."""
        return Counter(self.heard.values())[vm_id, then]

    def begun(self, vm_id: int, kind: str) -> list[float]:
        """When the work was opened that ends a VM so, in true seconds since the begin, whatever the clock then said."""
        rows = self.sql(
            "SELECT extract(epoch FROM created_at)::float AS at FROM operation WHERE vm_id = :v AND kind = :k"
            " AND cause_kind = 'expiry' ORDER BY id",
            v=vm_id, k=kind,
        )  # fmt: skip
        told = [row.at - EPOCH for row in rows]
        return [at - AHEAD_S if at > 45 * DAY else at for at in told]


def fault(month: Month, rng: Random, faults: Counter[str]) -> None:
    """What goes wrong while everything is awake, each now and then."""
    which = rng.choice(["", "", "kill", "kill in a round", "database", "lost", "ahead"])
    faults[which] += 1
    if which == "kill" and month.processes:
        month.kill(rng.choice(month.processes), 5.0)
    elif which == "kill in a round":
        left = rng.randrange(1, 40)

        def dies(process: Any, what: str, before: bool) -> bool:
            nonlocal left
            left -= 1
            if left == 0:
                month.on_point = None
            return left == 0

        month.on_point = dies
    elif which == "database":
        month.database_down = True
        month.later(rng.uniform(1, 20), lambda: setattr(month, "database_down", False))
    elif which == "lost":
        month.notifications_lost = True
        month.later(20.0, lambda: setattr(month, "notifications_lost", False))
    elif which == "ahead":  # and it is right again before a second look would be due
        month.sleep(AHEAD_S)
        month.later(AWAKE_S - 1, lambda: month.sleep(-AHEAD_S))


def test_month(server: PrivatePostgres, state_dir: Path) -> None:
    rng = Random(19)
    faults: Counter[str] = Counter()
    with Month(server, state_dir, 719, nodes=1, managers=2) as month:
        short, long, never = month.lease("short", 2, 8), month.lease("long", None, 20), month.lease("never", 3, None)
        vms = {name: month.vm() for name in ("left", "renewed", "guarded", "kept", "awake", "none")}
        leases = {"left": short, "renewed": short, "guarded": short, "kept": long, "awake": never}
        begin: dict[str, float] = {}
        for name, expiry_id in leases.items():
            month.call("user.expiry.set", {"vm_id": vms[name], "expiry_id": expiry_id}, login="ann")
            begin[name] = month.now_s()
        month.call("user.vm.set_policy", {"vm_id": vms["guarded"], "guarded": True}, login="ann")
        ended_by_hand = {"renewed": 0.0, "guarded": 0.0}
        while month.now_s() < 30 * DAY:
            day = month.now_s() / DAY
            month.sleep(HOURS * 3600.0 - LOOKS_APART_S - 2 * AWAKE_S)
            fault(month, rng, faults)
            month.run_for(AWAKE_S)
            month.on_point = None
            if len(month.processes) < 2:
                month.run_for(10.0)  # whoever was killed is back
            month.listen()
            month.sleep(LOOKS_APART_S)
            month.run_for(AWAKE_S)
            month.listen()
            if day >= 6 and not ended_by_hand["renewed"]:
                month.call("user.expiry.renew", {"vm_id": vms["renewed"]}, login="ann")
                ended_by_hand["renewed"] = month.now_s()
            if day >= 15 and not ended_by_hand["guarded"]:
                month.call("user.vm.set_policy", {"vm_id": vms["guarded"], "guarded": False}, login="ann")
                ended_by_hand["guarded"] = month.now_s()
        month.quiet(120.0)
        assert {name for name, vm_id in vms.items() if month.state(vm_id) != "destroyed"} == {"awake", "none"}
        assert month.state(vms["awake"]) == "suspended" and month.state(vms["none"]) == "running"
        due = {
            "left": (begin["left"] + 8 * DAY, 0.8),
            "renewed": (ended_by_hand["renewed"] + 8 * DAY, 0.8),
            "guarded": (ended_by_hand["guarded"] + 0.8 * DAY, 0.8),  # a tenth after they were told
            "kept": (begin["kept"] + 20 * DAY, 2.0),
        }
        for name, (at, tenth) in due.items():
            (deleted,) = month.begun(vms[name], "vm_destroy")
            # A tenth later at the most, where they were told late, or by a clock that was ahead.
            late = deleted - at
            assert 0 <= late <= LATE_S + tenth * DAY, f"{name}: {late / DAY} days after it was due"
            # Who renewed may have been told of the first end, by a clock that was ahead.
            assert month.told(vms[name], "deleted") in ((1, 2) if name == "renewed" else (1,)), name
        for name, days in (("left", 2), ("guarded", 2), ("awake", 3)):
            suspended = month.begun(vms[name], "vm_suspend")
            late = suspended[0] - begin[name] - days * DAY
            assert 0 <= late <= LATE_S + days * DAY / 10, f"{name}: {late / DAY} days after it was due"
            assert month.told(vms[name], "suspended") == 1, name
        assert month.told(vms["none"], "deleted") + month.told(vms["none"], "suspended") == 0
        assert {"kill", "kill in a round", "database", "ahead"} <= faults.keys(), faults
        month.heal()
        month.rest()
        # Not ``finish``, which counts what was pruned as it grew old.
        assert (month.books(), month.broken) == ([], [])
