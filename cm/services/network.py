"""Use cases of networks: address pools with their leases, and what nodes need to know of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from sqlalchemy.orm import Session

from cm.interfaces.network import NetworkSpec
from cm.results.network import Network
from cm.rpc.errors import Conflict, InUse, InvalidParameter, NameTaken
from cm.rules.names import network_name
from cm.runtime.taken import refused_by
from cm.services.context import ClusterCall
from cm.store.change import record_change
from cm.store.network import (
    NetworkRow,
    close_network,
    describe,
    find_overlap,
    get_network,
    insert_nat,
    lock_leases,
    lock_network,
    networks_of_vm,
)
from cm.store.node_document import document_changed

PREFIX_MIN: Final = 20  # 4,093 guests: one libvirt network lists them all
PREFIX_MAX: Final = 30
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}\Z")  # it becomes part of a libvirt network's name
BRIDGE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,14}\Z")  # IFNAMSIZ is 16 with the closing zero byte
DNS_MAX: Final = 3


@dataclass(eq=False)
class NetworkOverlaps(Conflict):
    code = "network_overlaps"
    message = "The network {network} shares addresses with the network {other}."
    network: str
    other: str


def network_spec(row: NetworkRow) -> NetworkSpec:
    """A network as nodes realise it."""
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
    """The networks of a VM's NICs; locked ones too: their guests go on."""
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
    servers = _dns(dns)
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


def _dns(given: str) -> list[str]:
    servers = given.replace(",", " ").split()
    try:
        found = [str(IPv4Address(server)) for server in servers]
    except ValueError:
        raise InvalidParameter("dns", "it must be IPv4 addresses, separated by blanks") from None
    if len(found) > DNS_MAX:
        raise InvalidParameter("dns", f"more than {DNS_MAX} servers")
    return found


def set_locked(caller: ClusterCall, pool_id: int, locked: bool) -> Network:
    """A locked network gives no more leases; those it gave stay."""
    session = caller.session
    get_network(session, pool_id, lock=True, version=caller.if_version)
    lock_network(session, pool_id, locked)
    record_change(session, "network", pool_id, None)
    caller.note("lock network" if locked else "unlock network", pool_id=pool_id)
    return describe(get_network(session, pool_id))


def delete(caller: ClusterCall, pool_id: int) -> None:
    """
    :raises InUse: VMs have leases of it.
    """
    session = caller.session
    row = get_network(session, pool_id, lock=True, version=caller.if_version)
    users = lock_leases(session, pool_id)
    if users:
        raise InUse("network", pool_id, vms(users))
    close_network(session, row)
    record_change(session, "network", pool_id, None, "exit")
    document_changed(session)
    caller.note("delete network", pool_id=pool_id, name=row.name)


def vms(ids: Sequence[int]) -> str:
    """VMs in a refusal: "VM 3, VM 4 and 2 more"."""
    named = [f"VM {vm_id}" for vm_id in ids[:5]]
    more = len(ids) - len(named)
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")
