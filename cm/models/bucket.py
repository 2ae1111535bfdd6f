"""Buckets: files that people keep on storages by names of their own, as clients of S3 know them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty, Key, NewUuid, Now, Zero

# Keys are in the order of their bytes, whatever the database's language.
BYTES = Text(collation="C")


class Bucket(Base):
    """An account's; its name is unique among these. The row of one that is deleted, and empty, goes."""

    __tablename__ = "bucket"
    __table_args__ = (UniqueConstraint("account_id", "name"),)
    id: Mapped[Key]
    uuid: Mapped[NewUuid]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    name: Mapped[str]
    created_at: Mapped[Now]


class StoredObject(Base):
    """
    What is in a bucket under a key, or is on its way there (``coming``). Its bytes are a volume's, behind a head of
    ours. One that is replaced or deleted has no row any more, and its volume is deleted by an operation.
    """

    __tablename__ = "stored_object"
    __table_args__ = (
        Index("uq_stored_object_key", "bucket_id", "key", unique=True, postgresql_where=text("state = 'ok'")),
        Index("ix_stored_object_coming", "expires_at", postgresql_where=text("state = 'coming'")),
        Index("uq_stored_object_volume", "volume_id", unique=True),
        Index("ix_stored_object_account_id", "account_id"),
        CheckConstraint("state IN ('coming', 'ok')", "state"),
        CheckConstraint("(state = 'coming') = (expires_at IS NOT NULL)", "expires"),
        CheckConstraint("size_bytes >= 0 AND quota_mib >= 0", "sizes"),
    )
    id: Mapped[Key]
    uuid: Mapped[NewUuid]  # of its file in the staging directory, too
    bucket_id: Mapped[int] = mapped_column(ForeignKey("bucket.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    key: Mapped[str] = mapped_column(BYTES)
    volume_id: Mapped[int] = mapped_column(ForeignKey("volume.id"))
    state: Mapped[str]
    size_bytes: Mapped[int]
    quota_mib: Mapped[Zero]  # claimed of its owner's quota
    etag: Mapped[Empty]  # an MD5, or of parts theirs and how many they were
    headers: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))  # that it is told with
    place: Mapped[Empty]  # of the machine that it comes to
    multipart: Mapped[UUID | None]  # the upload in parts that it was
    created_at: Mapped[Now]
    expires_at: Mapped[datetime | None]


class Multipart(Base):
    """An object that comes in parts, until it is complete or given up."""

    __tablename__ = "multipart"
    __table_args__ = (
        Index("ix_multipart_bucket_id", "bucket_id"),
        Index("ix_multipart_account_id", "account_id"),
        Index("ix_multipart_expires_at", "expires_at"),
    )
    id: Mapped[Key]
    uuid: Mapped[NewUuid]
    bucket_id: Mapped[int] = mapped_column(ForeignKey("bucket.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    key: Mapped[str] = mapped_column(BYTES)
    headers: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    place: Mapped[str]
    created_at: Mapped[Now]
    expires_at: Mapped[datetime]


class MultipartPart(Base):
    """One part: a file in the staging directory of its upload's place. Several of a number may come; one counts."""

    __tablename__ = "multipart_part"
    __table_args__ = (
        Index("uq_multipart_part_number", "multipart_id", "number", unique=True, postgresql_where=text("etag <> ''")),
        Index("ix_multipart_part_multipart_id", "multipart_id"),
        CheckConstraint("number BETWEEN 1 AND 10000 AND size_bytes >= 0 AND quota_mib >= 0", "number"),
    )
    id: Mapped[Key]
    uuid: Mapped[NewUuid]
    multipart_id: Mapped[int] = mapped_column(ForeignKey("multipart.id"))
    number: Mapped[int]
    size_bytes: Mapped[int]
    quota_mib: Mapped[Zero]
    etag: Mapped[Empty]  # its MD5; empty: it comes
    created_at: Mapped[Now]
