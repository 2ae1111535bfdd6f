"""Images, as far as the cloud itself has to do with them."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from cm.rpc.fields import Named, Number


class ImageOfCluster(TypedDict):
    """An image to be, where it is to be, and the operation that makes it."""

    cluster: Annotated[Named, Meta(description="That has both.")]
    image_id: Number
    operation_id: Number
