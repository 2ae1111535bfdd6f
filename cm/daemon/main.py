"""``wawel-cm``: run a cluster manager, prepare its database, make its first administrator."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from cm.daemon.migrate import migrate as migrate_database
from cm.daemon.settings import Settings, check_settings
from cm.runtime import log as logging
from cm.runtime.memory import bound_heap
from cm.runtime.settings import SettingsError, read_settings

CONFIG = click.option(
    "--config",
    "-c",
    type=click.Path(path_type=Path),
    default=None,
    help="TOML file with the settings; WAWEL_CM_<TABLE>_<KEY> in the environment outweighs it.",
)


def load(config: Path | None) -> Settings:
    """:raises click.ClickException: with every problem of the settings."""
    default = Path("/etc/wawel/cm.toml")
    path = config or (default if default.exists() else None)
    try:
        settings = read_settings(Settings, path, "WAWEL_CM")
        check_settings(settings)
        return settings
    except SettingsError as error:
        raise click.ClickException("the settings are not good:\n  " + "\n  ".join(error.problems)) from None


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="wawel")
def main() -> None:
    """Wawel's cluster manager: it owns one cluster of libvirt hosts."""


@main.command()
@CONFIG
def run(config: Path | None) -> None:
    """Run in the foreground until a signal; what is under way is brought to the end of its step."""
    bound_heap()
    settings = load(config)
    logging.start("json" if settings.log.format == "json" else "text", settings.log.level)  # type: ignore[arg-type]
    from twisted.internet import reactor as installed
    from twisted.internet.defer import Deferred

    from cm.daemon.app import ClusterManager

    reactor: Any = installed
    failed: list[str] = []

    def start() -> None:
        Deferred.fromCoroutine(manager.start()).addErrback(give_up)

    def give_up(failure: Any) -> None:
        if failure.check(SettingsError):
            failed.append(str(failure.value))
        else:
            failure.printTraceback()
            failed.append(f"it could not start: {failure.value}")
        reactor.stop()

    try:
        manager = ClusterManager(reactor, settings)
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    reactor.callWhenRunning(start)
    reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromCoroutine(manager.stop()))
    reactor.run()
    if failed:
        raise click.ClickException(failed[0])


@main.command()
@CONFIG
def migrate(config: Path | None) -> None:
    """Bring the database to this version's schema; safe to repeat, also from several machines at once."""
    engine = create_engine(load(config).database.url)
    try:
        before, after = migrate_database(engine)
    except OperationalError as error:
        raise click.ClickException(f"the database does not answer: {str(error.orig).strip()}") from None
    finally:
        engine.dispose()
    if before == after:
        click.echo(f"the schema is at {after}")
    else:
        click.echo(f"the schema went from {before or 'none'} to {after}")


@main.command("add-admin")
@CONFIG
@click.option("--login", default="admin", show_default=True)
@click.option(
    "--password-file",
    type=click.Path(path_type=Path, allow_dash=True),
    help="File whose first line is the password, - for standard input; without it the password is asked for.",
)
def add_admin(config: Path | None, login: str, password_file: Path | None) -> None:
    """Make an administrator, or give an existing one a new password."""
    from cm.daemon.administrator import set_administrator
    from cm.daemon.app import policy_of

    settings = load(config)
    if password_file is None:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    elif str(password_file) == "-":
        password = sys.stdin.readline().rstrip("\n")
    else:
        password = (password_file.read_text().splitlines() or [""])[0]
    if len(password) < 8:
        raise click.ClickException("the password has fewer than 8 characters")
    engine = create_engine(settings.database.url)
    try:
        made = set_administrator(engine, login, password, policy_of(settings))
    except OperationalError as error:
        raise click.ClickException(f"the database does not answer: {str(error.orig).strip()}") from None
    finally:
        engine.dispose()
    click.echo(f"administrator {login} {'was made' if made else 'has a new password'}")


@main.command()
@CONFIG
def check(config: Path | None) -> None:
    """Read the settings and say what is wrong with them, without starting anything."""
    load(config)
    click.echo("the settings are good")


if __name__ == "__main__":
    main()
