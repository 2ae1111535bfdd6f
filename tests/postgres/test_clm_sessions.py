"""Logins: sessions opened, remembered, ended at once in every process; guesses that take as long and are counted."""

from __future__ import annotations

import base64
import json
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

import pyotp
import pytest

from clm.daemon.app import CloudManager
from clm.daemon.settings import ListenSettings
from clm.services.authenticator import AccountInactive
from cm.rpc.caller import ANONYMOUS
from cm.rpc.credentials import PasswordCredentials, TokenCredentials
from cm.rpc.errors import AccountBlocked, NotAuthenticated, ObjectNotFound, TooManyLogins
from cm.rpc.types import Secret
from cm.rpc.vocabulary import Role
from support.clm import CloudBench
from support.clm_mail import unused_port
from support.clm_wire import PASSWORD, Wire
from support.cloud import reactor, run
from support.wait import until


@pytest.fixture
def wire(bench: CloudBench) -> Wire:
    return Wire(bench)


def test_session(wire: Wire) -> None:
    """A login gives a token of 256 bits, of which the database has the hash alone; calls with it cost no query."""
    opened = wire.login()
    assert opened["user_id"] == wire.bench.ids["ann"] and opened["roles"] == ["user"]
    assert opened["token"].startswith("wls_") and len(opened["token"]) == 47
    secret = opened["token"].removeprefix("wls_")
    assert wire.bench.sql("SELECT count(*) FROM user_session WHERE user_session::text LIKE :s", s=f"%{secret}%") == 0
    identity = wire.bearer(opened["token"])
    assert (identity.account_id, identity.login, identity.source) == (wire.bench.ids["ann"], "ann", "token")
    before = wire.reads
    assert wire.bearer(opened["token"]) == identity
    assert wire.reads == before
    assert wire.bench.sql("SELECT last_login_at > now() - interval '1 minute' FROM user_account WHERE login = 'ann'")
    wire.wall += 12 * 3600 + 1
    with pytest.raises(NotAuthenticated):
        wire.bearer(opened["token"])


def test_login_is_not_case(wire: Wire) -> None:
    """One login in both cases is one user, and what their password opened ends under both."""
    assert wire.basic("ANN").account_id == wire.basic("ann").account_id == wire.bench.ids["ann"]
    wire.bench.call("cloud.user.block", [wire.bench.ids["ann"], True], login="admin")
    wire.ends(partial(wire.basic, "ANN"), AccountBlocked)
    wire.ends(partial(wire.basic, "ann"), AccountBlocked)


@pytest.mark.parametrize("token", ["", "wls_", "wls_" + "A" * 43, "wak_" + "A" * 43, "wls_" + "é" * 43, "x" * 900])
def test_unknown_token(wire: Wire, token: str) -> None:
    """What was never given opens nothing."""
    wire.login()
    with pytest.raises(NotAuthenticated):
        wire.bearer(token)
    assert run(lambda: wire.made.authenticate(None, "")) is ANONYMOUS


def test_roles(wire: Wire) -> None:
    """A cloud administrator administers every cluster there is."""
    wire.bench.sql("INSERT INTO cluster (name, url) VALUES ('krakow', 'http://127.0.0.1:1')")
    identity = wire.basic("admin")
    assert identity.roles == {Role.USER, Role.ADMIN, Role.CLOUD} and len(identity.administers) == 1
    assert wire.basic("ann").administers == frozenset()


# ------------------------------------------------------------------ what is not told


@pytest.mark.parametrize("way", ["basic", "login"])
def test_unknown_login(wire: Wire, way: str) -> None:
    """Unknown, without a password, deleted or with a wrong one: the same refusal after the same work."""
    bench = wire.bench
    bench.sql("UPDATE user_account SET password_hash = NULL WHERE login = 'bob'")
    bench.user("gone")
    bench.sql("UPDATE user_account SET deleted_at = now(), state = 'deleted' WHERE login = 'gone'")
    told = set()
    for login in ("ann", "bob", "gone", "nobody"):
        before = (wire.passwords.count, wire.reads)
        with pytest.raises(NotAuthenticated) as refused:
            getattr(wire, way)(login, "wrong password")
        told.add((type(refused.value), str(refused.value), wire.passwords.count - before[0], wire.reads - before[1]))
    assert told == {(NotAuthenticated, str(NotAuthenticated()), 1, 1)}
    assert bench.sql("SELECT count(last_login_at) FROM user_account") == 0


def test_states(wire: Wire) -> None:
    """That an account waits or is blocked is told to whoever has its password, and to nobody else."""
    for state, error in (("registered", AccountInactive), ("confirmed", AccountInactive), ("blocked", AccountBlocked)):
        wire.bench.sql("UPDATE user_account SET state = :s WHERE login = 'bob'", s=state)
        wire.made.user_changed()
        with pytest.raises(error):
            wire.login("bob")
        with pytest.raises(NotAuthenticated):
            wire.login("bob", "wrong password")
    assert wire.bench.sql("SELECT count(last_login_at) FROM user_account") == 0


def test_throttle(wire: Wire) -> None:
    """After ten wrong passwords even the right one waits, for this remote and login."""
    for _ in range(10):
        with pytest.raises(NotAuthenticated):
            wire.basic(password="wrong password")
    before = wire.passwords.count
    with pytest.raises(TooManyLogins):
        wire.basic()
    assert wire.passwords.count == before
    wire.basic(remote="192.0.2.10")
    wire.now += 60
    wire.basic()


def test_throttle_cases(wire: Wire) -> None:
    """Another case of a login, or another address of one network, is no new one to guess at."""
    for number in range(10):
        login = "".join(c.upper() if number >> i & 1 else c for i, c in enumerate("ann"))
        with pytest.raises(NotAuthenticated):
            wire.basic(login, "wrong password", f"2001:db8::{number}")
    with pytest.raises(TooManyLogins):
        wire.basic("Ann", remote="2001:db8::77")
    wire.basic(remote="2001:db8:0:1::1")
    with pytest.raises(NotAuthenticated):
        wire.basic("\u212aann")


# ------------------------------------------------------------------ what ends


def test_logout(wire: Wire) -> None:
    """A session ends when it is logged out or deleted; the others of its user, and other users', go on."""
    first, second, other = wire.login(), wire.login(), wire.login("bob")
    identities = [wire.bearer(opened["token"]) for opened in (first, second, other)]
    with pytest.raises(ObjectNotFound):
        wire.bench.call("user.session.delete", [identities[2].session_id])
    wire.bench.call("user.session.delete", [identities[0].session_id])
    wire.ends(lambda: wire.bearer(first["token"]))
    listed = wire.call(identities[1], "user.session.get_list")
    assert [(row["session_id"], row["current"]) for row in listed] == [(identities[1].session_id, True)]
    assert wire.bearer(second["token"]) == identities[1] and wire.bearer(other["token"]) == identities[2]
    wire.call(identities[1], "user.session.logout")
    wire.ends(lambda: wire.bearer(second["token"]))
    assert wire.bench.sql("SELECT count(*) FROM user_session") == 1


def test_own_session_stays(wire: Wire) -> None:
    """Who changes their password keeps the session that they do it with, and no other; other people's go on."""
    others = [wire.login("bob") for _ in range(5)]
    first, kept = wire.login(), wire.login()
    identity = wire.bearer(kept["token"])
    wire.call(identity, "user.account.set_password", [PASSWORD, "another horse"])
    wire.ends(lambda: wire.bearer(first["token"]))
    assert wire.bearer(kept["token"]).session_id == identity.session_id
    assert wire.bearer(others[0]["token"]).login == "bob"


def test_used(wire: Wire) -> None:
    """The last use is written at most once a minute."""
    opened = wire.login()
    wire.bench.sql("UPDATE user_session SET used_at = now() - interval '1 hour'")
    wire.bearer(opened["token"])
    until(lambda: wire.bench.sql("SELECT used_at > now() - interval '1 minute' FROM user_session"))
    assert wire.bench.sql("SELECT remote FROM user_session") == "192.0.2.9"
    wire.bench.sql("UPDATE user_session SET used_at = now() - interval '1 hour'")
    wire.bearer(opened["token"])
    wire.now += 61
    assert wire.bench.sql("SELECT used_at < now() - interval '1 minute' FROM user_session")
    wire.bearer(opened["token"])
    until(lambda: wire.bench.sql("SELECT used_at > now() - interval '1 minute' FROM user_session"))


def test_session_limit(wire: Wire) -> None:
    """A user has at most a hundred sessions, and those that are over go."""
    ann = wire.bench.ids["ann"]
    wire.bench.sql(
        "INSERT INTO user_session (user_id, token_hash, user_version, expires_at, used_at) SELECT :u, n::text, 0,"
        " now() + interval '1 day', now() - interval '1 hour' FROM generate_series(1, 110) n",
        u=ann,
    )
    wire.bench.sql("UPDATE user_session SET expires_at = now() WHERE id % 2 = 0")
    wire.login()
    assert wire.bench.sql("SELECT count(*) FROM user_session WHERE expires_at <= now()") == 0
    assert wire.bench.sql("SELECT count(*) FROM user_session") <= 100


def test_still_good(wire: Wire) -> None:
    """A connection that goes on is good for as long as who it is for and what they may do are as they were."""
    bench, opened = wire.bench, wire.login()

    def still(identity: Any) -> bool:
        return bool(run(lambda: wire.made.still_good(identity)))

    session, basic = wire.bearer(opened["token"]), wire.basic()
    assert still(session) and still(basic) and not still(ANONYMOUS)
    bench.sql("INSERT INTO user_group (name, leader_id) VALUES ('g', :u)", u=bench.ids["bob"])
    bench.sql("INSERT INTO membership SELECT id, :u, 'member' FROM user_group", u=bench.ids["ann"])
    assert not still(session) and not still(basic)
    bench.sql("DELETE FROM membership")
    assert still(session) and still(basic)
    wire.wall += 12 * 3600 + 1
    assert not still(session) and still(basic)
    wire.wall -= 12 * 3600 + 1
    bench.sql("DELETE FROM user_session")
    assert not still(session)
    bench.sql("UPDATE user_account SET version = version + 1")
    assert not still(basic)


def test_stale_read(wire: Wire) -> None:
    """What was read before a notification that comes during the check is not kept."""
    verify = wire.passwords.verify

    def interrupted(stored: str | None, password: str) -> bool:
        wire.made.user_changed(str(wire.bench.ids["ann"]))
        return verify(stored, password)

    wire.passwords.verify = interrupted  # type: ignore[method-assign]
    wire.basic()
    before = wire.reads
    wire.basic()
    assert wire.reads == before + 2


def test_restart(wire: Wire) -> None:
    """Sessions outlive the process."""
    opened = wire.login()
    wire.bench.stop()
    wire.bench.start()
    made = wire.bench.manager.services.authenticator
    credentials = TokenCredentials(Secret(opened["token"]))
    assert run(lambda: made.authenticate(credentials, "192.0.2.9")).login == "ann"


def test_other_process(wire: Wire) -> None:
    """What one manager ends is refused by another on the same database, which knew it as good a moment before."""

    async def start() -> CloudManager:
        made = CloudManager(reactor, wire.bench.settings)
        await made.start()
        return made

    other = run(start)
    try:
        made = other.services.authenticator
        session, key = wire.login(), wire.bench.call("user.api_key.create", ["k", ["all"]])
        bob = wire.login("bob")

        def there(credentials: Any) -> Any:
            return run(lambda: made.authenticate(credentials, "192.0.2.9"))

        ann = [
            TokenCredentials(Secret(session["token"])),
            TokenCredentials(Secret(key["key"])),
            PasswordCredentials("ann", Secret(PASSWORD)),
        ]
        for each in ann:
            assert there(each).login == "ann"
        assert there(TokenCredentials(Secret(bob["token"]))).login == "bob"
        wire.bench.call("cloud.user.block", [wire.bench.ids["ann"], True], login="admin")
        for each in ann:
            error = NotAuthenticated if each is ann[0] else AccountBlocked  # sessions of a blocked user are deleted
            wire.ends(partial(there, each), error)
        wire.bench.call("cloud.user.end_sessions", [wire.bench.ids["bob"]], login="admin")
        wire.ends(partial(there, TokenCredentials(Secret(bob["token"]))))
    finally:
        run(other.stop)


def test_wire(clm_url: str, tmp_path: Path) -> None:
    """Over HTTP: a login, a call with its token, one with the password, and a second factor that is asked for."""
    port = unused_port()
    bench = CloudBench(clm_url, tmp_path / "clm", listen=ListenSettings(rpc=f"127.0.0.1:{port}"))
    try:
        Wire(bench)
        bench.stop()
        bench.start()

        def post(method: str, params: Any, authorization: str = "") -> Any:
            body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
            headers = {"Content-Type": "application/json"} | ({"Authorization": authorization} if authorization else {})
            request = urllib.request.Request(f"http://127.0.0.1:{port}/jsonrpc", body, headers)
            with urllib.request.urlopen(request, timeout=30) as response:
                return json.load(response)

        opened = post("guest.session.login", ["ann", PASSWORD])["result"]
        bearer = f"Bearer {opened['token']}"
        assert post("user.account.get", [], bearer)["result"]["login"] == "ann"
        basic = "Basic " + base64.b64encode(f"ann:{PASSWORD}".encode()).decode()
        assert post("user.account.get", [], basic)["result"]["login"] == "ann"
        assert post("user.account.get", [])["error"]["data"]["slug"] == "not_authenticated"
        secret = post("user.totp.begin", [], bearer)["result"]["secret"]
        post("user.totp.confirm", [pyotp.TOTP(secret).now()], bearer)
        assert post("guest.session.login", ["ann", PASSWORD])["error"]["data"]["slug"] == "otp_required"
        assert post("guest.session.login", ["ann", "wrong"])["error"]["data"]["slug"] == "not_authenticated"
        assert post("user.session.logout", [], bearer)["result"] is None
        for _ in range(12):
            refused = post("guest.user.exists", ["ann"])
        assert refused["error"]["data"]["slug"] == "rate_limited"
        assert refused["error"]["data"]["fields"]["method"] == "guest.user.exists"
    finally:
        bench.stop()
