"""A pass over one node: read what is recorded, ask the node, plan, and apply what the plan says."""

from __future__ import annotations

import uuid as uuid_module
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session
from twisted.logger import Logger

from cm.interfaces.hypervisor import DomainSeen, NodeInfo
from cm.rpc.errors import CloudError, DeadlineExceeded, NodeBusy, NodeUnreachable, ObjectNotFound, Overloaded
from cm.rpc.vocabulary import Doubt, DriftKind, Seen, VMId, Wanted
from cm.rules.host import Host
from cm.rules.reconcile import NOTHING, Discard, DomainFound, Placed, Plan, VMRecord, plan
from cm.runtime.prepared import Prepared
from cm.services.context import ClusterPolicy, Services
from cm.services.evidence import record_look
from cm.services.health import doubt_missing, doubt_silent, judge
from cm.services.hosts import recognise, seen_host
from cm.services.unknown import look_at_unknown
from cm.store.change import record_change
from cm.store.conditions import is_open_root
from cm.store.drift import record_findings
from cm.store.unknown import UnknownSeen, record_unknown

log = Logger()
PASS_DEADLINE_S = 20.0
KINDS = (DriftKind.UNKNOWN_DOMAIN, DriftKind.MISSING_DOMAIN, DriftKind.WRONG_STATE)


_RECORDS = Prepared(
    "node_records",
    f"""
SELECT v.node_id, v.id, v.uuid::text AS uuid, v.version, v.wanted, v.seen, v.launched_at, v.doubt,
       EXISTS (SELECT 1 FROM operation o WHERE o.vm_id = v.id AND {is_open_root("o")}) AS busy
  FROM vm v WHERE v.node_id = ANY(CAST(:nodes AS bigint[])) AND v.closed_at IS NULL
   AND (v.node_claimed OR v.seen NOT IN ('off', 'absent'))
""",
)
# Nodes of which a pass that finds everything as recorded has nothing to write but that it was made.
_CALM = Prepared(
    "calm_nodes",
    """
SELECT n.id FROM node n WHERE n.id = ANY(CAST(:nodes AS bigint[])) AND n.state = 'ok'
   AND NOT EXISTS (SELECT 1 FROM drift d WHERE d.node_id = n.id AND d.closed_at IS NULL)
   AND NOT EXISTS (SELECT 1 FROM unknown_domain u WHERE u.node_id = n.id)
""",
)


@dataclass(frozen=True)
class Recorded:
    """
    The live VMs of a node, before it is asked; when each was launched last, and what is doubted of them.

    :ivar calm: nothing is open of the node itself: no drift, no unknown domain, and it answered the last time.
    """

    records: tuple[VMRecord, ...]
    launched: dict[VMId, datetime | None]
    doubted: dict[VMId, Doubt]
    calm: bool


def recorded(session: Session, node_ids: Sequence[int]) -> dict[int, Recorded]:
    """Of several nodes at once, by their ids: a statement costs far more than a row of it."""
    by_node: dict[int, list[Any]] = {node_id: [] for node_id in node_ids}
    for row in _RECORDS(session, nodes=list(node_ids)):
        by_node[row.node_id].append(row)
    calm = frozenset(_CALM(session, nodes=list(node_ids)).scalars())
    return {node_id: _recorded(rows, node_id in calm) for node_id, rows in by_node.items()}


def _recorded(rows: Sequence[Any], calm: bool) -> Recorded:
    records = (VMRecord(VMId(r.id), r.uuid, r.version, Wanted(r.wanted), Seen(r.seen), r.busy) for r in rows)
    shown = [r for r in rows if Seen(r.seen) in (Seen.RUNNING, Seen.PAUSED) or r.doubt]
    return Recorded(
        tuple(records), {VMId(r.id): r.launched_at for r in rows}, {VMId(r.id): Doubt(r.doubt) for r in shown}, calm
    )


def whose(session: Session, node_id: int, uuids: Sequence[str]) -> tuple[dict[str, VMId], dict[str, Placed], set[str]]:
    """Of domains that are not recorded on a node: those of closed VMs, those of VMs placed elsewhere, and those of VMs
    that were placed there meanwhile."""
    keys = [uuid_module.UUID(u) for u in uuids]
    closed: dict[str, VMId] = {}
    elsewhere: dict[str, Placed] = {}
    here: set[str] = set()
    found = session.execute(
        text(
            "SELECT v.id, v.uuid::text AS uuid, v.name, v.closed_at IS NOT NULL AS closed, v.node_id, n.name AS node,"
            " ARRAY(SELECT o.name FROM unknown_domain d JOIN node o ON o.id = d.node_id"
            "  WHERE d.uuid = v.uuid AND d.node_id <> :n AND d.state IN ('running', 'paused')"
            "  ORDER BY o.name) AS others"
            " FROM vm v LEFT JOIN node n ON n.id = v.node_id WHERE v.uuid = ANY(:keys)"
        ),
        {"keys": keys, "n": node_id},
    )
    for row in found:
        if row.closed:
            closed[row.uuid] = VMId(row.id)
        elif row.node_id == node_id:
            here.add(row.uuid)
        else:
            elsewhere[row.uuid] = Placed(VMId(row.id), row.name, row.node or "", tuple(row.others))
    return closed, elsewhere, here


async def pass_over(
    services: Services,
    node_id: int,
    *,
    fresh: bool = False,
    known: Recorded | None = None,
    as_recorded: Callable[[int], None] | None = None,
) -> Plan | None:
    """
    One full pass. A node that does not answer keeps its VMs as they were, and is noted as unreachable.

    :param fresh: it is the first since we are connected: which machine answers is asked, too.
    :param known: what is recorded of it, where that was read just now.
    :param as_recorded: is handed the node where everything was found as recorded, and then has to see to
        ``mark_passed``; without it that is written here.
    :return: the plan that was applied; None where the node did not answer.
    """
    database, fleet = services.database, services.fleet
    known_here = known or (await database.read(recorded, [node_id]))[node_id]
    records, launched = known_here.records, known_here.launched
    try:
        domains: Sequence[DomainSeen] = await fleet.call(node_id, "domains", deadline_s=PASS_DEADLINE_S)
        info: NodeInfo | None = await fleet.call(node_id, "info", deadline_s=PASS_DEADLINE_S) if fresh else None
    except (NodeBusy, Overloaded):
        return None  # it answers others: that is no evidence of anything
    except (NodeUnreachable, DeadlineExceeded) as error:
        await database.transact(_record_silence, node_id, str(error), services.policy)
        await doubt_silent(services, node_id, known_here.doubted)
        return None
    except ObjectNotFound:
        return None
    strange = {d.uuid for d in domains} - {record.uuid for record in records}
    closed: dict[str, VMId] = {}
    elsewhere: dict[str, Placed] = {}
    here: set[str] = set()
    if strange:
        closed, elsewhere, here = await database.read(whose, node_id, sorted(strange))
    found = [DomainFound(d.uuid, d.name, d.state, d.reason) for d in domains if d.uuid not in here]
    made = plan(records, found, closed, elsewhere)
    doubtful = any(why is not Doubt.NONE for why in known_here.doubted.values())
    if as_recorded is not None and known_here.calm and not (strange or fresh or doubtful) and made == NOTHING:
        as_recorded(node_id)
        return made
    unknown = [d for d in domains if d.uuid in strange and d.uuid not in closed and d.uuid not in here]
    seen_unknown = await look_at_unknown(services, node_id, unknown)
    host = None if info is None else seen_host(info)
    await database.transact(_record_pass, node_id, made, seen_unknown, host, services.policy)
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
    for leftover in made.discard:
        await _discard(services, node_id, leftover)
    return made


def _record_pass(
    session: Session, node_id: int, made: Plan, unknown: Sequence[UnknownSeen], host: Host | None, policy: ClusterPolicy
) -> None:
    """That the node answered, and as which machine; what of its answer is for the drift ledger, and what is there that
    is not ours."""
    record_node(session, node_id, "ok", "")
    if host is not None:
        recognise(session, node_id, host)
    judge(session, [node_id], policy)
    record_unknown(session, node_id, unknown)
    record_findings(session, node_id, made.findings, KINDS)


def _record_silence(session: Session, node_id: int, reason: str, policy: ClusterPolicy) -> None:
    record_node(session, node_id, "unreachable", reason)
    judge(session, [node_id], policy)


async def _discard(services: Services, node_id: int, leftover: Discard) -> None:
    log.warn("node {node_id}: domain {name} of a destroyed VM is discarded", node_id=node_id, name=leftover.name)
    try:
        await services.fleet.call(node_id, "destroy", leftover.uuid)
        await services.fleet.call(node_id, "undefine", leftover.uuid)
    except CloudError as error:
        log.warn("node {node_id}: it could not be: {error}", node_id=node_id, error=str(error))


_PASSED = Prepared(
    "mark_passed",
    "UPDATE node n SET seen_at = clock_timestamp() - make_interval(secs => m.ago_s),"
    " passed_at = clock_timestamp() - make_interval(secs => m.ago_s)"
    " FROM unnest(CAST(:ids AS bigint[]), CAST(:ago_s AS float8[])) AS m(id, ago_s)"
    " WHERE n.id = m.id AND n.state = 'ok' AND n.deleted_at IS NULL",
)


def mark_passed(session: Session, ago_s: Mapping[int, float], policy: ClusterPolicy) -> None:
    """
    Note that nodes were found as recorded, all in one commit.

    :param ago_s: by node, how many seconds ago.
    """
    node_ids = sorted(ago_s)
    _PASSED(session, ids=node_ids, ago_s=[ago_s[node_id] for node_id in node_ids])
    judge(session, node_ids, policy)


_NODE_SEEN = Prepared(
    "record_node",
    "UPDATE node SET state = :state, state_reason = :reason,"
    " seen_at = CASE WHEN :seen THEN clock_timestamp() ELSE seen_at END,"
    " passed_at = CASE WHEN :passed THEN clock_timestamp() ELSE passed_at END"
    " WHERE id = :id AND deleted_at IS NULL"
    " RETURNING (SELECT n.state FROM node n WHERE n.id = :id) AS was",
)


def record_node(session: Session, node_id: int, state: str, reason: str, *, passed: bool = True) -> None:
    """
    Note whether a node answered. The change feed hears of it when that changed.

    :param passed: it was asked for all of its domains. Whoever only looks whether it answers puts no pass off.
    """
    seen = state == "ok"
    passed = passed and seen
    changed = _NODE_SEEN(session, id=node_id, state=state, reason=reason, seen=seen, passed=passed).first()
    if changed is not None and changed.was != state:
        log.info(
            "node {node_id}: {was} -> {state} {reason}", node_id=node_id, was=changed.was, state=state, reason=reason
        )
        record_change(session, "node", node_id, None)
