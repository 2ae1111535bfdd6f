"""Accounts: who may call, and how much they may have. Usage is counted in the transactions that claim and release."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty, Key, NewUuid, No, Now, Zero


class Account(Base):
    __tablename__ = "account"
    __table_args__ = (
        UniqueConstraint("origin", "external_id"),
        Index("uq_account_local_login", "login", unique=True, postgresql_where=text("origin = 'local'")),
        CheckConstraint("used_cpu >= 0 AND used_memory_mib >= 0 AND used_storage_mib >= 0 AND used_vms >= 0", "used"),
    )
    id: Mapped[Key]
    uuid: Mapped[NewUuid]
    origin: Mapped[str] = mapped_column(server_default=text("'local'"))  # "local", or the issuer of caller tokens
    external_id: Mapped[str | None]  # the issuer's id of the account
    external_version: Mapped[Zero]  # of the issuer's record that was last taken over; an older one is not
    login: Mapped[str]
    name: Mapped[Empty]
    is_admin: Mapped[No]
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    password_hash: Mapped[str | None]  # argon2id
    version: Mapped[Zero]  # grows when password, role or activity change: cached verifications end
    quota_cpu: Mapped[int]
    quota_memory_mib: Mapped[int]
    quota_storage_mib: Mapped[int]
    quota_vms: Mapped[int]
    # What is used of these is counted where it is asked for, under the account's row.
    quota_networks: Mapped[int] = mapped_column(server_default=text("16"))
    quota_public_addresses: Mapped[int] = mapped_column(server_default=text("2"))
    quota_public_ports: Mapped[int] = mapped_column(server_default=text("20"))
    quota_points: Mapped[Zero]  # a month; 0: as many as the cluster's settings say
    points_told: Mapped[Zero]  # of which per cent of them it was told, and when
    points_told_at: Mapped[datetime | None]
    used_cpu: Mapped[Zero]
    used_memory_mib: Mapped[Zero]
    used_storage_mib: Mapped[Zero]
    used_vms: Mapped[Zero]
    created_at: Mapped[Now]
    deleted_at: Mapped[datetime | None]
