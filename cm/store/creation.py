"""
A new VM's rows, all in one statement: its own, disks, NICs with their leases, port, decision of placement, operation.

A statement for each would say the same and take three times as long; a caller waits for this one. Addresses and ports
are taken from the front of their indexes of free ones: sorting a large pool's free addresses took 10 ms a VM.
"""

from __future__ import annotations

import json
import uuid as uuid_module
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from typing import Any, Final

from sqlalchemy.orm import Session

from cm.rpc.errors import NoFreeAddress, NoFreePort
from cm.rpc.vocabulary import CpuModel, Firmware, MachineType, MetadataSource, UserDataEncoding
from cm.rules.cause import Cause
from cm.rules.network import Address
from cm.runtime.database import CHANNEL, note_notified
from cm.runtime.prepared import Prepared
from cm.store.nic import ADDRESS6_SQL, MAC_SQL, TAP_SQL
from cm.store.unknown import HELD_ADDRESSES, HELD_PORTS
from cm.store.waking import TOPIC

NICS_MAX: Final = 8
_ALL: Final = 2**63 - 1  # no network has a higher number; so that one is found by the index, and all are read in it


@dataclass(frozen=True)
class DiskRow:
    """A disk of its own. ``backing_id``: the volume that its own is made from; None: it stands alone."""

    storage_id: int
    backing_id: int | None
    volume: str
    device: str
    bus: str
    mode: str
    size_bytes: int
    format: str = "qcow2"


@dataclass(frozen=True)
class NicRow:
    """
    A NIC, which gets an address where its network has any.

    :ivar network_id: None: everybody's first that has an address left.
    :ivar address: this one of its network; None: the first that is free.
    """

    model: str
    network_id: int | None = None
    address: str | None = None


@dataclass(frozen=True)
class VMRows:
    """What the rows say. The node's share, quota and storage are claimed already."""

    uuid: uuid_module.UUID
    name: str
    description: str
    account_id: int
    image_id: int
    template_id: int
    reservation_id: uuid_module.UUID
    cpu: int
    memory_mib: int
    user_data: str = field(repr=False)
    ssh_key: str
    ssh_username: str
    on_poweroff: str
    vnc: bool
    node_id: int
    disks: tuple[DiskRow, ...]
    nics: tuple[NicRow, ...]
    verdicts: str  # JSON
    others: str  # JSON
    seconds: float  # until the operation's deadline
    cause: Cause
    arguments: str = "{}"  # of the operation, JSON
    user_data_encoding: str = UserDataEncoding.AUTO
    affinity_group_id: int | None = None
    metadata_source: str = MetadataSource.NOCLOUD
    firmware: str = Firmware.BIOS
    machine: str = MachineType.AUTO
    boot_menu_s: int = 0
    cpu_model: str = CpuModel.HOST
    nvram_storage_id: int | None = None  # with UEFI, that its variables are kept on


# Lists come as JSON. How long an array is the planner sees, and plans anew at each call: twice the work. The limit
# tells it that the leases are few: else it reads them all. Whoever deletes a network meets us at its leases, or, where
# it has none, at its row.
_INSERT = Prepared(
    "insert_vm_rows",
    f"""
WITH new AS (
    INSERT INTO vm (uuid, name, description, account_id, image_id, template_id, reservation_id, cpu, memory_mib,
                    user_data, user_data_encoding, ssh_key, ssh_username, secret, wanted, on_poweroff, vnc_enabled,
                    vnc_generation, node_id, node_claimed, affinity_group_id, traits, points,
                    metadata_source, firmware, machine, boot_menu_s, cpu_model, nvram_storage_id, imds_tokens,
                    imds_hop_limit, imds_enabled)
    VALUES (CAST(:uuid AS uuid), :name, :description, :account_id, :image_id, :template_id, :reservation_id, :cpu,
            :memory_mib, :user_data, :user_data_encoding, :ssh_key, :ssh_username, '', 'running', :on_poweroff, :vnc,
            CASE WHEN CAST(:vnc AS boolean) THEN 1 ELSE 0 END, :node_id, true,
            CAST(:affinity_group_id AS bigint),
            (SELECT traits FROM template WHERE id = :template_id),
            (SELECT points FROM template WHERE id = :template_id),
            :metadata_source, :firmware, :machine, :boot_menu_s, :cpu_model, CAST(:nvram_storage_id AS bigint),
            (SELECT imds_tokens FROM image WHERE id = :image_id),
            (SELECT imds_hop_limit FROM image WHERE id = :image_id),
            (SELECT imds_enabled FROM image WHERE id = :image_id))
    RETURNING id, uuid::text AS uuid, name, description, account_id, image_id, template_id, cpu, memory_mib, wanted,
              seen, seen_reason, doubt, doubt_since, error, contextualized_at, launched_at, created_at, closed_at,
              vnc_enabled, version, node_id, reservation_id::text AS reservation_id, on_poweroff
), given AS (
    SELECT nextval('nic_id_seq') AS id, g.numbers[l.nth] AS number, g.models[l.nth] AS model, l.id AS lease_id,
           l.network_id, l.kind, l.address, l.prefix6
      FROM json_to_recordset(CAST(:nics AS json))
           AS g (network_id bigint, numbers smallint[], models text[], wanted inet, kept inet[])
           CROSS JOIN LATERAL
           (SELECT row_number() OVER () AS nth, o.* FROM
                   (SELECT f.*, w.kind, w.prefix6 FROM network w CROSS JOIN LATERAL
                           (SELECT id, network_id, address FROM network_lease
                             WHERE network_id = w.id AND nic_id IS NULL
                               AND (w.kind <> 'nat' OR address NOT IN {HELD_ADDRESSES})
                               AND (g.wanted IS NULL OR address = g.wanted)
                               AND (g.kept IS NULL OR address <> ALL(g.kept))
                             ORDER BY address LIMIT cardinality(g.numbers) FOR UPDATE SKIP LOCKED) AS f
                     WHERE NOT w.locked AND w.deleted_at IS NULL AND w.id >= coalesce(g.network_id, 0)
                       AND w.id <= coalesce(g.network_id, {_ALL}) AND (g.network_id IS NOT NULL OR w.kind = 'nat')
                     ORDER BY w.id LIMIT cardinality(g.numbers)) AS o
             UNION ALL SELECT n.nth, NULL, w.id, NULL, w.kind, NULL
              FROM (SELECT id, kind FROM network
                     WHERE id = g.network_id AND prefix IS NULL AND NOT locked AND deleted_at IS NULL
                       AND g.wanted IS NULL FOR SHARE) AS w
                   CROSS JOIN generate_series(CAST(1 AS bigint), cardinality(g.numbers)) AS n (nth)) AS l
     LIMIT {NICS_MAX}
), nics AS (
    INSERT INTO nic (id, vm_id, number, network_id, mac, tap, model)
    SELECT g.id, new.id, g.number, g.network_id, {MAC_SQL}, {TAP_SQL}, g.model FROM new, given g
), leased AS (
    UPDATE network_lease l SET nic_id = g.id FROM given g WHERE l.id = g.lease_id
), given6 AS (
    SELECT g.network_id, g.id, g.number, {ADDRESS6_SQL} AS address FROM given g WHERE g.prefix6 IS NOT NULL
), leased6 AS (
    INSERT INTO network_lease (network_id, address, nic_id) SELECT network_id, address, id FROM given6
), ported AS (
    UPDATE vnc_port SET vm_id = (SELECT id FROM new)
     WHERE (node_id, port) = (SELECT node_id, port FROM vnc_port
                               WHERE node_id = CAST(:node_id AS bigint) AND vm_id IS NULL AND reserved_for IS NULL
                                 AND port NOT IN {HELD_PORTS.format(node_id="CAST(:node_id AS bigint)")}
                               ORDER BY port LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING port
), disks AS (
    SELECT nextval('volume_id_seq') AS volume_id, nextval('disk_id_seq') AS id, d.*
      FROM json_to_recordset(CAST(:disks AS json))
           AS d (number smallint, storage_id bigint, backing_id bigint, volume text, device text, bus text, mode text,
                 size_bytes bigint, format text)
), volumes AS (
    INSERT INTO volume (id, storage_id, name, format, mode, backing_id, size_bytes, claimed_bytes)
    SELECT volume_id, storage_id, volume, format, mode, backing_id, size_bytes, size_bytes FROM disks
), disked AS (
    INSERT INTO disk (id, account_id, volume_id) SELECT id, CAST(:account_id AS bigint), volume_id FROM disks
), attached AS (
    INSERT INTO attachment (vm_id, number, disk_id, device, bus, boot_order, delete_with_vm)
    SELECT new.id, d.number, d.id, d.device, d.bus, d.number + 1, true FROM new, disks d
), decided AS (
    INSERT INTO placement (vm_id, node_id, verdicts, others)
    SELECT id, CAST(:node_id AS bigint), CAST(:verdicts AS jsonb), CAST(:others AS jsonb) FROM new
), opened AS (
    INSERT INTO operation (kind, account_id, vm_id, node_id, arguments, cause_kind, cause_ref, deadline)
    SELECT 'vm_create', CAST(:account_id AS bigint), id, CAST(:node_id AS bigint), CAST(:arguments AS jsonb),
           CAST(:cause_kind AS text), CAST(:cause_ref AS text),
           now() + make_interval(secs => CAST(:seconds AS double precision)) FROM new
    RETURNING id, vm_id
), held AS (
    INSERT INTO operation_object (operation_id, kind, object_id, exclusive) SELECT id, 'vm', vm_id, true FROM opened
)
SELECT new.*, i.name AS image_name, i.platform, t.name AS template_name, NULL AS attached, NULL AS public_ip,
       (SELECT array_agg(host(address) ORDER BY number, address) FILTER (WHERE address IS NOT NULL)
          FROM (SELECT number, address FROM given UNION ALL SELECT number, address FROM given6) got) AS addresses,
       (SELECT array_agg(host(address) ORDER BY number) FILTER (WHERE address IS NOT NULL) FROM given) AS drawn,
       (SELECT count(*) FROM given) AS cards,
       (SELECT port FROM ported) AS port, (SELECT n.address || ':' || port FROM ported) AS vnc_endpoint,
       opened.id AS operation_id, 'vm_create' AS operation_kind, pg_notify(:channel, :topic)
  FROM new JOIN image i ON i.id = new.image_id JOIN template t ON t.id = new.template_id
  JOIN node n ON n.id = new.node_id CROSS JOIN opened
""",
)


def _by_network(nics: Sequence[NicRow]) -> list[dict[str, Any]]:
    """NICs of one network take their addresses at once, lest two of them take the same, or one that is asked for."""
    kept = [nic.address for nic in nics if nic.address is not None]
    found: dict[tuple[int | None, str | None], dict[str, Any]] = {}
    for number, nic in enumerate(nics):
        group = found.setdefault(
            (nic.network_id, nic.address),
            {
                "network_id": nic.network_id,
                "numbers": [],
                "models": [],
                "wanted": nic.address,
                "kept": kept if kept and nic.address is None else None,
            },
        )
        group["numbers"].append(number)
        group["models"].append(nic.model)
    return list(found.values())


# Fields whose values go into the statement as they are.
_PLAIN = [f.name for f in fields(VMRows) if f.name not in ("uuid", "reservation_id", "cause", "disks", "nics")]


@dataclass(frozen=True)
class Inserted:
    """
    ``addresses``: of its NICs, in their order. ``operation_id``: that makes it.

    :ivar row: what is to be shown of the VM, as long as nothing is attached to it; for ``vm.render_new``.
    """

    vm_id: int
    row: Any
    addresses: tuple[Address, ...]
    port: int
    operation_id: int


def insert_vm(session: Session, rows: VMRows) -> Inserted:
    """
    Its disks and NICs are numbered as they are listed. Either each NIC names its network, or none does.

    :raises NoFreeAddress: all are leased, being leased by others just now, or in use by unknown domains.
    :raises NoFreePort: every VNC port of the node belongs to a VM or an unknown domain.
    """
    if len(rows.nics) > NICS_MAX:
        raise ValueError(f"more than {NICS_MAX} NICs")
    if len({nic.network_id is None for nic in rows.nics}) > 1:
        raise ValueError("some NICs name their network and some do not: both could be given the same address")
    values = {name: getattr(rows, name) for name in _PLAIN}
    found = _INSERT(
        session,
        **values,
        cause_kind=rows.cause.kind,
        cause_ref=rows.cause.ref,
        uuid=str(rows.uuid),
        reservation_id=str(rows.reservation_id),
        nics=json.dumps(_by_network(rows.nics)),
        disks=json.dumps([{"number": number, **vars(disk)} for number, disk in enumerate(rows.disks)]),
        channel=CHANNEL,
        topic=TOPIC,
    ).one()
    note_notified(session, TOPIC)
    addresses = tuple(map(ip_address, found.drawn or ()))
    if found.cards < len(rows.nics):
        raise NoFreeAddress()
    if found.port is None:
        raise NoFreePort(rows.node_id)
    return Inserted(found.id, found, addresses, found.port, found.operation_id)
