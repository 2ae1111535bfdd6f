"""
Use cases of tags. Whoever may edit an object writes its tags, and whoever sees it sees them; the object is held
meanwhile, so that two who write at once do not make too many.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from cm.results.tag import Tags
from cm.rpc.errors import ObjectNotFound, TooManyTags
from cm.rpc.vocabulary import TAGS_MAX, ImageState, TagKind
from cm.rules.tag import check_keys
from cm.services.access import authorized_disk, authorized_image, authorized_network, authorized_vm, person_of
from cm.services.context import ClusterCall
from cm.store.public_address import get_public_address
from cm.store.security_group import get_security_group
from cm.store.snapshot import find_snapshot
from cm.store.tag import delete_tags, read_tags, write_tags


def show(caller: ClusterCall, kind: TagKind, object_id: int) -> Tags:
    """:raises ObjectNotFound: AccessNeeded: the caller does not see the object."""
    _check_may(caller, kind, object_id, lock=False)
    return _told(caller, kind, object_id)


def put(caller: ClusterCall, kind: TagKind, object_id: int, tags: Mapping[str, str]) -> Tags:
    """
    Give an object tags; others that it has stay.

    :raises InvalidParameter: a key is not for owners to give.
    :raises ObjectNotFound: AccessNeeded: the caller may not edit the object.
    :raises TooManyTags: it would have more than an object may.
    """
    check_keys(kind, tags)
    _check_may(caller, kind, object_id, lock=True)
    if len(read_tags(caller.session, kind, object_id).keys() | tags.keys()) > TAGS_MAX:
        raise TooManyTags(TAGS_MAX)
    write_tags(caller.session, kind, [object_id], tags)
    caller.note("tag", kind=kind, object_id=object_id, keys=sorted(tags))
    return _told(caller, kind, object_id)


def remove(caller: ClusterCall, kind: TagKind, object_id: int, keys: Collection[str]) -> Tags:
    """
    Those that are not there are removed already.

    :raises ObjectNotFound: AccessNeeded: the caller may not edit the object.
    """
    _check_may(caller, kind, object_id, lock=True)
    delete_tags(caller.session, kind, object_id, keys)
    caller.note("remove tags", kind=kind, object_id=object_id, keys=sorted(keys))
    return _told(caller, kind, object_id)


def put_on_new(caller: ClusterCall, kind: TagKind, object_ids: Sequence[int], tags: Mapping[str, str] | None) -> None:
    """
    The tags that the caller's new objects were asked for with.

    :raises InvalidParameter: a key is not for owners to give.
    :raises TooManyTags: they are more than an object may have.
    """
    if tags:
        check_keys(kind, tags)
        if len(tags) > TAGS_MAX:
            raise TooManyTags(TAGS_MAX)
        write_tags(caller.session, kind, object_ids, tags)
        caller.note("tag", kind=kind, keys=sorted(tags))


def _told(caller: ClusterCall, kind: TagKind, object_id: int) -> Tags:
    return {"kind": kind, "object_id": object_id, "tags": read_tags(caller.session, kind, object_id)}


def _check_may(caller: ClusterCall, kind: TagKind, object_id: int, *, lock: bool) -> None:
    session, who, action = caller.session, person_of(caller.identity), caller.action("object_id")
    version = caller.if_version if lock else None
    if kind is TagKind.VM:
        if authorized_vm(session, who, object_id, action, lock=lock, version=version).closed_at is not None:
            raise ObjectNotFound("vm", object_id)
    elif kind is TagKind.IMAGE:
        image = authorized_image(session, who, object_id, action, lock=lock, version=version)
        if image.state is ImageState.DELETED:
            raise ObjectNotFound("image", object_id)
    elif kind is TagKind.DISK:
        authorized_disk(session, who, object_id, action, lock=lock, version=version)
    elif kind is TagKind.SNAPSHOT:
        disk_id = find_snapshot(session, object_id)
        if disk_id is None:
            raise ObjectNotFound("snapshot", object_id)
        authorized_disk(session, who, disk_id, action, lock=lock)
    elif kind is TagKind.NETWORK:
        authorized_network(session, who, object_id, action, lock=lock, version=version)
    else:
        get = get_security_group if kind is TagKind.SECURITY_GROUP else get_public_address
        get(session, object_id, account_id=caller.account_id, lock=lock, version=version)
