"""
Evidence and its effects: what hooks, looks and passes saw of a VM's domain, each effect once.

Evidence never overwrites intent. An end that an open operation asked for wakes that operation; an end that nobody asked
for opens the operation that the VM's policy names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from cm.rpc.errors import CloudError
from cm.rpc.vocabulary import CauseKind, Seen, SeenReason, Wanted
from cm.rules.cause import Cause
from cm.rules.operation import PATIENT, SPECS, ObjectKind, OperationKind
from cm.rules.vm import CRASHES, GONE, after_power_off, hangs, is_stopped
from cm.runtime.database import notify
from cm.runtime.wall import utc_now
from cm.services.hung import settle_hang
from cm.services.message import tell
from cm.services.release import rest_stopped
from cm.services.saving import reserve_image
from cm.services.stopped import tell_stopped
from cm.services.suspension import forget_memory
from cm.store.change import record_change
from cm.store.health import record_hooked
from cm.store.hook_event import HookRecord, insert_event, write_effect
from cm.store.migration import sent_away
from cm.store.operation import OperationRow, open_operation
from cm.store.operation_change import pause_restart
from cm.store.vm import VMRow, find_by_uuid, find_vm, render_vm, write_evidence
from cm.store.vm_state import forget_released, intend, intend_as_seen, write_down, write_released, write_unexplained
from cm.store.waking import wake_vm

RESTART_SOON_S: Final = 60.0  # a guest that ended within this time of its launch ...
RESTART_PAUSE_S: Final = 20.0  # ... is started again after this pause, from the second time on
# Of the calls of a hook one for each start, end and reconnection: enough to know that there is one.
WORDS: Final = frozenset({"started", "release", "reconnect"})
# An end of such a VM, at which nobody is, nobody of ours asked for: why it came decides what follows.
ON: Final = frozenset({Wanted.RUNNING, Wanted.PAUSED})
SKEW: Final = timedelta(seconds=2)  # clocks of nodes may differ so much; what lies closer is settled by a look


def update_vm(session: Session, node_id: int, event: HookRecord) -> str:
    """
    Record a hook's event and take its effect, in one transaction; a repeat does nothing.

    :return: the effect in a word: "repeat", "recorded", "ended", "late", "look", "foreign" (the domain is not ours, or
        not placed on that node).
    """
    if not insert_event(session, node_id, event):
        return "repeat"
    effect = _effect(session, node_id, event)
    # Last: the locks of nodes come behind those of accounts, storages and VMs.
    if event.operation in WORDS and record_hooked(session, node_id):
        record_change(session, "node", node_id, None)
    write_effect(session, node_id, event, effect)
    return effect


def _effect(session: Session, node_id: int, event: HookRecord) -> str:
    if event.operation not in ("release", "started", "reconnect"):
        return "recorded"
    row = find_by_uuid(session, event.domain_uuid, lock=event.operation == "release")
    if row is None or row.node_id != node_id:
        return "foreign"
    if row.closed_at is not None:
        return "late"
    if event.operation == "started":
        forget_released(session, row.id)
    if event.operation != "release":
        return "recorded"
    if row.seen in GONE:
        return "late"
    if row.operation_kind is OperationKind.VM_MIGRATE:
        # Of a guest that goes elsewhere its node tells the same as of an end: the operation asks both nodes.
        wake_vm(session, row.id)
        return "look"
    begun = max(filter(None, (row.launched_at, row.migrated_at)), default=None)
    if begun is not None and event.time < begun + SKEW:
        # It may belong to the run before this one: clocks cannot tell, a look can.
        if event.time < begun - SKEW:
            return "late"
        if row.operation_id is not None:
            wake_vm(session, row.id)
        notify(session, "look", node_id)
        return "look"
    if sent_away(session, row.uuid, node_id, begun):
        notify(session, "look", node_id)  # by somebody else: that it ended here is not that it ended
        return "look"
    if row.operation_id is None and row.wanted in ON:
        # What follows depends on why it ended, which hooks are not told and its node knows.
        write_released(session, row.id, event.time)
        notify(session, "look", node_id)
        return "look"
    cause = Cause(CauseKind.HOOK, f"{node_id}:{event.boot_id}:{event.sequence}")
    record_end(session, row, Seen.OFF, SeenReason.RELEASED, event.time, cause=cause)
    return "ended"


def record_end(session: Session, row: VMRow, seen: Seen, reason: SeenReason, at: datetime, *, cause: Cause) -> bool:
    """
    Record that a VM's domain has ended, and what follows from it. ``row`` was read under the VM's lock.

    :return: False where something changed the VM since ``row`` was read; nothing was recorded then.
    """
    if not write_evidence(session, row, seen, reason, at):
        return False
    write_down(session, row.id)
    if row.operation_id is not None:
        wake_vm(session, row.id)
    else:
        settle(session, row, reason, cause)
    render_vm(session, row.id)
    return True


def settle(session: Session, row: VMRow, reason: SeenReason, cause: Cause) -> None:
    """
    Open the operation that an end which nobody asked for leads to, by the VM's policy, never by a guess: what a hook
    alone has told of is settled when its node was asked why.
    """
    if reason is SeenReason.RELEASED and row.wanted in ON and row.node_id is not None:
        write_unexplained(session, row.id)
        notify(session, "look", row.node_id)
        return
    kind = after_power_off(row.wanted, row.on_poweroff, reason, row.on_host_failure, row.on_crash)
    if kind is None:
        rest_stopped(session, row.id)
        return
    if reason in CRASHES:
        code = "vm_panicked" if reason is SeenReason.PANICKED else "vm_crashed"
        tell(session, (row.account_id,), "warn", code, {"vm_id": row.id, "name": row.name})
    image_id = row.save_image_id
    if kind is OperationKind.VM_SAVE and image_id is None:
        image_id = _reserve_autosave(session, row)
        kind = OperationKind.VM_STOP if image_id is None else kind
    objects: dict[str, Sequence[int]] = {ObjectKind.VM: [row.id]}
    if kind is OperationKind.VM_SAVE:
        assert image_id is not None
        objects[ObjectKind.IMAGE] = [image_id]
    wanted = SPECS[kind].wanted
    assert wanted is not None, "what ends a VM says so"
    intend(session, row.id, wanted)
    operation_id = open_operation(
        session,
        kind,
        account_id=row.account_id,
        objects=objects,
        node_id=row.node_id,
        # Its storage may believe for a while that the lost host still writes to its disk.
        arguments={PATIENT: True} if reason is SeenReason.HOST_LOST else None,
        cause=cause,
    )
    if kind is OperationKind.VM_START:
        # A guest that ends as soon as it has started must not keep its node busy with starting it.
        pause_restart(session, operation_id, soon_s=RESTART_SOON_S, pause_s=RESTART_PAUSE_S)


def screen_as_asked(session: Session, row: VMRow, cause: Cause) -> None:
    """
    A VM's domain is up, and what it was defined by may be older than what was last asked of its screen: whoever was to
    change that found it off then.
    """
    open_operation(
        session,
        OperationKind.VM_VNC,
        account_id=row.account_id,
        objects={ObjectKind.VM: [row.id]},
        node_id=row.node_id,
        cause=cause,
    )


def rest_by_evidence(session: Session, op: OperationRow, *, by_policy: bool = False) -> None:
    """
    After an operation was given up or failed: want what is seen, so that nothing goes on by itself. A domain that has
    ended meanwhile still holds its node, and nobody else is going to settle that: do as for any end.

    :param by_policy: the operation was not to end it, so what follows is the VM's policy.
    """
    assert op.vm_id is not None
    row = find_vm(session, op.vm_id, lock=True)
    if row is None or row.closed_at is not None:
        return
    ended = replace(row, wanted=Wanted.RUNNING if by_policy else Wanted.STOPPED)
    cause = Cause(CauseKind.OPERATION, str(op.id))
    if by_policy and row.seen_reason is SeenReason.HOST_LOST and row.wanted in ON:
        settle(session, ended, row.seen_reason, cause)  # it is placed nowhere by now, and nothing followed yet
        return
    if row.seen not in GONE or row.node_id is None:
        intend_as_seen(session, row.id)
        return
    settle(session, ended, row.seen_reason, cause)


def rest_if_ended(session: Session, op: OperationRow) -> None:
    """An operation that was not to end its VM is over: should its guest have ended meanwhile, that is settled now."""
    row = None if op.vm_id is None else find_vm(session, op.vm_id, lock=True)
    if row is not None and row.node_claimed and row.seen in GONE and row.operation_id is None:
        rest_by_evidence(session, op, by_policy=True)


def _reserve_autosave(session: Session, row: VMRow) -> int | None:
    """
    Reserve the image of an automatic save. None where that is refused, by quota, by storage or since the account is
    blocked: the VM then stops and keeps its disk, for that it has ended must be on record whatever else can be done.
    """
    try:
        with session.begin_nested():
            return reserve_image(session, row, f"{row.name[:90]}_autosave", "")
    except CloudError:
        return None


def record_look(
    session: Session, vm_id: int, version: int | None, launched_at: datetime | None, seen: Seen, reason: SeenReason
) -> str:
    """
    Record what a look at the node itself saw.

    :param version: the VM's version before the look; None inside the VM's own operation.
    :param launched_at: the VM's last launch as it was recorded before the look. It names the launch: which of two
        moments was first, the clocks of a manager and of the database cannot tell.
    :return: "ended", "recorded", "changed" (the VM moved on meanwhile; look again), "same".
    """
    row = find_vm(session, vm_id, lock=True)
    if row is None or row.closed_at is not None:
        return "changed"
    if version is not None and row.version != version:
        return "changed"
    if row.launched_at != launched_at:
        return "changed"
    if row.seen is seen or (row.seen in GONE and seen in GONE):
        return "same"
    if seen in GONE:
        cause = Cause(CauseKind.LOOK, str(row.node_id or ""))
        return "ended" if record_end(session, row, seen, reason, now(), cause=cause) else "changed"
    if not write_evidence(session, row, seen, reason, now()):
        return "changed"
    if row.wanted is Wanted.SUSPENDED and row.operation_id is None:  # nobody of ours has told it to go on
        forget_memory(session, vm_id, Cause(CauseKind.LOOK, str(row.node_id or "")))
        intend_as_seen(session, vm_id)
    if is_stopped(row.wanted, seen, reason):
        tell_stopped(session, row)
    if hangs(row.wanted, seen, reason):
        settle_hang(session, row)
    if row.vnc_generation and row.seen not in (Seen.RUNNING, Seen.PAUSED):
        screen_as_asked(session, row, Cause(CauseKind.LOOK, str(row.node_id or "")))
    render_vm(session, vm_id)
    return "recorded"


def now() -> datetime:
    return utc_now()
