"""
Domains of nodes that are no VM's of ours there, and what they hold: numbers, addresses, ports, volumes. There are some
after an older dump was restored, and on hosts that others use too. What they hold counts as taken while they exist.
"""

from __future__ import annotations

import uuid as uuid_module
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rpc.errors import InUse
from cm.rules.names import vm_of_domain
from cm.rules.network import Address, address_of_mac
from cm.runtime.prepared import Prepared
from cm.store.erased import written_volumes

DESCRIBE_AGAIN_S: Final = 600.0  # a definition may be changed while its domain stays in its state
# A leap of the numbers by this much and more is made at once; a smaller one number by number, which no other
# transaction can take back.
_LEAP: Final = 10_000

# For statements that choose an address or a port: what an unknown domain holds.
HELD_ADDRESSES: Final = "(SELECT unnest(addresses) FROM unknown_domain)"
HELD_PORTS: Final = "(SELECT unnest(ports) FROM unknown_domain WHERE node_id = {node_id})"


@dataclass(frozen=True)
class Held:
    """
    What a domain's definition says that it holds.

    :ivar paths: of its disks, of what they stand on, of its console.
    :ivar nic: the greatest number of a NIC that its MAC addresses tell; 0: none does.
    """

    addresses: tuple[Address, ...] = ()
    ports: tuple[int, ...] = ()
    paths: tuple[str, ...] = ()
    nic: int = 0


@dataclass(frozen=True)
class UnknownSeen:
    """
    A domain that a pass found, which is no VM's of ours on that node.

    :ivar held: None where its definition is on record and was not read anew, or could not be read.
    """

    uuid: str
    name: str
    state: str
    held: Held | None


def our_addresses(macs: Iterable[str]) -> list[Address]:
    """The addresses that MACs of our making stand for."""
    found: list[Address] = []
    for mac in macs:
        try:
            found.append(address_of_mac(mac))
        except ValueError:
            continue  # somebody else's
    return found


def described(session: Session, node_id: int) -> Mapping[str, tuple[str, str]]:
    """Of a node's unknown domains whose definition was read a short while ago, by uuid: name and state."""
    found = session.execute(
        text(
            "SELECT uuid::text AS uuid, name, state FROM unknown_domain WHERE node_id = :n"
            " AND described_at > clock_timestamp() - make_interval(secs => :s)"
        ),
        {"n": node_id, "s": DESCRIBE_AGAIN_S},
    )
    return {row.uuid: (row.name, row.state) for row in found}


_KEEP = text(
    """
INSERT INTO unknown_domain (node_id, uuid, name, state, addresses, ports, paths, described_at)
VALUES (:n, :u, :name, :state, CAST(:addresses AS inet[]), :ports, :paths,
        CASE WHEN :told THEN clock_timestamp() END)
ON CONFLICT (node_id, uuid) DO UPDATE SET name = excluded.name, state = excluded.state,
   addresses = CASE WHEN :told THEN excluded.addresses ELSE unknown_domain.addresses END,
   ports = CASE WHEN :told THEN excluded.ports ELSE unknown_domain.ports END,
   paths = CASE WHEN :told THEN excluded.paths ELSE unknown_domain.paths END,
   described_at = coalesce(excluded.described_at, unknown_domain.described_at)
"""
)


def record_unknown(session: Session, node_id: int, domains: Sequence[UnknownSeen]) -> None:
    """Bring a node's rows up to date. VMs' numbers go on behind the greatest that a domain has."""
    session.execute(
        text("DELETE FROM unknown_domain WHERE node_id = :n AND NOT uuid = ANY(:u)"),
        {"n": node_id, "u": [uuid_module.UUID(domain.uuid) for domain in domains]},
    )
    for domain in domains:
        held = domain.held or Held()
        session.execute(
            _KEEP,
            {
                "n": node_id,
                "u": uuid_module.UUID(domain.uuid),
                "name": domain.name,
                "state": domain.state,
                "told": domain.held is not None,
                "addresses": [str(address) for address in held.addresses],
                "ports": list(held.ports),
                "paths": list(held.paths),
            },
        )
    numbers = [number for domain in domains if (number := vm_of_domain(domain.name)) is not None]
    if numbers:
        pass_numbers(session, max(numbers))
    cards = max((domain.held.nic for domain in domains if domain.held is not None), default=0)
    if cards:  # else a new one would get the MAC address of one that is there
        pass_numbers(session, cards, "nic_id_seq")


def pass_numbers(session: Session, number: int, sequence: str = "vm_id_seq") -> None:
    """Have the next VM's or NIC's number be greater than this one; outside of the transaction, as sequences are."""
    behind = session.scalar(
        text(f"SELECT :number - CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM {sequence}"),
        {"number": number},
    )
    if behind is None or behind <= 0:
        return
    if behind < _LEAP:
        session.execute(text(f"SELECT nextval('{sequence}') FROM generate_series(1, :behind)"), {"behind": behind})
    else:
        session.execute(text(f"SELECT setval('{sequence}', :number)"), {"number": number})


def forget_node(session: Session, node_id: int) -> None:
    session.execute(text("DELETE FROM unknown_domain WHERE node_id = :n"), {"n": node_id})


def forget_domain(session: Session, node_id: int, uuid: str) -> None:
    session.execute(
        text("DELETE FROM unknown_domain WHERE node_id = :n AND uuid = :u"),
        {"n": node_id, "u": uuid_module.UUID(uuid)},
    )


def held_volumes(session: Session, storage_id: int) -> Mapping[str, str]:
    """The volumes of a storage that unknown domains use, and which domain each."""
    storage = session.execute(text("SELECT path, node_id FROM storage WHERE id = :s"), {"s": storage_id}).first()
    if storage is None or not storage.path:
        return {}
    directory = storage.path.rstrip("/") + "/"
    found = session.execute(
        text(
            "SELECT d.name, n.name AS node, p.path FROM unknown_domain d JOIN node n ON n.id = d.node_id"
            " CROSS JOIN LATERAL unnest(d.paths) AS p (path) WHERE starts_with(p.path, :directory)"
            " AND (d.node_id = :own OR CAST(:own AS bigint) IS NULL)"  # other nodes have other files at that place
        ),
        {"directory": directory, "own": storage.node_id},
    )
    return {row.path[len(directory) :]: f"domain {row.name} of node {row.node}" for row in found}


def refuse_held_volume(session: Session, storage_id: int, volume: str) -> None:
    """
    :raises InUse: an unknown domain uses the volume, or stands on it; or an erased VM may write to it.
    """
    held = held_volumes(session, storage_id).get(volume) or written_volumes(session, storage_id).get(volume)
    if held is not None:
        raise InUse(f"volume {volume} of storage", storage_id, held)


_HELD = Prepared(
    "refuse_held",
    "SELECT l.id, d.name, n.name AS node FROM nic c CROSS JOIN LATERAL"
    " (SELECT id, address FROM network_lease WHERE nic_id = c.id OFFSET 0) l JOIN unknown_domain d"
    " ON l.address = ANY(d.addresses) JOIN node n ON n.id = d.node_id JOIN vm v ON v.id = c.vm_id"
    " JOIN network w ON w.id = c.network_id AND w.kind = 'nat'"  # of others a MAC address tells no address
    " WHERE c.vm_id = :id AND d.uuid <> v.uuid LIMIT 1",
)


def refuse_held(session: Session, vm_id: int) -> None:
    """
    :raises InUse: an address of the VM is an unknown domain's: two guests would have it.
    """
    held = _HELD(session, id=vm_id).first()
    if held is not None:
        raise InUse("address of VM", vm_id, f"domain {held.name} of node {held.node}")


_ELSEWHERE = Prepared(
    "runs_elsewhere",
    "SELECT d.node_id FROM unknown_domain d JOIN vm v ON v.uuid = d.uuid JOIN node n ON n.id = d.node_id"
    " WHERE v.id = :id AND d.node_id IS DISTINCT FROM v.node_id AND d.state IN ('running', 'paused') ORDER BY 1",
)


def runs_elsewhere(session: Session, vm_id: int) -> int | None:
    """A node on which a VM was seen to run though it is not placed there: started twice, it would write its disk
    twice."""
    return next(iter(nodes_elsewhere(session, vm_id)), None)


def nodes_elsewhere(session: Session, vm_id: int) -> Sequence[int]:
    """All of these."""
    return list(_ELSEWHERE(session, id=vm_id).scalars())
