"""
From the spool to the endpoint: in order, until acknowledged.

A record leaves the spool only after the endpoint has said that it is stored. Killed in between, the agent sends it
again; the endpoint knows it by node, boot id and number, and acknowledges the repeat.
"""

import itertools
import logging
import random
import time
from collections.abc import Callable

from node_hooks.client import Client
from node_hooks.errors import EndpointRefused, EndpointUnavailable
from node_hooks.spool import Record, Spool
from node_hooks.state import StateFile

log = logging.getLogger("wawel.node.delivery")

BATCH = 100  # what one call may carry, by the protocol
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0


class Backoff:
    """Growing pauses with jitter, so that the nodes of a cluster do not return all at once."""

    def __init__(self, draw: Callable[[], float] = random.random) -> None:
        self._draw = draw
        self._next_s = FIRST_PAUSE_S

    def pause_s(self) -> float:
        """Half to all of the current step; the step doubles up to ``LONGEST_PAUSE_S``."""
        step = self._next_s
        self._next_s = min(LONGEST_PAUSE_S, step * 2)
        return step * (0.5 + 0.5 * self._draw())

    def reset(self) -> None:
        self._next_s = FIRST_PAUSE_S


class Delivery:
    """Empties one spool. ``deliver`` is for one thread, the one that the client serves."""

    def __init__(self, spool: Spool, client: Client, state: StateFile) -> None:
        self.spool = spool
        self.client = client
        self.state = state

    def deliver(self) -> bool:
        """
        Send the oldest records that share a boot id; records of an earlier boot go first, as they are older.

        :return: whether there was anything to do, so that it is worth calling again at once.
        :raises EndpointUnavailable: try again later; nothing is lost.
        :raises EndpointRefused: the endpoint refuses the node, or will not say which record it dislikes.
        """
        self.spool.adopt()
        if dropped := self.spool.trim():
            log.error("the spool was full: %d old records are dropped", dropped)
            self.state.note(dropped=self.state.get("dropped", 0) + dropped)
        records, problems = self.spool.read(BATCH)
        for problem in problems:
            log.error("a corrupt record is set aside: %s", problem)
        if not records:
            return bool(problems)
        boot_id, run = next(itertools.groupby(records, key=lambda record: record.boot_id))
        self._send(boot_id, list(run))
        return True

    def _send(self, boot_id: str, records: list[Record]) -> None:
        events = [record.to_wire() for record in records]
        try:
            answer = self.client.json("POST", "/node/events", {"boot_id": boot_id, "events": events})
        except EndpointRefused as refusal:
            sent = {record.sequence for record in records}
            rejected = sent.intersection(refusal.rejected)
            if refusal.status not in (409, 422) or not rejected:
                raise
            self.spool.reject(rejected)
            log.error("records %s are set aside: %s", sorted(rejected), refusal)
            return
        through = answer.get("acknowledged")
        if type(through) is not int or through < records[0].sequence:
            raise EndpointUnavailable(f"The endpoint acknowledged {through!r}, none of what it was sent.")
        count = self.spool.acknowledge(records, through)
        delay_s = time.time() - records[0].time
        log.debug("%d records are delivered through %d, the oldest after %.3f s", count, through, delay_s)
        self.state.note(last_delivery=time.time(), last_sequence=min(through, records[-1].sequence))
