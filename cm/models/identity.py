"""What guests prove by: the key that signs who they are."""

from __future__ import annotations

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Now


class IdentityKey(Base):
    """The cluster's one RSA key for identity documents, made when the first guest asks for its signature."""

    __tablename__ = "identity_key"
    __table_args__ = (CheckConstraint("id = 1", "only_one"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    private_key: Mapped[str]  # PEM
    certificate: Mapped[str]  # PEM
    created_at: Mapped[Now]
