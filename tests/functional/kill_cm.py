#!/usr/bin/env python3
"""
Kill the cluster manager with SIGKILL at random moments while VMs are created and destroyed, and look whether all ends
well. ``python tests/functional/kill_cm.py [--seed N] [--kills N] [--vms N]``, as root; ``test_kill.py`` runs it too.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[2] / part) for part in ("bin", ".")]

from cm.rpc.errors import Unavailable
from lab.cloud import Cloud
from lab.places import LabProblem
from lab.processes import wait_until

CALLERS = 4
ROOM = {"cluster": {"cpu_overcommit": 16.0}}                             # for all VMs, were none destroyed yet
ANSWER_S = 120.0                                                         # for one call, with all its repetitions
END_S = 180.0


@dataclass
class Report:
    """What a run found. ``problems`` is empty when all is well."""

    seed: int
    kills: int = 0
    killed_starting: int = 0
    repeated: int = 0
    launched: int = 0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.kills} kills ({self.killed_starting} of them while it started), {self.repeated}"
            f" calls repeated, {self.launched} VMs had started; {len(self.problems)} problems"
        )


class Asker:
    """Asks until there is an answer, each time with the same ``request_id``; for several threads."""

    def __init__(self, cloud: Cloud, report: Report) -> None:
        self._cloud = cloud
        self._report = report
        self._local = threading.local()

    def ask(self, method: str, params: dict[str, Any], request_id: str) -> Any:
        if not hasattr(self._local, "client"):
            self._local.client = self._cloud.client("user", timeout_s=10)
        until = time.monotonic() + ANSWER_S
        while True:
            try:
                return self._local.client.call(method, params, request_id=request_id)
            except Unavailable:
                # Not accepted, or accepted and not told: the same id is right for both.
                if time.monotonic() > until:
                    raise
                self._report.repeated += 1
                time.sleep(0.1)

    def destroy(self, vm_id: int, name: str) -> None:
        """:raises AssertionError: it was refused for another reason than an operation that has to end first."""
        for attempt in range(200):
            entry = self.ask("user.vm.destroy", {"vm_ids": [vm_id]}, f"destroy-{name}-{attempt}")[0]
            if entry["status"] == "ok":
                return
            assert entry["status"] == "vm_busy", entry
            time.sleep(0.2)
        raise AssertionError(f"VM {vm_id} stays busy")


def order_of(count: int, dice: random.Random) -> list[tuple[str, int]]:
    """``count`` creates and destroys in random order, each destroy some time after its create."""
    order: list[tuple[str, int]] = []
    alive: list[int] = []
    made = 0
    while made < count or alive:
        if made < count and (not alive or dice.random() < 0.6):
            order.append(("create", made))
            alive.append(made)
            made += 1
        else:
            order.append(("destroy", alive.pop(dice.randrange(len(alive)))))
    return order


def run(cloud: Cloud, seed: int, kills: int = 30, vms: int = 20, say: Callable[[str], None] = print) -> Report:
    """
    Do it on a cloud without VMs. Guests are empty disks: nothing here depends on what a guest does.

    :param seed: of the order of calls and the moments of the kills; what else runs on the machine moves them, too.
    """
    dice = random.Random(seed)
    report = Report(seed)
    image_id = cloud.import_blank()
    template_id = cloud.template_ids["tiny"]
    asker = Asker(cloud, report)
    order = order_of(vms, dice)
    created: dict[int, Future[int]] = {}
    asked: list[Future[Any]] = []

    def create(number: int) -> int:
        params = {"name": f"kill-{number}", "description": "", "image_id": image_id, "template_id": template_id}
        made = asker.ask("user.vm.create", params, f"create-{seed}-{number}")
        return int(made[0]["vm_id"])

    def destroy(number: int) -> None:
        asker.destroy(created[number].result(), f"{seed}-{number}")

    with ThreadPoolExecutor(CALLERS) as pool:
        for kill in range(kills):
            for what, number in order[kill * len(order) // kills : (kill + 1) * len(order) // kills]:
                if what == "create":
                    created[number] = pool.submit(create, number)
                    asked.append(created[number])
                else:
                    asked.append(pool.submit(destroy, number))
            cloud.cm.start()
            if dice.random() < 0.2:
                report.killed_starting += 1
                time.sleep(dice.uniform(0.1, 1.2))
            else:
                cloud.wait_for_cm()
                time.sleep(dice.uniform(0.0, 1.5))
            cloud.kill_cm()
            report.kills += 1
        cloud.start_cm()
        for future in asked:
            future.result(ANSWER_S * 2)
    say(f"all {len(asked)} calls are answered after {report.kills} kills")
    for known in created.values():
        cloud.wait_for(known.result(), "destroyed", END_S)
    judge(cloud, report, vms)
    say(str(report))
    return report


def judge(cloud: Cloud, report: Report, vms: int) -> None:
    """Every VM was made once, ended once, and left nothing; no release counted twice."""
    try:
        wait_until(lambda: not cloud.check_leaks(), "an end without leaks", 30, pause=1)
    except LabProblem:
        report.problems += cloud.check_leaks()
    mine = "SELECT id FROM vm WHERE name LIKE 'kill-%'"
    [[count, open_count, launched]] = cloud.sql(
        "SELECT count(*), count(*) FILTER (WHERE closed_at IS NULL), count(*) FILTER (WHERE launches > 0)"
        " FROM vm WHERE name LIKE 'kill-%'")
    report.launched = int(launched)
    if (int(count), int(open_count)) != (vms, 0):
        report.problems.append(f"{vms} VMs were asked for, {count} are there, {open_count} of them not closed")
    for row in cloud.sql(
        "SELECT object_id, count(*) FROM change WHERE kind = 'vm' AND event = 'exit'"
        f" AND object_id IN ({mine}) GROUP BY object_id HAVING count(*) <> 1"
    ):
        report.problems.append(f"VM {row[0]} was closed {row[1]} times")
    for row in cloud.sql(
        "SELECT v.id, v.launches, count(*) FROM vm v JOIN hook_event e ON e.domain_uuid = v.uuid"
        f" WHERE e.effect = 'ended' AND v.id IN ({mine}) GROUP BY v.id, v.launches HAVING count(*) > v.launches"
    ):
        report.problems.append(f"VM {row[0]} started {row[1]} times, and its hook's effect happened {row[2]} times")
    for row in cloud.sql(
        "SELECT vm_id, count(*) FROM operation WHERE kind = 'vm_destroy' AND state = 'done'"
        f" AND vm_id IN ({mine}) GROUP BY vm_id HAVING count(*) <> 1"
    ):
        report.problems.append(f"VM {row[0]} was destroyed by {row[1]} operations")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="default: a random one, which is printed")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--vms", type=int, default=20)
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as directory, Cloud(Path(directory) / "cloud", settings=ROOM) as cloud:
        report = run(cloud, seed, options.kills, options.vms)
    print("\n".join(report.problems))
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
