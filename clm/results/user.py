"""Users of the cloud, and what they log in with."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict

from msgspec import Meta

from clm.rules.user import UserState
from cm.rpc.fields import LoginName, Named, Number, TagMap, Time, Token, Total, Uuid, Version
from cm.rpc.vocabulary import Role

Email = Annotated[str, Meta(examples=["ann@example.org"], description="May be empty.")]
PersonName = Annotated[str, Meta(examples=["Ann"], description="May be empty.")]
Permission = Annotated[str, Meta(examples=["vm.create"])]
Purpose = Literal["activation", "password", "email"]  # of a mailed token
RegistrationState = Literal["mail_confirmation", "admin_confirmation", "completed"]
RoleName = Annotated[Role, Meta(description="Whose views are open to them.")]


class Person(TypedDict):
    """A user of the cloud, without what they may do."""

    user_id: Number
    uuid: Uuid
    login: LoginName
    email: Email
    first_name: PersonName
    last_name: PersonName
    organization: PersonName
    state: UserState
    is_cloud_admin: bool
    default_cluster_id: Number | None
    has_password: bool
    has_totp: Annotated[bool, Meta(description="Whether they have a second factor.")]
    oidc_issuer: Annotated[str | None, Meta(examples=[None], description="Of the provider that they log in by.")]
    created: Time
    activated: Annotated[Time | None, Meta(description="When they were let in first.")]
    last_login: Time | None
    version: Version


class User(Person):
    """A user of the cloud, as its administrators see them."""

    permissions: Annotated[list[Permission] | None, Meta(description="Null: those that the settings give everybody.")]


class ClusterName(TypedDict):
    """A cluster that somebody administers."""

    cluster_id: Number
    name: Named


class EC2Endpoint(TypedDict):
    """Where EC2 clients find a cluster."""

    cluster: Named
    url: Annotated[str, Meta(examples=["https://ec2.main.example.org"])]


class Profile(Person):
    """The caller's own account, with what they may do."""

    permissions: list[Permission]
    roles: list[RoleName]
    administers: list[ClusterName]
    default_cluster: Named | None
    ec2_endpoints: list[EC2Endpoint]


class EndedSessions(TypedDict):
    """Sessions that were ended."""

    ended: Total


class Registered(TypedDict):
    """What is next for somebody who has registered."""

    user_id: Annotated[Number | None, Meta(description="Null where the address has still to be confirmed.")]
    state: RegistrationState


class Confirmed(TypedDict):
    """What is next for somebody whose address is confirmed."""

    state: RegistrationState


class Mailer(TypedDict):
    """Whether the cloud can mail, and whom to write to."""

    mailer_active: bool
    contact_email: Email


class MailedToken(TypedDict):
    """What a mailed token is good for."""

    purpose: Purpose
    expires: Time


class LoggedIn(TypedDict):
    """A session."""

    token: Annotated[str, Meta(examples=["wst_0123456789"], description="Told this once.")]
    expires: Time
    user_id: Number
    login: LoginName
    roles: list[RoleName]


class SessionRow(TypedDict):
    """A login that is open, whoever asks."""

    session_id: Number
    created: Time
    expires: Time
    used: Annotated[Time, Meta(description="Last; to the minute.")]
    remote: Annotated[str, Meta(examples=["192.0.2.9"], description="The address that it was used from last.")]
    client: Annotated[str, Meta(examples=[""], description="What the program calls itself; may be empty.")]


class Session(SessionRow):
    """A login that is open."""

    current: Annotated[bool, Meta(description="Whether this call came with it.")]


class LoginProvider(TypedDict):
    """An OpenID Connect provider that one may log in by."""

    name: Named
    title: Annotated[str, Meta(examples=["Example University"], description="For people.")]


class BegunLogin(TypedDict):
    """A login by a provider that was begun."""

    url: Annotated[str, Meta(examples=["https://login.example.org/authorize"], description="Where to send the person.")]
    state: Annotated[str, Meta(examples=["c3RhdGU"], description="To be compared with what comes back.")]


class SecondFactor(TypedDict):
    """Whether a second factor is on."""

    active: bool
    recovery_codes_left: Total


class BegunFactor(TypedDict):
    """A second factor to be; it counts once it is confirmed."""

    secret: Token
    uri: Annotated[str, Meta(examples=["otpauth://totp/Wawel:ann"], description="The same as the text of a QR code.")]


class RecoveryCodes(TypedDict):
    """Codes in place of an authenticator's, each good once."""

    recovery_codes: list[Token]


class ApiKey(TypedDict):
    """A key of a program, without its secret."""

    api_key_id: Number
    name: Named
    access_key: Annotated[str, Meta(examples=["wak_0123456789ab"], description="By which it is found; no secret.")]
    scope: Annotated[list[str], Meta(examples=[["read"]], description="all, read, names of views and patterns.")]
    ec2: bool
    created: Time
    expires: Time | None
    used: Annotated[Time | None, Meta(description="When it was used last.")]


class CreatedApiKey(ApiKey):
    """A key that was just made: with ``key``, or of an EC2 pair ``secret_key``."""

    key: NotRequired[Token]
    secret_key: NotRequired[Token]


class SSHKey(TypedDict):
    """A public key."""

    key_id: Number
    name: Named
    kind: Annotated[str, Meta(examples=["ssh-ed25519"])]
    public_key: Annotated[str, Meta(examples=["ssh-ed25519 AAAA... ann"], description="A line of authorized_keys.")]
    fingerprint: Annotated[str, Meta(examples=["SHA256:abc"])]
    fingerprint_md5: Annotated[str, Meta(examples=["00:11:22"])]
    tags: TagMap
    created: Time


class GeneratedSSHKey(SSHKey):
    """A pair of keys that was just made."""

    private_key: Token


class PermissionInfo(TypedDict):
    """What there is to be permitted."""

    name: Permission
    description: Annotated[str, Meta(examples=["make VMs"], description="For people.")]
    views: Annotated[list[str], Meta(examples=[["user.vm.create"]], description="Which it opens.")]
    default: Annotated[bool, Meta(description="Whether users have it who were given no set of theirs.")]
