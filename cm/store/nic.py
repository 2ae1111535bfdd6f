"""A VM's NICs: what the node and the guest see of them, written down when they are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rules.network import Address
from cm.runtime.prepared import Prepared

# ``rules.network.mac_of`` and ``tap_of``, of a row g with a NIC's id, its network's kind and its first address.
_OF_ADDRESS: Final = "CASE WHEN g.kind = 'nat' AND family(g.address) = 4 THEN"
_DIGITS: Final = f"lpad(to_hex({_OF_ADDRESS} g.address - inet '0.0.0.0' ELSE g.id & 4294967295 END), 8, '0')"
MAC_SQL: Final = f"CAST({_OF_ADDRESS} '0257' ELSE '0258' END || {_DIGITS} AS macaddr)"
TAP_SQL: Final = f"{_OF_ADDRESS} 'wv' ELSE 'wvn' END || {_DIGITS}"

# Of a NIC's id and its network's /64: an address that no other NIC ever had there.
ADDRESS6_SQL: Final = "CAST(host(g.prefix6) AS inet) + g.id + 256"


_OF_VM = Prepared(
    "nics_of_vm",
    """
SELECT n.mac::text AS mac, n.tap, n.model, w.name AS network, w.kind, w.bridge, w.mtu
  FROM nic n JOIN network w ON w.id = n.network_id
 WHERE n.vm_id = :id ORDER BY n.number
""",
)


def nics_of(session: Session, vm_id: int) -> Sequence[Any]:
    """
    The NICs of a VM in their order: ``mac``, ``tap``, ``model``, and of their ``network`` the name, ``kind``,
    ``bridge`` and ``mtu``.
    """
    return _OF_VM(session, id=vm_id)


@dataclass(frozen=True)
class Lease:
    """An address that NICs may get. ``vm_id``: of the VM whose NIC has it."""

    id: int
    network_id: int
    vm_id: int | None


def lock_lease(session: Session, address: Address) -> Lease | None:
    """None: no network of kind ``nat`` has the address."""
    row = session.execute(
        text(
            "SELECT l.id, l.network_id, (SELECT vm_id FROM nic WHERE id = l.nic_id) AS vm_id FROM network_lease l"
            " JOIN network w ON w.id = l.network_id WHERE l.address = CAST(:a AS inet) AND w.kind = 'nat'"
            " FOR UPDATE OF l"
        ),
        {"a": str(address)},
    ).first()
    return None if row is None else Lease(row.id, row.network_id, row.vm_id)


_INSERT = text(
    f"""
WITH given AS (
    INSERT INTO nic (id, vm_id, number, network_id, mac, tap, model)
    SELECT g.id, :vm_id, :number, g.network_id, {MAC_SQL}, {TAP_SQL}, :model
      FROM (SELECT nextval('nic_id_seq') AS id, l.network_id, l.address, w.kind
              FROM network_lease l JOIN network w ON w.id = l.network_id WHERE l.id = :lease_id) g
    RETURNING id
)
UPDATE network_lease SET nic_id = (SELECT id FROM given) WHERE id = :lease_id
"""
)


def insert_nic(session: Session, lease: Lease, vm_id: int, number: int, model: str) -> None:
    """A NIC with an address, which is free and locked."""
    session.execute(_INSERT, {"lease_id": lease.id, "vm_id": vm_id, "number": number, "model": model})
