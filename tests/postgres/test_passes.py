"""What passes over many nodes cost at rest, and that it keeps nothing from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from cm.services.reconcile import mark_passed
from cm.store.reconcile import Rhythm, next_turn, recorded, take_turns
from support.cloud import MemoryCloud, at_database
from support.wait import until

NODES = 8


@pytest.fixture(scope="module")
def cloud(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryCloud]:
    with at_database(postgres, tmp_path_factory, "passes", nodes=NODES, reconcile_s=0.5) as made:
        for number in range(NODES):
            made.wait(made.create(name=f"vm{number}")["vm_id"], "running")
        yield made


@pytest.fixture
def asked(cloud: MemoryCloud, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each function was given a transaction or a read."""
    counts: Counter[str] = Counter()
    for name in ("transact", "read"):
        original = getattr(cloud.manager.database, name)

        def counted(function: Any, *args: Any, original: Any = original) -> Any:
            counts[function.__name__] += 1
            return original(function, *args)

        monkeypatch.setattr(cloud.manager.database, name, counted)
    return counts


def round_made(cloud: MemoryCloud) -> None:
    """Wait until every node has had a pass after this moment."""
    now = cloud.sql("SELECT clock_timestamp()")
    until(lambda: cloud.sql("SELECT bool_and(coalesce(passed_at > :now, false)) FROM node", now=now), "a round")


def settled(cloud: MemoryCloud) -> None:
    """A round has been made since all was done, so that nothing is left for the next ones to write."""
    for _ in range(2):
        round_made(cloud)


def test_at_rest(cloud: MemoryCloud, asked: Counter[str]) -> None:
    """Where all is as recorded, a round over eight nodes is a read and a commit, not eight of each."""
    settled(cloud)
    asked.clear()
    began = cloud.sql("SELECT clock_timestamp()")
    for _ in range(3):
        round_made(cloud)
    assert asked["_record_pass"] == 0
    rounds = asked["take_turns"]
    assert 3 <= rounds and asked["recorded"] <= rounds and 1 <= asked["mark_passed"] <= rounds
    assert cloud.sql("SELECT count(*) FROM node WHERE seen_at > :t", t=began) == NODES


def test_news_is_found(cloud: MemoryCloud, asked: Counter[str]) -> None:
    """An end that no event and no hook told of is found, by one node's pass; the others stay cheap."""
    settled(cloud)
    vm_id = cloud.call("user.vm.get_list")[0]["vm_id"]
    node_id = cloud.sql("SELECT node_id FROM vm WHERE id = :v", v=vm_id)
    uuid = str(cloud.sql("SELECT uuid FROM vm WHERE id = :v", v=vm_id))
    asked.clear()
    world = cloud.memory[node_id].world
    with world.lock:
        world.domains[uuid].running = None  # nobody is told
    cloud.wait(vm_id, "stopped")
    until(lambda: asked["mark_passed"] > 0)


def test_marks_are_of_nodes_that_answer(cloud: MemoryCloud) -> None:
    """A mark that comes late does not hide that its node has fallen silent since."""
    node_id, other_id = cloud.node_ids[:2]
    database, policy = cloud.manager.database, cloud.manager.policy
    cloud.manager.reconciler.stop()
    cloud.sql("UPDATE node SET state = 'unreachable', seen_at = '2001-01-01' WHERE id = :n", n=node_id)
    database.transact_now(mark_passed, {node_id: 0.0, other_id: 7.0}, policy)
    assert cloud.sql("SELECT seen_at < '2002-01-01' AND state = 'unreachable' FROM node WHERE id = :n", n=node_id)
    ago = cloud.sql("SELECT extract(epoch FROM clock_timestamp() - seen_at) FROM node WHERE id = :n", n=other_id)
    assert 7.0 <= ago < 60.0
    known = database.read_now(recorded, cloud.node_ids)
    assert not known[node_id].calm and known[other_id].calm and len(known) == NODES


def test_rhythm(cloud: MemoryCloud) -> None:
    """With very many nodes a round takes as long as the passes of a second allow; a silent node is asked as before."""
    database = cloud.manager.database
    node_id = cloud.node_ids[2]
    cloud.sql("UPDATE node SET state = 'ok', passed_at = clock_timestamp() - interval '10 seconds'")
    slow = Rhythm(0.5, 2.0, NODES / 40.0)
    assert database.transact_now(take_turns, slow) == []
    assert 25.0 < database.read_now(next_turn, slow) <= 30.0
    cloud.sql("UPDATE node SET state = 'unreachable' WHERE id = :n", n=node_id)
    assert database.transact_now(take_turns, slow) == [node_id]
    assert len(database.transact_now(take_turns, Rhythm(0.5, 2.0, 20.0))) == NODES - 1


def test_all_due_at_once(cloud: MemoryCloud) -> None:
    """Of nodes that are all due, or all silent, some begin in a turn: those that waited longest."""
    database, rhythm = cloud.manager.database, Rhythm(0.5, 2.0, 1.5)
    for state in ("ok", "unreachable"):
        long_ago = "clock_timestamp() - make_interval(secs => 1000 - id)"
        cloud.sql(f"UPDATE node SET state = :s, passed_at = {long_ago}", s=state)
        asked = [database.transact_now(take_turns, rhythm) for _ in range(4)]
        assert asked == [cloud.node_ids[:3], cloud.node_ids[3:6], cloud.node_ids[6:], []]
    assert 0 < database.read_now(next_turn, rhythm) <= 2.0
