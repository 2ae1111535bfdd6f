"""``wawel`` itself: which command is where. A command's module is imported when it is the one called."""

from __future__ import annotations

from typing import Any, Final

import click

from clm.console.descriptions import ROLES
from clm.console.groups import Hinting, NounGroup, RoleGroup, ViewsGroup, methods, noun_group, nouns, write_sections
from clm.console.options import keep
from clm.console.output import FORMATS
from clm.console.values import NamedType, Real

COMPLETE: Final = "_WAWEL_COMPLETE"  # a shell wants completion; click would look there, too
DAILY: Final = {
    "vm": "Virtual machines.",
    "image": "Images that VMs are made from.",
    "disk": "Disks: what VMs keep their data on.",
    "snapshot": "Snapshots: how disks were at a moment, to be taken back to.",
    "key": "SSH keys that new VMs get.",
    "tag": "Tags of VMs, disks, networks and others: KEY=VALUE.",
    "op": "Operations: how what was asked for is coming on.",
    "events": "What changes, as it happens.",
    "messages": "Messages to me.",
    "news": "News of the cloud.",
}
OPERATOR: Final = {
    "node": "Nodes: the machines that VMs run on.",
    "drift": "Differences between what is wanted and what is seen.",
    "explain": "Why a VM is where it is, or would not fit.",
    "user": "Users and their accounts.",
    "cluster": "Clusters of the cloud.",
    "storage": "Storages: where disks and images lie.",
    "expiry": "Expiry leases: for how long VMs run and stay when nobody renews them.",
    "network": "Networks that VMs are on: of one's own, and everybody's.",
    "template": "Templates: the sizes that VMs come in.",
    "logins": "Who logged in, from where, and who was refused.",
    "quota": "Quotas: how much somebody may have, and has.",
}
ACCOUNT: Final = {
    "login": "Log in, and keep a profile.",
    "logout": "End the session.",
    "whoami": "Who I am to the server.",
    "profile": "Profiles: the servers known here.",
    "register": "Ask for an account.",
    "activate": "Confirm a registration by its mailed token.",
    "password": "Change or reset a password.",
}
EVERYTHING: Final = {
    "admin": "Views for administrators of a cluster.",
    "cloud": "Views for administrators of the cloud.",
    "guest": "Views for everybody.",
    "view": "Every view by its name on the wire.",
    "call": "Call any method with raw parameters.",
    "shell": "An interactive shell.",
    "completion": "Completion for a shell.",
}
BY_HAND: Final = {**DAILY, **OPERATOR, **ACCOUNT, **EVERYTHING}


class Root(Hinting):
    """Commands by hand, and below them a group for each noun of the views, users' and administrators'."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        found = {noun for role in ("user", "cloud", "admin") for noun in nouns(methods(ctx), role)}
        return [*BY_HAND, *sorted(noun for noun in found if noun not in BY_HAND)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return by_hand(cmd_name) or noun_group(ctx, "user", cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        made = [(noun, f"Views *.{noun.replace('-', '_')}.*") for noun in self.list_commands(ctx)[len(BY_HAND) :]]
        sections = {"Daily work": DAILY, "For operators": OPERATOR, "Account": ACCOUNT, "Everything": EVERYTHING}
        write_sections(formatter, {heading: list(rows.items()) for heading, rows in sections.items()})
        write_sections(formatter, {"More nouns": made})


def by_hand(name: str) -> click.Command | None:
    """A command made by hand, out of its module."""
    found: click.Command
    match name:
        case "vm":
            from clm.console.commands.vm import vm as found
        case "image":
            from clm.console.commands.image import image as found
        case "key":
            from clm.console.commands.key import key as found
        case "tag":
            from clm.console.commands.tag import tag as found
        case "op":
            from clm.console.commands.operation import op as found
        case "events":
            from clm.console.commands.event import events as found
        case "messages":
            from clm.console.commands.message import messages as found
        case "news":
            from clm.console.commands.message import news as found
        case "node":
            from clm.console.commands.node import node as found
        case "drift":
            from clm.console.commands.drift import drift as found
        case "explain":
            from clm.console.commands.placement import explain as found
        case "user":
            from clm.console.commands.user import user as found
        case "cluster":
            from clm.console.commands.cluster import cluster as found
        case "storage":
            found = NounGroup(name, role="admin", help=OPERATOR[name], no_args_is_help=True)
        case "template" | "network" | "expiry":
            found = NounGroup(name, help=OPERATOR[name], no_args_is_help=True)
        case "disk" | "snapshot":
            found = NounGroup(name, help=DAILY[name], no_args_is_help=True)
        case "logins":
            from clm.console.commands.logins import logins as found
        case "quota":
            from clm.console.commands.quota import quota as found
        case "login":
            from clm.console.commands.login import login as found
        case "logout":
            from clm.console.commands.login import logout as found
        case "whoami":
            from clm.console.commands.account import whoami as found
        case "profile":
            from clm.console.commands.profile import profile as found
        case "register":
            from clm.console.commands.account import register as found
        case "activate":
            from clm.console.commands.account import activate as found
        case "password":
            from clm.console.commands.account import password as found
        case "view":
            found = ViewsGroup("view", help=EVERYTHING["view"], no_args_is_help=True)
        case "call":
            from clm.console.commands.call import call as found
        case "shell":
            from clm.console.commands.shell import shell as found
        case "completion":
            from clm.console.commands.completion import completion as found
        case _:
            if name not in ROLES or name == "user":
                return None
            found = RoleGroup(name, help=EVERYTHING[name], no_args_is_help=True)
    return found


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from importlib import metadata

    try:
        told = metadata.version("wawel")
    except metadata.PackageNotFoundError:
        told = "unreleased"
    click.echo(f"wawel {told}")
    ctx.exit()


def _shared(*names: str, **more: Any) -> Any:
    return click.option(*names, expose_value=False, callback=keep, **more)


_SETTINGS: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


@click.group(cls=Root, no_args_is_help=True, context_settings=_SETTINGS)
@_shared("--profile", type=NamedType("profile"), metavar="NAME", help="The profile to use (WAWEL_PROFILE).")
@_shared("--url", metavar="URL", help="The server to talk to (WAWEL_URL).")
@_shared("--ca", metavar="FILE", help="Certificates to trust in place of the system's (WAWEL_CA).")
@_shared("--timeout", type=Real(0.1, 3600), metavar="SECONDS", help="Of one call; 30 without it.")
@_shared("-o", "--output", type=click.Choice(FORMATS), help="How to print answers.")
@_shared("--debug", is_flag=True, help="Show the traceback of an internal error.")
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Tell the version.")
def cli() -> None:
    """
    The command line of Wawel, a private cloud: of a whole cloud, or of a lone cluster.

    Begin with "wawel login --url URL". WAWEL_TOKEN, if set, stands for a login.
    """
