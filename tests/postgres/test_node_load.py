"""What is kept of an earlier placement says of every node what a snapshot taken anew says."""

from __future__ import annotations

import random
from typing import Any

import pytest
from cluster_builder import add_cluster, add_node
from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rpc.errors import NoCapacity
from cm.rpc.vocabulary import StorageId
from cm.rules.placement import Decision, Ranking, VMRequest
from cm.runtime.database import Database
from cm.services.placement import Placing
from cm.store.node_load import node_loads

NAMES = ("n1", "two words ", "-", "0 ok 0 1", "łódź")
CHANGES = (
    "UPDATE node SET locked = NOT locked WHERE id = {node}",
    "UPDATE node SET cpu_used = least(cpu_used + 3, 8) WHERE id = {node}",
    "UPDATE node SET cpu_used = 0, memory_mib_used = 0 WHERE id = {node}",
    "UPDATE node SET memory_mib_used = 8000 WHERE id = {node}",
    "UPDATE node SET state = 'unreachable' WHERE id = {node}",
    "UPDATE node SET state = 'ok', priority = 7 WHERE id = {node}",
    "UPDATE node SET agent_silent_since = now() WHERE id = {node}",
    "UPDATE node SET agent_silent_since = NULL, unhooked_since = NULL, unfit = '' WHERE id = {node}",
    "UPDATE node SET unhooked_since = now() WHERE id = {node}",
    "UPDATE node SET unfit = 'nft_missing' WHERE id = {node}",
    "UPDATE node SET cpu_overcommit = 1.9 WHERE id = {node}",
    "UPDATE node SET seen_host_uuid = gen_random_uuid() WHERE id = {node}",
    "UPDATE node SET seen_host_uuid = host_uuid WHERE id = {node}",
    "UPDATE node SET deleted_at = now() WHERE id = {node}",
    "UPDATE node SET deleted_at = NULL WHERE id = {node}",
    "INSERT INTO storage_attachment (storage_id, node_id, state) VALUES ({storage}, {node}, 'attached')"
    " ON CONFLICT (storage_id, node_id) DO UPDATE SET state = 'attached'",
    "UPDATE storage_attachment SET state = 'attaching' WHERE storage_id = {storage} AND node_id = {node}",
    "DELETE FROM storage_attachment WHERE node_id = {node}",
)


def chosen(session: Session, request: VMRequest, *, anew: bool) -> Decision | str:
    loads = node_loads(session)
    try:
        return Ranking(request, loads).decide() if anew else Placing(session, "spread").decide(request)
    except NoCapacity as refused:
        return str(refused)


@pytest.mark.parametrize("seed", range(4))
def test_as_anew(database: Database, seed: int) -> None:
    chance = random.Random(seed)
    attached = StorageId(0)

    def begin(session: Session) -> list[int]:
        nonlocal attached
        ids = add_cluster(session)
        nodes = [ids["a"], ids["b"], *(add_node(session, name) for name in NAMES)]
        attached = StorageId(session.execute(text("SELECT storage_id FROM volume")).scalar_one())
        for node in nodes:
            session.execute(text(CHANGES[5].format(node=node)))
            session.execute(text(CHANGES[15].format(node=node, storage=attached)))
        return nodes

    def change(session: Session, nodes: list[int], undone: bool) -> None:
        for _ in range(chance.choice((1, 1, 2, 5))):
            session.execute(text(chance.choice(CHANGES).format(node=chance.choice(nodes), storage=attached)))
        compare(session)
        if undone:
            raise KeyError

    def compare(session: Session) -> None:
        for request in requests:
            assert chosen(session, request, anew=False) == chosen(session, request, anew=True)

    nodes = database.transact_now(begin)
    requests = [VMRequest(cpu, 512, frozenset(on)) for cpu in (1, 4) for on in ((), (attached,))]
    try:
        for _ in range(25):
            try:
                database.transact_now(change, nodes, chance.random() < 0.3)
            except KeyError:
                database.transact_now(compare)  # nothing of what was undone is kept
    finally:
        database.transact_now(forget)


def forget(session: Session) -> None:
    tables = "node, storage, account, template, network"
    session.execute(text(f"TRUNCATE {tables} CASCADE"))


def test_most_storages_first(database: Database) -> None:
    """A snapshot that has the storages of one request alone is not asked for those of another."""

    def go(session: Session) -> Any:
        ids = add_cluster(session)
        session.execute(text(CHANGES[5].format(node=ids["a"])))
        placing = Placing(session, "spread")
        placing.decide(VMRequest(1, 64, frozenset()))
        with pytest.raises(ValueError, match="most storages"):
            placing.decide(VMRequest(1, 64, frozenset({StorageId(1)})))
        raise KeyError

    with pytest.raises(KeyError):
        database.transact_now(go)
