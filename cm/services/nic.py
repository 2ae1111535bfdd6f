"""Use cases of NICs of VMs that are there: attach, detach. The record says what a VM has; an operation has its domain
agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy.orm import Session

from cm.results.network import Nic, NicWork
from cm.rpc.errors import InvalidParameter, NetworkOutOfReach, NoFreeAddress, NotPermitted
from cm.rpc.vocabulary import NetworkKind, NicModel
from cm.rules.access import Action
from cm.rules.cause import Cause
from cm.rules.operation import ObjectKind, OperationKind
from cm.services import bandwidth as bandwidths
from cm.services.access import authorized_vm, person_of
from cm.services.attaching import check_vm
from cm.services.context import ClusterCall
from cm.services.joining import check_free, usable
from cm.services.public_address import check_live, leave_vm
from cm.services.security_group import default_group, get_nic, put_into
from cm.store.creation import NICS_MAX
from cm.store.link import links_changed, makes_link
from cm.store.nic import (
    AS_IT_IS,
    Bandwidth,
    delete_nic,
    draw_nic,
    limit_nics,
    list_nics,
    list_nics_of,
    mark_nic_leaving,
    set_spoofing,
)
from cm.store.node_document import documents_changed
from cm.store.operation import open_operation
from cm.store.security_group import members_change
from cm.store.vm import VMRow, render_vm


class SpoofingRefused(NotPermitted):
    code = "spoofing_refused"
    message = "Here only an administrator lets a network card send as anybody."


def attach(
    caller: ClusterCall,
    vm_id: int,
    network_id: int,
    address: str | None,
    model: NicModel | None,
    group_ids: Sequence[int] | None,
    bandwidth: Bandwidth = AS_IT_IS,
) -> NicWork:
    """
    Give a VM another NIC. It is the VM's from now on, with its address; a running one gets it by an operation, which
    takes it away again if that fails.

    :param address: None: the first that is free.
    :param model: None: that of the VM's first NIC.
    :raises InvalidParameter: the VM has as many as it may, or runs and takes no such model.
    :param group_ids: security groups of the VM's account; None: its default group on users' networks, else none.
    :raises ObjectNotFound: the network is neither the caller's nor everybody's, or a group not the account's.
    :raises NetworkOutOfReach: the VM runs where that network is not made.
    :raises NoFreeAddress: AddressTaken: none is free, or not that one; or the network is locked.
    :raises VMBusy: an operation is under way on it.
    :raises WrongVMState: it neither runs nor is stopped.
    :raises QuotaReached: more groups than a NIC can be in.
    :raises BandwidthRefused: BandwidthNotHeld: it may not have so much, or nobody would hold it to that.
    """
    session, kind = caller.session, OperationKind.NIC_ATTACH
    row = authorized_vm(
        session, person_of(caller.identity), vm_id, caller.action("vm_id"), lock=True, version=caller.if_version
    )
    check_vm(row, kind)
    bandwidths.check(caller, bandwidth)
    bandwidths.check_held(caller, row, bandwidth)
    network = usable(caller, network_id)
    made_by_agents = network.kind != NetworkKind.NAT
    if row.runs_on is not None and made_by_agents and not makes_link(session, row.runs_on, network.uplink):
        raise NetworkOutOfReach(network_id, vm_id)
    cards = list_nics(session, vm_id)
    if len(cards) >= NICS_MAX:
        raise InvalidParameter("vm_id", f"the VM has {len(cards)} network cards already, and no room for more")
    if address is not None:
        check_free(session, network_id, address, "address")
    chosen = model or (NicModel(cards[0]["model"]) if cards else NicModel.VIRTIO)
    only_virtio = all(card["model"] == NicModel.VIRTIO for card in cards)
    if row.runs_on is not None and chosen is not NicModel.VIRTIO and only_virtio:
        # QEMU's newer machine has the bus of these only if it is started with one of them.
        raise InvalidParameter("model", "a VM that runs takes virtio cards, or others where it was started with such")
    drawn = draw_nic(session, vm_id, network_id, address, chosen)
    if drawn is None:
        raise NoFreeAddress()
    if group_ids is None:
        group_ids = [default_group(session, row.account_id)] if network.kind == NetworkKind.VXLAN else []
    put_into(session, row, drawn[1], group_ids)
    if bandwidth:
        limit_nics(session, [vm_id], drawn[1], bandwidth)
    return _open(caller, kind, row, drawn[1])


def detach(caller: ClusterCall, vm_id: int, number: int) -> NicWork:
    """
    Take a NIC from a VM. It and its addresses are the VM's until it is seen that the guest has let go of it.

    :raises InvalidParameter: the VM has no such NIC.
    :raises VMBusy: an operation is under way on it.
    :raises WrongVMState: it neither runs nor is stopped.
    """
    session, kind = caller.session, OperationKind.NIC_DETACH
    row = authorized_vm(
        session, person_of(caller.identity), vm_id, caller.action("vm_id"), lock=True, version=caller.if_version
    )
    nic = get_nic(session, vm_id, number)
    check_vm(row, kind)
    mark_nic_leaving(session, nic.id, True)
    return _open(caller, kind, row, number)


def own_list(caller: ClusterCall, vm_id: int | None, limit: int, after: int | None) -> list[Nic]:
    """
    The NICs of the caller's VMs by their ids, or of one VM that they see, by number.

    :param after: the last id of the page before.
    """
    if vm_id is None:
        return list_nics_of(caller.session, caller.account_id, after, limit)
    row = authorized_vm(caller.session, person_of(caller.identity), vm_id, caller.action("vm_id"))
    return list_nics(caller.session, row.id)


def of_vm(caller: ClusterCall, vm_id: int) -> list[Nic]:
    """Of any VM, for an administrator."""
    return list_nics(caller.session, authorized_vm(caller.session, None, vm_id, Action.SEE).id)


def edit(
    caller: ClusterCall,
    vm_id: int,
    number: int,
    spoofing: bool | None,
    bandwidth: Bandwidth,
    *,
    administrator: bool = False,
) -> Nic:
    """
    Have a NIC send as anybody, or as itself alone, and carry so much at the most. Nodes follow without a restart.

    :raises SpoofingRefused: BandwidthRefused: its owner may not, and asks for it.
    :raises BandwidthNotHeld: nobody would hold it to that where it runs.
    :raises InvalidParameter: the VM has no such NIC.
    """
    session = caller.session
    who, action = (None, Action.SEE) if administrator else (person_of(caller.identity), caller.action("vm_id"))
    row = authorized_vm(session, who, vm_id, action, lock=True, version=caller.if_version)
    check_live(row)
    nic = get_nic(session, vm_id, number)
    if spoofing and not administrator and not caller.policy.owners_spoof:
        raise SpoofingRefused()
    bandwidths.check(caller, bandwidth, administrator=administrator)
    bandwidths.check_held(caller, row, bandwidth)
    if spoofing is not None:
        set_spoofing(session, nic.id, spoofing)
    if bandwidth:
        limit_nics(session, [vm_id], number, bandwidth)
    documents_changed(session, row.node_id, row.moves_to)
    caller.note("edit network card", vm_id=vm_id, nic=number, spoofing=spoofing, **asdict(bandwidth))
    return next(card for card in list_nics(session, vm_id) if card["nic"] == number)


def nodes_told(session: Session, row: VMRow) -> None:
    """What nodes know of a VM's NICs changes, or has: its own, and all that carry its networks."""
    links_changed(session, row.id)
    documents_changed(session, row.node_id, row.moves_to)


def _open(caller: ClusterCall, kind: OperationKind, row: VMRow, number: int) -> NicWork:
    session = caller.session
    card = next(card for card in list_nics(session, row.id) if card["nic"] == number)
    nodes_told(session, row)
    operation_id = open_operation(
        session,
        kind,
        account_id=caller.account_id or None,
        objects={ObjectKind.VM: [row.id], ObjectKind.NIC: [card["nic_id"]]},
        node_id=row.node_id,
        cause=caller.cause,
    )
    render_vm(session, row.id)
    caller.note("operation", kind=kind, vm_id=row.id, nic=number, addresses=card["addresses"])
    return {
        "vm_id": row.id,
        "nic": number,
        "nic_id": card["nic_id"],
        "mac": card["mac"],
        "addresses": card["addresses"],
        "operation_id": operation_id,
    }


def drop(session: Session, row: VMRow, nic_id: int) -> None:
    """
    A NIC that no domain has, or will have: its addresses are free for others, and nodes forget it. Public ones that it
    had stay their owner's.
    """
    nodes_told(session, row)
    leave_vm(session, row.id, nic_id)
    members_change(session, row.id)
    delete_nic(session, row.id, nic_id)


def take_back(session: Session, row: VMRow, nic_id: int, account_id: int | None, cause: Cause) -> None:
    """Detach what a failed or given up attach may have attached: of a domain that runs, whoever knows if it has it."""
    mark_nic_leaving(session, nic_id, True)
    open_operation(
        session,
        OperationKind.NIC_DETACH,
        account_id=account_id,
        objects={ObjectKind.VM: [row.id], ObjectKind.NIC: [nic_id]},
        node_id=row.node_id,
        cause=cause,
    )
