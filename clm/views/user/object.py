"""Objects by their uuids, which are unique in the whole cloud."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from clm.results.cluster import PlacedObject
from clm.rules.forward import UUIDS_MAX
from clm.services.context import AsyncCloudCall
from cm.rpc.view import user_view

Uuids = Annotated[list[Annotated[str, Meta(min_length=32, max_length=45)]], Meta(min_length=1, max_length=UUIDS_MAX)]


@user_view
async def find(caller: AsyncCloudCall, uuids: Uuids) -> list[PlacedObject]:
    """
    What these uuids are and where: VMs, images and templates that the caller sees; all others are left out.

    :return: ``uuid``, ``kind``, ``id`` and the name of the ``cluster`` that it is at.
    """
    return await caller.services.forwarder.find(caller, uuids)
