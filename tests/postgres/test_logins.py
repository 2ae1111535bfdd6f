"""The audit of logins of whole managers, over HTTP: each way in, good and refused; who may read it; when it goes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyotp
import pytest
from sqlalchemy.orm import Session

from clm.daemon.settings import ListenSettings
from clm.daemon.settings import Settings as CloudSettings
from cm.daemon.settings import Settings
from cm.rpc.client import RpcClient
from cm.rpc.errors import CloudError, RoleNeeded
from cm.rpc.password import Passwords
from cm.runtime.logins import prune_logins
from cm.store.prune import Retention, prune_table
from support.clm import CloudBench
from support.cloud import MemoryCloud, run

PASSWORD = "correct horse"
CHEAP = Passwords(time_cost=1, memory_kib=64)


class Manager:
    """:ivar login: of somebody with a password; ``admin`` reads the audit by ``view``."""

    def __init__(self, bench: Any, login: str, view: str) -> None:
        self.bench, self.login, self.view = bench, login, view
        self.manager = bench.manager
        self.manager.services.gate.passwords = CHEAP
        self.url = f"http://127.0.0.1:{self.manager.ports[0].getHost().port}"

    def ask(self, method: str, params: Any = (), **credentials: Any) -> Any:
        with RpcClient(self.url, **credentials) as client:
            try:
                return client.call(method, params)
            except CloudError as error:
                return error.code

    def log_in(self, password: str = PASSWORD, login: str = "", **more: Any) -> Any:
        return self.ask("guest.session.login", {"login": login or self.login, "password": password, **more})

    def basic(self, password: str = PASSWORD, login: str = "") -> Any:
        return self.ask("user.account.get", login=login or self.login, password=password)

    def rows(self, **params: Any) -> list[dict[str, Any]]:
        run(lambda: self.manager.logins.flush(everything=True))
        found: list[dict[str, Any]] = self.read(params)
        return found

    def read(self, params: Any, who: str = "admin") -> Any:
        key = "account" if isinstance(self.bench, MemoryCloud) else "login"
        return self.bench.call(self.view, params, **{key: who})


@pytest.fixture(params=["cluster", "cloud"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    digest = CHEAP.hash(PASSWORD)
    if request.param == "cluster":
        cluster = MemoryCloud(request.getfixturevalue("database_url"), tmp_path, nodes=1, rpc="127.0.0.1:0")
        cluster.sql("UPDATE account SET password_hash = :d WHERE login = 'user'", d=digest)
        yield Manager(cluster, "user", "admin.login.get_list")
        cluster.stop()
        return
    cloud = CloudBench(request.getfixturevalue("clm_url"), tmp_path / "clm", listen=ListenSettings(rpc="127.0.0.1:0"))
    cloud.sql("UPDATE user_account SET password_hash = :d WHERE login = 'ann'", d=digest)
    yield Manager(cloud, "ann", "cloud.login.get_list")
    cloud.stop()


def told(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(row["login"], row["how"], row["outcome"], row["count"]) for row in reversed(rows)]


def test_ways(manager: Manager) -> None:
    """Each way in leaves its trace: who, from where, how, what came of it; many alike calls leave one."""
    token = manager.log_in()["token"]
    assert manager.log_in("wrong password") == manager.log_in(login="nobody") == "not_authenticated"
    for _ in range(3):
        assert manager.basic()["login"] == manager.login
        assert manager.ask("user.account.get", token=token)["login"] == manager.login
    assert manager.basic("wrong password") == "not_authenticated"
    assert manager.ask("user.account.get", token="wls_" + "x" * 43) in ("not_authenticated", "token_refused")
    rows = manager.rows()
    last = "session" if manager.login == "ann" else "token"
    code = "not_authenticated" if manager.login == "ann" else "token_refused"
    assert told(rows) == [
        (manager.login, "password", "ok", 1),
        (manager.login, "password", "not_authenticated", 1),
        ("nobody", "password", "not_authenticated", 1),
        (manager.login, "basic", "ok", 3),
        (manager.login, "session", "ok", 3),
        (manager.login, "basic", "not_authenticated", 1),
        ("", last, code, 1),
    ]
    assert {row["remote"] for row in rows} == {"127.0.0.1"}
    assert all((row["user_id"] is not None) == (row["outcome"] == "ok") for row in rows)
    assert all(row["first"] <= row["last"] for row in rows)
    stored = str(manager.bench.sql("SELECT string_agg(login::text, '') FROM login"))
    assert PASSWORD not in stored and "wrong password" not in stored and token not in stored


def test_shut_out(manager: Manager) -> None:
    """Who goes on guessing is counted, with the outcome of those that were not looked at."""
    outcomes = [manager.basic("wrong password") for _ in range(14)]
    assert outcomes == ["not_authenticated"] * 10 + ["too_many_logins"] * 4
    assert told(manager.rows()) == [
        (manager.login, "basic", "not_authenticated", 10),
        (manager.login, "basic", "too_many_logins", 4),
    ]


def test_reading(manager: Manager) -> None:
    """Administrators read it, by login, account, address and outcome, page by page; nobody else does."""
    manager.log_in()
    for login in ("a", "b", "c"):
        manager.basic("wrong password", login)
    rows = manager.rows()
    (mine,) = [row for row in rows if row["outcome"] == "ok"]
    assert manager.rows(user_id=mine["user_id"]) == manager.rows(login=manager.login) == [mine]
    assert manager.rows(refused=False) == [mine] and len(manager.rows(refused=True)) == 3
    assert manager.rows(remote="192.0.2.1") == [] and manager.rows(remote="127.0.0.1") == rows
    page = manager.rows(limit=2)
    assert page + manager.rows(limit=10, before=page[-1]["login_id"]) == rows
    with pytest.raises(RoleNeeded):
        manager.read({}, who=manager.login)


def test_console(manager: Manager, tmp_path: Path) -> None:
    """``wawel logins``, of a cluster and of a cloud."""
    table = "account" if isinstance(manager.bench, MemoryCloud) else "user_account"
    manager.bench.sql(f"UPDATE {table} SET password_hash = :d WHERE login = 'admin'", d=CHEAP.hash(PASSWORD))
    token = manager.log_in(login="admin")["token"]
    manager.basic("wrong password")
    manager.rows()
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "WAWEL_URL": manager.url, "WAWEL_TOKEN": token}
    wawel = [sys.executable, "-m", "clm.console.main", "logins"]

    def asked(*arguments: str) -> str:
        done = subprocess.run([*wawel, *arguments], env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    (row,) = json.loads(asked(manager.login, "--refused", "-o", "json"))
    assert (row["login"], row["remote"], row["outcome"]) == (manager.login, "127.0.0.1", "not_authenticated")
    heading, *lines = asked().splitlines()
    assert heading.split() == ["ID", "LAST", "COUNT", "LOGIN", "USER", "REMOTE", "HOW", "OUTCOME"]
    assert any("not_authenticated" in line for line in lines)
    assert "not_authenticated" not in asked("--let-in")


def test_pruned(manager: Manager) -> None:
    """Old ones go, by the setting."""
    manager.log_in()
    manager.basic("wrong password")
    assert len(manager.rows()) == 2
    manager.bench.sql("UPDATE login SET last_at = now() - interval '40 days' WHERE outcome <> 'ok'")
    database = manager.manager.database

    def prune(session: Session, days: int) -> int:
        if isinstance(manager.bench, MemoryCloud):
            return prune_table(session, "login", Retention(login_days=days))
        return prune_logins(session, days, 10)

    assert [database.transact_now(prune, days) for days in (0, 41, 39)] == [0, 0, 1]
    assert told(manager.rows()) == [(manager.login, "password", "ok", 1)]
    assert CloudSettings().retention.login_days == Settings().retention.login_days == 90


def test_stopped(manager: Manager) -> None:
    """A manager that ends writes what it has first."""
    manager.log_in()
    manager.basic("wrong password")
    engine = manager.manager.database.engine
    run(manager.manager.logins.stop)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM login").scalar() == 2


def test_second_factor(clm_url: str, tmp_path: Path) -> None:
    """A right password without its code, a wrong code and a right one are told apart."""
    cloud = CloudBench(clm_url, tmp_path / "clm", listen=ListenSettings(rpc="127.0.0.1:0"))
    try:
        cloud.sql("UPDATE user_account SET password_hash = :d WHERE login = 'ann'", d=CHEAP.hash(PASSWORD))
        manager = Manager(cloud, "ann", "cloud.login.get_list")
        code = pyotp.TOTP(cloud.call("user.totp.begin")["secret"])
        cloud.call("user.totp.confirm", [code.at(code_time(-30))])
        assert manager.log_in() == manager.basic() == "otp_required"
        assert manager.log_in(otp="abcdefgh") == "otp_refused"
        assert manager.log_in(otp=code.at(code_time(0)))["login"] == "ann"
        assert told(manager.rows()) == [
            ("ann", "password", "otp_required", 1),
            ("ann", "basic", "otp_required", 1),
            ("ann", "totp", "otp_refused", 1),
            ("ann", "totp", "ok", 1),
        ]
        assert {row["user_id"] for row in manager.rows()} == {cloud.ids["ann"]}
    finally:
        cloud.stop()


def code_time(offset_s: int) -> int:
    return int(time.time()) + offset_s
