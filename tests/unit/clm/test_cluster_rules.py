"""What may be a cluster, how its word is judged, which one is meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clm.rules.cluster import (
    NAME,
    PROTOCOL,
    ClusterFacts,
    check_ca,
    check_name,
    check_url,
    default_of,
    judge,
    match,
)
from cm.rpc.errors import InvalidParameter


@dataclass
class Held:
    facts: ClusterFacts


A = Held(ClusterFacts(1, "00000000-0000-0000-0000-000000000001", "alpha", "https://a"))
B = Held(ClusterFacts(2, "00000000-0000-0000-0000-000000000002", "1", "https://b"))


@pytest.mark.parametrize("name", ["a", "krakow-1", "7", "a" * 63])
def test_name(name: str) -> None:
    """A name is a label of DNS."""
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a.b", "a" * 64, "a\n", "ą", "a_b"])
def test_no_name(name: str) -> None:
    """Nothing else is."""
    with pytest.raises(InvalidParameter):
        check_name(name)


@pytest.mark.parametrize(
    "url, made",
    [
        ("https://cm.example.org:8001/", "https://cm.example.org:8001"),
        ("https://192.0.2.1", "https://192.0.2.1"),
        ("http://127.0.0.1:8001", "http://127.0.0.1:8001"),
        ("http://[::1]:8001", "http://[::1]:8001"),
        ("http://localhost:8001", "http://localhost:8001"),
    ],
)
def test_url(url: str, made: str) -> None:
    """An address is https, or http on loopback, and nothing more."""
    assert check_url(url) == made


@pytest.mark.parametrize(
    "url",
    [
        "",
        "cm.example.org",
        "http://cm.example.org",
        "http://192.0.2.1:8001",
        "ftp://127.0.0.1",
        "https://",
        "https://user:pw@host",
        "https://host/path",
        "https://host?x",
        "https://host#x",
        "https://host:99999",
        "https://ho\nst",
        "https://[::1",
    ],
)
def test_no_url(url: str) -> None:
    """What could be read by somebody in between, or leads elsewhere, is refused."""
    with pytest.raises(InvalidParameter):
        check_url(url)


def test_ca() -> None:
    """An authority is PEM; none is the system's."""
    assert check_ca(None) == check_ca(" ") == ""
    with pytest.raises(InvalidParameter):
        check_ca("no certificate")
    with pytest.raises(InvalidParameter, match="private key"):
        check_ca("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n-----BEGIN EC PRIVATE KEY-----\n")


@pytest.mark.parametrize(
    "info, state",
    [
        ({"name": "alpha", "version": "1", "protocol": PROTOCOL}, "ok"),
        ({"name": "beta", "version": "1", "protocol": PROTOCOL}, "refused"),
        ({"name": "alpha", "version": "1"}, "incompatible"),
        ({"name": "alpha", "version": "1", "protocol": PROTOCOL + 1}, "incompatible"),
        ({"name": "alpha", "protocol": True + 1}, "incompatible"),
        ({}, "unreachable"),
        ([], "unreachable"),
        (None, "unreachable"),
    ],
)
def test_judge(info: Any, state: str) -> None:
    """A cluster is well when it has our name for it and our protocol."""
    assert judge(info, "alpha").state == state


def test_judge_tells_what_can_be_shown() -> None:
    """What a stranger says of itself is bounded, and holds nothing that cannot be stored or printed."""
    seen = judge({"name": "alpha", "version": "1\x00\u202e" + "x" * 200, "protocol": PROTOCOL}, "alpha")
    assert seen.release.isprintable() and len(seen.release) == 100


@given(st.recursive(st.none() | st.text() | st.integers(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)))
def test_judge_anything(info: Any) -> None:
    """Whatever answers, it is judged and not believed."""
    assert judge(info, "alpha").state != "ok"


def test_match() -> None:
    """By id, name and uuid; a name of digits goes before an id."""
    clusters = [A, B]
    assert match(1, clusters) is A and match("alpha", clusters) is A
    assert match("1", clusters) is B and match("2", clusters) is B
    assert match("00000000-0000-0000-0000-000000000002", clusters) is B
    assert match("gamma", clusters) is None and match(3, clusters) is None


def test_default() -> None:
    """The user's choice, else the only one, else nobody knows."""
    assert default_of(2, [A, B]) is B
    assert default_of(None, [A]) is A and default_of(7, [A]) is A
    assert default_of(None, [A, B]) is None and default_of(None, []) is None


@given(st.from_regex(NAME, fullmatch=False))
def test_names_are_labels(text: str) -> None:
    """What matches is at most 63 characters of a label."""
    if NAME.match(text):
        assert len(text) <= 63 and not text.startswith("-") and not text.endswith("-")
