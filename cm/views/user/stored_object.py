"""What is in buckets."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cm.results.bucket import ObjectPage
from cm.rpc.types import Id, Limit
from cm.rpc.view import user_view
from cm.services import bucket as service
from cm.services.context import ClusterCall

Key = Annotated[str, Meta(min_length=1, max_length=1024, description="Up to 1,024 bytes, of any characters but NUL.")]
Prefix = Annotated[str, Meta(max_length=1024)]


@user_view
def get_page(
    caller: ClusterCall,
    bucket_id: Id,
    prefix: Prefix = "",
    delimiter: Prefix = "",
    after: Prefix = "",
    limit: Limit = 1000,
) -> ObjectPage:
    """
    Objects of one of the caller's buckets, in the order of their keys' bytes.

    :param prefix: that their keys begin with.
    :param delimiter: what has it behind the prefix is told as one, up to it: such as "/", which makes folders.
    :param after: as the page before told.
    :param limit: of objects and prefixes together.
    """
    return service.list_page(caller, bucket_id, prefix, delimiter, after, limit)


@user_view(changing=True)
def delete(caller: ClusterCall, bucket_id: Id, keys: Annotated[list[Key], Meta(min_length=1, max_length=1000)]) -> None:
    """Delete objects by their keys; what is not there is deleted already."""
    service.remove(caller, bucket_id, keys)
