"""Objects by their uuids, which are unique everywhere; and all of them as a graph, in Xen Orchestra's shape."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cm.results.access import FoundObject
from cm.results.object import GraphObject
from cm.rpc.caller import RawList
from cm.rpc.types import IDS_MAX
from cm.rpc.view import user_view
from cm.rules.filter import LENGTH_MAX
from cm.services import acl
from cm.services import object as service
from cm.services.context import ClusterCall

Uuids = Annotated[list[Annotated[str, Meta(min_length=32, max_length=45)]], Meta(min_length=1, max_length=IDS_MAX)]
Filter = Annotated[
    str,
    Meta(max_length=LENGTH_MAX, examples=["type:VM name_label:web"], description="In complex-matcher's language."),
]
Most = Annotated[int, Meta(ge=1, le=1_000_000)]


@user_view
def find(caller: ClusterCall, uuids: Uuids) -> list[FoundObject]:
    """
    What these uuids are: VMs, images, disks and their places in VMs that the caller sees, and more; all others are left
    out.

    :return: ``uuid`` as it was sent, ``kind`` and ``id``.
    """
    return acl.find_objects(caller, uuids)


@user_view
def get_all(caller: ClusterCall, filter: Filter = "", limit: Most | None = None) -> RawList[GraphObject]:
    """
    What the caller sees of the cluster as objects that name each other, with the names, types and units of Xen
    Orchestra's model: xo, pool, SR, VM, VDI, VBD; hosts and PBDs are administrators' to see. They are told, not
    changed: each noun's own views change what they say.

    :param filter: ``web prod``: both words are somewhere in it; ``name_label:web``: in that member; ``!running``: not;
        ``|(web db)``: one of them; ``memory:size:>1e9``, ``$VBDs:length:2``, ``tags?``, ``w*1``, ``/^web[0-9]/i``, and
        ``"two words"``. Empty: all.
    :param limit: of those that it is true of.
    """
    return RawList(service.get_all(caller, filter, limit))
