"""The `wawel-node` command: enrolment, the installed hook, status."""

import io
import json
import logging
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from node_endpoint import SYSTEM_PYTHON, UUID, Endpoint, run_hook, working

from node_hooks import install as installer
from node_hooks.agent import Agent
from node_hooks.install import hook_source, install_hook, installed_version
from node_hooks.main import _Formatter, main
from node_hooks.qemu_hook import HOOK_VERSION
from node_hooks.spool import Spool
from node_hooks.state import find_identity, get_identity
from node_hooks.status import get_status

ROOT = Path(__file__).parents[3]
needs_system_python = pytest.mark.skipif(SYSTEM_PYTHON != "/usr/bin/python3", reason="there is no /usr/bin/python3")


@pytest.fixture
def arguments(tmp_path: Path, endpoint: Endpoint) -> list[str]:
    (tmp_path / "token").write_text("one-time\n")
    return [
        "enrol", "--endpoint", endpoint.url, "--token-file", str(tmp_path / "token"),
        "--state-dir", str(tmp_path / "state"), "--spool", str(tmp_path / "spool"),
        "--hooks-dir", str(tmp_path / "hooks"),
    ]


@pytest.fixture
def running(arguments: list[str], tmp_path: Path) -> Iterator[Agent]:
    assert main(arguments) == 0
    agent = Agent(tmp_path / "state", get_identity(tmp_path / "state"))
    with working(agent):
        yield agent


def status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    main(["status", "--json", "--state-dir", str(tmp_path / "state")])
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


@needs_system_python
def test_enrol(arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Enrolment keeps the credential for root alone, makes the spool and installs a hook that writes there."""
    assert main(arguments) == 0
    said = capsys.readouterr()
    assert "node 7" in said.out and "reload" in said.out and "without TLS" in said.err
    identity = find_identity(tmp_path / "state")
    assert identity is not None and identity.node_id == 7 and identity.credential not in repr(identity)
    assert stat.S_IMODE(os.stat(tmp_path / "state/identity.json").st_mode) == 0o600
    hook = tmp_path / "hooks/qemu"
    assert stat.S_IMODE(hook.stat().st_mode) == 0o755
    assert run_hook(hook, "vm-1", "start", "begin", "-").stderr == b""
    assert [record.domain_uuid for record in Spool(tmp_path / "spool").read(5)[0]] == [UUID]


def test_enrol_again(arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A repeat needs no token and reload; a node that the endpoint forgot needs a new token, and says so."""
    assert main(arguments) == 0
    capsys.readouterr()
    (tmp_path / "hooks/qemu").write_text("")
    (tmp_path / "hooks/qemu").unlink()
    (tmp_path / "hooks/qemu.d").mkdir()
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "not spent" in said and "reload" not in said
    identity = json.loads((tmp_path / "state/identity.json").read_text())
    (tmp_path / "state/identity.json").write_text(json.dumps(identity | {"credential": "revoked"}))
    assert main(arguments) == 1
    assert "unknown or spent" in capsys.readouterr().err


def test_enrol_from_stdin(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The token may come by stdin."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("one-time\n"))
    arguments[arguments.index("--token-file") + 1] = "-"
    assert main(arguments) == 0


def test_boot_id_file(arguments: list[str], tmp_path: Path) -> None:
    """A simulated host's boot id is read afresh by each hook."""
    (tmp_path / "boot").write_text("first\n")
    assert main([*arguments, "--boot-id-file", str(tmp_path / "boot")]) == 0
    assert (tmp_path / "spool/boot_id").read_text() == "first\n"
    (tmp_path / "boot").write_text("second\n")
    assert (tmp_path / "spool/boot_id").read_text() == "second\n"


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--token-file", "/nonexistent", "cannot be read"),
        ("--endpoint", "nonsense", "not of the form"),
        ("--endpoint", "http://127.0.0.1:1", "does not answer"),
        ("--state-dir", "/proc/nothing/here", "cannot be used"),
        ("--ca", "/nonexistent", "CA file"),
        ("--spool", "/tmp/sp\nool", "plain ASCII"),
    ],
)
def test_mistakes(
    arguments: list[str], tmp_path: Path, endpoint: Endpoint, capsys: pytest.CaptureFixture[str],
    option: str, value: str, says: str,
) -> None:
    """A user's mistake is one sentence and exit status 1; the token is not spent by it."""
    value = value.replace("/tmp", str(tmp_path))
    if option in arguments:
        arguments[arguments.index(option) + 1] = value
    else:
        arguments += [option, value]
    assert main(arguments) == 1
    error = capsys.readouterr().err.replace("wawel-node: warning: without TLS", "")
    assert says in error and "Traceback" not in error
    assert endpoint.tokens == {"one-time"}


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage is 2, help is 0 and names the exit statuses."""
    for wrong in ([], ["enrol"], ["fly"]):
        with pytest.raises(SystemExit) as caught:
            main(wrong)
        assert caught.value.code == 2
    for command in ([], ["enrol"], ["run"], ["status"]):
        with pytest.raises(SystemExit) as caught:
            main([*command, "--help"])
        assert caught.value.code == 0
    assert "Exit status" in capsys.readouterr().out


def test_module(tmp_path: Path) -> None:
    """`python3 -m node_hooks` is the command; a machine that is not enrolled says so."""
    for command, output in (["run"], "stderr"), (["status"], "stdout"):
        done = subprocess.run(
            [sys.executable, "-m", "node_hooks", *command, "--state-dir", str(tmp_path)], cwd=ROOT,
            capture_output=True, text=True, timeout=20,
        )
        assert done.returncode == 1 and "not enrolled" in getattr(done, output)
        assert "Traceback" not in done.stderr


def test_status(
    running: Agent, endpoint: Endpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A running node is healthy and tells its document; without endpoint or agent it is not."""
    deadline = time.monotonic() + 5
    while not (now := status(tmp_path, capsys))["document_version"] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert now["healthy"] and now["endpoint_state"] == "ok" and now["document_version"] == "v1"
    assert now["hook_installed"] == now["hook_packaged"] == HOOK_VERSION
    assert main(["status", "--state-dir", str(tmp_path / "state")]) == 0
    assert "running" in capsys.readouterr().out
    found = get_status(tmp_path / "state")
    assert found.healthy and not replace(found, firewall="nft is not installed").healthy
    endpoint.close()
    (tmp_path / "spool/corrupt/x").write_text("")
    now = status(tmp_path, capsys)
    assert not now["healthy"] and "does not answer" in now["endpoint_state"] and now["corrupt"] == 1
    assert endpoint.credential not in json.dumps(now)


def test_foreign_hook(tmp_path: Path) -> None:
    """Somebody else's hook stays as it is, and ours stands beside it; once that one is gone, still only one is ours."""
    hooks, spool = tmp_path / "hooks", tmp_path / "spool"
    hooks.mkdir()
    (hooks / "qemu").write_text("#!/bin/sh\n")
    done = install_hook(hooks, spool)
    assert done.path == hooks / "qemu.d/50-wawel" and done.beside_foreign and not done.needs_reload
    assert (hooks / "qemu").read_text() == "#!/bin/sh\n"
    (hooks / "qemu").unlink()
    assert install_hook(hooks, spool).path == hooks / "qemu.d/50-wawel"
    assert not (hooks / "qemu").exists()
    (hooks / "qemu").write_text(hook_source(spool))
    assert install_hook(hooks, spool).path == hooks / "qemu"
    assert not (hooks / "qemu.d/50-wawel").exists()
    assert os.listdir(hooks / "qemu.d") == []


def test_versions(tmp_path: Path) -> None:
    """The version is read from the installed file; a stranger's file has none."""
    source = hook_source(tmp_path).replace(f'HOOK_VERSION = "{HOOK_VERSION}"', 'HOOK_VERSION = "0.9"')
    (tmp_path / "a").write_text(source)
    (tmp_path / "b").write_text('HOOK_VERSION = "1"\n')
    (tmp_path / "c").write_bytes(b"\xff\xfe")
    found = [installed_version(tmp_path / name) for name in ("a", "b", "c", "d")]
    assert found == ["0.9", None, None, None]


def test_spool_with_quotes(tmp_path: Path) -> None:
    """Any plain path stands in the hook as itself."""
    source = hook_source(tmp_path / "it's a \"spool\" \\1")
    line = next(line for line in source.splitlines() if line.startswith("SPOOL = "))
    scope: dict[str, str] = {}
    exec(line, scope)
    assert scope["SPOOL"] == str(tmp_path / "it's a \"spool\" \\1")
    assert installer._SPOOL.findall(source) == [line]


@pytest.mark.parametrize("journal", [True, False])
def test_priorities(journal: bool) -> None:
    """Where journald reads, every line of the agent's log tells its priority, those of a traceback too."""
    try:
        raise ValueError("two\nlines")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "it broke", (), sys.exc_info())
    lines = _Formatter(journal).format(record).splitlines()
    assert len(lines) > 3 and all(line.startswith("<3>") == journal for line in lines)
