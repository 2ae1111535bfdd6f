"""The settings of ``wawel-cm``: read once from a TOML file and the environment into frozen dataclasses."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from ipaddress import ip_network
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cm.rpc.limits import Limits
from cm.rules.known_image import KnownImage, read_catalogue
from cm.rules.series import STEPS, Kept
from cm.runtime.settings import DatabaseSettings, LogSettings, SettingsError, TlsSettings, origin_problems
from cm.services.agent import GuestSettings
from cm.store.prune import Retention

KNOWN: Final = Path(__file__).with_name("known_images.toml")


@dataclass(frozen=True)
class ListenSettings(TlsSettings):
    """``""`` switches a listener off."""

    rpc: str = "127.0.0.1:8001"
    origins: tuple[str, ...] = ()
    contextualization: str = "127.0.0.1:8002"


@dataclass(frozen=True)
class ClusterSettings:
    name: str = "cluster"
    state_dir: Path = Path("/var/lib/wawel")
    placement: str = "spread"
    hook_grace_s: float = 5.0
    shutdown_s: float = 60.0
    detach_s: float = 30.0
    owners_spoof: bool = False
    ula: bool = True
    reconcile_s: float = 15.0
    agent_silent_s: float = 60.0
    hooks_silent_s: float = 60.0
    doubtful_s: float = 60.0
    migration_mib_s: int = 0
    migration_s: float = 3600.0
    migration_post_copy: bool = False
    cpu_overcommit: float = 4.0
    memory_overcommit: float = 1.0
    storage_overcommit: float = 4.0
    storage_low_percent: int = 10
    vnc_first_port: int = 5900
    vnc_ports: int = 1000
    snapshots_per_disk: int = 16
    snapshot_chain_max: int = 8
    vm_trash_s: float = 7 * 86_400.0
    transfer_s: float = 3 * 86_400.0
    public_url: str = ""  # "": by listen.rpc
    objects_s: float = 3.0
    workers: bool = True  # whether this process works operations


@dataclass(frozen=True)
class ImportSettings:
    directories: tuple[Path, ...] = ()
    private_networks: bool = False
    networks: tuple[str, ...] = ()
    max_bytes: int = 64 * 2**30
    timeout_s: float = 3600.0
    per_account: int = 4
    uploads_per_account: int = 4
    uploads: int = 100
    upload_s: float = 2 * 86_400.0
    download_s: float = 3600.0
    upload_bytes_per_s: int = 0  # 0: as fast as it goes
    copies: int = 4
    cache_free: float = 0.2
    catalogue: Path | None = None
    failed_s: float = 7 * 86_400.0
    trash_s: float = 7 * 86_400.0


@dataclass(frozen=True)
class MonitoringSettings:
    """How often is measured, and for how many days is kept what of it; 0 of these: for ever."""

    every_s: int = 10  # 0: never
    sample_days: int = 1
    minute_days: int = 7
    five_minute_days: int = 31
    hour_days: int = 366
    day_days: int = 3660
    ended_days: int = 31

    @property
    def kept(self) -> Kept:
        return Kept.of(self.sample_days, self.minute_days, self.five_minute_days, self.hour_days, self.day_days)

    def problems(self) -> list[str]:
        found = [f"monitoring.{f.name} is below zero" for f in fields(self) if getattr(self, f.name) < 0]
        if self.every_s not in (0, *STEPS):
            found.append(f"monitoring.every_s is none of 0, {', '.join(map(str, STEPS))}")
        return found


@dataclass(frozen=True)
class QuotaSettings:
    """What a new account may have."""

    cpu: int = 20
    memory_mib: int = 32_768
    storage_mib: int = 512 * 1024
    vms: int = 20
    networks: int = 16
    points: int = 0
    points_refuse: bool = False


@dataclass(frozen=True)
class TrustSettings:
    """Cloud managers whose caller tokens are believed: key id → file with its Ed25519 public key (PEM)."""

    clm_keys: dict[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    database: DatabaseSettings = DatabaseSettings()
    listen: ListenSettings = ListenSettings()
    cluster: ClusterSettings = ClusterSettings()
    images: ImportSettings = ImportSettings()
    guests: GuestSettings = GuestSettings()
    quota: QuotaSettings = QuotaSettings()
    trust: TrustSettings = TrustSettings()
    limits: Limits = Limits()
    retention: Retention = Retention()
    monitoring: MonitoringSettings = MonitoringSettings()
    log: LogSettings = LogSettings()


def read_known(path: Path | None) -> tuple[dict[str, KnownImage], list[str]]:
    """
    Well-known images: ours, and what a file of the operator's adds to them or says otherwise.

    :return: images by name, and what is wrong with the file.
    """
    found, problems = read_catalogue(KNOWN.read_text())
    assert not problems, problems
    if path is None:
        return found, []
    try:
        more, problems = read_catalogue(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        return found, [f"images.catalogue: {path}: {error}"]
    for known in more.values():
        if known.keyring and not os.access(known.keyring, os.R_OK):
            problems.append(f"{known.name}: the keyring {known.keyring} cannot be read")
    return {**found, **more}, [f"images.catalogue: {path}: {problem}" for problem in problems]


def catalogue(settings: Settings) -> dict[str, KnownImage]:
    """The well-known images, by name."""
    return read_known(settings.images.catalogue)[0]


def check_settings(settings: Settings) -> None:
    """
    :raises SettingsError: every value that has the right type and is not good all the same.
    """
    problems = settings.log.problems()
    if settings.cluster.placement not in ("spread", "pack"):
        problems.append("cluster.placement is neither spread nor pack")
    for network in settings.images.networks:
        try:
            ip_network(network)
        except ValueError as error:
            problems.append(f"images.networks: {error}")
    if not 0 <= settings.cluster.storage_low_percent <= 90:
        problems.append("cluster.storage_low_percent is not between 0 and 90")
    if settings.cluster.public_url and not _is_url(settings.cluster.public_url):
        problems.append("cluster.public_url is no http or https URL without a path")
    problems += settings.guests.problems() + read_known(settings.images.catalogue)[1]
    for what in (
        "cpu_overcommit",
        "memory_overcommit",
        "storage_overcommit",
        "reconcile_s",
        "shutdown_s",
        "detach_s",
        "agent_silent_s",
        "hooks_silent_s",
        "doubtful_s",
        "migration_s",
        "snapshots_per_disk",
        "transfer_s",
    ):
        if getattr(settings.cluster, what) <= 0:
            problems.append(f"cluster.{what} is not above zero")
    if settings.cluster.objects_s < 0:
        problems.append("cluster.objects_s is below zero")
    if settings.cluster.migration_mib_s < 0:
        problems.append("cluster.migration_mib_s is below zero")
    if settings.cluster.snapshot_chain_max < 0:
        problems.append("cluster.snapshot_chain_max is below zero")
    for what in (
        "max_bytes", "timeout_s", "failed_s", "per_account", "copies", "uploads_per_account", "uploads", "upload_s",
        "download_s",
    ):  # fmt: skip
        if getattr(settings.images, what) <= 0:
            problems.append(f"images.{what} is not above zero")
    if settings.images.upload_bytes_per_s < 0:
        problems.append("images.upload_bytes_per_s is below zero")
    problems += origin_problems(settings.listen.origins)
    if not 0 <= settings.images.cache_free < 1:
        problems.append("images.cache_free is not a share from 0 to 1")
    if settings.cluster.vm_trash_s < 0:
        problems.append("cluster.vm_trash_s is below zero")
    if settings.images.trash_s < 0:
        problems.append("images.trash_s is below zero")
    if not 1 <= settings.cluster.vnc_first_port <= 65_535 - settings.cluster.vnc_ports:
        problems.append("cluster.vnc_first_port and vnc_ports lead beyond port 65535")
    problems += settings.limits.problems() + settings.retention.problems() + settings.monitoring.problems()
    if problems:
        raise SettingsError(problems)


def _is_url(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.path in ("", "/") and not parts.query
