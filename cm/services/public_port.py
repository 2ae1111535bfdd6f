"""Use cases of ports of shared public addresses, which VMs get singly."""

from __future__ import annotations

from ipaddress import ip_address

from sqlalchemy.orm import Session

from cm.results.public_address import Entrance, PublicPort
from cm.rpc.errors import LimitReached, ObjectNotFound, QuotaReached
from cm.rpc.vocabulary import PortProtocol, VMEventCode
from cm.rules.access import Action
from cm.rules.public_address import free_port
from cm.services.access import authorized_vm, person_of
from cm.services.context import ClusterCall
from cm.services.public_address import check_live, require_reachable
from cm.services.security_group import get_nic
from cm.store import public_port as store
from cm.store.instance import note_event
from cm.store.public_address import public_changed
from cm.store.security_group import NicRow
from cm.store.vm import VMRow, render_vm


class NoPublicPort(LimitReached):
    code = "no_public_port"
    message = (
        "No shared public address has a port for this: there is none, all are taken, or other nodes answer."
    )


def add(
    caller: ClusterCall, vm_id: int, guest_port: int, protocol: PortProtocol, number: int, *, always: bool = False
) -> PublicPort:
    """
    Have a guest's port be reached by one of a shared address. One that is there already is answered with.

    :param always: the VM's history tells of it also where it is there already.
    :raises ObjectNotFound: AccessNeeded: the VM is not the caller's to change.
    :raises QuotaReached: its account has as many as it may.
    :raises NoPublicPort: there is none for it.
    :raises NotReachable: nobody reaches that card.
    """
    session = caller.session
    vm = _vm(caller, vm_id)
    nic = get_nic(session, vm_id, number)
    if _port(session, vm_id, number, protocol, guest_port) is None:
        families: set[int] = {ip_address(each).version for each in nic.addresses}
        require_reachable(vm_id, nic, min(families, default=4))
        used, quota = store.count_ports(session, vm.account_id)
        if used >= quota:
            raise QuotaReached("public_ports", quota, used, 1)
        _draw(session, vm, nic, families, protocol, guest_port)
        always = True
        public_changed(session, vm_id)
        render_vm(session, vm_id)
    if always:
        told = {"protocol": protocol, "port": guest_port}
        note_event(session, vm_id, VMEventCode.ADD_PORT, caller.account_id, told)
    made = _port(session, vm_id, number, protocol, guest_port)
    assert made is not None
    caller.note("add port", vm_id=vm_id, nic=number, protocol=str(protocol), guest_port=guest_port, port=made["port"])
    return made


def entrances(caller: ClusterCall, vm_id: int) -> list[Entrance]:
    """How a VM that the caller sees is reached, if its groups and its guest let them in."""
    row = authorized_vm(caller.session, person_of(caller.identity), vm_id, caller.action("vm_id"))
    return store.entrances_of(caller.session, row.id)


def _vm(caller: ClusterCall, vm_id: int) -> VMRow:
    who, version = person_of(caller.identity), caller.if_version
    vm = authorized_vm(caller.session, who, vm_id, Action.EDIT, lock=True, version=version)
    check_live(vm)
    return vm


def _draw(
    session: Session, vm: VMRow, nic: NicRow, families: set[int], protocol: PortProtocol, guest_port: int
) -> None:
    """:raises NoPublicPort: no shared address has one."""
    node_id = vm.node_id if vm.node_claimed else None
    for family in sorted(families):
        for address_id in store.shared_addresses(session, vm.id, node_id, family):
            taken = store.taken_ports(session, address_id, protocol)
            port = None if taken is None else free_port(guest_port, taken)
            if port is not None:
                store.insert_port(session, address_id, protocol, port, nic.id, guest_port)
                return
    raise NoPublicPort()


def _port(session: Session, vm_id: int, nic: int, protocol: PortProtocol, guest_port: int) -> PublicPort | None:
    wanted = (nic, protocol, guest_port)
    found = (each for each in store.ports_of(session, vm_id))
    return next((each for each in found if (each["nic"], each["protocol"], each["guest_port"]) == wanted), None)


def remove(caller: ClusterCall, vm_id: int, guest_port: int, protocol: PortProtocol, number: int) -> None:
    """
    :raises ObjectNotFound: AccessNeeded: the VM is not the caller's to change, or has no such port.
    """
    session = caller.session
    vm = _vm(caller, vm_id)
    nic = get_nic(session, vm_id, number)
    public_changed(session, vm_id)  # with those that come to answer for the address then
    if not store.delete_port(session, nic.id, protocol, guest_port):
        raise ObjectNotFound("public_port", f"{protocol}/{guest_port}")
    note_event(
        session, vm_id, VMEventCode.REMOVE_PORT, caller.account_id, {"protocol": protocol, "port": guest_port}
    )
    render_vm(session, vm.id)
    caller.note("remove port", vm_id=vm_id, nic=number, protocol=str(protocol), guest_port=guest_port)
