"""Queries about security groups, their rules, and the NICs that are in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.models import SecurityGroup
from cm.results import security_group as results
from cm.rpc.errors import ObjectNotFound, VersionChanged
from cm.rpc.vocabulary import RuleDirection
from cm.runtime.prepared import Prepared
from cm.runtime.rows import close_row, edit_row
from cm.store.node_document import document_changed
from cm.store.rendered import Rendered, rendered, shown

_RULE = """json_build_object('rule_id', r.id, 'direction', r.direction, 'protocol', r.protocol, 'ports',
       CASE WHEN r.port_first = r.port_last THEN r.port_first::text ELSE r.port_first || '-' || r.port_last END,
       'remote', r.remote::text, 'remote_group_id', r.remote_group_id, 'description', r.description)"""
_RULES = f"""coalesce((SELECT json_agg({_RULE} ORDER BY r.id) FROM security_rule r WHERE r.group_id = g.id), '[]')
       AS rules"""
_COLUMNS = f"""g.id AS security_group_id, g.uuid::text AS uuid, g.name, g.description, g.account_id AS user_id,
       g.is_default AS "default", {_RULES}, (SELECT count(*) FROM nic_group n WHERE n.group_id = g.id) AS nics,
       g.version, g.created_at AS created"""
_GROUP = f"SELECT {_COLUMNS} FROM security_group g WHERE g.deleted_at IS NULL"
_FEED = Prepared(
    "feed_security_group",
    f"SELECT {_COLUMNS}, g.id AS _id, g.deleted_at IS NOT NULL AS _gone FROM security_group g WHERE g.id = ANY(:ids)",
)


def render_security_groups(session: Session, ids: list[int]) -> Mapping[int, Rendered]:
    return rendered(_FEED(session, ids=ids))


def _shown(row: Any) -> results.SecurityGroup:
    return cast(results.SecurityGroup, shown(row))


def list_security_groups(session: Session, account_id: int | None) -> Sequence[results.SecurityGroup]:
    """By name; ``account_id`` None: of all accounts, by these."""
    condition = "" if account_id is None else " AND g.account_id = :account_id"
    found = session.execute(
        text(f"{_GROUP}{condition} ORDER BY g.account_id, g.name, g.id"), {"account_id": account_id}
    )
    return [_shown(row) for row in found]


def get_security_group(
    session: Session, group_id: int, *, account_id: int | None, lock: bool = False, version: int | None = None
) -> results.SecurityGroup:
    """
    :param account_id: whose it has to be; None: anybody's.
    :param lock: hold its row until the transaction ends.
    :raises ObjectNotFound: absent, deleted, or another's.
    :raises VersionChanged: it is not at ``version``.
    """
    if lock:
        session.execute(text("SELECT 1 FROM security_group WHERE id = :id FOR NO KEY UPDATE"), {"id": group_id})
    found = session.execute(text(f"{_GROUP} AND g.id = :id"), {"id": group_id}).first()
    if found is None or account_id not in (None, found.user_id):
        raise ObjectNotFound("security_group", group_id)
    if version is not None and found.version != version:
        raise VersionChanged("security_group", group_id, found.version, version)
    return _shown(found)


def find_default(session: Session, account_id: int) -> int | None:
    found: int | None = session.scalar(
        text("SELECT id FROM security_group WHERE account_id = :id AND is_default AND deleted_at IS NULL"),
        {"id": account_id},
    )
    return found


def count_groups(session: Session, account_id: int) -> int:
    """Holds the account until the transaction ends, so that nobody else makes one."""
    session.execute(text("SELECT 1 FROM account WHERE id = :id FOR NO KEY UPDATE"), {"id": account_id})
    statement = text("SELECT count(*) FROM security_group WHERE account_id = :id AND deleted_at IS NULL")
    return int(session.execute(statement, {"id": account_id}).scalar_one())


def free_name(session: Session, account_id: int, name: str) -> str:
    """This name, or with a number if a group of the account's has it, which is held (``count_groups``)."""
    statement = text("SELECT name FROM security_group WHERE account_id = :id AND deleted_at IS NULL")
    taken = {row.name for row in session.execute(statement, {"id": account_id})}
    numbered = (f"{name}-{number}" for number in range(2, len(taken) + 3))
    return name if name not in taken else next(each for each in numbered if each not in taken)


_INSERT = text(
    "INSERT INTO security_group (account_id, name, description, is_default)"
    " VALUES (:account_id, :name, :description, :is_default) RETURNING id"
)


def insert_security_group(
    session: Session, account_id: int, name: str, description: str, is_default: bool = False
) -> int:
    values = {"account_id": account_id, "name": name, "description": description, "is_default": is_default}
    return int(session.execute(_INSERT, values).scalar_one())


def edit_security_group(session: Session, group_id: int, name: str | None, description: str | None) -> None:
    columns = (SecurityGroup.name, SecurityGroup.description)
    edit_row(session, SecurityGroup, group_id, columns, {"name": name, "description": description})


def touch_security_group(session: Session, group_id: int) -> None:
    """It is another now, by its rules."""
    session.execute(text("UPDATE security_group SET version = version + 1 WHERE id = :id"), {"id": group_id})


def close_security_group(session: Session, group_id: int) -> None:
    session.execute(text("DELETE FROM security_rule WHERE group_id = :id"), {"id": group_id})
    close_row(session, SecurityGroup, group_id)


class NewRule(NamedTuple):
    direction: RuleDirection
    protocol: str
    ports: tuple[int, int] | None
    remote: str | None
    remote_group_id: int | None
    description: str = ""


_INSERT_RULE = text(
    "INSERT INTO security_rule (group_id, direction, protocol, port_first, port_last, remote, remote_group_id,"
    " description) VALUES (:group_id, :direction, :protocol, :first, :last, CAST(:remote AS cidr), :remote_group_id,"
    " :description) RETURNING id"
)


def insert_rule(session: Session, group_id: int, rule: NewRule) -> int:
    first, last = rule.ports or (None, None)
    values = {
        "group_id": group_id, "direction": str(rule.direction), "protocol": rule.protocol, "first": first, "last": last,
        "remote": rule.remote, "remote_group_id": rule.remote_group_id, "description": rule.description,
    }  # fmt: skip
    return int(session.execute(_INSERT_RULE, values).scalar_one())


def describe_rule(session: Session, group_id: int, rule_id: int, description: str) -> bool:
    """:return: whether it is there."""
    statement = text("UPDATE security_rule SET description = :d WHERE id = :id AND group_id = :group_id RETURNING id")
    values = {"id": rule_id, "group_id": group_id, "d": description}
    return session.execute(statement, values).first() is not None


def delete_rule(session: Session, group_id: int, rule_id: int) -> bool:
    """:return: whether it was there."""
    statement = text("DELETE FROM security_rule WHERE id = :id AND group_id = :group_id RETURNING id")
    return session.execute(statement, {"id": rule_id, "group_id": group_id}).first() is not None


def describe_rules(session: Session, rule_ids: Sequence[int]) -> list[results.SecurityRule]:
    """In this order."""
    if not rule_ids:
        return []
    statement = text(f"SELECT r.id, {_RULE} AS rule FROM security_rule r WHERE r.id = ANY(:ids)")
    found = {row.id: row.rule for row in session.execute(statement, {"ids": list(rule_ids)})}
    return [found[rule_id] for rule_id in rule_ids if rule_id in found]


def users_of(session: Session, group_id: int) -> tuple[Sequence[int], Sequence[int]]:
    """What keeps a group from going: VMs with NICs in it, and other groups whose rules name it."""
    vms = session.execute(
        text(
            "SELECT DISTINCT n.vm_id FROM nic_group g JOIN nic n ON n.id = g.nic_id WHERE g.group_id = :id ORDER BY 1"
        ),
        {"id": group_id},
    )
    groups = session.execute(
        text("SELECT DISTINCT group_id FROM security_rule WHERE remote_group_id = :id AND group_id <> :id ORDER BY 1"),
        {"id": group_id},
    )
    return [row.vm_id for row in vms], [row.group_id for row in groups]


# ---- NICs


class NicRow(NamedTuple):
    """``groups``: its own, by number."""

    id: int
    number: int
    network_id: int
    kind: str
    addresses: Sequence[str]
    groups: Sequence[int]


_NIC = text(
    """
SELECT n.id, n.number, n.network_id, w.kind,
       ARRAY(SELECT host(l.address) FROM network_lease l WHERE l.nic_id = n.id ORDER BY l.address) AS addresses,
       ARRAY(SELECT g.group_id FROM nic_group g WHERE g.nic_id = n.id ORDER BY 1) AS groups
  FROM nic n JOIN network w ON w.id = n.network_id WHERE n.vm_id = :vm_id AND n.number = :number
"""
)


def find_nic(session: Session, vm_id: int, number: int) -> NicRow | None:
    row = session.execute(_NIC, {"vm_id": vm_id, "number": number}).first()
    return None if row is None else NicRow(*row)


def share_groups(session: Session, account_id: int, group_ids: Collection[int]) -> Sequence[int]:
    """Of these groups the account's, which nobody deletes until the transaction ends."""
    statement = text(
        "SELECT id FROM security_group WHERE id = ANY(:ids) AND account_id = :account_id AND deleted_at IS NULL"
        " ORDER BY id FOR KEY SHARE"
    )
    return [row.id for row in session.execute(statement, {"ids": list(group_ids), "account_id": account_id})]


_LEAVE = text("DELETE FROM nic_group WHERE nic_id = :nic_id AND group_id <> ALL(CAST(:ids AS bigint[]))")
_JOIN = text(
    "INSERT INTO nic_group (nic_id, group_id) SELECT :nic_id, unnest(CAST(:ids AS bigint[])) ON CONFLICT DO NOTHING"
)


def set_nic_groups(session: Session, nic_id: int, group_ids: Collection[int]) -> None:
    values = {"nic_id": nic_id, "ids": list(group_ids)}
    session.execute(_LEAVE, values)
    session.execute(_JOIN, values)


_NICS = text(
    "SELECT n.id FROM nic n JOIN network w ON w.id = n.network_id"
    " WHERE n.vm_id = ANY(:vm_ids) AND (w.kind = 'vxlan' OR NOT :users_only) ORDER BY n.id"
)


def nics_of_vms(session: Session, vm_ids: Collection[int], *, users_only: bool) -> Sequence[int]:
    """:param users_only: those on users' networks."""
    return [row.id for row in session.execute(_NICS, {"vm_ids": list(vm_ids), "users_only": users_only})]


# ---- nodes

_NODES = text(
    """
SELECT DISTINCT p.node_id FROM nic_group g JOIN nic n ON n.id = g.nic_id JOIN vm v ON v.id = n.vm_id
  CROSS JOIN unnest(ARRAY[v.node_id, v.moves_to]) AS p (node_id)
 WHERE p.node_id IS NOT NULL AND v.closed_at IS NULL AND (g.group_id = ANY(:ids) OR g.group_id IN
       (SELECT group_id FROM security_rule WHERE remote_group_id = ANY(:ids)))
 ORDER BY 1
"""
)


def groups_changed(session: Session, group_ids: Collection[int]) -> None:
    """Rules or members of these groups are others: so are documents of their nodes, and of groups that name them."""
    if group_ids:
        for row in session.execute(_NODES, {"ids": list(group_ids)}):
            document_changed(session, row.node_id)


_NAMING = text(
    """
SELECT DISTINCT p.node_id FROM nic own JOIN nic_group m ON m.nic_id = own.id
  JOIN security_rule r ON r.remote_group_id = m.group_id JOIN nic_group g ON g.group_id = r.group_id
  JOIN nic n ON n.id = g.nic_id JOIN vm v ON v.id = n.vm_id
  CROSS JOIN unnest(ARRAY[v.node_id, v.moves_to]) AS p (node_id)
 WHERE own.vm_id = :vm_id AND p.node_id IS NOT NULL AND v.closed_at IS NULL
 ORDER BY 1
"""
)


def members_change(session: Session, vm_id: int) -> None:
    """Before a VM is closed: nodes whose groups name those that it is in, which are its addresses no more, are told."""
    for row in session.execute(_NAMING, {"vm_id": vm_id}):
        document_changed(session, row.node_id)
