"""Queries about uploads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rpc.vocabulary import ImageState

_LOCK: Final = 0x55504C44  # of the advisory lock under which uploads are counted and begun


@dataclass(frozen=True)
class UploadRow:
    """``open``: bytes are still taken; else all of them came."""

    image_id: int
    uuid: str  # of the image
    account_id: int
    account_version: int
    issuer: str
    place: str
    filename: str
    format: str | None
    sha256: str
    size_bytes: int
    received_bytes: int
    expires_at: datetime
    open: bool


class Taken(NamedTuple):
    """Open uploads: of an account, of all, and the bytes that are still to come at one place."""

    of_account: int
    of_all: int
    to_come_bytes: int


def count_uploads(session: Session, account_id: int, place: str) -> Taken:
    """What is taken; no other begins until the transaction ends."""
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    found = session.execute(
        text(
            "SELECT count(*) FILTER (WHERE u.account_id = :account_id), count(*),"
            " coalesce(sum(u.size_bytes - u.received_bytes) FILTER (WHERE u.place = :place), 0)::bigint"
            " FROM upload u JOIN image i ON i.id = u.image_id WHERE i.state = 'uploading'"
        ),
        {"account_id": account_id, "place": place},
    ).one()
    return Taken(*found)


def insert_upload(session: Session, values: dict[str, Any], valid_s: float) -> datetime:
    """:return: when it expires."""
    found: datetime = session.execute(
        text(
            "INSERT INTO upload (image_id, digest, account_id, account_version, issuer, place, filename, format,"
            " sha256, size_bytes, expires_at)"
            " VALUES (:image_id, :digest, :account_id, :account_version, :issuer, :place, :filename, :format,"
            " :sha256, :size_bytes, clock_timestamp() + make_interval(secs => :valid_s))"
            " RETURNING expires_at"
        ),
        {**values, "valid_s": valid_s},
    ).scalar_one()
    return found


_FIND = """
SELECT u.image_id, i.uuid::text AS uuid, u.account_id, u.account_version, u.issuer, u.place, u.filename, u.format,
       u.sha256, u.size_bytes, u.received_bytes, u.expires_at, i.state = 'uploading' AS open
  FROM upload u JOIN image i ON i.id = u.image_id
 WHERE u.digest = :digest AND i.state <> 'deleted' AND (u.expires_at > clock_timestamp() OR i.state <> 'uploading')
"""


def find_upload(session: Session, digest: bytes) -> UploadRow | None:
    """One that has neither expired nor been given up."""
    found = session.execute(text(_FIND), {"digest": digest}).first()
    return None if found is None else UploadRow(**found._mapping)


def received_of(session: Session, image_id: int) -> int | None:
    """What counts as come of an upload; None: it is there no more."""
    found: int | None = session.scalar(text("SELECT received_bytes FROM upload WHERE image_id = :id"), {"id": image_id})
    return found


def move_offset(session: Session, image_id: int, was: int, now: int) -> bool:
    """So much has come of an open upload. :return: False: it is open no longer, or was not where one thought."""
    moved: Any = session.execute(
        text(
            "UPDATE upload u SET received_bytes = :now FROM image i"
            " WHERE u.image_id = :id AND u.received_bytes = :was AND i.id = u.image_id AND i.state = 'uploading'"
        ),
        {"id": image_id, "was": was, "now": now},
    )
    return bool(moved.rowcount == 1)


def delete_upload(session: Session, image_id: int) -> None:
    session.execute(text("DELETE FROM upload WHERE image_id = :id"), {"id": image_id})


def expired(session: Session, limit: int = 100) -> Sequence[tuple[int, ImageState]]:
    """Images, with their states, of uploads whose time is over; locked."""
    found = session.execute(
        text(
            "SELECT u.image_id, i.state FROM upload u JOIN image i ON i.id = u.image_id"
            " WHERE u.expires_at < clock_timestamp() ORDER BY u.expires_at LIMIT :limit FOR UPDATE OF u SKIP LOCKED"
        ),
        {"limit": limit},
    )
    return [(row.image_id, ImageState(row.state)) for row in found]


def wanted(session: Session, uuids: Sequence[str]) -> Sequence[str]:
    """Of images, by their uuids, those whose uploaded file is still needed: it comes, or is being imported."""
    return list(
        session.scalars(
            text(
                "SELECT uuid::text FROM image WHERE uuid = ANY(CAST(:uuids AS uuid[]))"
                " AND state IN ('uploading', 'adding')"
            ),
            {"uuids": list(uuids)},
        )
    )
