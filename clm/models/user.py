"""People, and what they prove themselves with. Secrets to be read again are sealed (``clm/services/seal.py``)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from clm.models.base import Base, Empty, Key, NewUuid, No, Now, Zero

Texts = ARRAY(Text)


class User(Base):
    __tablename__ = "user_account"  # "user" is a word of SQL
    __table_args__ = (
        Index("uq_user_login", text("lower(login)"), unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index(
            "uq_user_email",
            text("lower(email)"),
            unique=True,
            postgresql_where=text("deleted_at IS NULL AND email <> ''"),
        ),
        Index(
            "uq_user_subject",
            "oidc_issuer",
            "oidc_subject",
            unique=True,
            postgresql_where=text("deleted_at IS NULL AND oidc_subject IS NOT NULL"),
        ),
    )
    id: Mapped[Key]
    uuid: Mapped[NewUuid]
    login: Mapped[str]
    email: Mapped[Empty]
    first_name: Mapped[Empty]
    last_name: Mapped[Empty]
    organization: Mapped[Empty]
    state: Mapped[str]  # registered, confirmed, active, blocked (rules/user.py)
    password_hash: Mapped[str | None]  # argon2id; none: no login by password
    version: Mapped[Zero]  # grows when password, role or activity change: sessions and cached verifications end
    is_cloud_admin: Mapped[No]
    permissions: Mapped[list[str] | None] = mapped_column(Texts)  # none: the settings' defaults
    default_cluster_id: Mapped[int | None] = mapped_column(ForeignKey("cluster.id", ondelete="SET NULL"))
    oidc_issuer: Mapped[str | None]
    oidc_subject: Mapped[str | None]
    totp_secret: Mapped[bytes | None] = mapped_column(LargeBinary)  # sealed
    totp_confirmed: Mapped[No]
    totp_step: Mapped[Zero]  # the last time step that was used: a code is good once
    recovery_hashes: Mapped[list[str]] = mapped_column(Texts, server_default=text("'{}'"))
    created_at: Mapped[Now]
    activated_at: Mapped[datetime | None]
    last_login_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]


class UserSession(Base):
    """A login that is open. The token itself is with its holder alone."""

    __tablename__ = "user_session"
    id: Mapped[Key]
    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[str] = mapped_column(unique=True)  # sha256, hexadecimal
    user_version: Mapped[int]  # the user's, when they logged in
    created_at: Mapped[Now]
    expires_at: Mapped[datetime]
    used_at: Mapped[Now]
    remote: Mapped[Empty]
    client: Mapped[Empty]


class OneTimeToken(Base):
    """A token that was mailed: for confirming an address, or for a new password."""

    __tablename__ = "one_time_token"
    id: Mapped[Key]
    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), index=True)
    purpose: Mapped[str]  # activation, password, email
    token_hash: Mapped[str] = mapped_column(unique=True)
    subject: Mapped[Empty]  # the address that it confirms
    created_at: Mapped[Now]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class ApiKey(Base):
    """A key for programs; as an EC2 key pair its secret can be read again, to check signatures."""

    __tablename__ = "api_key"
    __table_args__ = (UniqueConstraint("user_id", "name"),)
    id: Mapped[Key]
    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"))
    name: Mapped[str]
    access_key: Mapped[str] = mapped_column(unique=True)
    secret_hash: Mapped[str | None]  # sha256 of a random secret; none for an EC2 pair
    secret_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    scope: Mapped[list[str]] = mapped_column(Texts)
    created_at: Mapped[Now]
    expires_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]


class OIDCLogin(Base):
    """A login by a provider that was finished, or tried to be: what it was begun with is good once."""

    __tablename__ = "oidc_login"
    state_hash: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)  # no longer good then, so no longer to be remembered
