"""Everybody's objects by their uuids."""

from __future__ import annotations

from cm.results.access import FoundObject
from cm.rpc.view import admin_view
from cm.services import acl as service
from cm.services.context import ClusterCall
from cm.views.user.object import Uuids


@admin_view
def find(caller: ClusterCall, uuids: Uuids) -> list[FoundObject]:
    """
    What these uuids are; those that nothing has are left out.

    :return: ``uuid`` as it was sent, ``kind`` (vm, image, template, node, storage, network, user) and ``id``.
    """
    return service.find_objects(caller, uuids, administrator=True)
