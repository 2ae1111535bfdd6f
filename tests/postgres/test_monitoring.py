"""What is measured: samples of what guests do, blocks made of them and let go of, answers for who may have them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import sin
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from cm.drivers.memory.figures import Load
from cm.rpc.errors import InvalidParameter, ObjectNotFound
from cm.rules.series import DAY, HOUR, LEVELS, MINUTE, USUALLY, WEEK, Kept, begin_of, levels_for, line, read
from cm.runtime.database import Database
from cm.runtime.wall import hand_in
from cm.store.sample import (
    Kind,
    NewSample,
    begin_progress,
    find_blocks,
    forget_ended,
    latest_loads,
    make_blocks,
    number_layouts,
    progress_of,
    prune_blocks,
    take_lease,
    write_samples,
)
from support.cloud import MemoryCloud, run

START = begin_of(1_800_000_000, 4 * WEEK)
CPU = ("cpu", "read_bytes/vda")


@dataclass
class Clock:
    """The managers' while something is measured; before that, VMs are made by the true one."""

    now: float = START + 33.0

    def hand_in(self) -> None:
        hand_in(lambda: self.now, lambda: self.now - START)


@pytest.fixture
def clock() -> Iterator[Clock]:
    yield Clock()
    hand_in(None)


@pytest.fixture
def cloud(database_url: str, tmp_path: Path, clock: Clock) -> Iterator[MemoryCloud]:
    made = MemoryCloud(database_url, tmp_path)
    yield made
    made.stop()


def measured(cloud: MemoryCloud, clock: Clock, seconds: float = 10.0, rounds: int = 1) -> None:
    """Let time pass, and everything be measured at its end."""
    measuring = cloud.manager.measuring
    clock.hand_in()
    for _ in range(rounds):
        clock.now += seconds
        for _ in range(len(cloud.node_ids) + 2):
            run(measuring.turn)
            cloud.until(lambda: not measuring._under_way, "all nodes answered")


def busy_vm(cloud: MemoryCloud, **load: Any) -> dict[str, Any]:
    """A VM that runs, whose guest does so much all the time."""
    vm = cloud.create()
    vm = cloud.wait(vm["vm_id"], "running")
    vm["node_id"] = cloud.sql("SELECT node_id FROM vm WHERE id = :i", i=vm["vm_id"])
    cloud.memory[vm["node_id"]].loads[vm["uuid"]] = Load(**load)
    return vm


def test_short_of_memory(cloud: MemoryCloud, clock: Clock) -> None:
    """Whoever owns a guest that has had too little memory for a minute is told; once, and nobody else is."""
    vm, _ = busy_vm(cloud, available=0.03), busy_vm(cloud, available=0.2)

    def told(account: str = "user") -> list[Any]:
        found = cloud.call("user.message.get_list", account=account)
        return [each["params"] for each in found if each["code"] == "vm_memory_short"]

    measured(cloud, clock, rounds=6)
    assert told() == []
    measured(cloud, clock, rounds=4)
    wanted = {"vm_id": vm["vm_id"], "name": "vm", "available_mib": 3, "memory_mib": 128}
    assert told() == [wanted] and told("other") == told("admin") == []
    loads = cloud.memory[vm["node_id"]].loads
    loads[vm["uuid"]] = Load(available=0.5)
    measured(cloud, clock)
    loads[vm["uuid"]] = Load(available=0.01)
    measured(cloud, clock, rounds=9)  # as soon again nobody wants to hear of it
    assert told() == [wanted]


def series(answer: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(each["metric"], each["device"]): each for each in answer["series"]}


def there(values: list[float | None]) -> set[float]:
    return {value for value in values if value is not None}


def test_a_guest_under_load(cloud: MemoryCloud, clock: Clock) -> None:
    """What a guest does is told as rates with totals, by device where asked; an idle neighbour's stays its own."""
    vm = busy_vm(cloud, cpu=0.5, read_bytes=4096, rx_bytes=1500)
    idle = cloud.wait(cloud.create()["vm_id"], "running")
    measured(cloud, clock, rounds=7)
    ids = [vm["vm_id"], idle["vm_id"]]
    mine, other = cloud.call("user.vm.statistics", {"vm_ids": ids, "resolution_s": 10, "devices": True})
    found, quiet = series(mine), series(other)
    assert mine["status"] == other["status"] == "ok" and mine["resolution_s"] == 10
    assert there(found["cpu", ""]["values"]) == {50.0} and found["cpu", ""]["unit"] == "percent"
    assert there(found["read_bytes", ""]["values"]) == {4096.0} == there(found["read_bytes", "vda"]["values"])
    assert found["read_bytes", ""]["total"] == pytest.approx(6 * 10 * 4096)  # the first sample has no rate yet
    assert there(found["rx_bytes", "0"]["values"]) == {1500.0} and there(found["tx_bytes", ""]["values"]) == {0.0}
    assert there(found["memory", ""]["values"]) == {128 * 2**20} and found["memory", ""]["total"] is None
    assert quiet["cpu", ""]["mean"] == 0.0 and quiet["read_bytes", ""]["total"] == 0.0
    asked = {"vm_ids": [vm["vm_id"]], "metrics": ["vcpu", "cpu"], "resolution_s": 60}
    (told,) = cloud.call("user.vm.statistics", asked)
    assert [(each["metric"], each["device"]) for each in told["series"]] == [("vcpu", "0"), ("cpu", "")]
    node = next(each for each in cloud.node_ids if each == vm["node_id"])
    (of_node,) = cloud.call("admin.node.statistics", {"node_ids": [node]}, account="admin")
    assert series(of_node)["vms", ""]["maximum"] >= 1 and 0 < series(of_node)["cpu", ""]["maximum"] < 100
    (of_storage,) = cloud.call("admin.storage.statistics", {"storage_ids": [cloud.storage_id]}, account="admin")
    assert series(of_storage)["capacity", ""]["mean"] == 1_099_511_627_776


def test_loads(cloud: MemoryCloud, clock: Clock) -> None:
    """Minutes' loads come near to what a guest does, the short one first; of what is not measured there is none."""
    vm = busy_vm(cloud, cpu=0.0)
    measured(cloud, clock, rounds=3)
    cloud.memory[vm["node_id"]].loads[vm["uuid"]] = Load(cpu=1.0)
    measured(cloud, clock, rounds=12)
    (load,) = cloud.call("user.vm.get_load", {"vm_ids": [vm["vm_id"]]})
    assert 100 > load["load_1"] > load["load_5"] > load["load_15"] > 0 and load["load_1"] > 80
    (again,) = cloud.call("admin.vm.get_load", {"vm_ids": [vm["vm_id"]]}, account="admin")
    assert again == load
    clock.now += HOUR
    (later,) = cloud.call("user.vm.get_load", {"vm_ids": [vm["vm_id"]]})
    assert later["status"] == "ok" and later["load_1"] is None


def test_who_may(cloud: MemoryCloud, clock: Clock) -> None:
    """Another's VM is not found, and nothing of it is told; an administrator sees all; so CC1's names."""
    vm = busy_vm(cloud, cpu=0.25)
    measured(cloud, clock, rounds=3)
    params = {"vm_ids": [vm["vm_id"], 10**6]}
    for account, statuses in (("user", ["ok", "object_not_found"]), ("other", ["object_not_found"] * 2)):
        told = cloud.call("user.vm.statistics", params, account=account)
        assert [each["status"] for each in told] == statuses
        assert [bool(each["series"]) for each in told] == [status == "ok" for status in statuses]
        assert [each["status"] for each in cloud.call("user.vm.get_load", params, account=account)] == statuses
    assert cloud.call("admin.vm.statistics", params, account="admin")[0]["series"]
    asked = [vm["vm_id"], [0, 2], int(clock.now), 0, 0]
    head, *rows = cloud.call("user.monia.vm_stats", asked)
    assert head[:3] == ["timestamp", ["cpu_time", "rd_bytes"], ["time", "bytes"]] and len(head[5]) == 2
    assert len(rows) in (360, 361)  # an hour, in which a moment may be cut
    assert there([row[1] for row in rows]) == {0.25} and all(b[0] - a[0] == 10 for a, b in pairwise(rows))
    head, *_ = cloud.call("admin.monia.vm_stats", [vm["vm_id"], 0, int(clock.now), 0, 1], account="admin")
    assert head[1] == ["cpu_time"]
    with pytest.raises(ObjectNotFound):
        cloud.call("user.monia.vm_stats", asked, account="other")


@pytest.mark.parametrize(
    "params",
    [
        {"since": START + 100, "until": START},
        {"since": START + 10 * DAY},
        {"resolution_s": 17},
        {"vm_ids": list(range(1, 101)), "since": START - 6 * HOUR, "resolution_s": 10},
        {"metrics": ["colour"]},
        {"metrics": []},
        {"vm_ids": []},
    ],
)
def test_refused(cloud: MemoryCloud, params: dict[str, Any]) -> None:
    """Times that are none, resolutions that are none, and more values than an answer has."""
    with pytest.raises(InvalidParameter):
        cloud.call("user.vm.statistics", {"vm_ids": [1], **params})


def test_restarts_and_hangs(cloud: MemoryCloud, clock: Clock) -> None:
    """A QEMU that begins anew makes a gap and no peak; a node that hangs makes one of its own VMs alone."""
    vm = busy_vm(cloud, cpu=1.0)
    other_node = next(each for each in cloud.node_ids if each != vm["node_id"])
    measured(cloud, clock, rounds=3)
    world = cloud.memory[vm["node_id"]].world
    with world.lock:
        world.domains[vm["uuid"]].counters = None
    measured(cloud, clock, rounds=3)
    (told,) = cloud.call("user.vm.statistics", {"vm_ids": [vm["vm_id"]], "resolution_s": 10})
    values = series(told)["cpu", ""]["values"]
    assert there(values) == {100.0} and values[-3:] == [None, 100.0, 100.0]
    release = cloud.memory[other_node].hang(0, methods=("measure",))
    measured(cloud, clock, rounds=2)
    release()
    (told,) = cloud.call("user.vm.statistics", {"vm_ids": [vm["vm_id"]], "resolution_s": 10})
    assert series(told)["cpu", ""]["values"][-2:] == [100.0, 100.0]
    (silent,) = cloud.call("admin.node.statistics", {"node_ids": [other_node], "resolution_s": 10}, account="admin")
    assert series(silent)["vms", ""]["values"][-2:] == [None, None]


def test_an_hour_is_packed(cloud: MemoryCloud, clock: Clock) -> None:
    """Answers are the same before and after an hour's samples became blocks; nothing of it stays behind."""
    clock.now = START + 40 * 60 + 33.0
    vm = busy_vm(cloud, cpu=0.5, write_bytes=1000)
    measured(cloud, clock, 60, rounds=30)
    asked = {"vm_ids": [vm["vm_id"]], "resolution_s": 60, "since": START, "until": START + HOUR}
    before = cloud.call("user.vm.statistics", asked)
    assert series(before[0])["write_bytes", ""]["total"] > 0
    while run(cloud.manager.measuring.pack) is not None:
        pass
    assert cloud.call("user.vm.statistics", asked) == before
    assert cloud.sql("SELECT count(*) FROM sample_recent WHERE at < :t", t=START + HOUR) == 0
    assert cloud.sql("SELECT count(*) FROM sample_block WHERE kind = 1 AND level = 0 AND start = :s", s=START) == 1


def test_one_process_measures(cloud: MemoryCloud, clock: Clock, database_url: str) -> None:
    """While one holds the lease another measures nothing; it may at once when that one stops."""
    run(cloud.manager.measuring.turn)
    database = cloud.manager.database
    assert not database.transact_now(take_lease, "another", 30.0)
    assert cloud.manager.measuring._held
    run(cloud.manager.measuring.stop)
    assert database.transact_now(take_lease, "another", 30.0)
    assert not database.transact_now(take_lease, "a third", 30.0)


# ---------------------------------------------------------------------- the store alone


def wave(at: int) -> float:
    return 50.0 + 49.0 * sin(at / 7000)


def filled(database: Database, begin: int, end: int, *, ids: tuple[int, ...] = (1, 2), step_s: int = MINUTE) -> None:
    numbers = database.transact_now(number_layouts, {CPU})
    for hour in range(begin, end, HOUR):
        samples = [
            NewSample(Kind.VM, each, at, CPU, (wave(at) * each, 100.0), (1.0, 2.0, 3.0))
            for at in range(hour, min(end, hour + HOUR), step_s)
            for each in ids
        ]
        database.transact_now(write_samples, samples, numbers)


def packed(database: Database, now: float) -> None:
    for _ in range(10_000):
        if not any([database.transact_now(make_blocks, level, now) for level in LEVELS]):
            return
    raise AssertionError("it never comes to an end")


def answer(database: Database, since: int, until: int, resolution_s: int, vm_id: int = 1) -> list[float | None]:
    blocks = database.read_now(find_blocks, Kind.VM, [vm_id], levels_for(resolution_s), since, until)
    found = read(blocks.get(vm_id, {}), since, until, resolution_s)
    return line([found["cpu"]]).values if "cpu" in found else []


def test_levels(database: Database) -> None:
    """Over days each level tells the same means as the samples did, wherever blocks of it are made already."""
    database.transact_now(begin_progress, START)
    until = START + 8 * DAY + 3 * HOUR + 20 * MINUTE
    filled(database, START, until)
    packed(database, until + 2 * MINUTE)
    at = {level: made.through for level, made in database.read_now(progress_of).items()}
    assert at == {0: START + 8 * DAY + 3 * HOUR, 1: START + 8 * DAY, 2: START + 8 * DAY, 3: START + WEEK, 4: START}
    for resolution_s in (MINUTE, HOUR, DAY):
        found = answer(database, START, until, resolution_s, vm_id=2)
        for bucket, value in enumerate(found):
            first = START + bucket * resolution_s
            samples = [2 * wave(t) for t in range(first, min(until, first + resolution_s), MINUTE)]
            assert value == pytest.approx(sum(samples) / len(samples), rel=1e-4)
        assert len(found) == -(-(until - START) // resolution_s)


def test_old_ones_go(database: Database) -> None:
    """What a level keeps no longer goes, but not before the next level tells of it; the rest is answered as before."""
    database.transact_now(begin_progress, START)
    until = START + 3 * DAY
    filled(database, START, until, ids=(1,))
    packed(database, until + 2 * MINUTE)
    before = answer(database, START, until, 300)
    kept = Kept.of(1, 1, 31, 366, 3660)
    while database.transact_now(prune_blocks, kept, until):
        pass
    with database.engine.begin() as connection:
        left = dict(connection.execute(text("SELECT level, min(start) FROM sample_block GROUP BY level")).all())  # type: ignore[arg-type]  # rows of two
    assert left[0] >= until - DAY - HOUR and left[1] >= until - DAY - 6 * HOUR and left[2] == START
    assert answer(database, START, until, 300) == before
    database.transact_now(prune_blocks, Kept.of(1, 1, 1, 1, 1), until + 10 * DAY)
    assert answer(database, START, until, 300) == before  # of the week nothing coarser is made yet


def test_killed_in_between(database: Database) -> None:
    """A batch is made whole or not at all, and once: whoever dies in it has changed nothing."""
    database.transact_now(begin_progress, START)
    filled(database, START, START + HOUR, ids=tuple(range(1, 451)), step_s=600)
    now = START + HOUR + 2 * MINUTE

    def dies(session: Any) -> None:
        assert make_blocks(session, LEVELS[0], now)
        raise KeyboardInterrupt

    assert database.transact_now(make_blocks, LEVELS[0], now)
    with pytest.raises(KeyboardInterrupt):
        database.transact_now(dies)
    assert database.read_now(progress_of)[0].object_id == 200
    packed(database, now)
    with database.engine.begin() as connection:
        found = connection.execute(text("SELECT count(*), count(DISTINCT object_id) FROM sample_block")).one()
        assert found == (450, 450)
        assert connection.execute(text("SELECT count(*) FROM sample_recent")).scalar() == 0
    filled(database, START, START + HOUR, ids=(1,))  # too late: that hour is told already
    assert database.read_now(latest_loads, [1], 0) == {}


def test_idle_weeks_are_passed_over(database: Database) -> None:
    """A cluster that measured nothing for long takes some steps to go on, not one for each hour."""
    database.transact_now(begin_progress, START)
    now = START + 40 * WEEK
    steps = 0
    while any([database.transact_now(make_blocks, level, now) for level in LEVELS]):
        steps += 1
    assert steps < 30 and database.read_now(progress_of)[0].through == now
    filled(database, now, now + HOUR)
    packed(database, now + HOUR + 2 * MINUTE)
    assert len(answer(database, now, now + HOUR, 60)) == 60


def test_ended_ones_go(cloud: MemoryCloud, clock: Clock) -> None:
    """What was measured of a VM goes so long after its end; others' stays."""
    database = cloud.manager.database
    old, live = (cloud.wait(cloud.create()["vm_id"], "running")["vm_id"] for _ in range(2))
    database.transact_now(begin_progress, START)
    filled(database, START, START + HOUR, ids=(old, live))
    packed(database, START + HOUR + 2 * MINUTE)
    cloud.call("user.vm.destroy", {"vm_ids": [old]})
    cloud.until(lambda: cloud.sql("SELECT closed_at IS NOT NULL FROM vm WHERE id = :i", i=old), "it is closed")
    database.transact_now(forget_ended, 31)
    assert cloud.sql("SELECT count(*) FROM sample_block") == 2
    cloud.sql("UPDATE vm SET closed_at = now() - interval '32 days' WHERE id = :i", i=old)
    database.transact_now(forget_ended, 31)
    assert cloud.sql("SELECT array_agg(object_id) FROM sample_block") == [live]


def test_unlogged(database: Database) -> None:
    """The running hour costs no write-ahead log; blocks do, so that they are in a backup."""
    with database.engine.begin() as connection:
        kinds = connection.execute(
            text("SELECT relname, relpersistence FROM pg_class WHERE relname IN ('sample_recent', 'sample_block')")
        ).all()
    assert {name: kind for name, kind in kinds} == {"sample_recent": "u", "sample_block": "p"}


def test_bytes_on_disk(database: Database) -> None:
    """In the long run a sample takes at most 6 bytes: rows, index and all, of values that differ each time."""
    database.transact_now(begin_progress, START)
    filled(database, START, START + 12 * HOUR, ids=tuple(range(1, 21)), step_s=30)
    packed(database, START + 12 * HOUR + 2 * MINUTE)
    with database.engine.begin() as connection:
        fine = connection.execute(text("SELECT sum(length(body) + 100) FROM sample_block WHERE level = 0")).scalar()
    assert fine is not None and int(fine) / (12 * 120 * 20 * len(CPU)) < 6
    assert USUALLY.seconds[0] == DAY
