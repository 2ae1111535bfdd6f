"""The migrations make what the models say, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from ipaddress import IPv4Address, IPv4Network

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

import sql.cm
from cm.daemon.migrate import migrate
from cm.interfaces.hypervisor import NicSpec
from cm.models import Base
from cm.operations import register_kinds
from cm.operations.base import KINDS
from cm.rpc.vocabulary import NicModel
from cm.rules.operation import ObjectKind, OperationKind
from cm.runtime.migrate import config, pending
from cm.services.network import networks_of
from cm.store.domain import domain_plan
from cm.store.leak import leaks
from cm.store.network import insert_nat
from cm.store.operation import get_operation
from cm.store.operation_object import find_other, held
from cm.store.prune import prune
from lab.postgres import PrivatePostgres


def test_models_match(database_url: str) -> None:
    """Autogenerate finds no difference between the migrated database and the models."""
    engine = create_engine(database_url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    engine.dispose()


def test_migrate_is_repeatable(database_url: str) -> None:
    """A second run finds nothing to do."""
    engine = create_engine(database_url)
    before, after = migrate(engine)
    assert before == after and not pending(engine, sql.cm)
    engine.dispose()


def test_logs_of_consoles(postgres: PrivatePostgres) -> None:
    """Of logs that a pass would have deleted, those are on record whose VM ended lately, or whose node is silent."""
    postgres.create_database("logs_before")
    engine = create_engine(postgres.url("logs_before"))
    try:
        with at_revision(engine, "0013") as connection:
            connection.execute(text(BEFORE_NICS))
        migrate(engine)
        with at_revision(engine, "0036") as connection:
            connection.execute(text("UPDATE vm SET console_node_id = 1"))
            connection.execute(text("UPDATE node SET state = 'ok'"))
            connection.execute(text("UPDATE vm SET closed_at = now() - interval '1 month' WHERE id = 2"))
        left = text("SELECT vm_id, node_id FROM console_leftover ORDER BY 1")
        migrate(engine)
        with engine.connect() as connection:
            assert [tuple(row) for row in connection.execute(left)] == [(3, 1)]
        with at_revision(engine, "0036") as connection:
            connection.execute(text("UPDATE node SET state = 'unreachable'"))
        migrate(engine)
        with engine.connect() as connection:
            assert [tuple(row) for row in connection.execute(left)] == [(2, 1), (3, 1)]
    finally:
        engine.dispose()
        postgres.drop_database("logs_before")


# What led to operations, as text of before; and what it is now.
CAUSES = [
    ("hook 17", "hook", "17"),
    ("look", "look", "look"),
    ("drift 3", "drift", "3"),
    ("operation 5 abandoned", "operation", "5"),
    ("operation 6", "operation", "6"),
    ("", "call", ""),
    ("clm-0a1b", "call", "clm-0a1b"),
    ("hook", "call", "hook"),
    ("looked", "call", "looked"),
]


def test_causes_are_converted(postgres: PrivatePostgres) -> None:
    """Stored causes keep what they say; a request id of "look" is known for what it is by its request."""
    postgres.create_database("causes")
    engine = create_engine(postgres.url("causes"))
    try:
        with at_revision(engine, "0004") as connection:
            for login in ("ann", "bob"):
                connection.execute(
                    text(
                        "INSERT INTO account (login, quota_cpu, quota_memory_mib, quota_storage_mib, quota_vms)"
                        " VALUES (:l, 1, 1, 1, 1)"
                    ),
                    {"l": login},
                )
            ids = dict(connection.execute(text("SELECT login, id FROM account")).all())
            insert = text(
                "INSERT INTO operation (kind, account_id, cause, state, deadline)"
                " VALUES ('vm_stop', :a, :c, 'done', now())"
            )
            for cause, _, _ in CAUSES:
                connection.execute(insert, {"a": ids["ann"], "c": cause})
            connection.execute(
                text("INSERT INTO request (account_id, request_id, digest) VALUES (:a, 'look', '')"), {"a": ids["bob"]}
            )
            connection.execute(insert, {"a": ids["bob"], "c": "look"})
        migrate(engine)
        select = text("SELECT cause_kind, cause_ref FROM operation ORDER BY id")
        with engine.connect() as connection:
            found = [tuple(row) for row in connection.execute(select)]
        assert found == [*((kind, ref) for _, kind, ref in CAUSES), ("call", "look")]
        with at_revision(engine, "0004") as connection:
            back = list(connection.scalars(text("SELECT cause FROM operation ORDER BY id")))
        assert back[:5] == ["hook 17", "look", "drift 3", "operation 5", "operation 6"]
        assert back[5:] == [*(cause for cause, _, _ in CAUSES[5:]), "look"]
        with pytest.raises(IntegrityError), engine.begin() as connection:
            migrate(engine)
            connection.execute(text("UPDATE operation SET cause_kind = 'nonsense'"))
    finally:
        engine.dispose()
        postgres.drop_database("causes")


# Where operations of before are, by number; and which step that is.
STEPS = [
    ("vm_stop", "waiting", True, 1, "await_end"),
    ("vm_stop", "queued", False, 0, ""),
    ("vm_stop", "waiting", True, 0, "cut_power"),
    ("vm_save_and_shutdown", "queued", True, 3, "keep"),
    ("vm_move", "running", True, 4, "launch_elsewhere"),
    ("image_import", "failed", True, 2, "upload"),
    ("image_delete", "done", True, 0, ""),
]


def test_steps_are_converted(postgres: PrivatePostgres) -> None:
    """An operation that was under way goes on with the step that its number stood for, in a kind that knows it."""
    postgres.create_database("steps")
    engine = create_engine(postgres.url("steps"))
    try:
        with at_revision(engine, "0011") as connection:
            insert = text(
                "INSERT INTO operation (kind, state, step, started_at, worker_id, deadline)"
                " VALUES (:kind, :state, :step, CASE WHEN :begun THEN now() END, 1, now())"
            )
            for kind, state, begun, number, _ in STEPS:
                connection.execute(insert, {"kind": kind, "state": state, "begun": begun, "step": number})
        migrate(engine)
        select = text("SELECT step FROM operation ORDER BY id")
        with engine.connect() as connection:
            assert list(connection.scalars(select)) == [name for *_, name in STEPS]
        with at_revision(engine, "0011") as connection:
            assert list(connection.scalars(select)) == [number for *_, number, _ in STEPS]
    finally:
        engine.dispose()
        postgres.drop_database("steps")


# VM 1 is of an image that asks for e1000, VM 2 has two cards, VM 3 has ended.
BEFORE_NICS = """
INSERT INTO account (login, quota_cpu, quota_memory_mib, quota_storage_mib, quota_vms) VALUES ('ann', 9, 9, 9, 9);
INSERT INTO storage (name, kind, path, capacity_bytes, overcommit) VALUES ('main', 'dir', '/srv/main', 9, 1);
INSERT INTO node (name, address, uri, cpu_total, memory_mib_total, cpu_overcommit, memory_overcommit)
VALUES ('n1', '192.0.2.1', 'memory:///n1', 9, 9, 1, 1);
INSERT INTO template (name, cpu, memory_mib) VALUES ('small', 1, 1);
INSERT INTO image (kind, name, account_id, storage_id, volume, format, state, network_device)
SELECT 'system', device, 1, 1, device, 'qcow2', 'ok', device FROM unnest(ARRAY['e1000', 'virtio']) AS device;
INSERT INTO vm (name, account_id, image_id, template_id, reservation_id, cpu, memory_mib, secret, node_id, closed_at)
SELECT 'vm', 1, i, 1, gen_random_uuid(), 1, 1, '', 1, ended
  FROM (VALUES (1, NULL), (2, NULL), (1, now())) AS v (i, ended);
INSERT INTO disk (vm_id, storage_id, image_id, volume, device, bus, format, mode, size_bytes)
SELECT id, 1, image_id, 'vm-' || id, 'vda', 'virtio', 'qcow2', 'overlay', 1 FROM vm;
INSERT INTO address_pool (name, network, gateway, bridge)
VALUES ('net', '10.128.0.0/24', '10.128.0.1', 'wbr1'), ('high', '223.255.0.0/24', '223.255.0.1', 'wbr2');
INSERT INTO network_lease (pool_id, address, vm_id, nic)
VALUES (1, '10.128.0.5', 1, 0), (2, '223.255.0.6', 2, 1), (1, '10.128.0.7', 2, 0), (1, '10.128.0.6', NULL, 0);
"""


def test_nics_are_written_down(postgres: PrivatePostgres) -> None:
    """A VM of before has the network cards that it had: its domain is defined as it runs."""
    postgres.create_database("nics_before")
    engine = create_engine(postgres.url("nics_before"))
    try:
        with at_revision(engine, "0013") as connection:
            connection.execute(text(BEFORE_NICS))
        migrate(engine)
        with Session(engine) as session:
            nics = [domain_plan(session, vm_id, "secret").spec.nics for vm_id in (1, 2, 3)]
            assert nics[0] == (NicSpec("wawel-net", "02:57:0a:80:00:05", "wv0a800005", NicModel.E1000),)
            assert nics[1] == (
                NicSpec("wawel-net", "02:57:0a:80:00:07", "wv0a800007", NicModel.VIRTIO),
                NicSpec("wawel-high", "02:57:df:ff:00:06", "wvdfff0006", NicModel.VIRTIO),
            )
            assert nics[2] == ()
            assert [row["subject"] for row in leaks(session) if row["subject"].startswith(("NIC", "address"))] == []
            assert session.scalar(text("SELECT count(*) FROM network_lease WHERE nic_id IS NULL")) == 1
        with at_revision(engine, "0013") as connection:
            select = "SELECT host(address), vm_id, nic FROM network_lease ORDER BY address"
            assert [tuple(row) for row in connection.execute(text(select))] == [
                ("10.128.0.5", 1, 0), ("10.128.0.6", None, 0), ("10.128.0.7", 2, 0), ("223.255.0.6", 2, 1),
            ]  # fmt: skip
    finally:
        engine.dispose()
        postgres.drop_database("nics_before")


# VM 1 is being saved, VM 2's stop was given up with its worker still at it, the screen of VM 3 is being changed.
BEFORE_OBJECTS = """
UPDATE vm SET save_image_id = 2 WHERE id = 1;
INSERT INTO storage_attachment (storage_id, node_id) VALUES (1, 1);
INSERT INTO operation (kind, vm_id, image_id, storage_id, node_id, state, worker_id, concurrent, deadline)
SELECT o.*, now() FROM (VALUES
('vm_save_and_shutdown', 1, NULL, NULL, 1, 'waiting', NULL, false),
('vm_stop', 2, NULL, NULL, 1, 'abandoned', 7, false),
('vm_start', 3, NULL, NULL, 1, 'done', NULL, false),
('vm_vnc', 3, NULL, NULL, 1, 'queued', NULL, true),
('image_import', NULL, 1, 1, NULL, 'running', 7, false),
('image_delete', NULL, 1, 1, NULL, 'failed', NULL, false),
('storage_attach', NULL, NULL, 1, 1, 'queued', NULL, false),
('node_evacuate', NULL, NULL, NULL, 1, 'waiting', NULL, false))
  AS o (kind, vm_id, image_id, storage_id, node_id, state, worker_id, concurrent);
"""
OBJECTS = [
    (1, "image", 2, True),
    (1, "vm", 1, True),
    (2, "vm", 2, False),
    (4, "vm", 3, False),
    (5, "image", 1, True),
    (7, "attachment", 1, True),
    (7, "storage", 1, False),
    (8, "node", 1, True),
]


def test_objects_are_written_down(postgres: PrivatePostgres) -> None:
    """What is under way holds what it is about; what has ended remembers it, and can go back to a release before."""
    postgres.create_database("objects")
    engine = create_engine(postgres.url("objects"))
    before = text("SELECT id, vm_id, image_id, storage_id, node_id FROM operation WHERE id <> 1 ORDER BY id")
    try:
        with at_revision(engine, "0013") as connection:
            for statement in BEFORE_NICS.strip().split(";\n"):
                connection.exec_driver_sql(statement)
        migrate(engine)
        with at_revision(engine, "0015") as connection:
            for statement in BEFORE_OBJECTS.strip().split(";\n"):
                connection.exec_driver_sql(statement)
            was = connection.execute(before).all()
        migrate(engine)
        rows = text("SELECT operation_id, kind, object_id, exclusive FROM operation_object ORDER BY 1, 2")
        with Session(engine) as session:
            assert [tuple(row) for row in session.execute(rows)] == OBJECTS
            ended = get_operation(session, 6)
            assert ended.find(ObjectKind.IMAGE) == 1 and ended.about == {"image": [1]}
            again = held(OperationKind.IMAGE_DELETE, {ObjectKind.IMAGE: [1]})
            holder = find_other(session, again)
            assert holder is not None and (holder.id, holder.kind) == (5, OperationKind.IMAGE_IMPORT)
            assert [found for found in leaks(session) if found["subject"].startswith("operation")] == []
        with at_revision(engine, "0015") as connection:
            back = connection.execute(before).all()
        assert back == was
    finally:
        engine.dispose()
        postgres.drop_database("objects")


def test_kept_steps_are_known() -> None:
    """Every step that the journal of an upgraded cluster may stand at is one of its kind today."""
    register_kinds()
    for kind, names in import_module("sql.cm.versions.0012_steps_by_name").STEPS.items():
        assert set(names) <= set(KINDS[OperationKind(kind)].steps)


@contextmanager
def at_revision(engine: Engine, revision: str) -> Iterator[Connection]:
    """A transaction on the schema of some time ago, which ``migrate`` then brings up to date."""
    with engine.begin() as connection:
        fresh = MigrationContext.configure(connection).get_current_revision() is None
        (command.upgrade if fresh else command.downgrade)(config(sql.cm, connection), revision)
    with engine.begin() as connection:
        yield connection


POOL = "INSERT INTO address_pool (name, network) VALUES (:n, :c)"


# A pool of VM 1, whose bridge the administrator named, a locked one, and one that is deleted.
BEFORE_NETWORKS = """
UPDATE address_pool SET dns = '9.9.9.9', bridge = 'br-lan', version = 3 WHERE name = 'net';
UPDATE address_pool SET locked = true WHERE name = 'high';
INSERT INTO address_pool (name, network, gateway, bridge, deleted_at)
VALUES ('net', '10.128.0.0/16', '10.128.0.1', 'br-lan', now());
"""
POOLS_BEFORE = """
SELECT id, uuid, name, network, host(gateway), bridge, dns, locked, version, deleted_at FROM address_pool
"""
NETWORKS = """
SELECT w.id, w.uuid, w.name, w.prefix, host(w.gateway), w.bridge, w.dns, w.locked, w.version, w.deleted_at
  FROM network w JOIN address_pool p ON p.id = w.pool_id AND p.id = w.id AND p.network = w.prefix
 WHERE w.kind = 'nat' AND p.kind = 'nat' AND w.account_id IS NULL AND p.name = w.name
"""
# Of a release since: a group that lets SSH in, with the first card in it, and a node that makes users' networks.
GROUPS = """
INSERT INTO security_group (account_id, name, is_default) VALUES (1, 'default', true);
INSERT INTO security_rule (group_id, direction, protocol, port_first, port_last) VALUES (1, 'in', 'tcp', 22, 22);
INSERT INTO security_rule (group_id, direction, protocol, remote_group_id) VALUES (1, 'in', 'any', 1);
INSERT INTO nic_group (nic_id, group_id) SELECT min(id), 1 FROM nic;
UPDATE node SET makes_links = true, tunnel_address = '192.0.2.1';
UPDATE nic SET leaving = true;
"""
RELEASED = """
UPDATE network SET account_id = 1, is_default = true, deleted_at = now() WHERE kind = 'vxlan';
UPDATE address_pool SET deleted_at = now() WHERE kind = 'vxlan';
"""


def test_pools_become_networks(postgres: PrivatePostgres) -> None:
    """A pool of before is one network, with its number; NICs and leases stay where they were, both ways."""
    postgres.create_database("networks_before")
    engine = create_engine(postgres.url("networks_before"))
    leases = "SELECT {0}, host(address), nic_id FROM network_lease ORDER BY id"
    nics = "SELECT {0}, vm_id, number, mac, tap, model FROM nic ORDER BY id"
    try:
        with at_revision(engine, "0013") as connection:
            connection.execute(text(BEFORE_NICS))
        migrate(engine)
        with at_revision(engine, "0032") as connection:
            connection.execute(text(BEFORE_NETWORKS))
            was = [
                connection.execute(text(each)).all()
                for each in (POOLS_BEFORE + " ORDER BY id", leases.format("pool_id"), nics.format("pool_id"))
            ]
        migrate(engine)
        with Session(engine) as session:
            now = [
                session.execute(text(each)).all()
                for each in (NETWORKS + " ORDER BY w.id", leases.format("network_id"), nics.format("network_id"))
            ]
            assert now == was and len(now[0]) == 3
            assert [row["subject"] for row in leaks(session) if row["subject"].startswith(("NIC", "address"))] == []
            [spec] = networks_of(session, 1)
            assert (spec.name, spec.bridge, spec.dns) == ("wawel-net", "br-lan", ("9.9.9.9",))
            made = insert_nat(
                session, name="new", network=IPv4Network("10.9.0.0/30"), gateway=IPv4Address("10.9.0.1"), bridge=None,
                dns="",
            )  # fmt: skip
            assert made > max(row.id for row in now[0])  # no number is used twice
            session.commit()
        with at_revision(engine, "0032") as connection:
            pools = connection.execute(text(POOLS_BEFORE + " ORDER BY id")).all()
            assert pools[:3] == was[0] and (pools[3].id, pools[3].name, pools[3].bridge) == (made, "new", f"wbr{made}")
            later = "INSERT INTO address_pool (name, network, gateway, bridge) VALUES (:n, :p, '10.10.0.1', :n)"
            connection.execute(text(later), {"n": "later", "p": "10.10.0.0/30"})
        migrate(engine)
        with engine.begin() as connection:
            connection.execute(text(GROUPS))
            add_networks(connection, "vxlan", False, "10.20.0.0/24")
        with pytest.raises(DBAPIError, match="in security groups"), at_revision(engine, "0032"):
            pass
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM nic_group"))
        with pytest.raises(DBAPIError, match="other kinds"), at_revision(engine, "0032"):
            pass
        with engine.begin() as connection:
            connection.execute(text(RELEASED))
        with at_revision(engine, "0032") as connection:
            kept = connection.execute(text(POOLS_BEFORE + " ORDER BY id")).all()
            assert kept[:4] == pools and [row.name for row in kept[4:]] == ["later"]
            assert connection.execute(text(nics.format("pool_id"))).all() == was[2]
        migrate(engine)
    finally:
        engine.dispose()
        postgres.drop_database("networks_before")


def add_networks(connection: Connection, kind: str, overlap: bool, *prefixes: str) -> None:
    """A pool of a kind with networks in it."""
    values = {"n": f"{kind}-{overlap}-{prefixes[0]}", "k": kind, "o": overlap, "p": prefixes[0]}
    pool = connection.scalar(
        text(
            "INSERT INTO address_pool (id, name, kind, network, overlap)"
            " VALUES (nextval('network_id_seq'), :n, :k, :p, :o) RETURNING id"
        ),
        values,
    )
    for number, prefix in enumerate(prefixes):
        connection.execute(
            text(
                "INSERT INTO network (pool_id, kind, name, prefix, gateway, overlap, bridge) VALUES"
                " (:pool, :k, :name, :prefix, CAST(host(CAST(:prefix AS cidr)) AS inet), :o, :name)"
            ),
            {**values, "pool": pool, "prefix": prefix, "name": f"{values['n']}-{number}"},
        )


def test_networks_of_pools(database_url: str) -> None:
    """
    The database decides that networks are apart, unless an administrator said otherwise of their pool; that a pool for
    everybody is one network; and that a network has an address once.
    """
    engine = create_engine(database_url)
    with engine.begin() as connection:
        add_networks(connection, "vxlan", False, "10.0.0.0/26", "10.0.0.64/26")
    for prefixes in (("10.1.0.0/24", "10.0.0.32/27"), ("10.2.0.0/24", "10.2.0.0/24")):
        with pytest.raises(IntegrityError, match="ex_network_prefix"), engine.begin() as connection:
            add_networks(connection, "vxlan", False, *prefixes)
    with engine.begin() as connection:
        add_networks(connection, "vxlan", True, "10.0.0.0/24", "10.0.0.0/24", "10.0.0.0/26")
    with pytest.raises(IntegrityError, match="ck_address_pool_nat"), engine.begin() as connection:
        add_networks(connection, "nat", True, "10.3.0.0/24")
    for kind in ("nat", "bridge"):
        with pytest.raises(IntegrityError, match="uq_network_only"), engine.begin() as connection:
            add_networks(connection, kind, False, "10.4.0.0/25", "10.4.0.128/25")
    lease = text("INSERT INTO network_lease (network_id, address) SELECT min(id), '10.0.0.5' FROM network")
    with engine.begin() as connection:
        connection.execute(lease)
    with pytest.raises(IntegrityError, match="uq_network_lease_address"), engine.begin() as connection:
        connection.execute(lease)
    engine.dispose()


def test_pools_do_not_overlap(database_url: str) -> None:
    """The database itself refuses address pools that share addresses, equal, wider or narrower."""
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text(POOL), {"n": "a", "c": "10.0.0.0/24"})
    for cidr in ("10.0.0.0/24", "10.0.0.0/16", "10.0.0.128/25"):
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.execute(text(POOL), {"n": "b", "c": cidr})
    with engine.begin() as connection:
        connection.execute(text(POOL), {"n": "b", "c": "10.0.1.0/24"})
    engine.dispose()


def test_prune(database) -> None:
    """Pruning an empty database is possible, and tells what it did."""
    assert set(database.transact_now(prune).values()) == {0}


def test_public_addresses(postgres: PrivatePostgres) -> None:
    """VMs of before are shown to have no public address; what guests are reached by keeps a release before away."""
    postgres.create_database("public_before")
    engine = create_engine(postgres.url("public_before"))
    own = "INSERT INTO public_address (address, account_id) VALUES ('203.0.113.7', 1)"
    try:
        with at_revision(engine, "0013") as connection:
            connection.execute(text(BEFORE_NICS))
        migrate(engine)
        with at_revision(engine, "0035") as connection:
            was = '{"leases":[{}],"version":3}'
            connection.execute(text("UPDATE vm SET summary = :was WHERE id = 1"), {"was": was})
        migrate(engine)
        with engine.begin() as connection:
            shown = connection.execute(text("SELECT summary FROM vm WHERE id = 1")).scalar_one()
            assert json.loads(shown) == {"leases": [{}], "version": 3, "public_ip": None}
            connection.execute(text(own))
        with pytest.raises(DBAPIError, match="in use"), at_revision(engine, "0035"):
            pass
        with engine.begin() as connection:
            connection.execute(text("UPDATE public_address SET account_id = NULL"))
        with at_revision(engine, "0035"):
            pass
        migrate(engine)
    finally:
        engine.dispose()
        postgres.drop_database("public_before")
