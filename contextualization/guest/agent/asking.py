"""Whom the agent asks: the VM's metadata address, where it waits for something to do; nobody calls it."""

from __future__ import annotations

import argparse
import http.client
import json
import logging
import os
import secrets
import signal
import sys
import time
import zipfile
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from . import updating
from .actions import ACTIONS
from .system import Failed

VERSION = "3"
PROTOCOL = 1
ENDPOINT = "http://169.254.169.254"
STATE = Path("/var/lib/wawel-guest")
WAIT_S = 25.0
TIMEOUT_S = 40.0
REST_S = (1.0, 30.0)  # after a failure, doubled until it works again
TELLING_S = (0.3, 0.6, 1.2, 2.4)  # between tries to tell what came of a command, whose callers wait 10 s
UPDATE_S = 3600.0  # after an update that failed, until another is tried
BUSY = (429, 502, 503, 504)  # answers that say nothing of what was asked: too many calls, or nobody there
ANSWER_MAX = 1 << 20  # bytes

log = logging.getLogger("wawel-guest")


class Refused(Exception):
    """The endpoint answered, and not with success."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the endpoint answers {status}")
        self.status = status


class Agent:
    """
    :param state: where its key lies, by which the endpoint knows it from other programs of the guest.
    :param program: the file that is replaced by newer ones; None: it stays as it is.
    """

    def __init__(self, endpoint: str = ENDPOINT, state: Path = STATE, program: Path | None = None) -> None:
        parts = urlsplit(endpoint)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._key = _own_key(state)
        self._busy = self._ends = False
        self._program, self._trusted = program, updating.trusted(state)
        self._updates_at = 0.0  # by the clock that only goes on

    def end(self, *_: Any) -> None:
        """As a signal says: at once, but for something that it is at, which is told first. It may have caused this."""
        if not self._busy:
            sys.exit(0)
        self._ends = True

    def run(self) -> None:
        """For ever: what fails is tried again, less and less often."""
        rest_s = REST_S[0]
        while True:
            try:
                self.turn()
                rest_s = REST_S[0]
            except (OSError, http.client.HTTPException, ValueError, Refused) as error:
                log.warning("%s; again in %g s", error, rest_s)
                time.sleep(rest_s)
                rest_s = min(2 * rest_s, REST_S[1])

    def turn(self, wait_s: float = WAIT_S) -> bool:
        """Wait for something to do, and do it. :return: whether there was something."""
        told = self._post("poll", wait_s=wait_s)
        command = told["command"]
        if command is None:
            if told.get("update"):
                self._update(told["update"])
            return False
        begun_at = time.monotonic()
        try:
            # It is told what to do once it says that it begins: what came too late is not told any more.
            asked = self._post("begin", command=command)
        except Refused as refused:
            if refused.status != 410:
                raise
            return False
        action = str(asked["action"])
        # An endpoint from before says nothing of it.
        if time.monotonic() - begun_at >= float(asked.get("left_s", TIMEOUT_S)):
            self._tell(action, command, {"ok": False, "error": "it heard of it too late"})
            return False
        self._busy = True
        try:
            self._tell(action, command, self._do(action, asked["arguments"]))
        finally:
            self._busy = False
        if self._ends:
            sys.exit(0)
        return True

    def _update(self, offer: Any) -> None:
        """Go on as a newer version, if that which is offered is one that can be trusted."""
        if self._program is None or self._trusted is None or time.monotonic() < self._updates_at:
            return
        self._updates_at = time.monotonic() + UPDATE_S
        try:
            fetch = partial(self._post, "program")
            done = updating.update(offer, self._trusted, VERSION, lambda at: fetch(offset=at), self._program)
        except (Failed, OSError) as error:
            log.warning("it stays at version %s: %s", VERSION, error)
            return
        if done:
            log.info("goes on as version %s", offer["version"])
            os.execv(sys.executable, [sys.executable, str(self._program), *sys.argv[1:]])

    def _tell(self, action: str, command: Any, said: dict[str, Any]) -> None:
        """What was done is told until it is heard, or nobody waits for it: another answer than that it ends."""
        for rest_s in (*TELLING_S, None):
            try:
                self._post("result", command=command, **said)
                return
            except Refused as refused:
                if refused.status not in BUSY:
                    log.warning("%s has ended, and nobody waits for it: %s", action, refused)
                    return
                trouble: Exception = refused
            except (OSError, http.client.HTTPException) as error:
                trouble = error
            if rest_s is None:
                raise trouble
            time.sleep(rest_s)

    def _do(self, action: str, arguments: Any) -> dict[str, Any]:
        log.info("does %s", action)  # without its arguments: one may be a password
        work = ACTIONS.get(action)
        if work is None:
            return {"ok": False, "error": f"this agent knows no {action}"}
        try:
            return {"ok": True, "result": work(**arguments)}
        except Failed as failed:
            return {"ok": False, "error": str(failed)}
        except Exception as error:
            log.exception("%s failed", action)
            return {"ok": False, "error": f"{type(error).__name__}: {error}"[:200]}

    def _post(self, what: str, **said: Any) -> dict[str, Any]:
        body = {"protocol": PROTOCOL, "key": self._key, "version": VERSION, "actions": sorted(ACTIONS), **said}
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        try:
            headers = {"Content-Type": "application/json", "User-Agent": f"wawel-guest/{VERSION}"}
            connection.request("POST", f"/agent/{what}", json.dumps(body).encode(), headers)
            answer = connection.getresponse()
            content = answer.read(ANSWER_MAX)
        finally:
            connection.close()
        if answer.status != 200:
            raise Refused(answer.status)
        told = json.loads(content)
        if not isinstance(told, dict):
            raise ValueError("the endpoint's answer is no object")
        return told


def _own_key(state: Path) -> str:
    """Made when it is first needed, of this machine alone: that of a copied disk is thrown away."""
    try:
        machine = Path("/sys/class/dmi/id/product_uuid").read_text().strip()
    except OSError:
        machine = ""
    path = state / "key"
    try:
        whose, _, key = path.read_text().partition(" ")
        if whose == f"{machine}:" and len(key) == 64:
            return key
    except OSError:
        pass
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = secrets.token_hex(32)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{machine}: {key}")
    return key


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="wawel-guest", description="Wawel's agent for guests.")
    parser.add_argument("--endpoint", default=ENDPOINT, help="where to ask (%(default)s)")
    parser.add_argument("--state", type=Path, default=STATE, help="directory of its key (%(default)s)")
    parser.add_argument("--no-update", action="store_true", help="stay at this version, whatever the cluster has")
    parser.add_argument("--version", action="version", version=VERSION)
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    file = Path(sys.argv[0]).resolve()
    program = file if zipfile.is_zipfile(file) and not options.no_update else None
    agent = Agent(options.endpoint, options.state, program)
    signal.signal(signal.SIGTERM, agent.end)
    agent.run()
