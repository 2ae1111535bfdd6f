"""Passwords guessed at: at both managers alike, with their own threads, database and authenticator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from admin_bench import Bench
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.task import Clock

from clm.services.authenticator import HASHING, CloudAuthenticator
from cm.rpc.credentials import PasswordCredentials
from cm.rpc.errors import CloudError, NotAuthenticated, TooManyLogins
from cm.rpc.gate import PasswordGate
from cm.rpc.keys import ensure_signing_key
from cm.rpc.password import Passwords
from cm.rpc.types import Secret
from cm.runtime.database import Database
from cm.runtime.logins import LoginTrail
from cm.runtime.threads import IThreads, Threads
from cm.services.authenticator import DatabaseAuthenticator
from support.clm import CloudBench
from support.cloud import reactor, run

PASSWORD = "correct horse"
HERE, THERE = "192.0.2.9", "198.51.100.7"


class Noting(Passwords):
    """Cheap, and the passwords in the order in which they were looked at."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_kib=64)
        self.seen: list[str] = []

    def verify(self, stored: str | None, password: str) -> bool:
        self.seen.append(password)
        return super().verify(stored, password)


class Manager:
    """:ivar login: of somebody whose password is PASSWORD."""

    login: str
    made: Any

    def __init__(self) -> None:
        self.now = 1000.0
        self.passwords = Noting()

    def guesses(self, *guesses: tuple[str, str, str]) -> list[Any]:
        """Of tries of (login, password, address) that come together: True, or the class of the refusal."""

        async def go() -> Any:
            calls = [
                Deferred.fromCoroutine(self.made.authenticate(PasswordCredentials(login, Secret(password)), remote))
                for login, password, remote in guesses
            ]
            return await DeferredList(calls, consumeErrors=True)

        return [True if right else told.type for right, told in run(go)]

    def wrong(self, count: int, login: str = "", remote: str = HERE) -> list[Any]:
        return self.guesses(*((login or self.login, f"wrong {n}", remote) for n in range(count)))

    def right(self, remote: str = HERE) -> Any:
        self.made.account_changed() if isinstance(self, Cluster) else self.made.user_changed()
        return self.guesses((self.login, PASSWORD, remote))[0]


class Cluster(Manager):
    login = "ala"

    def __init__(self, bench: Bench, directory: Path) -> None:
        super().__init__()
        self.threads = Threads(reactor, {"database": 2})
        threads = cast(IThreads, self.threads)
        self.database = Database(bench.database.url, threads)
        gate = PasswordGate(threads, lambda: self.now, passwords=self.passwords)
        logins = LoginTrail(self.database, Clock())
        key = ensure_signing_key(directory / "session.key", "session")
        self.made = DatabaseAuthenticator(self.database, bench.policy, gate, logins, key, clock=lambda: self.now)
        bench.services.gate.passwords = self.passwords
        bench.call("admin.user.set_password", bench.user.account_id, PASSWORD)

    def close(self) -> None:
        run(self.threads.stop)
        self.database.close()


class Cloud(Manager):
    login = "ann"

    def __init__(self, bench: CloudBench) -> None:
        super().__init__()
        services = bench.manager.services
        self.database = services.database
        gate = PasswordGate(services.threads, lambda: self.now, slots=HASHING, passwords=self.passwords)
        self.made = CloudAuthenticator(
            self.database, services.policy, gate, LoginTrail(self.database, Clock()), lambda: self.now
        )
        bench.sql("UPDATE user_account SET password_hash = :d WHERE login = 'ann'", d=self.passwords.hash(PASSWORD))


@pytest.fixture(params=["cluster", "cloud"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    if request.param == "cloud":
        yield Cloud(request.getfixturevalue("bench"))
        return
    bench = Bench(request.getfixturevalue("database_url"), tmp_path)
    made = Cluster(bench, tmp_path)
    yield made
    made.close()
    bench.close()


def test_at_once(manager: Manager) -> None:
    """Of 200 guesses sent together as many are looked at as may be at once, and never more than the limit in all."""
    outcomes = manager.wrong(200)
    assert outcomes.count(NotAuthenticated) == len(manager.passwords.seen) == 5
    assert outcomes.count(TooManyLogins) == 195
    manager.wrong(200)
    manager.wrong(200)
    assert len(manager.passwords.seen) == 10


def test_shut_out(manager: Manager) -> None:
    """Who is shut out is told for how long, and it is seconds, however long the guessing went on; others are not."""
    for _ in range(20):
        manager.wrong(50)
        manager.now += 1
    assert manager.right() is TooManyLogins
    assert manager.right(THERE) is True
    manager.now += 6
    assert manager.right() is True
    with pytest.raises(TooManyLogins) as refused:
        for n in range(99):
            try:
                run(lambda: manager.made.authenticate(PasswordCredentials("zoe", Secret("wrong")), HERE))
            except NotAuthenticated:
                assert n < 10
    assert 0 < refused.value.retry_after_s <= 6 and refused.value.retry and isinstance(refused.value, CloudError)


def test_turns(manager: Manager) -> None:
    """300 unknown names from one address stand before a right login from elsewhere with a few hashes, not with all."""
    manager.guesses(*((f"nobody-{n}", "wrong", f"203.0.113.{n}") for n in range(20)))  # all threads are connected
    manager.passwords.seen.clear()
    many = [(f"nobody-{n}", f"wrong {n}", HERE) for n in range(300)]
    outcomes = manager.guesses(*many, (manager.login, PASSWORD, THERE))
    assert outcomes[-1] is True
    # It comes in third or fourth. While it is looked up, the thread beside may be done with one or two more.
    assert manager.passwords.seen.index(PASSWORD) <= 8


def test_one_network(manager: Manager) -> None:
    """All addresses of an IPv6 network are one, a neighbouring network's are not."""
    for n in range(20):
        manager.wrong(1, remote=f"2001:db8::{n:x}")
    assert len(manager.passwords.seen) == 10
    assert manager.right("2001:db8::77") is TooManyLogins
    assert manager.right("2001:db8:0:1::1") is True


def test_same_guess(manager: Manager) -> None:
    """A client that opens with many calls at once has its one password hashed once, and all of them let in."""
    assert manager.guesses(*[(manager.login, PASSWORD, HERE)] * 50) == [True] * 50
    assert manager.passwords.seen == [PASSWORD]
    assert set(manager.guesses(*[(manager.login, "wrong", HERE)] * 50)) == {NotAuthenticated}
    assert manager.passwords.seen == [PASSWORD, "wrong"]


def test_right_ones(manager: Manager) -> None:
    """Right passwords are no tries: whoever has one may come as often as they like."""
    assert [manager.right() for _ in range(40)] == [True] * 40


def test_hung_up(manager: Manager) -> None:
    """A guess whose sender hangs up is counted all the same, as its hash is made."""

    async def go() -> None:
        for n in range(100):
            credentials = PasswordCredentials(manager.login, Secret(f"hung up {n}"))
            guess = Deferred.fromCoroutine(manager.made.authenticate(credentials, HERE))
            guess.addErrback(lambda failure: failure.trap(CancelledError, CloudError))
            guess.cancel()

    run(go)
    outcomes = [manager.wrong(1)[0] for _ in range(20)]
    assert outcomes.count(NotAuthenticated) <= 5 and TooManyLogins in outcomes


def test_same_work(manager: Manager) -> None:
    """A login that exists and one that does not cost the same: one query, one hash, whatever was seen before."""
    work: list[tuple[str, ...]] = []
    inner = manager.database.read

    async def read(function: Any, *arguments: Any) -> Any:
        work[-1] += (function.__name__,)
        return await inner(function, *arguments)

    manager.database.read = read  # type: ignore[method-assign]
    for login in (manager.login, "nobody", manager.login, "nobody"):
        hashes = len(manager.passwords.seen)
        work.append(())
        assert manager.wrong(1, login) == [NotAuthenticated]
        assert len(manager.passwords.seen) == hashes + 1
        manager.right(THERE)
    del work[1::2]  # those of the right ones in between
    assert len(set(work)) == 1
