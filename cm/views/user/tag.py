"""
Tags: what people write on their objects, such as ``project`` or ``owner``, to find them by. They end with the object.

What an object is called is no tag: of VMs, disks, snapshots and networks ``Name`` is refused.
"""

from __future__ import annotations

from cm.results.tag import Tags
from cm.rpc.types import Id, TagKeys, TagValues
from cm.rpc.view import user_view
from cm.rpc.vocabulary import TagKind
from cm.rules.access import Action
from cm.services import tag as service
from cm.services.context import ClusterCall
from cm.store.tag import list_tagged


@user_view(changing=True, on={"object_id": Action.EDIT})
def set(caller: ClusterCall, kind: TagKind, object_id: Id, tags: TagValues) -> Tags:
    """Give an object tags; others that it has stay. Its operators may."""
    return service.put(caller, kind, object_id, tags)


@user_view(changing=True, on={"object_id": Action.EDIT})
def remove(caller: ClusterCall, kind: TagKind, object_id: Id, keys: TagKeys) -> Tags:
    """Take tags from an object; those that it does not have are gone already. Its operators may."""
    return service.remove(caller, kind, object_id, keys)


@user_view(on={"object_id": Action.SEE})
def get(caller: ClusterCall, kind: TagKind, object_id: Id) -> Tags:
    """The tags of an object that the caller sees."""
    return service.show(caller, kind, object_id)


@user_view
def get_list(caller: ClusterCall, kind: TagKind | None = None) -> list[Tags]:
    """The caller's own objects that have tags, with these; of one kind or of all."""
    return list_tagged(caller.session, caller.account_id, kind)
