"""
The image cache: a disk on a node's own storage is made from a copy of its image there, which comes with the first VM
that needs it, or by ``prefetch``, and goes when nothing is made from it and its room is needed, or when its image is
deleted or becomes a disk.

One ``image_cache`` at a time brings a copy or removes it, and at its end, whichever it was, decides by what is wanted
then (``settled``): so nobody has to stop anybody.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from cm.results.image import CachedImageWork
from cm.rpc.errors import CloudError, Conflict, InUse, Overloaded, WrongImageState
from cm.rpc.vocabulary import CachedState, CauseKind, ImageKind, ImageState
from cm.rules.cause import Cause
from cm.rules.names import cached_volume
from cm.rules.operation import ObjectKind, OperationKind
from cm.runtime.database import Faster
from cm.services.context import ClusterCall
from cm.store.cached_image import (
    Copy,
    Present,
    caching_nodes,
    copies_of,
    copies_on_node,
    delete_copy,
    find_copy,
    find_present,
    insert_copy,
    own_storage_of,
    require_copy,
    set_copy,
    spare_copies,
    touch,
)
from cm.store.claim import claim_storage
from cm.store.image import get_image
from cm.store.node import get_node
from cm.store.operation import open_operation
from cm.store.operation_change import abandon
from cm.store.operation_object import find_holder
from cm.store.waking import wake

TURN: Final = "image_copies"  # who waits for fewer of them awaits this, with number 0
CACHE_S: Final = 7200.0  # added to the deadline of a launch that waits for a copy


@dataclass(eq=False)
class StorageOfNode(Conflict):
    code = "storage_of_node"
    message = "Storage {storage_id} is node {node_id}'s own."
    storage_id: int
    node_id: int | None


@dataclass(eq=False)
class NoOwnStorage(Conflict):
    code = "no_own_storage"
    message = "Node {node_id} has no storage of its own that is attached and not locked."
    node_id: int


def bring(
    session: Session, image_id: int, storage_id: int, node_id: int, *, account_id: int | None, cause: Cause
) -> tuple[Present, int]:
    """
    Have a copy of an image be on a node's own storage, or come there. The image is held by the caller.

    :return: the copy, and the bytes that are still to be claimed for it of the storage.
    :raises Faster: somebody else asked for it just now.
    """
    present, more = find_present(session, image_id, storage_id), 0
    if present is None:
        image = get_image(session, image_id)
        volume = cached_volume(image.uuid, uuid.uuid4(), str(image.format))
        present = insert_copy(session, image_id, storage_id, volume, image.format, image.size_bytes)
        if present is None:
            raise Faster(Overloaded())
        more = image.size_bytes
        _open(session, present.id, storage_id, node_id, evict=False, account_id=account_id, cause=cause)
    elif present.state is CachedState.FAILED:
        set_copy(session, present.id, CachedState.WAITING)
        _open(session, present.id, storage_id, node_id, evict=False, account_id=account_id, cause=cause)
    if present.stale:
        touch(session, present.id)
    return present, more


def _open(
    session: Session, copy_id: int, storage_id: int, node_id: int, *, evict: bool, account_id: int | None, cause: Cause
) -> int:
    return open_operation(
        session,
        OperationKind.IMAGE_CACHE,
        account_id=account_id,
        objects={ObjectKind.CACHED_IMAGE: [copy_id], ObjectKind.STORAGE: [storage_id]},
        node_id=node_id,
        arguments={"evict": evict},
        cause=cause,
    )


def begin_evicting(session: Session, copy: Copy, *, account_id: int | None, cause: Cause) -> int:
    """Nobody makes a disk from it any more; its volume goes. It is locked, and no operation on it is open."""
    set_copy(session, copy.id, CachedState.EVICTING)
    return _open(session, copy.id, copy.storage_id, copy.node_id, evict=True, account_id=account_id, cause=cause)


def settled(session: Session, copy_id: int, cause: Cause, *, made: bool | None, error: str = "") -> None:
    """
    What was done with a copy has ended: record it, tell who waits, and go on with what is wanted now.

    :param made: whether it is there as a whole; None: its volume is gone, or nobody knows whether.
    """
    copy = find_copy(session, copy_id, lock=True)
    if copy is None:
        return
    if made is not None:
        set_copy(session, copy_id, CachedState.OK if made else CachedState.FAILED, error)
        # What could not be removed just now is tried again in a while (``evict_spare``).
        tried = copy.state is CachedState.EVICTING
        if not tried and not copy.wanted and find_holder(session, ObjectKind.CACHED_IMAGE, copy_id) is None:
            begin_evicting(session, copy, account_id=None, cause=cause)
    elif copy.needed:
        set_copy(session, copy_id, CachedState.WAITING)
        _open(session, copy_id, copy.storage_id, copy.node_id, evict=False, account_id=None, cause=cause)
    else:
        delete_copy(session, copy_id)
    wake(session, ObjectKind.CACHED_IMAGE, copy_id)
    wake(session, TURN, 0)


def forget_image(session: Session, image_id: int, cause: Cause) -> None:
    """
    An image is deleted: its copies go, those that are being made as soon as that has ended. Nothing is made from them.
    """
    for copy in copies_of(session, image_id):
        held = require_copy(session, copy.id, lock=True)
        if find_holder(session, ObjectKind.CACHED_IMAGE, copy.id) is None:
            begin_evicting(session, held, account_id=None, cause=cause)


def outdate_copies(session: Session, image_id: int, cause: Cause) -> None:
    """
    What an image holds is going to be changed: its copies go. It is held by the caller, and nothing is made from them.

    :raises InUse: it is being copied just now, and would be copied as it is in part.
    """
    for copy in copies_of(session, image_id):
        held = require_copy(session, copy.id, lock=True)
        holder = find_holder(session, ObjectKind.CACHED_IMAGE, copy.id)
        if holder is None:
            begin_evicting(session, held, account_id=None, cause=cause)
        elif held.state is not CachedState.EVICTING:
            raise InUse("image", image_id, f"operation {holder.id}, which copies it to a node")


def forget_copies(session: Session, node_id: int) -> None:
    """A node is no more, and what was copied there went with it. No disk is on its own storages."""
    for copy in copies_on_node(session, node_id):
        holder = find_holder(session, ObjectKind.CACHED_IMAGE, copy.id)
        if holder is not None:
            abandon(session, holder.id)
        delete_copy(session, copy.id)


def evict_spare(session: Session, free: float) -> None:
    """Make room on nodes' own storages, of which less than a share of ``free`` is left, and remove what is no use."""
    for copy_id in spare_copies(session, free):
        evict_unused(session, copy_id)


def evict_unused(session: Session, copy_id: int, cause: Cause | None = None) -> bool:
    """
    :param cause: of the operation; None: its node was looked at.
    :return: False where it is needed now, or gone.
    """
    copy = find_copy(session, copy_id, lock=True)
    if copy is None or copy.needed or copy.state not in (CachedState.OK, CachedState.FAILED):
        return False
    begin_evicting(session, copy, account_id=None, cause=cause or Cause(CauseKind.LOOK, str(copy.node_id)))
    return True


# ------------------------------------------------------------------ what administrators ask


def prefetch(caller: ClusterCall, image_id: int, node_ids: Sequence[int] | None) -> list[CachedImageWork]:
    """
    Have nodes get an image before a VM of it is made there.

    :param node_ids: None: all that have a storage of their own; those without room are told, and left out.
    :raises ObjectNotFound: no such image or node.
    :raises WrongImageState: the image cannot be used.
    :raises NoOwnStorage: StorageFull: of a node that was named.
    """
    session = caller.session
    image = get_image(session, image_id, kinds=[ImageKind.SYSTEM], lock=True)
    if image.state is not ImageState.OK:
        raise WrongImageState(image_id, image.state, ImageState.OK)
    answers: list[CachedImageWork] = []
    for node_id in caching_nodes(session) if node_ids is None else node_ids:
        storage_id = None
        try:
            with session.begin_nested():
                get_node(session, node_id)
                storage_id = own_storage_of(session, node_id, image_id)
                if storage_id is None:
                    raise NoOwnStorage(node_id)
                present, more = bring(
                    session, image_id, storage_id, node_id, account_id=caller.account_id or None, cause=caller.cause
                )
                if more:
                    claim_storage(session, storage_id, more)
        except Faster:
            raise
        except CloudError as error:
            if node_ids is not None:
                raise
            answers.append(_answer(node_id, storage_id, error.code, None, str(error)))
            continue
        holder = find_holder(session, ObjectKind.CACHED_IMAGE, present.id)
        answers.append(_answer(node_id, storage_id, "ok", None if holder is None else holder.id))
        caller.note("cache image", image_id=image_id, node_id=node_id, storage_id=storage_id, claim_bytes=more)
    return answers


def evict(caller: ClusterCall, image_id: int, node_ids: Sequence[int] | None) -> list[CachedImageWork]:
    """
    Have nodes forget an image.

    :param node_ids: None: all that have it, but for those where disks are made from it, which are told.
    :raises ObjectNotFound: no such image or node.
    :raises InUse: disks on a node that was named are made from it, or it is just being copied there.
    """
    session = caller.session
    # One that became a disk has none that it is to keep, but where removing them failed.
    get_image(session, image_id, kinds=[ImageKind.SYSTEM, ImageKind.STORAGE], lock=True)
    for node_id in node_ids or ():
        get_node(session, node_id)
    answers: list[CachedImageWork] = []
    for found in copies_of(session, image_id):
        if node_ids is not None and found.node_id not in node_ids:
            continue
        copy = require_copy(session, found.id, lock=True)
        holder = find_holder(session, ObjectKind.CACHED_IMAGE, copy.id)
        if copy.state is CachedState.EVICTING and holder is not None:
            answers.append(_answer(copy.node_id, copy.storage_id, "ok", holder.id))
            continue
        if copy.needed or holder is not None:
            by = "VMs' disks there" if holder is None else f"operation {holder.id}, which copies it"
            error = InUse("image", image_id, f"{by} (node {copy.node_id})")
            if node_ids is not None:
                raise error
            answers.append(_answer(copy.node_id, copy.storage_id, error.code, None, str(error)))
            continue
        operation_id = begin_evicting(session, copy, account_id=caller.account_id or None, cause=caller.cause)
        answers.append(_answer(copy.node_id, copy.storage_id, "ok", operation_id))
        caller.note("evict image", image_id=image_id, node_id=copy.node_id, storage_id=copy.storage_id)
    return answers


def _answer(
    node_id: int, storage_id: int | None, status: str, operation_id: int | None, message: str = ""
) -> CachedImageWork:
    return {
        "node_id": node_id,
        "storage_id": storage_id,
        "status": status,
        "message": message,
        "operation_id": operation_id,
    }
