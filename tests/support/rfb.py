"""A VNC viewer as far as the end of its handshake (RFC 6143), for tests that ask whether a password opens a console."""

from __future__ import annotations

import socket
import struct
from types import TracebackType

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

_VERSION = b"RFB 003.008\n"
_VNC_AUTHENTICATION = 2


class RFBRefused(Exception):
    """The server let us reach the handshake and did not let us in."""


def vnc_response(challenge: bytes, password: str) -> bytes:
    """
    The challenge under DES, the password's first 8 bytes being the key, each with its bits mirrored (RFC 6143, 7.2.2;
    the mirroring is in no standard and in every implementation).
    """
    key = bytes(int(f"{byte:08b}"[::-1], 2) for byte in password.encode("latin-1")[:8].ljust(8, b"\0"))
    encryptor = Cipher(TripleDES(key * 3), modes.ECB()).encryptor()  # three times one key is plain DES
    return encryptor.update(challenge) + encryptor.finalize()


class RFBViewer:
    """
    A viewer that is let in once it is made.

    :raises RFBRefused: wrong password, or one that has expired.
    :raises OSError: nobody listens, or the server hangs up.
    """

    def __init__(self, host: str, port: int, password: str, timeout_s: float = 5.0) -> None:
        self._socket = socket.create_connection((host, port), timeout=timeout_s)
        try:
            self._shake_hands(password)
        except BaseException:
            self.close()
            raise

    def _shake_hands(self, password: str) -> None:
        if not self._read(12).startswith(b"RFB 003."):
            raise RFBRefused("no RFB server")
        self._socket.sendall(_VERSION)
        kinds = self._read(self._read(1)[0])
        if not kinds:
            raise RFBRefused(self._reason())
        if _VNC_AUTHENTICATION not in kinds:
            raise RFBRefused(f"the server offers security types {list(kinds)}")
        self._socket.sendall(bytes([_VNC_AUTHENTICATION]))
        self._socket.sendall(vnc_response(self._read(16), password))
        (result,) = struct.unpack(">I", self._read(4))
        if result != 0:
            raise RFBRefused(self._reason())

    def screen(self) -> tuple[int, int, str]:
        """ClientInit (shared) and what ServerInit says: width, height, name of the desktop."""
        self._socket.sendall(b"\1")
        width, height = struct.unpack(">HH", self._read(4))
        self._read(16)
        (length,) = struct.unpack(">I", self._read(4))
        return width, height, self._read(length).decode()

    def is_served(self) -> bool:
        """Whether the server still answers: asks for the whole screen and reads the beginning of an update."""
        try:
            self._socket.sendall(struct.pack(">BBHHHH", 3, 0, 0, 0, 16, 16))
            return bool(self._socket.recv(65536))
        except OSError:
            return False

    def _reason(self) -> str:
        (length,) = struct.unpack(">I", self._read(4))
        return self._read(length).decode(errors="replace")

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self._socket.recv(count - len(data))
            if not part:
                raise ConnectionResetError("the server hung up")
            data += part
        return data

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> RFBViewer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
