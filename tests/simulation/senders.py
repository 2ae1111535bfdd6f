"""
People who upload, over the wire's own code: they ask for an address, send to it in pieces, lose their network or
patience in between, look how far it is and go on, at whichever manager serves; send twice at once, send what is wrong
or too much, give up, or never come back. Drawn apart from the rest of the workload, as moves are.

What they are told is held against what comes later: bytes that count once count for ever, nothing is gone before its
time, and an image that came of it has what was sent.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.address import IPv4Address
from twisted.web.http_headers import Headers

from cm.drivers.memory.volume import CONTENT_MAX
from cm.rpc.http.body import Body
from cm.rpc.uploads import PIECES
from simulation.chance import stream
from simulation.mirror import SOURCE
from simulation.tickets import REMOTES

if TYPE_CHECKING:
    from simulation.process import Process
    from simulation.simulation import Simulation
    from simulation.workload import Ask, Workload

PACE_S: Final = 12.0
PATIENCE_S: Final = 15.0  # with one request
REQUESTS: Final = 40  # in which it has to be done, or is given up
NAMED: Final = "sent"
# How a request goes, and how often compared to the others.
WAYS: Final = {"whole": 6, "cut": 4, "silent": 1, "twice": 2, "damaged": 1, "too_long": 1, "elsewhere": 1}
# What becomes of an upload, by whoever sends.
ENDS: Final = {"complete": 7, "terminate": 2, "forget": 2}


class Flow:
    def pauseProducing(self) -> None: ...

    def resumeProducing(self) -> None: ...


class Request:
    """As much of a ``WireRequest`` as uploads use."""

    def __init__(self, method: bytes, path: bytes, headers: dict[bytes, bytes], remote: str) -> None:
        self.method, self.path, self.uri = method, path, path
        self.requestHeaders = Headers({name: [value] for name, value in headers.items()})
        self.responseHeaders = Headers()
        self.code = 200
        self.status: int | None = None
        self.error = ""
        self._remote = remote
        self.answered: Callable[[], None] = lambda: None

    def getClientAddress(self) -> IPv4Address:
        return IPv4Address("TCP", self._remote, 40000)

    def setHeader(self, name: bytes, value: bytes) -> None:
        self.responseHeaders.setRawHeaders(name, [value])

    def setResponseCode(self, code: int) -> None:
        self.code = code

    def let_in(self) -> None: ...

    def send(self, status: int, body: bytes, headers: Any = ()) -> None:
        if self.status is None:
            self.status = status
            self.error = json.loads(body)["error"]["data"]["slug"] if body else ""
            self.answered()

    def number(self, name: bytes) -> int | None:
        values = self.responseHeaders.getRawHeaders(name)
        return int(values[0]) if values else None


@dataclass
class Sending:
    """
    One upload, as its sender knows it.

    :ivar told: bytes that were said to count; None: it has to be asked.
    :ivar surely: the most that was ever said to.
    :ivar ways: how its next requests go; others are drawn.
    """

    login: str
    image_id: int
    path: bytes
    end: str
    told: int | None = 0
    surely: int = 0
    requests: int = 0
    over: str = ""
    ways: list[str] = field(default_factory=list)


class Senders:
    """Of one workload."""

    def __init__(self, workload: Workload, until_s: float) -> None:
        self.workload = workload
        self.rng = stream(workload.simulation.seed, "uploads")
        self.all: list[Sending] = []
        self._until_s = until_s
        self._later()

    @property
    def simulation(self) -> Simulation:
        return self.workload.simulation

    def _later(self) -> None:
        self.simulation.later(self.rng.expovariate(1 / PACE_S), self._tick)

    def _tick(self) -> None:
        if self.simulation.schedule.seconds() < self._until_s:
            self.begin(self.rng.choices(list(ENDS), list(ENDS.values()))[0])
            self._later()

    def begin(self, end: str, login: str = "", ways: Sequence[str] = ()) -> None:
        """Ask for an address, and send to it once there is one."""
        role, login = "user", login or self.workload._user()
        more: dict[str, Any] = {}
        if self.rng.random() < 0.1:
            role, login, more = "admin", "admin", {"storage_id": self.workload._storage_id()}
        view = f"{role}.system_image.upload"
        if role == "user" and self.rng.random() < 0.3:
            view = "user.storage_image.upload"
        if self.rng.random() < 0.3:
            more["sha256"] = hashlib.sha256(SOURCE).hexdigest()
        told = {"name": f"{NAMED}{len(self.workload.asks)}", "description": "", "size_bytes": len(SOURCE)}
        ask = self.workload.ask(login, view, **told, **more)
        self.simulation.later(0.5, self._wait, ask, end, ways)

    def _wait(self, ask: Ask, end: str, ways: Sequence[str]) -> None:
        if not ask.ended:
            self.simulation.later(1.0, self._wait, ask, end, ways)
        elif ask.accepted:
            image_id = ask.answer["image"]["image_id"]
            secret = ask.answer["path"].rpartition("/")[2]
            self.simulation.tickets.secrets.add(secret)
            sending = Sending(ask.login, image_id, f"/uploads/{secret}".encode(), end, ways=[*ways])
            self.all.append(sending)
            self._go_on(sending)

    # ------------------------------------------------------------------ one after the other

    def _go_on(self, sending: Sending) -> None:
        """The next request, by what is known."""
        if sending.over:
            return
        sending.requests += 1
        halfway = sending.surely >= len(SOURCE) // 2
        if sending.requests > REQUESTS or (sending.end == "forget" and halfway):
            sending.over = "forgotten"
        elif sending.end == "terminate" and halfway:
            self._request(sending, b"DELETE", {}, b"", "whole")
        elif sending.told is None:
            self._request(sending, b"HEAD", {}, b"", "whole")
        elif sending.told >= len(SOURCE):
            sending.over = "complete"
            self.simulation.effects.counted["uploaded"] += 1
        else:
            way = sending.ways.pop(0) if sending.ways else self.rng.choices(list(WAYS), list(WAYS.values()))[0]
            # Who means to end before the end does not send all of it at once.
            size = self.rng.choice([4096, 16_384, 32_768, len(SOURCE)] if sending.end == "complete" else [16_384])
            body = SOURCE[sending.told : sending.told + size]
            headers = {b"content-type": PIECES, b"upload-offset": b"%d" % sending.told}
            if way == "damaged" or self.rng.random() < 0.2:
                digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
                headers[b"upload-checksum"] = f"sha256 {digest}".encode()
            if way == "damaged":
                body = bytes(len(body))[:-1] + b"!"
            elif way == "too_long":
                body = SOURCE[sending.told :] + b"more"
            elif way == "elsewhere":
                headers[b"upload-offset"] = b"%d" % (sending.told + 1)
            self._request(sending, b"PATCH", headers, body, way)
            if way == "twice":
                self._request(sending, b"PATCH", headers, body, "whole", alone=False)

    def _request(
        self, sending: Sending, method: bytes, headers: dict[bytes, bytes], data: bytes, way: str, alone: bool = True
    ) -> None:
        """:param alone: what comes next waits for its answer."""
        simulation = self.simulation
        process = simulation.some_process()
        if process is None:
            if alone:
                simulation.later(2.0, self._go_on, sending)
            return
        request = Request(method, sending.path, {b"tus-resumable": b"1.0.0", **headers}, REMOTES[sending.login])
        length = None if way == "too_long" else len(data)
        body = Body(Flow(), length, process.reactor)
        done: list[bool] = []
        surely = sending.surely

        def answered() -> None:
            if not done:
                done.append(True)
                self._answered(sending, process, request, way, alone, surely)

        def hang_up() -> None:
            """The network broke, or nobody answered; the process, if it lives, finds that out."""
            process.happen(body.lose, ())
            if not done:
                done.append(True)
                self._hung_up(sending, alone)

        request.answered = lambda: simulation.later(simulation.latency.uniform(0.001, 0.02), answered)
        process.happen(process.manager.uploads.begin, (request, body))
        cut = len(data) // 2 if way in ("cut", "silent") else len(data)
        pieces = [data[at : at + 8192] for at in range(0, cut, 8192)]
        at_s = 0.01
        for piece in pieces:
            at_s += self.rng.uniform(0.0, 0.3)
            simulation.later(at_s, process.happen, body.came, (piece,))
        if way == "cut":
            simulation.later(at_s + self.rng.uniform(0.0, 0.2), hang_up)
        elif way != "silent":
            simulation.later(at_s + 0.001, process.happen, body.end, ())
        simulation.later(at_s + PATIENCE_S, lambda: None if done else hang_up())

    def _hung_up(self, sending: Sending, alone: bool) -> None:
        self.simulation.effects.counted["upload cut off"] += 1
        sending.told = None
        if alone:
            self.simulation.later(self.rng.uniform(0.05, 4.0), self._go_on, sending)

    def _answered(
        self, sending: Sending, process: Process, request: Request, way: str, alone: bool, surely: int
    ) -> None:
        """:param surely: what was known to count when it was asked; another answer may have come before this one."""
        simulation, status = self.simulation, request.status
        assert status is not None
        simulation.note("upload", sending.image_id, request.method.decode(), way, status, request.error)
        if request.error == "internal_error":
            simulation.break_invariant(f"the upload of image {sending.image_id} was answered with an incident")
        offset = request.number(b"upload-offset") if status in (200, 204) else None
        if request.method == b"DELETE" and status in (204, 409):
            # What is complete meanwhile can be given up no more: its image can be deleted.
            sending.over = "terminated" if status == 204 else "complete"
            simulation.effects.counted["upload terminated"] += status == 204
            return
        if offset is not None:
            self._counts(sending, offset, surely)
            if way in ("damaged", "too_long", "elsewhere"):
                simulation.break_invariant(f"the upload of image {sending.image_id} took what is {way}")
        elif status == 423:
            simulation.effects.counted["upload busy"] += 1
        if status in (404, 410):
            self._gone(sending)
        elif status in (401, 403):
            sending.over = "forbidden"
        if alone:
            if status not in (200, 204) or offset is None:
                sending.told = None
            simulation.later(self.rng.uniform(0.05, 2.0), self._go_on, sending)

    def _counts(self, sending: Sending, offset: int, surely: int) -> None:
        if offset < surely:
            self.simulation.break_invariant(
                f"of the upload of image {sending.image_id} {surely} bytes counted, and then {offset}"
            )
        sending.told, sending.surely = offset, max(offset, sending.surely)

    def _gone(self, sending: Sending) -> None:
        """It ended by something: its time, its sender, or its image's end."""
        sending.over = "gone"
        rows = self.simulation.sql(
            "SELECT 1 FROM upload u JOIN image i ON i.id = u.image_id WHERE u.image_id = :i AND i.state = 'uploading'"
            " AND u.expires_at > clock_timestamp() + interval '5 seconds'",
            i=sending.image_id,
        )
        if rows:
            self.simulation.break_invariant(f"the upload of image {sending.image_id} is gone before its time")

    # ------------------------------------------------------------------ at rest

    def at_rest(self) -> list[str]:
        """All have ended, nothing of them is left, and what came is what was sent."""
        simulation, wrong = self.simulation, []
        wrong += [
            f"image {row.id} is still being uploaded, until {row.expires_at}"
            for row in simulation.sql(
                "SELECT i.id, u.expires_at FROM image i LEFT JOIN upload u ON u.image_id = i.id"
                " WHERE i.state = 'uploading' ORDER BY 1"
            )
        ]
        for row in simulation.sql("SELECT image_id FROM upload WHERE expires_at < clock_timestamp() ORDER BY 1"):
            wrong.append(f"the upload of image {row.image_id} has expired, and is there")
        directory = simulation.processes[0].manager.policy.staging_dir
        left = sorted(path.name for path in directory.iterdir() if path.name.startswith("upload-"))
        wrong += [f"the file {name} is left of an upload" for name in left]
        known = {each.image_id: each for each in self.all}
        volumes = simulation.volumes
        for row in simulation.sql(
            "WITH RECURSIVE layer AS (SELECT i.id AS image_id, u.id, u.name, u.backing_id, 0 AS depth FROM image i"
            f" JOIN volume u ON u.id = i.volume_id WHERE i.name LIKE '{NAMED}%' UNION ALL"
            " SELECT image_id, u.id, u.name, u.backing_id, depth + 1 FROM layer l JOIN volume u ON u.id = l.backing_id)"
            " SELECT i.id, i.state, ARRAY(SELECT l.name FROM layer l WHERE l.image_id = i.id ORDER BY depth) AS layers"
            f" FROM image i WHERE i.name LIKE '{NAMED}%' ORDER BY i.id"
        ):
            sending = known.get(row.id)
            if sending is None:
                continue
            # A disk of which there are snapshots goes on in a volume above what came.
            if row.state == "ok":
                top, *below = (volumes[name] for name in row.layers)
                # Of what has grown the memory of nodes keeps the end alone.
                if top.capacity_bytes <= CONTENT_MAX and all(SOURCE not in each.content for each in (top, *below)):
                    wrong.append(f"image {row.id} has not what was uploaded: {top.content!r:.60}")
            if row.state not in ("deleted", "ok", "failed", "trashed"):
                wrong.append(f"image {row.id}, which was uploaded, is {row.state}")
            if sending.over == "terminated" and row.state != "deleted":
                wrong.append(f"the upload of image {row.id} was given up, and it is {row.state}")
            if sending.over == "complete" and row.state == "uploading":
                wrong.append(f"all of image {row.id} has come, and it waits for more")
            if sending.over == "forgotten" and row.state == "deleted":
                simulation.effects.counted["upload expired"] += 1
        return wrong
