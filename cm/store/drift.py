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
    subjects = []
    for finding in findings:
        subjects.append(f"{finding.kind} {finding.subject}")
        session.execute(
            text(
                "INSERT INTO drift (kind, node_id, vm_id, subject, evidence, proposal)"
                " VALUES (:kind, :node_id, :vm_id, :subject, CAST(:evidence AS jsonb), :proposal)"
                " ON CONFLICT (kind, node_id, subject) WHERE closed_at IS NULL"
                " DO UPDATE SET last_seen_at = clock_timestamp(), evidence = excluded.evidence"
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
    session.execute(
        text(
            "UPDATE drift SET closed_at = clock_timestamp(), outcome = 'gone' WHERE node_id = :n AND closed_at IS NULL"
            " AND kind = ANY(CAST(:kinds AS text[]))"
            " AND NOT (kind || ' ' || subject) = ANY(CAST(:subjects AS text[]))"
        ),
        {"n": node_id, "subjects": subjects, "kinds": [str(kind) for kind in kinds]},
    )
