"""A VM's NICs: what the node and the guest see of them, written down when they are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.results import network as results
from cm.rules.network import Address
from cm.rules.node_report import SHAPING
from cm.runtime.prepared import Prepared
from cm.store.conditions import is_on
from cm.store.unknown import HELD_ADDRESSES

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
SELECT n.id, n.number, n.network_id, n.mac::text AS mac, n.tap, n.model, w.name AS network, w.kind, w.bridge, w.mtu
  FROM nic n JOIN network w ON w.id = n.network_id
 WHERE n.vm_id = :id ORDER BY n.number
""",
)


def nics_of(session: Session, vm_id: int) -> Sequence[Any]:
    """
    The NICs of a VM in their order: ``id``, ``number``, ``network_id``, ``mac``, ``tap``, ``model``, and of their
    ``network`` the name, ``kind``, ``bridge`` and ``mtu``.
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


# ------------------------------------------------------------------ of VMs that are there

NUMBER_MAX: Final = 99  # of a NIC; then from the first again
# One statement, as for a new VM (``creation.py``). A NIC's number is one more than the last one's, so that a guest
# finds those that it knows where they were.
_DRAW = text(
    f"""
WITH lease AS (
    SELECT l.id, l.network_id, l.address, w.kind, w.prefix6
      FROM network_lease l JOIN network w ON w.id = l.network_id
     WHERE w.id = :network_id AND NOT w.locked AND w.deleted_at IS NULL AND l.nic_id IS NULL
       AND family(l.address) = family(w.prefix)
       AND (w.kind <> 'nat' OR l.address NOT IN {HELD_ADDRESSES})
       AND (CAST(:address AS inet) IS NULL OR l.address = CAST(:address AS inet))
     ORDER BY l.address LIMIT 1 FOR UPDATE OF l SKIP LOCKED
), place AS (
    SELECT * FROM lease
     UNION ALL SELECT NULL, w.id, NULL, w.kind, NULL FROM
           -- Without leases whoever deletes the network is met at its row.
           (SELECT id, kind FROM network
             WHERE id = :network_id AND prefix IS NULL AND NOT locked AND deleted_at IS NULL
               AND CAST(:address AS inet) IS NULL FOR SHARE) AS w
), given AS (
    SELECT nextval('nic_id_seq') AS id, place.id AS lease_id, network_id, address, kind, prefix6 FROM place
), made AS (
    INSERT INTO nic (id, vm_id, number, network_id, mac, tap, model)
    SELECT g.id, :vm_id, (SELECT min(s) FROM generate_series(0, {NUMBER_MAX}) s
                           WHERE s > (SELECT coalesce(max(number) % {NUMBER_MAX}, -1) FROM nic WHERE vm_id = :vm_id)
                             AND NOT EXISTS (SELECT 1 FROM nic WHERE vm_id = :vm_id AND number = s)),
           g.network_id, {MAC_SQL}, {TAP_SQL}, :model FROM given g
    RETURNING id, number
), leased AS (
    UPDATE network_lease l SET nic_id = g.id FROM given g WHERE l.id = g.lease_id
), leased6 AS (
    INSERT INTO network_lease (network_id, address, nic_id)
    SELECT g.network_id, {ADDRESS6_SQL}, g.id FROM given g WHERE g.prefix6 IS NOT NULL
)
SELECT id, number FROM made
"""
)


def draw_nic(session: Session, vm_id: int, network_id: int, address: str | None, model: str) -> tuple[int, int] | None:
    """
    Another NIC for a VM, whose row is locked.

    :param address: this one of its network; None: the first that is free.
    :return: the NIC's id and number; None: no address is free, or that one is not, or the network gives none.
    """
    values = {"vm_id": vm_id, "network_id": network_id, "address": address, "model": model}
    found = session.execute(_DRAW, values).first()
    return None if found is None else (found.id, found.number)


_GIVE_BACK = text(
    """
WITH own AS (
    SELECT n.id, family(w.prefix) AS family FROM nic n JOIN network w ON w.id = n.network_id
     WHERE n.id = :id AND n.vm_id = :vm_id
), leases AS (
    UPDATE network_lease l SET nic_id = NULL FROM own WHERE l.nic_id = own.id AND family(l.address) = own.family
), leases6 AS (
    DELETE FROM network_lease l USING own WHERE l.nic_id = own.id AND family(l.address) <> own.family
)
DELETE FROM nic WHERE id IN (SELECT id FROM own)
"""
)


def delete_nic(session: Session, vm_id: int, nic_id: int) -> None:
    """What no domain has any more goes from the record with its addresses, once."""
    session.execute(_GIVE_BACK, {"id": nic_id, "vm_id": vm_id})


def mark_nic_leaving(session: Session, nic_id: int, leaving: bool) -> None:
    """Whether the guest was asked to let go of a NIC."""
    session.execute(text("UPDATE nic SET leaving = :leaving WHERE id = :id"), {"leaving": leaving, "id": nic_id})


def set_spoofing(session: Session, nic_id: int, spoofing: bool) -> None:
    """Whether a NIC may send from addresses that are not its own."""
    session.execute(text("UPDATE nic SET spoofing = :spoofing WHERE id = :id"), {"spoofing": spoofing, "id": nic_id})


@dataclass(frozen=True)
class Bandwidth:
    """
    kbit/s that a NIC gets (``incoming``) and sends (``outgoing``) at the most; 0: as the cluster's settings say; None:
    as it is.
    """

    incoming: int | None = None
    outgoing: int | None = None

    def __bool__(self) -> bool:
        return self.incoming is not None or self.outgoing is not None


AS_IT_IS: Final = Bandwidth()

_LIMIT = text(
    """
UPDATE nic SET kbit_in = CASE WHEN CAST(:incoming AS bigint) IS NULL THEN kbit_in ELSE nullif(:incoming, 0) END,
               kbit_out = CASE WHEN CAST(:outgoing AS bigint) IS NULL THEN kbit_out ELSE nullif(:outgoing, 0) END
 WHERE vm_id = ANY(:vm_ids) AND (CAST(:number AS int) IS NULL OR number = :number)
"""
)


def limit_nics(session: Session, vm_ids: Sequence[int], number: int | None, bandwidth: Bandwidth) -> None:
    """:param number: of the one NIC of each VM that it is about; None: all."""
    values = {"incoming": bandwidth.incoming, "outgoing": bandwidth.outgoing}
    session.execute(_LIMIT, {**values, "vm_ids": list(vm_ids), "number": number})


_SHAPED = text(
    "SELECT NOT EXISTS (SELECT 1 FROM unnest(CAST(:ids AS bigint[])) AS i (id) WHERE NOT EXISTS"
    " (SELECT 1 FROM node_report r WHERE r.node_id = i.id"
    " AND r.content->'capabilities' @> to_jsonb(CAST(:capability AS text))))"
)


def holds_bandwidth(session: Session, *node_ids: int | None) -> bool:
    """Whether the agents of all these nodes have told that limits of bandwidth hold there; None: no node."""
    ids = [each for each in node_ids if each is not None]
    return bool(session.scalar(_SHAPED, {"ids": ids, "capability": SHAPING}))


@dataclass(frozen=True)
class LeavingNic:
    """A NIC that a guest was asked to let go of, and did not in time. ``node_id``: where it runs; None: it is off."""

    vm_id: int
    uuid: str
    node_id: int | None
    nic_id: int
    mac: str


def list_leaving_nics(session: Session) -> Sequence[LeavingNic]:
    """Of VMs that no operation is busy with."""
    found = session.execute(
        text(
            f"SELECT v.id, v.uuid::text, CASE WHEN {is_on('v')} THEN v.node_id END, n.id, n.mac::text"
            " FROM nic n JOIN vm v ON v.id = n.vm_id WHERE n.leaving AND v.closed_at IS NULL AND NOT EXISTS"
            " (SELECT 1 FROM operation_object h WHERE h.kind = 'vm' AND h.object_id = v.id AND h.exclusive)"
            " ORDER BY n.id LIMIT 200"
        )
    )
    return [LeavingNic(*row) for row in found]


_COLUMNS: Final = """
SELECT n.vm_id, n.number AS nic, n.id AS nic_id, n.uuid::text AS uuid, n.network_id, w.name AS network,
       n.mac::text AS mac, n.model,
       ARRAY(SELECT host(l.address) FROM network_lease l WHERE l.nic_id = n.id ORDER BY l.address) AS addresses,
       ARRAY(SELECT g.group_id FROM nic_group g WHERE g.nic_id = n.id ORDER BY 1) AS security_group_ids,
       n.spoofing, n.kbit_in, n.kbit_out, n.leaving,
       EXISTS (SELECT 1 FROM operation_object h JOIN operation o ON o.id = h.operation_id WHERE h.kind = 'nic'
                AND h.object_id = n.id AND h.exclusive AND o.kind = 'nic_attach') AS arriving
  FROM nic n JOIN network w ON w.id = n.network_id"""
_SHOWN = text(f"{_COLUMNS} WHERE n.vm_id = :vm_id ORDER BY n.number")
_OF_ACCOUNT = text(
    f"{_COLUMNS} JOIN vm v ON v.id = n.vm_id WHERE v.account_id = :account_id AND v.closed_at IS NULL"
    " AND (CAST(:after AS bigint) IS NULL OR n.id > :after) ORDER BY n.id LIMIT :limit"
)


def list_nics(session: Session, vm_id: int) -> list[results.Nic]:
    """A VM's NICs by number, as callers see them."""
    return [cast(results.Nic, dict(row._mapping)) for row in session.execute(_SHOWN, {"vm_id": vm_id})]


def list_nics_of(session: Session, account_id: int, after: int | None, limit: int) -> list[results.Nic]:
    """
    The NICs of an account's VMs by their ids.

    :param after: the last id of the page before.
    """
    found = session.execute(_OF_ACCOUNT, {"account_id": account_id, "after": after, "limit": limit})
    return [cast(results.Nic, dict(row._mapping)) for row in found]
