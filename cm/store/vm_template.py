"""Queries about VM templates: each with its parents, of which it has what it leaves open."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.models import VMTemplate
from cm.results import vm_template as results
from cm.rpc.errors import ObjectNotFound
from cm.rpc.vocabulary import TemplateField
from cm.rules.access import Level, Person, highest
from cm.rules.vm_template import DEPTH_MAX, effective
from cm.runtime.prepared import Prepared
from cm.runtime.rows import Columns, close_row, edit_row, insert_row, table_of
from cm.store.access import FOR_CALLER, values_of
from cm.store.rendered import Rendered, rendered, shown

WRITTEN: Final[Columns] = (
    VMTemplate.name, VMTemplate.description, VMTemplate.parent_id, VMTemplate.system, VMTemplate.image_id,
    VMTemplate.iso_list, VMTemplate.new_disks, VMTemplate.networks, VMTemplate.access_method, VMTemplate.has_agent,
    VMTemplate.traits, VMTemplate.tags, VMTemplate.firmware, VMTemplate.machine, VMTemplate.boot_menu_s,
    VMTemplate.cpu_model,
)  # fmt: skip
LIVE: Final = "t.deleted_at IS NULL AND t.ready"

# Of each template itself and its parents, those that are deleted among them: they are still what it has of them.
_CHAINS = Prepared(
    "vm_template_chains",
    f"""
WITH RECURSIVE up AS (
    SELECT id AS whose, id, parent_id, 0 AS depth FROM vm_template WHERE id = ANY(CAST(:ids AS bigint[]))
    UNION ALL
    SELECT up.whose, p.id, p.parent_id, up.depth + 1 FROM up JOIN vm_template p ON p.id = up.parent_id
     WHERE up.depth < {DEPTH_MAX}
)
SELECT up.whose AS _whose, t.id AS vm_template_id, t.uuid::text AS uuid, t.name, t.description,
       t.account_id AS user_id, t.parent_id AS parent_template_id, t.system, t.image_id, t.iso_list, t.new_disks,
       t.networks, t.access_method, t.has_agent, t.traits, t.tags, t.firmware, t.machine, t.boot_menu_s,
       t.cpu_model, t.version, t.created_at AS created,
       t.id AS _id, NOT ({LIVE}) AS _gone
  FROM up JOIN vm_template t ON t.id = up.id ORDER BY up.whose, up.depth
""",
)


def _chains(session: Session, ids: Collection[int]) -> dict[int, list[Any]]:
    """By template, its row and those of its parents, itself first."""
    found: dict[int, list[Any]] = {}
    for row in _CHAINS(session, ids=list(ids)) if ids else ():
        found.setdefault(row._mapping["_whose"], []).append(row)
    return found


def _told(chain: Sequence[Any]) -> results.VMTemplate:
    told = shown(chain[0])
    return cast(results.VMTemplate, {**told, "effective": effective([link._mapping for link in chain])})


def render_vm_templates(session: Session, ids: list[int]) -> Mapping[int, Rendered]:
    chains = _chains(session, ids)
    return rendered((chain[0] for chain in chains.values()), lambda row: _told(chains[row._mapping["_id"]]))


_LISTED: Final = f"""
SELECT t.id, a.login, t.account_id, s.levels FROM vm_template t JOIN account a ON a.id = t.account_id
  LEFT JOIN (SELECT g.object_id, array_agg(g.level) AS levels FROM acl g
              WHERE g.kind = 'vm_template' AND {FOR_CALLER} GROUP BY g.object_id) s ON s.object_id = t.id
 WHERE {LIVE} AND (t.account_id = :account_id OR s.object_id IS NOT NULL) ORDER BY t.name, t.id
"""
_ALL: Final = f"""
SELECT t.id, a.login FROM vm_template t JOIN account a ON a.id = t.account_id WHERE {LIVE} ORDER BY t.name, t.id
"""


def list_vm_templates(session: Session, person: Person) -> list[results.ListedVMTemplate]:
    """A person's own, and those that are shared with them, by name."""
    found = session.execute(text(_LISTED), values_of(person)).all()
    chains = _chains(session, [row.id for row in found])
    listed: list[results.ListedVMTemplate] = []
    for row in found:
        own = row.account_id == person.account_id
        level = Level.OWNER if own else highest(map(Level, row.levels or ())) or Level.USER
        listed.append({**_told(chains[row.id]), "user_login": row.login, "access": level})
    return listed


def list_all_vm_templates(session: Session) -> list[results.ListedVMTemplate]:
    """Everybody's, by name."""
    found = session.execute(text(_ALL)).all()
    chains = _chains(session, [row.id for row in found])
    return [{**_told(chains[row.id]), "user_login": row.login, "access": Level.OWNER} for row in found]


def get_vm_template(session: Session, template_id: int) -> results.VMTemplate:
    """:raises ObjectNotFound: it never was."""
    chain = _chains(session, [template_id]).get(template_id)
    if chain is None:
        raise ObjectNotFound("vm_template", template_id)
    return _told(chain)


def effective_of(session: Session, ids: Collection[int]) -> dict[int, Mapping[str, Any]]:
    """By template what VMs get by it, be it deleted since."""
    return {
        template_id: effective([link._mapping for link in chain])
        for template_id, chain in _chains(session, sorted(ids)).items()
    }


class VMTemplateRow(NamedTuple):
    """``account_id``: whose it is."""

    id: int
    account_id: int
    name: str
    parent_id: int | None
    version: int


def find_vm_template(session: Session, template_id: int, *, lock: bool = False) -> VMTemplateRow | None:
    """
    :param lock: hold its row until the transaction ends.
    :return: None where there is none, or it is not ready.
    """
    suffix = " FOR NO KEY UPDATE" if lock else ""
    statement = f"SELECT id, account_id, name, parent_id, version FROM vm_template t WHERE id = :id AND {LIVE}{suffix}"
    found = session.execute(text(statement), {"id": template_id}).first()
    return None if found is None else VMTemplateRow(*found)


def chain_of(session: Session, template_id: int) -> list[int]:
    """A template and its parents, itself first."""
    return [row.vm_template_id for row in _chains(session, [template_id]).get(template_id, ())]


def hold_vm_templates(session: Session, ids: Collection[int]) -> None:
    """Nobody else gives these another parent, or deletes one, until the transaction ends."""
    statement = text("SELECT 1 FROM vm_template WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE")
    session.execute(statement, {"ids": sorted(set(ids))})


class Heir(NamedTuple):
    """A template that has something of another. ``depth``: 1 where that one is its parent."""

    id: int
    account_id: int
    depth: int


def heirs_of(session: Session, template_id: int) -> list[Heir]:
    """Templates that are made of one, the nearest first; deleted ones are none."""
    found = session.execute(
        text(
            "WITH RECURSIVE down AS (SELECT id, account_id, 1 AS depth FROM vm_template"
            "  WHERE parent_id = :id AND deleted_at IS NULL"
            f" UNION ALL SELECT t.id, t.account_id, down.depth + 1 FROM down JOIN vm_template t"
            f"  ON t.parent_id = down.id AND t.deleted_at IS NULL WHERE down.depth < {DEPTH_MAX})"
            " SELECT id, account_id, depth FROM down ORDER BY depth, id"
        ),
        {"id": template_id},
    )
    return [Heir(*row) for row in found]


def count_vm_templates(session: Session, account_id: int) -> int:
    """Holds the account until the transaction ends, so that nobody else makes one."""
    session.execute(text("SELECT 1 FROM account WHERE id = :id FOR NO KEY UPDATE"), {"id": account_id})
    statement = text("SELECT count(*) FROM vm_template WHERE account_id = :id AND deleted_at IS NULL")
    return int(session.execute(statement, {"id": account_id}).scalar_one())


def names_of(session: Session, account_id: int) -> frozenset[str]:
    """Of an account's templates, also of those that are not ready."""
    statement = text("SELECT name FROM vm_template WHERE account_id = :id AND deleted_at IS NULL")
    return frozenset(session.scalars(statement, {"id": account_id}))


def insert_vm_template(session: Session, account_id: int, values: Mapping[str, Any], *, ready: bool = True) -> int:
    """
    :param values: by the names of ``WRITTEN``; those that are missing are left open.
    :return: its id.
    """
    columns = (VMTemplate.account_id, VMTemplate.ready, *WRITTEN)
    given: dict[str, Any] = {column.key: values.get(column.key) for column in WRITTEN}
    return insert_row(session, VMTemplate, columns, {**given, "account_id": account_id, "ready": ready})


def update_vm_template(
    session: Session,
    template_id: int,
    values: Mapping[str, Any],
    inherit: Collection[TemplateField] = (),
    *,
    orphan: bool = False,
) -> None:
    """
    Write what is not None of ``WRITTEN``.

    :param inherit: what it leaves open from now on.
    :param orphan: it has no parent from now on.
    """
    edit_row(session, VMTemplate, template_id, WRITTEN, values)
    opened: dict[str, Any] = {name.value: None for name in inherit}
    if orphan:
        opened["parent_id"] = None
    if opened:
        table = table_of(VMTemplate)
        session.execute(table.update().where(table.c.id == template_id).values(opened))


def ready_with(session: Session, image_id: int) -> list[tuple[int, int]]:
    """Templates that waited for an image are there from now on. :return: each with its account."""
    statement = text("UPDATE vm_template SET ready = true WHERE image_id = :i AND NOT ready RETURNING id, account_id")
    return [(row.id, row.account_id) for row in session.execute(statement, {"i": image_id})]


def close_vm_template(session: Session, template_id: int) -> None:
    close_row(session, VMTemplate, template_id)


def close_vm_templates_of(session: Session, account_id: int) -> list[int]:
    """An account's. :return: which these were."""
    statement = text(
        "UPDATE vm_template SET deleted_at = clock_timestamp(), version = version + 1"
        " WHERE account_id = :id AND deleted_at IS NULL RETURNING id"
    )
    return list(session.scalars(statement, {"id": account_id}))


def note_made_by(session: Session, vm_ids: Collection[int], template_id: int, traits: Collection[str]) -> None:
    """New VMs were made by a template, which asks for traits of their nodes beside their size."""
    session.execute(
        text(
            "UPDATE vm SET vm_template_id = :template_id,"
            " traits = ARRAY(SELECT DISTINCT unnest(traits || CAST(:traits AS text[])) ORDER BY 1)"
            " WHERE id = ANY(:ids)"
        ),
        {"ids": list(vm_ids), "template_id": template_id, "traits": sorted(traits)},
    )


def made_by(session: Session, vm_id: int) -> int | None:
    """The template that a VM was made by, where it is there still."""
    statement = f"SELECT t.id FROM vm v JOIN vm_template t ON t.id = v.vm_template_id WHERE v.id = :id AND {LIVE}"
    found = session.scalar(text(statement), {"id": vm_id})
    return None if found is None else int(found)
