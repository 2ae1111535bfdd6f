"""``wawel profile``."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import click

from clm.console import profiles
from clm.console.context import Console
from clm.console.options import verb
from clm.console.output import FORMATS, emit, emit_list
from clm.console.values import NamedType

_NAME = click.argument("name", type=NamedType("profile"))


@click.group(no_args_is_help=True)
def profile() -> None:
    """Profiles: the servers known here. "wawel login" makes one."""


def _shown(each: profiles.Profile, config: profiles.Config, sessions: dict[str, profiles.Session]) -> dict[str, Any]:
    session = sessions.get(each.name)
    here = session is not None and session.url == each.url
    shown = {key: value for key, value in asdict(each).items() if value}
    kind = {"cm": "lone cluster", "clm": "cloud"}.get(each.kind, "")
    return {**shown, "kind": kind, "in_use": each.name == config.default, "logged_in": here,
            "expires": session.expires if session and here and session.expires else None}  # fmt: skip


@verb(profile, "list", cluster=False)
def list_(console: Console) -> None:
    """List profiles."""
    config, sessions = profiles.read_config(), profiles.read_sessions()
    found = [_shown(config.profiles[name], config, sessions) for name in sorted(config.profiles)]
    emit_list(console, found, "profile")


@verb(profile, "show", cluster=False)
@click.argument("name", required=False, type=NamedType("profile"))
def show(console: Console, name: str | None) -> None:
    """Show a profile; without NAME the one in use."""
    if name:
        console.options.profile, console.options.url = name, ""
    emit(console, _shown(console.profile(), profiles.read_config(), profiles.read_sessions()))


@verb(profile, "use", cluster=False)
@_NAME
def use(console: Console, name: str) -> None:
    """Use a profile from now on."""
    profiles.set_default(name)
    console.say(f"Profile {name} is in use.")


@verb(profile, "remove", cluster=False, asks=True)
@_NAME
def remove(console: Console, name: str) -> None:
    """Forget a profile, and its session."""
    if name not in profiles.read_config().profiles:
        raise profiles.unknown_profile(name, profiles.read_config())
    console.confirm(f"Forget profile {name}?")
    profiles.remove_profile(name)
    console.say(f"Profile {name} is forgotten.")


@verb(profile, "set", cluster=False)
@_NAME
@click.option("--cluster", help='The cluster that its commands mean; "" for none.')
@click.option("--format", "output", type=click.Choice([*FORMATS, ""]), help="How its answers are printed.")
@click.option("--ca", metavar="FILE", help='Certificates to trust; "" for the system\'s.')
def set_(console: Console, name: str, cluster: str | None, output: str | None, ca: str | None) -> None:
    """Change what a profile says beside address and login."""
    config = profiles.read_config()
    known = config.profiles.get(name)
    if known is None:
        raise profiles.unknown_profile(name, config)
    told = {"cluster": cluster, "output": output, "ca": ca}
    profiles.save_profile(replace(known, **{k: v for k, v in told.items() if v is not None}), make_default=False)
