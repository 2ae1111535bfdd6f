"""Volumes as libvirt has them on nodes: the managed-node model's class Volume."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cm.results.managed import Description, ManagedVolume
from cm.rpc.types import Id, Limit, matching
from cm.rpc.view import admin_view
from cm.rules import managed as names
from cm.services import managed as service
from cm.services.context import AsyncClusterCall, ClusterCall
from cm.store.managed import find_objects

VolumeId = Annotated[
    str,
    Meta(
        max_length=400,
        pattern=matching(names.VOLUME, "it must be a volume's object_id, as a list tells it"),
        examples=[f"volume:{names.EXAMPLE}:a.iso"],
    ),
]
Value = Annotated[str, Meta(max_length=4096)]


@admin_view
def lookup(
    caller: ClusterCall,
    node_id: Id | None = None,
    pool_uuid: Value | None = None,
    key: Value | None = None,
    path: Value | None = None,
    name: Value | None = None,
    limit: Limit = 1000,
    after: Id | None = None,
) -> list[ManagedVolume]:
    """
    Volumes with these properties of all nodes' pools that are none of our storages, as they were seen in the last
    seconds.

    :param after: the last ``feed_id`` of the page before.
    """
    asked = {"pool": pool_uuid, "key": key, "path": path, "name": name}
    return find_objects(caller.session, "volume", asked, node_id=node_id, after=after, limit=limit)


@admin_view
async def get(caller: AsyncClusterCall, volume: VolumeId) -> ManagedVolume:
    """One volume, as it was seen in the last seconds; of a storage of ours, as libvirt says now."""
    return await service.get_volume(caller, volume)


@admin_view
async def xml_desc(caller: AsyncClusterCall, volume: VolumeId) -> Description:
    """A volume's definition as libvirt has it now."""
    return await service.volume_xml(caller, volume)
