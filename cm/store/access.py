"""
Queries of grants: what was given on an object, to whom, and whom an object concerns.

Grants on a VM that is destroyed or an image that is deleted are still here, for the feed; whoever decides by grants
asks whether the object lives.
"""

from __future__ import annotations

import uuid as uuid_module
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rules.access import Grant, Level, Person, Shared, highest
from cm.runtime.prepared import Prepared
from cm.store.conditions import account_number

Pair = tuple[str, int]  # kind and id of an object

# A grant that may be for a caller; :account_id, :issuer and :groups are a person's.
FOR_CALLER: Final = (
    "(g.account_id = :account_id OR (g.issuer = :issuer AND g.group_id = ANY(CAST(:groups AS bigint[]))))"
)


def values_of(person: Person) -> dict[str, Any]:
    """A person as the parameters of ``FOR_CALLER``."""
    return {"account_id": person.account_id, "issuer": person.issuer, "groups": list(person.groups)}


def _grant(row: Any) -> Grant:
    return Grant(Level(row.level), row.account_id, row.issuer, row.group_id)


_FOR = Prepared(
    "grants_for",
    "SELECT g.level, g.account_id, g.issuer, g.group_id FROM acl g"
    f" WHERE g.kind = :kind AND g.object_id = :object_id AND {FOR_CALLER}",
)


def grants_for(session: Session, person: Person, kind: Shared, object_id: int) -> Sequence[Grant]:
    """What a person, or a group that they are in, was granted on one object."""
    found = _FOR(session, kind=kind.value, object_id=object_id, **values_of(person))
    return [_grant(row) for row in found]


class Standing(NamedTuple):
    """
    Of a VM or an image, which operations are about: what it takes to know who may see it.

    :ivar live: whether what was granted on it still counts.
    :ivar public: whether everybody sees it.
    """

    account_id: int
    live: bool
    public: bool


_STANDING = {
    Shared.VM: Prepared(
        "standing_of_vm", "SELECT account_id, closed_at IS NULL AS live, false AS public FROM vm WHERE id = :id"
    ),
    Shared.IMAGE: Prepared(
        "standing_of_image",
        "SELECT account_id, deleted_at IS NULL AND state <> 'deleted' AS live,"
        " access = 'public' AND state = 'ok' AS public FROM image WHERE id = :id",
    ),
}


def standing_of(session: Session, kind: Shared, object_id: int) -> Standing:
    """
    :param object_id: of an object that is there, be it ended.
    """
    return Standing(*_STANDING[kind](session, id=object_id).one())


@dataclass(frozen=True)
class Entry:
    """A grant as it is listed."""

    grant: Grant
    login: str | None
    account_number: str | None = None


def list_grants(session: Session, kind: Shared, object_id: int) -> Sequence[Entry]:
    """All grants on an object, oldest first, but those of accounts that are no more."""
    found = session.execute(
        text(
            "SELECT g.level, g.account_id, g.issuer, g.group_id, a.login,"
            f" {account_number('a')} AS account_number FROM acl g"
            " LEFT JOIN account a ON a.id = g.account_id"
            " WHERE g.kind = :kind AND g.object_id = :id AND a.deleted_at IS NULL ORDER BY g.id"
        ),
        {"kind": kind.value, "id": object_id},
    )
    return [Entry(_grant(row), row.login, row.account_number) for row in found]


_WHOSE = text("SELECT id FROM account WHERE origin = :origin AND login = :login AND deleted_at IS NULL ORDER BY id")


_NUMBERED = text(
    f"SELECT id FROM account a WHERE origin = :origin AND {account_number('a')} = :number AND deleted_at IS NULL"
)


def find_account_numbered(session: Session, origin: str, number: str) -> int | None:
    """An account of an issuer by what that one counts it as."""
    found: int | None = session.scalar(_NUMBERED, {"origin": origin, "number": number})
    return found


def number_of(session: Session, account_id: int) -> str:
    """What an account's cloud manager counts it as."""
    found = session.scalar(text(f"SELECT {account_number('a')} FROM account a WHERE id = :id"), {"id": account_id})
    return str(found)


def find_accounts(session: Session, origin: str, login: str) -> Sequence[int]:
    """
    Accounts of an issuer by their login. More than one: the issuer renamed them, and one was not brought up to date.
    """
    return list(session.scalars(_WHOSE, {"origin": origin, "login": login}))


def find_level(session: Session, kind: Shared, object_id: int, subject: Grant) -> Level | None:
    """The level that exactly this subject has; the object's row is locked by the caller, if it is to stay."""
    found = session.scalar(
        text(
            "SELECT level FROM acl WHERE kind = :kind AND object_id = :id"
            " AND account_id IS NOT DISTINCT FROM CAST(:account AS bigint)"
            " AND issuer IS NOT DISTINCT FROM CAST(:issuer AS text)"
            " AND group_id IS NOT DISTINCT FROM CAST(:group AS bigint)"
        ),
        _subject(kind, object_id, subject),
    )
    return None if found is None else Level(found)


def _subject(kind: Shared, object_id: int, subject: Grant) -> dict[str, Any]:
    return {
        "kind": kind.value,
        "id": object_id,
        "account": subject.account_id,
        "issuer": subject.issuer,
        "group": subject.group_id,
    }


def write_grant(session: Session, kind: Shared, object_ids: Sequence[int], grant: Grant) -> None:
    """Give a subject this level on objects of a kind, in place of the one they had."""
    conflict = "account_id" if grant.account_id is not None else "issuer, group_id"
    session.execute(
        text(
            "INSERT INTO acl (kind, object_id, account_id, issuer, group_id, level)"
            " SELECT :kind, unnest(CAST(:ids AS bigint[])), CAST(:account AS bigint), CAST(:issuer AS text),"
            f" CAST(:group AS bigint), :level ON CONFLICT (kind, object_id, {conflict})"
            " DO UPDATE SET level = excluded.level"
        ),
        {**_subject(kind, 0, grant), "ids": list(object_ids), "level": grant.level.value},
    )


def delete_grant(session: Session, kind: Shared, object_id: int, subject: Grant) -> None:
    session.execute(
        text(
            "DELETE FROM acl WHERE kind = :kind AND object_id = :id"
            " AND account_id IS NOT DISTINCT FROM CAST(:account AS bigint)"
            " AND issuer IS NOT DISTINCT FROM CAST(:issuer AS text)"
            " AND group_id IS NOT DISTINCT FROM CAST(:group AS bigint)"
        ),
        _subject(kind, object_id, subject),
    )


def delete_group_grants(session: Session, kind: Shared, object_id: int) -> None:
    """Of one object, whatever the group."""
    session.execute(
        text("DELETE FROM acl WHERE kind = :kind AND object_id = :id AND group_id IS NOT NULL"),
        {"kind": kind.value, "id": object_id},
    )


def drop_groups(session: Session, issuer: str, groups: Collection[int]) -> Sequence[tuple[Pair, int]]:
    """
    Take back all that these groups of an issuer were granted: they are no more.

    :return: the objects concerned, with their accounts.
    """
    found = session.execute(
        text(
            "WITH gone AS (DELETE FROM acl WHERE issuer = :issuer AND group_id = ANY(CAST(:groups AS bigint[]))"
            " RETURNING kind, object_id)"
            " SELECT DISTINCT g.kind, g.object_id,"
            " coalesce(v.account_id, i.account_id, w.account_id, e.account_id, t.account_id) AS account_id"
            " FROM gone g LEFT JOIN vm v ON g.kind = 'vm' AND v.id = g.object_id"
            " LEFT JOIN image i ON g.kind = 'image' AND i.id = g.object_id"
            " LEFT JOIN network w ON g.kind = 'network' AND w.id = g.object_id"
            " LEFT JOIN expiry e ON g.kind = 'expiry' AND e.id = g.object_id"
            " LEFT JOIN vm_template t ON g.kind = 'vm_template' AND t.id = g.object_id ORDER BY g.kind, g.object_id"
        ),
        {"issuer": issuer, "groups": list(groups)},
    )
    return [((row.kind, row.object_id), row.account_id) for row in found]


# ------------------------------------------------------------------ what is shared with somebody

_SHARED = Prepared(
    "vm_list_shared",
    f"""
SELECT v.summary, a.login, s.levels
  FROM (SELECT g.object_id, array_agg(g.level) AS levels FROM acl g WHERE g.kind = 'vm' AND {FOR_CALLER}
         GROUP BY g.object_id) s
  JOIN vm v ON v.id = s.object_id JOIN account a ON a.id = v.account_id
 WHERE v.closed_at IS NULL AND v.account_id <> :account_id
   AND (CAST(:before AS bigint) IS NULL OR v.id < CAST(:before AS bigint))
 ORDER BY v.id DESC LIMIT :limit
""",
)


def list_shared_vms(
    session: Session, person: Person, *, limit: int, before: int | None
) -> Sequence[tuple[str, str, Level]]:
    """Live VMs of others that a person was granted something on, newest first: summary, whose, and level."""
    found = _SHARED(session, limit=limit, before=before, **values_of(person))
    return [(row.summary, row.login, highest(Level(level) for level in row.levels) or Level.USER) for row in found]


_SEEN = text(
    f"""
SELECT v.id FROM vm v WHERE v.id = ANY(CAST(:ids AS bigint[])) AND (v.account_id = :account_id
       OR v.closed_at IS NOT NULL
       OR EXISTS (SELECT 1 FROM acl g WHERE g.kind = 'vm' AND g.object_id = v.id AND {FOR_CALLER}))
"""
)
_SEEN_IMAGES = text(
    f"""
SELECT i.id FROM image i WHERE i.id = ANY(CAST(:ids AS bigint[])) AND (i.account_id = :account_id
       OR i.state = 'deleted' OR i.deleted_at IS NOT NULL OR (i.access = 'public' AND i.state = 'ok')
       OR EXISTS (SELECT 1 FROM acl g WHERE g.kind = 'image' AND g.object_id = i.id AND {FOR_CALLER}))
"""
)


def seen_or_ended(session: Session, person: Person, kind: Shared, ids: Collection[int]) -> set[int]:
    """Which of these objects a person sees, or have ended."""
    if not ids:
        return set()
    statement = _SEEN if kind is Shared.VM else _SEEN_IMAGES
    return set(session.scalars(statement, {"ids": list(ids), **values_of(person)}))


# ------------------------------------------------------------------ disks

# Of ``vm v``: that a person was granted something on it.
GRANTED_VM: Final = f"EXISTS (SELECT 1 FROM acl g WHERE g.kind = 'vm' AND g.object_id = v.id AND {FOR_CALLER})"
# Of ``disk k`` with its entry ``image i``: that somebody sees it whose it is not.
SEEN_DISK: Final = f"""(
       coalesce(i.access = 'public' AND i.state = 'ok', false)
       OR k.image_id IN (SELECT g.object_id FROM acl g JOIN image x ON x.id = g.object_id AND x.state <> 'deleted'
                          WHERE g.kind = 'image' AND {FOR_CALLER})
       OR k.id IN (SELECT t.disk_id FROM attachment t WHERE t.vm_id IN (
                   SELECT v.id FROM vm v WHERE v.account_id = :account_id AND v.closed_at IS NULL
                   UNION ALL SELECT g.object_id FROM acl g WHERE g.kind = 'vm' AND {FOR_CALLER})))"""


# ------------------------------------------------------------------ whom an object concerns


@dataclass(frozen=True)
class Audience:
    """
    Who sees an object: its own account, others by a grant, groups by their issuer, everybody.

    :ivar owner: its own account, None where the cluster owns it or it is unknown; not among ``accounts``.
    """

    owner: int | None
    accounts: frozenset[int]
    groups: Mapping[str, frozenset[int]]
    public: bool


_AUDIENCE = Prepared(
    "acl_audience",
    """
SELECT p.kind, p.object_id,
       coalesce(v.account_id, k.account_id, i.account_id, w.account_id, e.account_id, t.account_id) AS owner,
       coalesce(i.access = 'public' AND i.state IN ('ok', 'deleted'), e.for_all OR e.is_default, false) AS public,
       g.account_id, g.issuer, g.group_id
  FROM unnest(CAST(:kinds AS text[]), CAST(:ids AS bigint[])) AS p(kind, object_id)
  LEFT JOIN vm v ON p.kind = 'vm' AND v.id = p.object_id
  LEFT JOIN disk k ON p.kind = 'disk' AND k.id = p.object_id
  LEFT JOIN network w ON p.kind = 'network' AND w.id = p.object_id
  LEFT JOIN expiry e ON p.kind = 'expiry' AND e.id = p.object_id
  LEFT JOIN vm_template t ON p.kind = 'vm_template' AND t.id = p.object_id
  LEFT JOIN image i ON i.id = CASE p.kind WHEN 'image' THEN p.object_id WHEN 'disk' THEN k.image_id END
  LEFT JOIN acl g ON g.kind = CASE p.kind WHEN 'disk' THEN 'image' ELSE p.kind END
                 AND g.object_id = CASE p.kind WHEN 'disk' THEN k.image_id ELSE p.object_id END
""",
)


def audience(session: Session, pairs: Sequence[Pair]) -> dict[Pair, Audience]:
    """
    Who is to hear of changes of VMs, images, networks, disks, expiry leases and VM templates, in one query; of one that
    has ended, who saw it last. A disk concerns those whom its entry does. Pairs of other kinds have nobody.
    """
    wanted = list(dict.fromkeys(pairs))
    found = _AUDIENCE(session, kinds=[kind for kind, _ in wanted], ids=[object_id for _, object_id in wanted])
    facts: dict[Pair, tuple[int | None, bool]] = {}
    accounts: dict[Pair, set[int]] = {}
    groups: dict[Pair, dict[str, set[int]]] = {}
    for row in found:
        pair = (row.kind, row.object_id)
        facts[pair] = (row.owner, row.public)
        if row.account_id is not None:
            accounts.setdefault(pair, set()).add(row.account_id)
        elif row.group_id is not None:
            groups.setdefault(pair, {}).setdefault(row.issuer, set()).add(row.group_id)
    return {
        pair: Audience(
            owner,
            frozenset(accounts.get(pair, ())),
            {issuer: frozenset(ids) for issuer, ids in groups.get(pair, {}).items()},
            public,
        )
        for pair, (owner, public) in facts.items()
    }


# ------------------------------------------------------------------ uuids

_FIND = """
SELECT uuid::text AS uuid, 'vm' AS kind, id FROM vm v WHERE uuid = ANY(CAST(:uuids AS uuid[])) {vm}
UNION ALL
SELECT uuid::text, 'image', id FROM image i WHERE uuid = ANY(CAST(:uuids AS uuid[])) AND deleted_at IS NULL {image}
UNION ALL
SELECT k.uuid::text, 'disk', k.id FROM disk k LEFT JOIN image i ON i.id = k.image_id
 WHERE k.uuid = ANY(CAST(:uuids AS uuid[])) {disk}
UNION ALL
SELECT uuid::text, 'template', id FROM template WHERE uuid = ANY(CAST(:uuids AS uuid[])) AND deleted_at IS NULL
"""
_MORE = "".join(
    f"""
UNION ALL
SELECT uuid::text, '{kind}', id FROM {table} WHERE uuid = ANY(CAST(:uuids AS uuid[])) AND deleted_at IS NULL
"""
    for kind, table in (
        ("node", "node"),
        ("storage", "storage"),
        ("network", "network"),
        ("user", "account"),
        ("public_address", "public_address"),
        ("vm_template", "vm_template"),
    )
)
_MORE += """
UNION ALL
SELECT uuid::text, 'farm', id FROM farm WHERE uuid = ANY(CAST(:uuids AS uuid[]))
"""
_FIND_ALL = text(_FIND.format(vm="", image="", disk="") + _MORE)
_FIND_SEEN = text(
    _FIND.format(
        vm=f"""AND (v.account_id = :account_id OR (v.closed_at IS NULL AND EXISTS (
               SELECT 1 FROM acl g WHERE g.kind = 'vm' AND g.object_id = v.id AND {FOR_CALLER})))""",
        image=f"""AND i.state <> 'deleted' AND (i.account_id = :account_id OR (i.access = 'public' AND i.state = 'ok')
              OR EXISTS (SELECT 1 FROM acl g WHERE g.kind = 'image' AND g.object_id = i.id AND {FOR_CALLER}))""",
        disk=f"AND (k.account_id = :account_id OR {SEEN_DISK})",
    )
    + f"""
UNION ALL
SELECT uuid::text, 'network', id FROM network w
 WHERE uuid = ANY(CAST(:uuids AS uuid[])) AND deleted_at IS NULL AND (account_id = :account_id OR (
       account_id IS NOT NULL AND EXISTS (SELECT 1 FROM acl g
                                           WHERE g.kind = 'network' AND g.object_id = w.id AND {FOR_CALLER})))
UNION ALL
SELECT uuid::text, 'public_address', id FROM public_address
 WHERE uuid = ANY(CAST(:uuids AS uuid[])) AND deleted_at IS NULL AND account_id = :account_id
UNION ALL
SELECT uuid::text, 'vm_template', id FROM vm_template t
 WHERE uuid = ANY(CAST(:uuids AS uuid[])) AND deleted_at IS NULL AND ready AND (account_id = :account_id OR EXISTS (
       SELECT 1 FROM acl g WHERE g.kind = 'vm_template' AND g.object_id = t.id AND {FOR_CALLER}))
UNION ALL
SELECT uuid::text, 'farm', id FROM farm WHERE uuid = ANY(CAST(:uuids AS uuid[])) AND account_id = :account_id
UNION ALL
SELECT uuid::text, 'storage', id FROM storage s
 WHERE uuid = ANY(CAST(:uuids AS uuid[])) AND deleted_at IS NULL AND (s.offered OR EXISTS (
       SELECT 1 FROM disk k JOIN volume u ON u.id = k.volume_id
        WHERE u.storage_id = s.id AND k.account_id = :account_id AND k.trashed_at IS NULL))
"""
)


def find_objects(
    session: Session, person: Person | None, uuids: Sequence[uuid_module.UUID]
) -> dict[uuid_module.UUID, Pair]:
    """
    What these uuids are, as far as a person sees it.

    :param person: None for administrators, who see all there is.
    """
    values: dict[str, Any] = {"uuids": [str(uuid) for uuid in uuids]}
    if person is None:
        found = session.execute(_FIND_ALL, values)
    else:
        found = session.execute(_FIND_SEEN, {**values, **values_of(person)})
    return {uuid_module.UUID(row.uuid): (row.kind, row.id) for row in found}
