"""Use cases of address pools: the ranges that users' networks are cut from."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final

from cm.results.network import AddressPool
from cm.rpc.errors import InUse, InvalidParameter, NameTaken
from cm.rpc.vocabulary import NetworkKind
from cm.runtime.taken import refused_by
from cm.services.context import ClusterCall
from cm.services.network import NAME, PREFIX_MAX, PREFIX_MIN, NetworkOverlaps
from cm.store import pool as store
from cm.store.network import find_overlap

PREFIX6_MAX: Final = 64  # of each network's: what guests make addresses in


def add(caller: ClusterCall, name: str, network: str, network6: str | None, overlap: bool, bits: Any) -> AddressPool:
    """
    :param bits: prefix_default, prefix_min, prefix_max of the networks.
    :raises InvalidParameter: no network that guests may be in, or bounds that are none.
    :raises NetworkOverlaps: it shares addresses with another pool, and ``overlap`` does not allow that.
    :raises NameTaken: the name is in use.
    """
    if not NAME.match(name):
        raise InvalidParameter("name", "it must be 1 to 40 letters, digits and _ . -")
    range4, range6 = _network(network), None if network6 is None else _network6(network6)
    default, least, most = bits
    least = max(22, range4.prefixlen) if least is None else least
    default = max(26, least) if default is None else default
    if not PREFIX_MIN <= least <= default <= most <= PREFIX_MAX or least < range4.prefixlen:
        told = f"prefix_min, prefix_default and prefix_max must be in order, in {PREFIX_MIN} to {PREFIX_MAX}"
        raise InvalidParameter("prefix_default", f"{told}, and no network be larger than the pool")
    session = caller.session
    other = "" if overlap else find_overlap(session, range4) or "added just now"
    refusals = {
        "ex_address_pool_network": NetworkOverlaps(str(range4), other),
        "uq_address_pool_name": NameTaken("pool", name),
    }
    with refused_by(session, refusals):
        pool_id = store.insert_pool(
            session,
            name=name,
            kind=NetworkKind.VXLAN,
            network=str(range4),
            network6=None if range6 is None else str(range6),
            overlap=overlap,
            prefix_default=default,
            prefix_min=least,
            prefix_max=most,
        )
    caller.note("add pool", name=name, network=str(range4), network6=network6, overlap=overlap)
    return store.describe(store.get_pool(session, pool_id))


def _network(given: str) -> IPv4Network:
    try:
        found = IPv4Network(given)
    except ValueError as error:
        raise InvalidParameter("network", f"it must be an IPv4 network such as 10.130.0.0/16: {error}") from None
    if not 8 <= found.prefixlen <= PREFIX_MAX:
        raise InvalidParameter("network", f"it must be a /8 to a /{PREFIX_MAX}")
    if found.is_loopback or found.is_multicast or found.is_link_local or found.is_unspecified or found.is_reserved:
        raise InvalidParameter("network", "guests cannot have loopback, link-local, multicast or reserved addresses")
    return found


def _network6(given: str) -> IPv6Network:
    try:
        found = IPv6Network(given)
    except ValueError as error:
        raise InvalidParameter("network6", f"it must be an IPv6 network such as fd12:3456:789a::/48: {error}") from None
    if not 16 <= found.prefixlen <= PREFIX6_MAX:
        raise InvalidParameter("network6", f"it must be a /16 to a /{PREFIX6_MAX}")
    if found.is_loopback or found.is_multicast or found.is_link_local or found.is_unspecified:
        raise InvalidParameter("network6", "guests cannot have loopback, link-local or multicast addresses")
    return found


def set_locked(caller: ClusterCall, pool_id: int, locked: bool) -> AddressPool:
    """From a locked pool no more networks are cut; those that were stay."""
    session = caller.session
    store.get_pool(session, pool_id, lock=True, version=caller.if_version)
    store.lock_pool(session, pool_id, locked)
    caller.note("lock pool" if locked else "unlock pool", pool_id=pool_id)
    return store.describe(store.get_pool(session, pool_id))


def delete(caller: ClusterCall, pool_id: int) -> None:
    """
    :raises InUse: there are networks that were cut from it, or that are it.
    """
    session = caller.session
    row = store.get_pool(session, pool_id, lock=True, version=caller.if_version)
    if row.networks:
        raise InUse("pool", pool_id, f"{row.networks} networks" if row.networks > 1 else "a network")
    store.close_pool(session, pool_id)
    caller.note("delete pool", pool_id=pool_id, name=row.name)
