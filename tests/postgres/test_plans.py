"""
What a cluster asks of its database costs as much after years as on its first day: on a filled database no statement of
a reading view, of the engine, of passes, checks and pruning reads more rows of a table that grows with the dead than it
has use for. The database's own account of each plan that ran is what is judged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from cm.daemon import reconciler
from cm.rpc.errors import CloudError
from cm.rpc.view import View
from cm.services import expiring
from cm.services import volume as service
from cm.store import prune, worker
from cm.store.leak import leaks
from lab.postgres import PrivatePostgres
from support.cloud import MemoryCloud, run
from support.filled import CLOSED, fill, vacuum
from support.matrix import SAMPLES, filled

GROWING: Final = frozenset(
    "vm vm_run volume disk attachment nic operation audit request change placement hook_event message drift".split()
)
# Rows that a statement may read beyond those that it gives: all that lives, several times over, and what a month of the
# year in which the others lived had, some 1,700 (a report sums it up, and on a month's last day reads all of it).
SPARE: Final = 2_000
assert SPARE * 4 < CLOSED
_EXPLAIN: Final = {
    "session_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "0", "auto_explain.log_analyze": "on",
    "auto_explain.log_timing": "off", "auto_explain.log_format": "json", "auto_explain.log_nested_statements": "on",
}  # fmt: skip
_ENTRY: Final = re.compile(r"LOG:  duration: .*? plan:\n(\t\{.*?\n\t\})", re.DOTALL)


class Filled:
    """A cloud on a filled database, whose plans are written down."""

    def __init__(self, cloud: MemoryCloud, log: Path) -> None:
        self.cloud = cloud
        self._log = log
        self.plans = 0
        self.live = cloud.sql("SELECT min(id) FROM vm WHERE closed_at IS NULL")
        self.dead = cloud.sql("SELECT max(id) FROM vm WHERE closed_at IS NOT NULL")

    @contextmanager
    def watched(self) -> Iterator[list[str]]:
        """The faults of all plans that run meanwhile."""
        faults: list[str] = []
        start = self._log.stat().st_size
        yield faults
        with self._log.open("rb") as log:
            log.seek(start)
            text = log.read().decode()
        plans = [json.loads(found) for found in _ENTRY.findall(text)]
        self.plans += len(plans)
        for each in plans:
            faults += faults_of(each)


def faults_of(told: dict[str, Any]) -> list[str]:
    """Each scan of a growing table that read many more rows than its statement gave or changed."""
    plan = told["Plan"]
    top = plan["Actual Rows"] if plan["Node Type"] != "ModifyTable" else plan["Plans"][0]["Actual Rows"]
    # What counts or joins texts gives one row for many: what it read below is then what it has use for.
    found = []
    for node in _nodes(plan):
        if node.get("Relation Name") not in GROWING or "Actual Rows" not in node:
            continue
        loops = node["Actual Loops"]
        read = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * loops
        if read > top * 3 + SPARE:
            scan = f"{node['Node Type']} of {node['Relation Name']}"
            found.append(f"{scan} read {read:,.0f} rows for {top:,.0f}: {' '.join(told['Query Text'].split())[:400]}")
    return found


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


@pytest.fixture(scope="module")
def years(postgres: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    postgres.create_database("years", template="wawel_template")
    url = postgres.url("years")
    cloud = MemoryCloud(url, tmp_path_factory.mktemp("years"), nodes=4, workers=False)
    fill(cloud)
    # Connections that are opened from here on tell their plans.
    cloud.stop()
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for name, value in _EXPLAIN.items():
            connection.exec_driver_sql(f"ALTER DATABASE years SET {name} = '{value}'")
    engine.dispose()
    cloud.start()
    yield Filled(cloud, postgres.log)
    cloud.stop()
    postgres.drop_database("years")


def reading(cloud: MemoryCloud) -> list[View]:
    return [view for view in cloud.manager.registry if not view.changing and not view.waiting]


def test_reading_views(years: Filled) -> None:
    """Every reading view with each of its filters: as who has many closed VMs, who has none, and an administrator."""
    cloud, problems = years.cloud, []
    ids = {
        "vm_id": years.live, "image_id": cloud.image_id, "node_id": cloud.node_ids[0], "storage_id": cloud.storage_id,
        "template_id": cloud.template_id, "user_id": cloud.user_id, "object_id": years.live,
        "operation_id": cloud.sql("SELECT max(id) FROM operation WHERE vm_id IS NOT NULL"),
        "expiry_id": cloud.call("admin.expiry.add", {"name": "kept", "delete_s": 6000}, account="admin")["expiry_id"],
    }  # fmt: skip
    seen = 0
    for view in reading(cloud):
        required = filled(view, ids, SAMPLES, dry_run=False)
        names = {parameter.name for parameter in view.parameters}
        more: list[dict[str, Any]] = [{}]
        more += [{name: True} for name in ("closed", "only_open", "shared", "ended", "all") if name in names]
        more += [{name: ids[name]} for name in ("node_id", "user_id", "vm_id") if name in names - set(required)]
        more += [{"closed": True, name: ids[name]} for name in ("node_id", "user_id") if {"closed", name} <= names]
        more += [{"vm_id": years.dead}] if "vm_id" in required else []
        for extra in more:
            for account in ("admin",) if view.role.value == "admin" else ("user", "other"):
                limit = {"limit": 50} if "limit" in names else {}
                with years.watched() as faults:
                    try:
                        cloud.call(view.name, {**required, **limit, **extra}, account=account)
                    except CloudError:
                        pass  # not found for this account: that too is asked of the database
                seen += 1
                problems += [f"{view.name} {extra} by {account}: {fault}" for fault in faults]
    assert not problems, "\n".join(problems)
    assert seen > 80 and years.plans > seen


def leaks_of_many(session: Session) -> list[dict[str, str]]:
    """As the planner has it where very many live: no claim's holder is looked up by itself."""
    session.execute(text("SET enable_nestloop = off; SET enable_mergejoin = off"))
    try:
        return leaks(session)
    finally:
        session.execute(text("RESET enable_nestloop; RESET enable_mergejoin"))


WORK: dict[str, Callable[[MemoryCloud], Any]] = {
    "check": lambda cloud: cloud.manager.database.read_now(leaks),
    "check, many live": lambda cloud: cloud.manager.database.read_now(leaks_of_many),
    "prune": lambda cloud: cloud.manager.database.transact_now(prune.prune),
    "claim": lambda cloud: cloud.manager.database.transact_now(worker.claim_operations, 1, 6, [], worker.LEASE_S),
    "due": lambda cloud: cloud.manager.database.read_now(worker.due_in, 5.0),
    "dead left": lambda cloud: cloud.manager.database.read_now(worker.dead_in, 1, True),
    "take over": lambda cloud: cloud.manager.database.transact_now(worker.take_over, 1, True),
    "pass over a node": lambda cloud: run(lambda: reconciler.run_pass(cloud.manager.services, cloud.node_ids[0])),
    "pass over a storage": lambda cloud: run(
        lambda: service.run_storage_pass(cloud.manager.services, cloud.storage_id, cloud.node_ids[0])
    ),
    "give all a lease": lambda cloud: cloud.call(
        "admin.expiry.apply",
        {"expiry_id": cloud.call("admin.expiry.add", {"name": "all", "suspend_s": 600}, account="admin")["expiry_id"]},
        account="admin",
    ),
    "leases that end": lambda cloud: run(lambda: expiring.collect(cloud.manager.services)),
    "create": lambda cloud: cloud.create(name="new"),
    "destroy": lambda cloud: cloud.call(
        "user.vm.destroy", {"vm_ids": [cloud.sql("SELECT max(id) FROM vm WHERE closed_at IS NULL")]}
    ),
}


@pytest.mark.parametrize("what", WORK)
def test_work(years: Filled, what: str) -> None:
    before = years.plans
    with years.watched() as faults:
        WORK[what](years.cloud)
    assert faults == [] and years.plans > before


def test_prune_for_nothing(years: Filled) -> None:
    """Most rounds of pruning find nothing, and look at nothing for it."""
    database = years.cloud.manager.database
    while any(database.transact_now(prune.prune).values()):
        pass
    vacuum(years.cloud)
    with years.watched() as faults:
        database.transact_now(prune.prune)
    assert faults == []


def test_faults_found(years: Filled) -> None:
    """The judge sees what it is for: a table that is read from end to end, whatever comes of it."""
    with years.watched() as faults:
        years.cloud.sql("SELECT count(*) FROM operation WHERE user_text = 'x'")
    assert len(faults) == 1 and "Seq Scan of operation" in faults[0]
