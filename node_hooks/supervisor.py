"""What the agent tells whoever started it, by systemd's protocol (sd_notify(3)); without one that asks, nothing."""

import logging
import os
import socket
from collections.abc import MutableMapping

log = logging.getLogger("wawel.node.supervisor")

SEND_S = 1.0


class Supervisor:
    """:param environment: ``NOTIFY_SOCKET`` is taken out of it, so that ``nft`` and ``ip`` do not speak in our name."""

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        address = environment.pop("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def ready(self, status: str) -> None:
        self._send(f"READY=1\nSTATUS={status}")

    def stopping(self) -> None:
        self._send("STOPPING=1\nSTATUS=ending")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(SEND_S)
                channel.connect(self._address)
                channel.sendall(message.encode())
        except OSError as error:
            log.warning("the supervisor does not hear us: %s", error)
