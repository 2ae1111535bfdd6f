"""What use cases are handed besides their arguments: the caller with the cloud's policy, and its living parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clm.rules.permission import DEFAULT
from cm.rpc.caller import Call, Identity
from cm.rpc.limits import Share

if TYPE_CHECKING:
    from clm.drivers.oidc import Provider
    from clm.services.authenticator import CloudAuthenticator
    from clm.services.connection import Clusters
    from clm.services.forward import Forwarder
    from cm.rpc.gate import PasswordGate
    from cm.rpc.keys import SigningKey
    from cm.runtime.database import Database
    from cm.runtime.listener import Listener
    from cm.runtime.logins import LoginTrail
    from cm.runtime.threads import IThreads


@dataclass(frozen=True)
class OIDCProvider:
    """An OpenID Connect provider whose word on people is taken."""

    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    title: str = ""
    scope: str = "openid email profile"
    create: bool = True  # whether somebody unknown gets an account
    link_email: bool = False  # whether its word on a verified address is enough to log in as the account that has it


@dataclass(frozen=True)
class CloudPolicy:
    """The cloud's settings that decisions depend on. Times are in seconds."""

    name: str = "cloud"
    secret: bytes = field(default=b"", repr=False)  # seals what is kept secret; the same for all processes
    public_url: str = ""  # where people's programs reach it: of commands in mails
    portal_url: str = ""  # where a web portal is served, of links in mails; "": there is none
    ec2_url: str = ""  # pattern with {cluster}
    registration: bool = True  # whether people may register themselves
    auto_activation: bool = False  # whether a confirmed address is enough
    permissions: tuple[str, ...] = DEFAULT  # of users who have none of their own
    session_s: int = 12 * 3600
    token_s: int = 24 * 3600  # of a mailed link
    keys_max: int = 50
    api_keys_max: int = 50
    launch_templates_max: int = 200  # versions of all of them
    groups_max: int = 50
    mail_from: str = ""  # "": there is no mail
    contact_email: str = ""
    issue_email: str = ""
    templates_dir: Path | None = None
    oidc: Mapping[str, OIDCProvider] = field(default_factory=dict)
    cluster_deadline_s: float = 10.0  # of a call that is passed on
    list_deadline_s: float = 5.0  # of each cluster in a list of all
    login_days: int = 90  # that logins are kept; 0: for ever
    cluster_calls: Share | None = None  # of each cluster at a time; None: as its driver has them
    cluster_waits: Share | None = None
    cluster_at_once: int = 2  # of one user's calls

    @property
    def issuer(self) -> str:
        """Of the caller tokens that clusters are shown."""
        return f"clm:{self.name}"


@dataclass
class Services:
    """
    The living parts that asynchronous views and loops use.

    :ivar signals: the database's notifications.
    :ivar signing_key: of caller tokens; clusters are told its public part.
    :ivar providers: of OpenID Connect, by name, as far as they were needed.
    """

    database: Database
    threads: IThreads
    policy: CloudPolicy
    reactor: Any
    signals: Listener
    gate: PasswordGate
    logins: LoginTrail
    authenticator: CloudAuthenticator
    signing_key: SigningKey
    clusters: Clusters
    forwarder: Forwarder
    providers: dict[str, Provider] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CloudIdentity(Identity):
    """
    A user recognised by the cloud.

    :ivar scope: names and patterns of views that an API key is good for (``rules/scope.py``); None: all.
    :ivar administers: ids of the clusters that they administer; a cloud administrator, all of them.
    :ivar version: the user's, when they were recognised.
    """

    permissions: frozenset[str] = frozenset()
    administers: frozenset[int] = frozenset()
    default_cluster_id: int | None = None
    scope: tuple[str, ...] | None = None
    session_id: int | None = None
    api_key_id: int | None = None
    version: int = 0


@dataclass(slots=True)
class CloudCall(Call):
    """A view's caller in a cloud manager. ``user_id`` is their ``account_id``."""

    policy: CloudPolicy = field(kw_only=True)

    @property
    def user_id(self) -> int:
        return self.identity.account_id


@dataclass(slots=True)
class AsyncCloudCall(CloudCall):
    """The caller of an asynchronous view, which has no session, and the living parts instead."""

    services: Services = field(kw_only=True)
