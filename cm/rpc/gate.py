"""
Where every password of a process is looked at, at both managers: counted first, hashed by turns of the addresses that
asked, and equal in what it costs whether the login exists.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final

from twisted.internet.defer import Deferred

from cm.rpc.address import network_of
from cm.rpc.passage import Passage
from cm.rpc.password import Passwords
from cm.rpc.throttle import OTP, LoginThrottle
from cm.rpc.types import Secret
from cm.runtime.shared import Shared
from cm.runtime.threads import IThreads
from cm.runtime.wall import steady_seconds

WAITING_MAX: Final = 300  # passwords that wait to be hashed


class PasswordGate:
    """
    :param clock: seconds that only grow.
    :param slots: hashes at once; as many as the pool ``password`` has threads.
    :ivar passwords: the process's hasher; it blocks.
    """

    def __init__(
        self,
        threads: IThreads,
        clock: Callable[[], float] = steady_seconds,
        throttle: LoginThrottle | None = None,
        slots: int = 1,
        passwords: Passwords | None = None,
    ) -> None:
        self._threads = threads
        self.passwords = passwords or Passwords()
        self.throttle = throttle or LoginThrottle(clock)
        self.otp_throttle = LoginThrottle(clock, OTP)
        self._queue = Passage(slots, slots, WAITING_MAX)
        self._under_way: dict[tuple[str, bytes], Shared] = {}
        self._key = secrets.token_bytes(32)

    async def right_hash(
        self, remote: str, login: str, password: Secret, find: Callable[[], Awaitable[str | None]]
    ) -> str | None:
        """
        The stored hash that this is the password of; None when it is wrong, or there is none.

        The same guess sent many times together is one guess. It is looked at to its end also when whoever sent it has
        hung up: else its place among those at once would be free while it is still being hashed.

        :param login: as it is compared; another spelling is another login.
        :param find: the stored hash, asked for once the try is counted; it must take as long for nobody's login.
        :raises TooManyLogins: it was not looked at. Overloaded: too many wait for the hashing threads.
        """
        given = password.reveal()
        text = f"{len(login)}:{login}{given}".encode("utf-8", "surrogatepass")
        key = (network_of(remote), hmac.new(self._key, text, hashlib.sha256).digest())
        shared = self._under_way.get(key)
        if shared is None:
            shared = self._under_way[key] = Shared()
            looking = Deferred.fromCoroutine(self._look(remote, login, given, find))
            looking.addBoth(self._answered, key, shared)
        return await shared.wait()

    def _answered(self, outcome: Any, key: tuple[str, bytes], shared: Shared) -> None:
        del self._under_way[key]
        shared.end(outcome)

    async def _look(self, remote: str, login: str, given: str, find: Callable[[], Awaitable[str | None]]) -> str | None:
        with self.throttle.attempt(remote, login) as attempt:
            place = network_of(remote)
            await self._queue.enter(place)
            with self._queue.inside(place):
                stored = await find()
                attempt.right = await self._threads.run("password", self.passwords.verify, stored, given)
        return stored if attempt.right else None

    async def hash(self, remote: str, password: Secret) -> str:
        """
        A password's hash, to be stored.

        :raises Overloaded: too many wait for the hashing threads.
        """
        place = network_of(remote)
        await self._queue.enter(place)
        with self._queue.inside(place):
            digest: str = await self._threads.run("password", self.passwords.hash, password.reveal())
        return digest
