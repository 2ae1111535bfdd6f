"""
Authorization on VMs, images, networks, VM templates and their operations. Sharing them is ``acl.py``'s.

What is absent, has ended or is not shared with the caller is not found, all three alike; what they see and may not do
is ``AccessNeeded``. An object's own account costs no query of grants. A VM or image that has ended is its account's
alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from cm.rpc.caller import Identity
from cm.rpc.errors import ObjectNotFound, VersionChanged, WrongImageState
from cm.rpc.vocabulary import ImageAccess, ImageKind, ImageState
from cm.rules.access import NEEDS, RANK, AccessNeeded, Action, Level, Person, Shared, enough, highest, level_of
from cm.rules.operation import SPECS, ObjectKind
from cm.store import access as store
from cm.store.change import record_change
from cm.store.disk import DiskFacts, find_disk, levels_through_vms
from cm.store.image import ImageRow, UsableImage, find_image, find_usable
from cm.store.network import NetworkRow, get_network
from cm.store.operation import OperationRow
from cm.store.vm import VMRow, find_vm
from cm.store.vm_template import VMTemplateRow, find_vm_template

# Who asks: None is an administrator, for whom access is no question.
Who = Person | None


def person_of(identity: Identity) -> Person:
    return Person(identity.account_id, identity.issuer, identity.groups)


def level_on(
    session: Session, who: Who, kind: Shared, object_id: int, account_id: int, *, live: bool, public: bool = False
) -> Level | None:
    """
    :param account_id: whose the object is.
    :param live: whether what was granted on it still counts.
    """
    if who is None or who.account_id == account_id:
        return Level.OWNER
    return level_of(who, account_id, store.grants_for(session, who, kind, object_id), public) if live else None


def require(level: Level | None, kind: Shared, object_id: int, needs: Level) -> None:
    """
    :raises ObjectNotFound: no level at all.
    :raises AccessNeeded: a lower one.
    """
    if level is None:
        raise ObjectNotFound(kind.value, object_id)
    if not enough(level, needs):
        raise AccessNeeded(kind, object_id, needs)


def authorized_vm(
    session: Session, who: Who, vm_id: int, action: Action, *, lock: bool = False, version: int | None = None
) -> VMRow:
    """
    A VM that somebody may do this with.

    :param lock: hold its row until the transaction ends; what is revoked meanwhile waits for that.
    :raises ObjectNotFound: AccessNeeded: as ``require``.
    :raises VersionChanged: it is not at ``version``.
    """
    row = find_vm(session, vm_id, lock=lock)
    if row is None:
        raise ObjectNotFound("vm", vm_id)
    level = level_on(session, who, Shared.VM, vm_id, row.account_id, live=row.closed_at is None)
    require(level, Shared.VM, vm_id, NEEDS[Shared.VM, action])
    if version is not None and row.version != version:
        raise VersionChanged("vm", vm_id, row.version, version)
    return row


def level_on_image(session: Session, who: Who, row: ImageRow) -> Level | None:
    """Others see a public image once it can be used, and what was granted to them until it is deleted."""
    public = row.access == ImageAccess.PUBLIC and row.state is ImageState.OK
    live = row.state is not ImageState.DELETED
    return level_on(session, who, Shared.IMAGE, row.id, row.account_id, live=live, public=public)


def authorized_image(
    session: Session,
    who: Who,
    image_id: int,
    action: Action,
    *,
    kinds: Sequence[ImageKind] | None = None,
    lock: bool = False,
    version: int | None = None,
) -> ImageRow:
    """
    An image that somebody may do this with; ``kinds`` as ``authorized_vm`` else.

    :raises ObjectNotFound: also when it is of another kind.
    """
    row = find_image(session, image_id, lock=lock)
    if row is None or (kinds is not None and row.kind not in kinds):
        raise ObjectNotFound("image", image_id)
    require(level_on_image(session, who, row), Shared.IMAGE, image_id, NEEDS[Shared.IMAGE, action])
    if version is not None and row.version != version:
        raise VersionChanged("image", image_id, row.version, version)
    return row


def usable_image(session: Session, image_id: int, who: Person | int, kinds: Sequence[ImageKind]) -> UsableImage:
    """
    An image that somebody may use now. It cannot be deleted, nor its storage be detached, until the transaction ends.

    :param who: an account's id is as good for one without groups.
    :raises ObjectNotFound: WrongImageState: as ``require_usable``.
    """
    return require_usable(session, image_id, find_usable(session, image_id), who, kinds)


def require_usable(
    session: Session, image_id: int, found: UsableImage | None, who: Person | int, kinds: Sequence[ImageKind]
) -> UsableImage:
    """
    An image that was found, if somebody may use it now.

    :raises ObjectNotFound: absent, of another kind, or not shared with them.
    :raises WrongImageState: not ready, or its storage is locked.
    """
    person = Person(who) if isinstance(who, int) else who
    if found is None or found.kind not in kinds:
        raise ObjectNotFound("image", image_id)
    if found.account_id != person.account_id and found.access is not ImageAccess.PUBLIC:
        live = found.state is not ImageState.DELETED
        grants = store.grants_for(session, person, Shared.IMAGE, image_id) if live else ()
        require(level_of(person, found.account_id, grants), Shared.IMAGE, image_id, NEEDS[Shared.IMAGE, Action.USE])
    if found.state is not ImageState.OK:
        raise WrongImageState(image_id, found.state, "ok")
    if found.storage_locked:
        raise WrongImageState(image_id, "on a locked storage", "an unlocked storage")
    return found


def authorized_disk(
    session: Session, who: Who, disk_id: int, action: Action, *, lock: bool = False, version: int | None = None
) -> DiskFacts:
    """
    A disk that somebody may do this with; what an action needs is as of images. A VM's own disk goes by the level on
    the VM; of others that a VM has, whoever sees the VM is a user.

    :param lock: as ``find_disk``.
    :raises ObjectNotFound: absent, or not shared with them.
    :raises AccessNeeded: names the entry or the VM by which they see it.
    :raises VersionChanged: it is not at ``version``.
    """
    row = find_disk(session, disk_id, lock=lock)
    if row is None:
        raise ObjectNotFound("disk", disk_id)
    if who is not None and who.account_id != row.account_id:
        levels: dict[tuple[Shared, int], Level | None] = {}
        image = None if row.image_id is None else find_image(session, row.image_id)
        if image is not None:
            levels[Shared.IMAGE, image.id] = level_on_image(session, who, image)
        if not enough(highest(filter(None, levels.values())), NEEDS[Shared.IMAGE, action]):
            levels |= {(Shared.VM, vm_id): level for vm_id, level in levels_through_vms(session, who, disk_id)}
        held = {about: level for about, level in levels.items() if level is not None}
        if not held:
            raise ObjectNotFound("disk", disk_id)
        about = max(held, key=lambda each: RANK[held[each]])
        require(held[about], about[0], about[1], NEEDS[Shared.IMAGE, action])
    if version is not None and row.version != version:
        raise VersionChanged("disk", disk_id, row.version, version)
    return row


def authorized_network(
    session: Session, who: Who, network_id: int, action: Action, *, lock: bool = False, version: int | None = None
) -> NetworkRow:
    """
    A user's network that somebody may do this with. Those that are everybody's are nobody's to share or change here.

    :param lock: hold its row until the transaction ends.
    :raises ObjectNotFound: AccessNeeded: as ``require``; or it is everybody's.
    :raises VersionChanged: it is not at ``version``.
    """
    row = get_network(session, network_id, lock=lock)
    if row.account_id is None:
        raise ObjectNotFound("network", network_id)
    level = level_on(session, who, Shared.NETWORK, network_id, row.account_id, live=True)
    require(level, Shared.NETWORK, network_id, NEEDS[Shared.NETWORK, action])
    if version is not None and row.version != version:
        raise VersionChanged("network", network_id, row.version, version)
    return row


def authorized_vm_template(
    session: Session, who: Who, template_id: int, action: Action, *, lock: bool = False, version: int | None = None
) -> VMTemplateRow:
    """
    A VM template that somebody may do this with.

    :param lock: hold its row until the transaction ends.
    :raises ObjectNotFound: AccessNeeded: as ``require``.
    :raises VersionChanged: it is not at ``version``.
    """
    row = find_vm_template(session, template_id, lock=lock)
    if row is None:
        raise ObjectNotFound("vm_template", template_id)
    level = level_on(session, who, Shared.VM_TEMPLATE, template_id, row.account_id, live=True)
    require(level, Shared.VM_TEMPLATE, template_id, NEEDS[Shared.VM_TEMPLATE, action])
    if version is not None and row.version != version:
        raise VersionChanged("vm_template", template_id, row.version, version)
    return row


# ------------------------------------------------------------------ operations


def _object_of(op: OperationRow) -> tuple[Shared, int] | None:
    if op.vm_id is not None:
        return Shared.VM, op.vm_id
    image_id = op.find(ObjectKind.IMAGE)
    return None if image_id is None else (Shared.IMAGE, image_id)


def authorize_operation(session: Session, who: Who, op: OperationRow, *, change: bool) -> None:
    """
    An operation is there for those who see its VM or image; retrying it or giving it up needs what asking for it does.
    Whoever asked also sees it once that VM or image has ended, or without one.

    :raises ObjectNotFound: AccessNeeded: as ``require``; the latter names the VM or image.
    """
    if who is None:
        return
    asked = op.account_id == who.account_id
    about = _object_of(op)
    if about is None:
        if not asked:
            raise ObjectNotFound("operation", op.id)
        return
    kind, object_id = about
    found = store.standing_of(session, kind, object_id)
    level = level_on(session, who, kind, object_id, found.account_id, live=found.live, public=found.public)
    if level is None and (found.live or not asked):
        raise ObjectNotFound("operation", op.id)
    action = SPECS[op.kind].action
    assert action is not None, "what is of a VM or an image says so"
    if change and not enough(level, NEEDS[kind, action]):
        raise AccessNeeded(kind, object_id, NEEDS[kind, action])


def visible_operations(session: Session, who: Person, ops: Sequence[OperationRow]) -> list[OperationRow]:
    """Of operations that somebody asked for, those that they still see."""
    seen = {
        kind: store.seen_or_ended(session, who, kind, {a[1] for a in map(_object_of, ops) if a and a[0] is kind})
        for kind in Shared
    }
    return [op for op in ops if (about := _object_of(op)) is None or about[1] in seen[about[0]]]


# ------------------------------------------------------------------ groups


def drop_groups(session: Session, issuer: str, groups: Sequence[int]) -> int:
    """
    Groups of a cloud manager are no more: what they were granted ends.

    :return: how many objects that concerned.
    """
    concerned = store.drop_groups(session, issuer, groups)
    for (kind, object_id), account_id in concerned:
        record_change(session, kind, object_id, account_id)
    return len(concerned)
