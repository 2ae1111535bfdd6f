"""The audit of logins: rows that are bounded, lines that cannot be forged, and the filter that operators are given."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import Logger, LogPublisher

from cm.rpc.errors import AccountBlocked, CloudError, DatabaseUnavailable, NotAuthenticated, TooManyLogins
from cm.runtime import logins
from cm.runtime.log import LineObserver
from cm.runtime.logins import LoginTrail, watched

ROOT = Path(__file__).resolve().parents[3]
HERE = "192.0.2.9"


class Store:
    """In place of the table: the rows as they were last written."""

    def __init__(self) -> None:
        self.rows: dict[int, dict[str, Any]] = {}
        self.away = False
        self.transactions = 0

    async def transact(self, _write: Callable[..., Any], rows: list[dict[str, Any]]) -> list[int]:
        if self.away:
            raise DatabaseUnavailable()
        self.transactions += 1
        ids = []
        for row in rows:
            ids.append(row["id"] or len(self.rows) + 1)
            self.rows[ids[-1]] = row
        return ids


class Trail:
    def __init__(self) -> None:
        self.clock, self.store = Clock(), Store()
        self.made = LoginTrail(self.store, self.clock)  # type: ignore[arg-type]

    def wait(self, seconds: float = 61.0) -> list[dict[str, Any]]:
        self.clock.advance(seconds)
        return list(self.store.rows.values())


@pytest.fixture
def trail() -> Trail:
    return Trail()


def written(
    style: Literal["text", "json"], monkeypatch: pytest.MonkeyPatch, write: Callable[[Trail], Any]
) -> list[str]:
    """The lines of the log as they are on standard error."""
    out = io.StringIO()
    observer = LogPublisher(LineObserver(out, style))
    monkeypatch.setattr(logins, "log", Logger(namespace=logins.log.namespace, observer=observer))
    write(Trail())
    return out.getvalue().splitlines()


class TestRows:
    def test_outcomes(self, trail: Trail) -> None:
        """What is refused has the refusal's code, what is let in its account."""
        for error in (NotAuthenticated(), AccountBlocked(), TooManyLogins(3)):
            with pytest.raises(CloudError), watched(trail.made, "anna", HERE, "password"):
                raise error
        with watched(trail.made, "anna", HERE, "password") as claim:
            claim.how, claim.account_id = "totp", 7
        rows = [(r["login"], r["account_id"], r["remote"], r["how"], r["outcome"], r["count"]) for r in trail.wait(2)]
        assert rows == [
            ("anna", None, HERE, "password", "not_authenticated", 1),
            ("anna", None, HERE, "password", "account_blocked", 1),
            ("anna", None, HERE, "password", "too_many_logins", 1),
            ("anna", 7, HERE, "totp", "ok", 1),
        ]

    def test_counted(self, trail: Trail) -> None:
        """A client that sends its password with each call is a row an hour; its count is written once a minute."""
        for _ in range(600):
            trail.made.note("anna", 7, HERE, "basic")
            trail.clock.advance(1)
        assert [row["count"] for row in trail.wait()] == [600]
        assert trail.store.transactions <= 12
        trail.clock.advance(3600)
        trail.made.note("anna", 7, HERE, "basic")
        assert [row["count"] for row in trail.wait()] == [600, 1]

    def test_networks(self, trail: Trail) -> None:
        """An IPv6 network is one place, told by its first address."""
        for n in range(1, 9):
            trail.made.note("anna", 7, f"2001:db8::{n}", "basic")
        assert [(row["remote"], row["count"]) for row in trail.wait()] == [("2001:db8::1", 8)]

    def test_attack(self, trail: Trail) -> None:
        """A day of guesses at ever new names fills no disk, and is counted to the last one; nobody waits for rows."""
        for n in range(20_000):
            trail.made.note(f"name-{n}", None, HERE, "basic", "not_authenticated")
            trail.clock.advance(4.32)
        rows = trail.wait()
        assert len(rows) < 20 + 86_400 / 30 + 86_400 / 600 + 10
        assert sum(row["count"] for row in rows) == 20_000

    def test_attack_from_everywhere(self, trail: Trail) -> None:
        for n in range(20_000):
            trail.made.note(f"name-{n}", None, f"2001:db8:{n:x}::1", "basic", "not_authenticated")
            trail.clock.advance(0.01)
        rows = trail.wait()
        assert len(rows) < 200 + 200 / 2 + 10
        assert sum(row["count"] for row in rows) == 20_000

    def test_users_addresses(self, trail: Trail) -> None:
        """Neither does a user who comes from ever new addresses; that it was them stays."""
        for n in range(2_000):
            trail.made.note("anna", 7, f"2001:db8:{n:x}::1", "session")
        rows = trail.wait()
        assert len(rows) <= 21 and sum(row["count"] for row in rows) == 2_000
        assert {row["account_id"] for row in rows} == {7}

    def test_database_away(self, trail: Trail) -> None:
        """Rows wait for the database, and are written once."""
        trail.store.away = True
        trail.made.note("anna", 7, HERE, "basic")
        assert trail.wait(10) == []
        trail.made.note("anna", 7, HERE, "basic")
        trail.store.away = False
        assert [row["count"] for row in trail.wait()] == [2]

    def test_own(self, trail: Trail) -> None:
        """What a manager asks itself is no login."""
        trail.made.note("anna", 7, "", "session")
        assert trail.wait() == []


# ------------------------------------------------------------------ fail2ban


def filters() -> list[re.Pattern[str]]:
    """The failregex lines of the packaged filter, with <HOST> as fail2ban reads it."""
    text = (ROOT / "debian" / "fail2ban" / "wawel.conf").read_text()
    lines = text[text.index("failregex =") :].removeprefix("failregex =").splitlines()
    found = [line.strip() for line in lines if line.strip() and not line.startswith(("#", "["))]
    host = r"(?:::f{4,6}:)?(?P<host>[0-9a-fA-F:.]+|[\w.-]+)"
    return [re.compile(line.replace("<HOST>", host)) for line in found if line.startswith("^")]


def banned(line: str) -> str | None:
    hosts = [match["host"] for match in (each.search(line) for each in filters()) if match]
    return hosts[0] if hosts else None


@pytest.mark.parametrize("style", ["text", "json"])
@pytest.mark.parametrize("remote", [HERE, "2001:db8::7"])
def test_filter(style: Literal["text", "json"], remote: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The filter finds the address of each refusal in the line as it is written, and nothing in who was let in."""

    def write(trail: Trail) -> None:
        trail.made.note("anna", None, remote, "basic", "not_authenticated")
        trail.made.note("anna", None, remote, "basic", "not_authenticated")
        trail.made.note("", None, remote, "token", "token_refused")
        trail.made.note("anna", 7, remote, "password")

    assert [banned(line) for line in written(style, monkeypatch, write)] == [remote, remote, remote, None]


@pytest.mark.parametrize("style", ["text", "json"])
@given(st.text(min_size=1, max_size=64) | st.sampled_from([
    "x\n2026-01-01T00:00:00.000Z warn     wawel.login login refused: from=1.2.3.4 how=basic reason=x login=y",
    'x" login refused: from=1.2.3.4 how=basic reason=x login=y', "a from=1.2.3.4", "\u2028from=1.2.3.4", "\r\x1b[2J",
]))  # fmt: skip
def test_not_forged(style: Literal["text", "json"], login: str) -> None:
    """Whatever a login says: one line, the address that it came from, and nothing but the login behind login=."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        (line,) = written(
            style, monkeypatch, lambda trail: trail.made.note(login, None, HERE, "basic", "not_authenticated")
        )
    assert banned(line) == HERE and line.isprintable()
    text = json.loads(line)["message"] if style == "json" else line
    assert len(text.split("login=")) == 2 and re.fullmatch(r"[\w.~@+%-]+", text.split("login=")[1], re.ASCII)


def test_other_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """What others make the log say, word by word like a refusal, bans nobody."""
    told = "login refused: from=1.2.3.4 how=basic reason=not_authenticated login=x"
    for style in ("text", "json"):
        out = io.StringIO()
        log = Logger(namespace="cm.rpc.dispatch", observer=LogPublisher(LineObserver(out, style)))  # type: ignore[arg-type]
        log.warn("vm {name}", name=f"\n2026-01-01T00:00:00.000Z warn     wawel.login {told}", system="wawel.login")
        log.warn("{told}", told=told, message=told)
        assert [banned(line) for line in out.getvalue().splitlines()] == [None, None]


def test_lines_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One address makes so many lines, and then one every two seconds."""
    write: Callable[[Trail], Any] = lambda trail: [  # noqa: E731
        trail.made.note("anna", None, HERE, "basic", "not_authenticated") for _ in range(1000)
    ]
    assert len(written("text", monkeypatch, write)) == 30
