"""People at a cloud manager: how tests register, log in and look at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clm.daemon.settings import MailSettings
from cm.rpc.password import Passwords
from support.clm import CloudBench
from support.clm_mail import unused_port

PASSWORD = "correct horse"

Make = Callable[..., CloudBench]


@pytest.fixture
def make_accounts(clm_url: str, tmp_path: Path) -> Iterator[Make]:
    """Makes a cloud manager; with ``mail``, its mails wait in the outbox."""
    made: list[CloudBench] = []

    def make(mail: bool = True, **accounts: Any) -> CloudBench:
        tables = {}
        if mail:
            tables["mail"] = MailSettings(host="127.0.0.1", port=unused_port(), sender="c@example.org", tls="none")
        bench = CloudBench(clm_url, tmp_path / "clm", accounts=accounts, **tables)
        bench.manager.services.gate.passwords = Passwords(time_cost=1, memory_kib=64)
        made.append(bench)
        return bench

    yield make
    for bench in made:
        bench.stop()


def guest(bench: CloudBench, method: str, *arguments: Any) -> Any:
    return bench.call(f"guest.user.{method}", list(arguments), login=None)


def register(bench: CloudBench, login: str = "jan", email: str | None = None, password: str = PASSWORD) -> Any:
    return guest(bench, "register", login, email or f"{login}@example.net", password)


def log_in(bench: CloudBench, login: str, password: str = PASSWORD) -> Any:
    return bench.call("guest.session.login", [login, password], login=None)


def admin(bench: CloudBench, method: str, params: Any = ()) -> Any:
    return bench.call(f"cloud.{method}", params, login="admin")


def row(bench: CloudBench, login: str) -> Any:
    return next(user for user in admin(bench, "user.get_list") if user["login"] == login)
