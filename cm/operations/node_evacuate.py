"""
Emptying a node: a move for each of its VMs, whose places the call that opened the operation has claimed
(``services/moving.py``). The moves are its children; this waits for them, and says what came of them.

As many of them are at work at once as a node has tokens; the others wait in the journal with their VMs running.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from cm.operations.base import Kind, Work, await_children, register
from cm.rpc.vocabulary import OperationState
from cm.rules.operation import OperationKind
from cm.services.children import give_up_unbegun, not_done
from cm.services.context import ClusterPolicy
from cm.services.migrating import LIVE
from cm.services.moving import NotEmptied, empty_node
from cm.store.moving import lock_departing
from cm.store.operation import OperationRow


async def claim_places(work: Work) -> None:
    """One that is tried again looks anew what is on the node: what failed goes on, and what had no place may have."""
    if work.op.attempts:
        await work.db(_claim_places, work.op, work.services.policy)


def _claim_places(session: Session, op: OperationRow, policy: ClusterPolicy) -> None:
    assert op.node_id is not None
    lock_departing(session, op.node_id)
    empty_node(session, op.node_id, policy, op.account_id, lambda: op.id, op.arguments.get(LIVE, False))


async def await_moves(work: Work) -> None:
    """
    Wait until every move has ended.

    :raises NotEmptied: some VMs were not moved, and are there still.
    """
    moves = await await_children(work)
    stayed = await work.read(not_done, moves)
    if stayed:
        assert work.op.node_id is not None
        raise NotEmptied(work.op.node_id, len({move.vm_id for move in moves}), ", ".join(stayed))
    moved = sorted({move.vm_id for move in moves if move.vm_id and move.state is OperationState.DONE})
    await work.complete(result={"moved": moved})


@register
class NodeEvacuate(Kind):
    kind = OperationKind.NODE_EVACUATE
    steps = {"claim_places": claim_places, "await_moves": await_moves}

    def abandoned(self, session: Session, op: OperationRow) -> None:
        give_up_unbegun(session, op.id)
