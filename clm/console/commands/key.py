"""``wawel key``: SSH keys that the cloud keeps for new VMs."""

from __future__ import annotations

from pathlib import Path

import click

from clm.console.context import Console
from clm.console.groups import NounGroup
from clm.console.keys import read_key
from clm.console.options import verb
from clm.console.output import chosen, emit, emit_list, write
from clm.console.problems import REFUSED, Problem


@click.group(cls=NounGroup, no_args_is_help=True)
def key() -> None:
    """SSH keys that new VMs get."""


@verb(key, "ls", cluster=False)
def ls(console: Console) -> None:
    """List my keys."""
    emit_list(console, console.call("user.key.get_list"), "key")


@verb(key, "add", changes=True, cluster=False)
@click.argument("name")
@click.argument("file", metavar="FILE")
def add(console: Console, name: str, file: str) -> None:
    """Keep a public key: a line of FILE, such as ~/.ssh/id_ed25519.pub; - is standard input."""
    emit(console, console.change("user.key.add", {"name": name, "key": read_key(file)}), "key")


@verb(key, "generate", changes=True, cluster=False)
@click.argument("name")
@click.option("--kind", help="ed25519 without it.")
@click.option("--out", metavar="FILE", help="Where to put the private key; it is told this once.")
def generate(console: Console, name: str, kind: str | None, out: str | None) -> None:
    """Have a key pair made; its private key goes to FILE, or to standard output."""
    path = Path(out).expanduser() if out else None
    if path is not None and (path.exists() or not path.parent.is_dir()):
        raise Problem(f"{path} is there already." if path.exists() else f"There is no directory {path.parent}.")
    made = console.change("user.key.generate", {"name": name, **({"kind": kind} if kind else {})})
    private = made.get("private_key") if isinstance(made, dict) else None
    if not isinstance(private, str) or console.options.dry_run:
        emit(console, made, "key")
        return
    if path is None:
        if chosen(console) != "table":
            emit(console, made, "key")
        else:
            write(private.rstrip("\n"))
        return
    try:
        with open(path, "x", opener=_private) as file:
            file.write(private if private.endswith("\n") else private + "\n")
    except OSError as error:
        write(private.rstrip("\n"))
        raise Problem(f"{path} cannot be written: {error.strerror}; the key is on standard output.", REFUSED) from None
    emit(console, {name: value for name, value in made.items() if name != "private_key"} | {"file": str(path)}, "key")


def _private(path: str, flags: int) -> int:
    import os

    return os.open(path, flags, 0o600)
