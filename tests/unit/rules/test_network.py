"""What follows from an address alone: MAC addresses and tap names."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cm.rules.network import address_of_mac, mac_of, tap_of

addresses = st.integers(0, 2**32 - 1).map(IPv4Address)


def test_examples() -> None:
    """The forms are fixed: nodes in the field carry them."""
    assert mac_of(IPv4Address("10.1.2.255")) == "02:57:0a:01:02:ff"
    assert tap_of(IPv4Address("10.1.2.255")) == "wv0a0102ff"


@given(addresses)
def test_return(address: IPv4Address) -> None:
    """No two addresses share a MAC address, which tells them, or a tap."""
    assert address_of_mac(mac_of(address)) == address
    assert address_of_mac(mac_of(address).upper()) == address
    assert IPv4Address(int(tap_of(address)[2:], 16)) == address


@given(addresses)
def test_fit(address: IPv4Address) -> None:
    """A MAC address is locally administered unicast; a tap's name fits the kernel's 15 characters."""
    first = int(mac_of(address).split(":")[0], 16)
    assert first & 1 == 0 and first & 2 == 2
    assert len(tap_of(address)) <= 15


@given(st.one_of(st.text(), st.from_regex(r"\A02:57(:[0-9a-fA-F ]{1,3}){4}\Z")))
def test_foreign(text: str) -> None:
    """Anything else is refused by ValueError, or is the very text that the function gives."""
    try:
        address = address_of_mac(text)
    except ValueError:
        return
    assert mac_of(address) == text.lower()


@pytest.mark.parametrize("mac", ["52:54:00:00:00:01", "02:57:0a:00:00", "02:57:0a:00:00:1", "02:57:0a:00:00:0g", ""])
def test_foreign_mac(mac: str) -> None:
    """A MAC address of another making is refused."""
    with pytest.raises(ValueError):
        address_of_mac(mac)
