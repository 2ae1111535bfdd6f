"""
Use cases of sharing VMs, images, networks, expiry leases and VM templates: who has which level, changing it; and what
it is that a uuid names.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from sqlalchemy.orm import Session

from cm.results.access import AccessEntry, FoundObject, ObjectKind, Subject
from cm.rpc.errors import Conflict, InvalidParameter, ObjectNotFound, WrongVMState, refuse
from cm.rpc.vocabulary import ImageAccess, ImageKind
from cm.rules.access import NEEDS, Action, Grant, Level, Shared, enough, needed_to_grant
from cm.rules.image import sharing
from cm.services.access import (
    Who,
    authorized_image,
    authorized_network,
    authorized_vm,
    authorized_vm_template,
    level_on,
    level_on_image,
    person_of,
    require,
)
from cm.services.context import ClusterCall
from cm.services.expiry import authorized_expiry, level_on_expiry
from cm.store import access as store
from cm.store.account import LOCAL, login_of
from cm.store.change import record_change
from cm.store.expiry import ExpiryPolicy
from cm.store.image import ImageRow, write_access
from cm.store.network import NetworkRow
from cm.store.object import FoundLink, find_links
from cm.store.vm import VMRow
from cm.store.vm_template import VMTemplateRow

Row = VMRow | ImageRow | NetworkRow | ExpiryPolicy | VMTemplateRow


@dataclass(eq=False)
class OwnerStays(Conflict):
    code = "owner_stays"
    message = "{kind} {object_id} is {login}'s own; that level cannot be changed."
    kind: Shared
    object_id: int
    login: str


def own_groups(caller: ClusterCall, parameter: str, groups: Sequence[int]) -> str:
    """
    :return: the issuer of the caller's groups.
    :raises InvalidParameter: one of these is none of them.
    """
    identity = caller.identity
    if not identity.issuer or not set(groups) <= set(identity.groups):
        raise InvalidParameter(parameter, "it names a group that the caller is not in")
    return identity.issuer


def share_with_groups(session: Session, kind: Shared, ids: Sequence[int], issuer: str, groups: Sequence[int]) -> None:
    """Let groups see objects that are new, so that nobody has more yet and nobody was told of them."""
    for group_id in groups:
        store.write_grant(session, kind, ids, Grant(Level.USER, issuer=issuer, group_id=group_id))


def _object(caller: ClusterCall, who: Who, kind: Shared, object_id: int, *, lock: bool) -> Row:
    action = Action.SEE if who is None else caller.action("object_id")
    version = caller.if_version if lock else None
    if kind is Shared.VM:
        row = authorized_vm(caller.session, who, object_id, action, lock=lock, version=version)
        if row.closed_at is not None:
            raise WrongVMState(object_id, row.state, "a VM that is not destroyed")
        return row
    if kind is Shared.NETWORK:
        return authorized_network(caller.session, who, object_id, action, lock=lock, version=version)
    if kind is Shared.EXPIRY:
        return authorized_expiry(caller.session, who, object_id, action, lock=lock, version=version)
    if kind is Shared.VM_TEMPLATE:
        return authorized_vm_template(caller.session, who, object_id, action, lock=lock, version=version)
    image = authorized_image(caller.session, who, object_id, action, lock=lock, version=version)
    refuse(sharing(image))
    return image


def _owner(row: Row) -> int:
    assert row.account_id is not None, "everybody's networks are not shared"
    return row.account_id


def _level(session: Session, who: Who, kind: Shared, row: Row) -> Level:
    if isinstance(row, ImageRow):
        level = level_on_image(session, who, row)
    elif isinstance(row, ExpiryPolicy):
        level = level_on_expiry(session, who, row)
    else:
        live = not isinstance(row, VMRow) or row.closed_at is None
        level = level_on(session, who, kind, row.id, _owner(row), live=live)
    assert level is not None
    return level


def get_list(caller: ClusterCall, kind: Shared, object_id: int, *, administrator: bool = False) -> list[AccessEntry]:
    """
    Who has which level, the object's own account first. Users see what concerns themselves, operators see all.

    :raises ObjectNotFound: absent, ended or not shared with the caller.
    """
    session = caller.session
    person = person_of(caller.identity)
    who = None if administrator else person
    row = _object(caller, who, kind, object_id, lock=False)
    entries = store.list_grants(session, kind, object_id)
    if not enough(_level(session, who, kind, row), NEEDS[kind, Action.GRANT]):
        return [_entry(entry) for entry in entries if entry.grant.is_for(person)]
    whose = _owner(row)
    grant = Grant(Level.OWNER, account_id=whose)
    owner = store.Entry(grant, login_of(session, whose), store.number_of(session, whose))
    return [_entry(entry) for entry in (owner, *entries)]


def _entry(entry: store.Entry) -> AccessEntry:
    return {"subject": shown_subject(entry.grant, entry.login, entry.account_number), "level": entry.grant.level}


def shown_subject(grant: Grant, login: str | None, account_number: str | None) -> Subject:
    """Whom a grant is for, as it is told."""
    if grant.group_id is not None:
        return {"group_id": grant.group_id, "issuer": grant.issuer or ""}
    if grant.account_id is None:
        return {}
    number = account_number or str(grant.account_id)
    return {"user_id": grant.account_id, "login": login or "", "account_number": number}


def set_level(
    caller: ClusterCall,
    kind: Shared,
    object_id: int,
    level: Level | None,
    *,
    login: str | None,
    group_id: int | None,
    account_number: str | None = None,
    administrator: bool = False,
    issuer: str | None = None,
) -> None:
    """
    Change what an account or a group may do with an object; None takes it back.

    :param account_number: of an account, in place of its login.
    :param issuer: whose login or group it is; without it the caller's own cloud manager, or this cluster.
    :raises ObjectNotFound: no such object; or no account of this login, which has not come here yet.
    :raises AccessNeeded: the caller does not hold the level above those that are given and taken.
    :raises OwnerStays: the object is that account's own.
    :raises InvalidParameter: neither an account nor a group, or both; a group of which the caller is not.
    """
    session = caller.session
    who = None if administrator else person_of(caller.identity)
    # Under the object's lock: whoever deletes it at this moment comes before or after, and one grants at a time.
    row = _object(caller, who, kind, object_id, lock=True)
    held = _level(session, who, kind, row)
    require(held, kind, object_id, needed_to_grant(None, level))
    of = issuer or caller.identity.issuer
    subject = subject_of(caller, login, group_id, account_number, of, administrator=administrator)
    if subject.account_id is not None and subject.account_id == row.account_id:
        raise OwnerStays(kind, object_id, login_of(session, subject.account_id) or "")
    was = store.find_level(session, kind, object_id, subject)
    require(held, kind, object_id, needed_to_grant(was, level))
    caller.note("set access", kind=kind, object_id=object_id, login=login, group_id=group_id, was=was, level=level)
    if was == level:
        return
    if level is not None:
        grant = Grant(level, subject.account_id, subject.issuer, subject.group_id)
        store.write_grant(session, kind, [object_id], grant)
    else:
        store.delete_grant(session, kind, object_id, subject)
        public = isinstance(row, ImageRow) and row.access == ImageAccess.PUBLIC
        public |= isinstance(row, ExpiryPolicy) and row.open
        if subject.account_id is not None and not public:
            # Before the change itself: should they see it by a group as well, that brings it back. Who was in a group
            # is not known here; they find out when they ask.
            record_change(session, kind.value, object_id, subject.account_id, "exit")
    record_change(session, kind.value, object_id, row.account_id)


def subject_of(
    caller: ClusterCall,
    login: str | None,
    group_id: int | None,
    number: str | None,
    issuer: str,
    *,
    administrator: bool,
) -> Grant:
    """
    Whom a grant is for, as one of level user.

    :raises ObjectNotFound: there is no such account.
    :raises InvalidParameter: neither an account nor a group, or both; a group of which the caller is not.
    """
    if sum(each is not None for each in (login, group_id, number)) != 1:
        raise InvalidParameter("login", "give either a login or a group_id, or an account_number")
    if group_id is not None:
        if not administrator:
            issuer = own_groups(caller, "group_id", [group_id])
        if not issuer:
            raise InvalidParameter("issuer", "a group is a cloud manager's: say whose")
        return Grant(Level.USER, issuer=issuer, group_id=group_id)
    if number is not None:
        account_id = store.find_account_numbered(caller.session, issuer or LOCAL, str(int(number)))
        if account_id is None:
            raise ObjectNotFound("user", number)
        return Grant(Level.USER, account_id=account_id)
    assert login is not None
    found = store.find_accounts(caller.session, issuer or LOCAL, login)
    if not found:
        raise ObjectNotFound("user", login)
    if len(found) > 1:
        raise InvalidParameter("login", "it is that of several accounts until their cloud manager has told us more")
    return Grant(Level.USER, account_id=found[0])


def share_image(caller: ClusterCall, image_id: int, kinds: Sequence[ImageKind], group_id: int | None) -> None:
    """
    CC1's access "group" and "private": an image is not public any more. One more group gets to use it, or all groups
    lose it; what single accounts were granted stays.

    :raises InvalidParameter: a group of which the caller is not.
    """
    session = caller.session
    who = person_of(caller.identity)
    version = caller.if_version
    row = authorized_image(session, who, image_id, caller.action("image_id"), kinds=kinds, lock=True, version=version)
    refuse(sharing(row))
    if group_id is None:
        store.delete_group_grants(session, Shared.IMAGE, image_id)
    else:
        grant = Grant(Level.USER, issuer=own_groups(caller, "group_id", [group_id]), group_id=group_id)
        if store.find_level(session, Shared.IMAGE, image_id, grant) is None:
            store.write_grant(session, Shared.IMAGE, [image_id], grant)
    write_access(session, image_id, ImageAccess.PRIVATE)
    record_change(session, "image", image_id, row.account_id)
    caller.note("share", image_id=image_id, access="private" if group_id is None else "group", group_id=group_id)


# ------------------------------------------------------------------ uuids


def find_objects(caller: ClusterCall, uuids: Sequence[str], *, administrator: bool = False) -> list[FoundObject]:
    """
    Kind and id of the objects of these uuids, in their order, as far as the caller sees them; others are left out.

    :raises InvalidParameter: one is no uuid.
    """
    keys: dict[uuid.UUID, str] = {}
    for given in uuids:
        try:
            keys.setdefault(uuid.UUID(given), given)
        except ValueError:
            raise InvalidParameter("uuids", "one of them is no uuid") from None
    found = store.find_objects(caller.session, None if administrator else person_of(caller.identity), list(keys))
    others = [key for key in keys if key not in found]
    links = find_links(caller.session, None if administrator else person_of(caller.identity), others) if others else {}
    shown: list[FoundObject] = []
    for key in keys:
        if key in found:
            kind, object_id = found[key]
            shown.append({"uuid": keys[key], "kind": cast(ObjectKind, kind), "id": object_id})
        elif key in links:
            shown.append(_link(keys[key], links[key]))
    return shown


def _link(given: str, link: FoundLink) -> FoundObject:
    if link.vm_id is not None:
        told = {"uuid": given, "kind": "attachment", "id": link.object_id}
        return cast(FoundObject, {**told, "disk_id": link.object_id, "vm_id": link.vm_id})
    told = {"uuid": given, "kind": "storage_attachment", "id": link.object_id}
    return cast(FoundObject, {**told, "storage_id": link.object_id, "node_id": link.node_id})
