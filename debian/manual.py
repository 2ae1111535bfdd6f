"""
Manual pages out of what the programs themselves tell about their commands and options, so that they cannot differ:

    python3 -I debian/manual.py DIRECTORY ... OUT VERSION      what is importable in the directories, pages to OUT

help2man would see one level of commands and options as running text; here every command has its options as a list.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EXIT_MANAGER = "0 done, 1 failed, 2 wrong usage."
EXIT_CONSOLE = (
    "0 done; 1 refused; 2 wrong usage; 3 not logged in; 4 no answer in time; 5 what was waited for failed;"
    " 130 interrupted."
)
EXIT_NODE = "0 done or healthy, 1 failed or not healthy, 2 wrong usage."
MANAGER = "{config}\n\t{program}'s settings; their variables in the environment begin with {prefix}.\n"
FILES = {
    "wawel": "~/.config/wawel/\n\tprofiles\n",
    "wawel-cm": MANAGER.format(config="/etc/wawel/cm.toml", program="wawel-cm", prefix="WAWEL_CM")
    + "/etc/default/wawel-cm\n\tsuch variables for the service\n/var/lib/wawel/\n\tthe cluster's keys: back them up\n",
    "wawel-clm": MANAGER.format(config="/etc/wawel/clm.toml", program="wawel-clm", prefix="WAWEL_CLM")
    + "/etc/default/wawel-clm\n\tsuch variables for the service\n"
    "/var/lib/wawel/clm/\n\tthe cloud's keys: back them up\n",
    "wawel-contextualization": MANAGER.format(
        config="/etc/wawel/contextualization.toml", program="wawel-contextualization", prefix="WAWEL_CONTEXTUALIZATION"
    )
    + "/etc/default/wawel-contextualization\n\tsuch variables for the service\n"
    "/var/lib/wawel/cluster.key\n\tthe cluster manager's key\n",
    "wawel-node": "/var/lib/wawel-node/identity.json\n\tthis node's credential\n"
    "/var/spool/wawel/hooks/\n\twhat the hook recorded and nobody took yet\n"
    "/etc/libvirt/hooks/qemu\n\tthe hook\n",
}
TITLES = {
    "wawel": "command line of a private cloud",
    "wawel-cm": "cluster manager of a private cloud",
    "wawel-clm": "cloud manager of a private cloud",
    "wawel-contextualization": "endpoint that nodes and guests of a private cloud call back",
    "wawel-node": "agent of a node of a private cloud",
}
SEE = {
    "wawel": ("/usr/share/doc/wawel-common/console.md",),
    "wawel-cm": ("/usr/share/doc/wawel-common/install.md", "/usr/share/doc/wawel-cm/operator.md"),
    "wawel-clm": ("/usr/share/doc/wawel-common/install.md", "/usr/share/doc/wawel-clm/cloud.md"),
    "wawel-contextualization": ("/usr/share/doc/wawel-contextualization/operator.md",),
    "wawel-node": ("/usr/share/doc/wawel-node/node.md",),
}
# Commands that take every view of the wire by name: their own help lists them, and a page of them has no end.
BREAKABLE = "|\\:"  # a line may be broken here
ENDLESS = ("admin", "cloud", "guest", "view")


@dataclass(frozen=True)
class Command:
    """One command: its usage line, what it says of itself, its arguments and options, its own commands."""

    usage: str
    about: str
    options: list[tuple[str, str]] = field(default_factory=list)
    commands: dict[str, Command] = field(default_factory=dict)

    def walk(self) -> Iterator[Command]:
        """The commands below it that do something, in their order."""
        for command in self.commands.values():
            if command.commands:
                yield from command.walk()
            else:
                yield command


def of_click(command: Any, context: Any) -> Command:
    """A command of click's, with all below it."""
    import click

    told = command.get_usage(context).removeprefix("Usage:")
    options = [record for each in command.get_params(context) if (record := each.get_help_record(context))]
    made: dict[str, Command] = {}
    if isinstance(command, click.Group):
        at_top = context.parent is None
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            if at_top and context.info_name == "wawel" and name in ENDLESS:
                made[name] = Command(f"wawel {name} COMMAND ...", below.get_short_help_str(500))
            else:
                child = click.Context(below, info_name=name, parent=context, obj=context.obj, max_content_width=1000)
                made[name] = of_click(below, child)
    return Command(" ".join(told.split()), command.help or command.get_short_help_str(500), options, made)


def of_argparse(parser: argparse.ArgumentParser) -> Command:
    """A parser of the standard library's, with its subparsers."""
    told = parser.format_usage().removeprefix("usage:")
    options, made = [], {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            made = {name: of_argparse(below) for name, below in action.choices.items()}
            continue
        names = ", ".join(action.option_strings) or str(action.metavar or action.dest)
        choices = ",".join(action.choices or [action.dest])
        value = "" if action.nargs == 0 else str(action.metavar or f"{{{choices}}}")
        text = (action.help or "") % {**vars(action), "prog": parser.prog}
        options.append((f"{names} {value}".strip() if action.option_strings else names, text))
    return Command(" ".join(told.split()), parser.description or "", options, made)


def escaped(text: str) -> str:
    """As roff prints it unchanged."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    return re.sub(r"^\.", r"\\&.", text.replace("~", "\\(ti").replace("^", "\\(ha"), flags=re.M)


def paragraphs(text: str) -> str:
    parts = text.replace("\b", "").split("\n\n")
    return "\n.PP\n".join(escaped(" ".join(part.split())) for part in parts if part.strip())


def listed(options: list[tuple[str, str]]) -> str:
    """Lists of values, which have no blanks, are broken after a value."""
    return "".join(
        f".TP\n.B {escaped(names).replace('|', BREAKABLE)}\n{escaped(' '.join(text.split()))}\n"
        for names, text in options
    )


def page(name: str, section: int, command: Command, version: str, exits: str) -> str:
    """The source of one manual page."""
    out = [f'.TH {name.upper()} {section} "" "Wawel {version}" "Wawel"', ".ad l"]
    out += [".SH NAME", f"{name} \\- {TITLES[name]}"]
    out += [".SH SYNOPSIS", f".B {escaped(command.usage)}", ".SH DESCRIPTION", paragraphs(command.about)]
    if command.options:
        out += [".SH OPTIONS", listed(command.options).rstrip()]
    out.append(".SH COMMANDS")
    for below in command.walk():
        out += [f".SS {escaped(below.usage)}", paragraphs(below.about), listed(below.options).rstrip()]
    out += [".SH EXIT STATUS", escaped(exits), ".SH FILES"]
    for line in FILES[name].rstrip("\n").split("\n"):
        out.append(escaped(line.strip()) if line.startswith("\t") else f".TP\n.I {escaped(line)}")
    others = [f".BR {escaped(other)} ({1 if other == 'wawel' else 8})" for other in TITLES if other != name]
    out += [".SH SEE ALSO", " ,\n".join(others)]
    out += [f".PP\n.I {escaped(where)}" for where in SEE[name]]
    return "\n".join(line for line in out if line) + "\n"


def pages(version: str) -> dict[str, str]:
    """By file name."""
    import click

    from clm.console.context import Console
    from clm.console.root import cli
    from clm.daemon.main import main as clm
    from cm.daemon.main import main as cm
    from contextualization.daemon.main import main as contextualization
    from node_hooks.main import _parser

    def clicked(name: str, group: Any, obj: Any = None) -> Command:
        root = click.Context(
            group, info_name=name, obj=obj, max_content_width=1000, help_option_names=["-h", "--help"]
        )
        return of_click(group, root)

    made = {"wawel.1": page("wawel", 1, clicked("wawel", cli, Console()), version, EXIT_CONSOLE)}
    for name, group in (("wawel-cm", cm), ("wawel-clm", clm), ("wawel-contextualization", contextualization)):
        made[f"{name}.8"] = page(name, 8, clicked(name, group), version, EXIT_MANAGER)
    made["wawel-node.8"] = page("wawel-node", 8, of_argparse(_parser()), version, EXIT_NODE)
    return made


def main(directories: list[str], out: Path, version: str) -> None:
    sys.dont_write_bytecode = True
    sys.path[:0] = directories
    # Nothing of whoever builds: profiles, the width of a terminal.
    os.environ.clear()
    os.environ.update(HOME="/nonexistent", LC_ALL="C.UTF-8", COLUMNS="1000")
    out.mkdir(parents=True, exist_ok=True)
    for name, text in pages(version).items():
        (out / name).write_text(text)


if __name__ == "__main__":
    *places, target, release = sys.argv[1:]
    main(places, Path(target), release)
