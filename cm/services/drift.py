"""Use cases of the drift ledger: what an administrator may have done about a difference."""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session

from cm.results.drift import AppliedDrift, PlannedDrift, SettledDrift
from cm.rpc.errors import CloudError, NotApplicable, RunsElsewhere
from cm.rpc.vocabulary import CauseKind, DriftKind, Remedy, Seen, SeenReason, Wanted
from cm.rules.cause import Cause
from cm.rules.drift import remedy
from cm.rules.names import storage_of_pool
from cm.rules.operation import ObjectKind, OperationKind
from cm.rules.stray import PLAN
from cm.runtime.database import notify
from cm.services.context import ClusterCall
from cm.services.evidence import now, record_end
from cm.services.host import accept
from cm.services.lost import note_lost
from cm.store.drift import DriftRow, approve_drift, close_drift, list_drift, lock_drift
from cm.store.host import lock_host
from cm.store.node import get_node
from cm.store.operation import open_operation
from cm.store.unknown import runs_elsewhere
from cm.store.vm import VMRow, get_vm, render_vm

PLANNED_MAX: Final = 1000  # findings of one plan
# What bringing a VM back to its intent takes.
_TOWARDS = {
    Wanted.PAUSED: OperationKind.VM_PAUSE,
    Wanted.RUNNING: OperationKind.VM_RESUME,
    Wanted.STOPPED: OperationKind.VM_STOP,
    Wanted.TRASHED: OperationKind.VM_TRASH,
    Wanted.DESTROYED: OperationKind.VM_DESTROY,
}


def apply(caller: ClusterCall, drift_id: int) -> SettledDrift:
    """
    Do what a finding proposes.

    :raises NotApplicable: nothing can be done from here; the proposal says what to do by hand.
    :raises RunsElsewhere: it would end a VM that another node runs.
    :raises SameHost: the machine is another node's.
    """
    session: Session = caller.session
    drift = lock_drift(session, drift_id)
    answer: SettledDrift = {"drift_id": drift_id}
    cause = Cause(CauseKind.DRIFT, str(drift_id))
    match remedy(drift.kind, drift.plan):
        case Remedy.RECORD_END:
            row = get_vm(session, drift.vm_id or 0, lock=True)
            _refuse_claimed(session, drift, row)
            record_end(session, row, Seen.ABSENT, SeenReason.ABSENT, now(), cause=cause)
        case Remedy.RESTORE_STATE:
            row = get_vm(session, drift.vm_id or 0, lock=True)
            kind = _TOWARDS.get(row.wanted)
            if kind is None:
                raise NotApplicable(drift_id, f"bring the VM to {row.wanted} by hand")
            answer["operation_id"] = open_operation(
                session,
                kind,
                account_id=row.account_id,
                objects={ObjectKind.VM: [row.id]},
                node_id=row.node_id,
                cause=cause,
            )
            render_vm(session, row.id)
        case Remedy.TAKE_HOST:
            accept(session, drift.node_id)
        case Remedy.DELETE_VOLUME:
            # A pass looks again that nothing uses it, deletes it, and closes the finding.
            approve_drift(session, drift_id)
            notify(session, "storages", drift.node_id)
            caller.note("apply", drift_id=drift_id, volume=drift.subject, proposal=drift.proposal)
            return answer
        case Remedy.GIVE_UP_VOLUME:
            pool, _, volume = drift.subject.partition("/")
            storage_id = storage_of_pool(pool)
            assert storage_id is not None
            note_lost(session, storage_id, volume)
        case Remedy.BY_HAND:
            raise NotApplicable(drift_id, drift.proposal or "look at it, and dismiss the finding")
    close_drift(session, drift_id, "applied")
    caller.note("apply", drift_id=drift_id, proposal=drift.proposal)
    return answer


def plan(caller: ClusterCall, node_id: int | None, kind: DriftKind | None) -> list[PlannedDrift]:
    """What applying the open findings would do, the oldest first."""
    return [
        {
            "drift_id": each["drift_id"],
            "kind": DriftKind(each["kind"]),
            "node_id": each["node_id"],
            "node": each["node"],
            "vm_id": each["vm_id"],
            "subject": each["subject"],
            "remedy": remedy(DriftKind(each["kind"]), each["evidence"].get(PLAN, "")),
            "proposal": each["proposal"],
            "age_s": each["age_s"],
        }
        for each in reversed(list_drift(caller.session, node_id=node_id, kind=kind, limit=PLANNED_MAX))
    ]


def apply_all(caller: ClusterCall, node_id: int | None, kind: DriftKind | None) -> list[AppliedDrift]:
    """
    Do what those of the findings propose about which anything can be done; what is refused stops no other.

    :raises ObjectNotFound: there is no such node.
    """
    if node_id is not None:
        get_node(caller.session, node_id)
    answers: list[AppliedDrift] = []
    found = plan(caller, node_id, kind)
    caller.note("look through the ledger", node_id=node_id, kind=kind, findings=len(found))
    for each in found:
        if each["remedy"] is Remedy.BY_HAND:
            continue
        drift_id = each["drift_id"]
        try:
            with caller.session.begin_nested():
                answers.append({"status": "ok", **apply(caller, drift_id)})
        except CloudError as error:
            caller.note("refuse", drift_id=drift_id, status=error.code, message=str(error))
            answers.append({"status": error.code, "drift_id": drift_id, "message": str(error)})
    return answers


def _refuse_claimed(session: Session, drift: DriftRow, row: VMRow) -> None:
    """
    A domain is missing on its node: to say that it ended may start it again, or delete its disks. Not while it may be
    somewhere.

    :raises RunsElsewhere: another node runs it.
    :raises NotApplicable: the node's address leads to another machine than the one it ran on.
    """
    node_id = runs_elsewhere(session, row.id)
    if node_id is not None:
        raise RunsElsewhere(row.id, node_id)
    host = lock_host(session, drift.node_id)
    if host is not None and host.seen.known and host.seen != host.accepted:
        raise NotApplicable(drift.id, "look after its node first, whose address leads to another machine")


def dismiss(caller: ClusterCall, drift_id: int) -> SettledDrift:
    """Close a finding that is all right as it is; it comes back if the next pass still sees it."""
    lock_drift(caller.session, drift_id)
    close_drift(caller.session, drift_id, "dismissed")
    caller.note("dismiss", drift_id=drift_id)
    return {"drift_id": drift_id}
