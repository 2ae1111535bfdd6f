"""Programs of the node that the agent runs, with a deadline, and what the kernel tells without one."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Sequence

COMMAND_TIMEOUT_S = 20.0
_SBIN = "/usr/sbin:/sbin:/usr/bin:/bin"
_FAILED = "Command failed -:"

Run = Callable[[Sequence[str], str], str]


class CommandMissing(Exception):
    """The program is not installed."""


class CommandFailed(Exception):
    """
    It ran and failed, or did not end in time; the text is its first line of complaint.

    :ivar complaints: all of its lines.
    """

    def __init__(self, text: str, complaints: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.complaints = complaints


def run_command(arguments: Sequence[str], text: str = "") -> str:
    """
    :return: its standard output.
    :raises CommandMissing: not installed.
    :raises CommandFailed: any other trouble.
    """
    program = find_program(arguments[0])
    if program is None:
        raise CommandMissing(arguments[0])
    try:
        done = subprocess.run(
            [program, *arguments[1:]], input=text, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandFailed(str(error)) from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise CommandFailed(lines[0] if lines else f"exit status {done.returncode}", lines)
    return done.stdout


def run_batch(run: Run, program: Sequence[str], lines: Sequence[str]) -> list[tuple[int, str]]:
    """
    All of the lines, for ``ip`` or ``bridge``, also behind one that fails.

    :return: each that failed, from 0 on, with what was said of it.
    :raises CommandMissing: not installed.
    """
    if not lines:
        return []
    try:
        run([*program, "-force", "-batch", "-"], "".join(f"{line}\n" for line in lines))
    except CommandFailed as error:
        found: list[tuple[int, str]] = []
        said = str(error)
        for line in error.complaints:
            if line.startswith(_FAILED):
                number = line[len(_FAILED) :]
                found.append((int(number) - 1 if number.isdigit() else 0, said))
            else:
                said = line
        return found or [(0, said)]
    return []


def find_program(name: str) -> str | None:
    return shutil.which(name, path=os.environ.get("PATH", "") + ":" + _SBIN)


def find_interface(name: str) -> int | None:
    """Its index in our network namespace, another one each time it is made anew; ``None`` when absent."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return None
