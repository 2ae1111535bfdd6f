"""The settings of ``wawel-clm``: read once from a TOML file and the environment into frozen dataclasses."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from clm.rules.mail import parse_mailbox
from clm.rules.permission import DEFAULT, unknown
from cm.rpc.limits import Limits
from cm.rpc.types import Secret
from cm.runtime.settings import DatabaseSettings as ClusterDatabase
from cm.runtime.settings import LogSettings, SettingsError, TlsSettings, origin_problems

NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")  # a DNS label: RFC 1123, 2.1


@dataclass(frozen=True)
class DatabaseSettings(ClusterDatabase):
    url: str = field(default="postgresql+psycopg2:///wawel_clm", repr=False)


@dataclass(frozen=True)
class ListenSettings(TlsSettings):
    rpc: str = "127.0.0.1:8000"
    ec2: str = ""
    ec2_signature_2: bool = True
    origins: tuple[str, ...] = ()


@dataclass(frozen=True)
class CloudSettings:
    name: str = "cloud"
    state_dir: Path = Path("/var/lib/wawel/clm")
    public_url: str = "http://127.0.0.1:8000"
    portal_url: str = ""
    ec2_url: str = ""
    contact_email: str = ""
    issue_email: str = ""


@dataclass(frozen=True)
class AccountSettings:
    registration: bool = True
    auto_activation: bool = False
    permissions: tuple[str, ...] = DEFAULT
    session_s: int = 12 * 3600
    token_s: int = 24 * 3600
    keys_max: int = 50
    api_keys_max: int = 50
    launch_templates_max: int = 200
    groups_max: int = 50


@dataclass(frozen=True)
class MailSettings:
    """``host`` "": there is no mail, and people are activated by administrators alone."""

    host: str = ""
    port: int = 25
    tls: str = "starttls"  # starttls, tls or none
    login: str = ""
    password: Secret | None = None
    sender: str = ""
    ca: Path | None = None
    timeout_s: float = 20.0
    templates_dir: Path | None = None


@dataclass(frozen=True)
class OIDCSettings:
    issuer: str
    client_id: str
    client_secret: Secret | None = None
    title: str = ""
    scope: str = "openid email profile"
    create: bool = True
    link_email: bool = False


@dataclass(frozen=True)
class ClustersSettings:
    deadline_s: float = 10.0
    list_deadline_s: float = 5.0
    check_s: float = 10.0
    sync_s: float = 60.0
    calls: int = 256
    calls_per_account: int = 64
    calls_at_once: int = 2
    calls_kept: int = 32
    waits: int = 1000
    waits_per_account: int = 50
    waits_kept: int = 100


@dataclass(frozen=True)
class RetentionSettings:
    """For how many days what is kept; 0: for ever."""

    login_days: int = 90


@dataclass(frozen=True)
class Settings:
    database: DatabaseSettings = DatabaseSettings()
    listen: ListenSettings = ListenSettings()
    cloud: CloudSettings = CloudSettings()
    accounts: AccountSettings = AccountSettings()
    mail: MailSettings = MailSettings()
    oidc: dict[str, OIDCSettings] = field(default_factory=dict)
    clusters: ClustersSettings = ClustersSettings()
    limits: Limits = Limits()
    retention: RetentionSettings = RetentionSettings()
    log: LogSettings = LogSettings()


def _is_url(text: str) -> bool:
    """Whether mails may name it, in a command to be typed, too; "": there is none to name."""
    return re.fullmatch(r"(https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?)?", text) is not None


def check_settings(settings: Settings) -> None:
    """
    :raises SettingsError: every value that has the right type and is not good all the same.
    """
    problems = settings.log.problems() + origin_problems(settings.listen.origins)
    if not NAME.match(settings.cloud.name):
        problems.append("cloud.name is no DNS label (lower case letters, digits, hyphens)")
    if settings.mail.tls not in ("starttls", "tls", "none"):
        problems.append("mail.tls is none of starttls, tls, none")
    if settings.mail.host and not settings.mail.sender:
        problems.append("mail.sender is needed with mail.host")
    for name, told in (
        ("mail.sender", settings.mail.sender),
        ("cloud.contact_email", settings.cloud.contact_email),
        ("cloud.issue_email", settings.cloud.issue_email),
    ):
        try:
            if told:
                parse_mailbox(told)
        except ValueError as error:
            problems.append(f"{name}: {error}")
    problems += [f"cloud.{name} is no http or https URL" for name in ("public_url", "portal_url") if not _is_url(
        getattr(settings.cloud, name))]  # fmt: skip
    if settings.mail.login and settings.mail.tls == "none" and settings.mail.host not in ("localhost", "127.0.0.1"):
        problems.append("mail.login would travel in the clear: set mail.tls")
    for permission in unknown(settings.accounts.permissions):
        problems.append(f"accounts.permissions: there is no permission {permission}")
    for name, provider in settings.oidc.items():
        parts = urlsplit(provider.issuer)
        loopback = parts.hostname in ("localhost", "127.0.0.1", "::1")
        if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
            problems.append(f"oidc.{name}.issuer is no https URL")
        if provider.link_email and not settings.mail.host:
            # Anybody could register with another's address, and have it when its owner comes by the provider.
            problems.append(f"oidc.{name}.link_email needs mail.host: without mail nobody proves an address")
    for what in ("deadline_s", "list_deadline_s", "check_s", "sync_s"):
        if getattr(settings.clusters, what) <= 0:
            problems.append(f"clusters.{what} is not above zero")
    if settings.clusters.calls_at_once < 1:
        problems.append("clusters.calls_at_once is not above zero")
    for what in ("calls", "waits"):
        if not 0 <= getattr(settings.clusters, f"{what}_kept") < getattr(settings.clusters, what):
            problems.append(f"clusters.{what}_kept leaves none of clusters.{what} to users")
        if getattr(settings.clusters, f"{what}_per_account") < 1:
            problems.append(f"clusters.{what}_per_account is not above zero")
    for what in ("session_s", "token_s"):
        if getattr(settings.accounts, what) <= 0:
            problems.append(f"accounts.{what} is not above zero")
    problems += settings.limits.problems()
    if settings.retention.login_days < 0:
        problems.append("retention.login_days is below zero")
    if problems:
        raise SettingsError(problems)
