"""
People who keep files in buckets, over the wire's own code, at a cluster: in one piece or in parts, one in place of
another. Their network breaks and processes die in the midst of it, and then they try again, as clients of S3 do.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from cm.rpc.http.body import Body
from cm.rules.bucket import HEAD
from simulation.senders import Flow, Request
from simulation.tickets import REMOTES

if TYPE_CHECKING:
    from simulation.process import Process
    from simulation.simulation import Simulation

PATIENCE_S: Final = 30.0  # with one request
_PIECE: Final = 4096


class _Request(Request):
    """Its answer may come in pieces, and late."""

    _disconnected = False

    def __init__(self, method: bytes, path: bytes, headers: dict[bytes, bytes], remote: str) -> None:
        super().__init__(method, path, headers, remote)
        self.text = b""

    def send(self, status: int, body: bytes, headers: Any = ()) -> None:
        self.text = body
        self.setResponseCode(status)
        self.finish()

    def write(self, data: bytes) -> None:
        self.text += data

    def finish(self) -> None:
        if self.status is None:
            self.status = self.code
            self.answered()


class Asked:
    """
    One request under way.

    :ivar answer: what was answered, once it was: with ``error``, the slug of a refusal.
    :ivar lost: nobody will answer.
    """

    def __init__(
        self, simulation: Simulation, login: str, method: bytes, path: bytes, told: dict[str, Any], data: bytes = b"",
        cut: float = 1.0,
    ) -> None:  # fmt: skip
        """:param cut: the part of its body that is sent, before its sender hangs up."""
        self.answer: dict[str, Any] = {}
        self.lost = False
        self._process: Process | None = simulation.some_process()
        self._until = simulation.schedule.seconds() + PATIENCE_S
        self._simulation = simulation
        if self._process is None:
            self.lost = True
            return
        process = self._process
        header = base64.b64encode(json.dumps(told).encode())
        headers = {b"authorization": f"Bearer {simulation.tickets.of(login)}".encode(), b"x-wawel-object": header}
        request = _Request(method, path, headers, REMOTES[login])
        body = Body(Flow(), len(data), process.reactor)
        request.answered = lambda: simulation.later(0.005, self._answered, request)
        process.happen(process.manager.objects.begin, (request, body))
        at_s, end = 0.01, int(len(data) * cut)
        for at in range(0, end, _PIECE):
            at_s += 0.01
            simulation.later(at_s, process.happen, body.came, (data[at : min(at + _PIECE, end)],))
        simulation.later(at_s + 0.001, process.happen, body.end if cut == 1.0 else body.lose, ())

    def _answered(self, request: _Request) -> None:
        found = json.loads(request.text or b"{}")
        if "error" in found:
            found = {"error": found["error"]["data"]["slug"]}
        self.answer = {"status": request.status, **found}

    @property
    def over(self) -> bool:
        assert self._process is not None or self.lost
        if not self.answer and self._process is not None:
            self.lost |= not self._process.alive or self._simulation.schedule.seconds() > self._until
        return self.lost or bool(self.answer)


class Keeper:
    """
    Somebody who keeps files.

    :param wait: lets time pass until something holds.
    """

    def __init__(self, simulation: Simulation, login: str, wait: Callable[[Callable[[], bool], str], None]) -> None:
        self.simulation = simulation
        self.login = login
        self._wait = wait

    def ask(self, method: bytes, path: bytes, told: dict[str, Any], data: bytes = b"", cut: float = 1.0) -> Any:
        """What is answered; nothing: nobody did."""
        asked = Asked(self.simulation, self.login, method, path, told, data, cut)
        self._wait(lambda: asked.over, f"{method.decode()} {path.decode()} is answered")
        return asked.answer

    def put(self, bucket_id: int, key: str, data: bytes, cut: float = 1.0) -> bool:
        """In one piece. :return: whether it is said to be there."""
        told = {"bucket_id": bucket_id, "key": key, "size_bytes": len(data)}
        begun = self.ask(b"POST", b"/objects/begin", told)
        if "object_id" not in begun:
            return False
        return "etag" in self.ask(b"PUT", b"/objects", {"object_id": begun["object_id"]}, data, cut)

    def part(self, multipart_id: int, number: int, data: bytes) -> str:
        """:return: its tag, once it is there."""
        told = {"multipart_id": multipart_id, "number": number, "size_bytes": len(data)}
        begun = self.ask(b"POST", b"/objects/begin-part", told)
        if "part_id" not in begun:
            return ""
        sent = {"multipart_id": multipart_id, "part_id": begun["part_id"]}
        return str(self.ask(b"PUT", b"/objects/part", sent, data).get("etag", ""))

    def complete(self, upload: dict[str, Any], tags: list[tuple[int, str]]) -> bool:
        """Have parts become one. :return: whether it is said to be there."""
        told = {"multipart_id": upload["multipart_id"], "uuid": upload["uuid"], "parts": tags}
        return "result" in self.ask(b"POST", b"/objects/complete", {}, json.dumps(told).encode())


def stored(simulation: Simulation) -> dict[str, bytes]:
    """What lies on storages of all objects that are there, by key."""
    volumes, found = simulation.volumes, {}
    for row in simulation.sql(
        "SELECT o.key, o.size_bytes, u.name FROM stored_object o JOIN volume u ON u.id = o.volume_id"
        " WHERE o.state = 'ok' ORDER BY o.id"
    ):
        content = volumes[row.name].content
        assert content.startswith(HEAD), f"{row.name} has no head of ours"
        found[str(row.key)] = bytes(content[len(HEAD) : len(HEAD) + row.size_bytes])
    return found


def left(simulation: Simulation) -> list[str]:
    """What objects have left that nobody has use for: files in the staging directory, volumes without an object."""
    directory = simulation.processes[0].manager.policy.staging_dir
    files = sorted(path.name for path in directory.iterdir() if path.name.startswith("object-"))
    known = {row.name for row in simulation.sql(
        "SELECT u.name FROM stored_object o JOIN volume u ON u.id = o.volume_id"
    )}  # fmt: skip
    return files + sorted(name for name in simulation.volumes if name.startswith("object-") and name not in known)
