"""How often an account may change something."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from twisted.internet.task import Clock

from cm.rpc.caller import ANONYMOUS
from cm.rpc.errors import RateLimited
from cm.rpc.limits import Limits
from cm.rpc.rate import ChangeRate

from .sample import ANNA, AS_ROOT, ROOT, Sample, Server
from .test_server import JSON, ask

LIMITS = Limits(changes_burst=3, changes_per_s=0.5, privileged_times=2)


def test_bucket() -> None:
    """So many at once, then one whenever one has come back; who is refused is told when, and that is true."""
    clock = Clock()
    rate = ChangeRate(clock.seconds, LIMITS)
    for _ in range(3):
        rate.take(ANNA)
    for _ in range(5):
        with pytest.raises(RateLimited) as refused:
            rate.take(ANNA)
    assert refused.value.retry_after_s == 2
    rate.take(replace(ANNA, account_id=8))
    clock.advance(2)
    rate.take(ANNA)
    with pytest.raises(RateLimited):
        rate.take(ANNA)


def test_others() -> None:
    """Administrators have several times as much; guests are counted where they are served. What is kept is bounded."""
    rate = ChangeRate(lambda: 0.0, LIMITS, remember=2)
    for _ in range(6):
        rate.take(ROOT)
    with pytest.raises(RateLimited):
        rate.take(ROOT)
    for _ in range(10):
        rate.take(ANONYMOUS)
    for number in range(5):
        rate.take(replace(ANNA, account_id=number + 10))
    assert len(rate._used) == 2


def test_calls() -> None:
    """Changes count, refused ones and dry runs too, alone and in batches; reads do not; others go on."""
    sample = Sample(limits=LIMITS)
    assert "error" in sample.call("user.vm.destroy", [[13]])
    assert "result" in sample.call("user.vm.create", {"name": "a", "dry_run": True})
    change = {"jsonrpc": "2.0", "method": "user.vm.create", "params": ["a"], "id": 1}
    answers = sample.post([change] * 3)
    assert ["result" in each for each in answers] == [True, False, False]
    assert answers[1]["error"]["data"] == {
        "slug": "rate_limited", "fields": {"method": "changing methods", "retry_after_s": 2}, "retry": True,
    }  # fmt: skip
    assert "result" in sample.call("user.vm.get_by_id", [1])
    assert "result" in sample.call("admin.node.lock", [1], authorization=AS_ROOT)
    sample.clock.advance(2)
    assert "result" in sample.post(change)


def test_header() -> None:
    """HTTP's own header says when, too."""
    server = Server(LIMITS)
    try:
        body = json.dumps({"jsonrpc": "2.0", "method": "user.vm.create", "params": ["a"], "id": 1}).encode()
        told = [ask(server, "/jsonrpc", body, JSON)[1].get("retry-after") for _ in range(4)]
        assert told[:3] == [None] * 3 and told[3] in ("1", "2")
    finally:
        server.stop()
