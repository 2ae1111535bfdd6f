"""Calls that are passed on: what they are given."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from clm.rules.forward import Row
from clm.services.context import CloudPolicy
from clm.services.forward import GUEST_S, Forwarder
from cm.rpc.caller import Identity
from cm.rpc.vocabulary import Role
from cm.services.guest_command import COMMAND_S

ANN = Identity(7, "ann", frozenset({Role.USER}), source="token")
POLICY = CloudPolicy(secret=b"s" * 32, cluster_deadline_s=10.0)


class Connection:
    """To a cluster that answers at once."""

    facts = SimpleNamespace(id=1, name="north")

    def __init__(self) -> None:
        self.told: dict[str, Any] = {}

    def check(self) -> None: ...

    async def call(self, identity: Identity, name: str, params: Any, **told: Any) -> str:
        self.told = told
        return "answer"


@pytest.mark.parametrize(
    ("row", "arguments", "deadline_s"),
    [
        (Row("user.vm.get_by_id", False, False), {}, 10.0),
        (Row("user.vm.guest_info", False, False, waiting=True), {}, 10.0 + GUEST_S),
        (Row("user.operation.wait", False, False, waiting=True, patience=("timeout", 5.0)), {}, 15.0),
        (Row("user.operation.wait", False, False, waiting=True, patience=("timeout", 5.0)), {"timeout": 20.0}, 30.0),
    ],
)
def test_deadline(row: Row, arguments: dict[str, Any], deadline_s: float) -> None:
    """A call has as long as what it waits for may take, so that the cluster says that a guest is silent, and not we."""
    connection = Connection()

    async def get(reference: str) -> Connection:
        return connection

    clusters: Any = SimpleNamespace(get=get)
    nothing: Any = None
    forwarder = Forwarder(nothing, POLICY, Clock(), clusters)
    caller: Any = SimpleNamespace(identity=ANN, request_id=None, dry_run=False, if_version=None)
    answers: list[Any] = []
    asked = forwarder.forward(row, caller, {"cluster": "north", **arguments})
    Deferred.fromCoroutine(asked).addCallback(answers.append)
    assert answers == ["answer"]
    assert connection.told == {"deadline_s": deadline_s, "waiting": row.waiting}


def test_longer_than_guests() -> None:
    """Two commands of a silent agent, as ``install_keys`` gives them, end before the cloud stops waiting."""
    assert POLICY.cluster_deadline_s + GUEST_S > 2 * COMMAND_S
