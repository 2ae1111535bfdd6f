"""The portal's files and their headers; when a browser's cookie counts as its session."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from clm.portal.files import HEADERS, NOT_BUILT, POLICY, Entrance, Portal, read_files
from clm.portal.session import NAME, WHERE, Sessions
from cm.rpc.caller import Call
from cm.rpc.credentials import StaticAuthenticator
from cm.rpc.dispatch import Dispatcher
from cm.rpc.http.cookie import SessionCookie
from cm.rpc.http.request import WireSite
from cm.rpc.server import make_root
from cm.rpc.view import Registry, user_view
from tests.unit.rpc.sample import ANNA

TOKEN = "wls_abc"
COOKIE = f"{NAME}={TOKEN}"
OWN = {"Sec-Fetch-Site": "same-origin"}
JSON = {"Content-Type": "application/json"}
WHO = json.dumps({"jsonrpc": "2.0", "method": "user.who", "id": 1})


@user_view(name="user.who")
def who(caller: Call) -> str:
    return caller.identity.login


async def execute(view: Any, identity: Any, arguments: Any, control: Any) -> Any:
    return view.function(Call.of(identity, control), **arguments)


class Site:
    """``wawel-clm``'s addresses in memory."""

    def __init__(self, place: Path) -> None:
        self.clock = Clock()
        registry = Registry()
        registry.add(who)
        authenticator = StaticAuthenticator({"anna": ("secret", ANNA)}, {TOKEN: ANNA})
        dispatcher = Dispatcher(self.clock, registry, execute, authenticator)
        cookie = SessionCookie(NAME, WHERE, ("https://cloud.example.org:8443/here", ""))
        root = make_root(dispatcher)
        root.putChild(b"ui", Portal(read_files(place), Sessions(dispatcher, cookie)))
        root.putChild(b"", Entrance(b"nothing"))
        self.site = WireSite(root, dispatcher.limits, self.clock, cookie=cookie)

    def ask(
        self, path: str, headers: dict[str, str] | None = None, body: str = "", method: str = "GET"
    ) -> tuple[int, dict[str, str], bytes]:
        protocol: Any = self.site.buildProtocol(None)
        transport = StringTransport()
        protocol.makeConnection(transport)
        told = {"Host": "127.0.0.1:8000", **(headers or {}), "Content-Length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        protocol.dataReceived(f"{method} {path} HTTP/1.1\r\n{head}\r\n{body}".encode())
        self.clock.pump([0.0, *[0.5] * 10])  # whoever was refused before waits a moment
        answered, _, rest = transport.value().partition(b"\r\n\r\n")
        first, *lines = answered.decode().split("\r\n")
        found: dict[str, str] = {}
        for name, value in (line.split(": ", 1) for line in lines):
            assert name.lower() not in found or name == "WWW-Authenticate", f"{name} is told twice"
            found[name.lower()] = ", ".join(filter(None, (found.get(name.lower()), value)))
        return int(first.split()[1]), found, rest

    def who(self, headers: dict[str, str], body: str = WHO) -> Any:
        """Whom a call is taken for; ``None``: nobody."""
        answer = json.loads(self.ask("/jsonrpc", headers, body, "POST")[2])
        if "result" in answer:
            return answer["result"]
        assert answer["error"]["data"]["slug"] == "not_authenticated", answer
        return None


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text("<!doctype html>")
    (tmp_path / "main-ABC.js").write_text("1" * 5000)
    (tmp_path / "main-ABC.js.gz").write_bytes(gzip.compress(b"1" * 5000))
    return tmp_path


@pytest.fixture
def site(dist: Path) -> Site:
    return Site(dist)


@pytest.mark.parametrize("path", ["/ui/", "/ui/login", "/ui/machines/3b2f-1?state=running", "/ui/index.html"])
def test_page(site: Site, path: str) -> None:
    """Every page's address gives the one page, which is asked for anew each time, under the strict policy."""
    status, headers, body = site.ask(path)
    assert (status, body, headers["cache-control"]) == (200, b"<!doctype html>", "no-cache")
    assert headers["content-type"] == "text/html; charset=utf-8" and headers["x-content-type-options"] == "nosniff"
    for name, value in HEADERS:
        assert headers[name.decode().lower()] == value.decode()
    assert "unsafe" not in POLICY and "strict-transport-security" not in headers


def test_file(site: Site) -> None:
    """A file is kept for ever, since its name says what is in it, and comes compressed to whoever takes that."""
    status, headers, body = site.ask("/ui/main-ABC.js")
    assert (status, body) == (200, b"1" * 5000) and "immutable" in headers["cache-control"]
    assert headers["vary"] == "accept-encoding" and "content-encoding" not in headers
    _, headers, packed = site.ask("/ui/main-ABC.js", {"Accept-Encoding": "br, gzip"})
    assert headers["content-encoding"] == "gzip" and gzip.decompress(packed) == b"1" * 5000
    assert site.ask("/ui/main-ABC.js", method="HEAD")[2] == b""


@pytest.mark.parametrize("path", ["/ui/main-OLD.js", "/ui/../app.py", "/ui/%2e%2e/files.py", "/ui/main-ABC.js.gz"])
def test_absent(site: Site, path: str) -> None:
    """What is no file of the build's is none here, wherever else it may lie."""
    assert site.ask(path)[0] == 404


def test_entrance(site: Site) -> None:
    """Who opens the address alone comes to the portal; who calls there is told where calls are taken."""
    status, headers, _ = site.ask("/")
    assert (status, headers["location"]) == (302, "/ui/")
    assert site.ask("/", JSON, "{}", "POST")[::2] == (404, b"nothing")
    assert site.ask("/ui/", JSON, "{}", "POST")[0] == 405


def test_not_built(tmp_path: Path) -> None:
    """Without a build the portal says how to make one, and calls are answered."""
    site = Site(tmp_path / "nowhere")
    assert site.ask("/ui/login")[::2] == (503, NOT_BUILT)
    assert site.who({**JSON, "Authorization": f"Bearer {TOKEN}"}) == "anna"


OURS: dict[str, dict[str, str]] = {
    "said by the browser": OWN,
    "by the host's origin": {"Origin": "http://127.0.0.1:8000"},
    "by the origin that a proxy shows": {"Origin": "https://cloud.example.org:8443"},
}
FOREIGN: dict[str, dict[str, str]] = {
    "nothing is said": {},
    "another site": {"Sec-Fetch-Site": "cross-site"},
    "another host of the site": {"Sec-Fetch-Site": "same-site"},
    "typed by hand": {"Sec-Fetch-Site": "none"},
    "what the browser says counts more": {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:8000"},
    "another origin": {"Origin": "http://evil.example"},
    "another port": {"Origin": "http://127.0.0.1:8001"},
    "without the port of the proxy": {"Origin": "https://cloud.example.org"},
    "no origin": {"Origin": "null"},
    "TLS that is not ours": {"Origin": "https://127.0.0.1:8000"},
}


@pytest.mark.parametrize("said", OURS.values(), ids=OURS)
def test_own_page(site: Site, said: dict[str, str]) -> None:
    """A page of the portal's calls by its cookie."""
    assert site.who({**JSON, **said, "Cookie": f"other=1; {COOKIE}"}) == "anna"


@pytest.mark.parametrize("said", FOREIGN.values(), ids=FOREIGN)
def test_foreign_page(site: Site, said: dict[str, str]) -> None:
    """From anywhere else a cookie is as if it were not there, and no session is opened or ended."""
    assert site.who({**JSON, **said, "Cookie": COOKIE}) is None
    for method in ("POST", "DELETE"):
        status, headers, body = site.ask("/ui/session", {**JSON, **said, "Cookie": COOKIE}, "{}", method)
        assert status == 403 and "set-cookie" not in headers
        assert json.loads(body)["error"]["data"]["slug"] == "malformed_request"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonrequest", ""])
def test_json_alone(site: Site, kind: str) -> None:
    """A cookie counts for JSON, which no form sends."""
    headers = {**OWN, "Cookie": COOKIE, **({"Content-Type": kind} if kind else {})}
    answer = json.loads(site.ask("/jsonrpc", headers, WHO, "POST")[2])
    assert "result" not in answer
    assert site.ask("/ui/session", headers, "{}", "POST")[0] == 415


def test_header_wins(site: Site) -> None:
    """A credential in the header counts, and the cookie is not looked at, even when the header is wrong."""
    both = {**JSON, **OWN, "Cookie": COOKIE}
    assert site.who({**both, "Authorization": "Bearer wrong"}) is None
    assert site.who({**both, "Cookie": f"{NAME}=wrong", "Authorization": f"Bearer {TOKEN}"}) == "anna"


def test_cookie_elsewhere(site: Site) -> None:
    """It counts where the portal calls, and nowhere else: not in XML, and not at a longer path."""
    call = "<?xml version='1.0'?><methodCall><methodName>user.who</methodName></methodCall>"
    assert b"anna" not in site.ask("/RPC2", {"Content-Type": "text/xml", **OWN, "Cookie": COOKIE}, call, "POST")[2]
    assert b"anna" not in site.ask("/jsonrpc/more", {**JSON, **OWN, "Cookie": COOKIE}, WHO, "POST")[2]


@pytest.mark.parametrize("cookie", [f"{NAME}=a; {NAME}=b", f"{NAME}=", f"{NAME}=a b", f"x{COOKIE}", f"{NAME}=\u00e9"])
def test_no_token(site: Site, cookie: str) -> None:
    """Two that differ, none, or what is no token: nobody."""
    assert site.who({**JSON, **OWN, "Cookie": cookie}) is None


def test_challenge(site: Site) -> None:
    """A page's script is not told of Basic, by which its browser would ask for a password itself; others are."""
    asked = {**JSON, "Authorization": "Bearer wrong"}
    assert "Basic" in site.ask("/jsonrpc", asked, WHO, "POST")[1]["www-authenticate"]
    by_script = site.ask("/jsonrpc", {**asked, "Sec-Fetch-Mode": "cors"}, WHO, "POST")[1]["www-authenticate"]
    assert by_script.startswith("Bearer")
