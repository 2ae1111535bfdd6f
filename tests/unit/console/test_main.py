"""Whatever goes wrong ends in a line and an exit code."""

from __future__ import annotations

import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from clm.console.root import BY_HAND, cli

from .conftest import Ran, Wawel, run
from .wire import Wire

PROGRAM = [sys.executable, "-m", "clm.console.main"]
KNOWN_CODES = {0, 1, 2, 3, 4, 5}


def fine(done: Ran) -> Ran:
    """It ended in order: a known code, no traceback, nothing of ours."""
    assert done.code in KNOWN_CODES
    assert "Traceback" not in done.out + done.told
    assert "internal error (" not in done.told
    return done


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["vm", "ls"], 0),
        (["vm", "show", "77"], 1),
        (["vm", "start"], 2),
        (["vm", "no-such"], 2),
        (["no-such"], 2),
        (["vm", "ls", "--cluster", "north"], 2),
        (["call", "user.vm.get_by_id", "vm_id=nonsense"], 1),
        (["call", "admin.vm.get_list"], 1),
        (["call", "user.nothing"], 1),
        (["call", "user.vm.get_by_id", "nonsense"], 2),
        (["call", "user.vm.get_by_id", "--json", "{"], 2),
        (["call", "user.vm.get_by_id", "--json", "7"], 2),
        (["call", "user.vm.get_by_id", "vm_id=99999999999999999999"], 2),
        (["call", "user.echo.back", 'value="\\ud800"'], 2),
        (["--url", "nonsense", "vm", "ls"], 2),
        (["--url", "http://[", "vm", "ls"], 2),
        (["--url", "http://host:port", "vm", "ls"], 2),
        (["--url", "http://me:secret@host", "vm", "ls"], 2),
        (["--url", "unix:/no/such/socket", "vm", "ls"], 4),
        (["--ca", "/no/such/file", "--url", "https://127.0.0.1:1", "vm", "ls"], 2),
        (["--timeout", "0", "vm", "ls"], 2),
        (["vm", "ls", "--request-id", "x"], 2),
        (["vm", "stop", "1", "--request-id", "with blank"], 2),
        (["vm", "create", "x", "--image", "tiny", "--template", "small", "--user-data-file", "/no/such/file"], 2),
        (["vm", "create", "x", "--image", "tiny", "--template", "small", "--user-data-file", "/"], 2),
        (["events"], 3),
    ],
)
def test_exit_codes(anna: Wawel, lone: Wire, words: list[str], code: int) -> None:
    """Each of what may be wrong has its code; the message is a line or two, on standard error."""
    if words == ["events"]:
        anna("logout")
    done = fine(anna(*words))
    assert done.code == code, done.told
    if code:
        assert done.out == "" and 1 <= done.told.count("\n") <= 3, done.told


def test_retry_hint(anna: Wawel, lone: Wire) -> None:
    """What may pass says so; a change whose end is not known tells how to repeat it."""
    lone.cluster.full = True
    done = anna("vm", "create", "x", "--image", "tiny", "--template", "small")
    assert (done.code, "try again" in done.told) == (1, True)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done = anna("--url", url, "--timeout", "0.2", "call", "user.vm.stop", "vm_id=1", "--request-id", "mine")
    assert (done.code, "--request-id mine" in done.told) == (4, True)


def test_internal_error(anna: Wawel, lone: Wire) -> None:
    """The server's fault is the operator's to look for."""
    done = fine(anna("call", "user.broken"))
    assert (done.code, "hunter2" in done.told, "Report" in done.told) == (1, False, True)


def test_own_fault(anna: Wawel, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the console's own is no traceback either, but for --debug."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("oh")

    monkeypatch.setattr("clm.console.context.Console.call", broken)
    done = anna("vm", "ls")
    assert (done.code, "--debug" in done.told, "Traceback" in done.told) == (1, True, False)
    with pytest.raises(RuntimeError):
        anna("--debug", "vm", "ls")


@pytest.fixture
def somebody_else() -> Iterator[str]:
    """An HTTP server that is none of ours; what it answers depends on the path."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>It works!")

        do_GET = do_POST

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_somebody_elses_server(wawel: Wawel, somebody_else: str) -> None:
    """A server that is no Wawel is told as such, also by what reads events."""
    for words in (["vm", "ls"], ["login", "--login", "anna", "--password-file", "/dev/null"]):
        done = fine(wawel("--url", somebody_else, *words))
        assert (done.code, "no Wawel" in done.told) == (4, True)
    assert fine(wawel("--url", somebody_else, "events")).code == 1


def test_nobody_there(wawel: Wawel) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        done = fine(wawel("--url", url, "vm", "ls"))
    assert (done.code, "try again" in done.told) == (4, True)


CONFIGS = st.text(max_size=200) | st.sampled_from([
    "default = 7", "profiles = 7", "[profiles]\nx = 7", "[profiles.x]", "[profiles.x]\nurl = 7",
    '[profiles.x]\nurl = "http://["', '[profiles.x]\nurl = "http://h"\nca = 7', "default = 'y'", "[" * 5000,
    '[profiles.x]\nurl = "http://127.0.0.1:1"\nkind = "what"\noutput = "what"',
])  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(CONFIGS, st.binary(max_size=100))
@example("", b"\xff")
@example("[profiles.x]\nurl = 'http://127.0.0.1:1'", b'{"x": {"url": "http://127.0.0.1:1", "token": "a\\nb"}}')
def test_unreadable_files(home: Path, text: str, sessions: bytes) -> None:
    """Whatever stands in the console's files: a line and a code. Help is given all the same."""
    place = home / "config/wawel"
    place.mkdir(parents=True, exist_ok=True)
    (place / "config.toml").write_text(text, encoding="utf-8", errors="replace")
    (place / "sessions.json").write_bytes(sessions)
    assert fine(run("vm", "ls")).code in (2, 3, 4)
    assert fine(run("profile", "list")).code in (0, 2)
    assert fine(run("vm", "--help")).code == 0


def test_unreadable_caches(anna: Wawel, home: Path) -> None:
    """Broken caches are none, and directories in the place of files are told."""
    for path in (home / "cache").rglob("*"):
        if path.is_file():
            path.write_bytes(b"\xff{")
    assert fine(anna("vm", "--help")).code == 0
    config = home / "config/wawel/config.toml"
    config.unlink()
    config.mkdir()
    assert fine(anna("vm", "ls")).code == 2


words = st.lists(
    st.sampled_from([*BY_HAND, "ls", "show", "create", "--help", "-o", "json", "--yes", "--dry-run", "1", "web",
                     "--image", "--cluster", "get-by-id", "user.vm.get_list", "--json", "apply", "wait", "--count",
                     "--template", "view", "list", "-"])
    | st.text(max_size=12),
    max_size=7,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(words, st.binary(max_size=30))
@example(["call", "guest.cluster.get_info", "\udcff=1"], b"")
@example(["vm", "show", "\udcff"], b"")
@example(["login", "--login", "\udcff", "--password-file", "-"], b"\xff\n")
@example(["shell"], b"\xff\n'\n")
@example(["vm", "create", "\x1b[31m", "--image", "1", "--template", "1"], b"")
def test_garbage(anna: Wawel, words: list[str], standard_input: bytes) -> None:
    """Whatever is typed: a known code, and no traceback."""
    if any(word in ("login", "events", "--follow", "-f", "--watch") for word in words) and "--url" not in words:
        words = ["--timeout", "1", *words]
    if "events" in words:
        return  # it may wait for ever, as it should
    fine(run(*words, standard_input=standard_input))


# ------------------------------------------------------------------ as a process


def environment(home: Path, **more: str) -> dict[str, str]:
    # Unbuffered, Python writes but once and does not notice that nobody reads.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**inherited, "HOME": str(home), **more}


def test_closed_pipe(anna: Wawel, lone: Wire, home: Path) -> None:
    """Whoever reads the output may stop doing so; nothing is said about it."""
    for number in range(400):
        lone.cluster.add_vm(f"vm-{number}")
    process = subprocess.Popen([*PROGRAM, "vm", "ls", "-o", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=environment(home))  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    told = process.stderr.read()
    process.stderr.close()
    assert (process.wait(20), told) == (141, b"")


def test_interrupt(anna: Wawel, lone: Wire, home: Path) -> None:
    """Ctrl-C ends what waits with code 130, and no traceback."""
    lone.cluster.patience = 10**6
    lone.cluster.add_vm("web")
    process = subprocess.Popen([*PROGRAM, "vm", "stop", "web", "--wait"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=environment(home))  # fmt: skip
    end = time.monotonic() + 20
    while not lone.cluster.operations:
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert (process.returncode, b"Traceback" in told) == (130, False)


def test_odd_terminal(anna: Wawel, lone: Wire, home: Path) -> None:
    """A terminal that lacks characters gets others in their place."""
    lone.cluster.add_vm("zamek \u0142 \U0001f3f0")
    done = subprocess.run([*PROGRAM, "vm", "ls"], capture_output=True, timeout=20,
                          env=environment(home, PYTHONIOENCODING="latin-1"))  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert b" zamek ? ? " in done.stdout


def test_imports(anna: Wawel, lone: Wire, home: Path) -> None:
    """A list imports nothing of what only others need: the start has to be quick."""
    done = subprocess.run([sys.executable, "-X", "importtime", "-m", "clm.console.main", "vm", "ls"],
                          capture_output=True, text=True, timeout=20, env=environment(home))  # fmt: skip
    assert done.returncode == 0
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time")}
    assert "clm.console.commands.vm" in imported
    heavy = {"rich", "prompt_toolkit", "yaml", "argon2", "jwt", "sqlalchemy", "twisted", "clm.console.generate",
             "clm.console.commands.login", "clm.console.sources", "importlib.metadata"}  # fmt: skip
    assert not imported & heavy


def test_help_names_everything(home: Path) -> None:
    """Every command made by hand is in the program's help, and has help itself."""
    shown = run("--help").out
    for name in BY_HAND:
        assert name in shown
        assert run(name, "--help").code == 0
    assert cli.get_command(cli.make_context("wawel", ["vm"]), "node") is not None


def test_versions(home: Path) -> None:
    assert json.dumps(run("--version").out).startswith('"wawel ')


@pytest.mark.parametrize(
    ("words", "code", "slug", "fields"),
    [
        (["vm", "show", "77", "-o", "json"], 1, "object_not_found", {"kind": "vm", "object_id": 77}),
        (["vm", "stop", "77", "-o", "json"], 1, "object_not_found", {"kind": "vm", "object_id": 77}),
        (["vm", "start", "1", "-ojson"], 1, "vm_wrong_state", {"vm_id": 1, "state": "running", "needs": "stopped"}),
        (["-o", "json", "call", "admin.vm.get_list"], 1, "role_needed", {"role": "admin"}),
        (["vm", "show", "nobody", "-o", "json"], 1, "refused", {}),
        (["vm", "show", "--output=json"], 2, "usage", {}),
        (["vm", "stop", "--output", "json", "--no-such"], 2, "usage", {}),
        (["vm", "ls", "--cluster", "north", "-o", "json"], 2, "usage", {}),
        (["-o", "json", "--url", "http://127.0.0.1:1", "vm", "ls"], 4, "server_unreachable", None),
    ],
)
def test_errors_for_programs(
    anna: Wawel, lone: Wire, words: list[str], code: int, slug: str, fields: dict[str, object] | None
) -> None:
    """With -o json an error is one object, with the server's code and fields and whether a repeat may help."""
    lone.cluster.add_vm("web")
    done = fine(anna(*words))
    assert (done.code, done.out) == (code, ""), done
    told = json.loads(done.told)["error"]
    assert (told["code"], told["exit_code"], told["retry"]) == (slug, code, code == 4)
    assert told["message"] and (fields is None or told["fields"] == fields)


def test_errors_for_programs_of_a_profile(anna: Wawel, lone: Wire) -> None:
    """Likewise where the profile says the format, and in YAML."""
    assert anna("profile", "set", "anna", "--format", "json").code == 0
    assert json.loads(anna("vm", "show", "77").told)["error"]["code"] == "object_not_found"
    told = anna("vm", "show", "77", "-o", "yaml").told
    assert "code: object_not_found" in told and "retry: false" in told
