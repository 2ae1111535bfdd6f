"""What nodes are told of users' networks: names in the DNS, prefixes that are free."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network

from hypothesis import given
from hypothesis import strategies as st

from cm.rules.names import is_link, link_name
from cm.rules.network import LABEL_MAX, free_prefix, host_names, label_of, nic_of_mac, nth_prefix6

POOL = IPv4Network("10.130.0.0/20")


@given(st.dictionaries(st.integers(1, 10**12), st.text(max_size=80) | st.sampled_from(["a", "A", "a-2", "vm-1", ""])))
def test_host_names(names: dict[int, str]) -> None:
    """Whatever VMs are called, each has a label of its own, which dnsmasq and the DNS take."""
    found = host_names(names)
    assert found.keys() == names.keys() and len(set(found.values())) == len(found)
    for label in found.values():
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", label) and len(label) <= LABEL_MAX


def test_names_are_kept() -> None:
    """The first keeps the name that it was given; one with nothing for the DNS in it is called by its number."""
    assert host_names({7: "Web", 3: "web", 9: "żółć ☃", 8: "Łódź 2"}) == {3: "web", 7: "web-7", 9: "vm-9", 8: "d-2"}
    assert label_of("--a.b c--") == "a-b-c"


@given(st.lists(st.integers(20, 30), max_size=60))
def test_free_prefix(sizes: list[int]) -> None:
    """Networks that are cut one after the other are in the pool, aligned, and share no address; none: none is left."""
    taken: list[IPv4Network] = []
    for bits in sizes:
        found = free_prefix(POOL, taken, bits)
        if found is None:
            assert all(any(each.overlaps(other) for other in taken) for each in POOL.subnets(new_prefix=bits))
            continue
        assert found.prefixlen == bits and found.subnet_of(POOL) and not any(found.overlaps(each) for each in taken)
        taken.append(found)


def test_edges() -> None:
    """A pool is one network of its own size, and none of a larger one; what lies beside a pool takes nothing of it."""
    assert free_prefix(POOL, [], 20) == POOL and free_prefix(POOL, [], 19) is None
    around = [IPv4Network("10.129.255.0/24"), IPv4Network("10.130.16.0/24"), IPv4Network("10.0.0.0/16")]
    assert free_prefix(POOL, around, 24) == IPv4Network("10.130.0.0/24")
    assert free_prefix(POOL, [IPv4Network("10.0.0.0/8")], 24) is None
    assert nth_prefix6(IPv6Network("fd12:3456::/48"), 65535) == IPv6Network("fd12:3456:0:ffff::/64")
    assert nth_prefix6(IPv6Network("fd12:3456::/48"), 65536) is None
    assert nth_prefix6(IPv6Network("fd12:3456::/72"), 0) is None


def test_numbers_of_cards() -> None:
    """The MAC address of a NIC that has it by its number tells that number; others tell none."""
    assert nic_of_mac("02:58:00:00:10:0F") == 0x100F
    for other in ("02:57:0a:80:00:05", "52:54:00:00:00:01", "02:58:00:00:10", "02:58:00:00:1 :0f", ""):
        assert nic_of_mac(other) == 0


def test_bridges() -> None:
    """A link's name is an interface's for every number, and no other bridge is taken for one."""
    assert len(link_name(10**12)) <= 15 and is_link(link_name(7))
    assert not any(map(is_link, ("wn", "wbr7", "wnx", "wn-1", "xwn7")))
