"""News: written by cloud administrators, read by everybody."""

from __future__ import annotations

import pytest

from cm.rpc.errors import InvalidParameter, NotAuthenticated, ObjectNotFound, RoleNeeded, VersionChanged
from support.clm import CloudBench


def add(bench: CloudBench, topic: str, sticky: bool = False) -> int:
    made: int = bench.call("cloud.news.add", [topic, f"About {topic}.", sticky], login="admin")["news_id"]
    return made


def test_order_and_pages(bench: CloudBench) -> None:
    """Sticky ones first, then the newest; pages lose and repeat nothing."""
    for number in range(7):
        add(bench, str(number), sticky=number in (1, 4))
    everything = bench.call("guest.news.get_list", login=None)
    assert [news["topic"] for news in everything] == ["4", "1", "6", "5", "3", "2", "0"]
    for size in (1, 2, 3):
        pages, before = [], None
        while page := bench.call("guest.news.get_list", [size, before], login=None):
            pages += page
            before = page[-1]["news_id"]
        assert pages == everything
    with pytest.raises(ObjectNotFound):
        bench.call("guest.news.get_list", {"before": 10**6}, login=None)


def test_edit_and_delete(bench: CloudBench) -> None:
    """What is given changes, a stale version is refused, and what is deleted is gone."""
    news_id = add(bench, "works")
    was = bench.call("cloud.news.get_by_id", [news_id], login="admin")
    now = bench.call("cloud.news.edit", {"news_id": news_id, "sticky": True, "if_version": 0}, login="admin")
    assert now == {**was, "sticky": True, "version": 1, "modified": now["modified"]}
    assert now["modified"] > was["modified"]
    for method in ("edit", "delete"):
        with pytest.raises(VersionChanged):
            bench.call(f"cloud.news.{method}", {"news_id": news_id, "if_version": 0}, login="admin")
    bench.call("cloud.news.delete", [news_id], login="admin")
    for method in ("edit", "delete", "get_by_id"):
        with pytest.raises(ObjectNotFound):
            bench.call(f"cloud.news.{method}", [news_id], login="admin")
    assert bench.call("guest.news.get_list", login=None) == []


def test_feed(bench: CloudBench) -> None:
    """Each change is told to everybody, guests' subscriptions too."""
    news_id = add(bench, "works")
    bench.call("cloud.news.edit", [news_id, "works!"], login="admin")
    bench.call("cloud.news.delete", [news_id], login="admin")
    told = bench.sql(
        "SELECT jsonb_agg(jsonb_build_array(event, public, object::jsonb->>'topic') ORDER BY id) FROM change"
        " WHERE kind = 'news' AND object_id = :id",
        id=news_id,
    )
    assert told == [["enter", True, "works"], ["change", True, "works!"], ["exit", True, None]]


def test_who_may(bench: CloudBench) -> None:
    """Only cloud administrators write."""
    news_id = add(bench, "works")
    for method, arguments in (
        ("add", ["x"]),
        ("edit", [news_id, "x"]),
        ("delete", [news_id]),
        ("get_by_id", [news_id]),
    ):
        with pytest.raises(RoleNeeded):
            bench.call(f"cloud.news.{method}", arguments, login="ann")
        with pytest.raises(NotAuthenticated):
            bench.call(f"cloud.news.{method}", arguments, login=None)
    for topic in ("", "  ", "a\nb", "x" * 256):
        with pytest.raises(InvalidParameter):
            bench.call("cloud.news.add", [topic], login="admin")
