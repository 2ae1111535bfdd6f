"""Queries about ports of shared public addresses, and how VMs are reached by these and by addresses of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.results import public_address as results
from cm.rpc.vocabulary import PortProtocol, PublicState
from cm.rules.public_address import AddressFacts, entrances, public_state, ways
from cm.runtime.prepared import Prepared
from cm.runtime.rows import has_row
from cm.store.answering import ANSWERING
from cm.store.public_address import OWN_NICS
from cm.store.rendered import shown

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
    if row._placed and row._answering not in (None, row._node_id):
        state, reason = PublicState.WAITING, ELSEWHERE
    else:
        state, reason = public_state(
            AddressFacts(True, True, bool(row._placed), bool(row._capable), bool(row._told))
        )
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


_ENTERED = Prepared(
    "entrances_of_vm",
    f"""
SELECT v.ssh_username, {REACHED},
       ARRAY(SELECT host(l.address) FROM nic c JOIN network w ON w.id = c.network_id JOIN network_lease l
                 ON l.nic_id = c.id WHERE c.vm_id = v.id AND w.kind <> 'nat' ORDER BY c.number, l.address) AS inside,
       n.address AS node, CASE WHEN v.vnc_enabled THEN (SELECT port FROM vnc_port WHERE vm_id = v.id) END AS port
  FROM vm v LEFT JOIN node n ON n.id = v.node_id WHERE v.id = :id
""",
)


def entrances_of(session: Session, vm_id: int) -> list[results.Entrance]:
    """All ways to a VM that is there, those from outside first."""
    row = _ENTERED(session, id=vm_id).one()
    ports = ports_of(session, vm_id) if row.has_ports else []
    told = [(each["address"], each["protocol"], each["port"], each["guest_port"]) for each in ports]
    screen = None if row.port is None or row.node is None else (row.node, row.port)
    found = entrances(row.public, told, row.inside, screen, row.ssh_username, row.platform)
    return [cast(results.Entrance, asdict(each)) for each in found]


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


def delete_port(session: Session, nic_id: int, protocol: str, guest_port: int) -> bool:
    """:return: whether it was there."""
    return has_row(
        session,
        "DELETE FROM public_port WHERE nic_id = :nic_id AND protocol = :protocol AND guest_port = :guest_port"
        " RETURNING 1",
        {"nic_id": nic_id, "protocol": protocol, "guest_port": guest_port},
    )


def drop_ports(session: Session, vm_id: int, nic_id: int | None = None) -> None:
    """All of a VM's, or of one of its NICs."""
    session.execute(
        text(f"DELETE FROM public_port WHERE nic_id IN {OWN_NICS}"), {"vm_id": vm_id, "nic_id": nic_id}
    )
