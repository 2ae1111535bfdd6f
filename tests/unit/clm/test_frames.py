"""Where WebSocket frames end, however they are cut up; wsproto judges the frame that is put behind them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection

from clm.rules.frames import Frames, close_frame

SIZES = st.sampled_from([0, 1, 125, 126, 127, 300, 65_535, 65_536, 70_000])


@given(st.lists(SIZES, min_size=1, max_size=5), st.lists(st.integers(1, 90_000), max_size=12), st.booleans())
def test_ends(sizes: list[int], cuts: list[int], is_client: bool) -> None:
    """After each piece it is known how many of its bytes are of whole frames."""
    sender = Connection(ConnectionType.CLIENT if is_client else ConnectionType.SERVER)
    sent = [sender.send(BytesMessage(bytes(size))) for size in sizes]
    stream = b"".join(sent)
    ends = {sum(map(len, sent[: count + 1])) for count in range(len(sent))}
    frames, at = Frames(), 0
    for cut in [*cuts, len(stream)]:
        piece = stream[at : at + cut]
        if piece:
            whole = frames.pass_on(piece)
            assert whole == max((end - at for end in ends if at < end <= at + len(piece)), default=0)
            at += len(piece)
            assert frames.between == (at in ends)


@given(st.integers(4000, 4999), st.text(max_size=200))
def test_close(code: int, reason: str) -> None:
    """What ends a connection is understood, between any two frames."""
    receiver = Connection(ConnectionType.CLIENT)
    receiver.receive_data(Connection(ConnectionType.SERVER).send(BytesMessage(b"x")) + close_frame(code, reason))
    last = list(receiver.events())[-1]
    assert isinstance(last, CloseConnection) and last.code == code
    assert reason.startswith(last.reason or "")
