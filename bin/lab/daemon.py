"""``Daemon``: one of our own programs, run with its output in a log until it is stopped or killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lab.keeper import born, end, record
from lab.places import REPOSITORY, LabProblem, environment
from lab.processes import tail


def module_argv(module: str, *arguments: str) -> list[str]:
    """How to run one of this repository's modules as a program, whatever the working directory."""
    return [sys.executable, "-m", module, *arguments]


def program_environment() -> dict[str, str]:
    return environment(PYTHONPATH=str(REPOSITORY), PYTHONUNBUFFERED="1")


def spawn_with_lab(argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
    """For programs of the lab's own: they find its package beside the product."""
    own = environment(PYTHONPATH=f"{REPOSITORY}:{REPOSITORY}/bin", PYTHONUNBUFFERED="1")
    return subprocess.Popen(argv, **{**options, "env": own})


def run_program(name: str, module: str, *arguments: str, config: Path, standard_input: str = "") -> None:
    """
    Run one of our programs to its end.

    :raises LabProblem: it failed; carries its last words.
    """
    argv = module_argv(module, *arguments, "--config", str(config))
    done = subprocess.run(argv, input=standard_input, capture_output=True, text=True, timeout=120,
                          env=program_environment())
    if done.returncode:
        raise LabProblem(f"{name} {arguments[0]} failed: {(done.stderr or done.stdout).strip()[-800:]}")


class Daemon:
    """
    A program that runs until it is told to end. Its process is recorded for the keeper of ``directory``.

    :param spawn: how it is started; the default is on this machine, ``Host.popen`` inside a host.
    """

    def __init__(
        self, name: str, argv: Sequence[str], directory: Path, spawn: Callable[..., subprocess.Popen[Any]] | None = None
    ) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        self._argv = list(argv)
        self._pid_file = directory / f"{name}.pid"
        self._spawn = spawn or subprocess.Popen
        self._process: subprocess.Popen[Any] | None = None
        self._paused = False

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self.running else None

    def start(self) -> None:
        """Start it; a running one stays. Whether it is of use yet, only its own answers tell."""
        if self.running:
            return
        with self.log.open("ab") as log:
            process = self._process = self._spawn(
                self._argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env=program_environment(),
            )  # fmt: skip
        record(self._pid_file, process.pid, [signal.SIGTERM, signal.SIGKILL])

    def how_it_ended(self) -> str:
        """In words, or nothing."""
        code = self._process.returncode if self._process is not None and not self.running else None
        if code is None:
            return ""
        return f" ({signal.Signals(-code).name})" if code < 0 else f" (exit status {code})"

    def check(self) -> None:
        """:raises LabProblem: it has ended; carries its last words."""
        if not self.running:
            raise LabProblem(f"{self.name} has ended: {tail(self.log)}")

    def listens_on(self, port: int) -> bool:
        """Whether it is this process that listens on a port of loopback: nobody else there must be talked to."""
        pid = self.pid
        if pid is None:
            return False
        wanted = f"0100007F:{port:04X}"
        rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
        inodes = {f"socket:[{row[9]}]" for row in rows if row[1] == wanted and row[3] == "0A"}
        try:
            held = [os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir()]
        except OSError:                                                  # it has just closed one, or has ended
            return False
        return not inodes.isdisjoint(held)

    def stop(self, patience: float = 20.0) -> None:
        """Ask it to end (TERM), and wait; after ``patience`` seconds it is killed."""
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            self.resume()                                                # one that was paused has to wake first
            try:
                process.wait(patience)
            except subprocess.TimeoutExpired:
                process.kill()
        self._reap()

    def kill(self) -> None:
        """Let it crash (KILL)."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
        self._reap()

    def pause(self) -> None:
        """Let it hang (STOP): its connections stay open, and nothing answers."""
        self.check()
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        self._paused = True

    def resume(self) -> None:
        """Let one that was paused go on."""
        if self._paused and self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
        self._paused = False

    def _reap(self) -> None:
        if self._process is not None:
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                end(self._process.pid, born(self._process.pid), [signal.SIGKILL])
            self._process = None
        self._pid_file.unlink(missing_ok=True)
