"""The second factor: turned on, needed, good once, lost and turned off."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from clm.services.totp import OTPRefused, OTPRequired, TOTPActive, TOTPMissing
from cm.rpc.errors import CloudError, NotAuthenticated, RoleNeeded, TooManyLogins
from support.clm import CloudBench
from support.clm_wire import PASSWORD, Wire


@pytest.fixture
def wire(bench: CloudBench) -> Wire:
    return Wire(bench)


def code(secret: str, steps: int = 0) -> str:
    return str(pyotp.TOTP(secret).at(time.time() + 30 * steps))


def turned_on(wire: Wire) -> tuple[str, list[str]]:
    """Ann's secret and recovery codes; the code of the step before now is used up."""
    if time.time() % 30 > 27:
        time.sleep(3.1)  # no step ends within the test's first seconds
    begun = wire.bench.call("user.totp.begin")
    codes: list[str] = wire.bench.call("user.totp.confirm", [code(begun["secret"], -1)])["recovery_codes"]
    return begun["secret"], codes


def test_begin(wire: Wire) -> None:
    """A secret is told once, sealed in the database, and counts only when an authenticator has it."""
    begun = wire.bench.call("user.totp.begin")
    uri = urlsplit(begun["uri"])
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp") and uri.path.endswith("ann")
    assert parse_qs(uri.query)["secret"] == [begun["secret"]] and len(begun["secret"]) == 32
    sealed = bytes(wire.bench.sql("SELECT totp_secret FROM user_account WHERE login = 'ann'"))
    assert begun["secret"].encode() not in sealed
    assert wire.bench.call("user.totp.get") == {"active": False, "recovery_codes_left": 0}
    assert wire.login()["login"] == "ann"
    other = wire.bench.call("user.totp.begin")["secret"]
    with pytest.raises(OTPRefused):
        wire.bench.call("user.totp.confirm", [code(begun["secret"])])
    assert len(wire.bench.call("user.totp.confirm", [code(other)])["recovery_codes"]) == 10
    for method, arguments in (("begin", []), ("confirm", [code(other, 1)])):
        with pytest.raises(TOTPActive):
            wire.bench.call(f"user.totp.{method}", arguments)
    with pytest.raises(TOTPMissing):
        wire.bench.call("user.totp.confirm", ["123456"], login="bob")


def test_login(wire: Wire) -> None:
    """After the right password a code is asked for; each is good once, and none older than the last."""
    secret, _ = turned_on(wire)
    with pytest.raises(OTPRequired) as required:
        wire.login()
    assert required.value.code == "otp_required"
    with pytest.raises(NotAuthenticated) as wrong:
        wire.login(password="wrong password")
    assert not isinstance(wrong.value, OTPRequired)
    with pytest.raises(OTPRequired):
        wire.basic()
    with pytest.raises(OTPRefused):
        wire.login(otp=code(secret, -1))  # used for confirming
    now = code(secret)
    assert wire.login(otp=f"{now[:3]} {now[3:]}")["login"] == "ann"
    for used in (now, code(secret, -1), code(secret, 5), "000000x"):
        with pytest.raises(OTPRefused):
            wire.login(otp=used)
    wire.now += 60
    assert wire.login(otp=code(secret, 1))["login"] == "ann"  # a clock that is ahead
    with pytest.raises(OTPRefused):
        wire.login(otp=now)
    with pytest.raises(NotAuthenticated):
        wire.login(password="wrong password", otp=code(secret, 1))


def test_once_at_once(wire: Wire) -> None:
    """A code that is sent several times at once lets in once; so does a recovery code."""
    secret, recovery = turned_on(wire)

    def go(otp: str) -> str:
        try:
            return str(wire.login(otp=otp)["login"])
        except CloudError as error:
            return error.code

    for otp in (code(secret), recovery[0]):
        wire.now += 600  # what was counted as wrong is forgotten
        with ThreadPoolExecutor(4) as pool:
            assert sorted(pool.map(go, [otp] * 4)) == ["ann"] + ["otp_refused"] * 3


def test_recovery(wire: Wire) -> None:
    """Recovery codes let in as well, each once, in whatever way they are copied; only hashes are stored."""
    _, recovery = turned_on(wire)
    assert len(set(recovery)) == 10
    assert wire.login(otp=recovery[3].upper())["login"] == "ann"
    assert wire.bench.call("user.totp.get") == {"active": True, "recovery_codes_left": 9}
    with pytest.raises(OTPRefused):
        wire.login(otp=recovery[3])
    stored = str(wire.bench.sql("SELECT string_agg(user_account::text, '') FROM user_account"))
    stored += str(wire.bench.sql("SELECT string_agg(audit::text, '') FROM audit"))
    assert not any(each in stored for each in recovery)


def test_throttle(wire: Wire) -> None:
    """Guesses are counted for the user, wherever they come from; while they are too many no code is looked at."""
    secret, _ = turned_on(wire)
    for _ in range(5):
        with pytest.raises(OTPRefused):
            wire.login(otp="abcdefgh")
    with pytest.raises(TooManyLogins):
        wire.login(otp=code(secret))
    wire.now += 60
    assert wire.login(otp=code(secret))["login"] == "ann"


def test_other_sessions_end(wire: Wire) -> None:
    """Sessions from before, opened with the password alone, end; the one that turned it on stays."""
    mine, other = wire.login(), wire.login()
    identity = wire.bearer(mine["token"])
    wire.bearer(other["token"])
    secret = wire.call(identity, "user.totp.begin")["secret"]
    wire.call(identity, "user.totp.confirm", [code(secret)])
    wire.ends(lambda: wire.bearer(other["token"]))
    assert wire.bearer(mine["token"]).session_id == identity.session_id


def test_disable(wire: Wire) -> None:
    """It takes password and code to turn it off."""
    secret, recovery = turned_on(wire)
    with pytest.raises(NotAuthenticated):
        wire.bench.call("user.totp.disable", [code(secret), "wrong password"])
    with pytest.raises(OTPRefused):
        wire.bench.call("user.totp.disable", ["000000", PASSWORD])
    with pytest.raises(TOTPMissing):
        wire.bench.call("user.totp.disable", ["000000", PASSWORD], login="bob")
    assert wire.bench.call("user.totp.get")["active"]
    wire.bench.call("user.totp.disable", [recovery[0], PASSWORD])
    assert wire.bench.call("user.totp.get") == {"active": False, "recovery_codes_left": 0}
    assert wire.bench.sql("SELECT totp_secret IS NULL FROM user_account WHERE login = 'ann'")
    assert wire.login()["login"] == "ann"


def test_reset(wire: Wire) -> None:
    """An administrator turns it off for somebody who lost it."""
    turned_on(wire)
    with pytest.raises(RoleNeeded):
        wire.bench.call("cloud.user.reset_totp", [wire.bench.ids["ann"]], login="bob")
    wire.bench.call("cloud.user.reset_totp", [wire.bench.ids["ann"]], login="admin")
    assert wire.login()["login"] == "ann"


def test_another_key(wire: Wire) -> None:
    """A secret that was sealed for one user opens for no other."""
    turned_on(wire)
    wire.bench.sql(
        "UPDATE user_account SET totp_confirmed = true,"
        " totp_secret = (SELECT totp_secret FROM user_account WHERE login = 'ann') WHERE login = 'bob'"
    )
    with pytest.raises(Exception) as broken:
        wire.login("bob", otp="123456")
    assert type(broken.value).__name__ == "Unsealable"
