"""The CPU that all of a cluster's nodes can give their guests, as an administrator had it found out."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ARRAY, BigInteger, CheckConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Key, Now


class CpuBaseline(Base):
    """One row, or none."""

    __tablename__ = "cpu_baseline"
    __table_args__ = (CheckConstraint("id = 1", "one"),)
    id: Mapped[Key]
    model: Mapped[str]
    vendor: Mapped[str]
    features: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)  # names, and whether guests have them
    node_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))  # whose CPUs it was found of
    computed_at: Mapped[Now]
