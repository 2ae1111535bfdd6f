"""Use cases of the drift ledger: what an administrator may have done about a difference."""

from __future__ import annotations

from sqlalchemy.orm import Session

from cm.results.drift import SettledDrift
from cm.rpc.errors import NotApplicable, RunsElsewhere
from cm.rpc.vocabulary import CauseKind, DriftKind, Seen, SeenReason, Wanted
from cm.rules.cause import Cause
from cm.rules.names import storage_of_pool
from cm.rules.operation import ObjectKind, OperationKind
from cm.rules.stray import DELETE, LOST
from cm.runtime.database import notify
from cm.services.context import ClusterCall
from cm.services.evidence import now, record_end
from cm.services.host import accept
from cm.services.lost import note_lost
from cm.store.drift import DriftRow, approve_drift, close_drift, lock_drift
from cm.store.host import lock_host
from cm.store.operation import open_operation
from cm.store.unknown import runs_elsewhere
from cm.store.vm import VMRow, get_vm, render_vm

# What bringing a VM back to its intent takes.
_TOWARDS = {
    Wanted.PAUSED: OperationKind.VM_PAUSE,
    Wanted.RUNNING: OperationKind.VM_RESUME,
    Wanted.STOPPED: OperationKind.VM_STOP,
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
    if drift.kind == DriftKind.MISSING_DOMAIN:
        row = get_vm(session, drift.vm_id or 0, lock=True)
        _refuse_claimed(session, drift, row)
        record_end(session, row, Seen.ABSENT, SeenReason.ABSENT, now(), cause=cause)
    elif drift.kind == DriftKind.WRONG_STATE:
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
    elif drift.kind == DriftKind.OTHER_HOST:
        accept(session, drift.node_id)
    elif drift.kind == DriftKind.LEAKED_VOLUME and drift.plan == DELETE:
        # A pass looks again that nothing uses it, deletes it, and closes the finding.
        approve_drift(session, drift_id)
        notify(session, "storages", drift.node_id)
        caller.note("apply", drift_id=drift_id, volume=drift.subject, proposal=drift.proposal)
        return answer
    elif drift.kind == DriftKind.MISSING_VOLUME and drift.plan == LOST:
        pool, _, volume = drift.subject.partition("/")
        storage_id = storage_of_pool(pool)
        assert storage_id is not None
        note_lost(session, storage_id, volume)
    else:
        raise NotApplicable(drift_id, drift.proposal or "look at it, and dismiss the finding")
    close_drift(session, drift_id, "applied")
    caller.note("apply", drift_id=drift_id, proposal=drift.proposal)
    return answer


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
