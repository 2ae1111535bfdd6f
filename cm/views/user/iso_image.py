"""ISO images, which VMs may have in their drives: the caller's own, public ones, and what is shared with them."""

from __future__ import annotations

from cm.results.image import Image, ImageWork
from cm.rpc.types import Id, Limit
from cm.rpc.view import user_view
from cm.rpc.vocabulary import ImageKind
from cm.rules.access import Action, ImageFilter
from cm.services import image as service
from cm.services.access import person_of
from cm.services.context import ClusterCall
from cm.store.image import show_image

KINDS = (ImageKind.ISO,)


@user_view
def get_list(
    caller: ClusterCall,
    access: ImageFilter | None = None,
    group_id: Id | None = None,
    limit: Limit = 1000,
    before: Id | None = None,
) -> list[Image]:
    """
    ISO images that the caller can use, newest first.

    :param access: "private": the caller's own; "public"; "group": what the caller's groups share. Without it all of
        these, and what is shared with the caller alone.
    :param group_id: one of the caller's groups, to see what that one shares.
    :param before: the last ``image_id`` of the page before.
    """
    return service.usable(caller, KINDS, access, group_id, limit, before)


@user_view(on={"image_id": Action.SEE})
def get_by_id(caller: ClusterCall, image_id: Id) -> Image:
    """One ISO image that the caller can use."""
    return show_image(caller.session, image_id, person_of(caller.identity), KINDS)


@user_view(changing=True, on={"image_id": Action.DELETE})
def delete(caller: ClusterCall, image_id: Id) -> ImageWork:
    """Delete an ISO image that no VM has attached; its owners may."""
    return service.delete_one(caller, KINDS, image_id)
