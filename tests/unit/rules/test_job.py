"""Jobs' rules: schedules in time zones, what is missed, what may be called, what is kept of an answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cm.rpc.errors import InvalidParameter
from cm.rpc.view import Registry
from cm.rules.job import LATE_S, MISSED_MAX, due, kept, refusal, status_of
from cm.runtime.cron import check_schedule, moments

NOW = datetime(2026, 3, 28, 12, 0, 30, tzinfo=UTC)
WARSAW = "Europe/Warsaw"


def test_clocks_change() -> None:
    """In spring what falls into the gap comes right behind it; in autumn what is there twice comes once."""
    spring = list(islice(moments("30 2 * * *", WARSAW, NOW), 2))
    assert spring == [datetime(2026, 3, 29, 1, 0, tzinfo=UTC), datetime(2026, 3, 30, 0, 30, tzinfo=UTC)]
    autumn = list(islice(moments("30 2 * * *", WARSAW, datetime(2026, 10, 24, 12, tzinfo=UTC)), 2))
    assert autumn == [datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 26, 1, 30, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("cron", "zone", "field"),
    [("* * * * *", "UTC", "cron"), ("*/4 * * * *", "UTC", "cron"), ("0,2 0 1 1 *", "UTC", "cron"),
     ("61 * * * *", "UTC", "cron"), ("0 0 30 2 *", "UTC", "cron"), ("0 0 * *", "UTC", "cron"), ("x", "UTC", "cron"),
     ("0 0 0 * * *", "UTC", "cron"), ("@daily", "UTC", "cron"), ("0 0 * * *", "Mars/Base", "timezone"),
     ("0 0 * * *", "../../etc/passwd", "timezone")],
)  # fmt: skip
def test_no_schedules(cron: str, zone: str, field: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        check_schedule(cron, zone, NOW)
    assert refused.value.details()["parameter"] == field


@given(st.text(max_size=30))
def test_any_text(cron: str) -> None:
    """Whatever is sent is a schedule or refused; nothing else happens."""
    try:
        check_schedule(cron, "UTC", NOW)
    except InvalidParameter:
        return
    assert not cron or len(cron.split()) == 5


@settings(max_examples=40)
@given(
    st.sampled_from(["*/5 * * * *", "30 2 * * *", "0 12 * * mon-fri", "0 0 L * *"]),
    st.sampled_from(["UTC", WARSAW, "America/New_York"]),
    st.integers(0, 400 * 86_400),
    st.integers(0, 4 * 86_400),
)
def test_each_moment_once(cron: str, zone: str, begin_s: int, late_s: int) -> None:
    """However late one looks, each moment until then is run for or missed, and none of them comes again."""
    begin = NOW + timedelta(seconds=begin_s)
    next_at = next(moments(cron, zone, begin))
    now = next_at + timedelta(seconds=late_s)
    found = due(partial(moments, cron, zone), next_at, now)
    until = [next_at, *(each for each in islice(moments(cron, zone, next_at), MISSED_MAX + 5) if each <= now)]
    assert found.next_at is not None and found.next_at > now
    if len(until) <= MISSED_MAX:
        assert found.missed + (found.run_at is not None) == len(until)
        assert (found.run_at is not None) == (now - until[-1] <= timedelta(seconds=LATE_S))
        assert found.next_at == next(moments(cron, zone, until[-1]))
    else:
        assert found.missed > MISSED_MAX - 1


def test_never_secrets() -> None:
    """No call that takes a secret, or is about jobs, accounts, sessions or rights, is a job's by its name."""
    names = [view.name for view in Registry.collect("cm.views")]
    assert all(refusal(name) for name in names if name.split(".")[1] in ("job", "account", "session", "acl", "trust"))
    for name in ("user.vm.open_console", "user.vm.attach_vnc", "user.disk.create_download", "node.agent.get"):
        assert refusal(name)
    assert refusal("user.vm.start") is refusal("user.instance.sleep") is refusal("admin.drift.apply_all") is None


def test_answers() -> None:
    """Numbers are kept, by name, each once; texts are not, whatever they are called."""
    answer = [
        {"status": "ok", "vm_id": 7, "operation_id": 9, "vnc_password": "secret", "more": {"image_id": 3}},
        {"status": "vm_busy", "vm_id": 8, "message": "It is busy.", "fields": {"operation_id": 9, "token_id": "x"}},
    ]
    assert kept(answer) == {"vm_id": [7, 8], "operation_id": [9], "image_id": [3]}
    assert status_of(answer) == ("vm_busy", "It is busy.") and status_of({"status": "x"}) == ("ok", "")
    assert kept([{"vm_id": number} for number in range(1000)])["vm_id"] == list(range(100))
    assert kept("secret") == kept(None) == kept({"is_id": True}) == {}
