"""A pass over one node: read what is recorded, ask the node, plan, and apply what the plan says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from sqlalchemy.orm import Session
from twisted.logger import Logger

from cm.interfaces.hypervisor import DomainSeen
from cm.rpc.errors import CloudError, DeadlineExceeded, NodeBusy, NodeUnreachable, ObjectNotFound, Overloaded
from cm.rpc.vocabulary import Doubt, DriftKind, Seen, SeenReason, VMId
from cm.rules.host import Host
from cm.rules.names import operation_of_holder
from cm.rules.reconcile import NOTHING, Discard, DomainFound, Placed, Plan, plan
from cm.services.context import ClusterPolicy, Services
from cm.services.evidence import record_look
from cm.services.health import doubt_missing, doubt_silent, judge
from cm.services.host import recognise, seen_host
from cm.services.hung import settle_found
from cm.services.stopped import look_after
from cm.services.unknown import look_at_unknown
from cm.store.drift import record_findings
from cm.store.erased import seen_without
from cm.store.fenced import forget_fenced
from cm.store.operation import open_ones
from cm.store.reconcile import Recorded, record_node, recorded, whose, write_passed
from cm.store.unknown import UnknownSeen, record_unknown

log = Logger()
KINDS = (DriftKind.UNKNOWN_DOMAIN, DriftKind.MISSING_DOMAIN, DriftKind.WRONG_STATE)


async def run_pass(
    services: Services,
    node_id: int,
    *,
    fresh: bool = False,
    known: Recorded | None = None,
    as_recorded: Callable[[int], None] | None = None,
    panicked: Collection[str] = (),
) -> Plan | None:
    """
    One full pass. A node that does not answer keeps its VMs as they were, and is noted as unreachable.

    :param fresh: it is the first since we are connected: which machine answers is asked, too.
    :param known: what is recorded of it, where that was read just now.
    :param as_recorded: is handed the node where everything was found as recorded, and then has to see to
        ``mark_passed``; without it that is written here.
    :param panicked: uuids of domains whose guests' kernels were heard to panic. Once it has ended, its hypervisor tells
        of such a one what it does of a QEMU that died.
    :return: the plan that was applied; None where the node did not answer.
    """
    database, fleet = services.database, services.fleet
    known_here = known or (await database.read(recorded, [node_id]))[node_id]
    records, launched = known_here.records, known_here.launched
    try:
        domains = await fleet.node(node_id).hypervisor.domains()
        info = await fleet.node(node_id).hypervisor.info() if fresh else None
    except (NodeBusy, Overloaded):
        return None  # it answers others: that is no evidence of anything
    except (NodeUnreachable, DeadlineExceeded) as error:
        await database.transact(_record_silence, node_id, str(error), services.policy)
        await doubt_silent(services, node_id, known_here.doubted)
        return None
    except ObjectNotFound:
        return None
    all_uuids = [domain.uuid for domain in domains]
    held = {number: d for d in domains if (number := operation_of_holder(d.name)) is not None}
    if held:
        domains = [d for d in domains if d not in held.values()]
        for operation_id in held.keys() - await database.read(open_ones, list(held)):
            await _discard(services, node_id, Discard(held[operation_id].uuid, held[operation_id].name))
    strange = {d.uuid for d in domains} - {record.uuid for record in records}
    closed: dict[str, VMId] = {}
    elsewhere: dict[str, Placed] = {}
    here: set[str] = set()
    if strange:
        closed, elsewhere, here = await database.read(whose, node_id, sorted(strange))
    found = [DomainFound(d.uuid, d.name, d.state, _why(d, panicked)) for d in domains if d.uuid not in here]
    made = plan(records, found, closed, elsewhere)
    doubtful = any(why is not Doubt.NONE for why in known_here.doubted.values())
    if as_recorded is not None and known_here.calm and not (strange or fresh or doubtful) and made == NOTHING:
        as_recorded(node_id)
        return made
    unknown = [d for d in domains if d.uuid in strange and d.uuid not in closed and d.uuid not in here]
    seen_unknown = await look_at_unknown(services, node_id, unknown)
    host = None if info is None else seen_host(info)
    # Before it takes VMs again: what was taken from it may be running elsewhere.
    gone = {leftover.uuid for leftover in made.discard if await _discard(services, node_id, leftover)}
    await database.transact(_record_pass, node_id, made, seen_unknown, host, services.policy, all_uuids, gone)
    missing = {f.vm_id for f in made.findings if f.kind is DriftKind.MISSING_DOMAIN and f.vm_id is not None}
    await doubt_missing(services, missing, known_here.doubted)
    for seen in made.observe:
        outcome = await database.transact(
            record_look, seen.vm_id, seen.version, launched[seen.vm_id], seen.state, seen.reason
        )
        log.info(
            "node {node_id}: VM {vm_id} was found {state} ({reason}): {outcome}",
            node_id=node_id,
            vm_id=seen.vm_id,
            state=seen.state,
            reason=seen.reason,
            outcome=outcome,
        )
    for vm_id in made.hung:
        await database.transact(settle_found, vm_id, node_id)
    if made.stopped:
        await look_after(services, node_id, made.stopped)
    return made


def _why(domain: DomainSeen, panicked: Collection[str]) -> SeenReason:
    died = domain.state is Seen.OFF and domain.reason is SeenReason.CRASHED
    return SeenReason.PANICKED if died and domain.uuid in panicked else domain.reason


def _record_pass(
    session: Session,
    node_id: int,
    made: Plan,
    unknown: Sequence[UnknownSeen],
    host: Host | None,
    policy: ClusterPolicy,
    uuids: Sequence[str],
    gone: Collection[str],
) -> None:
    """
    That the node answered, and as which machine; what of its answer is for the drift ledger, what is there that is not
    ours, and what is not there any more.

    :param uuids: of all domains that it had.
    :param gone: of those that were discarded since.
    """
    record_node(session, node_id, "ok", "")
    if host is not None:
        recognise(session, node_id, host)
    judge(session, [node_id], policy)
    record_unknown(session, node_id, unknown)
    seen_without(session, node_id, uuids)
    forget_fenced(session, node_id, [uuid for uuid in uuids if uuid not in gone])
    record_findings(session, node_id, made.findings, KINDS)


def _record_silence(session: Session, node_id: int, reason: str, policy: ClusterPolicy) -> None:
    record_node(session, node_id, "unreachable", reason)
    judge(session, [node_id], policy)


async def _discard(services: Services, node_id: int, leftover: Discard) -> bool:
    """:return: whether it is gone."""
    log.warn("node {node_id}: domain {name} is left over and discarded", node_id=node_id, name=leftover.name)
    try:
        await services.fleet.node(node_id).hypervisor.destroy(leftover.uuid)
        await services.fleet.node(node_id).hypervisor.undefine(leftover.uuid)
    except CloudError as error:
        log.warn("node {node_id}: it could not be: {error}", node_id=node_id, error=str(error))
        return False
    return True


def mark_passed(session: Session, ago_s: Mapping[int, float], policy: ClusterPolicy) -> None:
    """
    Note that nodes were found as recorded, all in one commit.

    :param ago_s: by node, how many seconds ago.
    """
    write_passed(session, ago_s)
    judge(session, sorted(ago_s), policy)
