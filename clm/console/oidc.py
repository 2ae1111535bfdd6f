"""Logging in at a provider of identities: a listener on the loopback, to which the provider sends the browser back."""

from __future__ import annotations

import hmac
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

from clm.console.context import Console
from clm.console.problems import LOGIN, REFUSED, UNREACHABLE, Problem, one_line

if TYPE_CHECKING:
    from cm.rpc.client import RpcClient

PATIENCE_S: Final = 300.0  # for typing a password and a second factor
PATH: Final = "/callback"
DONE: Final = b"<!doctype html><title>Wawel</title><p>That is all: go back to the terminal."


class Listener(HTTPServer):
    """Takes the one answer that carries the state; everything else is turned away."""

    timeout = 0.5

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.state = ""
        self.answer: dict[str, str] | None = None

    @property
    def redirect_uri(self) -> str:
        return f"http://127.0.0.1:{self.server_port}{PATH}"

    def wait(self, seconds: float) -> dict[str, str]:
        """:raises Problem: nobody came."""
        end = time.monotonic() + seconds
        while self.answer is None:
            if time.monotonic() > end:
                raise Problem(f"No answer came from the browser within {seconds:g} s.", UNREACHABLE)
            self.handle_request()
        return self.answer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up is no affair of the terminal's."""


class _Handler(BaseHTTPRequestHandler):
    server: Listener
    timeout = 5  # of a connection that says nothing

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        told = {name: values[0] for name, values in parse_qs(parts.query).items()}
        state = told.get("state", "")
        if parts.path != PATH or not hmac.compare_digest(state.encode(), self.server.state.encode()):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(DONE)))
        self.end_headers()
        self.wfile.write(DONE)
        self.server.answer = told

    def log_message(self, format: str, *args: Any) -> None:
        """What passes here is a code; nobody needs it on the terminal."""


def open_browser(url: str) -> None:
    """
    Have a browser opened, and go on: some stay in the foreground until somebody ends them, and what is to be heard
    meanwhile is their visit. It has no terminal, which is ours; a browser that needs one ends, the address was told.
    """
    try:
        subprocess.Popen(
            [sys.executable, "-m", "webbrowser", "-t", url], start_new_session=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:
        pass  # the address was told


def by_provider(console: Console, client: RpcClient, provider: str) -> dict[str, Any]:
    """
    Log in by a provider. :return: what ``guest.session.login`` would answer.

    :raises Problem: the provider or the user refused, or nobody came back.
    """
    with Listener() as listener:
        begun = client.call("guest.oidc.begin", {"provider": provider, "redirect_uri": listener.redirect_uri})
        url, state = str(begun["url"]), str(begun["state"])
        if not url.startswith(("https://", "http://")) or not url.isprintable() or not state:
            raise Problem("The server's answer is no address of a provider.", REFUSED)
        listener.state = state
        console.say(f"Log in here within {PATIENCE_S / 60:g} min, if no browser opens:\n{url}")
        open_browser(url)
        answer = listener.wait(PATIENCE_S)
    if "code" not in answer:
        told = answer.get("error_description") or answer.get("error") or "it gave no code"
        raise Problem(f"The provider refused: {one_line(told)}.", LOGIN)
    finished = client.call("guest.oidc.finish", {"state": state, "code": answer["code"]})
    if not isinstance(finished, dict) or not isinstance(finished.get("token"), str):
        raise Problem("The server's answer holds no token.", REFUSED)
    return finished
