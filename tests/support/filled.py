"""
A cluster that has lived for years, in bounded size: thousands of closed VMs with all that their lives wrote, and beside
them what lives now. Written by SQL with triggers and foreign keys off; the planner gets real statistics.
"""

from __future__ import annotations

from typing import Final

from support.cloud import MemoryCloud

CLOSED: Final = 20_000
LIVE: Final = 30
IMAGES: Final = 40
USERS: Final = 100  # they share the closed VMs; "other" has none, "user" has a twentieth

# What a life of create, edit, stop, start and destroy wrote, as it was counted: operations, audit rows, changes,
# placements, hook events, a disk, requests. What is pruned after days has as many rows as a year's last days leave.
_ROWS: Final = """
SET LOCAL session_replication_role = replica;
INSERT INTO account (login, quota_cpu, quota_memory_mib, quota_storage_mib, quota_vms)
SELECT 'u' || g, 10, 10000, 100000, 10 FROM generate_series(1, {users}) g;
INSERT INTO image (kind, name, account_id, storage_id, volume, format, size_bytes, claimed_bytes, state, access)
SELECT i.kind, 'image-' || g, i.account_id, i.storage_id, 'image-old-' || g || '.qcow2', i.format, i.size_bytes, 0,
       'ok', 'public' FROM image i, generate_series(1, {images}) g WHERE i.id = {image};
INSERT INTO vm (name, account_id, image_id, template_id, reservation_id, cpu, memory_mib, secret, wanted, seen, node_id,
                created_at, closed_at, launches, summary)
SELECT 'dead-' || g, CASE WHEN g % 20 = 0 THEN {user} ELSE u.first + g % {users} END, {image}, {template},
       gen_random_uuid(), 1, 128, md5(g::text), 'destroyed', 'absent', n.ids[1 + g % cardinality(n.ids)],
       now() - interval '1 year' * (1 - g / {closed}.0) - interval '1 day',
       now() - interval '1 year' * (1 - g / {closed}.0), 2, '{{"vm_id":' || g || '}}'
  FROM generate_series(1, {closed}) g, (SELECT min(id) AS first FROM account WHERE login LIKE 'u_%') u,
       (SELECT array_agg(id) AS ids FROM node) n;
INSERT INTO disk (vm_id, storage_id, image_id, volume, device, bus, format, mode, size_bytes, made, deleted_at)
SELECT id, {storage}, {image}, 'vm-' || uuid || '-root.qcow2', 'vda', 'virtio', 'qcow2', 'overlay', 67108864, true,
       closed_at FROM vm WHERE closed_at IS NOT NULL;
INSERT INTO operation (kind, account_id, vm_id, node_id, image_id, state, deadline, created_at, finished_at)
SELECT k.kind, v.account_id, v.id, v.node_id, {image}, 'done', v.closed_at, v.created_at, v.closed_at
  FROM vm v, unnest(ARRAY['vm_create', 'vm_stop', 'vm_start', 'vm_destroy']) k(kind) WHERE v.closed_at IS NOT NULL;
INSERT INTO operation (kind, account_id, image_id, state, deadline, finished_at)
SELECT 'image_import', i.account_id, i.id, 'done', now(), now() FROM image i;
INSERT INTO audit (at, account_id, login, method, call_id, arguments)
SELECT v.closed_at, v.account_id, 'x', 'user.vm.' || k.verb, 'c', jsonb_build_object('vm_ids', jsonb_build_array(v.id))
  FROM vm v, unnest(ARRAY['create', 'edit', 'stop', 'start', 'destroy']) k(verb) WHERE v.closed_at IS NOT NULL;
INSERT INTO change (at, account_id, kind, object_id, event)
SELECT v.closed_at, v.account_id, 'vm', v.id, 'change' FROM vm v, generate_series(1, 2) WHERE v.closed_at IS NOT NULL;
INSERT INTO placement (vm_id, node_id, verdicts, at)
SELECT v.id, v.node_id, '[]', v.closed_at FROM vm v, generate_series(1, 2) WHERE v.closed_at IS NOT NULL;
INSERT INTO hook_event (node_id, boot_id, sequence, domain_uuid, domain_name, operation, sub_operation, happened_at,
                        received_at)
SELECT v.node_id, 'b', v.id * 2 + g, v.uuid, v.name, 'release', 'end', v.closed_at, v.closed_at
  FROM vm v, generate_series(0, 1) g WHERE v.closed_at IS NOT NULL;
INSERT INTO request (account_id, request_id, digest, answer, at)
SELECT v.account_id, 'r' || v.id || '-' || g, 'd', 'a', v.closed_at FROM vm v, generate_series(1, 2) g
 WHERE v.closed_at IS NOT NULL;
INSERT INTO message (account_id, level, code, created_at)
SELECT v.account_id, 'info', 'vm_ended', v.closed_at FROM vm v WHERE v.closed_at IS NOT NULL;
INSERT INTO drift (kind, node_id, vm_id, subject, evidence, closed_at)
SELECT 'wrong_state', v.node_id, v.id, v.uuid::text, '{{}}', v.closed_at FROM vm v WHERE v.closed_at IS NOT NULL;
INSERT INTO worker (name, started_at) SELECT 'dead', now() - interval '1 hour' FROM generate_series(1, 20);
"""


def fill(cloud: MemoryCloud) -> None:
    """Fill a cloud that lives, and let the planner see it."""
    for _ in range(LIVE):
        cloud.create(name="alive")
    values = {
        "users": USERS, "images": IMAGES, "closed": CLOSED, "image": cloud.image_id, "template": cloud.template_id,
        "storage": cloud.storage_id, "user": cloud.user_id,
    }  # fmt: skip
    engine = cloud.manager.database.engine
    with engine.begin() as connection:
        connection.exec_driver_sql(_ROWS.format(**values).replace("%", "%%"))
    vacuum(cloud)


def vacuum(cloud: MemoryCloud) -> None:
    """What the server does by itself a while after many changes: the planner knows what there is."""
    engine = cloud.manager.database.engine
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
