"""Use cases of images that are copied: for whoever may use one, or by administrators for somebody else."""

from __future__ import annotations

from cm.results.disk import DiskCopyWork
from cm.rpc.errors import WrongImageState, refuse
from cm.rpc.vocabulary import ImageKind, ImageState
from cm.rules import image as rules
from cm.rules.disk import copying
from cm.rules.operation import ObjectKind, OperationKind
from cm.services.access import Who, authorized_image, person_of
from cm.services.context import ClusterCall
from cm.services.disk_bytes import copy_of, make_copy, subject_of
from cm.store.account import get_account
from cm.store.disk import find_disk_of_image
from cm.store.disk_bytes import copy_facts, volume_of_image
from cm.store.image import ImageRow, get_image
from cm.store.operation import open_operation
from cm.store.standing import image_standing


def copy_to(
    caller: ClusterCall,
    image_id: int,
    user_id: int,
    name: str | None,
    description: str | None,
    storage_id: int | None,
) -> DiskCopyWork:
    """
    An administrator's copy of an image of any kind to a user, private. It has what the image says of itself, but for
    its family: whoever creates VMs by that goes on getting the one that the family means.

    :param name: None: the image's, as of ``description``.
    :param storage_id: where it is to lie; None: beside the image.
    :raises ObjectNotFound: there is no such image, user or storage.
    :raises WrongImageState: it is not ok, or an operation of it is under way.
    :raises WrongVMState: it is a disk, and its VM runs.
    :raises QuotaReached: StorageFull: it does not fit the user's quota, or the storage.
    :raises StoragesApart: StorageUnreached: no node has both storages, or none that has answers.
    """
    session = caller.session
    row = get_image(session, image_id, lock=True, version=caller.if_version)
    refuse(rules.copying(image_standing(session, row.id)))
    get_account(session, user_id)
    name = name or row.name
    if row.kind is ImageKind.STORAGE:
        answer = _disk(caller, row, user_id, name, storage_id)
    else:
        answer = _image(caller, row, None, user_id, name, storage_id)
    return _told(caller, row, answer, user_id, description)


def copy_own(
    caller: ClusterCall, image_id: int, name: str, description: str | None, storage_id: int | None
) -> DiskCopyWork:
    """
    The caller's own copy of a system image that they may use, as of ``copy_to``.

    :raises ObjectNotFound: there is no such image that they see, or no such storage.
    :raises WrongImageState: it is not ok, or an operation of it is under way.
    :raises QuotaReached: StorageFull: it does not fit their quota, or the storage.
    :raises StoragesApart: StorageUnreached: no node has both storages, or none that has answers.
    """
    who = person_of(caller.identity)
    row = authorized_image(
        caller.session, who, image_id, caller.action("image_id"), kinds=(ImageKind.SYSTEM,), lock=True,
        version=caller.if_version,
    )  # fmt: skip
    refuse(rules.copying(image_standing(caller.session, row.id)))
    answer = _image(caller, row, who, caller.account_id, name, storage_id)
    return _told(caller, row, answer, caller.account_id, description)


def _told(
    caller: ClusterCall, row: ImageRow, answer: DiskCopyWork, user_id: int, description: str | None
) -> DiskCopyWork:
    copy_facts(caller.session, answer["image_id"], row.id, description)
    caller.note("copy image", image_id=row.id, user_id=user_id)
    return answer


def _disk(caller: ClusterCall, row: ImageRow, user_id: int, name: str, storage_id: int | None) -> DiskCopyWork:
    """Of what guests write to: its disk is held meanwhile, and the VM that has it."""
    disk_id = find_disk_of_image(caller.session, row.id)
    if disk_id is None:
        raise WrongImageState(row.id, ImageState.DELETED, ImageState.OK)
    subject = subject_of(caller, disk_id, None, copying, versioned=False)
    return copy_of(caller, subject, name, "", storage_id, None, row.kind, None, account_id=user_id)


def _image(
    caller: ClusterCall, row: ImageRow, who: Who, user_id: int, name: str, storage_id: int | None
) -> DiskCopyWork:
    """Of what nobody writes to: VMs may be made from it, or read it. The copy stands on it until it is whole."""
    session = caller.session
    volume, values = volume_of_image(session, row.id), {"name": name, "description": ""}
    image_id, disk_id = make_copy(caller, volume, storage_id, who, row.kind, user_id, values)
    operation_id = open_operation(
        session,
        OperationKind.DISK_COPY,
        account_id=caller.account_id or None,
        objects={ObjectKind.VM: [], ObjectKind.IMAGE: [image_id], ObjectKind.DISK: []},
        arguments={"image_id": row.id},
        cause=caller.cause,
    )
    caller.note("operation", kind=OperationKind.DISK_COPY, image_id=image_id)
    return {"disk_id": disk_id, "image_id": image_id, "operation_id": operation_id}
