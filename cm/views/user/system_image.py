"""System images, which VMs are made from: the caller's own and public ones. Only their own are theirs to change."""

from __future__ import annotations

from typing import Any

from cm.rpc.types import Id, Limit, Name, Text
from cm.rpc.view import user_view
from cm.rpc.vocabulary import DiskBus, ImageAccess, ImageKind, NicModel, VideoModel
from cm.services import images
from cm.services.context import ClusterCall
from cm.store.image import get_image, list_images, show_image

KINDS = (ImageKind.SYSTEM,)


@user_view
def get_list(
    caller: ClusterCall, access: ImageAccess | None = None, limit: Limit = 1000, before: Id | None = None
) -> list[dict[str, Any]]:
    """
    System images that the caller can use, newest first: their own ("private"), public ones, or both.

    :param before: the last ``image_id`` of the page before.
    """
    viewer = caller.account_id
    return list(list_images(caller.session, viewer=viewer, kinds=KINDS, access=access, limit=limit, before=before))


@user_view
def get_by_id(caller: ClusterCall, image_id: Id) -> dict[str, Any]:
    """One system image that the caller can use."""
    return show_image(caller.session, image_id, caller.account_id, KINDS)


@user_view(changing=True)
def edit(
    caller: ClusterCall,
    image_id: Id,
    name: Name | None = None,
    description: Text | None = None,
    disk_controller: DiskBus | None = None,
    video_device: VideoModel | None = None,
    network_device: NicModel | None = None,
    platform: images.Platform | None = None,
) -> dict[str, Any]:
    """Change the description and devices of an image of the caller's own; what is not given stays."""
    row = get_image(
        caller.session, image_id, owner=caller.account_id, kinds=KINDS, lock=True, version=caller.if_version
    )
    devices = {"disk_controller": disk_controller, "network_device": network_device, "video_device": video_device}
    return images.edit(caller, row, {"name": name, "description": description, "platform": platform, **devices})


@user_view(changing=True)
def delete(caller: ClusterCall, image_id: Id) -> dict[str, Any]:
    """Delete an image of the caller's own that no VM needs."""
    return images.delete(caller, image_id, owner=caller.account_id, kinds=KINDS)
