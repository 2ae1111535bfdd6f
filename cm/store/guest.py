"""Guests by their addresses: what their metadata is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy.exc import MultipleResultsFound
from sqlalchemy.orm import Session

from cm.rules.network import Address
from cm.runtime.database import notify
from cm.runtime.prepared import Prepared
from cm.store.conditions import account_number

GUEST: Final = "guest"  # topic, with a VM's id: what its guest is told is another now


def guest_changed(session: Session, vm_id: int) -> None:
    """How a VM's guest is told its metadata has changed; of what nodes are told, too, ``node_document.py`` tells."""
    notify(session, GUEST, vm_id)


_COLUMNS: Final = f"""v.id, v.uuid::text AS uuid, v.name, v.node_id, v.launches, v.launched_at, v.ssh_username,
       v.ssh_key, v.user_data, v.user_data_encoding, v.metadata_source, v.imds_tokens, v.imds_hop_limit,
       v.imds_enabled, v.imds_ipv6, v.imds_tags, v.dns, v.secret, v.reservation_id::text AS reservation_id,
       i.uuid::text AS image_uuid, t.name AS template_name,
       {account_number('o')} AS account_number,
       (SELECT a.device FROM attachment a WHERE a.vm_id = v.id AND a.number = 0) AS root_device,
       (SELECT array_agg(a.device ORDER BY a.device) FROM attachment a
         WHERE a.vm_id = v.id AND a.number > 0 AND NOT a.cdrom) AS data_devices,
       (SELECT json_object_agg(g.key, g.value ORDER BY g.key) FROM object_tag g
         WHERE g.kind = 'vm' AND g.object_id = v.id AND v.imds_tags) AS tags,
       v.farm_id, v.farm_number"""
_BESIDE: Final = """
  JOIN image i ON i.id = v.image_id JOIN template t ON t.id = v.template_id JOIN account o ON o.id = v.account_id"""
_GUEST = Prepared(
    "guest_at",
    f"""
SELECT {_COLUMNS}, c.number AS asked_nic
  FROM network w JOIN network_lease asked ON asked.network_id = w.id JOIN nic c ON c.id = asked.nic_id
  JOIN vm v ON v.id = c.vm_id {_BESIDE}
 WHERE w.bridge = :bridge AND w.deleted_at IS NULL AND asked.address = CAST(:address AS inet)
   AND v.node_id = :node_id AND v.node_claimed AND v.closed_at IS NULL
""",
)
_OF_VM = Prepared("guest_of_vm", f"SELECT {_COLUMNS} FROM vm v {_BESIDE} WHERE v.id = :id AND v.closed_at IS NULL")
_NICS = Prepared(
    "nics_of_guest",
    """
SELECT n.number AS nic, n.mac::text AS mac,
       array_agg(host(l.address) ORDER BY l.address) FILTER (WHERE l.address IS NOT NULL) AS addresses,
       w.prefix::text AS network, w.bridge, w.uuid::text AS network_uuid, n.uuid::text AS uuid,
       w.prefix6::text AS network6, host(w.gateway) AS gateway, host(w.gateway6) AS gateway6, w.kind, w.mtu,
       ARRAY(SELECT host(a.address) FROM public_address a WHERE a.nic_id = n.id ORDER BY a.address) AS public,
       (SELECT json_agg(json_build_array(s.uuid, s.name) ORDER BY s.id) FROM nic_group m
          JOIN security_group s ON s.id = m.group_id WHERE m.nic_id = n.id) AS groups
  FROM nic n LEFT JOIN LATERAL (SELECT address FROM network_lease WHERE nic_id = n.id OFFSET 0) l ON true
  JOIN network w ON w.id = n.network_id
 WHERE n.vm_id = :id GROUP BY n.id, w.id ORDER BY n.number
""",
)


_FARM = Prepared(
    "farm_of_guest",
    """
SELECT f.id, f.uuid::text AS uuid, f.host, f.public_key, f.shared_key,
       (SELECT json_agg(json_build_array(m.id, m.name, m.address) ORDER BY m.farm_number)
          FROM (SELECT v.id, v.name, v.farm_number,
                       (SELECT host(l.address) FROM nic c JOIN network_lease l ON l.nic_id = c.id
                         WHERE c.vm_id = v.id ORDER BY c.number, l.address LIMIT 1) AS address
                  FROM vm v WHERE v.farm_id = f.id AND v.closed_at IS NULL) m WHERE m.address IS NOT NULL) AS hosts
  FROM farm f WHERE f.id = :id
""",
)


def farm_of(session: Session, farm_id: int) -> Any:
    """A farm: id, uuid, host, public_key, shared_key, and hosts: id, name and first address of each live VM."""
    return _FARM(session, id=farm_id).one()


def guest_at(session: Session, node_id: int, bridge: str, address: Address) -> Any:
    """
    The live VM whose NIC has this address on this bridge of its node, with ``asked_nic``, the NIC's number.

    :raises MultipleResultsFound: several have, which live networks do not allow.
    """
    found = _GUEST(session, address=str(address), bridge=bridge, node_id=node_id)
    if len(found) > 1:
        raise MultipleResultsFound(f"{len(found)} guests of node {node_id} have {address} on {bridge}")
    return found.first()


def guest_of_vm(session: Session, vm_id: int) -> Any | None:
    """A live VM, as ``guest_at`` but for ``asked_nic``."""
    return _OF_VM(session, id=vm_id).first()


def nics_of(session: Session, vm_id: int) -> Sequence[Any]:
    """
    Its NICs by number: nic, mac, addresses, network, network6, gateway, gateway6, kind, mtu, bridge, network_uuid,
    uuid, public, groups. One on a bridge of its node's has addresses from others, if any, that nobody here knows.
    """
    return _NICS(session, id=vm_id)
