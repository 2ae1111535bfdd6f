"""What each manager tells its supervisor (systemd's Type=notify): that it listens, that it lives, that it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE_S = 60


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def settings_of(program: str, url: str, state: Path, port: int) -> str:
    table, listener = ("cloud", "rpc") if program == "clm" else ("cluster", "rpc")
    other = 'contextualization = ""\n' if program == "cm" else ""
    if program == "contextualization":
        listener = "contextualization"
    return (
        f'[database]\nurl = "{url}"\n[listen]\n{listener} = "127.0.0.1:{port}"\n{other}'
        f'[{table}]\nstate_dir = "{state}"\n'
    )


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[socket.socket]:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as made:
        made.bind(str(tmp_path / "notify"))
        made.settimeout(PATIENCE_S)
        yield made


def hear(ear: socket.socket, wanted: str) -> str:
    """The first message that begins so."""
    while True:
        told = ear.recv(4096).decode()
        if told.startswith(wanted):
            return told


@contextmanager
def running(program: str, url: str, tmp_path: Path, **environment: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    port = free_port()
    config = tmp_path / "settings.toml"
    config.write_text(settings_of(program, url, tmp_path / "state", port))
    module = "contextualization.daemon.main" if program == "contextualization" else f"{program}.daemon.main"
    process = subprocess.Popen(
        [sys.executable, "-m", module, "run", "--config", str(config)], cwd=REPOSITORY, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "NOTIFY_SOCKET": str(tmp_path / "notify"), **environment},
    )  # fmt: skip
    try:
        yield process, port
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE_S)


@pytest.mark.parametrize("program", ["cm", "clm", "contextualization"])
def test_ready(program: str, request: pytest.FixtureRequest, tmp_path: Path, ear: socket.socket) -> None:
    """READY comes when callers are answered and not before; then signs of life, and STOPPING; and no child has it."""
    url = request.getfixturevalue("clm_url" if program == "clm" else "database_url")
    with running(program, url, tmp_path, WATCHDOG_USEC="400000") as (process, port):
        told = hear(ear, "READY=1")
        assert f"STATUS=listens on 127.0.0.1:{port}" in told
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=PATIENCE_S) as answer:
            assert answer.status == 200
        assert hear(ear, "WATCHDOG=1") and hear(ear, "WATCHDOG=1")
        process.send_signal(signal.SIGTERM)
        assert hear(ear, "STOPPING=1")
        assert process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("program", ["cm", "contextualization"])
def test_refused(program: str, tmp_path: Path, ear: socket.socket, postgres_url: str) -> None:
    """What cannot start on this schema tells the supervisor why, is never ready, and exits with 1."""
    with running(program, postgres_url, tmp_path) as (process, _):
        told = []
        while not told or not told[-1].startswith("STOPPING=1"):
            told.append(ear.recv(4096).decode())
        assert "run wawel-cm migrate" in told[-1]
        assert process.wait(PATIENCE_S) == 1
        assert not any(message.startswith("READY") for message in told)


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Of a database without tables."""
    postgres = request.getfixturevalue("postgres")
    postgres.create_database("not_migrated")
    yield str(postgres.url("not_migrated"))
    postgres.drop_database("not_migrated")
