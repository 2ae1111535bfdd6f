"""
What directories that images are imported from may hold: images, and nothing that is another's.

Whoever administers the cluster by its API may have any file below them made an image that everybody can read. So keys,
databases, logs and the disks of others may neither lie below one nor around one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from cm.daemon.settings import Settings, check_settings
from cm.runtime.settings import SettingsError

# Of the system, where these things are by custom; what is not there cannot be told to anybody.
_SYSTEM: Final = (
    ("/etc", "the system's settings and keys"),
    ("/proc", "what processes hold"),
    ("/sys", "the kernel's state"),
    ("/dev", "devices"),
    ("/boot", "the system's kernel"),
    ("/run/credentials", "services' credentials"),
    ("/run/secrets", "services' secrets"),
    ("/var/log", "logs"),
    ("/var/lib/postgresql", "PostgreSQL's data"),
    ("/var/lib/libvirt/secrets", "libvirt's secrets"),
    ("/var/lib/libvirt/qemu", "the memory of guests"),
    ("/var/spool", "mail and jobs of others"),
)
_HOME: Final = (".ssh", ".gnupg", ".pgpass", ".config", ".local/state")


def check_all(settings: Settings, config: Path | None = None) -> None:
    """
    The settings' own checks and those of directories, told together.

    :param config: see ``import_problems``.
    :raises SettingsError:
    """
    problems = import_problems(settings, config)
    try:
        check_settings(settings)
    except SettingsError as error:
        problems = [*error.problems, *problems]
    if problems:
        raise SettingsError(problems)


def import_problems(settings: Settings, config: Path | None = None) -> list[str]:
    """
    What is wrong with ``images.directories``, a line each.

    :param config: the file that the settings were read from; it may hold passwords.
    """
    problems = []
    for directory in settings.images.directories:
        if not directory.is_absolute():
            problems.append(f"images.directories: {directory} is not absolute")
            continue
        # What a link leads to now; below it none is followed.
        real = Path(os.path.realpath(directory))
        for path, what in _private(settings, config):
            reason = overlap(real, path)
            if reason is not None:
                problems.append(f"images.directories: {directory} {reason} {path}: {what}")
        cluster = next((each for each in (real, *real.parents) if (each / "PG_VERSION").exists()), None)
        if cluster is not None:
            problems.append(f"images.directories: {directory} lies in {cluster}: PostgreSQL's data")
    return problems


def overlap(directory: Path, other: Path) -> str | None:
    """How one of two real paths lies with the other; None: apart."""
    if directory == other:
        return "is"
    if other.is_relative_to(directory):
        return "holds"
    return "lies in" if directory.is_relative_to(other) else None


def _private(settings: Settings, config: Path | None) -> Iterator[tuple[Path, str]]:
    for path, what in _named(settings, config):
        yield Path(os.path.realpath(path)), what


def _named(settings: Settings, config: Path | None) -> Iterable[tuple[Path, str]]:
    yield settings.cluster.state_dir, "cluster.state_dir, the manager's keys and what others import"
    if settings.listen.tls_key is not None:
        yield settings.listen.tls_key, "listen.tls_key"
    if config is not None:
        yield config, "the manager's settings"
    yield from ((Path(path), what) for path, what in _SYSTEM if os.path.exists(path))
    try:
        home = Path.home()
    except RuntimeError:
        return  # a user without one
    yield from ((home / name, "private files of the manager's user") for name in _HOME if (home / name).exists())


# ------------------------------------------------------------------ what only the database knows


def pool_problems(directories: Sequence[Path], pools: Sequence[tuple[str, str]]) -> list[str]:
    """
    :param pools: names and paths of storages. On this machine they may be, on nodes they are, full of users' disks.
    """
    problems = []
    for directory in directories:
        real = Path(os.path.realpath(directory))
        for name, path in pools:
            reason = overlap(real, Path(path))  # as it is written: to look, on a file server that is away, would hang
            if reason is not None:
                problems.append(f"images.directories: {directory} {reason} {path}: the disks of storage {name}")
    return problems
