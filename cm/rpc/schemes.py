"""What is spoken at a port, TLS or plain HTTP: for whoever got the scheme of an address wrong."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Final

from cm.rpc.errors import Unavailable

HANDSHAKE_S: Final = 1.0  # a handshake that takes longer is doubted, not given up
PROBE_S: Final = 2.0


@dataclass(eq=False)
class ServerUnreachable(Unavailable):
    """No answer; what was asked may or may not have happened."""

    code = "server_unreachable"
    message = "{url} does not answer: {reason}."
    url: str
    reason: str


class WrongScheme(ServerUnreachable):
    """The address says TLS where none is spoken, or the other way round. Nothing was asked."""

    retry = False


class TlsConnection(http.client.HTTPSConnection):
    """
    One that notices early when no TLS is spoken at the other end.

    A plain HTTP server takes the first words of TLS for a line that has not ended yet, and is silent.
    """

    def __init__(self, host: str, port: int | None, *, timeout: float, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=timeout, context=context)
        self._tls = context

    def connect(self) -> None:
        """:raises WrongScheme: plain HTTP is spoken there."""
        end = time.monotonic() + float(self.timeout or HANDSHAKE_S)
        try:
            self._shake_hands(min(HANDSHAKE_S, end - time.monotonic()))
            return
        except ssl.SSLCertVerificationError:
            raise
        except OSError as error:  # ssl's errors are such, and timeouts
            place = f"{self.host}:{self.port}"
            if isinstance(error, ConnectionRefusedError | socket.gaierror):
                raise
            if speaks_http(self.host, self.port):
                raise WrongScheme(f"https://{place}", f"it speaks no TLS; its address is http://{place}") from None
            left = end - time.monotonic()
            if not isinstance(error, TimeoutError) or left <= 0:
                raise
        self._shake_hands(left)

    def _shake_hands(self, seconds: float) -> None:
        whole, self.timeout = self.timeout, max(seconds, 0.01)
        try:
            http.client.HTTPConnection.connect(self)
            plain = self.sock
            try:
                self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
            except BaseException:
                plain.close()
                self.sock = None
                raise
            self.sock.settimeout(whole)
        finally:
            self.timeout = whole


def speaks_http(host: str, port: int) -> bool:
    """Whether plain HTTP is answered there."""
    try:
        with socket.create_connection((host, port), PROBE_S) as probe:
            probe.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
            return probe.recv(5).startswith(b"HTTP")
    except OSError:
        return False


def speaks_tls(host: str, port: int) -> bool:
    """Whether TLS is answered there, by whomever: nothing is said but the handshake."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((host, port), PROBE_S) as probe, context.wrap_socket(probe):
            return True
    except OSError:
        return False
