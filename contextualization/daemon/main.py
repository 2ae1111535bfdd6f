"""``wawel-contextualization``: the endpoint as a program of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cm.runtime.program import Manager, load_settings, run_until_signal
from contextualization.daemon.settings import PREFIX, Settings, check_settings

DEFAULT = Path("/etc/wawel/contextualization.toml")
CONFIG = click.option(
    "--config",
    "-c",
    type=click.Path(path_type=Path),
    default=None,
    help=f"TOML file with the settings; {PREFIX}_<TABLE>_<KEY> in the environment outweighs it.",
)


def load(config: Path | None) -> Settings:
    """:raises click.ClickException: with every problem of the settings."""
    return load_settings(Settings, config, DEFAULT, PREFIX, check_settings)


def _make(settings: Settings) -> tuple[Any, Manager]:
    from twisted.internet import reactor

    from contextualization.daemon.app import Contextualization

    return reactor, Contextualization(reactor, settings)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="wawel")
def main() -> None:
    """Wawel's contextualization endpoint: what nodes and guests of a cluster call back."""


@main.command()
@CONFIG
def run(config: Path | None) -> None:
    """Run in the foreground until a signal."""
    run_until_signal(load(config), _make)


@main.command()
@CONFIG
def check(config: Path | None) -> None:
    """Read the settings and say what is wrong with them, without starting anything."""
    load(config)
    click.echo("the settings are good")


if __name__ == "__main__":
    main()
