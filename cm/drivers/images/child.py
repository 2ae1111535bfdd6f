"""
A child process that works on foreign bytes: locked up by ``jail.py``, watched, and gone with whatever it started when
it ends, when its time is over, when its watcher says so, and when this process ends, however it does.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cm.rpc.errors import DeadlineExceeded

_JAIL: Final = str(Path(__file__).with_name("jail.py"))
_OUTPUT_MAX: Final = 2**20  # bytes of what it says on each of its two ways that are kept
_ERRORS_KEPT: Final = 500
_WATCH_S: Final = 0.2


@dataclass(frozen=True)
class Leash:
    """
    :param deadline_s: then it is killed.
    :param memory_bytes: address space; qemu-img alone maps some 500 MiB.
    :param file_bytes: the largest file it may write.
    """

    deadline_s: float = 60.0
    cpu_s: int = 60
    memory_bytes: int = 2 * 2**30
    file_bytes: int = 2 * 2**40


@dataclass(frozen=True)
class Ended:
    """``status``: negative of the signal that ended it. ``errors``: the end of what it said, in one line."""

    status: int
    output: str
    errors: str


def run(
    program: Sequence[str],
    leash: Leash,
    *,
    what: str,
    readable: Sequence[str] = (),
    writable: Sequence[str] = (),
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.PIPE,
    watch: Callable[[bytes], None] = lambda said: None,
) -> Ended:
    """
    :param program: an absolute path, and arguments.
    :param what: it is, for ``DeadlineExceeded``.
    :param readable, writable: files (or directories to be read) that exist, the only ones it sees beside programs and
        libraries.
    :param stdin, stdout: descriptors of files, if it is not to be heard here.
    :param watch: called several times a second with the last that it said; what it raises ends the child.
    :raises DeadlineExceeded: it was killed.
    """
    limits = {"cpu_s": leash.cpu_s, "memory_bytes": leash.memory_bytes, "file_bytes": leash.file_bytes}
    locked = [sys.executable, "-I", "-S", _JAIL, str(os.getpid()), json.dumps(limits), *readable, "--", *writable, "--"]
    child = subprocess.Popen(
        [*locked, *program], stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, env={}, cwd="/", start_new_session=True
    )
    try:
        said = _listen(child, leash.deadline_s, what, watch)
    finally:
        try:
            os.killpg(child.pid, signal.SIGKILL)  # also what it may have left behind
        except ProcessLookupError:
            pass
        child.wait()
        for pipe in (child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()
    errors = " ".join(said["errors"].decode(errors="replace").split())[-_ERRORS_KEPT:]
    if child.returncode < 0:
        errors = f"it was ended by {signal.Signals(-child.returncode).name} {errors}".strip()
    return Ended(child.returncode, said["output"].decode(errors="replace"), errors)


def _listen(
    child: subprocess.Popen[bytes], deadline_s: float, what: str, watch: Callable[[bytes], None]
) -> dict[str, bytearray]:
    said = {"output": bytearray(), "errors": bytearray()}
    end = time.monotonic() + deadline_s
    watched = 0.0
    with selectors.DefaultSelector() as selector:
        for name, pipe in (("output", child.stdout), ("errors", child.stderr)):
            if pipe is not None:
                selector.register(pipe, selectors.EVENT_READ, name)
        while selector.get_map():
            now = time.monotonic()
            if now >= end:
                raise DeadlineExceeded(what, deadline_s)
            if now - watched >= _WATCH_S:
                watched = now
                watch(bytes(said["output"][-200:]))
            for key, _ in selector.select(min(_WATCH_S, end - now)):
                chunk = os.read(key.fd, 65_536)
                if chunk:
                    kept = said[key.data]
                    kept += chunk
                    del kept[:-_OUTPUT_MAX]
                else:
                    selector.unregister(key.fileobj)
    try:
        child.wait(timeout=max(0.0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise DeadlineExceeded(what, deadline_s) from None
    return said
