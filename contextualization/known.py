"""
Guests that asked, remembered by who asks, with all that they are told: a guest asks some fifty times as it boots.

A notification drops what it may be about. An address that one VM gives back another may have at once, so nothing lives
longer than it takes a machine to boot: should a notification be lost, the new guest is told nothing of the old one's.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from twisted.internet.interfaces import IReactorTime

from cm.rules.guest import Guest
from cm.runtime.database import Database
from cm.services.guest import find_guest
from cm.store.node_document import ALL
from contextualization.authenticate import Sender
from contextualization.metadata.identity import Signer
from contextualization.metadata.tree import Tree, dynamic, guest_tree, identity_document
from contextualization.settings import EndpointSettings

KEPT_S: Final = 2.0  # what is changed without a word to the nodes, such as a VM's name, is told after so long
KEPT_MAX: Final = 2048  # guests; each has 64 KiB of user data at the most


class Told:
    """A guest, and EC2's tree of it, which is made when it is first asked for."""

    def __init__(self, guest: Guest, settings: EndpointSettings) -> None:
        self.guest = guest
        self._settings = settings
        self._signed: Tree | None = None

    @cached_property
    def tree(self) -> Tree:
        return guest_tree(self.guest, self._settings.region, self._settings.domain)

    def signed(self, signer: Signer) -> Tree:
        """With the signatures of the document, which take a few milliseconds once."""
        if self._signed is None:
            document = identity_document(self.guest, self._settings.region)
            self._signed = {**self.tree, "dynamic": dynamic(document, signer.leaves(document))}
        return self._signed


@dataclass(frozen=True)
class _Kept:
    """:ivar mark: of what may have changed it, as it was before it was read."""

    told: Told
    mark: tuple[int, int, int]
    at: float


class KnownGuests:
    """:param kept_s: 0: nothing is kept, as where no notifications come."""

    def __init__(
        self, database: Database, settings: EndpointSettings, clock: IReactorTime, kept_s: float = KEPT_S
    ) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._kept_s = kept_s
        self._kept: OrderedDict[tuple[int, str, str], _Kept] = OrderedDict()  # those that were read last at the end
        self._changes: Counter[int] = Counter()  # by node; of all under ALL

    def changed(self, payload: str = "") -> None:
        """
        What guests of a node are told may have changed.

        :param payload: a node's id, or that of ``ALL``; empty where it is not known whose.
        """
        self._changes[int(payload) if payload.isdecimal() else ALL] += 1

    def options_changed(self, payload: str = "") -> None:
        """What a VM's guest may read has changed; rare enough to forget all that is kept."""
        self._changes[-1] += 1

    def _mark(self, node_id: int) -> tuple[int, int, int]:
        return self._changes[node_id], self._changes[ALL], self._changes[-1]

    async def get(self, sender: Sender, *, anew: bool = False) -> Told | None:
        """
        The guest that a node asks for; None: no VM on that node has the address.

        :param anew: look, whatever is kept.
        """
        key = (sender.node_id, sender.bridge, sender.address)
        now, mark = self._clock.seconds(), self._mark(sender.node_id)
        kept = self._kept.get(key)
        if kept is not None and not anew and kept.mark == mark and now - kept.at < self._kept_s:
            return kept.told
        self._kept.pop(key, None)
        guest = await self._database.read(find_guest, *key)
        if guest is None:
            return None
        told = Told(guest, self._settings)
        if self._kept_s:
            self._kept[key] = _Kept(told, mark, now)
            while len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        return told
