"""
What readers of the change feed are told of its rows, which ``change.py`` writes.

Whom a change concerns and what its object looks like is found out when it is read, for a page of changes at a time:
readers see the object as it is by then, as its views show it (``rendered.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy.orm import Session

from cm.runtime.feed import FINAL, FeedRow, Position
from cm.runtime.prepared import Prepared
from cm.store.access import Audience, audience
from cm.store.account import render_accounts
from cm.store.change_request import render_change_requests
from cm.store.disk import render_disks
from cm.store.expiry import render_expiries
from cm.store.farm import render_farms
from cm.store.image import render_images
from cm.store.job import render_jobs
from cm.store.managed import render_managed
from cm.store.message import render_messages
from cm.store.network import render_networks
from cm.store.node import render_nodes
from cm.store.public_address import render_public_addresses
from cm.store.rendered import Render, Rendered
from cm.store.security_group import render_security_groups
from cm.store.storage import render_storages
from cm.store.template import render_templates
from cm.store.transfer import render_transfers
from cm.store.vm import feed_vms
from cm.store.vm_template import render_vm_templates

_PAGE = Prepared(
    "read_changes",
    f"SELECT xid, id, at, account_id, kind, object_id, event FROM change WHERE {FINAL} ORDER BY xid, id LIMIT :limit",
)

_READ: Final[Mapping[str, Render]] = {
    "vm": feed_vms,
    "image": render_images,
    "disk": render_disks,
    "template": render_templates,
    "expiry": render_expiries,
    "user": render_accounts,
    "message": render_messages,
    "node": render_nodes,
    "storage": render_storages,
    "network": render_networks,
    "security_group": render_security_groups,
    "public_address": render_public_addresses,
    "vm_template": render_vm_templates,
    "farm": render_farms,
    "job": render_jobs,
    "transfer": render_transfers,
    "change_request": render_change_requests,
    **dict.fromkeys(("managed_node", "managed_domain", "managed_pool", "managed_volume"), render_managed),
}
_EXTERNAL: Final = Prepared(
    "feed_external",
    "SELECT id, origin, external_id FROM account WHERE id = ANY(:ids) AND external_id IS NOT NULL",
)


_PUBLIC: Final = frozenset({"template"})
_SHARED: Final = frozenset({"vm", "image", "disk", "network", "expiry", "vm_template"})
_NOBODY: Final = Audience(None, frozenset(), {}, False)


_UNKNOWN: Final = Rendered()


def read_changes(session: Session, after: Position, limit: int) -> Sequence[FeedRow]:
    """Changes after a position that nothing can precede any more, with whom they concern."""
    changes = _PAGE(session, xid=after[0], id=after[1], limit=limit).all()
    if not changes:
        return []
    ids: dict[str, set[int]] = {}
    for change in changes:
        ids.setdefault(change.kind, set()).add(change.object_id)
    objects = {kind: _READ[kind](session, list(found)) if kind in _READ else {} for kind, found in ids.items()}
    shared = [(kind, object_id) for kind in _SHARED & ids.keys() for object_id in ids[kind]]
    audiences = audience(session, shared) if shared else {}
    rows = [
        _row(
            change,
            objects[change.kind].get(change.object_id, _UNKNOWN),
            audiences.get((change.kind, change.object_id), _NOBODY),
        )
        for change in changes
    ]
    numbers = _numbers(session, {account_id for row in rows for account_id in row.users})
    if not numbers:
        return rows
    return [
        replace(row, external=frozenset(numbers[account_id] for account_id in row.users if account_id in numbers))
        for row in rows
    ]


def _row(change: Any, found: Rendered, seen_by: Audience) -> FeedRow:
    exits = change.event == "exit"
    # The end of somebody's access is written as an exit of theirs.
    personal = exits and seen_by.owner not in (None, change.account_id)
    users: set[int] = {change.account_id} if change.account_id is not None else set()
    if not personal:
        users |= seen_by.accounts
        users |= {seen_by.owner} if seen_by.owner is not None else set()
    return FeedRow(
        position=(change.xid, change.id),
        kind=change.kind,
        object_id=change.object_id,
        uuid=found.uuid,
        event=change.event,
        at=change.at,
        object=None if exits else found.json,
        users=frozenset(users),
        groups=frozenset()
        if personal
        else frozenset((issuer, group) for issuer, groups in seen_by.groups.items() for group in groups),
        public=not personal and (seen_by.public or change.kind in _PUBLIC),
        personal=personal,
    )


def _numbers(session: Session, account_ids: set[int]) -> dict[int, tuple[str, int]]:
    """Accounts of cloud managers, as those call them."""
    if not account_ids:
        return {}
    return {row.id: (row.origin, int(row.external_id)) for row in _EXTERNAL(session, ids=list(account_ids))}
