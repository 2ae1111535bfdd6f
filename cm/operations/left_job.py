"""What work that was given up has left: a job on a disk of a running domain, which goes on, or waits to be finished."""

from __future__ import annotations

from typing import Final

from cm.interfaces.block_job import BlockJobState
from cm.interfaces.calls import NodeCalls
from cm.operations.base import Wait

ENDING_S: Final = 0.1
ENDING: Final = "What was given up is still at work on the disk; that is being ended."


async def end_left_job(node: NodeCalls, domain: str, device: str) -> None:
    """
    For whoever holds the disk, and has begun no job on it: so it is nobody's. What it has done is done, and is as good.

    :raises Wait: there was one.
    :raises DomainNotRunning: nobody has the disk open.
    """
    seen = await node.block_jobs.look(domain, device)
    if seen.state is not BlockJobState.NONE:
        await node.block_jobs.abort(domain, device)
        raise Wait(ENDING_S, ENDING)
