"""Groups of VMs that are to run on one node, or each on another."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Key, NewUuid, No, Now, Zero


class AffinityGroup(Base):
    __tablename__ = "affinity_group"
    __table_args__ = (
        Index("uq_affinity_group_name", "account_id", "name", unique=True, postgresql_where=text("deleted_at IS NULL")),
    )
    id: Mapped[Key]
    uuid: Mapped[NewUuid]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    name: Mapped[str]
    affinity: Mapped[str]
    strict: Mapped[No]  # rather none of them starts than in another place
    version: Mapped[Zero]
    created_at: Mapped[Now]
    deleted_at: Mapped[datetime | None]
