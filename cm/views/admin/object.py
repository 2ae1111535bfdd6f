"""Everybody's objects by their uuids, and all of them as a graph."""

from __future__ import annotations

from cm.results.access import FoundObject
from cm.results.object import GraphObject
from cm.rpc.caller import RawList
from cm.rpc.view import admin_view
from cm.services import acl
from cm.services import object as service
from cm.services.context import ClusterCall
from cm.views.user.object import Filter, Most, Uuids


@admin_view
def find(caller: ClusterCall, uuids: Uuids) -> list[FoundObject]:
    """
    What these uuids are; those that nothing has are left out.

    :return: ``uuid`` as it was sent, ``kind`` and ``id``.
    """
    return acl.find_objects(caller, uuids, administrator=True)


@admin_view
def get_all(caller: ClusterCall, filter: Filter = "", limit: Most | None = None) -> RawList[GraphObject]:
    """
    As ``user.object.get_all``, of everybody's, with hosts and PBDs.

    :param filter: likewise.
    :param limit: likewise.
    """
    return RawList(service.get_all(caller, filter, limit, administrator=True))
