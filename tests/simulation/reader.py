"""
Somebody who follows the change feed as a client does, and makes a picture of what there is out of it: it loads the
lists, takes each event for what it says, and goes on from its cursor when the connection ends.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred
from twisted.web.http_headers import Headers

from cm.rpc.errors import CloudError
from simulation.chance import stream
from simulation.link import Stream

if TYPE_CHECKING:
    from simulation.simulation import Simulation

AGAIN_S: Final = 2.0  # between connections
LOADS: Final = {
    "vm": (("user.vm.get_list", {}), ("user.vm.get_list", {"shared": True})),
    "image": (("user.system_image.get_list", {}),),
}
KEY: Final = {"vm": "vm_id", "image": "image_id"}


class Person:
    """Whose program runs on a machine of their own: it never dies here."""

    alive = True

    @staticmethod
    def happen(function: Any, args: Any) -> None:
        function(*args)

    @staticmethod
    def when_dead(_function: Any) -> Any:
        return lambda: None


class Net:
    """The way between people and whatever serves them."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.streams: list[Stream] = []
        self.opened: list[Stream] = []
        self._rng = stream(simulation.seed, "readers")

    def latency_s(self) -> float:
        return self._rng.uniform(0.001, 0.01)


class Reader:
    """
    :ivar seen: by kind and id, the object as it was told last.
    :ivar told: everything that came: (seconds, kind, id, event, whether with its object).
    """

    def __init__(self, net: Net, login: str) -> None:
        self.net = net
        self.login = login
        self.seen: dict[str, dict[int, Any]] = {kind: {} for kind in LOADS}
        self.told: list[tuple[float, str, int, str, bool]] = []
        self.loaded = False
        self._cursor = ""
        self._rest = b""
        self._left: set[tuple[str, int]] = set()  # what was told to have gone since the lists were asked for
        self._connect()

    # ------------------------------------------------------------------ the connection

    def _connect(self) -> None:
        simulation = self.net.simulation
        if simulation.over:
            return
        server = simulation.some_front(self.net._rng)
        if server is None:
            simulation.later(AGAIN_S, self._connect)
            return
        headers = Headers({"Authorization": [simulation.bearer(self.login)]})
        if self._cursor:
            headers.setRawHeaders("Last-Event-ID", [self._cursor])
        self._rest = b""
        made = Stream(self.net, Person(), server, "/events?kinds=vm,image", headers)
        made.begun.addErrback(lambda failure: self.connectionLost(failure))
        made.deliverBody(self)
        simulation.later(10.0, made.give_up)

    def makeConnection(self, transport: Any) -> None:
        self.transport = transport

    def connectionLost(self, reason: Any) -> None:
        self.net.simulation.later(AGAIN_S, self._connect)

    # ------------------------------------------------------------------ what comes

    def dataReceived(self, data: bytes) -> None:
        *blocks, self._rest = (self._rest + data).split(b"\n\n")
        for block in blocks:
            lines = dict(line.partition(": ")[::2] for line in block.decode().split("\n") if ": " in line)
            if "data" in lines:
                self._take(lines.get("event", ""), json.loads(lines["data"]))
            if lines.get("id"):
                first, self._cursor = not self._cursor, lines["id"]
                if first:
                    self._load()

    def _take(self, event: str, told: Any) -> None:
        if event == "reset":
            self._load()
            return
        kind, number = told["kind"], told["object_id"]
        self.told.append((self.net.simulation.schedule.seconds(), kind, number, event, told["object"] is not None))
        if event == "exit" or told["object"] is None:
            self.seen[kind].pop(number, None)
            self._left.add((kind, number))
        else:
            self.seen[kind][number] = told["object"]

    # ------------------------------------------------------------------ loading

    def _load(self) -> None:
        """All that there is, as somebody who has just come; events that come meanwhile say it again."""
        self._left.clear()
        for kind, calls in LOADS.items():
            self.seen[kind].clear()
            for method, params in calls:
                self._ask(kind, method, params)

    def _ask(self, kind: str, method: str, params: Any) -> None:
        simulation = self.net.simulation
        try:
            asked: Deferred[Any] = simulation.ask_as_user(method, params, login=self.login, request_id=None)
        except LookupError:
            simulation.later(AGAIN_S, self._ask, kind, method, params)
            return
        answered = [False]

        def take(value: Any) -> None:
            if not answered[0]:
                answered[0] = self.loaded = True
                for each in value:
                    if (kind, each[KEY[kind]]) not in self._left:
                        self.seen[kind].setdefault(each[KEY[kind]], each)

        def again(failure: Any = None) -> None:
            if not answered[0] and not simulation.over:
                answered[0] = True
                if failure is not None:
                    failure.trap(CloudError)
                self._ask(kind, method, params)

        asked.addCallbacks(take, lambda failure: simulation.later(AGAIN_S, again, failure))
        simulation.later(30.0, again)
