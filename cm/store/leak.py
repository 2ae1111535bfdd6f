"""What is claimed and is nobody's, or counted otherwise than it is: each claim held against what is there."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.store import operation_object
from cm.store.conditions import is_open

# The volumes of snapshots, each once, and whose they are.
OF_SNAPSHOTS = """
SELECT s.volume_id, k.account_id FROM snapshot s JOIN disk k ON k.id = s.disk_id
 UNION SELECT s.spare_id, k.account_id FROM snapshot s JOIN disk k ON k.id = s.disk_id WHERE s.spare_id IS NOT NULL
"""

# The memory of VMs that are suspended, and whose it is.
OF_SUSPENDED = "SELECT s.volume_id, v.account_id FROM suspension s JOIN vm v ON v.id = s.vm_id"

# What guests are seeded by, and whose it is.
OF_SEEDS = "SELECT e.volume_id, v.account_id FROM seed e JOIN vm v ON v.id = e.vm_id"

# What objects in buckets, and parts of some, claim of their owners' quotas.
OF_OBJECTS = """
SELECT account_id, quota_mib FROM stored_object
 UNION ALL SELECT m.account_id, p.quota_mib FROM multipart_part p JOIN multipart m ON m.id = p.multipart_id
"""

# Holders are looked for among the live: to join the closed ones reads all of them, where there are millions.
LEAKS = text(
    f"""
SELECT 'account ' || a.login AS subject, 'counted ' || used_cpu || ' CPUs ' || used_memory_mib || ' MiB '
       || used_storage_mib || ' MiB storage ' || used_vms || ' VMs; live '
       || coalesce(l.cpu, 0) || ' ' || coalesce(l.memory, 0) || ' ' ||
       coalesce(d.mib, 0) + coalesce(o.mib, 0) || ' ' || coalesce(l.vms, 0) AS finding
  FROM account a
  LEFT JOIN (SELECT account_id, sum(cpu) AS cpu, sum(memory_mib) AS memory, count(*) AS vms FROM vm
              WHERE closed_at IS NULL GROUP BY account_id) l ON l.account_id = a.id
  LEFT JOIN (SELECT coalesce(i.account_id, k.account_id, p.account_id, r.account_id, m.account_id,
                             e.account_id) AS account_id,
                    sum(ceil(u.claimed_bytes / 1048576.0)) AS mib
               FROM volume u LEFT JOIN image i ON i.volume_id = u.id LEFT JOIN disk k ON k.volume_id = u.id
               LEFT JOIN ({OF_SNAPSHOTS}) p ON p.volume_id = u.id
               LEFT JOIN reservation r ON r.volume_id = u.id
               LEFT JOIN ({OF_SUSPENDED}) m ON m.volume_id = u.id
               LEFT JOIN ({OF_SEEDS}) e ON e.volume_id = u.id
              GROUP BY 1) d ON d.account_id = a.id
  LEFT JOIN (SELECT account_id, sum(quota_mib) AS mib FROM ({OF_OBJECTS}) h GROUP BY account_id) o
    ON o.account_id = a.id
 WHERE (used_cpu, used_memory_mib, used_vms, used_storage_mib)
       <> (coalesce(l.cpu, 0), coalesce(l.memory, 0), coalesce(l.vms, 0), coalesce(d.mib, 0) + coalesce(o.mib, 0))
UNION ALL
SELECT 'node ' || n.name, 'counted ' || cpu_used || ' CPUs ' || memory_mib_used || ' MiB ' || vms_used || ' VMs; live '
       || coalesce(l.cpu, 0) || ' ' || coalesce(l.memory, 0) || ' ' || coalesce(l.vms, 0)
  FROM node n LEFT JOIN (SELECT node_id, sum(cpu) AS cpu, sum(memory_mib) AS memory, count(*) AS vms FROM
                          (SELECT node_id, cpu, memory_mib FROM vm WHERE node_claimed AND closed_at IS NULL UNION ALL
                           SELECT moves_to, cpu, memory_mib FROM vm WHERE closed_at IS NULL AND moves_to IS NOT NULL
                          ) held
                          GROUP BY node_id) l ON l.node_id = n.id
 WHERE (cpu_used, memory_mib_used, vms_used) <> (coalesce(l.cpu, 0), coalesce(l.memory, 0), coalesce(l.vms, 0))
UNION ALL
SELECT 'storage ' || s.name, 'counted ' || claimed_bytes || ' bytes; live ' || coalesce(u.size, 0)
  FROM storage s
  LEFT JOIN (SELECT storage_id, sum(claimed_bytes) AS size FROM volume GROUP BY storage_id) u ON u.storage_id = s.id
 WHERE claimed_bytes <> coalesce(u.size, 0)
UNION ALL
SELECT 'address ' || host(l.address), 'leased to closed VM ' || n.vm_id
  FROM network_lease l JOIN nic n ON n.id = l.nic_id
 WHERE NOT EXISTS (SELECT 1 FROM vm v WHERE v.id = n.vm_id AND v.closed_at IS NULL)
UNION ALL
SELECT 'address ' || host(l.address), 'of another network than NIC ' || n.id || ', which has it'
  FROM network_lease l JOIN nic n ON n.id = l.nic_id WHERE l.network_id <> n.network_id
UNION ALL
SELECT 'address ' || host(l.address), 'drawn for a NIC of network ' || w.id || ', and nobody''s'
  FROM network w JOIN network_lease l ON l.network_id = w.id
 WHERE w.prefix6 IS NOT NULL AND l.nic_id IS NULL AND family(l.address) <> family(w.prefix)
UNION ALL
SELECT 'NIC ' || n.id, 'there though VM ' || n.vm_id || ' is closed'
  FROM nic n WHERE NOT EXISTS (SELECT 1 FROM vm v WHERE v.id = n.vm_id AND v.closed_at IS NULL)
UNION ALL
SELECT 'NIC ' || n.id, 'of VM ' || n.vm_id || ' has no address'
  FROM nic n JOIN network w ON w.id = n.network_id AND w.prefix IS NOT NULL
 WHERE NOT EXISTS (SELECT 1 FROM network_lease l WHERE l.nic_id = n.id)
UNION ALL
SELECT 'port ' || p.node_id || ':' || p.port, 'held by VM ' || p.vm_id || ', which holds no node'
  FROM vnc_port p WHERE p.vm_id IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM vm v WHERE v.id = p.vm_id AND v.closed_at IS NULL AND v.node_claimed)
UNION ALL
SELECT 'port ' || p.node_id || ':' || p.port, 'kept for VM ' || p.reserved_for || ', which is not going to move there'
  FROM vnc_port p WHERE p.reserved_for IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM vm v WHERE v.id = p.reserved_for AND v.closed_at IS NULL AND v.moves_to = p.node_id)
UNION ALL
SELECT 'cost of VM ' || v.id, 'of ' || v.points || ' points an hour, counted ' || coalesce(r.points, 0)
  FROM vm v LEFT JOIN vm_run r ON r.vm_id = v.id AND r.ended_at IS NULL
 WHERE v.closed_at IS NULL
   AND (coalesce(r.points, 0), coalesce(r.account_id, v.account_id))
       <> (CASE WHEN v.node_claimed THEN v.points ELSE 0 END, v.account_id)
UNION ALL
SELECT 'cost of VM ' || r.vm_id, 'counted though it is closed'
  FROM vm_run r WHERE r.ended_at IS NULL
   AND NOT EXISTS (SELECT 1 FROM vm v WHERE v.id = r.vm_id AND v.closed_at IS NULL)
UNION ALL
SELECT 'place for VM ' || v.id, 'claimed on node ' || v.moves_to || ' though no move is under way'
  FROM vm v WHERE v.closed_at IS NULL AND v.moves_to IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM operation o WHERE o.vm_id = v.id AND o.kind IN ('vm_move', 'vm_migrate')
                    AND {is_open("o")})
UNION ALL
SELECT 'disk ' || coalesce(t.disk_id::text, t.device), 'held by closed VM ' || t.vm_id
  FROM attachment t WHERE NOT EXISTS (SELECT 1 FROM vm v WHERE v.id = t.vm_id AND v.closed_at IS NULL)
UNION ALL
SELECT 'disk ' || k.id, 'of account ' || k.account_id || ' goes with VM ' || v.id || ' of account ' || v.account_id
  FROM attachment t JOIN vm v ON v.id = t.vm_id JOIN disk k ON k.id = t.disk_id
 WHERE t.delete_with_vm AND v.closed_at IS NULL AND k.account_id <> v.account_id
UNION ALL
SELECT 'disk ' || k.id, 'neither attached nor in the catalogue'
  FROM disk k WHERE k.image_id IS NULL AND NOT EXISTS (SELECT 1 FROM attachment t WHERE t.disk_id = k.id)
UNION ALL
SELECT 'volume ' || u.name, 'of no disk, no snapshot and no image, and neither free nor reserved'
  FROM volume u WHERE NOT EXISTS (SELECT 1 FROM disk k WHERE k.volume_id = u.id)
   AND NOT EXISTS (SELECT 1 FROM image i WHERE i.volume_id = u.id)
   AND NOT EXISTS (SELECT 1 FROM snapshot s WHERE u.id IN (s.volume_id, s.spare_id))
   AND NOT EXISTS (SELECT 1 FROM cached_image c WHERE c.volume_id = u.id)
   AND NOT EXISTS (SELECT 1 FROM stored_object o WHERE o.volume_id = u.id)
   AND NOT EXISTS (SELECT 1 FROM operation_object h WHERE h.kind = 'volume' AND h.object_id = u.id)
   AND NOT EXISTS (SELECT 1 FROM free_volume f WHERE f.volume_id = u.id)
   AND NOT EXISTS (SELECT 1 FROM reservation r WHERE r.volume_id = u.id)
   AND NOT EXISTS (SELECT 1 FROM suspension m WHERE m.volume_id = u.id)
   AND NOT EXISTS (SELECT 1 FROM seed e WHERE e.volume_id = u.id)
UNION ALL
SELECT 'seed of VM ' || e.vm_id, 'there though it is closed'
  FROM seed e WHERE NOT EXISTS (SELECT 1 FROM vm v WHERE v.id = e.vm_id AND v.closed_at IS NULL)
UNION ALL
SELECT 'memory of VM ' || v.id, 'kept though it is ' || v.wanted
  FROM suspension m JOIN vm v ON v.id = m.vm_id WHERE v.wanted NOT IN ('suspended', 'destroyed')
   AND NOT EXISTS (SELECT 1 FROM operation o WHERE o.vm_id = v.id AND {is_open("o")})
UNION ALL
SELECT 'memory of VM ' || v.id, 'missing'
  FROM vm v WHERE v.closed_at IS NULL AND v.wanted = 'suspended'
   AND NOT EXISTS (SELECT 1 FROM suspension m WHERE m.vm_id = v.id)
UNION ALL
SELECT 'volume ' || u.name, 'free for others, or reserved, though it is a disk''s or an image''s'
  FROM volume u WHERE (EXISTS (SELECT 1 FROM disk k WHERE k.volume_id = u.id)
                       OR EXISTS (SELECT 1 FROM image i WHERE i.volume_id = u.id))
   AND (EXISTS (SELECT 1 FROM free_volume f WHERE f.volume_id = u.id)
        OR EXISTS (SELECT 1 FROM reservation r WHERE r.volume_id = u.id))
UNION ALL
SELECT 'cached image ' || c.id, 'on storage ' || u.storage_id || ', which is no node''s own'
  FROM cached_image c JOIN volume u ON u.id = c.volume_id JOIN storage s ON s.id = u.storage_id WHERE s.node_id IS NULL
UNION ALL
SELECT 'storage ' || s.name, 'of node ' || s.node_id || ' is attached to node ' || a.node_id
  FROM storage s JOIN storage_attachment a ON a.storage_id = s.id WHERE a.node_id <> s.node_id
UNION ALL
SELECT 'cached image ' || c.id, c.state || ', and no operation is at it'
  FROM cached_image c WHERE c.state IN ('waiting', 'copying', 'evicting') AND NOT EXISTS
       (SELECT 1 FROM operation_object h WHERE h.kind = 'cached_image' AND h.object_id = c.id AND h.exclusive)
UNION ALL {operation_object.LEAKS}
"""
)


def leaks(session: Session) -> list[dict[str, str]]:
    """Every claim that is not exactly that of live objects: empty when the books balance."""
    return [{"subject": row.subject, "finding": row.finding} for row in session.execute(LEAKS)]
