"""Uploads: images that come in pieces, over hours if need be."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary
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
