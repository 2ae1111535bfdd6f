"""
Buckets: files that the caller keeps in a cluster by keys of their own. Their bytes come and go by S3's protocol at the
cloud's endpoint for EC2; these views say what there is.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cm.results.bucket import Bucket
from cm.rpc.types import Id
from cm.rpc.view import user_view
from cm.services import bucket as service
from cm.services.context import ClusterCall
from cm.store.bucket import list_buckets

BucketName = Annotated[
    str, Meta(min_length=3, max_length=63, description="3 to 63 of a-z, 0-9, - and ., as in a host's name.")
]


@user_view(changing=True)
def create(caller: ClusterCall, name: BucketName) -> Bucket:
    """Make a bucket; its name is one that the caller has no other of."""
    return service.create(caller, name)


@user_view
def get_list(caller: ClusterCall) -> list[Bucket]:
    """The caller's buckets, by name, with how much is in them."""
    return list_buckets(caller.session, caller.account_id)


@user_view(changing=True)
def delete(caller: ClusterCall, bucket_id: Id) -> None:
    """Delete a bucket that nothing is in, nor on its way to."""
    service.delete(caller, bucket_id)
