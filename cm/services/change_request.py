"""
Use cases of requests: people ask for what only an administrator gives, one of whom accepts or declines.

To accept is to do it: the same use case is called that an administrator would call, in the same transaction, with its
rules and refusals. What it refuses leaves the request open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from cm.results.change_request import ChangeRequest
from cm.rpc.errors import Conflict, InvalidParameter, QuotaReached, WrongVMState
from cm.rpc.vocabulary import ChangeRequestKind, ChangeRequestState
from cm.runtime.taken import refused_by
from cm.services import account, expiry, vm_size
from cm.services.access import authorized_vm, person_of
from cm.services.account import NotLocal
from cm.services.context import ClusterCall
from cm.services.message import tell
from cm.store import change_request as store
from cm.store.account import LOCAL, get_account
from cm.store.change import record_change
from cm.store.template import get_template

OPEN_MAX: Final = 20  # requests of an account that wait for an answer
NOUN: Final = "change_request"


@dataclass(eq=False)
class AlreadyAsked(Conflict):
    """The caller withdraws that one first."""

    code = "already_asked"
    message = "The caller asks for another {kind} there already."
    kind: ChangeRequestKind


@dataclass(eq=False)
class ChangeRequestClosed(Conflict):
    code = "change_request_closed"
    message = "Request {change_request_id} is {state}."
    change_request_id: int
    state: ChangeRequestState


@dataclass(eq=False)
class VMChangedHands(Conflict):
    """Whoever asked has no say over it any more; it is declined."""

    code = "vm_changed_hands"
    message = "VM {vm_id} has become another account's since request {change_request_id} was made."
    vm_id: int
    change_request_id: int


def ask_resize(caller: ClusterCall, vm_id: int, template_id: int, words: str) -> ChangeRequest:
    """
    :raises ObjectNotFound: AccessNeeded: no such VM that the caller could resize, or no such size.
    :raises WrongVMState: it is destroyed.
    :raises AlreadyAsked: QuotaReached: as ``_ask``.
    """
    _see(caller, vm_id)
    get_template(caller.session, template_id)
    return _ask(caller, ChangeRequestKind.RESIZE, vm_id, {"template_id": template_id}, words)


def ask_expiry(caller: ClusterCall, vm_id: int, lease: str, words: str) -> ChangeRequest:
    """
    :param lease: what they would have, in words: leases that are not theirs to choose they do not see.
    :raises ObjectNotFound: AccessNeeded: no such VM whose lease the caller could renew.
    :raises WrongVMState: it is destroyed.
    :raises AlreadyAsked: QuotaReached: as ``_ask``.
    """
    _see(caller, vm_id)
    return _ask(caller, ChangeRequestKind.EXPIRY, vm_id, {"lease": lease}, words)


def ask_quota(caller: ClusterCall, wanted: Mapping[str, int | None], words: str) -> ChangeRequest:
    """
    :param wanted: by the names of ``QUOTAS``; None: as it is.
    :raises InvalidParameter: nothing is asked for.
    :raises NotLocal: a cloud manager says how much the account may have.
    :raises AlreadyAsked: QuotaReached: as ``_ask``.
    """
    given = {name: value for name, value in wanted.items() if value is not None}
    if not given:
        raise InvalidParameter("quota_cpu", "say of which quota how much")
    origin = get_account(caller.session, caller.account_id)["origin"]
    if origin != LOCAL:
        raise NotLocal(caller.account_id, origin)
    return _ask(caller, ChangeRequestKind.QUOTA, None, given, words)


def _see(caller: ClusterCall, vm_id: int) -> None:
    row = authorized_vm(
        caller.session, person_of(caller.identity), vm_id, caller.action("vm_id"), version=caller.if_version
    )
    if row.closed_at is not None:
        raise WrongVMState(vm_id, row.state, "a VM that is not destroyed")


def _ask(
    caller: ClusterCall, kind: ChangeRequestKind, vm_id: int | None, wanted: Mapping[str, Any], words: str
) -> ChangeRequest:
    """
    :raises AlreadyAsked: they ask for the like there already.
    :raises QuotaReached: they ask for too much at once.
    """
    session, account_id = caller.session, caller.account_id
    used = store.count_open(session, account_id)
    if used >= OPEN_MAX:
        raise QuotaReached("requests", OPEN_MAX, used, 1)
    with refused_by(session, {"uq_change_request_open": AlreadyAsked(kind)}):
        made = store.insert_change_request(session, account_id, kind, vm_id, wanted, words)
    record_change(session, NOUN, made, account_id, "enter")
    found = store.get_change_request(session, made, account_id)
    tell(session, store.administrators(session), "info", "change_requested", _params(found))
    caller.note("ask", change_request_id=made, kind=kind, vm_id=vm_id, **wanted)
    return found


def withdraw(caller: ClusterCall, request_id: int) -> ChangeRequest:
    """:raises ObjectNotFound: ChangeRequestClosed: it is not the caller's, or was answered."""
    _hold(caller, request_id, caller.account_id)
    return _end(caller, request_id, ChangeRequestState.WITHDRAWN, "")


def accept(caller: ClusterCall, request_id: int, expiry_id: int | None, answer: str) -> ChangeRequest:
    """
    Do what is asked for, and say so.

    :param expiry_id: the lease that a VM gets for which a longer one was asked.
    :raises InvalidParameter: none was given; or one for what asks for no lease.
    :raises ObjectNotFound: ChangeRequestClosed: there is no such request, or it was answered.
    :raises VMChangedHands: its VM is another's than when it was asked for.
    """
    found = _hold(caller, request_id, None)
    kind, vm_id = found["kind"], found["vm_id"]
    if (expiry_id is None) is (kind is ChangeRequestKind.EXPIRY):
        raise InvalidParameter("expiry_id", "it is the lease that a VM gets, for a request of the kind expiry")
    direct: ClusterCall = replace(caller, if_version=None)  # that was the request's
    if kind is ChangeRequestKind.RESIZE:
        assert vm_id is not None
        vm_size.resize(direct, vm_id, found["wanted"]["template_id"], administrator=True)
    elif kind is ChangeRequestKind.EXPIRY:
        assert vm_id is not None
        expiry.give(direct, None, vm_id, expiry_id)
    else:
        account.edit(direct, found["user_id"], {**_UNCHANGED, **found["wanted"]})
    # Now that it is held by what was done, so that nobody is given it meanwhile.
    if vm_id is not None and store.has_changed_hands(caller.session, request_id):
        raise VMChangedHands(vm_id, request_id)
    return _end(caller, request_id, ChangeRequestState.ACCEPTED, answer)


_UNCHANGED: Final = dict.fromkeys(("name", "is_admin", "active"))


def decline(caller: ClusterCall, request_id: int, answer: str) -> ChangeRequest:
    """:raises ObjectNotFound: ChangeRequestClosed: there is no such request, or it was answered."""
    _hold(caller, request_id, None)
    return _end(caller, request_id, ChangeRequestState.DECLINED, answer)


def _hold(caller: ClusterCall, request_id: int, account_id: int | None) -> ChangeRequest:
    found = store.get_change_request(
        caller.session, request_id, account_id, lock=True, version=caller.if_version
    )
    if found["state"] is not ChangeRequestState.OPEN:
        raise ChangeRequestClosed(request_id, found["state"])
    return found


def _end(caller: ClusterCall, request_id: int, state: ChangeRequestState, answer: str) -> ChangeRequest:
    session, by_its_own = caller.session, state is ChangeRequestState.WITHDRAWN
    store.close_change_request(session, request_id, state, answer, caller.account_id or None)
    found = store.get_change_request(session, request_id, None)
    record_change(session, NOUN, request_id, found["user_id"])
    if not by_its_own:
        tell(session, [found["user_id"]], "info", f"change_request_{state}", {**_params(found), "answer": answer})
    caller.note(str(state), change_request_id=request_id, kind=found["kind"], vm_id=found["vm_id"])
    return found


def _params(found: ChangeRequest) -> dict[str, object]:
    return {
        "change_request_id": found["change_request_id"], "kind": found["kind"], "vm_id": found["vm_id"],
        "user_login": found["user_login"], "text": found["text"],
    }  # fmt: skip
