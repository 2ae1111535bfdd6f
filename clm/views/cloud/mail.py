"""Mail on its way."""

from __future__ import annotations

from typing import Literal

from clm.results.cloud import Mail
from clm.services import mail as service
from clm.services.context import CloudCall
from clm.store.mail import list_mails
from cm.rpc.types import Id, Limit
from cm.rpc.view import cloud_view


@cloud_view
def get_list(
    caller: CloudCall,
    state: Literal["due", "sent", "failed"] | None = None,
    limit: Limit = 100,
    before: Id | None = None,
) -> list[Mail]:
    """Mails of the last month, the newest first, without what they say. before: the last mail_id of the page before."""
    return list_mails(caller.session, state, limit, before)


@cloud_view(changing=True)
def retry(caller: CloudCall, mail_id: Id) -> None:
    """Try a mail again at once."""
    service.retry(caller, mail_id)
