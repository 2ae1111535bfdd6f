"""
Use cases of offers of ownership: who offers what to whom, and what the two make of it. What changes hands then is
``changing_hands.py``'s.

Locks are taken in one order: the object with its disks, the offer, the accounts. So whoever accepts, withdraws or
destroys at the same moment waits for the first, and finds what that one made of it.
"""

from __future__ import annotations

from typing import Final, Literal

from cm.results.transfer import OfferedTransfer, Transfer
from cm.rpc.errors import InvalidParameter, ObjectNotFound, OwnerBlocked, QuotaReached, VersionChanged
from cm.rpc.vocabulary import TransferKind, TransferState
from cm.rules.access import Action
from cm.rules.transfer import OwnersAlone, TransferClosed, TransferNotYours, TransferOffered, read_id, same, sign
from cm.services.access import Who, authorized_image, authorized_vm, authorized_vm_template, person_of
from cm.services.acl import subject_of
from cm.services.changing_hands import Held, check, give, hold
from cm.services.context import ClusterCall
from cm.services.message import tell
from cm.store import transfer as store
from cm.store.account import find_facts
from cm.store.change import record_change

OFFERS_MAX: Final = 100  # of an account that wait for an answer
NOUN: Final = "transfer"


def _see(caller: ClusterCall, who: Who, kind: TransferKind, object_id: int) -> None:
    """:raises ObjectNotFound: AccessNeeded: as ``authorized_vm``."""
    session, action = caller.session, Action.SEE if who is None else caller.action("object_id")
    if kind is TransferKind.VM:
        authorized_vm(session, who, object_id, action)
    elif kind is TransferKind.IMAGE:
        authorized_image(session, who, object_id, action)
    else:
        authorized_vm_template(session, who, object_id, action)


def create(
    caller: ClusterCall,
    kind: TransferKind,
    object_id: int,
    words: str,
    *,
    login: str | None,
    account_number: str | None,
    administrator: bool = False,
    issuer: str | None = None,
) -> OfferedTransfer:
    """
    Offer an object to an account; nothing changes before that accepts.

    :param issuer: whose login or number it is; without it the caller's own cloud manager, or this cluster.
    :raises ObjectNotFound: AccessNeeded: there is no such object for the caller; or no such account.
    :raises OwnersAlone: they hold a level on it, and it is another's.
    :raises InvalidParameter: neither a login nor a number; or it is that of its owner.
    :raises OwnerBlocked: the account could have nothing.
    :raises TransferOffered: it is offered already.
    :raises QuotaReached: too many offers of its owner's wait.
    :raises NotTransferable: and others that ``changing_hands.py`` names: something keeps it.
    """
    session = caller.session
    who = None if administrator else person_of(caller.identity)
    _see(caller, who, kind, object_id)
    held = hold(session, kind, object_id)
    if who is not None and held.account_id != who.account_id:
        raise OwnersAlone(kind, object_id)
    if caller.if_version is not None and held.version != caller.if_version:
        raise VersionChanged(kind.value, object_id, held.version, caller.if_version)
    of = issuer or caller.identity.issuer
    to = subject_of(caller, login, None, account_number, of, administrator=administrator).account_id
    assert to is not None, "no group was given"
    _check_addressee(caller, held, to)
    check(session, kind, object_id)
    known = store.find_offered(session, kind, object_id)
    if known is not None and not known[1]:
        raise TransferOffered(kind, object_id, known[0])
    if known is not None:
        store.close_transfer(session, known[0], TransferState.EXPIRED)
    used = store.count_offered(session, held.account_id)
    if used >= OFFERS_MAX:
        raise QuotaReached("transfers", OFFERS_MAX, used, 1)
    made = store.insert_transfer(
        session, kind, object_id, held.name, held.account_id, to, words, caller.policy.transfer_s
    )
    found = store.get_transfer(session, made, None)
    _changed(caller, found, "enter")
    tell(session, [to], "info", "transfer_offered", _params(found))
    caller.note("offer", kind=kind, object_id=object_id, transfer_id=made, to_user_id=to)
    return {**found, "token": sign(caller.policy.secret, made, found["uuid"], to)}


def _check_addressee(caller: ClusterCall, held: Held, to: int) -> None:
    if to == held.account_id:
        raise InvalidParameter("login", "it is its owner's")
    facts = find_facts(caller.session, to)
    if facts is None:
        raise ObjectNotFound("user", to)
    if not facts.active:
        raise OwnerBlocked(to)


def accept(caller: ClusterCall, transfer_id: int) -> Transfer:
    """
    The object is the caller's from now on, with what goes with it.

    :raises ObjectNotFound: the caller is no party.
    :raises TransferNotYours: they offered it.
    :raises TransferClosed: it can be accepted no more.
    :raises NotTransferable: and others that ``changing_hands.py`` names: it cannot change hands as it is.
    :raises QuotaReached: the caller may not have so much.
    """
    session = caller.session
    seen = _as_party(caller, transfer_id, "to_user_id", "accept")
    if seen["state"] is not TransferState.OFFERED:
        raise TransferClosed(transfer_id, seen["state"])
    kind = seen["kind"]
    try:
        held = hold(session, kind, seen["object_id"])
    except ObjectNotFound:
        raise TransferClosed(transfer_id, TransferState.VOID) from None
    _hold(caller, transfer_id)  # what was answered meanwhile, or is void now that its object is held, is told here
    store.hold_accounts(session, seen["user_id"], seen["to_user_id"])
    check(session, kind, held.id)
    give(caller, kind, held)
    store.close_transfer(session, transfer_id, TransferState.ACCEPTED)
    return _ended(caller, transfer_id, "transfer_accepted", seen["user_id"])


def decline(caller: ClusterCall, transfer_id: int) -> Transfer:
    """
    :raises ObjectNotFound: TransferNotYours: TransferClosed: as ``accept``.
    """
    _as_party(caller, transfer_id, "to_user_id", "decline")
    found = _hold(caller, transfer_id)
    store.close_transfer(caller.session, transfer_id, TransferState.DECLINED)
    return _ended(caller, transfer_id, "transfer_declined", found["user_id"])


def withdraw(caller: ClusterCall, transfer_id: int, *, administrator: bool = False) -> Transfer:
    """
    :raises ObjectNotFound: TransferNotYours: TransferClosed: as ``accept``; it was offered to the caller.
    """
    if not administrator:
        _as_party(caller, transfer_id, "user_id", "withdraw")
    found = _hold(caller, transfer_id)
    store.close_transfer(caller.session, transfer_id, TransferState.WITHDRAWN)
    return _ended(caller, transfer_id, "transfer_withdrawn", found["to_user_id"])


def find(caller: ClusterCall, token: str) -> Transfer:
    """
    The offer that a link is about, as far as it is for the caller.

    :raises InvalidParameter: it is none of this cluster's, or for somebody else: which of these is not told.
    """
    refused = InvalidParameter("token", "no offer that was made to the caller has it")
    transfer_id = read_id(token)
    if transfer_id is None:
        raise refused
    try:
        found = store.get_transfer(caller.session, transfer_id, caller.account_id)
    except ObjectNotFound:
        raise refused from None
    if not same(token, sign(caller.policy.secret, transfer_id, found["uuid"], caller.account_id)):
        raise refused
    return found


def _as_party(caller: ClusterCall, transfer_id: int, party: Literal["user_id", "to_user_id"], what: str) -> Transfer:
    found = store.get_transfer(caller.session, transfer_id, caller.account_id)
    if found[party] != caller.account_id:
        raise TransferNotYours(transfer_id, what)
    return found


def _hold(caller: ClusterCall, transfer_id: int) -> Transfer:
    """
    :raises TransferClosed: nothing is to be answered any more.
    :raises VersionChanged: it is not at ``if_version``.
    """
    found = store.get_transfer(caller.session, transfer_id, None, lock=True, version=caller.if_version)
    if found["state"] is not TransferState.OFFERED:
        raise TransferClosed(transfer_id, found["state"])
    return found


def _ended(caller: ClusterCall, transfer_id: int, code: str, told: int) -> Transfer:
    found = store.get_transfer(caller.session, transfer_id, None)
    _changed(caller, found, "change")
    tell(caller.session, [told], "info", code, _params(found))
    told_of = {"transfer_id": transfer_id, "kind": found["kind"], "object_id": found["object_id"]}
    caller.note(code.removeprefix("transfer_"), **told_of)
    return found


def _changed(caller: ClusterCall, found: Transfer, event: str) -> None:
    """Its two parties are told, and nobody else."""
    for account_id in (found["user_id"], found["to_user_id"]):
        record_change(caller.session, NOUN, found["transfer_id"], account_id, event)


def _params(found: Transfer) -> dict[str, object]:
    names = ("transfer_id", "kind", "object_id", "name", "user_login", "to_login", "expires")
    return {name: value for name, value in found.items() if name in names}

