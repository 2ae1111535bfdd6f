"""The drift ledger's rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.results.drift import Drift
from cm.rpc.errors import ObjectNotFound
from cm.rpc.vocabulary import DriftKind
from cm.rules.reconcile import Finding
from cm.rules.stray import KINDS


def record_findings(session: Session, node_id: int, findings: Sequence[Finding], kinds: Sequence[DriftKind]) -> None:
    """
    Bring a node's rows of some kinds up to date: new ones, ones seen again, and those that are gone closed.

    :param kinds: what the pass looked for; rows of other kinds stay as they are.
    """
    _keep(session, node_id, findings)
    session.execute(
        text(
            "UPDATE drift SET closed_at = clock_timestamp(), outcome = 'gone' WHERE node_id = :n AND closed_at IS NULL"
            " AND kind = ANY(CAST(:kinds AS text[]))"
            " AND NOT (kind || ' ' || subject) = ANY(CAST(:subjects AS text[]))"
        ),
        {"n": node_id, "subjects": _subjects(findings), "kinds": [str(kind) for kind in kinds]},
    )


def record_storage_findings(
    session: Session, pool: str, node_id: int, findings: Sequence[Finding], kinds: Sequence[DriftKind]
) -> None:
    """
    Bring a storage's rows up to date, through whichever nodes it was listed before.

    :param pool: the storage's; subjects begin with it and a slash.
    :param node_id: the node through which it was listed now.
    """
    parameters = {"n": node_id, "pool": f"{pool}/", "kinds": [str(kind) for kind in kinds]}
    session.execute(
        text(
            "UPDATE drift d SET node_id = :n WHERE d.node_id <> :n AND d.closed_at IS NULL"
            " AND d.kind = ANY(CAST(:kinds AS text[])) AND starts_with(d.subject, :pool)"
            " AND NOT EXISTS (SELECT 1 FROM drift o WHERE o.closed_at IS NULL AND o.kind = d.kind"
            "  AND o.subject = d.subject AND o.id <> d.id)"
        ),
        parameters,
    )
    _keep(session, node_id, findings)
    session.execute(
        text(
            "UPDATE drift SET closed_at = clock_timestamp(),"
            " outcome = CASE WHEN approved_at IS NULL THEN 'gone' ELSE 'applied' END WHERE closed_at IS NULL"
            " AND kind = ANY(CAST(:kinds AS text[])) AND starts_with(subject, :pool)"
            " AND NOT (node_id = :n AND (kind || ' ' || subject) = ANY(CAST(:subjects AS text[])))"
        ),
        {**parameters, "subjects": _subjects(findings)},
    )


def approved_volumes(session: Session, pool: str) -> frozenset[str]:
    """The volumes of a storage that an administrator wants deleted, by its pool."""
    found = session.scalars(
        text(
            "SELECT subject FROM drift WHERE closed_at IS NULL AND approved_at IS NOT NULL AND kind = :kind"
            " AND starts_with(subject, :pool)"
        ),
        {"kind": DriftKind.LEAKED_VOLUME, "pool": f"{pool}/"},
    )
    return frozenset(subject.partition("/")[2] for subject in found)


def approve_drift(session: Session, drift_id: int) -> None:
    """What is proposed is to be done by the next pass that finds it so still."""
    session.execute(text("UPDATE drift SET approved_at = clock_timestamp() WHERE id = :id"), {"id": drift_id})


def close_storage_findings(session: Session, pool: str) -> None:
    """The storage is no longer ours: nothing of it is amiss."""
    session.execute(
        text(
            "UPDATE drift SET closed_at = clock_timestamp(), outcome = 'storage deleted' WHERE closed_at IS NULL"
            " AND kind = ANY(CAST(:kinds AS text[])) AND starts_with(subject, :pool)"
        ),
        {"pool": f"{pool}/", "kinds": [kind.value for kind in KINDS]},
    )


def _subjects(findings: Sequence[Finding]) -> list[str]:
    return [f"{finding.kind} {finding.subject}" for finding in findings]


_KEEP = text(
    """
INSERT INTO drift (kind, node_id, vm_id, subject, evidence, proposal)
VALUES (:kind, :node_id, :vm_id, :subject, CAST(:evidence AS jsonb), :proposal)
ON CONFLICT (kind, node_id, subject) WHERE closed_at IS NULL
DO UPDATE SET last_seen_at = clock_timestamp(), evidence = excluded.evidence, proposal = excluded.proposal,
              approved_at = CASE WHEN excluded.evidence->'plan' = drift.evidence->'plan' THEN drift.approved_at END
"""
)


def _keep(session: Session, node_id: int, findings: Sequence[Finding]) -> None:
    """A row for each, which is new or was there."""
    for finding in findings:
        session.execute(
            _KEEP,
            {
                "kind": finding.kind,
                "node_id": node_id,
                "vm_id": finding.vm_id,
                "subject": finding.subject,
                "evidence": msgspec.json.encode(dict(finding.evidence)).decode(),
                "proposal": finding.proposal,
            },
        )


# ------------------------------------------------------------------ clocks

_CLOCK: Final = "clock"  # subject of clock_skew: a node has one


def keep_skew(session: Session, node_id: int, skew_s: float) -> None:
    """A node's clock goes wrong: its row is made, or seen again."""
    session.execute(
        _KEEP,
        {
            "kind": DriftKind.CLOCK_SKEW,
            "node_id": node_id,
            "vm_id": None,
            "subject": _CLOCK,
            "evidence": msgspec.json.encode({"skew_s": round(skew_s, 1)}).decode(),
            "proposal": "set the clock of the node, and keep it by NTP",
        },
    )


def close_skew(session: Session, node_id: int) -> None:
    """A node's clock and ours agree."""
    session.execute(
        text(
            "UPDATE drift SET closed_at = clock_timestamp(), outcome = 'the clocks agree again'"
            " WHERE kind = :kind AND node_id = :node_id AND subject = :subject AND closed_at IS NULL"
        ),
        {"kind": DriftKind.CLOCK_SKEW, "node_id": node_id, "subject": _CLOCK},
    )


# ------------------------------------------------------------------ one finding


@dataclass(frozen=True)
class DriftRow:
    """An open finding."""

    id: int
    kind: DriftKind
    node_id: int
    vm_id: int | None
    subject: str
    plan: str  # of volumes, by ``rules/stray.py``; "": none
    proposal: str


def lock_drift(session: Session, drift_id: int) -> DriftRow:
    """
    An open finding, its row held until the transaction ends.

    :raises ObjectNotFound: absent, or settled.
    """
    found = session.execute(
        text(
            "SELECT id, kind, node_id, vm_id, subject, coalesce(evidence->>'plan', '') AS plan, proposal FROM drift"
            " WHERE id = :id AND closed_at IS NULL FOR UPDATE"
        ),
        {"id": drift_id},
    ).first()
    if found is None:
        raise ObjectNotFound("drift", drift_id)
    kind = DriftKind(found.kind)
    return DriftRow(found.id, kind, found.node_id, found.vm_id, found.subject, found.plan, found.proposal)


@dataclass(frozen=True)
class VolumeFinding:
    """``approved``: that it is deleted."""

    id: int
    approved: bool


def lock_volume_finding(session: Session, subject: str) -> VolumeFinding | None:
    """The open finding that says that a volume is on no record, its row held; None: there is none."""
    found = session.execute(
        text(
            "SELECT id, approved_at IS NOT NULL AS approved FROM drift WHERE kind = 'leaked_volume'"
            " AND subject = :subject AND closed_at IS NULL FOR UPDATE"
        ),
        {"subject": subject},
    ).first()
    return None if found is None else VolumeFinding(found.id, found.approved)


def close_drift(session: Session, drift_id: int, outcome: str) -> None:
    """A finding is settled."""
    session.execute(
        text("UPDATE drift SET closed_at = clock_timestamp(), outcome = :outcome WHERE id = :id"),
        {"id": drift_id, "outcome": outcome},
    )


def close_node_findings(session: Session, node_id: int, outcome: str) -> None:
    """Nobody looks at the node any more: nothing of it is amiss."""
    session.execute(
        text(
            "UPDATE drift SET closed_at = clock_timestamp(), outcome = :outcome WHERE node_id = :id"
            " AND closed_at IS NULL"
        ),
        {"id": node_id, "outcome": outcome},
    )


_LIST = text(
    """
SELECT d.id AS drift_id, d.kind, d.node_id, n.name AS node, d.vm_id, d.subject, d.evidence, d.proposal,
       d.approved_at AS approved,       d.first_seen_at AS first_seen, d.last_seen_at AS last_seen,
       extract(epoch FROM clock_timestamp() - d.first_seen_at)::bigint AS age_s, d.closed_at AS closed, d.outcome
  FROM drift d JOIN node n ON n.id = d.node_id
 WHERE (d.closed_at IS NOT NULL) = :closed AND (CAST(:node_id AS bigint) IS NULL OR d.node_id = :node_id)
   AND (CAST(:before AS bigint) IS NULL OR d.id < :before)
   AND (CAST(:kind AS text) IS NULL OR d.kind = :kind)
 ORDER BY d.id DESC LIMIT :limit
"""
)


def list_drift(
    session: Session,
    *,
    node_id: int | None,
    limit: int,
    closed: bool = False,
    before: int | None = None,
    kind: DriftKind | None = None,
) -> list[Drift]:
    """
    Open findings, or settled ones, newest first.

    :param before: the last id of the page before.
    """
    parameters = {"node_id": node_id, "closed": closed, "limit": limit, "before": before, "kind": kind}
    return [cast(Drift, dict(row._mapping)) for row in session.execute(_LIST, parameters)]
