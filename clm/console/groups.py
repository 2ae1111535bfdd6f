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
    "delete": ("destroy",),
    "remove": ("delete", "destroy"),
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


class Hinting(click.Group):
    """A group that tells what a word may mean that it does not know."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from clm.console.hints import for_word

            names = [part.info_name or "" for part in _parents(ctx)]
            hint = for_word(" ".join(names), args[0], self.list_commands(ctx))
            if not hint:
                raise
            where = " ".join(["wawel", *names])
            told = f"Perhaps: {hint}" if hint.startswith("wawel ") else hint
            raise Problem(f"There is no command {args[0]!r} below {where}.", hint=told) from error


def _parents(ctx: click.Context) -> list[click.Context]:
    """The contexts from below the program's own to this one."""
    return [] if ctx.parent is None else [*_parents(ctx.parent), ctx]


class NounGroup(Hinting):
    """
    The commands of a noun: those made by hand, and the views' that have no such.

    :param noun: of the views, as in ``user.<noun>.create``.
    :param role: whose views these are. Below "user" administrators' come, too: beside a user's of the same name as
        its ``--admin``.
    """

    def __init__(self, *args: Any, role: str = "user", noun: str = "", **more: Any) -> None:
        super().__init__(*args, **more)
        self.roles = ("user", "cloud", "admin") if role == "user" else (role,)
        self.noun = noun or (self.name or "").replace("-", "_")

    def views(self, ctx: click.Context) -> dict[str, list[Method]]:
        """By verb: the method that is meant, and an administrator's of the same name."""
        known, found = methods(ctx), dict[str, list[Method]]()
        for role in self.roles:
            prefix = f"{role}.{self.noun}."
            for name, method in known.items():
                if name.startswith(prefix) and method.verb not in self.commands:
                    found.setdefault(method.verb, []).append(method)
        return found

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.commands, *sorted(self.views(ctx))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.commands:
            return self.commands[cmd_name]
        made = self.views(ctx)
        for name in (cmd_name, *ALIASES.get(cmd_name, ())):
            if name in made:
                from clm.console.generate import command_of

                meant, *others = made[name]
                return command_of(meant, admin=others[0] if others and meant.role == "user" else None)
            if name in self.commands:
                return self.commands[name]
        return None

    def _shown(self, verb: str) -> str:
        short = {"get-list": "ls", "get-by-id": "show"}.get(verb)
        return f"{short}, {verb}" if short and short not in self.commands else verb

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        views = self.views(ctx)
        by_hand = [(name, command.get_short_help_str(90)) for name, command in self.commands.items()]
        sections = {
            "Commands": by_hand,
            "Views": [(self._shown(verb), views[verb][0].summary) for verb in sorted(views)],
        }
        write_sections(formatter, sections)


class RoleGroup(Hinting):
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
    group = NounGroup(name, role=role, no_args_is_help=True)
    found = {method.role for verbs in group.views(ctx).values() for method in verbs}
    if not found:
        return None
    group.help = f"Views {', '.join(f'{each}.{group.noun}.*' for each in group.roles if each in found)}."
    return group


def write_sections(formatter: click.HelpFormatter, sections: Mapping[str, list[tuple[str, str]]]) -> None:
    for heading, rows in sections.items():
        if rows:
            with formatter.section(heading):
                formatter.write_dl(rows)
