"""Tags: what owners write on their objects for themselves."""

from __future__ import annotations

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base


class ObjectTag(Base):
    """
    One tag of an object of some kind. It ends with its object: what is left of objects that are gone nobody is shown,
    and ``store/prune.py`` sweeps it.
    """

    __tablename__ = "object_tag"
    kind: Mapped[str] = mapped_column(primary_key=True)
    object_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
