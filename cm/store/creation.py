"""
A new VM's rows, all in one statement: its own, disk, lease, port, decision of placement and operation.

Seven statements would say the same and take three times as long; a caller waits for this one. Addresses and ports are
taken from the front of their indexes of free ones: sorting a large pool's free addresses took 10 ms a VM.
"""

from __future__ import annotations

import uuid as uuid_module
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Address

from sqlalchemy.orm import Session

from cm.rpc.errors import NoFreeAddress, NoFreePort
from cm.rules.cause import Cause
from cm.rules.names import root_volume
from cm.runtime.database import CHANNEL, note_notified
from cm.runtime.prepared import Prepared
from cm.store.operation import TOPIC
from cm.store.unknown import HELD_ADDRESSES, HELD_PORTS


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
    storage_id: int
    bus: str
    mode: str
    size_bytes: int
    verdicts: str  # JSON
    others: str  # JSON
    seconds: float  # until the operation's deadline
    cause: Cause


_INSERT = Prepared(
    "insert_vm_rows",
    f"""
WITH new AS (
    INSERT INTO vm (uuid, name, description, account_id, image_id, template_id, reservation_id, cpu, memory_mib,
                    user_data, ssh_key, ssh_username, secret, wanted, on_poweroff, vnc_enabled, vnc_generation,
                    node_id, node_claimed)
    VALUES (CAST(:uuid AS uuid), :name, :description, :account_id, :image_id, :template_id, :reservation_id, :cpu,
            :memory_mib, :user_data, :ssh_key, :ssh_username, '', 'running', :on_poweroff, :vnc,
            CASE WHEN CAST(:vnc AS boolean) THEN 1 ELSE 0 END, :node_id, true)
    RETURNING id
), leased AS (
    UPDATE network_lease SET vm_id = (SELECT id FROM new), nic = 0
     WHERE id = (SELECT l.id FROM address_pool p CROSS JOIN LATERAL
                        (SELECT id FROM network_lease WHERE pool_id = p.id AND vm_id IS NULL
                            AND address NOT IN {HELD_ADDRESSES}
                          ORDER BY address LIMIT 1 FOR UPDATE SKIP LOCKED) AS l
                  WHERE NOT p.locked AND p.deleted_at IS NULL ORDER BY p.id LIMIT 1)
    RETURNING host(address) AS address
), ported AS (
    UPDATE vnc_port SET vm_id = (SELECT id FROM new)
     WHERE (node_id, port) = (SELECT node_id, port FROM vnc_port
                               WHERE node_id = CAST(:node_id AS bigint) AND vm_id IS NULL AND reserved_for IS NULL
                                 AND port NOT IN {HELD_PORTS.format(node_id="CAST(:node_id AS bigint)")}
                               ORDER BY port LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING port
), disked AS (
    INSERT INTO disk (vm_id, storage_id, image_id, volume, device, bus, format, mode, size_bytes)
    SELECT id, CAST(:storage_id AS bigint), CAST(:image_id AS bigint), CAST(:volume AS text), CAST(:device AS text),
           CAST(:bus AS text), 'qcow2', CAST(:mode AS text), CAST(:size_bytes AS bigint) FROM new
), decided AS (
    INSERT INTO placement (vm_id, node_id, verdicts, others)
    SELECT id, CAST(:node_id AS bigint), CAST(:verdicts AS jsonb), CAST(:others AS jsonb) FROM new
), opened AS (
    INSERT INTO operation (kind, account_id, vm_id, node_id, cause_kind, cause_ref, deadline)
    SELECT 'vm_create', CAST(:account_id AS bigint), id, CAST(:node_id AS bigint), CAST(:cause_kind AS text),
           CAST(:cause_ref AS text),
           now() + make_interval(secs => CAST(:seconds AS double precision)) FROM new
    RETURNING id
)
SELECT new.id, (SELECT address FROM leased) AS address, (SELECT port FROM ported) AS port,
       pg_notify(:channel, :topic) FROM new, opened
""",
)


# Fields whose values go into the statement as they are.
_PLAIN = [f.name for f in fields(VMRows) if f.name not in ("uuid", "reservation_id", "cause")]


def insert_vm(session: Session, rows: VMRows) -> tuple[int, IPv4Address, int]:
    """
    :return: the VM's id, its address and its VNC port.
    :raises NoFreeAddress: all are leased, being leased by others just now, or in use by unknown domains.
    :raises NoFreePort: every VNC port of the node belongs to a VM or an unknown domain.
    """
    values = {name: getattr(rows, name) for name in _PLAIN}
    found = _INSERT(
        session,
        **values,
        cause_kind=rows.cause.kind,
        cause_ref=rows.cause.ref,
        uuid=str(rows.uuid),
        reservation_id=str(rows.reservation_id),
        volume=root_volume(rows.uuid),
        device="vda" if rows.bus == "virtio" else "sda",
        channel=CHANNEL,
        topic=TOPIC,
    ).one()
    note_notified(session, TOPIC)
    if found.address is None:
        raise NoFreeAddress()
    if found.port is None:
        raise NoFreePort(rows.node_id)
    return found.id, IPv4Address(found.address), found.port
