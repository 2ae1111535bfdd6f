"""Queries about public addresses, the NICs that have them, and ports of shared ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.models import PublicAddress
from cm.results import public_address as results
from cm.rpc.errors import ObjectNotFound, VersionChanged
from cm.rpc.vocabulary import PortProtocol
from cm.rules.network import Address
from cm.rules.public_address import AddressFacts, public_state, ways
from cm.runtime.prepared import Prepared
from cm.runtime.rows import close_row, edit_row, has_row
from cm.store.answering import ANSWERING, GUEST
from cm.store.change import record_change
from cm.store.node_document import document_changed
from cm.store.rendered import Rendered, rendered, shown

_COLUMNS: Final = f"""
SELECT a.id AS public_address_id, a.uuid::text AS uuid, host(a.address) AS address, a.account_id AS user_id, a.shared,
       a.uplink, a.description, v.id AS vm_id, v.name AS vm_name, c.number AS nic, {GUEST} AS guest,
       n.id AS node_id, coalesce(n.answers_public, false) AS _capable,
       coalesce(host(a.address) = ANY(r.public), false) AS _told,
       CASE WHEN a.shared THEN (SELECT count(*) FROM public_port p WHERE p.address_id = a.id) ELSE 0 END AS ports,
       a.version, a.created_at AS created, a.deleted_at IS NOT NULL AS _gone, a.id AS _id
  FROM public_address a LEFT JOIN nic c ON c.id = a.nic_id LEFT JOIN vm v ON v.id = c.vm_id
  LEFT JOIN node n ON n.id = CASE WHEN a.shared THEN {ANSWERING} WHEN v.node_claimed THEN v.node_id END
  LEFT JOIN node_report r ON r.node_id = n.id
"""
_LIVE: Final = f"{_COLUMNS} WHERE a.deleted_at IS NULL"
_FEED = Prepared("feed_public_address", f"{_COLUMNS} WHERE a.id = ANY(:ids)")


def _described(row: Any) -> results.PublicAddress:
    used = bool(row.ports) if row.shared else row.vm_id is not None
    facts = AddressFacts(row.user_id is not None, used, row.node_id is not None, row._capable, row._told)
    state, reason = public_state(facts)
    return cast(results.PublicAddress, {**shown(row), "state": state, "reason": reason})


def render_public_addresses(session: Session, ids: list[int]) -> Mapping[int, Rendered]:
    return rendered(_FEED(session, ids=ids), _described)


def list_public_addresses(
    session: Session, account_id: int | None, *, after: int | None = None, limit: int | None = None
) -> list[results.PublicAddress]:
    """By id; ``account_id`` None: all there are."""
    whose = "" if account_id is None else " AND a.account_id = :account_id"
    found = session.execute(
        text(f"{_LIVE}{whose} AND a.id > :after ORDER BY a.id LIMIT :limit"),
        {"after": after or 0, "limit": limit, **({} if account_id is None else {"account_id": account_id})},
    )
    return [_described(row) for row in found]


def get_public_address(
    session: Session, address_id: int, *, account_id: int | None, lock: bool = False, version: int | None = None
) -> results.PublicAddress:
    """
    :param account_id: whose it has to be; None: anybody's.
    :param lock: hold its row until the transaction ends.
    :raises ObjectNotFound: absent, deleted, or another's.
    :raises VersionChanged: it is not at ``version``.
    """
    if lock:
        session.execute(text("SELECT 1 FROM public_address WHERE id = :id FOR NO KEY UPDATE"), {"id": address_id})
    found = session.execute(text(f"{_LIVE} AND a.id = :id"), {"id": address_id}).first()
    if found is None or account_id not in (None, found.user_id):
        raise ObjectNotFound("public_address", address_id)
    if version is not None and found.version != version:
        raise VersionChanged("public_address", address_id, found.version, version)
    return _described(found)


# ------------------------------------------------------------------ whose they are

_ADD = text(
    """
INSERT INTO public_address (address, shared, uplink, description)
SELECT CAST(t.address AS inet), :shared, :uplink, :description FROM unnest(CAST(:addresses AS text[])) AS t (address)
    ON CONFLICT (address) WHERE deleted_at IS NULL DO NOTHING
RETURNING id
"""
)


def insert_public_addresses(
    session: Session, addresses: Sequence[Address], *, shared: bool, uplink: str, description: str
) -> list[int]:
    """Those that are not there yet; their ids."""
    values = {"shared": shared, "uplink": uplink, "description": description, "addresses": list(map(str, addresses))}
    return sorted(row.id for row in session.execute(_ADD, values))


_IN_NETWORK = text(
    """
SELECT host(t.address) AS address, w.name
  FROM unnest(CAST(:addresses AS inet[])) AS t (address)
  JOIN (SELECT name, prefix, NULL AS prefix6 FROM network WHERE deleted_at IS NULL UNION ALL
        SELECT name, NULL, prefix6 FROM network WHERE deleted_at IS NULL UNION ALL
        SELECT name, network, NULL FROM address_pool WHERE deleted_at IS NULL UNION ALL
        SELECT name, NULL, network6 FROM address_pool WHERE deleted_at IS NULL) w
    ON t.address << w.prefix OR t.address << w.prefix6
 LIMIT 1
"""
)


def find_guests_network(session: Session, addresses: Sequence[Address]) -> Any:
    """Of these addresses one that guests' networks have, with the network's or pool's name."""
    return session.execute(_IN_NETWORK, {"addresses": list(map(str, addresses))}).first()


_TAKE = text(
    """
UPDATE public_address SET account_id = :account_id, description = :description, version = version + 1
 WHERE id = (SELECT id FROM public_address
              WHERE deleted_at IS NULL AND account_id IS NULL AND NOT shared AND family(address) = :family
                AND (CAST(:address AS inet) IS NULL OR address = CAST(:address AS inet))
              ORDER BY address LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id
"""
)


def take_public_address(
    session: Session, account_id: int, description: str, family: int, address: Address | None
) -> int | None:
    """Make a free one an account's, of two at once for one of them; None: none is free."""
    values: dict[str, Any] = {"account_id": account_id, "description": description, "family": family}
    values["address"] = None if address is None else str(address)
    found: int | None = session.scalar(_TAKE, values)
    return found


def count_public_addresses(session: Session, account_id: int) -> tuple[int, int]:
    """How many an account has and may have; nobody adds to them until the transaction ends."""
    statement = "SELECT quota_public_addresses FROM account WHERE id = :id FOR NO KEY UPDATE"
    quota = session.execute(text(statement), {"id": account_id}).scalar_one()
    counted = text("SELECT count(*) FROM public_address WHERE account_id = :id")
    return int(session.execute(counted, {"id": account_id}).scalar_one()), int(quota)


def write_description(session: Session, address_id: int, description: str) -> None:
    edit_row(session, PublicAddress, address_id, (PublicAddress.description,), {"description": description})


def give_back_public_address(session: Session, address_id: int) -> None:
    """Make one nobody's that is of no VM."""
    session.execute(
        text(
            "UPDATE public_address SET account_id = NULL, nic_id = NULL, description = '', version = version + 1"
            " WHERE id = :id"
        ),
        {"id": address_id},
    )


def give_back_all(session: Session, account_id: int) -> None:
    """An account without VMs is no more."""
    statement = text("SELECT id FROM public_address WHERE account_id = :id ORDER BY id FOR NO KEY UPDATE")
    for address_id in session.scalars(statement, {"id": account_id}).all():
        give_back_public_address(session, address_id)
        record_change(session, "public_address", address_id, account_id, "exit")
        record_change(session, "public_address", address_id, None)


def close_public_address(session: Session, address_id: int) -> None:
    close_row(session, PublicAddress, address_id)


# ------------------------------------------------------------------ whom they lead to


def set_nic(session: Session, address_id: int, nic_id: int | None) -> None:
    session.execute(
        text("UPDATE public_address SET nic_id = :nic_id, version = version + 1 WHERE id = :id"),
        {"nic_id": nic_id, "id": address_id},
    )


_OWN: Final = "(SELECT id FROM nic WHERE vm_id = :vm_id AND (CAST(:nic_id AS bigint) IS NULL OR id = :nic_id))"


def addresses_of_vm(session: Session, vm_id: int, nic_id: int | None = None) -> Sequence[Any]:
    """
    The public addresses of a VM's NICs, held until the transaction ends: ``id``, ``account_id``.

    :param nic_id: of this one alone.
    """
    return session.execute(
        text(
            f"SELECT id, account_id FROM public_address WHERE nic_id IN {_OWN} ORDER BY id FOR NO KEY UPDATE"
        ),
        {"vm_id": vm_id, "nic_id": nic_id},
    ).all()


_NIC_OF_LEASE = text(
    "SELECT c.vm_id, c.number, family(l.address) AS family FROM network_lease l JOIN nic c ON c.id = l.nic_id"
    " WHERE l.id = :id"
)


def nic_of_lease(session: Session, lease_id: int) -> Any:
    """``vm_id``, ``number`` and the address's ``family``; None: nobody has it."""
    return session.execute(_NIC_OF_LEASE, {"id": lease_id}).first()


_BY_LEASES = text(
    """
SELECT a.id, l.id AS lease_id FROM public_address a JOIN network_lease l ON l.nic_id = a.nic_id
   AND family(l.address) = family(a.address)
 WHERE a.deleted_at IS NULL AND (CAST(:lease_id AS bigint) IS NULL OR l.id = :lease_id) AND a.nic_id IS NOT NULL
 ORDER BY l.address DESC
"""
)


def leases_behind(session: Session, lease_id: int | None = None) -> dict[int, int]:
    """The leases that public addresses lead to, by these addresses' ids."""
    return {row.id: row.lease_id for row in session.execute(_BY_LEASES, {"lease_id": lease_id})}


# ------------------------------------------------------------------ ports

_PORT: Final = f"""
SELECT p.id AS public_port_id, c.vm_id, c.number AS nic, p.protocol, p.guest_port, host(a.address) AS address, p.port,
       v.node_claimed AS _placed, v.node_id AS _node_id, n.answers_public AS _capable,
       host(a.address) = ANY(r.public) AS _told, {ANSWERING} AS _answering
  FROM public_port p JOIN nic c ON c.id = p.nic_id JOIN vm v ON v.id = c.vm_id
  JOIN public_address a ON a.id = p.address_id
  LEFT JOIN node n ON n.id = v.node_id LEFT JOIN node_report r ON r.node_id = n.id
"""
_PORTS_OF = Prepared(
    "public_ports_of_vm", f"{_PORT} WHERE c.vm_id = :vm_id ORDER BY p.protocol, p.guest_port, c.number"
)
ELSEWHERE: Final = "another node answers for this address: ports that lead to VMs on it keep it there"


def ports_of(session: Session, vm_id: int) -> list[results.PublicPort]:
    """A VM's, by protocol and guest's port."""
    return [_port(row) for row in _PORTS_OF(session, vm_id=vm_id)]


def _port(row: Any) -> results.PublicPort:
    facts = AddressFacts(True, True, bool(row._placed), bool(row._capable), bool(row._told))
    state, reason = public_state(facts)
    if row._placed and row._answering not in (None, row._node_id):
        state, reason = public_state(AddressFacts(True, True, True, True, False))[0], ELSEWHERE
    told = {**shown(row), "protocol": PortProtocol(row.protocol), "state": state, "reason": reason}
    return cast(results.PublicPort, told)


def is_reached(session: Session, nic_id: int, family: int, protocol: str, port: int | None) -> bool:
    """Whether a public address of its own leads to a NIC, or a port of a shared one to this port of it."""
    return has_row(
        session,
        "SELECT 1 FROM public_address WHERE nic_id = :nic_id AND family(address) = :family UNION ALL"
        " SELECT 1 FROM public_port p JOIN public_address a ON a.id = p.address_id WHERE p.nic_id = :nic_id"
        " AND family(a.address) = :family AND p.protocol = :protocol AND p.guest_port = :port",
        {"nic_id": nic_id, "family": family, "protocol": protocol, "port": port},
    )


# Of a VM v, for ``reached``.
REACHED: Final = """(SELECT platform FROM image WHERE id = v.image_id) AS platform,
       ARRAY(SELECT host(a.address) FROM nic c JOIN public_address a ON a.nic_id = c.id
              WHERE c.vm_id = v.id ORDER BY c.number, a.address) AS public,
       EXISTS (SELECT 1 FROM nic c JOIN public_port p ON p.nic_id = c.id WHERE c.vm_id = v.id) AS has_ports"""


def reached(session: Session, vm_id: int, row: Any) -> dict[str, Any]:
    """
    How a VM is reached from outside, as it is told of it: ``ports`` and ``connections``.

    :param row: the columns of ``REACHED``, and ``ssh_username``.
    """
    ports = ports_of(session, vm_id) if row.has_ports else []
    told = [(each["address"], each["protocol"], each["port"], each["guest_port"]) for each in ports]
    found = ways(row.public, told, row.ssh_username, row.platform)
    return {"ports": ports, "connections": [asdict(each) for each in found]}


def count_ports(session: Session, account_id: int) -> tuple[int, int]:
    """How many public ports an account's VMs have and may have; nobody adds to them until the transaction ends."""
    statement = "SELECT quota_public_ports FROM account WHERE id = :id FOR NO KEY UPDATE"
    quota = session.execute(text(statement), {"id": account_id}).scalar_one()
    counted = text(
        "SELECT count(*) FROM public_port p JOIN nic c ON c.id = p.nic_id JOIN vm v ON v.id = c.vm_id"
        " WHERE v.account_id = :id"
    )
    return int(session.execute(counted, {"id": account_id}).scalar_one()), int(quota)


_SHARED = text(
    f"""
SELECT t.id FROM (
    SELECT a.id, a.address, {ANSWERING} AS answering,
           EXISTS (SELECT 1 FROM public_port p JOIN nic c ON c.id = p.nic_id
                    WHERE p.address_id = a.id AND c.vm_id = :vm_id) AS own,
           (SELECT count(*) FROM public_port p WHERE p.address_id = a.id) AS ports
      FROM public_address a WHERE a.shared AND a.deleted_at IS NULL AND family(a.address) = :family) t
 WHERE t.answering IS NULL OR CAST(:node_id AS bigint) IS NULL OR t.answering = :node_id OR t.own
 ORDER BY NOT t.own, t.answering IS DISTINCT FROM CAST(:node_id AS bigint), t.ports, t.address
"""
)


def shared_addresses(session: Session, vm_id: int, node_id: int | None, family: int) -> Sequence[int]:
    """
    The shared addresses whose ports may lead to a VM, the best first: one that it has a port of, one that its node
    answers for, one that nobody answers for.

    :param node_id: that the VM is placed on; None: nowhere, so that any may be it.
    """
    return session.scalars(_SHARED, {"vm_id": vm_id, "node_id": node_id, "family": family}).all()


def taken_ports(session: Session, address_id: int, protocol: str) -> set[int] | None:
    """Of a shared address, which is held until the transaction ends; None: it is that no more."""
    held = session.execute(
        text("SELECT 1 FROM public_address WHERE id = :id AND shared AND deleted_at IS NULL FOR NO KEY UPDATE"),
        {"id": address_id},
    ).first()
    if held is None:
        return None
    statement = text("SELECT port FROM public_port WHERE address_id = :id AND protocol = :protocol")
    return set(session.scalars(statement, {"id": address_id, "protocol": protocol}))


def insert_port(session: Session, address_id: int, protocol: str, port: int, nic_id: int, guest_port: int) -> None:
    session.execute(
        text(
            "INSERT INTO public_port (address_id, protocol, port, nic_id, guest_port)"
            " VALUES (:address_id, :protocol, :port, :nic_id, :guest_port)"
        ),
        {"address_id": address_id, "protocol": protocol, "port": port, "nic_id": nic_id, "guest_port": guest_port},
    )


def delete_port(session: Session, nic_id: int, protocol: str, guest_port: int) -> int | None:
    """:return: the shared address that it was of; None: there was none."""
    found: int | None = session.scalar(
        text(
            "DELETE FROM public_port WHERE nic_id = :nic_id AND protocol = :protocol AND guest_port = :guest_port"
            " RETURNING address_id"
        ),
        {"nic_id": nic_id, "protocol": protocol, "guest_port": guest_port},
    )
    return found


def drop_ports(session: Session, vm_id: int, nic_id: int | None = None) -> Sequence[int]:
    """All of a VM's, or of one of its NICs; the shared addresses that they were of."""
    statement = text(f"DELETE FROM public_port WHERE nic_id IN {_OWN} RETURNING address_id")
    return sorted(set(session.scalars(statement, {"vm_id": vm_id, "nic_id": nic_id})))


# ------------------------------------------------------------------ who is told

_TOLD = Prepared(
    "public_nodes_of_vm",
    """
WITH own AS (SELECT id FROM nic WHERE vm_id = :vm_id),
     shared AS (SELECT DISTINCT address_id FROM public_port WHERE nic_id IN (SELECT id FROM own)),
     had AS (SELECT id, account_id FROM public_address WHERE nic_id IN (SELECT id FROM own) UNION ALL
             SELECT address_id, NULL FROM shared),
     told AS (INSERT INTO change (account_id, kind, object_id, event)
              SELECT account_id, 'public_address', id, 'change' FROM had)
SELECT v.node_id FROM vm v WHERE v.id = :vm_id AND v.node_id IS NOT NULL AND EXISTS (SELECT 1 FROM had)
 UNION SELECT v.node_id FROM public_port p JOIN nic c ON c.id = p.nic_id JOIN vm v ON v.id = c.vm_id
        WHERE p.address_id IN (SELECT address_id FROM shared) AND v.node_claimed AND v.closed_at IS NULL
 ORDER BY 1
""",
)


def public_changed(session: Session, vm_id: int) -> None:
    """
    A VM that may have public addresses or ports was placed, or is about to lose its node: the nodes that answer, or
    are to, are told, and readers of the feed. Who takes the VM from a node says so before that, who places it after.
    """
    for row in _TOLD(session, vm_id=vm_id):
        document_changed(session, row.node_id)


_ANSWERED = text(
    """
INSERT INTO change (account_id, kind, object_id, event)
SELECT account_id, 'public_address', id, 'change' FROM public_address
 WHERE deleted_at IS NULL AND host(address) = ANY(CAST(:addresses AS text[])) ORDER BY id
"""
)


def answers_changed(session: Session, addresses: Collection[str]) -> None:
    """A node began or ceased to answer for these."""
    if addresses:
        session.execute(_ANSWERED, {"addresses": sorted(addresses)})
