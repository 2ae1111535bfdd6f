"""The drift ledger's rows."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rpc.vocabulary import DriftKind
from cm.rules.reconcile import Finding


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
            "UPDATE drift SET closed_at = clock_timestamp(), outcome = 'gone' WHERE closed_at IS NULL"
            " AND kind = ANY(CAST(:kinds AS text[])) AND starts_with(subject, :pool)"
            " AND NOT (node_id = :n AND (kind || ' ' || subject) = ANY(CAST(:subjects AS text[])))"
        ),
        {**parameters, "subjects": _subjects(findings)},
    )


def close_storage_findings(session: Session, pool: str) -> None:
    """The storage is no longer ours: nothing of it is amiss."""
    session.execute(
        text(
            "UPDATE drift SET closed_at = clock_timestamp(), outcome = 'storage deleted' WHERE closed_at IS NULL"
            " AND kind = ANY(CAST(:kinds AS text[])) AND starts_with(subject, :pool)"
        ),
        {"pool": f"{pool}/", "kinds": [DriftKind.LEAKED_VOLUME.value, DriftKind.MISSING_VOLUME.value]},
    )


def _subjects(findings: Sequence[Finding]) -> list[str]:
    return [f"{finding.kind} {finding.subject}" for finding in findings]


def _keep(session: Session, node_id: int, findings: Sequence[Finding]) -> None:
    """A row for each, which is new or was there."""
    for finding in findings:
        session.execute(
            text(
                "INSERT INTO drift (kind, node_id, vm_id, subject, evidence, proposal)"
                " VALUES (:kind, :node_id, :vm_id, :subject, CAST(:evidence AS jsonb), :proposal)"
                " ON CONFLICT (kind, node_id, subject) WHERE closed_at IS NULL"
                " DO UPDATE SET last_seen_at = clock_timestamp(), evidence = excluded.evidence,"
                "  proposal = excluded.proposal"
            ),
            {
                "kind": finding.kind,
                "node_id": node_id,
                "vm_id": finding.vm_id,
                "subject": finding.subject,
                "evidence": msgspec.json.encode(dict(finding.evidence)).decode(),
                "proposal": finding.proposal,
            },
        )
