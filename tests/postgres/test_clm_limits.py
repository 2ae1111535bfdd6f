"""Limits of guests' views as they are on the wire: for an address, and for what is asked about."""

from __future__ import annotations

from typing import Any

import pytest

from clm.rules.limits import LIMITS
from cm.rpc.caller import ANONYMOUS, Control
from cm.rpc.errors import RateLimited
from support.clm import CloudBench
from support.cloud import run


def call(bench: CloudBench, method: str, remote: str, **arguments: Any) -> Any:
    """As a connection from this address would."""
    view = bench.manager.registry.get(method)
    bound, _ = view.bind(arguments)
    return run(lambda: bench.manager.executor.execute(view, ANONYMOUS, bound, Control("c", remote=remote)))


def test_address(bench: CloudBench) -> None:
    """Names cannot be tried from one address; others still may ask, and the one who waits may again."""
    burst = LIMITS["guest.user.exists"][0].burst
    for number in range(burst):
        assert not call(bench, "guest.user.exists", "192.0.2.1", login=f"user{number}")
    with pytest.raises(RateLimited) as refused:
        call(bench, "guest.user.exists", "192.0.2.1", login="ann")
    assert refused.value.retry and 0 < refused.value.retry_after_s <= 31
    assert call(bench, "guest.user.exists", "192.0.2.2", login="ann")


def test_subject(bench: CloudBench) -> None:
    """One mailbox gets a few mails, however many addresses ask for them, whether it is somebody's or not."""
    for email in ("ann@example.org", "nobody@example.net"):
        for number in range(3):
            call(bench, "guest.user.reset_password_mail", f"192.0.2.{number}", email=email)
        with pytest.raises(RateLimited):
            call(bench, "guest.user.reset_password_mail", "192.0.2.99", email=email.upper())


def test_not_for_users(bench: CloudBench) -> None:
    """Views for users are not counted."""
    for _ in range(200):
        bench.call("user.session.get_list")
