"""Offers of ownership of everybody's. Nobody is given anything who does not accept it."""

from __future__ import annotations

from cm.results.transfer import OfferedTransfer, Transfer
from cm.rpc.types import AccountNumber, Id, Limit, Login, Text
from cm.rpc.view import admin_view
from cm.rpc.vocabulary import TransferKind
from cm.services import transfer as service
from cm.services.context import ClusterCall
from cm.store.transfer import list_transfers
from cm.views.admin.acl import Issuer


@admin_view(changing=True)
def create(
    caller: ClusterCall,
    kind: TransferKind,
    object_id: Id,
    login: Login | None = None,
    account_number: AccountNumber | None = None,
    issuer: Issuer | None = None,
    text: Text = "",
) -> OfferedTransfer:
    """
    Offer an object to another account in its owner's name.

    :param login: or ``account_number``: of whom it is offered to.
    :param issuer: their cloud manager; without it the caller's own, or this cluster.
    """
    return service.create(
        caller, kind, object_id, text, login=login, account_number=account_number, administrator=True, issuer=issuer
    )


@admin_view
def get_list(
    caller: ClusterCall,
    user_id: Id | None = None,
    answered: bool = False,
    limit: Limit = 100,
    before: Id | None = None,
) -> list[Transfer]:
    """
    Offers, newest first.

    :param user_id: of which this account is one of the parties.
    :param answered: also those that are answered or withdrawn.
    :param before: the last ``transfer_id`` of the page before.
    """
    return list_transfers(caller.session, user_id, open_only=not answered, limit=limit, before=before)


@admin_view(changing=True)
def withdraw(caller: ClusterCall, transfer_id: Id) -> Transfer:
    """Take back an offer that nobody has answered; whoever it was made to is told."""
    return service.withdraw(caller, transfer_id, administrator=True)
