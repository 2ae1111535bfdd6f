"""What was measured of VMs, nodes and storages; and which process measures."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, Index, Integer, LargeBinary, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import REAL
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty


class SampleLayout(Base):
    """The names of series that samples are of, in their order. There are as many as there are sorts of VMs."""

    __tablename__ = "sample_layout"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    names: Mapped[list[str]] = mapped_column(ARRAY(Text), unique=True)


class SampleRecent(Base):
    """
    The running hour: a row for each object and moment. Unlogged: it costs no write-ahead log, a standby has none of
    it, and after a crash of the database it is empty.
    """

    __tablename__ = "sample_recent"
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)
    kind: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    object_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)  # unix seconds
    layout_id: Mapped[int] = mapped_column(Integer)
    loads: Mapped[list[float] | None] = mapped_column(ARRAY(REAL))  # of a VM, its mean CPU over 1, 5 and 15 minutes
    body: Mapped[bytes] = mapped_column(LargeBinary)  # float32, little-endian, in the layout's order


class SampleBlock(Base):
    """Packed samples of one object in a row (``rules/series.py``)."""

    __tablename__ = "sample_block"
    __table_args__ = (Index("ix_sample_block_old", "level", "start"),)
    kind: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    object_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    level: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    start: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)  # unix seconds
    step_s: Mapped[int] = mapped_column(Integer)
    layout_id: Mapped[int] = mapped_column(Integer)
    body: Mapped[bytes] = mapped_column(LargeBinary)


class SampleProgress(Base):
    """
    How far samples of a level have been made into blocks: those of all objects before ``through``, and in the span
    that begins there those of objects up to the one that is named.
    """

    __tablename__ = "sample_progress"
    level: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    through: Mapped[int] = mapped_column(BigInteger)  # unix seconds
    kind: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    object_id: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class MeasuringLease(Base):
    """The one row: which process measures, until when nobody else does."""

    __tablename__ = "measuring_lease"
    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    holder: Mapped[Empty]
    until: Mapped[datetime]
