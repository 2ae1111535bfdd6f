"""
What was written of instances, kept by what it was written of: who polls a thousand that stay as they are has them
written once.

A text is a function of what a cluster told, of whose it is and where: that is the key, so nothing has to be told when
something changes.
"""

from __future__ import annotations

import hashlib
import secrets
import sys
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from clm.ec2.xml import Markup

KEPT_BYTES: Final = 24 * 2**20  # of all texts together; some 7,000 instances
DIGEST: Final = 16  # bytes; it is keyed, so nobody can have two instances meet
_BESIDE: Final = 400  # bytes that an entry takes beside its text


@dataclass(frozen=True, slots=True)
class Told:
    """
    One instance as answers have it.

    :ivar vm_id: its cluster's; newer ones have larger ones.
    :ivar text: its XML, but for its index within its reservation.
    """

    vm_id: int
    reservation: str
    text: Markup


class Kept:
    """Texts by what they were made of; those that were asked for longest ago are forgotten."""

    def __init__(self, most: int = KEPT_BYTES) -> None:
        self._most = most
        self._secret = secrets.token_bytes(32)
        self._entries: OrderedDict[bytes, Told] = OrderedDict()
        self._held = 0

    def key(self, place: bytes, row: bytes) -> bytes:
        """:param place: whose it is and where; it begins as no JSON goes on."""
        made = hashlib.blake2b(row, digest_size=DIGEST, key=self._secret)
        made.update(place)
        return made.digest()

    def find(self, key: bytes) -> Told | None:
        found = self._entries.get(key)
        if found is not None:
            self._entries.move_to_end(key)
        return found

    def keep(self, key: bytes, told: Told) -> None:
        if key not in self._entries:
            self._held += sys.getsizeof(told.text) + _BESIDE
        self._entries[key] = told
        while self._held > self._most:
            _, gone = self._entries.popitem(last=False)
            self._held -= sys.getsizeof(gone.text) + _BESIDE
