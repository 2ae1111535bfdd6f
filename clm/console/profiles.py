"""
Profiles: which managers the console talks to, and as whom.

``config.toml`` is the user's to edit and holds no secrets; tokens stand in ``sessions.json``, mode 0600, each with the
address that gave it, so that none is sent elsewhere.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from clm.console.places import config_dir, read_text, write_private
from clm.console.problems import Problem

NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}\Z")
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,8000}\Z")


@dataclass(frozen=True)
class Profile:
    """
    :ivar kind: "cm", a lone cluster; "clm", a cloud; "" until somebody asked.
    :ivar cluster: the cluster that commands mean when none is given.
    """

    name: str
    url: str
    kind: str = ""
    login: str = ""
    ca: str = ""
    cluster: str = ""
    output: str = ""


@dataclass(frozen=True)
class Session:
    url: str
    token: str = field(repr=False)
    expires: str = ""
    api_key: bool = False


@dataclass(frozen=True)
class Config:
    default: str = ""
    profiles: Mapping[str, Profile] = field(default_factory=dict)


def config_file() -> Path:
    return config_dir() / "config.toml"


def sessions_file() -> Path:
    return config_dir() / "sessions.json"


def check_name(name: str) -> str:
    """:raises Problem: no profile can be named so."""
    if not NAME.match(name):
        raise Problem(f"A profile cannot be named {name!r}: letters, digits and _ . - are possible.")
    return name


def check_url(url: str) -> str:
    """
    An address without what would be refused, or misunderstood, later.

    :raises Problem: it is none.
    """
    url = url.strip().rstrip("/")
    wrong = Problem(f"{url!r} is no address: https://host:port, http://host:port or unix:/path is needed.")
    if not url.isprintable() or " " in url or not url.isascii():
        raise wrong
    if url.startswith("unix:"):
        if not url.removeprefix("unix:").startswith("/"):
            raise wrong
        return url
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query or parts.fragment:
        raise wrong
    if "@" in parts.netloc:
        raise Problem("An address holds no login: wawel login --login NAME asks for the password.")
    return url


def check_token(token: str) -> str:
    """:raises Problem: it cannot be sent in a header."""
    token = token.strip()
    if not _TOKEN.match(token):
        raise Problem("The token or key is not one line of printable characters.")
    return token


def read_config() -> Config:
    """:raises Problem: the file is not as it should be."""
    text = read_text(config_file())
    if text is None:
        return Config()
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _unreadable(str(error)) from None
    except RecursionError:
        raise _unreadable("it is nested too deeply") from None
    default, tables = told.get("default", ""), told.get("profiles", {})
    if not isinstance(default, str) or not isinstance(tables, dict):
        raise _unreadable("default is a name, and profiles are tables [profiles.NAME]")
    return Config(default, {name: _profile(name, table) for name, table in tables.items()})


def _profile(name: str, table: Any) -> Profile:
    if not isinstance(table, dict) or not isinstance(table.get("url"), str):
        raise _unreadable(f"profile {name!r} has no url")
    known = {f.name for f in fields(Profile)} - {"name"}
    for key, value in table.items():
        if key in known and not isinstance(value, str):
            raise _unreadable(f"{key} of profile {name!r} is a text")
    return Profile(name=name, **{key: value for key, value in table.items() if key in known})


def _unreadable(reason: str) -> Problem:
    return Problem(f"{config_file()} cannot be understood: {reason}.", hint="Correct it, or remove it and log in anew.")


def write_config(config: Config) -> None:
    lines = [f"default = {_quoted(config.default)}"] if config.default else []
    for name in sorted(config.profiles):
        lines += ["", f"[profiles.{_quoted(name)}]"]
        told = asdict(config.profiles[name])
        lines += [f"{key} = {_quoted(value)}" for key, value in told.items() if key != "name" and value]
    write_private(config_file(), "\n".join(lines).lstrip("\n") + "\n")


def _quoted(text: str) -> str:
    # JSON's strings are TOML's basic ones, except for the pairs that it makes of characters beyond 16 bits.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


@contextmanager
def locked() -> Iterator[None]:
    """Alone among consoles, for reading and writing what must not be lost in between."""
    place = config_dir()
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(place / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Problem(f"{place} cannot be written: {error.strerror}.") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def save_profile(profile: Profile, make_default: bool = True) -> None:
    with locked():
        config = read_config()
        default = profile.name if make_default or not config.default else config.default
        write_config(Config(default, {**config.profiles, profile.name: profile}))


def remove_profile(name: str) -> None:
    """:raises Problem: there is none."""
    with locked():
        config = read_config()
        left = {key: value for key, value in config.profiles.items() if key != name}
        if len(left) == len(config.profiles):
            raise unknown_profile(name, config)
        write_config(Config("" if config.default == name else config.default, left))
    save_session(name, None)


def set_default(name: str) -> None:
    """:raises Problem: there is none."""
    with locked():
        config = read_config()
        if name not in config.profiles:
            raise unknown_profile(name, config)
        write_config(Config(name, config.profiles))


def unknown_profile(name: str, config: Config) -> Problem:
    known = ", ".join(sorted(config.profiles))
    return Problem(f"There is no profile {name!r}{'; known are: ' + known if known else ''}.",
                   hint="" if known else "Make one with: wawel login --profile NAME --url URL")  # fmt: skip


def read_sessions() -> dict[str, Session]:
    """Tokens by profile. A file that makes no sense counts as none: logging in writes it anew."""
    try:
        text = read_text(sessions_file())
        told = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    found = {}
    for name, value in told.items() if isinstance(told, dict) else ():
        if isinstance(value, dict) and isinstance(value.get("url"), str) and isinstance(value.get("token"), str):
            if _TOKEN.match(value["token"]):
                expires = value.get("expires")
                expires = expires if isinstance(expires, str) else ""
                found[name] = Session(value["url"], value["token"], expires, bool(value.get("api_key")))
    return found


def save_session(name: str, session: Session | None) -> None:
    """Keep a token, or forget it."""
    with locked():
        sessions = read_sessions()
        if session is None:
            if sessions.pop(name, None) is None:
                return
        else:
            sessions[name] = session
        text = json.dumps({key: asdict(value) for key, value in sessions.items()}, indent=1)
        write_private(sessions_file(), text + "\n")
