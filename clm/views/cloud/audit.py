"""Who did what."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from clm.results.cloud import AuditEntry
from clm.services.context import CloudCall
from clm.store.audit import list_audit
from cm.rpc.types import Id, Limit, matching
from cm.rpc.view import cloud_view

Method = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        pattern=matching(r"[a-z0-9_.]*\*?", "it must be a method's name, or its beginning and *"),
        description="cloud.user.block, or cloud.*",
    ),
]


@cloud_view
def get_list(
    caller: CloudCall,
    user_id: Id | None = None,
    method: Method | None = None,
    limit: Limit = 100,
    before: Id | None = None,
) -> list[AuditEntry]:
    """Changing calls that were accepted, the newest first. before: the last audit_id of the page before."""
    return list_audit(caller.session, user_id, method, limit, before)
