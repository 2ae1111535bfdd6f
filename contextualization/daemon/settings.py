"""The settings of ``wawel-contextualization``: what it shares with ``wawel-cm`` is named alike."""

from __future__ import annotations

import os
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from cm.runtime.settings import SettingsError
from cm.services.agents import GuestSettings

PREFIX = "WAWEL_CONTEXTUALIZATION"
KEY_NAME = "cluster.key"  # the cluster's secret in the state directory, shared with the cluster manager
KEY_BYTES = 32


@dataclass(frozen=True)
class DatabaseSettings:
    url: str = field(default="postgresql+psycopg2:///wawel_cm", repr=False)
    pool_size: int = 8


@dataclass(frozen=True)
class ListenSettings:
    """Without a certificate only loopback is listened on, unless ``insecure``."""

    contextualization: str = "127.0.0.1:8002"
    tls_certificate: str | None = None
    tls_key: str | None = None
    insecure: bool = False


@dataclass(frozen=True)
class ClusterSettings:
    name: str = "cluster"
    state_dir: str = "/var/lib/wawel"


@dataclass(frozen=True)
class MetadataSettings:
    """``imds_v1`` answers EC2 metadata without a token; ``domain`` is what EC2's services are said to end in."""

    imds_v1: bool = True
    domain: str = "internal"


@dataclass(frozen=True)
class LogSettings:
    level: str = "info"
    format: str = "text"


@dataclass(frozen=True)
class Settings:
    database: DatabaseSettings = DatabaseSettings()
    listen: ListenSettings = ListenSettings()
    cluster: ClusterSettings = ClusterSettings()
    metadata: MetadataSettings = MetadataSettings()
    guests: GuestSettings = GuestSettings()
    log: LogSettings = LogSettings()


def check_settings(settings: Settings) -> None:
    """
    :raises SettingsError: every value that has the right type and is not good all the same.
    """
    problems = []
    if settings.log.level not in ("debug", "info", "warn", "error"):
        problems.append("log.level is none of debug, info, warn, error")
    if settings.log.format not in ("text", "json"):
        problems.append("log.format is neither text nor json")
    problems += settings.guests.problems()
    if problems:
        raise SettingsError(problems)


def read_cluster_key(state_dir: Path) -> bytes:
    """
    The cluster's secret, made at first use, readable by its owner alone.

    :raises SettingsError: it cannot be read or made, others may read it, or it is too short.
    """
    path = state_dir / KEY_NAME
    try:
        if not path.exists():
            _make_key(path)
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise SettingsError([f"{path}: others may read this secret; chmod 600 it"])
        key = path.read_bytes()
    except OSError as error:
        raise SettingsError([f"{path}: {error.strerror}"]) from None
    if len(key) < KEY_BYTES:
        raise SettingsError([f"{path}: it holds fewer than {KEY_BYTES} bytes"])
    return key


def _make_key(path: Path) -> None:
    """Whole or not at all, and the first of several processes wins: all use the one key."""
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    handle, being_written = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(os.urandom(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(being_written, path)
        except FileExistsError:
            pass
    finally:
        os.unlink(being_written)
