"""
What may be asked of disks, snapshots and images as they are now, and why not the rest: the error that the call itself
would give. Of VMs ``allowed.py`` tells.

Told is what hangs on who asks, and what the rules of the noun say, which the calls themselves go by
(``cm/rules/disk.py``, ``snapshot.py``, ``image.py``). What else a call may be refused for (its parameters, quota, room,
a storage that nobody reaches) it says itself; a dry run tells that, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, TypeVar, cast

from cm.results.offer import DiskOffers, ImageOffers, Offer, SnapshotOffers
from cm.rpc.errors import CloudError, ObjectNotFound, WrongDiskState
from cm.rpc.vocabulary import ImageKind
from cm.rules import disk as disks
from cm.rules import image as images
from cm.rules import snapshot as snapshots
from cm.rules.access import Action
from cm.rules.disk import DiskStanding
from cm.rules.image import ImageStanding
from cm.rules.operation import OperationKind
from cm.rules.snapshot import SnapshotStanding
from cm.services.access import Who, authorized_disk, authorized_image, authorized_vm, person_of
from cm.services.context import ClusterCall
from cm.store.image import ImageRow
from cm.store.snapshot import find_snapshot, taken_together
from cm.store.standing import disk_standing, image_standing, snapshot_standing

S = TypeVar("S")


@dataclass(frozen=True)
class Call(Generic[S]):
    """
    :ivar view: that asks for it.
    :ivar kind: the operation that it opens; None: it is done at once.
    :ivar rule: what refuses it.
    """

    view: str
    action: Action
    rule: Callable[[S], CloudError | None]
    kind: OperationKind | None = None


def never(_: object) -> None:
    """What nothing but the level refuses."""


_A, _K = Action, OperationKind
DISK_CALLS: Final[tuple[Call[DiskStanding], ...]] = (
    Call("user.disk.edit", _A.EDIT, disks.editing),
    Call("user.disk.attach", _A.USE, disks.attaching, _K.DISK_ATTACH),
    Call("user.disk.grow", _A.EDIT, disks.growing, _K.DISK_GROW),
    Call("user.disk.copy", _A.EDIT, disks.copying, _K.DISK_COPY),
    Call("user.disk.move", _A.EDIT, disks.moving, _K.DISK_MOVE),
    Call("user.disk.to_image", _A.EDIT, disks.copying, _K.DISK_COPY),
    Call("user.disk.create_download", _A.DELETE, disks.reading),
    Call("user.disk.delete", _A.DELETE, disks.trashing),
    Call("user.disk.restore", _A.DELETE, disks.restoring),
    Call("user.disk.purge", _A.DELETE, disks.purging, _K.IMAGE_DELETE),
)
SNAPSHOT_CALLS: Final[tuple[Call[Sequence[SnapshotStanding]], ...]] = (
    Call("user.snapshot.revert", _A.SNAPSHOT, snapshots.reverting, _K.SNAPSHOT_REVERT),
    Call("user.snapshot.delete", _A.SNAPSHOT, snapshots.deleting, _K.SNAPSHOT_DELETE),
)
# Of one alone, whatever was taken together with it.
COPY_CALLS: Final[tuple[Call[SnapshotStanding], ...]] = (
    Call("user.snapshot.edit", _A.EDIT, never),
    Call("user.snapshot.create_disk", _A.EDIT, snapshots.copying, _K.DISK_COPY),
    Call("user.snapshot.to_image", _A.EDIT, snapshots.copying, _K.DISK_COPY),
)
IMAGE_CALLS: Final[tuple[Call[ImageStanding], ...]] = (
    Call("user.system_image.edit", _A.EDIT, images.editing),
    Call("user.system_image.set_group", _A.SHARE, images.sharing),
    Call("user.system_image.set_private", _A.SHARE, images.sharing),
    Call("user.system_image.create_download", _A.USE, images.reading),
    Call("user.system_image.copy", _A.USE, images.copying, _K.DISK_COPY),
    Call("user.system_image.convert_to_storage_image", _A.DELETE, images.converting),
    Call("user.acl.set", _A.GRANT, images.sharing),
    Call("user.system_image.delete", _A.DELETE, images.deleting, _K.IMAGE_DELETE),
)


def offer(view: str, kind: OperationKind | None, refused: CloudError | None) -> Offer:
    told: Offer = {"call": view, "kind": kind, "allowed": refused is None, "reason": None}
    if refused is not None:
        told["reason"] = {"slug": refused.code, "message": str(refused), "fields": refused.details()}
    return told


def for_each(name: str, ids: Sequence[int], of: Callable[[int], list[Offer]]) -> list[Any]:
    """
    An entry for each object; one that the caller does not see has the error instead.

    :param name: of the member with the object's id.
    """
    answers: list[dict[str, Any]] = []
    for object_id in ids:
        try:
            answers.append({"status": "ok", name: object_id, "operations": of(object_id)})
        except CloudError as error:
            told = {"message": str(error), "fields": error.details()}
            answers.append({"status": error.code, name: object_id, **told})
    return answers


def _refusal(check: Callable[[], object]) -> CloudError | None:
    try:
        check()
    except CloudError as error:
        return error
    return None


def _levels(calls: Iterable[Call[Any]], check: Callable[[Action], object]) -> dict[Action, CloudError | None]:
    """What the caller's level refuses, by what is done."""
    return {action: _refusal(partial(check, action)) for action in {call.action for call in calls}}


# ------------------------------------------------------------------ disks


def of_disks(caller: ClusterCall, disk_ids: Sequence[int]) -> list[DiskOffers]:
    return cast(list[DiskOffers], for_each("disk_id", disk_ids, partial(_of_disk, caller)))


def _of_disk(caller: ClusterCall, disk_id: int) -> list[Offer]:
    """:raises ObjectNotFound: absent, or not shared with the caller."""
    session, who = caller.session, person_of(caller.identity)
    authorized_disk(session, who, disk_id, caller.action("disk_ids"))
    disk = disk_standing(session, disk_id)
    calls = (*DISK_CALLS, _snapshot_call(caller.policy.snapshots_per_disk))
    levels = _levels(calls, lambda action: authorized_disk(session, who, disk_id, action))
    told = [offer(call.view, call.kind, levels[call.action] or call.rule(disk)) for call in calls]
    return [*told, offer("user.disk.detach", OperationKind.DISK_DETACH, _detached(caller, who, disk))]


def _snapshot_call(limit: int) -> Call[DiskStanding]:
    rule = partial(disks.snapshotting, limit=limit)
    return Call("user.disk.create_snapshot", Action.SNAPSHOT, rule, OperationKind.SNAPSHOT_CREATE)


def _detached(caller: ClusterCall, who: Who, disk: DiskStanding) -> CloudError | None:
    """Nothing where one of the VMs lets go of it; else what the first says."""
    reasons: list[CloudError] = []
    for vm in disk.having:
        seen = _refusal(partial(authorized_vm, caller.session, who, vm.vm_id, Action.ATTACH))
        refused = seen or disks.detaching(disk, vm.vm_id)
        if refused is None:
            return None
        reasons.append(refused)
    return reasons[0] if reasons else WrongDiskState(disk.id, "attached to no VM", "a disk that a VM has")


# ------------------------------------------------------------------ snapshots


def of_snapshots(caller: ClusterCall, snapshot_ids: Sequence[int]) -> list[SnapshotOffers]:
    """What was taken together is taken back and deleted together: so it is told of, and not as of one ``alone``."""
    return cast(list[SnapshotOffers], for_each("snapshot_id", snapshot_ids, partial(_of_snapshot, caller)))


def _of_snapshot(caller: ClusterCall, snapshot_id: int) -> list[Offer]:
    """:raises ObjectNotFound: absent, or of a disk that is not shared with the caller."""
    session, who = caller.session, person_of(caller.identity)
    disk_id = find_snapshot(session, snapshot_id)
    if disk_id is None:
        raise ObjectNotFound("snapshot", snapshot_id)
    authorized_disk(session, who, disk_id, caller.action("snapshot_ids"))
    together = snapshot_standing(session, taken_together(session, snapshot_id))
    (alone,) = (each for each in together if each.id == snapshot_id)

    def of_all(action: Action) -> None:
        for each in together:
            authorized_disk(session, who, each.disk.id, action)

    levels = _levels(SNAPSHOT_CALLS, of_all)
    own = _levels(COPY_CALLS, lambda action: authorized_disk(session, who, disk_id, action))
    return [
        *(offer(call.view, call.kind, levels[call.action] or call.rule(together)) for call in SNAPSHOT_CALLS),
        *(offer(call.view, call.kind, own[call.action] or call.rule(alone)) for call in COPY_CALLS),
    ]


# ------------------------------------------------------------------ images


def of_images(caller: ClusterCall, image_ids: Sequence[int]) -> list[ImageOffers]:
    """Of system images."""
    return cast(list[ImageOffers], for_each("image_id", image_ids, partial(_of_image, caller)))


def _of_image(caller: ClusterCall, image_id: int) -> list[Offer]:
    """:raises ObjectNotFound: absent, of another kind, or not shared with the caller."""
    session, who = caller.session, person_of(caller.identity)

    def check(action: Action) -> ImageRow:
        return authorized_image(session, who, image_id, action, kinds=(ImageKind.SYSTEM,))

    check(caller.action("image_ids"))
    image = image_standing(session, image_id)
    levels = _levels(IMAGE_CALLS, check)
    return [offer(call.view, call.kind, levels[call.action] or call.rule(image)) for call in IMAGE_CALLS]
