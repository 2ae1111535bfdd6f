"""The settings of ``wawel-contextualization``: what it shares with ``wawel-cm`` is named alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cm.runtime.settings import DatabaseSettings, LogSettings, SettingsError, TlsSettings
from cm.services.agent import GuestSettings

PREFIX = "WAWEL_CONTEXTUALIZATION"


@dataclass(frozen=True)
class ListenSettings(TlsSettings):
    contextualization: str = "127.0.0.1:8002"


@dataclass(frozen=True)
class ClusterSettings:
    name: str = "cluster"
    state_dir: Path = Path("/var/lib/wawel")


@dataclass(frozen=True)
class MetadataSettings:
    """``imds_v1`` answers EC2 metadata without a token; ``domain`` is what EC2's services are said to end in."""

    imds_v1: bool = True
    domain: str = "internal"


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
    problems = settings.log.problems()
    problems += settings.guests.problems()
    if problems:
        raise SettingsError(problems)
