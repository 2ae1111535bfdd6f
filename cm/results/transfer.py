"""Offers of ownership."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from cm.rpc.fields import LoginName, Named, Number, Owner, Text, Time, Uuid, Version
from cm.rpc.vocabulary import TransferKind, TransferState


class Transfer(TypedDict):
    """An offer of an object to another account, as its two parties see it."""

    transfer_id: Number
    uuid: Uuid
    kind: TransferKind
    object_id: Annotated[Number, Meta(description="The vm_id, image_id or vm_template_id.")]
    name: Annotated[Named, Meta(description="The object's, as it was offered.")]
    user_id: Owner
    user_login: LoginName
    to_user_id: Annotated[Number, Meta(description="To whom it is offered.")]
    to_login: LoginName
    text: Text
    state: TransferState
    version: Version
    created: Time
    expires: Annotated[Time, Meta(description="From then on it can be accepted no more.")]
    closed: Annotated[Time | None, Meta(description="When it was answered or withdrawn.")]


class OfferedTransfer(Transfer):
    """A new offer, with what a link to it carries."""

    token: Annotated[
        str,
        Meta(
            examples=["17.c2lnbmVk"],
            description="By which user.transfer.find tells the offer to whom it is for, and to nobody else.",
        ),
    ]
