"""News: what everybody is told."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from clm.results.cloud import News
from clm.services import news
from clm.services.context import CloudCall
from clm.store.news import get_news
from cm.rpc.types import NOT_BLANK, Id
from cm.rpc.view import cloud_view

Topic = Annotated[str, Meta(min_length=1, max_length=255, pattern=NOT_BLANK)]
Content = Annotated[str, Meta(max_length=50_000)]


@cloud_view(changing=True)
def add(caller: CloudCall, topic: Topic, content: Content = "", sticky: bool = False) -> News:
    """Tell everybody something. What is sticky stays above the rest."""
    return news.add(caller, topic, content, sticky)


@cloud_view
def get_by_id(caller: CloudCall, news_id: Id) -> News:
    """One of the news."""
    return get_news(caller.session, news_id)


@cloud_view(changing=True)
def edit(
    caller: CloudCall,
    news_id: Id,
    topic: Topic | None = None,
    content: Content | None = None,
    sticky: bool | None = None,
) -> News:
    """Change news; what is not given stays."""
    return news.edit(caller, news_id, {"topic": topic, "content": content, "sticky": sticky})


@cloud_view(changing=True)
def delete(caller: CloudCall, news_id: Id) -> None:
    """Delete news."""
    news.delete(caller, news_id)
