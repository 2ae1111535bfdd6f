"""Use cases of news: what cloud administrators tell everybody, guests too."""

from __future__ import annotations

from typing import Any

from clm.results.cloud import News
from clm.services.context import CloudCall
from clm.store.change import record_change
from clm.store.news import delete_news, get_news, insert_news, update_news


def add(caller: CloudCall, topic: str, content: str, sticky: bool) -> News:
    news_id = insert_news(caller.session, caller.user_id, topic, content, sticky)
    return _recorded(caller, news_id, "enter")


def edit(caller: CloudCall, news_id: int, values: dict[str, Any]) -> News:
    """Change what is not None."""
    get_news(caller.session, news_id, lock=True, version=caller.if_version)
    update_news(caller.session, news_id, values)
    return _recorded(caller, news_id, "change")


def delete(caller: CloudCall, news_id: int) -> None:
    get_news(caller.session, news_id, lock=True, version=caller.if_version)
    delete_news(caller.session, news_id)
    record_change(caller.session, "news", news_id, "exit", public=True)
    caller.note("delete news", news_id=news_id)


def _recorded(caller: CloudCall, news_id: int, event: str) -> News:
    shown = get_news(caller.session, news_id)
    record_change(caller.session, "news", news_id, event, public=True, shown=shown)
    caller.note("write news", topic=shown["topic"], sticky=shown["sticky"])
    return shown
