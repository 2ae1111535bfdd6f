"""The journal of work, its workers, and the decisions of placement."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty, Key, No, Now, Zero
from cm.rpc.vocabulary import OPEN_OPERATIONS, OperationState


def _among(states: Iterable[OperationState]) -> str:
    return f"state IN ({', '.join(repr(state.value) for state in states)})"


# Conditions of the partial indexes; statements take theirs from here as well (``store/conditions.py``).
OPEN = _among(OPEN_OPERATIONS)
DUE = _among(state for state in OPEN_OPERATIONS if state is not OperationState.RUNNING)


class Worker(Base):
    """A process that works operations. While it lives it holds the advisory lock (``LOCK_CLASS``, id)."""

    __tablename__ = "worker"
    id: Mapped[Key]
    name: Mapped[str]
    started_at: Mapped[Now]


class Operation(Base):
    __tablename__ = "operation"
    __table_args__ = (
        # By rows' places: old ones lie together, and kilobytes tell where.
        Index("ix_operation_finished", "finished_at", postgresql_using="brin"),
        Index("ix_operation_parent", "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
        # Of a journal of millions a few hundred are open at a time: this index has kilobytes.
        Index("ix_operation_open", "id", postgresql_where=text(OPEN)),
        Index("ix_operation_open_vm", "vm_id", postgresql_where=text(OPEN)),
        Index("ix_operation_due", "not_before", "id", postgresql_where=text(DUE)),
        Index("ix_operation_waits_for", "waits_for", postgresql_where=text(f"{DUE} AND waits_for <> ''")),
        Index("ix_operation_worker", "worker_id", postgresql_where=text("worker_id IS NOT NULL")),
        Index("ix_operation_vm", "vm_id", "id"),
        Index("ix_operation_account", "account_id", "id"),
        # An operation that was given up keeps its worker's mark until that worker has stopped.
        CheckConstraint("state <> 'running' OR worker_id IS NOT NULL", "running_has_worker"),
        CheckConstraint("cause_kind IN ('call', 'hook', 'look', 'drift', 'operation', 'expiry')", "cause_kind"),
    )
    id: Mapped[Key]
    kind: Mapped[str]
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))  # who asked; None: the cluster itself
    # Columns for what hot statements ask: a VM's summary for the operation that is open, its page for those that were,
    # and the engine for the node whose tokens one takes. All else that it is about is in ``objects``.
    vm_id: Mapped[int | None] = mapped_column(ForeignKey("vm.id"))
    node_id: Mapped[int | None] = mapped_column(ForeignKey("node.id"))
    objects: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))  # {kind of object: [number]}
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("operation.id"))  # which waits for it
    concurrent: Mapped[No]  # its VM is not busy with it
    arguments: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    cause_kind: Mapped[str] = mapped_column(server_default=text("'call'"))
    cause_ref: Mapped[Empty]  # which call, hook event, node, row of the drift ledger or operation led to it
    state: Mapped[str] = mapped_column(server_default=text("'queued'"))
    step: Mapped[Empty]  # the name of the one to go on with; "": the first
    progress: Mapped[Zero]  # 0-100
    attempts: Mapped[Zero]
    not_before: Mapped[Now]
    waits_for: Mapped[Empty]  # the object whose change has it go on before, as ``store/waking.py`` names it
    deadline: Mapped[datetime]
    worker_id: Mapped[int | None]
    lease_until: Mapped[datetime | None]
    error: Mapped[Empty]  # slug
    user_text: Mapped[Empty]
    admin_text: Mapped[Empty]
    result: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    created_at: Mapped[Now]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class OperationObject(Base):
    """
    What an operation that is open is about, a row an object. They go with its end, so the table is as small as what is
    under way, whatever the journal remembers. Of one that was given up they stay as long as
    its worker's mark.
    """

    __tablename__ = "operation_object"
    __table_args__ = (
        # One open operation an object.
        Index("uq_operation_object_held", "kind", "object_id", unique=True, postgresql_where=text("exclusive")),
        Index("ix_operation_object_shared", "kind", "object_id", postgresql_where=text("NOT exclusive")),
    )
    operation_id: Mapped[int] = mapped_column(ForeignKey("operation.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    object_id: Mapped[int] = mapped_column(primary_key=True)
    exclusive: Mapped[bool]  # it has the object to itself


class Placement(Base):
    """One decision of placement: the best nodes' verdicts, and of the others how many had which reason."""

    __tablename__ = "placement"
    id: Mapped[Key]
    vm_id: Mapped[int] = mapped_column(ForeignKey("vm.id"), index=True)
    node_id: Mapped[int | None] = mapped_column(ForeignKey("node.id"))
    verdicts: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    others: Mapped[dict[str, int]] = mapped_column(JSONB, server_default=text("'{}'"))
    at: Mapped[Now] = mapped_column(index=True)
