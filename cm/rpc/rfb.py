"""
VNC's handshake (RFC 6143, 7.1 and 7.2), pure: towards QEMU, which asks for a password, and towards a viewer, which is
let in before it comes here and is asked for nothing.

Each is a generator. It yields what is to be sent and how many bytes it waits for, and is sent these.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Generator
from typing import Final

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from cm.rpc.errors import ScreenUnreachable

Talk = Generator[tuple[bytes, int], bytes, None]

VERSION: Final = b"RFB 003.008\n"
SHARED: Final = b"\x01"  # ClientInit: others stay
_VERSION: Final = re.compile(rb"RFB (\d{3})\.(\d{3})\n")
_NONE: Final = 1
_VNC: Final = 2
REASON_MAX: Final = 1000


def response(challenge: bytes, password: str) -> bytes:
    """
    The challenge under DES, the password's first 8 bytes being the key, each with its bits mirrored (7.2.2; the
    mirroring is in no standard and in every implementation).
    """
    key = bytes(int(f"{byte:08b}"[::-1], 2) for byte in password.encode("latin-1")[:8].ljust(8, b"\0"))
    encryptor = Cipher(TripleDES(key * 3), modes.ECB()).encryptor()  # three times one key is plain DES
    return encryptor.update(challenge) + encryptor.finalize()


def enter(password: str) -> Talk:
    """
    As a viewer, up to the end of the authentication.

    :raises ScreenUnreachable: what answers is no VNC server, or does not let us in.
    """
    said = yield b"", len(VERSION)
    if _VERSION.fullmatch(said) is None or said < VERSION:
        raise ScreenUnreachable("what answers there is no VNC server of version 3.8")
    (count,) = yield VERSION, 1
    if not count:
        raise ScreenUnreachable((yield from _reason()))
    kinds = yield b"", count
    if _NONE in kinds:
        result = yield bytes([_NONE]), 4
    elif _VNC in kinds:
        challenge = yield bytes([_VNC]), 16
        result = yield response(challenge, password), 4
    else:
        raise ScreenUnreachable(f"its VNC server offers the security types {list(kinds)}")
    if result != bytes(4):
        raise ScreenUnreachable((yield from _reason()))


def _reason() -> Generator[tuple[bytes, int], bytes, str]:
    (length,) = struct.unpack(">I", (yield b"", 4))
    told = yield b"", min(length, REASON_MAX)
    return told.decode(errors="replace") or "its VNC server refuses"


def welcome() -> Talk:
    """
    As a server, up to ClientInit, whose wish to be alone is not granted.

    :raises ScreenUnreachable: what speaks is no viewer.
    """
    said = yield VERSION, len(VERSION)
    found = _VERSION.fullmatch(said)
    if found is None or found[1] != b"003":
        raise ScreenUnreachable("the viewer speaks no VNC")
    minor = int(found[2])
    if minor < 7:
        yield struct.pack(">I", _NONE), 1
        return
    chosen = yield bytes([1, _NONE]), 1
    if chosen != bytes([_NONE]):
        raise ScreenUnreachable("the viewer wants another security type")
    yield bytes(4) if minor >= 8 else b"", 1
