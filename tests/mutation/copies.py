"""A copy of the tree, the PostgreSQL that its tests borrow, and runs of pytest in it that end when they are told to."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lab.postgres import PrivatePostgres

ROOT: Final = Path(__file__).resolve().parents[2]
TEMPLATES: Final = ("postgres", "template0", "template1", "wawel_template", "wawel_clm_template")
KEPT: Final = (*TEMPLATES, "sim_template", "sim_clm_template")


@dataclass(frozen=True)
class Run:
    """
    :ivar status: of pytest: 0 all passed, 1 some failed, 5 no test was there; None: it took longer than it had.
    :ivar output: the end of what it printed.
    """

    status: int | None
    output: str

    def short(self) -> str:
        """Its summary."""
        return "\n".join(line for line in self.output.splitlines() if line.startswith(("FAILED", "ERROR", "E  ")))[
            -3000:
        ]


class Copy:
    """
    One copy of the tree, for one edit after the other.

    :ivar root: where it is.
    """

    def __init__(self, root: Path, server: PrivatePostgres | None) -> None:
        self.root = root
        self._server = server
        self._edits = 0
        self._output = root.parent / "output"
        self._nursery: subprocess.Popen[str] | None = None
        self._child: int | None = None

    @contextmanager
    def edited(self, file: str, source: bytes) -> Iterator[None]:
        """
        With another text in place of a file's, for as long as the block lasts. Compiled files are told apart by time
        and size: each edit has a time of its own.
        """
        path = self.root / file
        before, times = path.read_bytes(), path.stat()
        self._edits += 1
        path.write_bytes(source)
        os.utime(path, (self._edits, self._edits))
        try:
            yield
        finally:
            path.write_bytes(before)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def pytest(self, arguments: Sequence[str], deadline_s: float, environment: Mapping[str, str]) -> Run:
        """Run pytest in the copy. Whatever it started is ended with it."""
        self._drop_databases()
        nursery = self._ready()
        assert nursery.stdin is not None
        scratch = self.root.parent / "t"  # short: there are sockets in it
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        scratch.chmod(0o1777)
        places = os.pathsep.join(str(self.root / part) for part in ("", "bin", "docs", "tests"))
        borrowed = {"WAWEL_BORROWED_POSTGRES": str(self._server.base)} if self._server is not None else {}
        asked = {
            "directory": str(self.root),
            "arguments": [
                "-p",
                "mutation.recorder",
                "-p",
                "no:cacheprovider",
                "-q",
                f"--basetemp={scratch}/b",
                *arguments,
            ],
            "environment": {
                "PYTHONPATH": places,
                "WAWEL_FIXED": "1",
                "TMPDIR": str(scratch),
                **borrowed,
                **environment,
            },
            "output": str(self._output),
        }
        nursery.stdin.write(json.dumps(asked) + "\n")
        nursery.stdin.flush()
        self._child = self._told()["pid"]
        late = threading.Event()
        timer = threading.Timer(deadline_s, self._end_child, (late,))
        timer.start()
        try:
            status = self._told()["status"]
        finally:
            timer.cancel()
        self._child = None
        output = self._output.read_text(errors="replace")[-20000:]
        return Run(None if late.is_set() else status, output)

    def close(self) -> None:
        """End what runs."""
        self._end_child()
        if self._nursery is not None:
            self._nursery.kill()
            self._nursery.wait()
            self._nursery = None

    def _ready(self) -> subprocess.Popen[str]:
        if self._nursery is None:
            self._nursery = subprocess.Popen(
                [sys.executable, "-m", "mutation.nursery"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                cwd=self.root, start_new_session=True, env={**os.environ, "PYTHONPATH": "tests", "PYTHONHASHSEED": "0"},
            )  # fmt: skip
            self._told()
        return self._nursery

    def _told(self) -> dict[str, Any]:
        assert self._nursery is not None and self._nursery.stdout is not None
        line = self._nursery.stdout.readline()
        if not line:
            raise RuntimeError("the process that runs the tests has ended")
        told: dict[str, Any] = json.loads(line)
        return told

    def _end_child(self, late: threading.Event | None = None) -> None:
        """And what it left in its session."""
        if late is not None:
            late.set()
        if self._child is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._child, signal.SIGKILL)

    def _drop_databases(self) -> None:
        """Those of tests that were ended in the middle."""
        if self._server is not None:
            for name in self._server.psql("SELECT datname FROM pg_database").split():
                if name not in KEPT:
                    self._server.drop_database(name)


def files_of_tree() -> list[str]:
    """What git knows of the tree, and what it would be told of."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    return [name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


@contextmanager
def copied(*, with_database: bool = True, progress: Callable[[str], None] = lambda line: None) -> Iterator[Copy]:
    """
    A copy of the tree as it is, and a PostgreSQL with the templates that tests copy.

    :param with_database: False where only tests without one run.
    """
    with tempfile.TemporaryDirectory(prefix="wawel-mutate-") as made:
        place = Path(made)
        place.chmod(0o711)  # the account of PostgreSQL enters it
        root = place / "tree"
        for name in files_of_tree():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
        if not with_database:
            with closing(Copy(root, None)) as copy:
                yield copy
            return
        progress("starting PostgreSQL and migrating its templates")
        with PrivatePostgres(place / "postgres", durable=False) as server:
            try:
                _make_templates(server)
                with closing(Copy(root, server)) as copy:
                    yield copy
            finally:
                server.close()
                shutil.rmtree(server.base, ignore_errors=True)  # it may lie elsewhere than asked for


def _make_templates(server: PrivatePostgres) -> None:
    from clm.daemon.migrate import migrate as migrate_cloud
    from cm.daemon.migrate import migrate
    from simulation.database import make_template
    from support.databases import add_template

    add_template(server, "wawel_template", migrate)
    add_template(server, "wawel_clm_template", migrate_cloud)
    make_template(server)
