"""Queries about news."""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from clm.results.cloud import News
from cm.rpc.errors import ObjectNotFound, VersionChanged

_NEWS = (
    "SELECT id AS news_id, topic, content, sticky, version, created_at AS created, modified_at AS modified FROM news"
)


def list_news(session: Session, limit: int, before: int | None) -> list[News]:
    """
    The sticky ones first, each kind with the newest first.

    :param before: the last one of the page before this.
    :raises ObjectNotFound: that one is gone, so where it stood is not known.
    """
    where = ""
    values: dict[str, Any] = {"limit": limit}
    if before is not None:
        last = get_news(session, before)
        where = " WHERE (sticky, id) < (:sticky, :before)"
        values |= {"sticky": last["sticky"], "before": before}
    rows = session.execute(text(f"{_NEWS}{where} ORDER BY sticky DESC, id DESC LIMIT :limit"), values)
    return [cast(News, dict(row._mapping)) for row in rows]


def get_news(session: Session, news_id: int, *, lock: bool = False, version: int | None = None) -> News:
    """
    :param lock: hold its row until the transaction ends.
    :raises ObjectNotFound: there is none.
    :raises VersionChanged: it is not at ``version``.
    """
    suffix = " FOR UPDATE" if lock else ""
    found = session.execute(text(f"{_NEWS} WHERE id = :id{suffix}"), {"id": news_id}).first()
    if found is None:
        raise ObjectNotFound("news", news_id)
    if version is not None and found.version != version:
        raise VersionChanged("news", news_id, found.version, version)
    return cast(News, dict(found._mapping))


def insert_news(session: Session, author_id: int, topic: str, content: str, sticky: bool) -> int:
    return int(
        session.execute(
            text(
                "INSERT INTO news (author_id, topic, content, sticky) VALUES (:author, :topic, :content, :sticky)"
                " RETURNING id"
            ),
            {"author": author_id, "topic": topic, "content": content, "sticky": sticky},
        ).scalar_one()
    )


def update_news(session: Session, news_id: int, values: dict[str, Any]) -> None:
    """Write what is not None."""
    session.execute(
        text(
            "UPDATE news SET topic = coalesce(:topic, topic), content = coalesce(:content, content),"
            " sticky = coalesce(:sticky, sticky), version = version + 1, modified_at = now() WHERE id = :id"
        ),
        {**values, "id": news_id},
    )


def delete_news(session: Session, news_id: int) -> None:
    session.execute(text("DELETE FROM news WHERE id = :id"), {"id": news_id})
