"""
Rows that are said to be locked are: until the transaction ends nobody else gets them. Whoever relies on that reads,
decides and writes as if alone; a lock that is missing shows in no test of one caller, and seldom in one of two.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address
from typing import Any

import psycopg2.errors
from cluster_builder import add_cluster, add_vm
from sqlalchemy import text
from sqlalchemy.orm import Session

import clm.store.group
import clm.store.key
import clm.store.mail
import clm.store.message
from clm.store import api_key, news, totp, user
from clm.store import cluster as clusters
from cm.rules.operation import ObjectKind
from cm.runtime.database import Database
from cm.store import account, adopting, agent, drift, host, image, network, nic, node, operation_change, storage
from cm.store import moving as moves
from cm.store import operation_object as objects
from cm.store import template as templates
from cm.store.operation import get_operation
from cm.store.vm import find_vm, hold_vm
from cm.store.worker import holds
from support.beside import connect_beside
from support.clm import CloudBench
from support.wait import until

# What is read, the table whose rows are then held, and which of them.
Lock = tuple[str, Callable[[Session], Any], str, str]


def _not_held(database: Database, url: str, locks: list[Lock]) -> list[str]:
    """
    Of the locks, those whose rows somebody else may change in the meantime, that find no row, or that keep theirs
    beyond the transaction's end.
    """
    other = connect_beside(url)
    cursor = other.cursor()

    def free(table: str, where: str) -> int:
        try:
            cursor.execute(f"SELECT 1 FROM {table} WHERE {where} FOR NO KEY UPDATE NOWAIT")
        except psycopg2.errors.LockNotAvailable:
            return 0
        return int(cursor.rowcount)

    wrong = []
    try:
        for name, take, table, where in locks:
            with Session(database.engine) as session:
                take(session)
                if free(table, where):
                    wrong.append(f"{name}: not held")
                session.rollback()
            if not free(table, where):
                wrong.append(f"{name}: no such row")
    finally:
        other.close()
    return wrong


def test_cluster(database: Database, database_url: str) -> None:
    """Of a cluster manager."""
    ids = database.transact_now(add_cluster)
    vm_id = database.transact_now(lambda session: add_vm(session, ids, "a", "10.128.0.5"))
    made = database.transact_now(_fill, ids, vm_id)
    vm, node_id, storage_id = f"id = {vm_id}", ids["a"], made["storage"]
    lease = IPv4Address("10.128.0.9")
    working, emptying, worker = made["operation"], made["evacuation"], made["worker"]
    op, moving = (database.transact_now(get_operation, each) for each in (working, emptying))
    locks: list[Lock] = [
        ("find_vm", lambda s: find_vm(s, vm_id, lock=True), "vm", vm),
        ("hold_vm", lambda s: hold_vm(s, vm_id, working, worker, 0), "vm", vm),
        ("hold_vm, the operation", lambda s: hold_vm(s, vm_id, working, worker, 0), "operation", f"id = {working}"),
        ("holds", lambda s: holds(s, op, worker), "vm", vm),
        ("holds, the operation", lambda s: holds(s, op, worker), "operation", f"id = {working}"),
        ("holds, of no VM", lambda s: holds(s, moving, worker), "operation", f"id = {emptying}"),
        ("lock_operation", lambda s: operation_change.lock_operation(s, working), "operation", f"id = {working}"),
        (
            "find_holder",
            lambda s: objects.find_holder(s, ObjectKind.NODE, node_id, lock=True),
            "operation",
            f"id = {emptying}",
        ),
        ("lock_vms_of", lambda s: node.lock_vms_of(s, node_id), "vm", vm),
        ("lock_departing", lambda s: moves.lock_departing(s, node_id), "vm", vm),
        ("lock_node", lambda s: node.lock_node(s, node_id), "node", f"id = {node_id}"),
        ("lock_host", lambda s: host.lock_host(s, node_id), "node", f"id = {node_id}"),
        ("get_image", lambda s: image.get_image(s, ids["image"], lock=True), "image", f"id = {ids['image']}"),
        ("get_storage", lambda s: storage.get_storage(s, storage_id, lock=True), "storage", f"id = {storage_id}"),
        ("get_account", lambda s: account.get_account(s, ids["account"], lock=True), "account", "login = 'ala'"),
        ("lock_external", lambda s: account.lock_external(s, "c", ["7"]), "account", "external_id = '7'"),
        ("get_network", lambda s: network.get_network(s, ids["pool"], lock=True), "network", f"id = {ids['pool']}"),
        ("lock_leases", lambda s: network.lock_leases(s, ids["pool"]), "network_lease", f"address = '{lease}'"),
        ("lock_lease", lambda s: nic.lock_lease(s, lease), "network_lease", f"address = '{lease}'"),
        (
            "get_template",
            lambda s: templates.get_template(s, ids["template"], lock=True),
            "template",
            f"id = {ids['template']}",
        ),
        ("lock_drift", lambda s: drift.lock_drift(s, made["drift"]), "drift", f"id = {made['drift']}"),
        ("lock_port", lambda s: adopting.lock_port(s, node_id, 4242), "vnc_port", "port = 4242"),
        (
            "find_attachment",
            lambda s: storage.find_attachment(s, storage_id, node_id),
            "storage_attachment",
            f"storage_id = {storage_id}",
        ),
    ]
    assert _not_held(database, database_url, locks) == []
    # Who lost it and claimed it anew does not hold it by the claim that was.
    database.transact_now(lambda session: session.execute(text("UPDATE operation SET attempts = attempts + 1")))
    assert database.transact_now(hold_vm, vm_id, working, worker, 0) is None
    assert not any(database.transact_now(holds, each, worker) for each in (op, moving))


def _fill(session: Session, ids: Mapping[str, int], vm_id: int) -> dict[str, int]:
    """What a cluster has beside its nodes and VMs; the ids."""

    def insert(statement: str, **values: Any) -> int:
        return int(session.execute(text(statement), values).scalar_one())

    worker = insert("INSERT INTO worker (name) VALUES ('w') RETURNING id")
    operation = (
        "INSERT INTO operation (kind, vm_id, node_id, state, worker_id, lease_until, deadline)"
        " VALUES (:kind, :vm, :node, 'running', :worker, now() + interval '1 hour', now() + interval '1 hour')"
        " RETURNING id"
    )
    emptying = insert(operation, kind="node_evacuate", vm=None, node=ids["a"], worker=worker)
    insert(
        "INSERT INTO operation_object (operation_id, kind, object_id, exclusive) VALUES (:o, 'node', :n, true)"
        " RETURNING operation_id",
        o=emptying,
        n=ids["a"],
    )
    storage_id = insert("SELECT id FROM storage")
    return {
        "worker": worker,
        "operation": insert(operation, kind="vm_stop", vm=vm_id, node=None, worker=worker),
        "evacuation": emptying,
        "storage": storage_id,
        "account": insert(
            "INSERT INTO account (login, name, origin, external_id, quota_cpu, quota_memory_mib, quota_storage_mib,"
            " quota_vms) VALUES ('x', 'X', 'c', '7', 0, 0, 0, 0) RETURNING id"
        ),
        "drift": insert(
            "INSERT INTO drift (kind, node_id, subject, evidence) VALUES ('clock_skew', :n, '', '{}') RETURNING id",
            n=ids["a"],
        ),
        "port": insert("INSERT INTO vnc_port (node_id, port) VALUES (:n, 4242) RETURNING port", n=ids["a"]),
        "attachment": insert(
            "INSERT INTO storage_attachment (storage_id, node_id, state) VALUES (:s, :n, 'attached') RETURNING node_id",
            s=storage_id,
            n=ids["a"],
        ),
    }


def test_word_after_word(database: Database, database_url: str) -> None:
    """
    An agent's word is judged by the word before it, also by one that is being written just now: of two with the same
    new boot, one is the first.
    """
    node_id = database.transact_now(add_cluster)["a"]
    other = connect_beside(database_url)
    other.autocommit = False
    cursor = other.cursor()
    try:
        cursor.execute("UPDATE node SET agent_boot_id = 'new', agent_protocol = 2 WHERE id = %s", (node_id,))
        heard: list[Any] = []
        speaking = threading.Thread(
            target=lambda: heard.append(database.transact_now(agent.record_word, node_id, "new", "", 2, 0.0))
        )
        speaking.start()
        until(lambda: _waiting(database))
        other.commit()
        speaking.join(20)
    finally:
        other.close()
    assert [(word.rebooted, word.spoke) for word in heard] == [(False, 2)]


def _waiting(database: Database) -> bool:
    with Session(database.engine) as session:
        return bool(session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))


def test_cloud(bench: CloudBench, clm_url: str) -> None:
    """Of a cloud manager."""
    ann = bench.ids["ann"]
    told = bench.sql("INSERT INTO message (user_id, level, code) VALUES (:u, 'info', 'c') RETURNING id", u=ann)
    said = bench.sql("INSERT INTO news (topic) VALUES ('t') RETURNING id")
    led = bench.sql("INSERT INTO user_group (name, description, leader_id) VALUES ('g', '', :u) RETURNING id", u=ann)
    krakow = bench.sql("INSERT INTO cluster (name, url, locked) VALUES ('k', 'http://127.0.0.1:1', true) RETURNING id")
    sent = bench.sql("INSERT INTO mail (recipient, template, sent_at) VALUES ('a', 't', now()) RETURNING id")
    whom, group_id = f"id = {ann}", f"id = {led}"
    locks: list[Lock] = [
        ("get_user", lambda s: user.get_user(s, ann, lock=True), "user_account", whom),
        ("lock_cloud_admins", user.lock_cloud_admins, "user_account", "login = 'admin'"),
        ("get_totp", lambda s: totp.get_totp(s, ann, lock=True), "user_account", whom),
        ("count_api_keys", lambda s: api_key.count_api_keys(s, ann), "user_account", whom),
        ("count_keys", lambda s: clm.store.key.count_keys(s, ann), "user_account", whom),
        ("count_led", lambda s: clm.store.group.count_led(s, ann), "user_account", whom),
        ("is_active", lambda s: clm.store.group.is_active(s, ann), "user_account", whom),
        ("get_group", lambda s: clm.store.group.get_group(s, led, lock=True), "user_group", group_id),
        ("get_cluster", lambda s: clusters.get_cluster(s, krakow, lock=True), "cluster", f"id = {krakow}"),
        ("add_administrator", lambda s: clusters.add_administrator(s, krakow, ann), "user_account", whom),
        ("lock_messages", lambda s: clm.store.message.lock_messages(s, ann, [told]), "message", f"id = {told}"),
        ("retry_mail", lambda s: clm.store.mail.retry_mail(s, sent), "mail", f"id = {sent}"),
        ("get_news", lambda s: news.get_news(s, said, lock=True), "news", f"id = {said}"),
    ]
    assert _not_held(bench.manager.database, clm_url, locks) == []
