"""Queries about affinity groups: which VMs are in them, and where the others of a VM's are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.models import AffinityGroup
from cm.results import affinity_group as results
from cm.rpc.errors import ObjectNotFound, VersionChanged
from cm.rpc.vocabulary import Affinity, NodeId
from cm.rules.placement import Peers
from cm.runtime.prepared import Prepared
from cm.runtime.rows import Columns, close_row, edit_row, insert_row
from cm.store.rendered import shown

COLUMNS: Columns = (AffinityGroup.account_id, AffinityGroup.name, AffinityGroup.affinity, AffinityGroup.strict)
_GROUP = """
SELECT g.id AS affinity_group_id, g.uuid::text AS uuid, g.name, g.account_id AS user_id, g.affinity, g.strict,
       ARRAY(SELECT v.id FROM vm v WHERE v.affinity_group_id = g.id AND v.closed_at IS NULL ORDER BY v.id) AS vm_ids,
       g.version, g.created_at AS created
  FROM affinity_group g WHERE g.deleted_at IS NULL
"""


def _shown(row: Any) -> results.AffinityGroup:
    return cast(results.AffinityGroup, shown(row))


def list_affinity_groups(session: Session, account_id: int | None) -> Sequence[results.AffinityGroup]:
    """By name; ``account_id`` None: of all accounts, by these."""
    condition = "" if account_id is None else " AND g.account_id = :account_id"
    found = session.execute(
        text(f"{_GROUP}{condition} ORDER BY g.account_id, g.name, g.id"), {"account_id": account_id}
    )
    return [_shown(row) for row in found]


def get_affinity_group(
    session: Session, group_id: int, *, account_id: int | None, lock: bool = False, version: int | None = None
) -> results.AffinityGroup:
    """
    :param account_id: whose it has to be; None: anybody's.
    :param lock: nobody else places a VM of it until the transaction ends.
    :raises ObjectNotFound: absent, deleted, or another's.
    :raises VersionChanged: it is not at ``version``.
    """
    if lock:
        hold_affinity_groups(session, [group_id])
    found = session.execute(text(f"{_GROUP} AND g.id = :id"), {"id": group_id}).first()
    if found is None or account_id not in (None, found.user_id):
        raise ObjectNotFound("affinity_group", group_id)
    if version is not None and found.version != version:
        raise VersionChanged("affinity_group", group_id, found.version, version)
    return _shown(found)


def hold_affinity_groups(session: Session, group_ids: Collection[int]) -> None:
    """Nobody else places a VM of these until the transaction ends. After the VMs."""
    session.execute(
        text("SELECT 1 FROM affinity_group WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE"),
        {"ids": sorted(group_ids)},
    )


def affinity_groups_of(session: Session, vm_ids: Collection[int]) -> frozenset[int]:
    statement = text("SELECT DISTINCT affinity_group_id FROM vm WHERE id = ANY(:ids) AND affinity_group_id IS NOT NULL")
    return frozenset(session.scalars(statement, {"ids": list(vm_ids)}))


_PEERS = Prepared(
    "peers_of_group",
    """
SELECT g.affinity, g.strict,
       ARRAY(SELECT unnest(CASE WHEN g.affinity = 'apart' THEN ARRAY[v.at, v.moves_to]
                           ELSE ARRAY[coalesce(v.moves_to, v.at)] END)
               FROM (SELECT CASE WHEN node_claimed THEN node_id END AS at, moves_to FROM vm
                      WHERE affinity_group_id = g.id AND closed_at IS NULL
                        AND id IS DISTINCT FROM CAST(:vm_id AS bigint)) v) AS nodes
  FROM affinity_group g WHERE g.id = :id
""",
)


def peers_in(session: Session, group_id: int, *, but: int | None = None, leaving: int | None = None) -> Peers:
    """
    Where the VMs of a group are, which is held.

    :param but: one of them that is to be placed.
    :param leaving: a node that all of them are leaving.
    """
    found = _PEERS(session, id=group_id, vm_id=but).one()
    apart = found.affinity == Affinity.APART
    nodes = {NodeId(each) for each in found.nodes if each is not None and (apart or each != leaving)}
    return Peers(apart, found.strict, frozenset(nodes))


def peers_of(session: Session, vm_id: int, leaving: int | None = None) -> Peers | None:
    """Where the others of a VM's group are, which nobody else places a VM of until the transaction ends."""
    for group_id in affinity_groups_of(session, [vm_id]):
        hold_affinity_groups(session, [group_id])
        return peers_in(session, group_id, but=vm_id, leaving=leaving)
    return None


def count_affinity_groups(session: Session, account_id: int) -> int:
    """Holds the account until the transaction ends, so that nobody else makes one."""
    session.execute(text("SELECT 1 FROM account WHERE id = :id FOR NO KEY UPDATE"), {"id": account_id})
    statement = text("SELECT count(*) FROM affinity_group WHERE account_id = :id AND deleted_at IS NULL")
    return int(session.execute(statement, {"id": account_id}).scalar_one())


def insert_affinity_group(session: Session, account_id: int, name: str, affinity: Affinity, strict: bool) -> int:
    values = {"account_id": account_id, "name": name, "affinity": affinity, "strict": strict}
    return insert_row(session, AffinityGroup, COLUMNS, values)


def edit_affinity_group(session: Session, group_id: int, name: str | None, strict: bool | None) -> None:
    columns = (AffinityGroup.name, AffinityGroup.strict)
    edit_row(session, AffinityGroup, group_id, columns, {"name": name, "strict": strict})


def close_affinity_group(session: Session, group_id: int) -> None:
    close_row(session, AffinityGroup, group_id)


def put_into(session: Session, vm_id: int, group_id: int | None) -> None:
    """:param group_id: None: into none."""
    session.execute(text("UPDATE vm SET affinity_group_id = :g WHERE id = :id"), {"id": vm_id, "g": group_id})
