"""``bin/demo``, as somebody runs it who has no rights."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lab.places import REPOSITORY
from lab.processes import unprivileged_account

PREPARED = Path(sys.prefix) / ".bootstrap"
DEMO = REPOSITORY / "bin" / "demo"


def prepared(state: Path) -> dict[str, Any]:
    """
    How to run it without rights, with a state directory of its own and this run's virtual environment, which is
    complete, so that nothing is installed.
    """
    options: dict[str, Any] = {"cwd": "/", "text": True}
    if os.geteuid() == 0:
        account = unprivileged_account()
        os.chown(state, account.pw_uid, account.pw_gid)
        options |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    return options | {
        "env": {**os.environ, "WAWEL_STATE": str(state), "WAWEL_VENV": sys.prefix, "HOME": str(state)}
    }


def demo(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(DEMO), *arguments], capture_output=True, timeout=240, **prepared(state))


class Staying:
    """A demo that stays until it is told to end; it ends with the context, whatever happens."""

    def __init__(self, state: Path, *arguments: str) -> None:
        self.state = state
        self.log = state / "staying.log"
        self._arguments = arguments

    def __enter__(self) -> Staying:
        options = prepared(self.state)
        with self.log.open("w") as out:
            # As a shell starts what ends in &: Ctrl-C is ignored, unless the program says otherwise.
            self.process = subprocess.Popen(
                [str(DEMO), *self._arguments], stdout=out, stderr=out, start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN), **options,
            )  # fmt: skip
        return self

    def until(self, words: str) -> str:
        """What it said, when the words have come."""
        deadline = time.monotonic() + 240
        while words not in (said := self.log.read_text()):
            assert self.process.poll() is None and time.monotonic() < deadline, said
            time.sleep(0.1)
        return said

    def wawel(self, *arguments: str) -> str:
        """The console, where the demo says that it is."""
        script = f". {self.state}/demo/env; exec wawel \"$@\""
        done = subprocess.run(["sh", "-c", script, "sh", *arguments], capture_output=True, timeout=60,
                              **prepared(self.state))  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return str(done.stdout)

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(120)
        # The keepers of one that was killed are at work still; the next one waits for them, too.


@pytest.fixture
def state() -> Iterator[Path]:
    # pytest's own temporary directory can be entered by its user alone.
    with tempfile.TemporaryDirectory(prefix="wawel-demo-") as directory:
        yield Path(directory)


@pytest.fixture(autouse=True, scope="module")
def reachable() -> None:
    """Skip where another user could not even read the checkout or the environment."""
    if not PREPARED.exists():
        pytest.skip("this virtual environment was not made by bin/bootstrap")
    # Does nothing, unless the project's requirements have changed since; bin/demo itself could not write here then.
    subprocess.run([str(REPOSITORY / "bin" / "bootstrap"), "venv"], check=True, stdout=subprocess.DEVNULL,
                   env={**os.environ, "WAWEL_VENV": sys.prefix})
    if os.geteuid() == 0:
        account = unprivileged_account()
        for path in (REPOSITORY / "bin" / "demo", Path(sys.prefix) / "bin" / "python"):
            done = subprocess.run(["test", "-r", str(path)], user=account.pw_uid, group=account.pw_gid, extra_groups=[])
            if done.returncode:
                pytest.skip(f"{account.pw_name} cannot read {path}")


def test_once(state: Path) -> None:
    """A user gets in by the console and has a VM on each of two clusters, which one list shows; nothing is left."""
    done = demo(state, "--once", "--hypervisor", "test")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "demo registers, admin activates, demo logs in" in done.stdout
    listed = re.findall(r"\| .*\b(north|south)\b.*\bfirst-(\w+)\b.*running", done.stdout)
    assert sorted(listed) == [("north", "north"), ("south", "south")], done.stdout
    assert "nothing leaked" in done.stdout
    assert not (state / "demo").exists()


def vms(staying: Staying) -> list[tuple[int, str, str]]:
    told = json.loads(staying.wawel("vm", "ls", "--all-clusters", "-o", "json"))
    return [(vm["vm_id"], vm["name"], vm["state"]) for vm in told]


def test_keep(state: Path) -> None:
    """
    What ``--keep`` keeps is taken up by the next start, with its VM, whether the one before was interrupted or killed;
    a manager that is killed meanwhile is started again.
    """
    kind = ("--keep", "--hypervisor", "test", "--clusters", "1")
    with Staying(state, *kind) as first:
        first.until("Ctrl-C ends everything")
        os.kill(json.loads((state / "demo/run/wawel-cm-north.pid").read_text())[0], signal.SIGKILL)
        first.until("wawel-cm-north has ended (SIGKILL)")
        deadline = time.monotonic() + 60
        while "is_admin" not in first.wawel("--profile", "admin", "whoami") and time.monotonic() < deadline:
            time.sleep(0.2)
        first.process.kill()                                             # its nodes forget a VM that runs
        first.process.wait(60)
    with Staying(state, *kind) as second:
        second.until("Ctrl-C ends everything")
        assert vms(second) == [(1, "first-north", "running")]
        # Somebody's own image of the same name is no matter for the next start, which makes its VM anew.
        blank = str(state / "demo/north/import/tiny.qcow2")
        second.wawel("--profile", "admin", "image", "import", blank, "--cluster", "north", "--name", "tiny",
                     "--storage", "main", "--description", "my own", "--wait")  # fmt: skip
        second.wawel("vm", "destroy", "first-north", "--cluster", "north", "--yes", "--wait")
        second.process.send_signal(signal.SIGINT)
        assert second.process.wait(120) == 130, second.log.read_text()
    for path in ("credentials.json", "north/credentials.json", "console/config/wawel/sessions.json"):
        assert (state / "demo" / path).stat().st_mode & 0o077 == 0
    done = demo(state, "--once", *kind)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"north +2 +first-north\b.*running", done.stdout), done.stdout
    done = demo(state, "--once", "--keep", "--hypervisor", "test", "--lone")
    assert done.returncode == 1
    assert "bin/demo --clean" in done.stderr and done.stderr.count("\n") == 1
    done = demo(state, "--clean")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (state / "demo").exists()


def test_two(state: Path) -> None:
    """
    ``--lone`` has one cluster and no cloud manager. Two that begin together have one each: neither talks to the
    other's manager.
    """
    state.chmod(0o755)
    places = [state / "one", state / "two"]
    for place in places:
        place.mkdir()
    with ThreadPoolExecutor(2) as pool:
        kind = ("--once", "--lone", "--hypervisor", "test")
        ended = list(pool.map(lambda place: demo(place, *kind), places))
    for done in ended:
        assert done.returncode == 0, done.stdout + done.stderr
        assert "VM 1 'first' runs" in done.stdout
        assert "nothing leaked" in done.stdout
        assert "cloud manager" not in done.stdout


def test_no_rights(state: Path) -> None:
    """Without root, real hosts are refused in one sentence before anything is done."""
    done = demo(state, "--once")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "root" in done.stderr
    assert list(state.iterdir()) == []
