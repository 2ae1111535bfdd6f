"""Use cases of address pools: the ranges that users' networks are cut from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final

from sqlalchemy.orm import Session

from cm.results.network import AddressPool
from cm.rpc.errors import InUse, InvalidParameter, NameTaken
from cm.rpc.vocabulary import NetworkKind
from cm.runtime.taken import refused_by
from cm.services.context import ClusterCall
from cm.services.network import NAME, PREFIX_MAX, PREFIX_MIN, NetworkOverlaps
from cm.store import pool as store
from cm.store.network import find_overlap

PREFIX6_MAX: Final = 64  # of each network's: what guests make addresses in


def add(
    caller: ClusterCall, name: str, network: str, network6: str | None, overlap: bool, bits: Any, description: str = ""
) -> AddressPool:
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
    _check_bits(range4, default, least, most)
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
            description=description,
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


def _check_bits(range4: IPv4Network, default: int, least: int, most: int) -> None:
    """:raises InvalidParameter: they are no sizes of networks that fit into the range."""
    if not PREFIX_MIN <= least <= default <= most <= PREFIX_MAX or least < range4.prefixlen:
        told = f"prefix_min, prefix_default and prefix_max must be in order, in {PREFIX_MIN} to {PREFIX_MAX}"
        raise InvalidParameter("prefix_default", f"{told}, and no network be larger than the pool")


def edit(caller: ClusterCall, pool_id: int, values: Mapping[str, Any]) -> AddressPool:
    """
    Change what is not None of a pool. Networks that were cut from it stay as they are: so a range grows, and shrinks
    only by what no network has.

    :param values: by the parameters of ``admin.pool.edit``.
    :raises InvalidParameter: as ``add``; or all but the description of a pool that is one network.
    :raises InUse: networks have addresses that would be the pool's no more, or share theirs with others.
    :raises NetworkOverlaps: it shares addresses with another pool then.
    :raises NameTaken: the name is in use.
    """
    session = caller.session
    row = store.get_pool(session, pool_id, lock=True, version=caller.if_version)
    given = {key: value for key, value in values.items() if value is not None}
    fixed = sorted(given.keys() - {"description"}) if row.kind != NetworkKind.VXLAN else []
    if fixed:
        raise InvalidParameter(fixed[0], "the pool is a network by itself, which stays as it was made")
    if not NAME.match(given.get("name", row.name)):
        raise InvalidParameter("name", "it must be 1 to 40 letters, digits and _ . -")
    if row.network is not None and row.kind == NetworkKind.VXLAN:
        given |= _ranges(session, row, given)
    other = (find_overlap(session, ip_network(given["network"]), pool_id) if "network" in given else None) or "another"
    refusals = {
        "ex_address_pool_network": NetworkOverlaps(str(given.get("network", row.network)), other),
        "uq_address_pool_name": NameTaken("pool", given.get("name", row.name)),
    }
    if given.get("network6") == "":
        del given["network6"]
        store.drop_network6(session, pool_id)
    with refused_by(session, refusals):
        store.edit_pool(session, pool_id, given)
    caller.note("edit pool", pool_id=pool_id, **given)
    return store.describe(store.get_pool(session, pool_id))


def _ranges(session: Session, row: store.PoolRow, given: Mapping[str, Any]) -> dict[str, Any]:
    """What a pool of users' networks is to be cut of, as it is written; checked."""
    assert row.network is not None
    range4 = _network(given["network"]) if "network" in given else row.network
    wanted6 = given.get("network6")
    range6 = row.network6 if wanted6 is None else _network6(wanted6) if wanted6 else None
    bits = {key: given.get(key, getattr(row, key)) for key in ("prefix_default", "prefix_min", "prefix_max")}
    _check_bits(range4, bits["prefix_default"], bits["prefix_min"], bits["prefix_max"])
    lost = store.outside(session, row.id, range4, range6)
    if lost:
        raise InUse("pool", row.id, f"{_named(lost)}, of whose addresses some would be the pool's no more")
    if given.get("overlap") is False and row.overlap:
        sharing = store.overlapping(session, row.id)
        if sharing:
            raise InUse("pool", row.id, f"{_named(sharing)}, which may share addresses with others")
    return {key: str(value) for key, value in (("network", range4), ("network6", range6)) if given.get(key)}


def _named(ids: Sequence[int]) -> str:
    """Networks in a refusal: "network 3, network 4 and 2 more"."""
    more = f" and {len(ids) - 5} more" if len(ids) > 5 else ""
    return ", ".join(f"network {each}" for each in ids[:5]) + more


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
