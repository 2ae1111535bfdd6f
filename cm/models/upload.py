"""Uploads: images that come in pieces, over hours if need be. And what lets somebody read a file of a storage."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, LargeBinary
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty, Now, Zero


class Upload(Base):
    """
    One of an image that is ``uploading``, or was. What lets in is its secret, of which the digest is here.

    ``received_bytes`` is what is surely on the disk of the machine that ``place`` names; the file there may be longer.
    """

    __tablename__ = "upload"
    __table_args__ = (CheckConstraint("received_bytes BETWEEN 0 AND size_bytes AND size_bytes > 0", "sizes"),)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    account_version: Mapped[int]
    issuer: Mapped[str]  # of the token of whoever began it; "" for an account of ours
    place: Mapped[str]
    filename: Mapped[Empty]
    format: Mapped[str | None]  # that it is said to have
    sha256: Mapped[Empty]  # that it is to have
    size_bytes: Mapped[int]
    received_bytes: Mapped[Zero]
    created_at: Mapped[Now]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class DownloadTicket(Base):
    """One that was given out: who has its secret, of which the digest is here, may read a volume until it expires."""

    __tablename__ = "download_ticket"
    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    volume_id: Mapped[int] = mapped_column(ForeignKey("volume.id", ondelete="CASCADE"), index=True)
    disk_id: Mapped[int | None]  # by which it was asked for; else by its image
    image_id: Mapped[int | None]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    account_version: Mapped[int]
    issuer: Mapped[str]  # of the caller's token, and the groups that it told
    groups: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    filename: Mapped[str]
    expires_at: Mapped[datetime] = mapped_column(index=True)
