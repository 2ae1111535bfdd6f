"""Tickets for VMs' consoles and screens, calls for screens that wait, and logs that are to be deleted."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty


class ConsoleTicket(Base):
    """One that was given out and not used yet. What opens the console is its secret, of which the digest is here."""

    __tablename__ = "console_ticket"
    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    vm_id: Mapped[int] = mapped_column(ForeignKey("vm.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    account_version: Mapped[int]
    issuer: Mapped[str]  # of the caller's token, and the groups that it told
    groups: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    force: Mapped[bool]
    kind: Mapped[str] = mapped_column(server_default=text("'serial'"))
    origin: Mapped[Empty]  # whose pages alone may use it; "": none, but programs
    expires_at: Mapped[datetime] = mapped_column(index=True)


class ScreenCall(Base):
    """
    A screen that a node's agent is asked to call for. The token is good once, for that node, and stands in its
    document, hence here; ``meeting`` is where the manager's process waits.
    """

    __tablename__ = "screen_call"
    token: Mapped[str] = mapped_column(primary_key=True)
    node_id: Mapped[int] = mapped_column(ForeignKey("node.id"), index=True)
    address: Mapped[str]
    port: Mapped[int]
    meeting: Mapped[str]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class ConsoleLeftover(Base):
    """A log that its node may have still: its VM has ended, or logs elsewhere since."""

    __tablename__ = "console_leftover"
    __table_args__ = (Index("ix_console_leftover_node", "node_id"),)
    vm_id: Mapped[int] = mapped_column(ForeignKey("vm.id"), primary_key=True)
    node_id: Mapped[int] = mapped_column(ForeignKey("node.id"), primary_key=True)
