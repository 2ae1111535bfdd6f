"""Credentials at a cloud manager under test: its authenticator, with clocks and cheap hashing of the test's own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from clm.services.authenticator import HASHING, CloudAuthenticator
from cm.rpc.caller import LocalCaller
from cm.rpc.credentials import PasswordCredentials, TokenCredentials
from cm.rpc.errors import CloudError, NotAuthenticated
from cm.rpc.gate import PasswordGate
from cm.rpc.password import Passwords
from cm.rpc.types import Secret
from support.clm import CloudBench
from support.cloud import run

PASSWORD = "correct horse"
REMOTE = "192.0.2.9"


class Counting(Passwords):
    """Cheap, and counted."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_kib=64)
        self.count = 0

    def verify(self, stored: str | None, password: str) -> bool:
        self.count += 1
        return super().verify(stored, password)


class Wire:
    """An authenticator of another process, as it were, with clocks of its own; and the count of what it asks."""

    def __init__(self, bench: CloudBench) -> None:
        self.bench = bench
        self.passwords = Counting()
        self.now, self.wall = 1000.0, time.time()
        services = bench.manager.services
        services.gate = PasswordGate(services.threads, lambda: self.now, slots=HASHING, passwords=self.passwords)
        self.made = CloudAuthenticator(
            services.database, services.policy, services.gate, services.logins, lambda: self.now, lambda: self.wall
        )
        bench.manager.listener.subscribe("user", self.made.user_changed)
        services.authenticator = self.made
        self.reads = 0
        inner = bench.manager.database.read

        async def read(*arguments: Any) -> Any:
            self.reads += 1
            return await inner(*arguments)

        bench.manager.database.read = read
        for login in ("ann", "bob", "admin"):
            digest = self.passwords.hash(PASSWORD)
            bench.sql("UPDATE user_account SET password_hash = :d WHERE login = :l", d=digest, l=login)

    def basic(self, login: str = "ann", password: str = PASSWORD, remote: str = REMOTE) -> Any:
        credentials = PasswordCredentials(login, Secret(password))
        return run(lambda: self.made.authenticate(credentials, remote))

    def bearer(self, token: str) -> Any:
        return run(lambda: self.made.authenticate(TokenCredentials(Secret(token)), REMOTE))

    def login(self, login: str = "ann", password: str = PASSWORD, otp: str | None = None) -> Any:
        return self.bench.call("guest.session.login", [login, password, otp], login=None)

    def call(self, identity: Any, method: str, params: Any = ()) -> Any:
        """Call a view with the session or key that this identity came by."""
        caller = LocalCaller(self.bench.manager.registry, self.bench.manager.executor.execute, identity)
        return run(lambda: caller.call(method, params))

    def ends(self, function: Callable[[], Any], error: type[CloudError] = NotAuthenticated) -> None:
        """Within a moment this is refused, by the notification alone: nothing else would for half a minute."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                function()
            except error:
                return
            time.sleep(0.01)
        raise AssertionError("it is still let in")
