"""
Offers of ownership: a VM, an image of any kind or a VM template of the caller's becomes another account's, once that
accepts.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cm.results.transfer import OfferedTransfer, Transfer
from cm.rpc.types import LINE, AccountNumber, Id, Limit, Login, Text
from cm.rpc.view import user_view
from cm.rpc.vocabulary import TransferKind
from cm.rules.access import Action
from cm.services import transfer as service
from cm.services.context import ClusterCall
from cm.store.transfer import get_transfer, list_transfers

Token = Annotated[str, Meta(min_length=1, max_length=100, pattern=LINE, description="As user.transfer.create gave it.")]


@user_view(changing=True, on={"object_id": Action.TRANSFER})
def create(
    caller: ClusterCall,
    kind: TransferKind,
    object_id: Id,
    login: Login | None = None,
    account_number: AccountNumber | None = None,
    text: Text = "",
) -> OfferedTransfer:
    """
    Offer an object of the caller's own to another account, which is told; it stays the caller's until that accepts.
    With a VM go the disks that it has attached, and their snapshots.

    :param login: of an account of the caller's own cloud manager that has been here before.
    :param account_number: likewise, by what that one counts it as.
    :param text: for whoever it is offered to.
    """
    return service.create(caller, kind, object_id, text, login=login, account_number=account_number)


@user_view
def get_list(
    caller: ClusterCall, answered: bool = False, limit: Limit = 100, before: Id | None = None
) -> list[Transfer]:
    """
    Offers that the caller made, and that were made to them, newest first.

    :param answered: also those that are answered or withdrawn; they are kept as long as messages.
    :param before: the last ``transfer_id`` of the page before.
    """
    return list_transfers(caller.session, caller.account_id, open_only=not answered, limit=limit, before=before)


@user_view
def get_by_id(caller: ClusterCall, transfer_id: Id) -> Transfer:
    """An offer that the caller made, or that was made to them."""
    return get_transfer(caller.session, transfer_id, caller.account_id)


@user_view
def find(caller: ClusterCall, token: Token) -> Transfer:
    """The offer that a link is about, where it was made to the caller; it is accepted by its ``transfer_id``."""
    return service.find(caller, token)


@user_view(changing=True)
def accept(caller: ClusterCall, transfer_id: Id) -> Transfer:
    """
    Have what was offered to the caller be theirs from now on: it counts in their quota, and nobody else has a level on
    it any more.
    """
    return service.accept(caller, transfer_id)


@user_view(changing=True)
def decline(caller: ClusterCall, transfer_id: Id) -> Transfer:
    """Decline what was offered to the caller; whoever offered it is told."""
    return service.decline(caller, transfer_id)


@user_view(changing=True)
def withdraw(caller: ClusterCall, transfer_id: Id) -> Transfer:
    """Take back an offer of the caller's that nobody has answered."""
    return service.withdraw(caller, transfer_id)
