"""Storage images, disks that VMs attach one at a time: the caller's own and public ones."""

from __future__ import annotations

from typing import Any

from cm.rpc.types import Id, Limit
from cm.rpc.view import user_view
from cm.rpc.vocabulary import ImageAccess, ImageKind
from cm.services import images
from cm.services.context import ClusterCall
from cm.store.image import list_images, show_image

KINDS = (ImageKind.STORAGE,)


@user_view
def get_list(
    caller: ClusterCall, access: ImageAccess | None = None, limit: Limit = 1000, before: Id | None = None
) -> list[dict[str, Any]]:
    """
    Storage images that the caller can use, newest first: their own ("private"), public ones, or both.

    :param before: the last ``image_id`` of the page before.
    """
    viewer = caller.account_id
    return list(list_images(caller.session, viewer=viewer, kinds=KINDS, access=access, limit=limit, before=before))


@user_view
def get_by_id(caller: ClusterCall, image_id: Id) -> dict[str, Any]:
    """One storage image that the caller can use."""
    return show_image(caller.session, image_id, caller.account_id, KINDS)


@user_view(changing=True)
def delete(caller: ClusterCall, image_id: Id) -> dict[str, Any]:
    """Delete one of the caller's own storage images that no VM has attached."""
    return images.delete(caller, image_id, owner=caller.account_id, kinds=KINDS)
