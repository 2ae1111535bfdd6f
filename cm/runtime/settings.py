"""
Settings: one TOML file and the environment, read once into frozen dataclasses of whoever asks.

    @dataclass(frozen=True)
    class CMSettings:
        name: str
        database: DatabaseSettings           # a dataclass: a table [database]
        password: Secret | None = None       # also as password_file = "/path"

``WAWEL_CM_DATABASE_URL`` sets ``url`` of ``[database]`` with the prefix ``WAWEL_CM``. All problems are told together.
"""

from __future__ import annotations

import errno
import os
import re
import tempfile
import tomllib
import typing
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import msgspec

from cm.rpc.types import Secret, decode_hook

Settings = TypeVar("Settings")
_SECRET_FILE_MAX = 65_536  # bytes


class SettingsError(Exception):
    """Everything that is wrong with the settings, one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class DatabaseSettings:
    """A cluster's; a cloud's has another name."""

    url: str = field(default="postgresql+psycopg2:///wawel_cm", repr=False)
    pool_size: int = 8


@dataclass(frozen=True)
class TlsSettings:
    """Of what a program listens on: without a certificate that is loopback only, unless ``insecure``."""

    tls_certificate: Path | None = None
    tls_key: Path | None = None
    insecure: bool = False
    metrics_token: Path | None = None  # file with what lets programs of other machines read metrics


@dataclass(frozen=True)
class LogSettings:
    level: str = "info"
    format: str = "text"

    def problems(self) -> list[str]:
        """What is wrong with them, one line each."""
        found = []
        if self.level not in ("debug", "info", "warn", "error"):
            found.append("log.level is none of debug, info, warn, error")
        if self.format not in ("text", "json"):
            found.append("log.format is neither text nor json")
        return found


def make_state_dir(path: Path, setting: str, unit: str) -> None:
    """
    Make sure of a directory for keys and work.

    :param setting: its name, and the unit of the packages whose sandbox may keep us out of it.
    :raises SettingsError: it cannot be made, or this process may not write there.
    """
    try:
        path.mkdir(mode=0o750, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return
    except OSError as error:
        told = f"{setting}: {path} cannot be written: {error.strerror}"
        if error.errno == errno.EROFS:  # ProtectSystem=strict of the unit, where the account itself may write
            told += f"; within {unit}.service it needs a drop-in (systemctl edit {unit}) with\n"
            told += f"[Service]\nReadWritePaths={path}"
        raise SettingsError([told]) from None


def read_settings(
    cls: type[Settings],
    path: str | os.PathLike[str] | None = None,
    prefix: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """
    Read a dataclass of settings. The environment outweighs the file, the file the defaults.

    :param path: the TOML file; ``None`` for none.
    :param prefix: of environment variables, without the last underscore; ``None`` reads none.
    :raises SettingsError: with all problems: unreadable, unknown, missing, of a wrong type.
    """
    reader = _Reader(os.environ if environment is None else environment)
    table: dict[str, Any] = {}
    if path is not None:
        try:
            with open(path, "rb") as file:
                table = tomllib.load(file)
        except OSError as error:
            raise SettingsError([f"{os.fspath(path)}: {error.strerror}"]) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError([f"{os.fspath(path)}: {error}"]) from None
    made = reader.dataclass(cls, table, (), prefix)
    if prefix is not None:
        reader.unknown_variables(prefix)
    if reader.problems:
        raise SettingsError(reader.problems)
    return typing.cast(Settings, made)


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self.problems: list[str] = []
        self._environment = environment
        self._used: set[str] = set()

    def dataclass(self, cls: type[Any], table: Any, where: tuple[str, ...], prefix: str | None) -> Any:
        if not isinstance(table, dict):
            self._problem(where, "it is not a table")
            return None
        hints = typing.get_type_hints(cls, include_extras=True)
        left, values, before = dict(table), {}, len(self.problems)
        for item in fields(cls):
            name, annotation = item.name, hints[item.name]
            inner, here = _dataclass_in(annotation), (*where, name)
            if inner is not None:
                variable = None if prefix is None else f"{prefix}_{name.upper()}"
                wanted = name in left or self._has_variables(variable) or _is_required(item)
                if wanted:
                    values[name] = self.dataclass(inner, left.pop(name, {}), here, variable)
                continue
            found, value = self._value(left, name, here, prefix, _is_secret(annotation))
            if found:
                values[name] = self._converted(value, annotation, here)
            elif _is_required(item):
                self._problem(here, "it is required")
        for name in left:
            self._problem((*where, name), "there is no such setting")
        if len(self.problems) > before:
            return None
        try:
            return cls(**values)
        except (ValueError, TypeError) as error:  # what __post_init__ found wrong
            self._problem(where, str(error))
            return None

    def _value(
        self, left: dict[str, Any], name: str, here: tuple[str, ...], prefix: str | None, secret: bool
    ) -> tuple[bool, Any]:
        """Where a setting is given: environment, file, and for secrets the file that either names."""
        filed = f"{name}_file" if secret else None
        told, told_file = left.pop(name, MISSING), left.pop(filed, MISSING) if filed else MISSING
        if told is not MISSING and told_file is not MISSING:
            self._problem(here, f"it is given itself and by {filed}")
        if prefix is not None:
            variable = f"{prefix}_{name.upper()}"
            if filed and f"{variable}_FILE" in self._environment:
                self._used.add(f"{variable}_FILE")
                told, told_file = MISSING, self._environment[f"{variable}_FILE"]
            if variable in self._environment:
                self._used.add(variable)
                return True, _FromText(self._environment[variable])
        if told is not MISSING:
            return True, told
        if told_file is not MISSING:
            return self._read_secret(told_file, here)
        return False, None

    def _read_secret(self, path: Any, here: tuple[str, ...]) -> tuple[bool, Any]:
        try:
            with open(path, encoding="utf-8") as file:
                return True, file.read(_SECRET_FILE_MAX).rstrip("\n")
        except (OSError, TypeError, UnicodeDecodeError) as error:
            self._problem(here, f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is no text file'}")
            return True, "-"

    def _converted(self, value: Any, annotation: Any, here: tuple[str, ...]) -> Any:
        try:
            if isinstance(value, _FromText):
                text = str(value)
                if _takes_list(annotation):
                    parts = [part.strip() for part in text.split(",") if part.strip()]
                    return msgspec.convert(parts, annotation, strict=False, dec_hook=_decode)
                return msgspec.convert(text, annotation, strict=False, dec_hook=_decode)
            return msgspec.convert(value, annotation, strict=True, dec_hook=_decode)
        except msgspec.ValidationError as error:
            # msgspec tells types and bounds; of values it repeats only those of enumerations.
            reason = str(error)
            self._problem(here, reason[:1].lower() + reason[1:])
            return None

    def _has_variables(self, prefix: str | None) -> bool:
        return prefix is not None and any(name.startswith(prefix + "_") for name in self._environment)

    def unknown_variables(self, prefix: str) -> None:
        for name in sorted(self._environment):
            if name.startswith(prefix + "_") and name not in self._used:
                self.problems.append(f"{name}: there is no such setting")

    def _problem(self, where: tuple[str, ...], reason: str) -> None:
        self.problems.append(f"{'.'.join(where) or 'settings'}: {reason}")


def _decode(kind: type, value: Any) -> Any:
    """Types that only settings have, then those of the wire."""
    if kind is Path:
        if not isinstance(value, str) or not value or "\0" in value:
            raise ValueError("Expected a path")
        return Path(value)
    return decode_hook(kind, value)


class _FromText(str):
    """A value from the environment: text, whatever the setting's type."""


def _is_required(item: Field[Any]) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


def _parts(annotation: Any) -> list[Any]:
    """The members of a union, the inside of ``Annotated``; else the annotation itself."""
    if get_origin(annotation) is typing.Annotated:
        return _parts(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [part for member in get_args(annotation) for part in _parts(member)]
    return [annotation]


def _dataclass_in(annotation: Any) -> type[Any] | None:
    return next((part for part in _parts(annotation) if isinstance(part, type) and is_dataclass(part)), None)


def _is_secret(annotation: Any) -> bool:
    return Secret in _parts(annotation)


def _takes_list(annotation: Any) -> bool:
    return any(get_origin(part) in (list, tuple, frozenset, set) for part in _parts(annotation))


def origin_problems(origins: Iterable[str]) -> list[str]:
    """What is wrong with ``listen.origins``: each is as a browser names it, which is compared as it stands."""
    return [
        f"listen.origins: {origin} is no origin, such as https://portal.example"
        for origin in origins
        if not re.fullmatch(r"https?://[a-z0-9.\[\]:-]+", origin)
    ]
