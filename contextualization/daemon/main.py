"""``wawel-contextualization``: the endpoint as a program of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cm.runtime import log as logging
from cm.runtime.settings import SettingsError, read_settings
from contextualization.daemon.settings import PREFIX, Settings

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
    path = config or (DEFAULT if DEFAULT.exists() else None)
    try:
        return read_settings(Settings, path, PREFIX)
    except SettingsError as error:
        raise click.ClickException("the settings are not good:\n  " + "\n  ".join(error.problems)) from None


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="wawel")
def main() -> None:
    """Wawel's contextualization endpoint: what nodes and guests of a cluster call back."""


@main.command()
@CONFIG
def run(config: Path | None) -> None:
    """Run in the foreground until a signal."""
    settings = load(config)
    logging.start("json" if settings.log.format == "json" else "text", settings.log.level)  # type: ignore[arg-type]
    from twisted.internet import reactor as installed
    from twisted.internet.defer import Deferred

    from contextualization.daemon.app import Contextualization

    reactor: Any = installed
    failed: list[str] = []

    def give_up(failure: Any) -> None:
        failed.append(str(failure.value) if failure.check(SettingsError) else f"it could not start: {failure.value}")
        reactor.stop()

    try:
        endpoint = Contextualization(reactor, settings)
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(endpoint.start()).addErrback(give_up))
    reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromCoroutine(endpoint.stop()))
    reactor.run()
    if failed:
        raise click.ClickException(failed[0])


@main.command()
@CONFIG
def check(config: Path | None) -> None:
    """Read the settings and say what is wrong with them, without starting anything."""
    load(config)
    click.echo("the settings are good")


if __name__ == "__main__":
    main()
