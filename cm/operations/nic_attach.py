"""
Giving NICs to VMs, and taking them away. What a VM has its rows say, from when it was asked for a NIC, to when it was
seen that its domain has it no more; of a VM that is off they are all there is to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from sqlalchemy.orm import Session

from cm.interfaces.calls import DEADLINE_S, Pace, job
from cm.interfaces.hypervisor import NicSpec
from cm.interfaces.network import NetworkSpec
from cm.interfaces.node import INode
from cm.operations.base import Kind, Work, register, vm_of
from cm.operations.linking import await_links, look_for_links
from cm.operations.plugging import ASKED_AT, PlugKind, let_go, node_of_domain
from cm.operations.vm_power import settle_end
from cm.rpc.errors import CloudError, DomainNotRunning, HypervisorError, NicKept, ObjectNotFound
from cm.rpc.vocabulary import CauseKind
from cm.rules.cause import Cause
from cm.rules.operation import ObjectKind, OperationKind
from cm.services.evidence import rest_by_evidence
from cm.services.network import networks_of
from cm.services.nic import drop, take_back
from cm.store.domain import nic_spec
from cm.store.nic import mark_nic_leaving, nics_of
from cm.store.operation import OperationRow
from cm.store.operation_object import Objects
from cm.store.vm import VMRow, get_vm


@dataclass(frozen=True)
class Plugged:
    """
    A NIC of a VM that runs.

    :ivar networks: those of the VM that libvirt makes.
    """

    uuid: str
    node_id: int
    number: int
    nic: NicSpec
    networks: tuple[NetworkSpec, ...]

    @property
    def links(self) -> tuple[str, ...]:
        return (self.nic.bridge,) if self.nic.bridge else ()


def nic_of(op: OperationRow) -> int:
    return op.get(ObjectKind.NIC)


def _plugged(session: Session, row: VMRow, op: OperationRow) -> Plugged | None:
    """
    :return: None where the VM is off: its next start takes the record.
    :raises Wait: another worker has not stopped at the VM yet.
    :raises ObjectNotFound: it has that NIC no more.
    """
    node_id = node_of_domain(session, row, op)
    if node_id is None:
        return None
    for found in nics_of(session, row.id):
        if found.id == nic_of(op):
            networks = tuple(networks_of(session, row.id))
            return Plugged(row.uuid, node_id, found.number, nic_spec(found), networks)
    raise ObjectNotFound("nic", nic_of(op))


@job(Pace.SLOW, DEADLINE_S)
def plug(node: INode, plan: Plugged) -> None:
    """On the node's threads."""
    for network in plan.networks:
        if not plan.nic.bridge and network.name == plan.nic.network:
            node.networks.ensure(network)
    node.nics.attach(plan.uuid, plan.nic)


async def attach(work: Work) -> None:
    """Give it to the domain that runs; one that has ended meanwhile has it when it is started."""
    plan = await work.db_vm(_plugged, work.op)
    if plan is not None:
        await await_links(work, plan.node_id, plan.links)
        try:
            await work.node(plan.node_id).run(plug, plan)
        except DomainNotRunning:
            pass
        except HypervisorError as error:
            await look_for_links(work, plan.node_id, plan.links, error)
            raise
    await work.complete(settle_end, work.op)


async def detach(work: Work) -> None:
    """
    Ask the guest for it until it is gone from the domain.

    :raises NicKept: it does not let go of it.
    """
    plan = await work.db_vm(_plugged, work.op)
    if plan is not None:
        nics, kept = work.node(plan.node_id).nics, partial(NicKept, plan.number)
        await let_go(work, nics, plan.uuid, plan.nic.mac, "the network card", kept)
    await work.complete(_detached, work.op)


def _detached(session: Session, op: OperationRow) -> None:
    drop(session, get_vm(session, vm_of(op)), nic_of(op))
    settle_end(session, op)


@register
class NicAttach(PlugKind):
    kind = OperationKind.NIC_ATTACH
    steps = {"attach": attach}

    def undo(self, session: Session, op: OperationRow, row: VMRow) -> None:
        """A domain that runs is asked for it until it is seen to be gone."""
        if row.runs_on is None:
            drop(session, row, nic_of(op))
            rest_by_evidence(session, op, by_policy=True)
        else:
            take_back(session, row, nic_of(op), op.account_id, Cause(CauseKind.OPERATION, str(op.id)))

    def reopened(self, session: Session, op: OperationRow) -> Objects:
        """:raises ObjectNotFound: it was taken back; attach another."""
        _mark(session, op, False)
        return {}


@register
class NicDetach(Kind):
    kind = OperationKind.NIC_DETACH
    notes = (ASKED_AT,)
    steps = {"detach": detach}

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        """It stays; should the guest let go of it later, that is found by looking (``leaving``)."""
        rest_by_evidence(session, op, by_policy=True)

    def abandoned(self, session: Session, op: OperationRow) -> None:
        rest_by_evidence(session, op, by_policy=True)

    def reopened(self, session: Session, op: OperationRow) -> Objects:
        """:raises ObjectNotFound: it is gone."""
        _mark(session, op, True)
        return {}


def _mark(session: Session, op: OperationRow, leaving: bool) -> None:
    if all(nic.id != nic_of(op) for nic in nics_of(session, vm_of(op))):
        raise ObjectNotFound("nic", nic_of(op))
    mark_nic_leaving(session, nic_of(op), leaving)
