"""
VMs that nobody started: rows of live ones beside what the manager made of one, and of a great many closed ones with
all that their lives wrote. By SQL, with triggers and foreign keys off; claims balance, and statistics are real.

Benchmarks fill their clusters by it, and tests their databases.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, text

# Their ids: in life those of live and closed VMs mingle, a live one after each ``gap`` closed ones.
_LIVE_ID: Final = "{first} + g * ({gap} + 1) - 1"
_CLOSED_ID: Final = "{first} + g + g / {gap}"

_LIVE: Final = f"""
INSERT INTO vm (id, name, description, account_id, image_id, template_id, reservation_id, cpu, memory_mib, secret,
                wanted, on_poweroff, seen, seen_reason, seen_at, launched_at, launches, node_id, node_claimed)
SELECT {_LIVE_ID}, 'vm-' || {_LIVE_ID}, description, (ARRAY[{{accounts}}])[1 + g % {{account_count}}], image_id,
       template_id, gen_random_uuid(), cpu, memory_mib,
       md5(g::text || random()), wanted, on_poweroff, seen, seen_reason, seen_at, launched_at, launches,
       nodes[1 + g % cardinality(nodes)], true
  FROM vm, generate_series(1, {{count}}) g,
       (SELECT array_agg(id ORDER BY id) AS nodes FROM node WHERE deleted_at IS NULL) n
 WHERE id = {{model}};
INSERT INTO volume (storage_id, name, format, mode, backing_id, size_bytes, claimed_bytes, made)
SELECT u.storage_id, 'vm-' || v.uuid || '-root.qcow2', u.format, u.mode, u.backing_id, u.size_bytes, u.size_bytes, true
  FROM vm v, attachment a JOIN disk k ON k.id = a.disk_id JOIN volume u ON u.id = k.volume_id
 WHERE a.vm_id = {{model}} AND a.number = 0 AND v.closed_at IS NULL AND v.id <> {{model}};
INSERT INTO disk (account_id, volume_id)
SELECT v.account_id, u.id FROM vm v JOIN volume u ON u.name = 'vm-' || v.uuid || '-root.qcow2'
 WHERE v.closed_at IS NULL AND v.id <> {{model}};
INSERT INTO attachment (vm_id, number, disk_id, device, bus, boot_order, delete_with_vm)
SELECT v.id, 0, k.id, a.device, a.bus, 1, true
  FROM attachment a, vm v JOIN volume u ON u.name = 'vm-' || v.uuid || '-root.qcow2' JOIN disk k ON k.volume_id = u.id
 WHERE a.vm_id = {{model}} AND a.number = 0 AND v.closed_at IS NULL AND v.id <> {{model}};
INSERT INTO nic (vm_id, number, network_id, mac, tap, model)
SELECT v.id, 0, f.network_id, CAST('0257' || f.digits AS macaddr), 'wv' || f.digits, 'virtio'
  FROM (SELECT id, row_number() OVER (ORDER BY id) AS number FROM vm WHERE closed_at IS NULL AND id <> {{model}}) v,
       (SELECT network_id, lpad(to_hex(address - inet '0.0.0.0'), 8, '0') AS digits,
               row_number() OVER (ORDER BY network_id, address) AS number FROM network_lease WHERE nic_id IS NULL) f
 WHERE v.number = f.number;
UPDATE network_lease l SET nic_id = n.id FROM nic n
 WHERE n.tap = 'wv' || lpad(to_hex(l.address - inet '0.0.0.0'), 8, '0');
UPDATE vnc_port p SET vm_id = v.id
  FROM (SELECT id, node_id, row_number() OVER (PARTITION BY node_id ORDER BY id) AS number FROM vm
         WHERE closed_at IS NULL AND id <> {{model}}) v,
       (SELECT node_id, port, row_number() OVER (PARTITION BY node_id ORDER BY port) AS number FROM vnc_port
         WHERE vm_id IS NULL) f
 WHERE p.node_id = f.node_id AND p.port = f.port AND v.node_id = f.node_id AND v.number = f.number;
UPDATE node n SET (cpu_used, memory_mib_used, vms_used) =
       (SELECT coalesce(sum(cpu), 0), coalesce(sum(memory_mib), 0), count(*) FROM vm
         WHERE node_id = n.id AND node_claimed AND closed_at IS NULL);
UPDATE account a SET (used_cpu, used_memory_mib, used_vms, used_storage_mib) =
       (SELECT sum(v.cpu), sum(v.memory_mib), count(*), sum(ceil(u.claimed_bytes / 1048576.0))
          FROM vm v JOIN attachment t ON t.vm_id = v.id AND t.number = 0 JOIN disk k ON k.id = t.disk_id
               JOIN volume u ON u.id = k.volume_id WHERE v.account_id = a.id AND v.closed_at IS NULL)
 WHERE id IN (SELECT account_id FROM vm WHERE closed_at IS NULL);
UPDATE storage s SET claimed_bytes = (SELECT coalesce(sum(claimed_bytes), 0) FROM volume WHERE storage_id = s.id);
SELECT setval(pg_get_serial_sequence('vm', 'id'), (SELECT max(id) FROM vm));
"""

# What a life of create, edit, stop, start and destroy wrote, as it was counted: operations, audit rows, changes,
# placements, hook events, requests. What is pruned after days has as many rows as a year's last days leave.
_CLOSED: Final = f"""
INSERT INTO vm (id, uuid, name, account_id, image_id, template_id, reservation_id, cpu, memory_mib, secret, wanted,
                seen, node_id, created_at, closed_at, launches, summary)
SELECT g.id, g.uuid, g.name, g.account_id, {{image}}, {{template}}, g.reservation_id, 1, 128, md5(g.name), 'destroyed',
       'absent', g.node_id, g.closed_at - interval '1 day', g.closed_at, 2, (m.summary::jsonb || jsonb_build_object(
           'vm_id', g.id, 'uuid', g.uuid, 'name', g.name, 'user_id', g.account_id, 'state', 'destroyed',
           'reservation_id', g.reservation_id, 'leases', jsonb_build_array()))::text
  FROM (SELECT {_CLOSED_ID} AS id, gen_random_uuid() AS uuid, 'dead-' || g AS name, gen_random_uuid() AS reservation_id,
               CASE WHEN g % {{every}} = 0 THEN {{account}} ELSE (ARRAY[{{accounts}}])[1 + g % {{account_count}}] END
                   AS account_id, n.ids[1 + g % cardinality(n.ids)] AS node_id,
               now() - interval '1 year' * (1 - g / {{count}}.0) AS closed_at
          FROM generate_series(1, {{count}}) g, (SELECT array_agg(id) AS ids FROM node) n) g,
       (SELECT summary FROM vm WHERE id = {{model}}) m;
SELECT setval(pg_get_serial_sequence('vm', 'id'), (SELECT max(id) FROM vm));
INSERT INTO vm_run (vm_id, account_id, points, began_at, ended_at)
SELECT v.id, v.account_id, 1, v.created_at, v.closed_at FROM vm v WHERE v.closed_at IS NOT NULL;
INSERT INTO operation (kind, account_id, vm_id, node_id, state, deadline, created_at, finished_at)
SELECT k.kind, v.account_id, v.id, v.node_id, 'done', v.closed_at, v.created_at, v.closed_at
  FROM vm v, unnest(ARRAY['vm_create', 'vm_stop', 'vm_start', 'vm_destroy']) k(kind) WHERE v.closed_at IS NOT NULL;
INSERT INTO operation (kind, account_id, objects, state, deadline, finished_at)
SELECT 'image_import', i.account_id, jsonb_build_object('image', jsonb_build_array(i.id)), 'done', now(), now()
  FROM image i;
INSERT INTO audit (at, account_id, login, method, call_id, arguments)
SELECT v.closed_at, v.account_id, 'x', 'user.vm.' || k.verb, 'c', jsonb_build_object('vm_ids', jsonb_build_array(v.id))
  FROM vm v, unnest(ARRAY['create', 'edit', 'stop', 'start', 'destroy']) k(verb) WHERE v.closed_at IS NOT NULL;
INSERT INTO change (at, account_id, kind, object_id, event)
SELECT v.closed_at, v.account_id, 'vm', v.id, 'change' FROM vm v, generate_series(1, {{changes}})
 WHERE v.closed_at > now() - interval '{{week}} days';
INSERT INTO placement (vm_id, node_id, verdicts, at)
SELECT v.id, v.node_id, '[]', v.closed_at FROM vm v, generate_series(1, 2)
 WHERE v.closed_at > now() - interval '{{month}} days';
INSERT INTO hook_event (node_id, boot_id, sequence, domain_uuid, domain_name, operation, sub_operation, happened_at,
                        received_at)
SELECT v.node_id, 'b', v.id * 2 + g, v.uuid, v.name, 'release', 'end', v.closed_at, v.closed_at
  FROM vm v, generate_series(0, 1) g WHERE v.closed_at > now() - interval '{{month}} days';
INSERT INTO request (account_id, request_id, digest, answer, at)
SELECT v.account_id, 'r' || v.id || '-' || g, 'd', 'a', v.closed_at FROM vm v, generate_series(1, {{requests}}) g
 WHERE v.closed_at > now() - interval '{{week}} days';
INSERT INTO message (account_id, level, code, created_at)
SELECT v.account_id, 'info', 'vm_ended', v.closed_at FROM vm v WHERE v.closed_at > now() - interval '{{month}} days';
INSERT INTO drift (kind, node_id, vm_id, subject, evidence, closed_at)
SELECT 'wrong_state', v.node_id, v.id, v.uuid::text, '{{{{}}}}', v.closed_at FROM vm v
 WHERE v.closed_at > now() - interval '{{month}} days';
INSERT INTO worker (name, started_at) SELECT 'dead', now() - interval '1 hour' FROM generate_series(1, 20);
"""

_USERS: Final = """
INSERT INTO account (login, quota_cpu, quota_memory_mib, quota_storage_mib, quota_vms)
SELECT 'u' || g, 1000000, 1000000000, 1000000000, 1000000 FROM generate_series(1, {count}) g RETURNING id
"""

_IMAGES: Final = """
INSERT INTO volume (storage_id, name, format, size_bytes, made)
SELECT u.storage_id, 'image-old-' || g || '.qcow2', u.format, u.size_bytes, true
  FROM image i JOIN volume u ON u.id = i.volume_id, generate_series(1, {count}) g WHERE i.id = {image};
INSERT INTO image (kind, name, account_id, volume_id, state, access)
SELECT i.kind, 'image-' || g, i.account_id, u.id, 'ok', 'public'
  FROM image i, generate_series(1, {count}) g JOIN volume u ON u.name = 'image-old-' || g || '.qcow2'
 WHERE i.id = {image}
"""

# Lists join summaries as they stand: the model's, with what is each VM's own.
_SUMMARIES: Final = """
UPDATE vm v SET summary = (m.summary::jsonb || jsonb_build_object('vm_id', v.id, 'uuid', v.uuid, 'name', v.name,
       'user_id', v.account_id, 'reservation_id', v.reservation_id, 'version', v.version, 'leases',
       (SELECT jsonb_agg(jsonb_build_object('address', host(l.address)))
          FROM nic n JOIN network_lease l ON l.nic_id = n.id WHERE n.vm_id = v.id)
       ))::text
  FROM (SELECT summary FROM vm WHERE id = {model}) m WHERE v.closed_at IS NULL AND v.id <> {model}
"""


def add_users(connection: Connection, count: int) -> list[int]:
    """Accounts ``u1``, ``u2`` ... without passwords, with room; their ids."""
    return list(connection.execute(text(_USERS.format(count=count))).scalars())


def add_images(connection: Connection, count: int, image_id: int) -> None:
    """As many images like that one, whose volumes no storage has."""
    _run(connection, _IMAGES.format(count=count, image=image_id))


def add_live(
    connection: Connection, count: int, model: int, accounts: list[int], *, first: int | None = None, gap: int = 0
) -> None:
    """
    Running VMs like a model, spread over the nodes and the accounts, with the claims that they hold. Their summaries
    (``write_summaries``) and domains are the caller's to make.

    :param first: of their ids; without it they follow the model's.
    """
    _run(connection, _LIVE.format(
        count=count, model=model, accounts=_listed(accounts), account_count=len(accounts),
        first=model + 1 if first is None else first, gap=gap,
    ))  # fmt: skip


def add_closed(
    connection: Connection, count: int, model: int, accounts: list[int], account: int, *, image: int, template: int,
    first: int, gap: int, every: int = 20, changes: int = 2, requests: int = 2, week: int = 400,
    month: int = 400,
) -> None:  # fmt: skip
    """
    VMs that were closed in the course of a year, each after a day.

    :param model: a live VM whose summary theirs are like.
    :param account: whose each ``every``-th one is; the rest are shared by ``accounts``.
    :param first: with ``gap``, as for ``add_live``; a gap above ``count`` leaves no place between them.
    :param changes: rows of the feed, ``requests`` those of answered calls, of each life.
    :param week: for how many days changes and requests are kept; ``month``: placements, events, messages, drift.
    """
    _run(connection, _CLOSED.format(
        count=count, model=model, accounts=_listed(accounts), account_count=len(accounts), account=account, image=image,
        template=template, first=first, gap=gap, every=every, changes=changes, requests=requests,
        week=week, month=month,
    ))  # fmt: skip


def write_summaries(connection: Connection, model: int) -> None:
    """For all live VMs but the model, from its own."""
    _run(connection, _SUMMARIES.format(model=model))


@contextmanager
def triggers_off(connection: Connection) -> Iterator[None]:
    """Until the transaction ends: neither triggers nor foreign keys."""
    _run(connection, "SET LOCAL session_replication_role = replica")
    yield


@contextmanager
def indexes_off(connection: Connection, tables: list[str]) -> Iterator[None]:
    """Without those indexes of the tables that no key needs; they are made anew at the end, several times as fast."""
    found = connection.execute(
        text(
            "SELECT x.indexrelid::regclass::text AS name, pg_get_indexdef(x.indexrelid) AS made FROM pg_index x"
            " WHERE x.indrelid::regclass::text = ANY(:tables) AND NOT x.indisunique AND NOT EXISTS"
            " (SELECT 1 FROM pg_constraint c WHERE c.conindid = x.indexrelid)"
        ),
        {"tables": tables},
    ).all()
    for each in found:
        _run(connection, f"DROP INDEX {each.name}")
    yield
    _run(connection, "SET LOCAL maintenance_work_mem = '256MB'")
    for each in found:
        _run(connection, each.made)


def vacuum(connection: Connection) -> None:
    """
    What the server does by itself a while after many changes: the planner knows what there is.

    :param connection: in AUTOCOMMIT.
    """
    _run(connection, "VACUUM ANALYZE")


def _listed(ids: list[int]) -> str:
    return ", ".join(map(str, ids))


def _run(connection: Connection, statements: str) -> None:
    connection.exec_driver_sql(statements.replace("%", "%%"))
