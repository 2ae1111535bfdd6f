"""Groups of commands that are made when they are asked for: of a noun, of a role, of everything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from clm.console.context import Console
from clm.console.descriptions import ROLES, Method, methods_of
from clm.console.problems import Problem

# What people type for the lists and objects that every noun has.
ALIASES: Final = {
    "ls": ("get-list", "list"),
    "list": ("get-list", "ls"),
    "show": ("get-by-id", "get"),
    "get": ("get-by-id", "show"),
    "rm": ("delete", "destroy"),
}


def methods(ctx: click.Context) -> Mapping[str, Method]:
    """The methods of the server that is meant; of all servers where that is not known. Asks nobody."""
    console = ctx.find_object(Console) or Console()
    kept = ctx.meta.get("clm.console.methods")
    if kept is None:
        try:
            profile = console.find_profile()
        except Problem:
            profile = None  # help is given whatever the configuration is like
        kept = methods_of(profile.kind, profile.url) if profile else methods_of("")
        ctx.meta["clm.console.methods"] = kept
    return kept


class NounGroup(click.Group):
    """
    The commands of a noun: those made by hand, and the views' that have no such.

    :param noun: of the views, as in ``user.<noun>.create``.
    """

    def __init__(self, *args: Any, role: str = "user", noun: str = "", **more: Any) -> None:
        super().__init__(*args, **more)
        self.role = role
        self.noun = noun or (self.name or "").replace("-", "_")

    def views(self, ctx: click.Context) -> dict[str, Method]:
        prefix = f"{self.role}.{self.noun}."
        found = {method.verb: method for name, method in methods(ctx).items() if name.startswith(prefix)}
        return {verb: method for verb, method in found.items() if verb not in self.commands}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.commands, *sorted(self.views(ctx))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.commands:
            return self.commands[cmd_name]
        made = self.views(ctx)
        for name in (cmd_name, *ALIASES.get(cmd_name, ())):
            if name in made:
                from clm.console.generate import command_of

                return command_of(made[name])
            if name in self.commands:
                return self.commands[name]
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        views = self.views(ctx)
        by_hand = [(name, command.get_short_help_str(90)) for name, command in self.commands.items()]
        sections = {"Commands": by_hand, "Views": [(verb, views[verb].summary) for verb in sorted(views)]}
        write_sections(formatter, sections)


class RoleGroup(click.Group):
    """The nouns of a role: ``wawel admin node add``."""

    def __init__(self, role: str, **more: Any) -> None:
        super().__init__(role, **more)
        self.role = role

    def list_commands(self, ctx: click.Context) -> list[str]:
        return nouns(methods(ctx), self.role)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return noun_group(ctx, self.role, cmd_name)


class ViewsGroup(click.Group):
    """Every view by its name on the wire: ``wawel view user.vm.create``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(methods(ctx))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = methods(ctx).get(cmd_name)
        if found is None:
            return None
        from clm.console.generate import command_of

        return command_of(found, name=cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        known = methods(ctx)
        for role in ROLES:
            rows = [(name, method.summary) for name, method in sorted(known.items()) if method.role == role]
            write_sections(formatter, {role: rows})


def nouns(known: Mapping[str, Method], role: str) -> list[str]:
    return sorted({method.noun.replace("_", "-") for method in known.values() if method.role == role})


def noun_group(ctx: click.Context, role: str, name: str) -> click.Command | None:
    """A group of views alone."""
    noun = name.replace("-", "_")
    if not any(method.role == role and method.noun == noun for method in methods(ctx).values()):
        return None
    return NounGroup(name, role=role, noun=noun, help=f"Views {role}.{noun}.*", no_args_is_help=True)


def write_sections(formatter: click.HelpFormatter, sections: Mapping[str, list[tuple[str, str]]]) -> None:
    for heading, rows in sections.items():
        if rows:
            with formatter.section(heading):
                formatter.write_dl(rows)
