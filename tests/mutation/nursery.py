"""
A process that has read the packages that tests need, none of ours, and has a child for each run of pytest: what takes
a new process seconds is there at once.

A line of JSON on the standard input asks for a run: its directory, arguments, environment and where its output goes. A
line on the standard output tells the child's number, another one its status.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import sys
from contextlib import suppress
from typing import Any, Final

PR_SET_PDEATHSIG: Final = 1
# Not the reactor: each run installs its own.
READ_BEFORE: Final = (
    "pytest", "hypothesis", "sqlalchemy.orm", "sqlalchemy.dialects.postgresql", "psycopg2.extras", "alembic.command",
    "twisted.internet.defer", "twisted.internet.protocol", "twisted.web.http", "twisted.python.failure", "msgspec",
    "lxml.etree", "defusedxml.ElementTree", "zope.interface", "jwt", "argon2", "joserfc.jwt", "pyotp",
    "prometheus_client",
    "cryptography.hazmat.primitives.asymmetric.ed25519", "cryptography.hazmat.primitives.serialization", "requests",
)  # fmt: skip


def main() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # with whoever asks, however that ends
    for name in READ_BEFORE:
        with suppress(ImportError):
            importlib.import_module(name)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _run(asked)
        print(json.dumps({"pid": pid}), flush=True)
        _, status = os.waitpid(pid, 0)
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # what it left
        print(json.dumps({"status": os.waitstatus_to_exitcode(status)}), flush=True)


def _run(asked: dict[str, Any]) -> None:
    status = 70
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        output = os.open(asked["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(nothing, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(asked["directory"])
        os.environ.update(asked["environment"])
        places = asked["environment"]["PYTHONPATH"].split(os.pathsep)
        sys.path[:] = [*places, *(place for place in sys.path if place not in places)]
        import pytest

        status = int(pytest.main(asked["arguments"]))
    except BaseException as error:  # noqa: B036 - a child that went on would read its parent's lines
        print(f"nursery: {error!r}", flush=True)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
