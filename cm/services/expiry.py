"""
Use cases of expiry leases: administrators make them and say who may choose them, people choose them for their VMs and
renew them. What becomes of a VM whose lease ends is ``expiring.py``'s.

A lease that is changed or deleted ends nothing earlier: VMs keep the times that they were given last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from cm.results.expiry import ExpiryEnd, ExpiryLease, GivenExpiry, SimulatedExpiry, VMExpiry
from cm.rpc.errors import (
    ExpiryNotYours,
    InvalidParameter,
    NameTaken,
    NotAuthenticated,
    NotPermitted,
    ObjectNotFound,
    WrongVMState,
)
from cm.rpc.vocabulary import VMEventCode
from cm.rules.access import NEEDS, Action, Level, Shared, enough
from cm.rules.expiry import Outlook, VMTerms, Waits, outlook, terms_from
from cm.runtime.taken import refused_by
from cm.services.access import Who, authorized_vm, level_on, person_of, require
from cm.services.context import ClusterCall
from cm.services.guest_command import notify_guest
from cm.store import expiry as store
from cm.store.account import get_account
from cm.store.change import record_change
from cm.store.expiry import ExpiryPolicy, ExpiryRow
from cm.store.instance import note_event
from cm.store.vm import VMRow, get_vm, render_vm


@dataclass(eq=False)
class NoExpiry(NotPermitted):
    """There is nothing to renew: it ends by nothing of this."""

    code = "no_expiry"
    message = "VM {vm_id} has no expiry lease."
    vm_id: int


# ------------------------------------------------------------------ the leases


def level_on_expiry(session: Session, who: Who, found: ExpiryPolicy) -> Level | None:
    return level_on(session, who, Shared.EXPIRY, found.id, found.account_id, live=True, public=found.open)


def authorized_expiry(
    session: Session, who: Who, expiry_id: int, action: Action, *, lock: bool = False, version: int | None = None
) -> ExpiryPolicy:
    """
    A lease that somebody may do this with.

    :raises ObjectNotFound: AccessNeeded: as ``require``.
    :raises VersionChanged: it is not at ``version``.
    """
    found = store.get_expiry(session, expiry_id, lock=lock)
    require(level_on_expiry(session, who, found), Shared.EXPIRY, expiry_id, NEEDS[Shared.EXPIRY, action])
    return found if version is None else store.get_expiry(session, expiry_id, version=version)


def add(caller: ClusterCall, values: dict[str, Any]) -> ExpiryLease:
    """
    :raises InvalidParameter: VMs would be deleted before they are suspended.
    :raises NameTaken: another live lease has the name.
    :raises NotAuthenticated: the caller is nobody's account, and a lease has an owner.
    """
    if not caller.account_id:
        raise NotAuthenticated()
    _check(values["suspend_s"], values["delete_s"])
    with refused_by(caller.session, {"uq_expiry_name": NameTaken("expiry", values["name"])}):
        expiry_id = store.insert_expiry(caller.session, {**values, "account_id": caller.account_id})
    record_change(caller.session, "expiry", expiry_id, caller.account_id, "enter")
    caller.note("add expiry lease", **values)
    return store.get_expiry(caller.session, expiry_id).shown


def _check(suspend_s: int | None, delete_s: int | None) -> None:
    if suspend_s is not None and delete_s is not None and suspend_s >= delete_s:
        raise InvalidParameter("delete_s", "a VM is suspended before it is deleted: it must be the longer interval")


def edit(caller: ClusterCall, who: Who, expiry_id: int, values: dict[str, Any]) -> ExpiryLease:
    """
    Change what is there; VMs that have it keep their times until they are renewed.

    :param values: both intervals, when one of them is there.
    """
    session = caller.session
    action = Action.SEE if who is None else caller.action("expiry_id")
    found = authorized_expiry(session, who, expiry_id, action, lock=True, version=caller.if_version)
    given = {"suspend_s": found.suspend_s, "delete_s": found.delete_s, **values}
    _check(given["suspend_s"], given["delete_s"])
    with refused_by(session, {"uq_expiry_name": NameTaken("expiry", values.get("name") or "")}):
        store.update_expiry(session, expiry_id, given)
    record_change(session, "expiry", expiry_id, found.account_id)
    caller.note("edit expiry lease", expiry_id=expiry_id, **{k: v for k, v in values.items() if v is not None})
    return store.get_expiry(session, expiry_id).shown


def delete(caller: ClusterCall, expiry_id: int) -> None:
    """Nobody can choose or renew it any more; VMs that have it keep their times."""
    found = store.get_expiry(caller.session, expiry_id, lock=True, version=caller.if_version)
    store.close_expiry(caller.session, expiry_id)
    record_change(caller.session, "expiry", expiry_id, found.account_id, "exit")
    caller.note("delete expiry lease", expiry_id=expiry_id)


def set_default(caller: ClusterCall, expiry_id: int | None) -> None:
    """:param expiry_id: None: VMs that are made without a lease have none."""
    session = caller.session
    if expiry_id is not None:
        store.get_expiry(session, expiry_id, lock=True, version=caller.if_version)
    for each in store.write_default(session, expiry_id):
        record_change(session, "expiry", each, None)
    caller.note("set default expiry lease", expiry_id=expiry_id)


# ------------------------------------------------------------------ of VMs


def _vm(caller: ClusterCall, who: Who, vm_id: int) -> VMRow:
    action = Action.SEE if who is None else caller.action("vm_id")
    row = authorized_vm(caller.session, who, vm_id, action, lock=True, version=caller.if_version)
    if row.closed_at is not None:
        raise WrongVMState(vm_id, row.state, "a VM that is not destroyed")
    return row


def give(caller: ClusterCall, who: Who, vm_id: int, expiry_id: int | None) -> VMExpiry:
    """
    Give a VM a lease in place of the one that it has; its times begin now.

    :param expiry_id: None: it ends by nothing of this any more; administrators alone say so.
    :raises ObjectNotFound: AccessNeeded: the caller may not choose that lease.
    """
    session = caller.session
    _vm(caller, who, vm_id)
    before = store.find_vm_expiry(session, vm_id)
    if before is not None:
        _withdraw(caller, before)
    if expiry_id is None:
        store.take_expiry(session, vm_id)
    else:
        action = Action.USE if who is None else caller.action("expiry_id")
        authorized_expiry(session, who, expiry_id, action, lock=True)
        store.give_expiry(session, vm_id, expiry_id)
    caller.note("set expiry lease", vm_id=vm_id, expiry_id=expiry_id)
    render_vm(session, vm_id)
    return shown(session, who, vm_id)


def give_new(caller: ClusterCall, vm_ids: Sequence[int], expiry_id: int | None) -> None:
    """
    VMs that are being made get a lease.

    :param expiry_id: that their maker chose; None: the default, where there is one.
    :raises ObjectNotFound: AccessNeeded: they may not choose it.
    """
    if expiry_id is None:
        store.give_default(caller.session, vm_ids)
        return
    authorized_expiry(caller.session, person_of(caller.identity), expiry_id, caller.action("expiry_id"))
    for vm_id in vm_ids:
        store.give_expiry(caller.session, vm_id, expiry_id)
    caller.note("set expiry lease", vms=len(vm_ids), expiry_id=expiry_id)


def renew(caller: ClusterCall, who: Who, vm_id: int) -> VMExpiry:
    """
    Both of a VM's times begin anew from now, as its lease has them now.

    :raises NoExpiry: it has none.
    :raises ExpiryNotYours: the lease was deleted, or the caller may not choose it any more.
    """
    session = caller.session
    _vm(caller, who, vm_id)
    row = store.find_vm_expiry(session, vm_id)
    if row is None:
        raise NoExpiry(vm_id)
    try:
        authorized_expiry(session, who, row.expiry_id, Action.USE, lock=True)
    except ObjectNotFound:
        raise ExpiryNotYours(vm_id, row.expiry_id, row.expiry) from None
    store.give_expiry(session, vm_id, row.expiry_id)
    _withdraw(caller, row)
    note_event(session, vm_id, VMEventCode.RENEW, caller.account_id, {"lease": row.expiry})
    caller.note("renew expiry lease", vm_id=vm_id, expiry_id=row.expiry_id)
    render_vm(session, vm_id)
    return shown(session, who, vm_id)


def _withdraw(caller: ClusterCall, row: ExpiryRow) -> None:
    """A guest that was told of an end is told that there is none so soon."""
    if any(term is not None and term.told_at is not None for term in (row.terms.suspend, row.terms.delete)):
        notify_guest(caller.session, caller.policy.secret, row.vm_id, "")


def apply(caller: ClusterCall, expiry_id: int, account_id: int | None, replace: bool) -> GivenExpiry:
    """
    Give live VMs a lease, from now on.

    :param account_id: whose; None: everybody's.
    :param replace: also those that have another.
    """
    store.get_expiry(caller.session, expiry_id, lock=True, version=caller.if_version)
    if account_id is not None:
        get_account(caller.session, account_id)
    vms = store.give_many(caller.session, expiry_id, account_id, replace)
    caller.note("give expiry lease", expiry_id=expiry_id, user_id=account_id, vms=vms)
    return {"vms": vms}


# ------------------------------------------------------------------ what is to come


def shown(session: Session, who: Who, vm_id: int, choices: frozenset[int] | None = None) -> VMExpiry:
    """
    What will become of a VM, and why; and whether somebody who sees it may renew it.

    :param choices: the leases that they may choose, where that is known.
    """
    row = store.find_vm_expiry(session, vm_id)
    if row is not None:
        return _shown(row, _renewable(session, who, row, _choices(session, who) if choices is None else choices))
    vm = get_vm(session, vm_id)
    return {
        "vm_id": vm_id, "vm": vm.name, "user_id": vm.account_id, "state": vm.state, "expiry_id": None, "expiry": "",
        "renewable": False, "renewed": None, "ends": [], "reason": "",
    }  # fmt: skip


def _choices(session: Session, who: Who) -> frozenset[int]:
    """The leases that somebody may choose."""
    return frozenset(each["expiry_id"] for each in store.list_expiries(session, who))


def _renewable(session: Session, who: Who, row: store.ExpiryRow, choices: frozenset[int]) -> bool:
    """Whether ``renew`` would be taken: the lease is there, and theirs to choose, and the VM theirs to operate."""
    if row.expiry_id not in choices:
        return False
    level = level_on(session, who, Shared.VM, row.vm_id, row.account_id, live=True)
    return enough(level, NEEDS[Shared.VM, Action.RENEW])


def _shown(row: store.ExpiryRow, renewable: bool) -> VMExpiry:
    refused = row.waits is Waits.REFUSED
    return {
        "vm_id": row.vm_id,
        "vm": row.name,
        "user_id": row.account_id,
        "state": row.terms.state,
        "expiry_id": row.expiry_id,
        "expiry": row.expiry,
        "renewable": renewable,
        "renewed": row.renewed_at,
        "ends": [_end(each) for each in outlook(row.terms, row.now)],
        "reason": row.reason if refused else "",
    }


def _end(each: Outlook) -> ExpiryEnd:
    return {"end": each.end, "at": each.at, "told": each.told_at, "due": each.due_at, "waits": each.waits}


def of_vms(caller: ClusterCall, vm_ids: Sequence[int]) -> list[VMExpiry]:
    """What will become of VMs that the caller sees."""
    who = person_of(caller.identity)
    for vm_id in vm_ids:
        authorized_vm(caller.session, who, vm_id, caller.action("vm_ids"))
    choices = _choices(caller.session, who)
    return [shown(caller.session, who, vm_id, choices) for vm_id in vm_ids]


def list_vms(
    caller: ClusterCall, who: Who, account_id: int | None, *, limit: int, after: int | None,
    expiry_id: int | None = None,
) -> list[VMExpiry]:  # fmt: skip
    """
    A page of live VMs that have a lease, by id.

    :param account_id: whose; None: everybody's.
    """
    found = store.list_vm_expiries(caller.session, account_id, limit=limit, after=after or 0, expiry_id=expiry_id)
    choices = _choices(caller.session, who)
    return [_shown(row, _renewable(caller.session, who, row, choices)) for row in found]


def simulate(
    caller: ClusterCall, suspend_s: int | None, delete_s: int | None, account_id: int | None, *, limit: int,
    after: int | None,
) -> list[SimulatedExpiry]:  # fmt: skip
    """
    What intervals would do to live VMs that got them now, a page by id. Nothing is changed.

    :param account_id: whose; None: everybody's.
    :raises InvalidParameter: VMs would be deleted before they are suspended.
    """
    _check(suspend_s, delete_s)
    found = store.list_bare(caller.session, account_id, limit=limit, after=after or 0)
    return [
        {
            "vm_id": vm.vm_id,
            "vm": vm.name,
            "user_id": vm.account_id,
            "state": vm.state,
            "expiry_id": vm.expiry_id,
            "ends": [_end(each) for each in outlook(_would_be(vm, suspend_s, delete_s), vm.now)],
        }
        for vm in found
    ]


def _would_be(vm: store.BareVM, suspend_s: int | None, delete_s: int | None) -> VMTerms:
    return VMTerms(vm.state, vm.busy, vm.guarded, terms_from(suspend_s, vm.now), terms_from(delete_s, vm.now))
