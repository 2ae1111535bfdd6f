"""
What passes over nodes read and write: whose turn it is, what is recorded of a node before it is asked, and that it was.
"""

from __future__ import annotations

import uuid as uuid_module
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session
from twisted.logger import Logger

from cm.rpc.vocabulary import Doubt, Seen, VMId, Wanted
from cm.rules.reconcile import Placed, VMRecord
from cm.runtime.prepared import Prepared
from cm.store.change import record_change
from cm.store.conditions import is_disabled, is_set_aside, keeps_busy
from cm.store.operation_object import LEFT_TO
from cm.store.waking import wake_reaching

log = Logger()
SET_ASIDE: Final = "set_aside"

# ------------------------------------------------------------------ turns

# Nodes that answer get a pass less often where there are very many: news comes by hints, passes are for what was
# lost on the way.
_EVERY = (
    "CASE WHEN state = 'ok' THEN greatest(CAST(:every AS float8), CAST(:all AS float8))"
    " ELSE least(CAST(:every AS float8), CAST(:silent AS float8)) END"
)
_ASKED = f"deleted_at IS NULL AND NOT {is_disabled()}"
_ALL = Prepared("count_nodes", f"SELECT count(*) FROM node WHERE {_ASKED}")
_TURNS = Prepared(
    "take_turns",
    "UPDATE node SET passed_at = clock_timestamp() WHERE id IN ("
    f" SELECT id FROM node WHERE {_ASKED}"
    f"  AND (passed_at IS NULL OR passed_at < clock_timestamp() - make_interval(secs => {_EVERY}))"
    " ORDER BY passed_at NULLS FIRST LIMIT :most FOR UPDATE SKIP LOCKED) RETURNING id",
)
_NEXT = Prepared(
    "next_turn",
    "SELECT extract(epoch FROM min(CASE WHEN passed_at IS NULL THEN clock_timestamp() ELSE passed_at"
    f" + make_interval(secs => {_EVERY}) END) - clock_timestamp()) FROM node WHERE {_ASKED}",
)


@dataclass(frozen=True)
class Rhythm:
    """
    How often nodes get a pass.

    :ivar every_s: seconds between two passes over a node.
    :ivar silent_s: at the most, over one that does not answer.
    :ivar passes_per_s: all nodes' together at the most; where all are due at once, as when a cluster starts or its
        network was down, twice as many: begun together, hundreds would wait for each other until their deadlines, and
        their nodes be taken for unreachable.
    """

    every_s: float
    silent_s: float
    passes_per_s: float

    def values(self, nodes: int) -> dict[str, float]:
        return {"every": self.every_s, "silent": self.silent_s, "all": nodes / self.passes_per_s}

    @property
    def most(self) -> int:
        """Passes that are begun in one turn, of which there is one in a second."""
        return max(1, int(2 * self.passes_per_s))


def take_turns(session: Session, rhythm: Rhythm) -> list[int]:
    """
    Nodes whose pass is due, each given to one asker, and first those that waited longest. One that does not answer is
    asked more often.
    """
    return sorted(_TURNS(session, most=rhythm.most, **rhythm.values(_ALL(session).scalar_one())).scalars())


def next_turn(session: Session, rhythm: Rhythm) -> float:
    """Seconds until the next node's pass is due."""
    found = _NEXT(session, **rhythm.values(_ALL(session).scalar_one())).scalar()
    return rhythm.every_s if found is None else max(0.0, float(found))


# ------------------------------------------------------------------ records

# A VM whose waking was given up rests where its domain is not; while a worker is still at that, it may come any moment.
_RECORDS = Prepared(
    "node_records",
    f"""
SELECT v.node_id, v.id, v.uuid::text AS uuid, v.version, v.wanted, v.seen, v.launched_at, v.doubt,
       coalesce(v.released_at > greatest(v.launched_at, v.migrated_at), false) AS released,
       EXISTS (SELECT 1 FROM operation o WHERE o.vm_id = v.id AND {keeps_busy("o")})
       OR v.wanted = 'suspended' AND EXISTS (
           SELECT 1 FROM operation_object h JOIN operation o ON o.id = h.operation_id
            WHERE h.kind = 'vm' AND h.object_id = v.id AND {LEFT_TO}) AS busy
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
   AND NOT EXISTS (SELECT 1 FROM leftover_volume l WHERE n.id = ANY(l.node_ids))
""",
)


@dataclass(frozen=True)
class Recorded:
    """
    The live VMs of a node, before it is asked; when each was launched last, and what is doubted of them.

    :ivar calm: nothing is open of the node itself: no drift, no unknown domain, no erased VM that it may run, and it
        answered the last time.
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
    records = (
        VMRecord(VMId(r.id), r.uuid, r.version, Wanted(r.wanted), Seen(r.seen), r.busy, r.released) for r in rows
    )
    shown = [r for r in rows if Seen(r.seen) in (Seen.RUNNING, Seen.PAUSED) or r.doubt]
    return Recorded(
        tuple(records), {VMId(r.id): r.launched_at for r in rows}, {VMId(r.id): Doubt(r.doubt) for r in shown}, calm
    )


def whose(session: Session, node_id: int, uuids: Sequence[str]) -> tuple[dict[str, VMId], dict[str, Placed], set[str]]:
    """
    Of domains that are not recorded on a node: those of closed VMs, and of those that were taken from it; those of VMs
    placed elsewhere; and those of VMs that were placed there meanwhile, or are on their way there while they run.
    """
    keys = [uuid_module.UUID(u) for u in uuids]
    closed: dict[str, VMId] = {}
    elsewhere: dict[str, Placed] = {}
    here: set[str] = set()
    found = session.execute(
        text(
            "SELECT v.id, v.uuid::text AS uuid, v.name, v.closed_at IS NOT NULL AS closed, v.node_id, n.name AS node,"
            " EXISTS (SELECT 1 FROM fenced_vm f WHERE f.node_id = :n AND f.vm_id = v.id) AS fenced,"
            " v.moves_to = :n AND EXISTS (SELECT 1 FROM operation o WHERE o.vm_id = v.id AND o.kind = 'vm_migrate'"
            f" AND {keeps_busy('o')}) AS comes,"
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
        elif row.node_id == node_id or row.comes:
            here.add(row.uuid)
        elif row.fenced:
            closed[row.uuid] = VMId(row.id)
        else:
            elsewhere[row.uuid] = Placed(VMId(row.id), row.name, row.node or "", tuple(row.others))
    return closed, elsewhere, here


# ------------------------------------------------------------------ outcomes

_PASSED = Prepared(
    "mark_passed",
    "UPDATE node n SET seen_at = clock_timestamp() - make_interval(secs => m.ago_s),"
    " passed_at = clock_timestamp() - make_interval(secs => m.ago_s)"
    " FROM unnest(CAST(:ids AS bigint[]), CAST(:ago_s AS float8[])) AS m(id, ago_s)"
    " WHERE n.id = m.id AND n.state = 'ok' AND n.deleted_at IS NULL",
)


def write_passed(session: Session, ago_s: Mapping[int, float]) -> None:
    """
    Note that nodes were found as recorded.

    :param ago_s: by node, how many seconds ago.
    """
    node_ids = sorted(ago_s)
    _PASSED.post(session, ids=node_ids, ago_s=[ago_s[node_id] for node_id in node_ids])


_NODE_SEEN = Prepared(
    "record_node",
    "UPDATE node SET state = :state, state_reason = :reason,"
    " seen_at = CASE WHEN :seen THEN clock_timestamp() ELSE seen_at END,"
    " passed_at = CASE WHEN :passed THEN clock_timestamp() ELSE passed_at END"
    f" WHERE id = :id AND {_ASKED}"
    " RETURNING (SELECT n.state FROM node n WHERE n.id = :id) AS was",
)


def record_node(session: Session, node_id: int, state: str, reason: str, *, passed: bool = True) -> None:
    """
    Note whether a node answered. The change feed hears of it when that changed; of a disabled one nothing is noted.

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
        if seen:
            wake_reaching(session, node_id)


# ------------------------------------------------------------------ beside passes


def storages_by_node(session: Session) -> list[tuple[int, int]]:
    """Each storage with a node that has it attached and answers."""
    found = session.execute(
        text(
            "SELECT a.storage_id, min(a.node_id) AS node_id FROM storage_attachment a JOIN node n ON n.id = a.node_id"
            " WHERE a.state = 'attached' AND n.state = 'ok' AND n.deleted_at IS NULL GROUP BY a.storage_id ORDER BY 1"
        )
    )
    return [(row.storage_id, row.node_id) for row in found]


def nodes_by_state(session: Session) -> dict[str, int]:
    """How many nodes are in which state; those that are set aside in that."""
    state = f"CASE WHEN {is_set_aside()} THEN '{SET_ASIDE}' ELSE state END"
    found = session.execute(
        text(f"SELECT {state} AS state, count(*) AS n FROM node WHERE deleted_at IS NULL GROUP BY 1")
    )
    return {row.state: row.n for row in found}
