"""
What a kind of operation means to the use cases that end one from outside, or open it again. How it is worked is
``cm/operations``' to know, whose kinds register here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from sqlalchemy.orm import Session

from cm.rules.operation import HOLDER, SPECS, KindSpec, OperationKind
from cm.runtime.database import notify
from cm.store.operation import OperationRow
from cm.store.operation_object import Objects


class Ends:
    """
    :cvar steps: by name, in their order.
    :cvar notes: what they keep in its arguments for themselves; a retry begins without them (``forgotten``).
    """

    kind: ClassVar[OperationKind]
    steps: ClassVar[Mapping[str, object]]
    notes: ClassVar[tuple[str, ...]] = ()

    @property
    def spec(self) -> KindSpec:
        return SPECS[self.kind]

    @property
    def first(self) -> str:
        """The name of the step that it begins with."""
        return next(iter(self.steps))

    def interrupted(self, session: Session, vm_id: int | None) -> None:
        """What goes back however it is given up: by who asked, or by a destroy of its VM."""

    def dropped(self, session: Session, op: OperationRow) -> None:
        """
        The same by what the operation was about and had noted.

        :raises NotAbandonable: it cannot be given up now, by nobody.
        """

    def abandoned(self, session: Session, op: OperationRow) -> None:
        """
        What its abandonment undoes besides, in the transaction that marks it abandoned.

        :raises NotAbandonable: it cannot be given up.
        """

    def forgotten(self, op: OperationRow) -> Sequence[str]:
        """Those of its notes that a retry of a failed operation begins without."""
        return self.notes

    def reopened(self, session: Session, op: OperationRow) -> Objects:
        """
        What a retry of a failed operation must claim again, in the transaction that queues it.

        :return: the objects that it is about instead of those of before.
        """
        return {}


ENDS: dict[OperationKind, Ends] = {}


def look_at_holder(session: Session, op: OperationRow) -> None:
    """
    An operation is over, other than by its own last step: should a domain without a guest have disks open for it, a
    pass over that node ends the domain. It comes at once, for nobody else can write to the disks until then.
    """
    node_id = op.arguments.get(HOLDER)
    if node_id is not None:
        notify(session, "look", node_id)
