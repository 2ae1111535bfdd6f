"""Queries about requests for what only an administrator gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.results import change_request as results
from cm.rpc.errors import ObjectNotFound, VersionChanged
from cm.rpc.vocabulary import ChangeRequestKind, ChangeRequestState, VMEventCode
from cm.runtime.prepared import Prepared
from cm.store.rendered import Rendered, rendered, shown

_COLUMNS: Final = """q.id AS change_request_id, q.uuid::text AS uuid, q.account_id AS user_id, a.login AS user_login,
       q.kind, q.vm_id, q.wanted, q.note AS text, q.state, q.answer, q.version, q.created_at AS created,
       q.closed_at AS closed"""
_REQUEST: Final = f"SELECT {_COLUMNS} FROM change_request q JOIN account a ON a.id = q.account_id"
_FEED = Prepared(
    "feed_change_request",
    f"SELECT {_COLUMNS}, q.id AS _id, false AS _gone FROM change_request q JOIN account a ON a.id = q.account_id"
    " WHERE q.id = ANY(:ids)",
)


def render_change_requests(session: Session, ids: list[int]) -> Mapping[int, Rendered]:
    return rendered(_FEED(session, ids=ids))


def _shown(row: Any) -> results.ChangeRequest:
    told = shown(row)
    told |= {"kind": ChangeRequestKind(told["kind"]), "state": ChangeRequestState(told["state"])}
    return cast(results.ChangeRequest, told)


def list_change_requests(
    session: Session, account_id: int | None, *, open_only: bool, limit: int, before: int | None
) -> list[results.ChangeRequest]:
    """A page, newest first; ``account_id`` None: everybody's."""
    found = session.execute(
        text(
            f"{_REQUEST} WHERE (CAST(:account AS bigint) IS NULL OR q.account_id = :account)"
            " AND (NOT :open OR q.state = 'open') AND (CAST(:before AS bigint) IS NULL OR q.id < :before)"
            " ORDER BY q.id DESC LIMIT :limit"
        ),
        {"account": account_id, "open": open_only, "before": before, "limit": limit},
    )
    return [_shown(row) for row in found]


def get_change_request(
    session: Session, request_id: int, account_id: int | None, *, lock: bool = False, version: int | None = None
) -> results.ChangeRequest:
    """
    :param account_id: whose it has to be; None: anybody's.
    :raises ObjectNotFound: VersionChanged: there is none, or it is not at ``version``.
    """
    suffix = " FOR NO KEY UPDATE OF q" if lock else ""
    row = session.execute(text(f"{_REQUEST} WHERE q.id = :id{suffix}"), {"id": request_id}).first()
    if row is None or account_id not in (None, row.user_id):
        raise ObjectNotFound("change_request", request_id)
    if version is not None and row.version != version:
        raise VersionChanged("change_request", request_id, row.version, version)
    return _shown(row)


def count_open(session: Session, account_id: int) -> int:
    """Holds the account until the transaction ends, so that nobody adds to them."""
    session.execute(text("SELECT 1 FROM account WHERE id = :id FOR NO KEY UPDATE"), {"id": account_id})
    statement = text("SELECT count(*) FROM change_request WHERE account_id = :id AND state = 'open'")
    return int(session.execute(statement, {"id": account_id}).scalar_one())


def insert_change_request(
    session: Session, account_id: int, kind: ChangeRequestKind, vm_id: int | None, wanted: Mapping[str, Any], words: str
) -> int:
    made = session.execute(
        text(
            "INSERT INTO change_request (account_id, kind, vm_id, wanted, note)"
            " VALUES (:account, :kind, :vm, CAST(:wanted AS jsonb), :note) RETURNING id"
        ),
        {
            "account": account_id, "kind": kind, "vm": vm_id, "note": words,
            "wanted": msgspec.json.encode(wanted).decode(),
        },
    )  # fmt: skip
    return int(made.scalar_one())


def close_change_request(
    session: Session, request_id: int, state: ChangeRequestState, answer: str, answered_by: int | None
) -> None:
    """It is held, and open."""
    session.execute(
        text(
            "UPDATE change_request SET state = :state, answer = :answer, answered_by = :by,"
            " closed_at = clock_timestamp(), version = version + 1 WHERE id = :id"
        ),
        {"id": request_id, "state": state, "answer": answer, "by": answered_by},
    )


def has_changed_hands(session: Session, request_id: int) -> bool:
    """Whether the VM of a request was given to another account since it was made."""
    statement = text(
        "SELECT EXISTS (SELECT 1 FROM change_request q JOIN vm_event e ON e.vm_id = q.vm_id AND e.code = :code"
        " AND e.at >= q.created_at WHERE q.id = :id)"
    )
    return bool(session.execute(statement, {"id": request_id, "code": VMEventCode.TRANSFER.value}).scalar_one())


def administrators(session: Session) -> Sequence[int]:
    """Accounts that may answer."""
    return list(
        session.scalars(text("SELECT id FROM account WHERE is_admin AND active AND deleted_at IS NULL ORDER BY id"))
    )
