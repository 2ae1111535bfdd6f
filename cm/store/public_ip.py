"""Queries about public addresses by CC1's names: by the leases that are behind them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

_NIC_OF_LEASE = text(
    "SELECT c.vm_id, c.number FROM network_lease l JOIN nic c ON c.id = l.nic_id WHERE l.id = :id"
)


def nic_of_lease(session: Session, lease_id: int) -> Any:
    """``vm_id`` and ``number``; None: nobody has it."""
    return session.execute(_NIC_OF_LEASE, {"id": lease_id}).first()


_BY_LEASES = text(
    """
SELECT a.id, l.id AS lease_id FROM public_address a JOIN network_lease l ON l.nic_id = a.nic_id
   AND family(l.address) = family(a.address)
 WHERE a.deleted_at IS NULL AND (CAST(:lease_id AS bigint) IS NULL OR l.id = :lease_id)
 ORDER BY l.address DESC
"""
)


def leases_behind(session: Session, lease_id: int | None = None) -> dict[int, int]:
    """The leases that public addresses lead to, by these addresses' ids."""
    return {row.id: row.lease_id for row in session.execute(_BY_LEASES, {"lease_id": lease_id})}
