"""Queries about news."""

from __future__ import annotations

from typing import Any, Final, cast

from sqlalchemy import func, text
from sqlalchemy.orm import Session

from clm import models
from clm.results.cloud import News
from cm.rpc.errors import ObjectNotFound, VersionChanged
from cm.runtime.rows import Columns, edit_row, insert_row

EDITED: Final[Columns] = (models.News.topic, models.News.content, models.News.sticky)

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
    values = {"author_id": author_id, "topic": topic, "content": content, "sticky": sticky}
    return insert_row(session, models.News, (models.News.author_id, *EDITED), values)


def update_news(session: Session, news_id: int, values: dict[str, Any]) -> None:
    """Write what is not None."""
    edit_row(session, models.News, news_id, (*EDITED, models.News.modified_at), {**values, "modified_at": func.now()})


def delete_news(session: Session, news_id: int) -> None:
    session.execute(text("DELETE FROM news WHERE id = :id"), {"id": news_id})
