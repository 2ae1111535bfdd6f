"""For whom counts what comes from an address."""

from __future__ import annotations

import pytest

from cm.rpc.address import counted_address, network_of


def test_networks() -> None:
    """Whoever has one IPv6 address has its whole network; an IPv4 address is one however it is written."""
    assert network_of("2001:db8:1:2::1") == network_of("2001:db8:1:2:ffff::") != network_of("2001:db8:1:3::1")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("") == "" and network_of("/run/socket") == "/run/socket"


@pytest.mark.parametrize("remote", ["", "/run/socket", "127.0.0.1", "127.8.9.1", "::1"])
def test_not_counted(remote: str) -> None:
    """What a socket or a proxy on this machine hands on says nothing of who calls."""
    assert counted_address(remote) == ""


@pytest.mark.parametrize("remote", ["192.0.2.1", "2001:db8:1:2::1"])
def test_counted(remote: str) -> None:
    """All others count for their network."""
    assert counted_address(remote) == network_of(remote)
