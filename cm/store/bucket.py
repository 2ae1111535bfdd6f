"""Queries about buckets and what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.results import bucket as results
from cm.rpc.errors import ObjectNotFound

_BUCKET = """
SELECT b.id AS bucket_id, b.uuid::text AS uuid, b.name, count(o.id) AS objects,
       coalesce(sum(o.size_bytes), 0)::bigint AS size_bytes, b.created_at AS created
  FROM bucket b LEFT JOIN stored_object o ON o.bucket_id = b.id AND o.state = 'ok' WHERE {where} GROUP BY b.id
"""
_OBJECT = "o.key, o.uuid::text AS uuid, o.size_bytes, o.etag, o.headers, o.created_at AS modified"


def hold_account(session: Session, account_id: int) -> None:
    """Until the transaction ends nobody else makes anything that is counted."""
    session.execute(text("SELECT 1 FROM account WHERE id = :id FOR NO KEY UPDATE"), {"id": account_id})


# ------------------------------------------------------------------ buckets


def insert_bucket(session: Session, account_id: int, name: str) -> int:
    statement = text("INSERT INTO bucket (account_id, name) VALUES (:account_id, :name) RETURNING id")
    return int(session.execute(statement, {"account_id": account_id, "name": name}).scalar_one())


def count_buckets(session: Session, account_id: int) -> int:
    found = session.execute(text("SELECT count(*) FROM bucket WHERE account_id = :id"), {"id": account_id})
    return int(found.scalar_one())


def list_buckets(session: Session, account_id: int) -> list[results.Bucket]:
    """By name."""
    found = session.execute(text(_BUCKET.format(where="b.account_id = :id") + " ORDER BY b.name"), {"id": account_id})
    return [cast(results.Bucket, dict(row._mapping)) for row in found]


def get_bucket(session: Session, bucket_id: int, account_id: int, *, lock: bool = False) -> results.Bucket:
    """
    :param lock: nothing comes into it until the transaction ends.
    :raises ObjectNotFound: absent, or another's.
    """
    if lock:
        session.execute(text("SELECT 1 FROM bucket WHERE id = :id FOR UPDATE"), {"id": bucket_id})
    where = _BUCKET.format(where="b.id = :id AND b.account_id = :account_id")
    found = session.execute(text(where), {"id": bucket_id, "account_id": account_id}).first()
    if found is None:
        raise ObjectNotFound("bucket", bucket_id)
    return cast(results.Bucket, dict(found._mapping))


def delete_bucket(session: Session, bucket_id: int) -> bool:
    """:return: False: something is in it, or comes."""
    found = session.execute(
        text(
            "DELETE FROM bucket b WHERE id = :id AND NOT EXISTS (SELECT 1 FROM stored_object WHERE bucket_id = b.id)"
            " AND NOT EXISTS (SELECT 1 FROM multipart WHERE bucket_id = b.id) RETURNING id"
        ),
        {"id": bucket_id},
    )
    return found.first() is not None


# ------------------------------------------------------------------ objects


class ObjectRow(NamedTuple):
    """``volume``: the name of its volume."""

    id: int
    uuid: str
    bucket_id: int
    account_id: int
    key: str
    volume_id: int
    storage_id: int
    volume: str
    state: str
    size_bytes: int
    quota_mib: int
    etag: str
    headers: dict[str, str]
    place: str
    multipart: str | None
    whole_bytes: int  # of its volume


_ROW = """
SELECT o.id, o.uuid::text AS uuid, o.bucket_id, o.account_id, o.key, o.volume_id, u.storage_id, u.name AS volume,
       o.state, o.size_bytes, o.quota_mib, o.etag, o.headers, o.place, o.multipart::text, u.size_bytes AS whole_bytes
  FROM stored_object o JOIN volume u ON u.id = o.volume_id
"""


def list_objects(
    session: Session, bucket_id: int, prefix: str, after: str, limit: int
) -> list[results.StoredObject]:
    """:param after: a key, or a text that none is; what is behind it in the order of bytes."""
    found = session.execute(
        text(
            f"SELECT {_OBJECT} FROM stored_object o WHERE o.bucket_id = :b AND o.state = 'ok'"
            ' AND starts_with(o.key, :prefix) AND o.key > CAST(:after AS text) COLLATE "C" ORDER BY o.key LIMIT :limit'
        ),
        {"b": bucket_id, "prefix": prefix, "after": after, "limit": limit},
    )
    return [cast(results.StoredObject, dict(row._mapping)) for row in found]


def find_object(session: Session, bucket_id: int, key: str, *, lock: bool = False) -> ObjectRow | None:
    """What is there under a key."""
    found = session.execute(
        text(f"{_ROW} WHERE o.bucket_id = :b AND o.key = :key AND o.state = 'ok' {'FOR UPDATE OF o' if lock else ''}"),
        {"b": bucket_id, "key": key},
    ).first()
    return None if found is None else ObjectRow(*found)


def find_object_by_uuid(session: Session, uuid: str) -> ObjectRow | None:
    """One that is there."""
    found = session.execute(text(f"{_ROW} WHERE o.uuid = CAST(:u AS uuid) AND o.state = 'ok'"), {"u": uuid}).first()
    return None if found is None else ObjectRow(*found)


def show_object(session: Session, object_id: int) -> results.StoredObject:
    row = session.execute(text(f"SELECT {_OBJECT} FROM stored_object o WHERE o.id = :id"), {"id": object_id}).one()
    return cast(results.StoredObject, dict(row._mapping))


def object_of_upload(session: Session, account_id: int, multipart_uuid: str) -> int | None:
    """The object that a complete upload in parts became, while it is there."""
    found: int | None = session.scalar(
        text(
            "SELECT id FROM stored_object WHERE account_id = :a AND multipart = CAST(:u AS uuid) AND state = 'ok'"
        ),
        {"a": account_id, "u": multipart_uuid},
    )
    return found


def get_coming(session: Session, object_id: int) -> ObjectRow | None:
    """One that is on its way, locked; None: it has been given up."""
    found = session.execute(
        text(f"{_ROW} WHERE o.id = :id AND o.state = 'coming' FOR UPDATE OF o"), {"id": object_id}
    ).first()
    return None if found is None else ObjectRow(*found)


def count_objects(session: Session, account_id: int) -> int:
    """Those that are on their way, too."""
    found = session.execute(text("SELECT count(*) FROM stored_object WHERE account_id = :id"), {"id": account_id})
    return int(found.scalar_one())


def insert_volume(session: Session, storage_id: int, name: str, size_bytes: int) -> int:
    """A raw one that is claimed for."""
    found = session.execute(
        text(
            "INSERT INTO volume (storage_id, name, format, size_bytes, claimed_bytes)"
            " VALUES (:storage_id, :name, 'raw', :size, :size) RETURNING id"
        ),
        {"storage_id": storage_id, "name": name, "size": size_bytes},
    )
    return int(found.scalar_one())


def insert_object(session: Session, values: dict[str, Any], valid_s: float) -> int:
    found = session.execute(
        text(
            "INSERT INTO stored_object (uuid, bucket_id, account_id, key, volume_id, state, size_bytes, quota_mib,"
            " etag, headers, place, multipart, expires_at) VALUES (CAST(:uuid AS uuid), :bucket_id, :account_id, :key,"
            " :volume_id, 'coming', :size_bytes, :quota_mib, :etag, CAST(:headers AS jsonb), :place,"
            " CAST(:multipart AS uuid), clock_timestamp() + make_interval(secs => :valid_s)) RETURNING id"
        ),
        {**values, "valid_s": valid_s},
    )
    return int(found.scalar_one())


def finish_object(session: Session, object_id: int, etag: str, quota_mib: int) -> None:
    """It is there from now on, and so is its volume."""
    session.execute(
        text(
            "WITH whole AS (UPDATE volume SET made = true WHERE id ="
            " (SELECT volume_id FROM stored_object WHERE id = :id))"
            " UPDATE stored_object SET state = 'ok', etag = :etag, quota_mib = :quota_mib, expires_at = NULL,"
            " created_at = clock_timestamp() WHERE id = :id"
        ),
        {"id": object_id, "etag": etag, "quota_mib": quota_mib},
    )


def delete_object(session: Session, object_id: int) -> None:
    session.execute(text("DELETE FROM stored_object WHERE id = :id"), {"id": object_id})


def expired_objects(session: Session, limit: int = 100) -> Sequence[int]:
    """Of those that are on their way, those whose time is over."""
    found = session.execute(
        text(
            "SELECT id FROM stored_object WHERE state = 'coming' AND expires_at < clock_timestamp()"
            " ORDER BY expires_at LIMIT :limit"
        ),
        {"limit": limit},
    )
    return [row.id for row in found]


def coming_in_one(session: Session, place: str, after_s: float, limit: int = 100) -> Sequence[tuple[int, str]]:
    """
    Of those that are on their way to a place in one piece, ids and uuids.

    :param after_s: how long ago they were announced, at least.
    """
    found = session.execute(
        text(
            "SELECT id, uuid::text AS uuid FROM stored_object WHERE state = 'coming' AND place = :place"
            " AND multipart IS NULL AND created_at < clock_timestamp() - make_interval(secs => :s)"
            " ORDER BY id LIMIT :limit"
        ),
        {"place": place, "s": after_s, "limit": limit},
    )
    return [(row.id, row.uuid) for row in found]


# ------------------------------------------------------------------ parts


class MultipartRow(NamedTuple):
    id: int
    uuid: str
    bucket_id: int
    account_id: int
    key: str
    headers: dict[str, str]
    place: str


class PartRow(NamedTuple):
    id: int
    uuid: str
    number: int
    size_bytes: int
    quota_mib: int
    etag: str


_MULTIPART = """
SELECT m.id AS multipart_id, m.uuid::text AS uuid, m.bucket_id, m.key, count(p.id) AS parts,
       coalesce(sum(p.size_bytes), 0)::bigint AS size_bytes, m.created_at AS created, m.expires_at AS expires
  FROM multipart m LEFT JOIN multipart_part p ON p.multipart_id = m.id AND p.etag <> '' WHERE {where} GROUP BY m.id
"""


def insert_multipart(session: Session, values: dict[str, Any], valid_s: float) -> int:
    found = session.execute(
        text(
            "INSERT INTO multipart (bucket_id, account_id, key, headers, place, expires_at) VALUES (:bucket_id,"
            " :account_id, :key, CAST(:headers AS jsonb), :place,"
            " clock_timestamp() + make_interval(secs => :valid_s)) RETURNING id"
        ),
        {**values, "valid_s": valid_s},
    )
    return int(found.scalar_one())


def list_multiparts(session: Session, account_id: int, bucket_id: int | None = None) -> list[results.Multipart]:
    where = "m.account_id = :a" + ("" if bucket_id is None else " AND m.bucket_id = :b")
    statement = text(_MULTIPART.format(where=where) + " ORDER BY m.key, m.id")
    found = session.execute(statement, {"a": account_id, "b": bucket_id})
    return [cast(results.Multipart, dict(row._mapping)) for row in found]


def show_multipart(session: Session, multipart_id: int) -> results.Multipart:
    row = session.execute(text(_MULTIPART.format(where="m.id = :id")), {"id": multipart_id}).one()
    return cast(results.Multipart, dict(row._mapping))


def count_multiparts(session: Session, account_id: int) -> int:
    found = session.execute(text("SELECT count(*) FROM multipart WHERE account_id = :id"), {"id": account_id})
    return int(found.scalar_one())


def get_multipart(
    session: Session, multipart_id: int, account_id: int | None, *, lock: str = ""
) -> MultipartRow:
    """
    :param account_id: whose it has to be; None: anybody's.
    :param lock: "SHARE": it stays until the transaction ends; "UPDATE": and no part of it changes.
    :raises ObjectNotFound: absent, or another's.
    """
    found = session.execute(
        text(
            "SELECT id, uuid::text, bucket_id, account_id, key, headers, place FROM multipart WHERE id = :id"
            + (f" FOR {lock}" if lock else "")
        ),
        {"id": multipart_id},
    ).first()
    if found is None or account_id not in (None, found.account_id):
        raise ObjectNotFound("multipart", multipart_id)
    return MultipartRow(*found)


_COME = "AND etag <> ''"
_PART = "SELECT id, uuid::text, number, size_bytes, quota_mib, etag FROM multipart_part"


def parts_of(session: Session, multipart_id: int, *, coming: bool = False) -> list[PartRow]:
    """
    By number.

    :param coming: those that have not come as well.
    """
    found = session.execute(
        text(f"{_PART} WHERE multipart_id = :id {'' if coming else _COME} ORDER BY number, id"),
        {"id": multipart_id},
    )
    return [PartRow(*row) for row in found]


def show_parts(session: Session, multipart_id: int) -> list[results.Part]:
    found = session.execute(
        text(
            "SELECT number, size_bytes, etag, created_at AS created FROM multipart_part"
            " WHERE multipart_id = :id AND etag <> '' ORDER BY number"
        ),
        {"id": multipart_id},
    )
    return [cast(results.Part, dict(row._mapping)) for row in found]


def insert_part(session: Session, multipart_id: int, number: int, size_bytes: int, quota_mib: int) -> PartRow:
    found = session.execute(
        text(
            "INSERT INTO multipart_part (multipart_id, number, size_bytes, quota_mib) VALUES (:m, :number, :size, :mib)"
            " RETURNING id, uuid::text, number, size_bytes, quota_mib, etag"
        ),
        {"m": multipart_id, "number": number, "size": size_bytes, "mib": quota_mib},
    )
    return PartRow(*found.one())


def find_part(session: Session, part_id: int) -> PartRow | None:
    found = session.execute(text(f"{_PART} WHERE id = :id FOR UPDATE"), {"id": part_id}).first()
    return None if found is None else PartRow(*found)


def finish_part(session: Session, part_id: int, etag: str) -> None:
    session.execute(text("UPDATE multipart_part SET etag = :etag WHERE id = :id"), {"id": part_id, "etag": etag})


def delete_parts(session: Session, part_ids: Sequence[int]) -> None:
    session.execute(text("DELETE FROM multipart_part WHERE id = ANY(:ids)"), {"ids": list(part_ids)})


def delete_multipart(session: Session, multipart_id: int) -> None:
    session.execute(text("DELETE FROM multipart_part WHERE multipart_id = :id"), {"id": multipart_id})
    session.execute(text("DELETE FROM multipart WHERE id = :id"), {"id": multipart_id})


def expired_multiparts(session: Session, limit: int = 100) -> Sequence[int]:
    """Those whose time is over, locked."""
    found = session.execute(
        text(
            "SELECT id FROM multipart WHERE expires_at < clock_timestamp() ORDER BY expires_at LIMIT :limit"
            " FOR UPDATE SKIP LOCKED"
        ),
        {"limit": limit},
    )
    return [row.id for row in found]


# ------------------------------------------------------------------ files


def to_come(session: Session, place: str) -> int:
    """Bytes that are still to come to the staging directory of a place."""
    found = session.execute(
        text(
            "SELECT (SELECT coalesce(sum(size_bytes), 0) FROM stored_object WHERE state = 'coming' AND place = :place"
            "  AND multipart IS NULL)"
            " + (SELECT coalesce(sum(p.size_bytes), 0) FROM multipart_part p JOIN multipart m ON m.id = p.multipart_id"
            "  WHERE m.place = :place AND p.etag = '')"
        ),
        {"place": place},
    )
    return int(found.scalar_one())


def wanted_files(session: Session, uuids: Sequence[str]) -> Sequence[str]:
    """Of files in the staging directory, by their uuids, those that are still needed."""
    found = session.execute(
        text(
            "SELECT uuid::text AS uuid FROM stored_object WHERE uuid = ANY(CAST(:u AS uuid[])) AND state = 'coming'"
            " UNION ALL SELECT uuid::text FROM multipart_part WHERE uuid = ANY(CAST(:u AS uuid[]))"
        ),
        {"u": list(uuids)},
    )
    return [row.uuid for row in found]
