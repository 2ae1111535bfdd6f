"""What was written of instances is found again by what it was written of, and by nothing else; and it is bounded."""

from __future__ import annotations

import sys

from clm.ec2.kept import Kept, Told
from clm.ec2.xml import Markup


def told(number: int, text: str = "<a/>") -> Told:
    return Told(number, "r-1", Markup(text))


def test_key() -> None:
    """The same of the same account in the same region; another row, account or region is another's."""
    kept = Kept()
    places = b"\0001\0north", b"\0002\0north", b"\0001\0south"
    keys = [kept.key(place, row) for place in places for row in (b"{}", b"[]")]
    assert len(set(keys)) == 6 and kept.key(b"\0001\0north", b"{}") == keys[0]
    assert Kept().key(b"\0001\0north", b"{}") != keys[0]  # nobody can look for two that meet
    kept.keep(keys[0], told(1))
    assert kept.find(keys[0]) == told(1) and all(kept.find(key) is None for key in keys[1:])


def test_bounded() -> None:
    """Those that nobody asked for for longest are forgotten; what was kept twice counts once."""
    kept = Kept(most=3 * (sys.getsizeof(Markup("x" * 1000)) + 400))
    for number in range(3):
        for _ in range(2):
            kept.keep(bytes([number]), told(number, "x" * 1000))
    assert kept.find(b"\0") is not None
    kept.keep(b"\3", told(3, "x" * 1000))
    assert [kept.find(bytes([number])) is None for number in range(4)] == [False, True, False, False]
