"""Who was given access to what."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Key, Now


class Acl(Base):
    """
    A level on a VM, an image, a network, an expiry lease or a VM template, for an account or for a group of a cloud
    manager.

    With the end of its object a row gives nothing any more. It stays as long as the feed's rows do, so that those who
    saw the object are told of its end.
    """

    __tablename__ = "acl"
    __table_args__ = (
        UniqueConstraint("kind", "object_id", "account_id"),
        UniqueConstraint("kind", "object_id", "issuer", "group_id"),
        Index("ix_acl_account", "account_id", "kind"),
        Index("ix_acl_group", "issuer", "group_id", "kind"),
        CheckConstraint(
            "num_nonnulls(account_id, group_id) = 1 AND (group_id IS NULL) = (issuer IS NULL) AND issuer <> ''",
            "subject",
        ),
        CheckConstraint("kind IN ('vm', 'image', 'network', 'expiry', 'vm_template')", "kind"),
        CheckConstraint("level IN ('user', 'operator', 'owner')", "level"),
    )
    id: Mapped[Key]
    kind: Mapped[str]
    object_id: Mapped[int]
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    issuer: Mapped[str | None]
    group_id: Mapped[int | None]
    level: Mapped[str]
    created_at: Mapped[Now]
