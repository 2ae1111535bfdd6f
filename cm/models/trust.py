"""Whose word counts here besides our own: public keys of cloud managers."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Now


class TrustedKey(Base):
    """An Ed25519 key that may sign caller tokens, for its issuer alone. An issuer has two while it changes its key."""

    __tablename__ = "trusted_key"
    key_id: Mapped[str] = mapped_column(primary_key=True)
    issuer: Mapped[str]
    public_key: Mapped[str]  # PEM
    created_at: Mapped[Now]
