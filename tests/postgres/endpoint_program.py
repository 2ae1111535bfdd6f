"""The endpoint as a program of its own, on a database and a free port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def serving(database_url: str, directory: Path) -> Iterator[str]:
    """Its URL while it serves; it has to end well. ``endpoint.log`` in the directory has what it said."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config, log_path = directory / "contextualization.toml", directory / "endpoint.log"
    config.write_text(
        f'[database]\nurl = "{database_url}"\n[listen]\ncontextualization = "127.0.0.1:{port}"\n'
        f'[cluster]\nname = "krakow"\nstate_dir = "{directory / "endpoint"}"\n'
    )
    with log_path.open("wb") as log:
        program = subprocess.Popen(
            [sys.executable, "-m", "contextualization.daemon.main", "run", "--config", str(config)],
            stderr=log,
            stdout=log,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONPATH": "."},
        )
        try:
            deadline = time.monotonic() + 15
            while b"listens on" not in log_path.read_bytes():
                assert program.poll() is None and time.monotonic() < deadline, log_path.read_text()
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
            program.send_signal(signal.SIGTERM)
            assert program.wait(10) == 0, log_path.read_text()
        finally:
            if program.poll() is None:
                program.kill()
                program.wait()
