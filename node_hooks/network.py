"""
Converges the node's network to the document: the metadata address and a forwarder on each bridge, one nftables table.

Bridges are libvirt's: they appear and go when it likes. So each round starts from what is there and may be repeated.
"""

import hashlib
import logging
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from node_hooks.document import Document, NodeNetwork
from node_hooks.firewall import TABLE, ruleset
from node_hooks.state import StateFile

log = logging.getLogger("wawel.node.network")

METADATA_ADDRESS = "169.254.169.254"
COMMAND_TIMEOUT_S = 20.0
RECHECK_S = 30.0  # somebody may have removed what we made: `nft flush ruleset`, `ip addr flush`
RETRY_S = 5.0
_SBIN = "/usr/sbin:/sbin:/usr/bin:/bin"


class CommandMissing(Exception):
    """The program is not installed."""


class CommandFailed(Exception):
    """It ran and failed, or did not end in time; the text is its last line of complaint."""


class Forwards(Protocol):
    """A running metadata forwarder."""

    def close(self) -> None: ...


def run_command(arguments: Sequence[str], text: str = "") -> str:
    """
    :return: its standard output.
    :raises CommandMissing: not installed.
    :raises CommandFailed: any other trouble.
    """
    program = shutil.which(arguments[0], path=os.environ.get("PATH", "") + ":" + _SBIN)
    if program is None:
        raise CommandMissing(arguments[0])
    try:
        done = subprocess.run(
            [program, *arguments[1:]], input=text, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandFailed(str(error)) from None
    if done.returncode != 0:
        raise CommandFailed((done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[0])
    return done.stdout


def find_interface(name: str) -> int | None:
    """Its index in our network namespace, another one each time it is made anew; ``None`` when absent."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return None


@dataclass
class _Served:
    """What we made for one bridge, which had this index then."""

    index: int
    checked_at: float
    forwarder: Forwards | None


class Converger:
    """
    One thread calls it.

    :param forward: starts a forwarder on a bridge; its ``OSError`` means that the round shall be repeated.
    """

    def __init__(
        self, state: StateFile, forward: Callable[[str], Forwards],
        run: Callable[[Sequence[str], str], str] = run_command,
        find: Callable[[str], int | None] = find_interface,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state = state
        self._forward = forward
        self._run = run
        self._find = find
        self._clock = clock
        self._served: dict[str, _Served] = {}
        self._problems: dict[str, str] = {}
        self._table = ""  # digest of the pools last tried
        self._table_due = 0.0

    def converge(self, document: Document) -> None:
        """One round. What fails is noted in the state, logged when it is new, and tried again next time."""
        self._firewall(document)
        wanted = {network.bridge: network for network in document.networks if network.metadata}
        for bridge in [bridge for bridge in self._served if bridge not in wanted]:
            self._withdraw(bridge)
        for bridge in wanted:
            self._serve(bridge)
        self._state.note(networks=[self._describe(network) for network in document.networks])

    def close(self) -> None:
        """End the forwarders. Addresses and rules stay: guests run on without us, and must stay harmless."""
        for served in self._served.values():
            if served.forwarder is not None:
                served.forwarder.close()
        self._served.clear()

    def _serve(self, bridge: str) -> None:
        index = self._find(bridge)
        served = self._served.get(bridge)
        if served is not None and served.index != index:
            # A socket is bound to the index, so a bridge made anew needs another.
            self._forget(bridge)
            served = None
        if index is None:
            return
        now = self._clock()
        try:
            if served is None or now - served.checked_at >= RECHECK_S:
                self._run(["ip", "address", "replace", METADATA_ADDRESS + "/32", "dev", bridge], "")
            if served is None:
                served = self._served[bridge] = _Served(index, now, None)
            if served.forwarder is None:
                served.forwarder = self._forward(bridge)
                log.info("bridge %s: metadata is forwarded", bridge)
            if now - served.checked_at >= RECHECK_S:
                served.checked_at = now
        except CommandMissing as error:
            self._complain(bridge, f"{error} is not installed; no metadata here")
        except (CommandFailed, OSError) as error:
            self._complain(bridge, f"metadata is not forwarded: {error}")
        else:
            self._problems.pop(bridge, None)

    def _withdraw(self, bridge: str) -> None:
        self._forget(bridge)
        if self._find(bridge) is not None:
            try:
                self._run(["ip", "address", "delete", METADATA_ADDRESS + "/32", "dev", bridge], "")
            except (CommandMissing, CommandFailed) as error:
                log.warning("bridge %s: the metadata address stays: %s", bridge, error)

    def _forget(self, bridge: str) -> None:
        served = self._served.pop(bridge)
        self._problems.pop(bridge, None)
        if served.forwarder is not None:
            served.forwarder.close()
            log.info("bridge %s: metadata is no longer forwarded", bridge)

    def _firewall(self, document: Document) -> None:
        pools = sorted({network.pool for network in document.networks})
        wanted = hashlib.sha256(" ".join(map(str, pools)).encode()).hexdigest()
        now = self._clock()
        if wanted == self._table and now < self._table_due:
            return
        known = wanted == self._table and "firewall" not in self._problems
        self._table, self._table_due = wanted, now + RECHECK_S
        try:
            if known and self._has_table():
                return
            self._run(["nft", "-f", "-"], ruleset(pools))
        except CommandMissing:
            self._complain("firewall", "nft is not installed: guests of this node can forge their addresses")
        except CommandFailed as error:
            self._table_due = now + RETRY_S
            self._complain("firewall", f"the table is not applied: {error}")
        else:
            self._problems.pop("firewall", None)
            log.info("the firewall is applied for %d pools", len(pools))
        self._state.note(firewall=self._problems.get("firewall", "applied"))

    def _has_table(self) -> bool:
        try:
            self._run(["nft", "--terse", "list", "table", "bridge", TABLE], "")
        except CommandFailed:
            return False
        return True

    def _complain(self, subject: str, problem: str) -> None:
        if self._problems.get(subject) != problem:
            self._problems[subject] = problem
            log.warning("%s: %s", subject, problem)

    def _describe(self, network: NodeNetwork) -> dict[str, object]:
        served = self._served.get(network.bridge)
        if self._find(network.bridge) is None:
            state = "no bridge yet"
        elif not network.metadata:
            state = "no metadata wanted"
        elif served is not None and served.forwarder is not None:
            state = "served"
        else:
            state = self._problems.get(network.bridge, "not served yet")
        return {"name": network.name, "bridge": network.bridge, "pool": str(network.pool), "state": state}
