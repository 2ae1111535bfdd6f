"""``bin/demo``, as somebody runs it who has no rights."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.places import REPOSITORY
from lab.processes import unprivileged_account

PREPARED = Path(sys.prefix) / ".bootstrap"


def demo(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """
    Run it without rights, with a state directory of its own and this run's virtual environment, which is complete, so
    that nothing is installed.
    """
    options: dict[str, Any] = {}
    if os.geteuid() == 0:
        account = unprivileged_account()
        os.chown(state, account.pw_uid, account.pw_gid)
        options = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    environment = {**os.environ, "WAWEL_STATE": str(state), "WAWEL_VENV": sys.prefix, "HOME": str(state)}
    return subprocess.run([str(REPOSITORY / "bin" / "demo"), *arguments], capture_output=True, text=True, timeout=240,
                          cwd="/", env=environment, **options)


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


def test_lone(state: Path) -> None:
    """``--lone`` has one cluster and no cloud manager."""
    done = demo(state, "--once", "--lone", "--hypervisor", "test")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "VM 1 'first' runs" in done.stdout
    assert "nothing leaked" in done.stdout
    assert "cloud manager" not in done.stdout


def test_keep(state: Path) -> None:
    """What ``--keep`` keeps is taken up by the next start of that kind alone, and removed by ``--clean``."""
    for number in (1, 2):
        done = demo(state, "--once", "--keep", "--hypervisor", "test", "--clusters", "1")
        assert done.returncode == 0, done.stdout + done.stderr
        assert re.search(rf"north +{number} +first-north\b", done.stdout), done.stdout
    for path in ("credentials.json", "north/credentials.json", "console/config/wawel/sessions.json"):
        assert (state / "demo" / path).stat().st_mode & 0o077 == 0
    done = demo(state, "--once", "--keep", "--hypervisor", "test", "--lone")
    assert done.returncode == 1
    assert "bin/demo --clean" in done.stderr and done.stderr.count("\n") == 1
    done = demo(state, "--clean")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (state / "demo").exists()


def test_no_rights(state: Path) -> None:
    """Without root, real hosts are refused in one sentence before anything is done."""
    done = demo(state, "--once")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "root" in done.stderr
    assert list(state.iterdir()) == []
