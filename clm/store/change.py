"""The change feed's rows of the cloud's own objects, written by the transactions that make the change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rpc.codec import encode_json

_INSERT = text(
    "INSERT INTO change (kind, object_id, event, object, users, groups, public)"
    " VALUES (:kind, :object_id, :event, :object, CAST(:users AS bigint[]), CAST(:groups AS bigint[]), :public)"
)


def record_change(
    session: Session,
    kind: str,
    object_id: int,
    event: str = "change",
    *,
    users: Iterable[int] = (),
    groups: Iterable[int] = (),
    public: bool = False,
    shown: Mapping[str, Any] | None = None,
) -> None:
    """
    :param event: "enter", "change" or "exit".
    :param users: who may see it, and ``groups`` whose members may; ``public``: everybody. Cloud administrators see all.
    :param shown: the object as its views show it; none for an exit.
    """
    session.execute(
        _INSERT,
        {
            "kind": kind,
            "object_id": object_id,
            "event": event,
            "object": None if shown is None else encode_json(shown).decode(),
            "users": list(users),
            "groups": list(groups),
            "public": public,
        },
    )
