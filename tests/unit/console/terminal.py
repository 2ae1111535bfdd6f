"""A program on a terminal of its own."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PROGRAM = [sys.executable, "-m", "clm.console.main"]


class Terminal:
    """
    :param program: the console itself, where nothing else is said.
    :param columns: how wide the terminal is.
    :ivar seen: what it showed, after what was expected last; ``all``, since it began.
    """

    def __init__(
        self, words: Sequence[str], home: Path, program: Sequence[str] = PROGRAM, columns: int = 100,
        environment: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            os.environ.update(HOME=str(home), TERM="xterm", COLUMNS=str(columns), **(environment or {}))
            os.execv(program[0], [*program, *words])
        self.seen = self.all = ""

    def expect(self, text: str, seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < end, self.seen
            self.read()
        self.seen = self.seen.partition(text)[2]

    def read(self) -> None:
        """What is there, or comes within a moment."""
        if select.select([self.file], [], [], 0.1)[0]:
            try:
                got = os.read(self.file, 65_536).decode(errors="replace")
            except OSError:
                got = ""
            if "\x1b[6n" in got:
                os.write(self.file, b"\x1b[1;1R")  # where is the cursor? a terminal answers
            self.seen += got
            self.all += got

    def settle(self, seconds: float = 0.5) -> None:
        """Until it has shown nothing for a while."""
        end, length = time.monotonic() + seconds, len(self.all)
        while time.monotonic() < end:
            self.read()
            if len(self.all) != length:
                end, length = time.monotonic() + seconds, len(self.all)

    def type(self, text: str) -> None:
        os.write(self.file, text.encode())

    def end(self) -> int:
        until = time.monotonic() + 20
        ended, status = os.waitpid(self.pid, os.WNOHANG)
        while not ended:
            if time.monotonic() > until:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                raise AssertionError("it did not end")
            time.sleep(0.02)
            ended, status = os.waitpid(self.pid, os.WNOHANG)
        os.close(self.file)
        return os.waitstatus_to_exitcode(status)
