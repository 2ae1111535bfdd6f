"""A browser's session at a cloud manager: opened, used, ended, over a real port and the real accounts."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyotp
import pytest

from clm.daemon.settings import ListenSettings, OIDCSettings
from cm.rpc.types import Secret
from support.clm import CloudBench
from support.clm_wire import PASSWORD, Counting
from support.oidc_provider import OIDCProviderServer

ORIGIN = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Content-Type": "application/json"}


class Browser:
    """Keeps a cookie as browsers do."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookie = ""
        self.kept = ""  # the last Set-Cookie

    def ask(self, method: str, path: str, given: Any = None, **more: str) -> tuple[int, dict[str, str], Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {**ORIGIN, **({"Cookie": self.cookie} if self.cookie else {}), **more}
        try:
            connection.request(method, path, None if given is None else json.dumps(given), headers)
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            if told.get("content-type", "").startswith("text/event-stream"):
                return answer.status, told, answer.fp.readline()
            body = answer.read()
        finally:
            connection.close()
        self.kept = told.get("set-cookie", "")
        if self.kept:
            self.cookie = "" if "Max-Age=0" in self.kept else self.kept.partition(";")[0]
        return answer.status, told, json.loads(body) if body else None

    def log_in(self, **given: str) -> tuple[int, Any]:
        status, _, answer = self.ask("POST", "/ui/session", given)
        return status, answer

    def call(self, method: str) -> Any:
        _, _, answer = self.ask("POST", "/jsonrpc", {"jsonrpc": "2.0", "id": 1, "method": method})
        return answer["result"] if "result" in answer else answer["error"]["data"]["slug"]


@pytest.fixture
def bench(clm_url: str, tmp_path: Path) -> Iterator[CloudBench]:
    made = CloudBench(clm_url, tmp_path / "clm", listen=ListenSettings(rpc="127.0.0.1:0"))
    digest = Counting().hash(PASSWORD)
    made.sql("UPDATE user_account SET password_hash = :d WHERE login IN ('ann', 'bob')", d=digest)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def browser(bench: CloudBench) -> Browser:
    return Browser(bench.manager.ports[0].getHost().port)


def test_session(bench: CloudBench, browser: Browser) -> None:
    """Logging in keeps a session out of scripts' reach; calls and events go by it; logging out ends it everywhere."""
    status, answer = browser.log_in(login="ann", password=PASSWORD)
    assert status == 200 and set(answer) == {"expires", "user_id", "login", "roles"}
    assert answer["login"] == "ann" and answer["roles"] == ["user"]
    name, _, attributes = browser.kept.partition(";")
    assert name.startswith("__Host-wawel=wls_")
    assert {"Path=/", "Secure", "HttpOnly", "SameSite=Strict"} < {each.strip() for each in attributes.split(";")}
    assert browser.call("user.account.get")["login"] == "ann"
    status, told, first = browser.ask("GET", "/events")
    assert (status, told["content-type"]) == (200, "text/event-stream; charset=utf-8") and first
    kept = browser.cookie
    assert browser.ask("DELETE", "/ui/session")[0] == 204 and browser.cookie == ""
    browser.cookie = kept
    assert browser.call("user.account.get") == "not_authenticated"
    status, told, _ = browser.ask("GET", "/events")
    assert status == 401 and "Basic" not in told["www-authenticate"]
    assert browser.ask("DELETE", "/ui/session")[0] == 204 and browser.cookie == ""  # once more does no harm


def test_refused(browser: Browser) -> None:
    """Who is not let in is told why, as by a call, with the status that fits, and keeps no cookie."""
    for given, refusal, expected in (
        ({"login": "ann", "password": "wrong"}, "not_authenticated", 401),
        ({"login": "ann"}, "invalid_parameter", 400),
        ({"login": "ann", "password": PASSWORD, "scope": "all"}, "invalid_parameter", 400),
    ):
        status, answer = browser.log_in(**given)
        assert (status, answer["error"]["data"]["slug"]) == (expected, refusal) and not browser.kept
    for body in ([], "ann", None):
        status, _, answer = browser.ask("POST", "/ui/session", body)
        assert (status, answer["error"]["data"]["slug"]) == (400, "malformed_request")


def test_second_factor(bench: CloudBench, browser: Browser) -> None:
    """Who has a second factor is asked for it, and comes in with it."""
    secret = pyotp.TOTP(bench.call("user.totp.begin")["secret"])
    bench.call("user.totp.confirm", [secret.at(int(time.time()) - 30)])
    status, answer = browser.log_in(login="ann", password=PASSWORD)
    assert (status, answer["error"]["data"]["slug"]) == (401, "otp_required") and not browser.kept
    assert browser.log_in(login="ann", password=PASSWORD, otp=secret.now())[0] == 200
    assert browser.call("user.account.get")["login"] == "ann"


def test_provider(clm_url: str, tmp_path: Path) -> None:
    """Whom a provider of OpenID Connect knows comes in by what it sent them back with, once; the token stays hidden."""
    provider = OIDCProviderServer()
    known = OIDCSettings(issuer=provider.issuer, client_id="wawel", client_secret=Secret(provider.client_secret))
    listen, accounts = ListenSettings(rpc="127.0.0.1:0"), {"auto_activation": True}
    bench = CloudBench(clm_url, tmp_path / "clm", listen=listen, accounts=accounts, oidc={"test": known})
    try:
        browser = Browser(bench.manager.ports[0].getHost().port)
        begun = bench.call("guest.oidc.begin", ["test", "http://127.0.0.1:4711/ui/oidc"], login=None)
        state, code = provider.visit(begun["url"])
        status, answer = browser.log_in(state=state, code=code)
        assert status == 200 and set(answer) == {"expires", "user_id", "login", "roles"}
        assert browser.call("user.account.get")["login"] == "carol"
        kept = browser.cookie
        status, answer = browser.log_in(state=state, code=code)
        assert (status, answer["error"]["data"]["slug"]) == (401, "oidc_state_refused") and browser.cookie == kept
        status, answer = browser.log_in(state=state, password=PASSWORD)
        assert (status, answer["error"]["data"]["slug"]) == (400, "invalid_parameter")
    finally:
        bench.stop()
        provider.stop()


def test_somebody_else(bench: CloudBench, browser: Browser) -> None:
    """Whoever logs in in a browser where somebody was logged in becomes who they say they are."""
    browser.log_in(login="ann", password=PASSWORD)
    assert browser.log_in(login="bob", password=PASSWORD)[0] == 200
    assert browser.call("user.account.get")["login"] == "bob"


def test_ended_elsewhere(bench: CloudBench, browser: Browser) -> None:
    """A session that is ended in another place ends here, too."""
    browser.log_in(login="ann", password=PASSWORD)
    (session,) = bench.call("user.session.get_list")
    bench.call("user.session.delete", [session["session_id"]])
    assert browser.call("user.account.get") == "not_authenticated"
