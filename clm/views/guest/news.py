"""What the cloud's administrators tell everybody."""

from __future__ import annotations

from clm.results.cloud import News
from clm.services.context import CloudCall
from clm.store.news import list_news
from cm.rpc.types import Id, Limit
from cm.rpc.view import guest_view


@guest_view
def get_list(caller: CloudCall, limit: Limit = 50, before: Id | None = None) -> list[News]:
    """News, the sticky ones first and then the newest. before: news_id of the last one of the page before."""
    return list_news(caller.session, limit, before)
