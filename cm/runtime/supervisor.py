"""
What a daemon tells whoever started it, by systemd's protocol (sd_notify(3)): that it listens, that it lives, that it
ends. Without a supervisor that asks for it nothing is sent.
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from typing import Any

from twisted.internet.task import LoopingCall
from twisted.logger import Logger

log = Logger()
SEND_S = 1.0  # the supervisor's socket has a queue; nobody waits for longer when it is full


class Supervisor:
    """
    :param environment: ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID`` are taken out of it, so that no child
        speaks in our name.
    """

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        address = environment.pop("NOTIFY_SOCKET", "")
        every, whose = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        mine = whose in ("", str(os.getpid()))
        self.watchdog_s = int(every) / 1_000_000 if address and mine and every.isdecimal() else 0.0
        self._alive: LoopingCall | None = None

    def report(self, status: str) -> None:
        """What ``systemctl status`` shows."""
        self._send(f"STATUS={_one_line(status)}")

    def ready(self, reactor: Any, status: str) -> None:
        """
        Callers are answered from now on.

        :param reactor: it is alive as long as it sends twice in the time that the watchdog gives it.
        """
        self._send(f"READY=1\nSTATUS={_one_line(status)}")
        if self.watchdog_s and self._alive is None:
            self._alive = LoopingCall(self._send, "WATCHDOG=1")
            self._alive.clock = reactor
            self._alive.start(self.watchdog_s / 2)

    def stopping(self, status: str) -> None:
        """It ends; from here on the supervisor's ``TimeoutStopSec`` counts, not the watchdog."""
        self._send(f"STOPPING=1\nSTATUS={_one_line(status)}")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(SEND_S)
                channel.connect(self._address)
                channel.sendall(message.encode())
        except OSError as error:
            log.warn("the supervisor does not hear us: {error}", error=str(error))


def _one_line(text: str) -> str:
    return " ".join(text.split())
