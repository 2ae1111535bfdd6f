"""
Passwords: argon2id, and a short memory of the ones that were right.

``Passwords`` blocks (20-50 ms of CPU) and belongs on the ``password`` pool of ``IThreads``.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# OWASP Password Storage Cheat Sheet: argon2id with 19 MiB and t=2 at the least. 64 MiB, the library's default, would be
# half of what the whole process takes otherwise.
TIME_COST: Final = 3
MEMORY_KIB: Final = 19 * 1024
PARALLELISM: Final = 1
CACHE_S: Final = 30.0


@cache
def _dummy(time_cost: int, memory_kib: int, parallelism: int) -> str:
    """A hash of what nobody knows, once a process."""
    hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=parallelism)
    return hasher.hash(secrets.token_hex(16))


class Passwords:
    def __init__(
        self, time_cost: int = TIME_COST, memory_kib: int = MEMORY_KIB, parallelism: int = PARALLELISM
    ) -> None:
        self._hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=parallelism)
        self._dummy = _dummy(time_cost, memory_kib, parallelism)

    def hash(self, password: str) -> str:
        return self._hasher.hash(password)

    def verify(self, stored: str | None, password: str) -> bool:
        """
        Whether this is the password.

        :param stored: what ``hash`` gave; ``None`` for a login that does not exist, which takes as long to refuse.
        """
        try:
            return self._hasher.verify(stored or self._dummy, password) and stored is not None
        except (VerificationError, InvalidHashError):
            return False

    def needs_rehash(self, stored: str) -> bool:
        """Whether it was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)


class PasswordCache:
    """
    Remembers for a while which login and password were right together, so that each call of a client with Basic
    credentials need not hash anew. It holds keyed digests under a key of this process, never passwords.

    ``version`` is the account's at the time: whoever asks compares it with what the account has now.
    """

    def __init__(self, clock: Callable[[], float], ttl_s: float = CACHE_S, max_entries: int = 10_000) -> None:
        self._clock = clock
        self._ttl_s = ttl_s
        self._max = max_entries
        self._key = secrets.token_bytes(32)
        self._entries: OrderedDict[str, tuple[bytes, int, float]] = OrderedDict()

    def find(self, login: str, password: str) -> int | None:
        """The account's version when this was right lately."""
        given = self._digest(login, password)  # first, so that how long it takes does not tell whose login was seen
        entry = self._entries.get(login)
        if entry is None:
            return None
        digest, version, until = entry
        if self._clock() >= until:
            del self._entries[login]
            return None
        return version if hmac.compare_digest(digest, given) else None

    def remember(self, login: str, password: str, version: int) -> None:
        self._entries[login] = (self._digest(login, password), version, self._clock() + self._ttl_s)
        self._entries.move_to_end(login)
        if len(self._entries) > self._max:
            self._entries.popitem(last=False)

    def invalidate(self, login: str) -> None:
        self._entries.pop(login, None)

    def _digest(self, login: str, password: str) -> bytes:
        text = f"{len(login)}:{login}{password}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, text, "sha256")
