"""VNC's handshake: what we say to QEMU and to viewers, byte by byte, and what is refused."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cm.rpc.errors import ScreenUnreachable
from cm.rpc.rfb import VERSION, Talk, enter, response, welcome
from tests.support.rfb import vnc_response

REFUSED = struct.pack(">I", 1) + struct.pack(">I", 5) + b"sorry"


def talk(steps: Talk, heard: bytes) -> bytes:
    """All that is said, as the other side says this; it has to say all of it."""
    sent, count = next(steps)
    said = sent
    while True:
        answer, heard = heard[:count], heard[count:]
        assert len(answer) == count, "the other side has said too little"
        try:
            sent, count = steps.send(answer)
        except StopIteration:
            assert not heard, "more was said than was heard"
            return said
        said += sent


def test_no_password() -> None:
    assert talk(enter("x"), VERSION + b"\x02\x02\x01" + bytes(4)) == VERSION + b"\x01"


@given(st.binary(min_size=16, max_size=16), st.text("abcXYZ019-_", min_size=1, max_size=8))
def test_password(challenge: bytes, password: str) -> None:
    """The response is the one that another implementation expects."""
    said = talk(enter(password), VERSION + b"\x01\x02" + challenge + bytes(4))
    assert said == VERSION + b"\x02" + vnc_response(challenge, password)
    assert response(challenge, password) == vnc_response(challenge, password)


@pytest.mark.parametrize(
    ("heard", "reason"),
    [(VERSION + b"\x01\x02" + bytes(16) + REFUSED, "sorry"), (VERSION + b"\x00" + REFUSED[4:], "sorry"),
     (VERSION + b"\x01\x13", "security types"), (b"HTTP/1.1 400", "no VNC server"), (b"RFB 003.003\n", "3.8")],
)  # fmt: skip
def test_not_let_in(heard: bytes, reason: str) -> None:
    with pytest.raises(ScreenUnreachable, match=reason):
        talk(enter("x"), heard)


@pytest.mark.parametrize(
    ("viewer", "said"),
    [(b"RFB 003.008\n\x01\x00", VERSION + b"\x01\x01" + bytes(4)), (b"RFB 003.007\n\x01\x01", VERSION + b"\x01\x01"),
     (b"RFB 003.003\n\x01", VERSION + struct.pack(">I", 1)),
     (b"RFB 003.889\n\x01\x01", VERSION + b"\x01\x01" + bytes(4))],
)  # fmt: skip
def test_viewers(viewer: bytes, said: bytes) -> None:
    """Viewers of every version are let in, without a word of a password."""
    assert talk(welcome(), viewer) == said


@pytest.mark.parametrize("viewer", [b"GET / HTTP/1", b"RFB 004.000\n", b"RFB 003.008\n\x02"])
def test_no_viewer(viewer: bytes) -> None:
    with pytest.raises(ScreenUnreachable):
        talk(welcome(), viewer)
