"""A connection to a cluster: what one caller's calls leave to others."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from clm.drivers.cluster import AT_ONCE, CALLS, WAITS, ClusterConnection, ClusterUnavailable
from clm.rules.cluster import OK, ClusterFacts
from clm.services.connection import service_identity
from cm.rpc.caller import Identity
from cm.rpc.errors import TooManyAtOnce
from cm.rpc.token import LIFETIME_S
from cm.rpc.vocabulary import Role


class Silent:
    """A cluster that takes calls and does not answer."""

    def __init__(self) -> None:
        self.gates: list[Deferred[None]] = []

    async def exchange(self, method: str, params: Any = (), **options: Any) -> tuple[bytes, int]:
        self.gates.append(Deferred())
        await self.gates[-1]
        raise AssertionError

    async def close(self) -> None: ...


class Signer:
    def __init__(self) -> None:
        self.lifetimes_s: list[int | None] = []

    def sign(self, identity: Identity, audience: str, lifetime_s: int | None = None) -> str:
        self.lifetimes_s.append(lifetime_s)
        return "token"


def person(number: int) -> Identity:
    return Identity(number, f"user{number}", frozenset({Role.USER}), source="token")


def fill(connection: ClusterConnection, identity: Any, waiting: bool) -> tuple[int, Exception]:
    """As many calls as they get, and how the next one is refused."""
    count = 0
    while True:
        refused: list[Any] = []
        Deferred.fromCoroutine(connection.call(identity, "user.x", waiting=waiting)).addErrback(refused.append)
        if refused:
            return count, refused[0].value
        count += 1


@pytest.fixture
def connection() -> ClusterConnection:
    facts = ClusterFacts(id=1, uuid="u", name="krakow", url="http://127.0.0.1:1", ca="", locked=False, state=OK)
    signer: Any = Signer()
    return ClusterConnection(Clock(), facts, signer, 10.0, caller=Silent())


def test_waits(connection: ClusterConnection) -> None:
    """One user's waits leave room for others' waits, and all the room for calls that work."""
    count, error = fill(connection, person(1), waiting=True)
    assert count == WAITS.per_account and isinstance(error, TooManyAtOnce)
    assert fill(connection, person(2), waiting=True)[0] == WAITS.per_account
    assert fill(connection, person(1), waiting=False)[0] == CALLS.per_account


def test_kept(connection: ClusterConnection) -> None:
    """When users hang at a cluster, its administrators and the cloud itself still reach it."""
    counts = [fill(connection, person(number), waiting=False) for number in range(10)]
    assert sum(count for count, _ in counts) == CALLS.size - CALLS.kept
    assert isinstance(counts[-1][1], ClusterUnavailable)
    assert fill(connection, service_identity(), waiting=False)[0] == CALLS.kept


def test_at_once(connection: ClusterConnection) -> None:
    """Few of one user's calls are on their way at once; the others wait here, and others' calls pass them."""
    silent: Any = connection._caller
    fill(connection, person(1), waiting=False)
    assert len(silent.gates) == AT_ONCE
    fill(connection, person(2), waiting=False)
    assert len(silent.gates) == 2 * AT_ONCE
    silent.gates[0].errback(RuntimeError())
    assert len(silent.gates) == 2 * AT_ONCE + 1


def test_too_long(connection: ClusterConnection) -> None:
    """Who waits behind their own calls for as long as a call may take is told so, and the cluster is not suspected."""
    refused: list[Any] = []
    for _ in range(AT_ONCE + 1):
        Deferred.fromCoroutine(connection.call(person(1), "user.x")).addErrback(refused.append)
    clock: Any = connection._reactor
    clock.advance(10)
    assert "your calls before this one" in str(refused[0].value) and not connection.suspect


@pytest.mark.parametrize(("deadline_s", "good_s"), [(None, 11), (2.5, 4), (300.0, LIFETIME_S)])
def test_given_up(connection: ClusterConnection, deadline_s: float | None, good_s: int) -> None:
    """
    What a cluster hears of after its answer was given up is not done: whoever repeated it may have been refused. So a
    token is good for as long as it is waited for, a call's own time or a connection's, and never for longer than any.
    """
    Deferred.fromCoroutine(connection.call(person(1), "user.x", deadline_s=deadline_s))
    signer: Any = connection._signer
    assert signer.lifetimes_s == [good_s]
