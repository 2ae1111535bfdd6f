"""People's SSH keys: the public part alone."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from clm.models.base import Base, Key, Now


class SSHKey(Base):
    __tablename__ = "ssh_key"
    __table_args__ = (UniqueConstraint("user_id", "name"), UniqueConstraint("user_id", "fingerprint"))
    id: Mapped[Key]
    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"))
    name: Mapped[str]
    kind: Mapped[str]  # as the key itself says: ssh-ed25519, ssh-rsa, ...
    public_key: Mapped[str]
    fingerprint: Mapped[str]  # SHA256:...
    fingerprint_md5: Mapped[str]
    tags: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    created_at: Mapped[Now]
