"""Use cases of networks: address pools with their leases, and what nodes need to know of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address
from typing import Final, cast

from sqlalchemy.orm import Session

from cm.interfaces.network import NetworkSpec
from cm.results.network import AvailableNetwork, ListedNetwork, Network
from cm.rpc.errors import (
    Conflict,
    InUse,
    InvalidParameter,
    LimitReached,
    NameTaken,
    ObjectNotFound,
    QuotaReached,
)
from cm.rpc.vocabulary import NetworkKind
from cm.rules.access import Shared
from cm.rules.names import link_name, network_name
from cm.rules.network import free_prefix, label_of, nth_prefix6, unique_local
from cm.rules.vm import vms
from cm.runtime.taken import refused_by
from cm.services.access import authorized_network, level_on, person_of
from cm.services.context import ClusterCall
from cm.store.account import get_account, login_of
from cm.store.change import record_change
from cm.store.link import link_changed
from cm.store.network import (
    NetworkRow,
    close_network,
    count_networks,
    describe,
    edit_network,
    find_overlap,
    get_network,
    insert_bridge,
    insert_nat,
    insert_network,
    list_networks,
    list_shared_networks,
    lock_leases,
    lock_network,
    networks_of_vm,
    next_id,
)
from cm.store.node_document import document_changed
from cm.store.pool import PoolRow, get_pool, list_pools, taken6_in, taken_in

PREFIX_MIN: Final = 20  # 4,093 guests: one libvirt network lists them all
PREFIX_MAX: Final = 30
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}\Z")  # it becomes part of a libvirt network's name
BRIDGE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,14}\Z")  # IFNAMSIZ is 16 with the closing zero byte
AGENTS_OWN: Final = re.compile(r"w[nxu][0-9]+\Z|wv")
DNS_MAX: Final = 3
DEFAULT: Final = "default"  # what the network is called that a user's first VM makes
DOMAIN: Final = "wawel"  # the last label of guests' names


@dataclass(eq=False)
class AddressTaken(Conflict):
    code = "address_taken"
    message = "The address {address} belongs to another network card."
    address: str


class PoolFull(LimitReached):
    code = "pool_full"
    message = "No pool has room for this network."


@dataclass(eq=False)
class NetworkOverlaps(Conflict):
    code = "network_overlaps"
    message = "The network {network} shares addresses with the network {other}."
    network: str
    other: str


def network_spec(row: NetworkRow) -> NetworkSpec:
    """A network as nodes realise it."""
    assert row.prefix is not None and row.gateway is not None, "libvirt's networks have addresses"
    hosts = row.prefix.num_addresses - 2
    return NetworkSpec(
        name=network_name(row.name),
        bridge=row.bridge,
        pool=row.prefix,
        gateway=row.gateway,
        first=row.prefix.network_address + 1,
        last=row.prefix.network_address + hosts,
        dns=tuple(row.dns.split()),
    )


def networks_of(session: Session, vm_id: int) -> list[NetworkSpec]:
    """The networks of a VM's NICs that libvirt makes; locked ones too: their guests go on."""
    return [network_spec(row) for row in networks_of_vm(session, vm_id)]


def add(caller: ClusterCall, name: str, network: str, gateway: str | None, bridge: str | None, dns: str) -> Network:
    """
    Make a pool and a lease for each of its addresses.

    :param gateway: the nodes' address on it; the first one by default.
    :raises InvalidParameter: no IPv4 network of /20 to /30, or a gateway, server or name that does not fit.
    :raises NetworkOverlaps: it shares addresses with another.
    :raises NameTaken: the name or the bridge is in use.
    """
    pool = _network(network)
    via = _gateway(pool, gateway)
    servers = name_servers(dns)
    if not NAME.match(name):
        raise InvalidParameter("name", "it must be 1 to 40 letters, digits and _ . -")
    if bridge is not None and not BRIDGE.match(bridge):
        raise InvalidParameter("bridge", "it must be a name of an interface: 1 to 15 letters, digits and _ . -")
    session = caller.session
    refusals = {
        "ex_address_pool_network": NetworkOverlaps(str(pool), find_overlap(session, pool) or "added just now"),
        "uq_address_pool_name": NameTaken("network", name),
        "uq_network_bridge": NameTaken("bridge", bridge or ""),
    }
    with refused_by(session, refusals):
        network_id = insert_nat(session, name=name, network=pool, gateway=via, bridge=bridge, dns=" ".join(servers))
    record_change(session, "network", network_id, None, "enter")
    document_changed(session)
    caller.note("add network", name=name, network=str(pool), gateway=str(via), leases=pool.num_addresses - 3)
    return describe(get_network(session, network_id))


def add_bridge(
    caller: ClusterCall,
    name: str,
    uplink: str,
    vlan: int | None,
    network: str | None,
    *,
    account_id: int | None,
    description: str,
    dns: str,
    mtu: int | None,
) -> Network:
    """
    Make a network on what nodes have: a bridge, or with a VLAN an interface.

    :param network: its addresses, which are ours to give; None: guests have theirs from elsewhere.
    :param account_id: whose it is, to share it with others; None: everybody's.
    :raises InvalidParameter: a name that none has, or addresses on a bridge that is there.
    :raises NameTaken: the name, the bridge or the VLAN is another network's.
    :raises NetworkOverlaps: it shares addresses with another.
    :raises ObjectNotFound: there is no such account.
    """
    session, servers = caller.session, name_servers(dns)
    if not NAME.match(name):
        raise InvalidParameter("name", "it must be 1 to 40 letters, digits and _ . -")
    if not BRIDGE.match(uplink) or AGENTS_OWN.match(uplink):
        raise InvalidParameter("uplink", "it must be an interface or bridge of the nodes, none of their agents' own")
    if network is not None and vlan is None:
        told = "each node is the gateway of its guests, which takes a VLAN that joins the nodes and has no other"
        raise InvalidParameter("network", told)
    prefix = None if network is None else _network(network)
    if account_id is not None:
        get_account(session, account_id)
    other = "" if prefix is None else find_overlap(session, prefix) or "added just now"
    refusals = {
        "ex_address_pool_network": NetworkOverlaps(str(prefix), other),
        "uq_address_pool_name": NameTaken("network", name),
        "uq_network_name": NameTaken("network", name),
        "uq_network_bridge": NameTaken("bridge", uplink),
        "uq_network_vlan": NameTaken("vlan", f"{uplink}.{vlan}"),
    }
    values = {
        "name": name, "uplink": uplink, "vlan": vlan, "account_id": account_id, "description": description, "mtu": mtu,
        "dns": " ".join(servers), "domain": f"{label_of(name) or 'network'}.{DOMAIN}",
    }  # fmt: skip
    with refused_by(session, refusals):
        network_id = insert_bridge(session, prefix, values)
    record_change(session, "network", network_id, account_id, "enter")
    caller.note("add bridged network", name=name, uplink=uplink, vlan=vlan, network=network)
    return describe(get_network(session, network_id))


def _network(given: str) -> IPv4Network:
    try:
        pool = IPv4Network(given)
    except ValueError as error:
        raise InvalidParameter("network", f"it must be an IPv4 network such as 10.128.0.0/24: {error}") from None
    if not PREFIX_MIN <= pool.prefixlen <= PREFIX_MAX:
        raise InvalidParameter("network", f"it must be a /{PREFIX_MIN} to a /{PREFIX_MAX}")
    if pool.is_loopback or pool.is_multicast or pool.is_link_local or pool.is_unspecified or pool.is_reserved:
        raise InvalidParameter("network", "guests cannot have loopback, link-local, multicast or reserved addresses")
    return pool


def _gateway(pool: IPv4Network, given: str | None) -> IPv4Address:
    if given is None:
        return pool.network_address + 1
    try:
        address = IPv4Address(given)
    except ValueError:
        raise InvalidParameter("gateway", "it must be an IPv4 address") from None
    if address not in pool or address in (pool.network_address, pool.broadcast_address):
        raise InvalidParameter("gateway", f"it must be a host's address in {pool}")
    return address


# ------------------------------------------------------------------ of users


def authorized(caller: ClusterCall, network_id: int, *, lock: bool = False) -> NetworkRow:
    """
    A network of the caller's, or one that is shared with them, for what the view declares to do with it.

    :raises ObjectNotFound: AccessNeeded: VersionChanged: as ``authorized_network``.
    """
    who, action = person_of(caller.identity), caller.action("network_id")
    version = caller.if_version if lock else None
    return authorized_network(caller.session, who, network_id, action, lock=lock, version=version)


def detail(caller: ClusterCall, network_id: int) -> ListedNetwork:
    """:raises ObjectNotFound: neither the caller's nor shared with them."""
    session, row = caller.session, authorized(caller, network_id)
    assert row.account_id is not None
    level = level_on(session, person_of(caller.identity), Shared.NETWORK, row.id, row.account_id, live=True)
    assert level is not None
    return {**describe(row), "user_login": login_of(session, row.account_id), "access": level}


def list_for(caller: ClusterCall, shared: bool) -> Sequence[ListedNetwork]:
    """The caller's networks; or those that are not theirs and that their VMs may be on."""
    if shared:
        return list_shared_networks(caller.session, person_of(caller.identity))
    return [cast(ListedNetwork, describe(row)) for row in list_networks(caller.session, caller.account_id)]


def available(caller: ClusterCall, pool: PoolRow) -> AvailableNetwork:
    """A pool as users see it."""
    return {
        "pool_id": pool.id,
        "name": pool.name,
        "network": str(pool.network),
        "ipv6": _range6(caller, pool) is not None,
        "prefix_default": pool.prefix_default,
        "prefix_min": pool.prefix_min,
        "prefix_max": pool.prefix_max,
    }


def request(
    caller: ClusterCall,
    name: str,
    *,
    mask: int | None = None,
    prefix: str | None = None,
    pool: str | None = None,
    description: str = "",
    dns: str = "",
    is_default: bool = False,
    ipv6: bool | None = None,
) -> Network:
    """
    Cut a network from a pool.

    :param mask: its bits; ``prefix``: exactly this network; neither: as the pool says.
    :param ipv6: whether it has IPv6, too; None: where the pool or the cluster has any.
    :raises QuotaReached: the caller has as many networks as one may have.
    :raises PoolFull: no pool has room for it, or there is none.
    :raises NetworkOverlaps: that network is taken.
    :raises NameTaken: another network of theirs has the name.
    :raises InvalidParameter: a size that the pool does not give, no network of the pool's, or no servers.
    """
    session = caller.session
    servers, exact = name_servers(dns), None if prefix is None else _exact(prefix)
    if mask is not None and exact is not None and exact.prefixlen != mask:
        raise InvalidParameter("mask", f"the network is a /{exact.prefixlen}")
    bits = mask if exact is None else exact.prefixlen
    used, quota = count_networks(session, caller.account_id)
    if used >= quota:
        raise QuotaReached("networks", quota, used, 1)
    source, cut = _cut(session, caller.account_id, pool, bits, exact)
    network_id = next_id(session)
    range6 = _range6(caller, source) if ipv6 is not False else None
    if ipv6 and range6 is None:
        raise InvalidParameter("ipv6", f"neither the pool {source.name} nor the cluster has any")
    prefix6 = None if range6 is None else _cut6(session, range6, network_id)
    login = label_of(login_of(session, caller.account_id)) or f"user-{caller.account_id}"
    values = {
        "id": network_id,
        "account_id": caller.account_id,
        "pool_id": source.id,
        "kind": source.kind,
        "name": name,
        "description": description,
        "prefix": cut,
        "gateway": str(cut.network_address + 1),
        "prefix6": None if prefix6 is None else str(prefix6),
        "gateway6": None if prefix6 is None else str(prefix6[1]),
        "overlap": source.overlap,
        "bridge": link_name(network_id),
        "domain": f"{label_of(name) or f'network-{network_id}'}.{login}.{DOMAIN}",
        "dns": " ".join(servers),
        "is_default": is_default,
    }
    refusals = {
        "uq_network_name": NameTaken("network", name),
        "ex_network_prefix": NetworkOverlaps(str(cut), "another, made just now"),
        "ex_network_prefix6": NetworkOverlaps(str(prefix6), "another, made just now"),
    }
    with refused_by(session, refusals):
        insert_network(session, values)
    record_change(session, "network", network_id, caller.account_id, "enter")
    caller.note("request network", name=name, network=str(cut), pool=source.name)
    return describe(get_network(session, network_id))


def _exact(given: str) -> IPv4Network:
    try:
        return IPv4Network(given)
    except ValueError as error:
        raise InvalidParameter("network", f"it must be an IPv4 network such as 10.130.4.0/26: {error}") from None


def _cut(
    session: Session, account_id: int, name: str | None, bits: int | None, exact: IPv4Network | None
) -> tuple[PoolRow, IPv4Network]:
    """A free network, and the pool that it is in, whose row is locked."""
    offered = [row for row in list_pools(session, open_only=True) if name in (None, row.name)]
    if name is not None and not offered:
        raise ObjectNotFound("pool", name)
    if exact is not None:
        offered = [row for row in offered if row.network is not None and exact.subnet_of(row.network)]
        if not offered:
            raise InvalidParameter("network", "it is in no pool that networks are cut from")
    fitting = [row for row in offered if row.prefix_min <= (bits or row.prefix_default) <= row.prefix_max]
    if offered and not fitting:
        bounds = ", ".join(f"/{row.prefix_min} to /{row.prefix_max}" for row in offered)
        raise InvalidParameter("network" if exact is not None else "mask", f"networks may be {bounds}")
    for each in fitting:
        pool = get_pool(session, each.id, lock=True)
        if pool.locked or pool.network is None:
            continue
        taken = taken_in(session, pool, account_id)
        if exact is not None:
            if any(exact.overlaps(other) for other in taken):
                raise NetworkOverlaps(str(exact), "another")
            return pool, exact
        found = free_prefix(pool.network, taken, bits or pool.prefix_default)
        if found is not None:
            return pool, found
    raise PoolFull()


def _range6(caller: ClusterCall, pool: PoolRow) -> IPv6Network | None:
    """What a pool's networks get their IPv6 from: a range of its own, else the cluster's unique local addresses."""
    if pool.network6 is not None or not caller.policy.ula:
        return pool.network6
    return unique_local(caller.policy.secret)


def _cut6(session: Session, range6: IPv6Network, network_id: int) -> IPv6Network:
    """
    A /64 that no live network has; the last one that was given back comes late.

    :raises PoolFull: there is none left.
    """
    taken = taken6_in(session, range6)
    count = 1 << (64 - range6.prefixlen)
    for number in range(network_id, network_id + len(taken) + 1):
        found = nth_prefix6(range6, number % count)
        if found is not None and found not in taken:
            return found
    raise PoolFull()


def edit(
    caller: ClusterCall, network_id: int, name: str | None, description: str | None, dns: str | None
) -> Network:
    """
    :raises NameTaken: another network of the caller's has the name.
    """
    session = caller.session
    row = authorized(caller, network_id, lock=True)
    servers = None if dns is None else " ".join(name_servers(dns))
    with refused_by(session, {"uq_network_name": NameTaken("network", name or "")}):
        edit_network(session, network_id, {"name": name, "description": description, "dns": servers})
    record_change(session, "network", network_id, row.account_id)
    if servers is not None:
        link_changed(session, network_id)
    caller.note("edit network", network_id=network_id)
    return describe(get_network(session, network_id))


def release(caller: ClusterCall, network_id: int) -> None:
    """
    :raises InUse: VMs are on it, be they others'.
    """
    _close(caller, authorized(caller, network_id, lock=True))


def name_servers(given: str) -> list[str]:
    """
    Whom guests, or the node for them, ask for names.

    :param given: IP addresses, separated by blanks or commas.
    :raises InvalidParameter: of ``dns``.
    """
    try:
        found = list(dict.fromkeys(ip_address(server) for server in given.replace(",", " ").split()))
    except ValueError:
        raise InvalidParameter("dns", "it must be IP addresses, separated by blanks") from None
    for each in found:
        if each.is_loopback or each.is_multicast or each.is_unspecified or each.is_link_local:
            raise InvalidParameter("dns", f"{each} is nobody's that guests could ask")
    if len(found) > DNS_MAX:
        raise InvalidParameter("dns", f"more than {DNS_MAX} servers")
    return [str(each) for each in found]


def release_all(session: Session, account_id: int) -> None:
    """
    The networks of an account that has no VMs, and is no more.

    :raises InUse: VMs of others, with whom one is shared, are on it.
    """
    for each in list_networks(session, account_id):
        row = get_network(session, each.id, lock=True)
        users = lock_leases(session, row.id)
        if users:
            raise InUse("user", account_id, f"{vms(users)} on network {row.id}")
        close_network(session, row)
        record_change(session, "network", row.id, account_id, "exit")


def set_locked(caller: ClusterCall, pool_id: int, locked: bool) -> Network:
    """A locked network gives no more leases; those it gave stay."""
    session = caller.session
    row = get_network(session, pool_id, lock=True, version=caller.if_version)
    lock_network(session, pool_id, locked)
    record_change(session, "network", pool_id, row.account_id)
    caller.note("lock network" if locked else "unlock network", pool_id=pool_id)
    return describe(get_network(session, pool_id))


def delete(caller: ClusterCall, pool_id: int) -> None:
    """
    :raises InUse: VMs have leases of it.
    """
    _close(caller, get_network(caller.session, pool_id, lock=True, version=caller.if_version))


def _close(caller: ClusterCall, row: NetworkRow) -> None:
    session = caller.session
    users = lock_leases(session, row.id)
    if users:
        raise InUse("network", row.id, vms(users))
    close_network(session, row)
    record_change(session, "network", row.id, row.account_id, "exit")
    if row.kind == NetworkKind.NAT:
        document_changed(session)
    caller.note("delete network", network_id=row.id, name=row.name)
