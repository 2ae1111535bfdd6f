"""System images of more than one cluster; what is of one is passed on to it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from clm.results.image import ImageOfCluster
from clm.services import image_copy as service
from clm.services.context import AsyncCloudCall
from cm.rpc.types import Name, Text
from cm.rpc.view import user_view

Known = Annotated[str, Meta(min_length=32, max_length=45, description="The image's uuid.")]


@user_view(changing=True)
async def copy_to_cluster(
    caller: AsyncCloudCall,
    uuid: Known,
    target: int | str,
    name: Name,
    description: Text | None = None,
) -> ImageOfCluster:
    """
    Copy an image that the caller can use to another cluster, as their own, private; it stays when that one goes.

    The cluster imports it from an address that the image's own cluster gives out, as ``user.system_image.import_url``
    does: by the same rules for where addresses may lead, with its quota and its checks, and held against the image's
    checksum where that is known. Which family it is of is not taken along.

    :param target: the cluster's id, name or uuid.
    :param description: without it, as the image's.
    :return: the image to be and the operation there, which tells the progress; it can be given up
        (``user.operation``), and goes on by itself when one of the managers was away.
    """
    return await service.copy(caller, uuid, target, name, description)
