"""The cloud as a whole: what it tells everybody, what it mailed, who did what."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from cm.rpc.fields import (
    Clock,
    LoginName,
    Map,
    MessageLevel,
    MessageParams,
    Named,
    Number,
    ProgramVersion,
    Prose,
    Text,
    Time,
    Total,
    Version,
)


class CloudInfo(TypedDict):
    """What anybody may know of a cloud."""

    name: Named
    version: ProgramVersion
    time: Clock
    registration: Annotated[Literal["open", "closed"], Meta(description="Whether one may register oneself.")]
    mailer_active: bool
    contact_email: Annotated[str, Meta(examples=["help@example.org"], description="May be empty.")]
    oidc: Annotated[list[Named], Meta(description="Providers that one may log in by.")]


class News(TypedDict):
    """What everybody is told."""

    news_id: Number
    topic: Text
    content: Text
    sticky: Annotated[bool, Meta(description="Whether it stays above the rest.")]
    version: Version
    created: Time
    modified: Time


class Message(TypedDict):
    """What a user was told, to be put in words by whoever shows it."""

    message_id: Number
    level: MessageLevel
    code: Annotated[str, Meta(examples=["group_accepted"])]
    params: MessageParams
    created: Time
    read: bool
    cluster_id: Annotated[Number | None, Meta(description="Of the cluster that told it; null: the cloud did.")]


class MessageCount(TypedDict):
    """How many messages there are."""

    unread: Total
    total: Total


class Mail(TypedDict):
    """A mail, without what it says."""

    mail_id: Number
    recipient: Annotated[str, Meta(examples=["ann@example.org"])]
    template: Annotated[str, Meta(examples=["activation"])]
    state: Literal["due", "sent", "failed"]
    attempts: Total
    error: Annotated[Prose, Meta(description="What its last attempt failed on.")]
    trouble: Annotated[str, Meta(examples=[""], description="Of what kind that was; empty where there was none.")]
    created: Time
    due: Annotated[Time, Meta(description="Of the next attempt.")]
    sent: Time | None
    failed: Annotated[Time | None, Meta(description="When it was given up.")]


class AuditEntry(TypedDict):
    """A changing call that was accepted."""

    audit_id: Number
    at: Time
    user_id: Annotated[Number | None, Meta(description="Null: a guest did.")]
    login: LoginName
    method: Annotated[str, Meta(examples=["cloud.user.block"])]
    call_id: Annotated[str, Meta(examples=["0123456789abcdef"])]
    request_id: Annotated[str | None, Meta(examples=[None])]
    remote: Annotated[str, Meta(examples=["192.0.2.9"])]
    arguments: Annotated[Map, Meta(description="Without secrets.")]
