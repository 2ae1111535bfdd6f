"""
What the mappings of every database share: the naming rule of constraints, Python's types as columns, shorthands, and
the tables that both managers have, which are worked on by ``execute.py`` and ``logins.py``.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any, Final

from sqlalchemy import BigInteger, DateTime, Identity, Index, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

NAMES: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
TYPES: Final[dict[Any, Any]] = {
    str: Text,
    int: BigInteger,
    datetime: DateTime(timezone=True),
    uuid.UUID: Uuid,
}

Key = Annotated[int, mapped_column(BigInteger, Identity(), primary_key=True)]
NewUuid = Annotated[uuid.UUID, mapped_column(Uuid, unique=True, server_default=text("gen_random_uuid()"))]
Now = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=text("now()"))]
Zero = Annotated[int, mapped_column(BigInteger, server_default=text("0"))]
No = Annotated[bool, mapped_column(server_default=text("false"))]
Yes = Annotated[bool, mapped_column(server_default=text("true"))]
Empty = Annotated[str, mapped_column(Text, server_default=text("''"))]


class AuditTable:
    """One accepted changing call."""

    __tablename__ = "audit"

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Index, ...]:
        return Index("ix_audit_at", "at"), Index("ix_audit_account", "account_id", "id")

    id: Mapped[Key]
    at: Mapped[Now]
    account_id: Mapped[int | None]
    login: Mapped[str]
    method: Mapped[str]
    call_id: Mapped[str]
    request_id: Mapped[str | None]
    remote: Mapped[Empty]
    arguments: Mapped[dict[str, Any]] = mapped_column(JSONB)  # ids and names; never secrets or user data


class LoginTable:
    """Logins that were alike: who was claimed, from where, how, and what came of it."""

    __tablename__ = "login"

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Index, ...]:
        return Index("ix_login_login", "login", "id"), Index("ix_login_account", "account_id", "id")

    id: Mapped[Key]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime] = mapped_column(index=True)
    count: Mapped[int]
    login: Mapped[str]
    account_id: Mapped[int | None]  # of those let in
    remote: Mapped[str]
    how: Mapped[str]
    outcome: Mapped[str]


class RequestTable:
    """A call that carried a ``request_id``, with its answer, which a repeat gets again."""

    __tablename__ = "request"
    account_id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str]  # of method and arguments
    answer: Mapped[str | None]
    at: Mapped[Now] = mapped_column(index=True)
