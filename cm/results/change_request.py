"""Requests for what only an administrator gives."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from cm.rpc.fields import LoginName, Map, Number, Owner, Text, Time, Uuid, Version
from cm.rpc.vocabulary import ChangeRequestKind, ChangeRequestState


class ChangeRequest(TypedDict):
    """What an account asks administrators for, and what they made of it."""

    change_request_id: Number
    uuid: Uuid
    user_id: Owner
    user_login: LoginName
    kind: ChangeRequestKind
    vm_id: Annotated[Number | None, Meta(description="Of which it is asked; null of a quota.")]
    wanted: Annotated[
        Map, Meta(description="template_id; lease, in words; or quotas by name.", examples=[{"template_id": 3}])
    ]
    text: Text
    state: ChangeRequestState
    answer: Annotated[Text, Meta(description="Of whoever accepted or declined.")]
    version: Version
    created: Time
    closed: Time | None
