"""
Waiting for networks that nodes' agents make: the node has been told of them since somebody of the VM's came to be on
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from sqlalchemy.orm import Session

from cm.operations.base import AWAY_S, Wait, Work
from cm.rpc.errors import HypervisorError
from cm.store.link import LINKS, forget_links, missing_links
from cm.store.operation import OperationRow
from cm.store.waking import awaited


async def await_links(work: Work, node_id: int, links: Sequence[str]) -> None:
    """
    :param links: bridges.
    :raises Wait: the node's agent has not said yet that they are all there.
    """
    missing = bool(links) and await work.read(missing_links, node_id, links)
    if missing:
        told = "The VM's node is making its network."
        raise Wait(AWAY_S, told, partial(_made, node_id, links), on=awaited(LINKS, node_id))


def _made(node_id: int, links: Sequence[str], session: Session, op: OperationRow) -> bool:
    return not missing_links(session, node_id, links)


async def look_for_links(work: Work, node_id: int, links: Sequence[str], error: HypervisorError) -> None:
    """
    After what failed: a bridge that the agent told of may have gone before it could tell that.

    :raises Wait: one has.
    """
    gone = [link for link in links if f"'{link}'" in error.reason]
    if gone:
        await work.db(forget_links, node_id, gone)
        await await_links(work, node_id, links)
