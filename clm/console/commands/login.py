"""``wawel login`` and ``wawel logout``."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from clm.console import descriptions, profiles
from clm.console.context import CLOUD, Console, check_params, is_interactive, kind_of
from clm.console.problems import LOGIN, REFUSED, Problem
from clm.console.profiles import Profile, Session, check_name, check_token, check_url
from clm.console.units import when
from clm.console.values import ask, read_file, read_secret
from cm.rpc.errors import CloudError

if TYPE_CHECKING:
    from cm.rpc.client import RpcClient

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@click.command()
@click.option("--profile", "name", metavar="NAME", help="The profile to make or renew; without it, the one in use.")
@click.option("--url", metavar="URL", help="https://host:port, or unix:/path; the profile knows it afterwards.")
@click.option("--login", "who", metavar="LOGIN", help="Asked for without it.")
@click.option("--password-file", metavar="FILE", help="The password's file; - is standard input. Asked for without it.")
@click.option("--otp", is_flag=True, help="Ask for the code of a second factor at once.")
@click.option("--api-key-file", metavar="FILE", help="Use an API key in place of a password.")
@click.option("--oidc", metavar="PROVIDER", help="Log in at a provider of identities, in the browser.")
@click.option("--ca", metavar="FILE", help="Certificates to trust in place of the system's.")
@click.option("--cluster", metavar="CLUSTER", help="The cluster that commands of this profile mean.")
@click.option("--use", is_flag=True, help="Use this profile from now on, if another is in use.")
@click.pass_obj
def login(
    console: Console, name: str | None, url: str | None, who: str | None, password_file: str | None, otp: bool,
    api_key_file: str | None, oidc: str | None, ca: str | None, cluster: str | None, use: bool,
) -> None:  # fmt: skip
    """
    Log in to a cloud or a lone cluster, and keep a profile for it.

    The password is asked for, or read from a file; the token that it gives is kept in a file of yours alone.
    """
    if sum(1 for each in (password_file, api_key_file, oidc) if each) > 1:
        raise click.UsageError("--password-file, --api-key-file and --oidc are three ways; take one.")
    profile = _profile(console, name, url, ca, cluster)
    client = console.connect(profile, None)
    try:
        kind = kind_of(client)
        profile = replace(profile, kind=kind)
        _warn(console, profile.url)
        if api_key_file:
            session, told = _by_key(console, profile, api_key_file)
        elif oidc:
            from clm.console.oidc import by_provider

            told = by_provider(console, client, oidc)
            session = _session(profile, told)
        else:
            who = who or profile.login or ask("Login", "--login")
            told = _by_password(console, client, kind, who, password_file, otp)
            session = _session(profile, told)
        profile = replace(profile, login=str(told.get("login") or who or ""))
        profiles.save_profile(profile, make_default=use)
        profiles.save_session(profile.name, session)
        _learn(console, client, profile)
    finally:
        client.close()
    until = f", until {when(session.expires)}" if session.expires else ""
    what = "cloud" if kind == CLOUD else "lone cluster"
    console.say(f"Logged in to the {what} at {profile.url} as {profile.login}{until}. Profile: {profile.name}")
    in_use = profiles.read_config().default
    if in_use != profile.name:
        console.say(
            f"Commands still mean profile {in_use}. This one: wawel --profile {profile.name} ...; "
            f"from now on: wawel profile use {profile.name}"
        )


def _profile(console: Console, name: str | None, url: str | None, ca: str | None, cluster: str | None) -> Profile:
    """The profile as it will be: what is not said stays as it was."""
    config = profiles.read_config()
    told_url = url or console.options.url or ("" if name else os.environ.get("WAWEL_URL", ""))
    name = name or console.options.profile or os.environ.get("WAWEL_PROFILE", "")
    if not name:
        same = [each.name for each in config.profiles.values() if each.url == told_url.rstrip("/")]
        name = same[0] if same else "" if told_url else config.default
    if not told_url and name not in config.profiles:
        if name:
            raise Problem(f"There is no profile {name!r} yet.", hint="Say where it is: wawel login --url URL")
        told_url = ask("Address of the cloud (https://host:port)", "--url")
    known = config.profiles.get(name)
    checked = check_url(told_url) if told_url else check_url(known.url) if known else ""
    ca = ca or console.options.ca or os.environ.get("WAWEL_CA", "")
    made = known if known is not None and known.url == checked else Profile(name or _name_of(checked, config), checked)
    return replace(
        made, name=check_name(made.name), ca=os.path.abspath(ca) if ca else made.ca, cluster=cluster or made.cluster
    )


def _name_of(url: str, config: profiles.Config) -> str:
    """A name for a new profile: the host's."""
    host = Path(url.removeprefix("unix:")).stem if url.startswith("unix:") else urlsplit(url).hostname or ""
    base = host if profiles.NAME.match(host) else "cloud"
    candidates = [base, *(f"{base}-{number}" for number in range(2, 1000))]
    return next(each for each in candidates if each not in config.profiles)


def _by_password(
    console: Console, client: RpcClient, kind: str, who: str, file: str | None, otp: bool
) -> dict[str, Any]:  # fmt: skip
    params: dict[str, Any] = {"login": who, "password": read_secret(file, "Password")}
    if otp:
        params["otp"] = _ask_otp(file)
    check_params(params)
    try:
        return _answer(client.call("guest.session.login", params))
    except CloudError as error:
        if error.code == "otp_required" and not otp and (is_interactive() or file == "-"):
            return _answer(client.call("guest.session.login", {**params, "otp": _ask_otp(file)}))
        if kind != CLOUD and otp:
            raise Problem("A lone cluster has no second factor; leave out --otp.") from None
        if error.code == "not_authenticated":
            raise Problem("The login or the password is wrong.", LOGIN) from None
        raise


def _ask_otp(file: str | None) -> str:
    if file == "-":
        return read_secret("-", "Code")  # the line after the password
    if not is_interactive():
        raise Problem("The code of the second factor is needed, and nobody is there to ask.", LOGIN,
                      "With --password-file - it is the second line of standard input.")  # fmt: skip
    return str(click.prompt("Code of the second factor", err=True)).strip()


def _answer(told: Any) -> dict[str, Any]:
    if not isinstance(told, dict) or not isinstance(told.get("token"), str):
        raise Problem("The server's answer holds no token.", REFUSED)
    return told


def _session(profile: Profile, told: dict[str, Any]) -> Session:
    expires = told.get("expires")
    return Session(profile.url, check_token(told["token"]), expires if isinstance(expires, str) else "")


def _by_key(console: Console, profile: Profile, file: str) -> tuple[Session, dict[str, Any]]:
    """An API key is its own token; whose it is the server tells."""
    session = Session(profile.url, check_token(read_file(file)), api_key=True)
    with console.connect(profile, session.token) as client:
        told = client.call("user.account.get")
    return session, told if isinstance(told, dict) else {}


def _warn(console: Console, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        console.say("This address has no TLS: password and token can be read on the way.")


def _learn(console: Console, client: RpcClient, profile: Profile) -> None:
    """Keep what the server can, where that is not what we know."""
    try:
        descriptions.keep(profile.url, profile.kind, client.call("rpc.discover"))
    except (CloudError, ValueError):
        console.say("The server does not tell what it can; commands are made from what is known here.")


@click.command()
@click.pass_obj
def logout(console: Console) -> None:
    """End the session, here and at the server."""
    profile = console.profile()
    session = profiles.read_sessions().get(profile.name)
    if session is None:
        console.say("You are not logged in.")
        return
    if not session.api_key and profile.kind == CLOUD and session.url == profile.url:
        try:
            with console.connect(profile, session.token) as client:
                client.call("user.session.logout")
        except CloudError as error:
            console.say(f"The server did not end the session: {error}")
    profiles.save_session(profile.name, None)
    console.say(f"Logged out of {profile.url}.")
