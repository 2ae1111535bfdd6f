"""
Use cases of public addresses: whole ones that accounts ask for and give to network cards; ports of shared ones are
``public_port.py``'s. What nodes are to answer for follows from where VMs are placed; they are told in the same
transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Final

import msgspec
from sqlalchemy.orm import Session

from cm.results.public_address import PublicAddress
from cm.rpc.errors import Conflict, InUse, InvalidParameter, LimitReached, ObjectNotFound, QuotaReached, VersionChanged
from cm.rpc.vocabulary import NetworkKind, TagKind
from cm.rules.access import Action
from cm.rules.network import Address
from cm.rules.public_address import parse_addresses
from cm.runtime.taken import refused_by
from cm.services.access import authorized_vm, person_of
from cm.services.context import ClusterCall
from cm.services.network import BRIDGE, NetworkOverlaps
from cm.services.security_group import get_nic
from cm.store import public_address as store
from cm.store.change import record_change
from cm.store.node import managed_addresses
from cm.store.node_document import document_changed
from cm.store.public_port import drop_ports
from cm.store.security_group import NicRow
from cm.store.tag import delete_tags
from cm.store.vm import VMRow, get_vm, render_live

NOUN: Final = "public_address"


class NoPublicAddress(LimitReached):
    code = "no_public_address"
    message = "No public address is free."


@dataclass(eq=False)
class NotReachable(Conflict):
    """Its network lets nobody in from outside, or it has no address of the family."""

    code = "not_reachable"
    message = "Network card {nic} of VM {vm_id} cannot be reached from outside by IPv{family}: {reason}."
    vm_id: int
    nic: int
    family: int
    reason: str


# ------------------------------------------------------------------ administrators'


def add(
    caller: ClusterCall, addresses: Sequence[str], shared: bool, uplink: str, description: str
) -> list[PublicAddress]:
    """
    Those that are there already are left as they are.

    :return: what was added.
    :raises InvalidParameter: no such addresses, no interface's name, or addresses of nodes or storages.
    :raises NetworkOverlaps: guests' networks have one of them.
    """
    session = caller.session
    try:
        found = parse_addresses(addresses)
    except ValueError as error:
        raise InvalidParameter("addresses", f"they {error}") from None
    if uplink and not BRIDGE.match(uplink):
        raise InvalidParameter("uplink", "it must be a name of an interface: 1 to 15 letters, digits and _ . -")
    for managed in map(ip_network, managed_addresses(session)):
        for address in found:
            if address in managed:
                raise InvalidParameter("addresses", f"{address} is a node's or a storage's")
    within = store.find_guests_network(session, found)
    if within is not None:
        raise NetworkOverlaps(within.address, within.name)
    made = store.insert_public_addresses(session, found, shared=shared, uplink=uplink, description=description)
    for address_id in made:
        record_change(session, NOUN, address_id, None, "enter")
    if made:
        document_changed(session)  # guests of all nodes may go there
    caller.note("add public addresses", addresses=len(found), added=len(made), shared=shared)
    return [store.get_public_address(session, address_id, account_id=None) for address_id in made]


def delete(caller: ClusterCall, address_id: int) -> None:
    """
    :raises InUse: it is an account's, or ports of it are given away.
    """
    session = caller.session
    found = store.get_public_address(session, address_id, account_id=None, lock=True, version=caller.if_version)
    if found["user_id"] is not None:
        raise InUse(NOUN, address_id, f"user {found['user_id']}")
    if found["ports"]:
        raise InUse(NOUN, address_id, f"{found['ports']} ports of VMs")
    store.close_public_address(session, address_id)
    document_changed(session)
    record_change(session, NOUN, address_id, None, "exit")
    caller.note("delete public address", public_address_id=address_id, address=found["address"])


# ------------------------------------------------------------------ whose they are


def request(caller: ClusterCall, address: str | None, family: int, description: str) -> PublicAddress:
    """
    Make a free address the caller's.

    :param address: exactly this one.
    :raises QuotaReached: they have as many as they may.
    :raises NoPublicAddress: none is free, or this one is not.
    :raises InvalidParameter: no address.
    """
    session = caller.session
    exact = None if address is None else parse_address(address)
    used, quota = store.count_public_addresses(session, caller.account_id)
    if used >= quota:
        raise QuotaReached("public_addresses", quota, used, 1)
    wanted = family if exact is None else exact.version
    taken = store.take_public_address(session, caller.account_id, description, wanted, exact)
    if taken is None:
        raise NoPublicAddress()
    record_change(session, NOUN, taken, caller.account_id, "enter")
    made = store.get_public_address(session, taken, account_id=None)
    caller.note("request public address", address=made["address"])
    return made


def parse_address(given: str) -> Address:
    """:raises InvalidParameter: it is none."""
    try:
        return ip_address(given.strip())
    except ValueError:
        raise InvalidParameter("address", "it must be an IPv4 or IPv6 address") from None


def edit(caller: ClusterCall, address_id: int, description: str) -> PublicAddress:
    session, owner = caller.session, caller.account_id
    store.get_public_address(session, address_id, account_id=owner, lock=True, version=caller.if_version)
    store.write_description(session, address_id, description)
    record_change(session, NOUN, address_id, owner)
    caller.note("edit public address", public_address_id=address_id)
    return store.get_public_address(session, address_id, account_id=owner)


def release(caller: ClusterCall, address_id: int, account_id: int | None, *, force: bool = False) -> None:
    """
    :param account_id: whose it has to be; None: an administrator asks.
    :param force: also from a VM that has it.
    :raises InUse: a VM has it.
    :raises VersionChanged: another VM got it meanwhile.
    """
    session = caller.session
    found, vm = _hold(caller, address_id, account_id)
    if vm is not None:
        if not force:
            raise InUse(NOUN, address_id, f"VM {vm.id}")
        store.set_nic(session, address_id, None)
        _changed(session, address_id, found["user_id"], vm)
    if found["user_id"] is not None:
        store.give_back_public_address(session, address_id)
        delete_tags(session, TagKind.PUBLIC_ADDRESS, address_id)
        record_change(session, NOUN, address_id, found["user_id"], "exit")
        record_change(session, NOUN, address_id, None)
    caller.note("release public address", public_address_id=address_id, address=found["address"])


# ------------------------------------------------------------------ whom they lead to


def assign(caller: ClusterCall, address_id: int, vm_id: int, number: int) -> PublicAddress:
    """
    Have a network card be reached by an address of its VM's owner, wherever the VM runs. It may be that already.

    :raises ObjectNotFound: AccessNeeded: the VM is not the caller's to change, or the address not its owner's.
    :raises InUse: another card has the address, or the card has another address.
    :raises NotReachable: nobody reaches that card.
    """
    session = caller.session
    vm = authorized_vm(session, person_of(caller.identity), vm_id, Action.EDIT, lock=True)
    owner, version = vm.account_id, caller.if_version
    found = store.get_public_address(session, address_id, account_id=owner, lock=True, version=version)
    check_live(vm)
    nic = get_nic(session, vm_id, number)
    require_reachable(vm_id, nic, ip_address(found["address"]).version)
    if (found["vm_id"], found["nic"]) != (vm_id, number):
        if found["vm_id"] is not None:
            raise InUse(NOUN, address_id, f"VM {found['vm_id']}")
        with refused_by(session, {"uq_public_address_nic": InUse("nic", number, "another public address")}):
            store.set_nic(session, address_id, nic.id)
        _changed(session, address_id, owner, vm)
    caller.note("assign public address", address=found["address"], vm_id=vm_id, nic=number)
    return store.get_public_address(session, address_id, account_id=owner)


def assign_made(caller: ClusterCall, address_id: int, made: Sequence[str]) -> list[str]:
    """
    ``assign`` to the first card of the first of new VMs.

    :param made: their summaries, JSON texts.
    """
    first = msgspec.json.decode(made[0])
    found = assign(caller, address_id, first["vm_id"], 0)
    first |= {"public_ip": found["address"], "version": first["version"] + 1}
    return [msgspec.json.encode(first).decode(), *made[1:]]


def check_live(vm: VMRow) -> None:
    if vm.closed_at is not None:
        raise ObjectNotFound("vm", vm.id)


def require_reachable(vm_id: int, nic: NicRow, family: int) -> None:
    """:raises NotReachable: its network is libvirt's, which lets nobody in, or it has no address of the family."""
    if nic.kind == NetworkKind.NAT:
        raise NotReachable(vm_id, nic.number, family, f"its network is of kind {nic.kind}; take one of a user's")
    if not any(ip_address(each).version == family for each in nic.addresses):
        raise NotReachable(vm_id, nic.number, family, "it has no such address of its own")


def unassign(caller: ClusterCall, address_id: int, account_id: int | None) -> PublicAddress:
    """
    Nobody is reached by it any more; it stays its owner's. It may be so already.

    :param account_id: whose it has to be; None: an administrator asks.
    :raises VersionChanged: another VM got it meanwhile.
    """
    session = caller.session
    found, vm = _hold(caller, address_id, account_id)
    if vm is not None:
        store.set_nic(session, address_id, None)
        _changed(session, address_id, found["user_id"], vm)
    caller.note("unassign public address", address=found["address"], vm_id=found["vm_id"])
    return store.get_public_address(session, address_id, account_id=account_id)


def _hold(caller: ClusterCall, address_id: int, account_id: int | None) -> tuple[PublicAddress, VMRow | None]:
    """An address and the VM that has it, their rows locked."""
    session = caller.session
    seen = store.get_public_address(session, address_id, account_id=account_id)
    vm = None if seen["vm_id"] is None else get_vm(session, seen["vm_id"], lock=True)  # VMs come before addresses
    found = store.get_public_address(session, address_id, account_id=account_id, lock=True, version=caller.if_version)
    if found["vm_id"] is None:
        return found, None
    if vm is None or found["vm_id"] != vm.id:
        raise VersionChanged(NOUN, address_id, found["version"], seen["version"])
    return found, vm


def _changed(session: Session, address_id: int, account_id: int | None, vm: VMRow) -> None:
    record_change(session, NOUN, address_id, account_id)
    if vm.node_id is not None:
        document_changed(session, vm.node_id)
    render_live(session, vm.id)


def leave_vm(session: Session, vm_id: int, nic_id: int | None = None) -> None:
    """
    A VM ends, whose row is locked, or one of its NICs: its addresses stay their owners', its ports are given away anew.
    """
    store.public_changed(session, vm_id)
    for address_id in store.addresses_of_vm(session, vm_id, nic_id):
        store.set_nic(session, address_id, None)
    drop_ports(session, vm_id, nic_id)


def leave_owner(session: Session, vm: VMRow) -> None:
    """A VM changes hands, whose row is locked: its addresses stay its old owner's, and lead to it no more."""
    addresses = store.addresses_of_vm(session, vm.id)
    if addresses:
        store.public_changed(session, vm.id)
    for address_id in addresses:
        store.set_nic(session, address_id, None)
