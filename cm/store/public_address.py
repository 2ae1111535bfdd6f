"""Queries about public addresses, and the NICs that have them; ports of shared ones are ``public_port.py``'s."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.models import PublicAddress
from cm.results import public_address as results
from cm.rpc.errors import ObjectNotFound, VersionChanged
from cm.rules.network import Address
from cm.rules.public_address import AddressFacts, public_state
from cm.runtime.prepared import Prepared
from cm.runtime.rows import close_row, edit_row
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


# The ids of a VM's NICs, or of one of them.
OWN_NICS: Final = "(SELECT id FROM nic WHERE vm_id = :vm_id AND (CAST(:nic_id AS bigint) IS NULL OR id = :nic_id))"


def addresses_of_vm(session: Session, vm_id: int, nic_id: int | None = None) -> Sequence[int]:
    """
    The ids of the public addresses of a VM's NICs, held until the transaction ends.

    :param nic_id: of this one alone.
    """
    return session.scalars(
        text(f"SELECT id FROM public_address WHERE nic_id IN {OWN_NICS} ORDER BY id FOR NO KEY UPDATE"),
        {"vm_id": vm_id, "nic_id": nic_id},
    ).all()


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


_UNTRANSLATED = Prepared(
    "untranslated",
    """
SELECT 1 FROM node_report r JOIN nic c ON c.vm_id = :vm_id JOIN public_address a ON a.nic_id = c.id
 WHERE r.node_id = :node_id AND r.content->'capabilities' ? 'coming'
   AND NOT coalesce(r.content->'coming', '[]') ? host(a.address)
 LIMIT 1
""",
)


def untranslated(session: Session, vm_id: int, node_id: int) -> bool:
    """
    Whether a node that a VM is on its way to has not said yet that it translates all of its own public addresses; no
    where its agent never says so.
    """
    return _UNTRANSLATED(session, vm_id=vm_id, node_id=node_id).first() is not None


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
