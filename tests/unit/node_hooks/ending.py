"""
Connections over which a guest sends by itself, every few ms, when the rule that allowed them is withdrawn and given
again. Prints what it found as JSON. Run by ``test_grouping.py`` under ``unshare --net --mount``.

    ending.py STATE bridge|inet ROUNDS
"""

# A program, which finds its modules by the path that it sets first.
# ruff: noqa: E402

import json
import socket
import struct
import sys
import time
from ipaddress import ip_network
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[3])]

from grouping import World, addresses_of
from namespaces import Inside, sh

from cm.rpc.vocabulary import RuleDirection
from cm.rules.security import Group, Rule
from node_hooks.command import run_command
from node_hooks.firewall import Tracking
from node_hooks.tracking import find_tracking

PORT, OTHER_PORT = 5400, 5401
KINDS = tuple((family, type_) for family in (4, 6) for type_ in (socket.SOCK_STREAM, socket.SOCK_DGRAM))
SILENCE_S = 0.6  # a first and a second repetition of TCP's fall into it
PATIENCE_S = 2.0


class Talk:
    """Both sides send all the time, whatever comes. The server is the guest whose rules are changed."""

    def __init__(
        self, family: int, kind: int, own_port: int, port: int = PORT, client: int = 1, server: int = 2
    ) -> None:
        self.name = f"{'tcp' if kind == socket.SOCK_STREAM else 'udp'}{family}"
        af = socket.AF_INET if family == 4 else socket.AF_INET6
        with Inside(f"g{server}"):
            answering = self._make(af, kind, port)
        with Inside(f"g{client}"):
            asking = self._make(af, kind, own_port)
        asking.settimeout(PATIENCE_S)
        answering.settimeout(PATIENCE_S)
        if kind == socket.SOCK_STREAM:
            answering.listen()
            asking.connect((addresses_of(server)[family == 6], port))
            listener, (answering, _) = answering, answering.accept()
            listener.close()
        else:
            asking.connect((addresses_of(server)[family == 6], port))
            asking.send(b"first")
            answering.connect(answering.recvfrom(100)[1])
        self.sides = [asking, answering]
        for side in self.sides:
            side.setblocking(False)
            if kind == socket.SOCK_STREAM:
                # Closed, it is gone at once, so that the next one may have the same ports.
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @staticmethod
    def _make(af: int, kind: int, port: int) -> socket.socket:
        made = socket.socket(af, kind)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("", port))
        return made

    def step(self) -> bool:
        """:return: whether anything came, on either side."""
        came = False
        for side in self.sides:
            try:
                came |= bool(side.recv(65536))
            except OSError:
                pass
            try:
                side.send(b"x")
            except OSError:
                pass
        return came

    def goes_on(self) -> bool:
        """Whether something comes on both sides that was sent from now on, soon."""
        deadline, waiting = time.monotonic() + PATIENCE_S, set(self.sides)
        for side in self.sides:
            self._drain(side)
        while waiting and time.monotonic() < deadline:
            time.sleep(0.005)
            for side in self.sides:
                side.send(b"y")
            waiting -= {side for side in waiting if self._drain(side)}
        return not waiting

    @staticmethod
    def _drain(side: socket.socket) -> bool:
        try:
            return b"y" in side.recv(1 << 20)
        except OSError:
            return False

    def close(self) -> None:
        for side in self.sides:
            side.close()


def fall_silent(talks: list[Talk]) -> dict[str, bool]:
    """Whether nothing comes for a while that begins soon enough."""
    began = time.monotonic()
    last = dict.fromkeys((talk.name for talk in talks), began)
    while time.monotonic() < began + PATIENCE_S and min(time.monotonic() - each for each in last.values()) < SILENCE_S:
        for talk in talks:
            if talk.step():
                last[talk.name] = time.monotonic()
        time.sleep(0.005)
    return {name: time.monotonic() - each >= SILENCE_S for name, each in last.items()}


def allow(direction: RuleDirection, *ports: int) -> tuple[Rule, ...]:
    """:param ports: of TCP and UDP; none: everything."""
    every = [(4, "0.0.0.0/0"), (6, "::/0")]
    told = [(protocol, (port, port)) for port in ports for protocol in ("tcp", "udp")] or [("any", None)]
    return tuple(
        Rule(100 * number + n, direction, family, protocol, pair, ip_network(remote))
        for number, (family, remote) in enumerate(every, 10 * len(direction)) for n, (protocol, pair) in enumerate(told)
    )


def main(state_dir: str, tracking: str, rounds: str) -> None:
    world = World(state_dir)
    if tracking == Tracking.BRIDGE and find_tracking(run_command) is not Tracking.BRIDGE:
        print("{}")
        return
    world.converger._taps._tracking = Tracking(tracking)
    out, member = allow(RuleDirection.OUT), {2: [2]}
    closed = {2: Group((*out, *allow(RuleDirection.IN, OTHER_PORT)))}
    opened = {2: Group((*out, *allow(RuleDirection.IN, PORT, OTHER_PORT)))}
    found: dict[str, list[bool]] = {"others": []}
    world.converge(member, opened)
    other = Talk(4, socket.SOCK_STREAM, 0, OTHER_PORT)
    for number in range(int(rounds)):
        # The same ports each time: what was ended of a connection is not to be in the next one's way.
        talks = [Talk(family, kind, 40000) for family, kind in KINDS]
        for talk in talks:
            found.setdefault(f"{talk.name} works", []).append(talk.goes_on())
        world.converge(member, closed)
        for name, silent in fall_silent(talks).items():
            found.setdefault(f"{name} ends", []).append(silent)
        found["others"].append(other.goes_on())
        if number == 0:
            for talk in talks:
                talk.close()
            # What the guest has let go of is not in the way of one that it opens itself by the same ports.
            back = Talk(4, socket.SOCK_STREAM, PORT, 40000, client=2, server=1)
            found["its own"] = [back.goes_on()]
            back.close()
        if number == 1:
            world.restart()
            world.converger._taps._tracking = Tracking(tracking)
        world.converge(member, opened)
        for talk in talks:
            if number and talk.name.startswith("udp"):
                found.setdefault(f"{talk.name} goes on", []).append(talk.goes_on())
            talk.close()
    world.converge({}, {})
    found["nothing is left"] = ["wawel_ended" not in sh("nft list tables")]
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
