"""Which public addresses words name, which ports guests get, what state an address is in, how VMs are reached."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cm.rpc.vocabulary import PublicState
from cm.rules.public_address import (
    ADDRESSES_MAX,
    PORT_FIRST,
    PORT_LAST,
    AddressFacts,
    Through,
    entrances,
    free_port,
    parse_addresses,
    public_state,
    way,
    ways,
)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["203.0.113.7"], ["203.0.113.7"]),
        (["203.0.113.9, 203.0.113.7", "203.0.113.7"], ["203.0.113.7", "203.0.113.9"]),
        (["203.0.113.7-203.0.113.9"], ["203.0.113.7", "203.0.113.8", "203.0.113.9"]),
        (["203.0.113.0/30"], ["203.0.113.1", "203.0.113.2"]),
        (["203.0.113.4/31", "2001:db8::7"], ["203.0.113.4", "203.0.113.5", "2001:db8::7"]),
        (["2001:db8::7-2001:db8::8"], ["2001:db8::7", "2001:db8::8"]),
    ],
)
def test_words(words: list[str], found: list[str]) -> None:
    assert parse_addresses(words) == [ip_address(each) for each in found]


@pytest.mark.parametrize(
    "words",
    [
        "", "eth0", "203.0.113.7-", "-203.0.113.7", "203.0.113.9-203.0.113.7", "203.0.113.7-2001:db8::1",
        "203.0.113.1/24",
        "127.0.0.1", "224.0.0.1", "169.254.169.254", "0.0.0.0", "255.255.255.255", "fe80::1", "ff02::1", "::1",
        "::ffff:203.0.113.7", "203.0.112.0/21", "2001:db8::/64", "0.0.0.0/0", "::/0",
    ],
)  # fmt: skip
def test_no_words(words: str) -> None:
    """What no guest can have, and more than one call may add, is refused at once."""
    with pytest.raises(ValueError, match="^(are|cannot)"):
        parse_addresses([words])


@given(st.lists(st.integers(0, 2000), min_size=1, max_size=20))
def test_each_once(numbers: list[int]) -> None:
    """Each address once, in order, and never more than may be added at once."""
    first = ip_address("198.18.0.0")
    try:
        found = parse_addresses([str(first + number) for number in numbers])
    except ValueError:
        assert len(set(numbers)) > ADDRESSES_MAX
    else:
        assert found == [first + number for number in sorted(set(numbers))]


@given(st.integers(1, 65535), st.sets(st.integers(PORT_FIRST, PORT_LAST), max_size=50))
def test_free_port(guest_port: int, taken: set[int]) -> None:
    """A free one of the range, which ends alike where it can."""
    taken |= {PORT_FIRST + 10_000}
    found = free_port(guest_port, taken)
    assert found is not None and found not in taken and PORT_FIRST <= found <= PORT_LAST
    if guest_port < 10_000 and PORT_FIRST + guest_port not in taken:
        assert found == PORT_FIRST + guest_port


def test_no_free_port() -> None:
    """All but one are taken, then all."""
    everything = set(range(PORT_FIRST, PORT_LAST + 1))
    assert free_port(22, everything - {20001}) == 20001
    assert free_port(22, everything) is None


@pytest.mark.parametrize(
    ("facts", "state", "why"),
    [
        (AddressFacts(False, False, False, False, False), PublicState.FREE, ""),
        (AddressFacts(True, False, False, False, True), PublicState.UNASSIGNED, ""),
        (AddressFacts(True, True, False, False, False), PublicState.WAITING, "does not run"),
        (AddressFacts(True, True, True, False, True), PublicState.WAITING, "too old"),
        (AddressFacts(True, True, True, True, False), PublicState.WAITING, "not told"),
        (AddressFacts(True, True, True, True, True), PublicState.ANSWERED, ""),
    ],
)
def test_state(facts: AddressFacts, state: PublicState, why: str) -> None:
    found, reason = public_state(facts)
    assert found is state and why in reason and bool(reason) is (state is PublicState.WAITING)


@pytest.mark.parametrize(
    ("method", "address", "port", "user", "command"),
    [
        ("ssh", "203.0.113.9", 20022, "debian", "ssh -p 20022 debian@203.0.113.9"),
        ("ssh", "203.0.113.7", 22, "", "ssh 203.0.113.7"),
        ("ssh", "2001:db8::7", 22, "debian", "ssh debian@2001:db8::7"),
        ("rdp", "203.0.113.9", 23389, "admin", "xfreerdp /v:203.0.113.9:23389 /u:admin"),
        ("rdp", "2001:db8::7", 3389, "", "xfreerdp /v:[2001:db8::7]:3389"),
        ("vnc", "203.0.113.9", 25900, "", "vncviewer 203.0.113.9::25900"),
        ("http", "203.0.113.9", 20080, "", "http://203.0.113.9:20080/"),
        ("https", "2001:db8::7", 443, "", "https://[2001:db8::7]/"),
    ],
)
def test_way(method: str, address: str, port: int, user: str, command: str) -> None:
    assert way(method, address, port, user).command == command


def test_ways() -> None:
    """Addresses by what the platform is reached by, ports by what stands behind them; other ports tell no way."""
    ports = [("203.0.113.9", "tcp", 20022, 22), ("203.0.113.9", "udp", 20022, 22), ("203.0.113.9", "tcp", 30000, 5432)]
    assert [each.command for each in ways(["203.0.113.7"], ports, "debian", "linux")] == [
        "ssh debian@203.0.113.7", "ssh -p 20022 debian@203.0.113.9"
    ]  # fmt: skip
    assert [each.method for each in ways(["203.0.113.7"], [], "", "windows")] == ["rdp"]


def test_entrances() -> None:
    """From outside first, then from its networks, then its screen; each with what leads there."""
    ports = [("203.0.113.9", "tcp", 20080, 80), ("203.0.113.9", "tcp", 30000, 5432)]
    found = entrances(["203.0.113.7"], ports, ["10.130.0.5", "fd12::5"], ("192.0.2.1", 5903), "debian", "linux")
    assert [(each.through, each.method, each.address, each.port, each.command) for each in found] == [
        (Through.PUBLIC, "ssh", "203.0.113.7", 22, "ssh debian@203.0.113.7"),
        (Through.PORT, "http", "203.0.113.9", 20080, "http://203.0.113.9:20080/"),
        (Through.NETWORK, "ssh", "10.130.0.5", 22, "ssh debian@10.130.0.5"),
        (Through.NETWORK, "ssh", "fd12::5", 22, "ssh debian@fd12::5"),
        (Through.SCREEN, "vnc", "192.0.2.1", 5903, "vncviewer 192.0.2.1::5903"),
    ]
    assert [each.method for each in entrances([], [], ["10.130.0.5"], None, "", "windows")] == ["rdp"]
    assert entrances([], [], [], None, "", "linux") == []
