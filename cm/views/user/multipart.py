"""Objects that come in parts. What has come of one counts, until it is complete, given up or expires."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cm.results.bucket import Multipart, Part
from cm.rpc.types import Id
from cm.rpc.view import user_view
from cm.services import bucket as service
from cm.services.context import ClusterCall
from cm.store.bucket import list_multiparts
from cm.views.user.stored_object import Key

Headers = Annotated[dict[str, str], Meta(max_length=100, description="What it is told with; names in lower case.")]


@user_view(changing=True)
def begin(caller: ClusterCall, bucket_id: Id, key: Key, headers: Headers | None = None) -> Multipart:
    """Begin an object that comes in parts."""
    return service.begin_multipart(caller, bucket_id, key, headers or {})


@user_view
def get_list(caller: ClusterCall) -> list[Multipart]:
    """The caller's that are not complete, in all buckets, by key."""
    return list_multiparts(caller.session, caller.account_id)


@user_view
def get_parts(caller: ClusterCall, multipart_id: Id) -> list[Part]:
    """Which parts of one have come, by number."""
    return service.show_parts(caller, multipart_id)


@user_view(changing=True)
def abort(caller: ClusterCall, multipart_id: Id) -> None:
    """Give one up: nothing of it stays."""
    service.abort_multipart(caller, multipart_id)
