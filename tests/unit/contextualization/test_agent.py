"""
Our agent for guests against an endpoint that has much to do: what it did is told all the same, also where it goes down
by that. And the one file that is made of it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from contextualization.guest.agent import asking as program
from contextualization.guest.install import install_script
from contextualization.guest.install import program as installed

DROPPED = 0


@contextmanager
def endpoint(results: list[int], left_s: float = 10.0) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """One command to ask for the facts. :param results: the statuses that its results get; ``DROPPED``: no answer."""
    heard: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, told = 200, {"command": 7, "action": "facts", "arguments": {}, "left_s": left_s}
            if self.path == "/agent/result":
                heard.append(said)
                status = results.pop(0)
            if status == DROPPED:
                self.close_connection = True
                return
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(told).encode())

        def log_message(self, *_: Any) -> None:
            """Tests are silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "TELLING_S", (0.01, 0.01, 0.01))


@pytest.mark.parametrize("results", [[200], [429, DROPPED, 503, 200], [429, 410]])
def test_told(tmp_path: Path, results: list[int]) -> None:
    """Until it is heard, by an endpoint that is asked too often, begins anew or is away; or nobody waits for it."""
    left = list(results)
    with endpoint(left) as (url, heard):
        assert program.Agent(url, tmp_path).turn(0)
    assert not left and len(heard) == len(results)
    assert all(each["command"] == 7 and each["ok"] and each["result"]["hostname"] for each in heard)


def test_heard_too_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an answer that was long under way has it do is not done: whoever asked has been told that it may be."""
    monkeypatch.setitem(program.ACTIONS, "facts", lambda: pytest.fail("it is done"))
    with endpoint([410], left_s=0.0) as (url, heard):
        assert not program.Agent(url, tmp_path).turn(0)
    assert [(each["ok"], each["error"]) for each in heard] == [(False, "it heard of it too late")]


def test_given_up(tmp_path: Path) -> None:
    """An endpoint that stays away is a failure, for which the agent rests."""
    with endpoint([429, 429, 429, 503]) as (url, heard), pytest.raises(program.Refused, match="503"):
        program.Agent(url, tmp_path).turn(0)
    assert len(heard) == 4


def test_told_before_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has the guest go down ends the agent, too: as soon as it has told that it is done, and not before."""
    monkeypatch.setitem(program.ACTIONS, "facts", lambda: os.kill(os.getpid(), signal.SIGTERM))
    with endpoint([200]) as (url, heard):
        agent = program.Agent(url, tmp_path)
        before = signal.signal(signal.SIGTERM, agent.end)
        try:
            with pytest.raises(SystemExit):
                agent.turn(0)
            assert [each["ok"] for each in heard] == [True]
            with pytest.raises(SystemExit):
                os.kill(os.getpid(), signal.SIGTERM)
        finally:
            signal.signal(signal.SIGTERM, before)


def test_one_file(tmp_path: Path) -> None:
    """A guest's Python runs it with nothing else, and the script that installs it brings the same file."""
    file = tmp_path / "wawel-guest"
    told = re.search(r"base64 -d > .*<< '(.*)'\n((?:.*\n)*?)\1\n", install_script("{}"))
    assert told is not None
    file.write_bytes(subprocess.run(["base64", "-d"], input=told[2].encode(), capture_output=True, check=True).stdout)
    assert file.read_bytes() == installed()
    said = subprocess.run([sys.executable, "-IS", str(file), "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == program.VERSION
    assert subprocess.run(["sh", "-n"], input=install_script("{}").encode()).returncode == 0
