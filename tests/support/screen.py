"""A VNC server that asks for a password, and a viewer that comes by a WebSocket; for tests of the way between them."""

from __future__ import annotations

import os
import socket
import struct
import threading
from typing import Any

from cm.rpc.websocket_client import Socket
from support.rfb import vnc_response

VERSION = b"RFB 003.008\n"
INIT = struct.pack(">HH16sI", 640, 480, bytes(16), 4) + b"tiny"


class FakeScreen:
    """
    Lets in who knows ``password``; then echoes. ``flood`` is sent once ``go`` is said.

    :ivar alone: what each viewer that was let in said of being alone.
    """

    def __init__(self, password: str) -> None:
        self.password = password
        self.flood = b""
        self.alone: list[bytes] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._server.accept()
            except OSError:
                return
            self._open.append(sock)
            threading.Thread(target=self._speak, args=(sock,), daemon=True).start()

    def _speak(self, sock: socket.socket) -> None:
        file = sock.makefile("rb")
        challenge = os.urandom(16)
        try:
            sock.sendall(VERSION)
            assert file.read(12) == VERSION
            sock.sendall(b"\x01\x02")
            assert file.read(1) == b"\x02"
            sock.sendall(challenge)
            if file.read(16) != vnc_response(challenge, self.password):
                sock.sendall(struct.pack(">II", 1, 5) + b"wrong")
                sock.close()
                return
            sock.sendall(bytes(4))
            self.alone.append(file.read(1))
            sock.sendall(INIT)
            while data := sock.recv(65_536):
                sock.sendall(self.flood if data == b"go" else data)
        except OSError:
            pass

    def drop(self) -> None:
        """As when QEMU ends."""
        for each in self._open:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._open.clear()

    def close(self) -> None:
        self._server.close()
        self.drop()


class Viewer:
    """One that was let in, by no password. :param options: of ``Socket``."""

    def __init__(self, url: str, shared: bytes = b"\0", **options: Any) -> None:
        self.socket = Socket(url, timeout_s=20, **options)
        self._heard = b""
        try:
            assert self.read(12) == VERSION, self.socket.reason
            self.socket.send(VERSION)
            assert self.read(2) == b"\x01\x01"
            self.socket.send(b"\x01")
            assert self.read(4) == bytes(4)
            self.socket.send(shared)
            self.size = struct.unpack(">HH", self.read(4))
            self.read(16)
            self.name = self.read(struct.unpack(">I", self.read(4))[0]).decode()
        except BaseException:
            self.socket.close()
            raise

    def read(self, count: int) -> bytes:
        while len(self._heard) < count and (data := self.socket.receive(20)):
            self._heard += data
        found, self._heard = self._heard[:count], self._heard[count:]
        return found

    def ended(self) -> tuple[int | None, str]:
        """The close's code, and the error's slug or all of its reason."""
        while self.socket.receive(20):
            pass
        assert not self.socket.open
        return self.socket.code, self.socket.reason.partition(":")[0]

    def echoes(self, data: bytes = b"key") -> bool:
        self.socket.send(data)
        return self.read(len(data)) == data

    def close(self) -> None:
        self.socket.close()
