"""Objects by their uuids, which are unique everywhere."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cm.results.access import FoundObject
from cm.rpc.types import IDS_MAX
from cm.rpc.view import user_view
from cm.services import acl as service
from cm.services.context import ClusterCall

Uuids = Annotated[list[Annotated[str, Meta(min_length=32, max_length=45)]], Meta(min_length=1, max_length=IDS_MAX)]


@user_view
def find(caller: ClusterCall, uuids: Uuids) -> list[FoundObject]:
    """
    What these uuids are: VMs and images that the caller sees, and templates; all others are left out.

    :return: ``uuid`` as it was sent, ``kind`` (vm, image, template) and ``id``.
    """
    return service.find_objects(caller, uuids)
