"""What the command lines of the managers have in common: settings, the run until a signal, the first administrator."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import OperationalError
from twisted.logger import Logger

from cm.runtime import log as logging
from cm.runtime.files import raise_file_limit
from cm.runtime.memory import bound_heap
from cm.runtime.settings import SettingsError, read_settings
from cm.runtime.supervisor import Supervisor

log = Logger()
Settings = TypeVar("Settings")
Result = TypeVar("Result")


class Manager(Protocol):
    async def start(self) -> None: ...

    async def stop(self) -> None: ...


@cache
def release() -> str:
    """This program's version."""
    try:
        return metadata.version("wawel")
    except metadata.PackageNotFoundError:
        return "unreleased"


def load_settings(
    cls: type[Settings], config: Path | None, default: Path, prefix: str, check: Callable[[Settings], None]
) -> Settings:
    """
    :param default: the file that is read without ``config``, if it is there.
    :raises click.ClickException: with every problem of the settings.
    """
    path = config or (default if default.exists() else None)
    try:
        settings = read_settings(cls, path, prefix)
        check(settings)
        return settings
    except SettingsError as error:
        raise click.ClickException("the settings are not good:\n  " + "\n  ".join(error.problems)) from None


def run_until_signal(settings: Any, make: Callable[[Any], tuple[Any, Manager]]) -> None:
    """
    Run a manager in the foreground; what is under way is brought to the end of its step. Whoever supervises us hears
    when it listens.

    :param settings: those of a manager: its tables ``log`` and ``listen`` are looked at here.
    :param make: the reactor, and the manager on it.
    :raises click.ClickException: it could not start.
    """
    bound_heap()
    raise_file_limit()
    logging.start("json" if settings.log.format == "json" else "text", settings.log.level)
    from twisted.internet.defer import Deferred

    failed: list[str] = []
    supervisor = Supervisor()

    def start() -> None:
        supervisor.report("connecting to the database")
        Deferred.fromCoroutine(manager.start()).addCallbacks(listening, give_up)

    def listening(_: object) -> None:
        supervisor.ready(reactor, f"listens on {_addresses(settings.listen)}")

    def give_up(failure: Any) -> None:
        if failure.check(SettingsError):
            failed.append(str(failure.value))
        else:
            log.failure("it could not start", failure)
            failed.append(f"it could not start: {failure.value}")
        reactor.stop()

    def stop() -> Deferred[None]:
        supervisor.stopping(failed[0] if failed else "ending: what is under way comes to the end of its step")
        return Deferred.fromCoroutine(manager.stop())

    try:
        reactor, manager = make(settings)
    except SettingsError as error:
        supervisor.report(str(error))
        log.critical("{problem}", problem=str(error))
        raise click.ClickException(str(error)) from None
    reactor.callWhenRunning(start)
    reactor.addSystemEventTrigger("before", "shutdown", stop)
    reactor.run()
    if failed:
        log.critical("{problem}", problem=failed[0])
        raise click.ClickException(failed[0])


def _addresses(listen: Any) -> str:
    told = [getattr(listen, name, "") for name in ("rpc", "contextualization")]
    return " and ".join(address for address in told if address) or "nothing"


def on_database(url: str, function: Callable[..., Result], *arguments: Any) -> Result:
    """
    ``function(engine, ...)``.

    :raises click.ClickException: the database does not answer.
    """
    engine: Engine = create_engine(url)
    try:
        return function(engine, *arguments)
    except OperationalError as error:
        raise click.ClickException(f"the database does not answer: {str(error.orig).strip()}") from None
    finally:
        engine.dispose()


def read_password(password_file: Path | None) -> str:
    """
    Of the file, or asked for.

    :raises click.ClickException: it is too short.
    """
    if password_file is None:
        password = str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    elif str(password_file) == "-":
        password = sys.stdin.readline().rstrip("\n")
    else:
        password = (password_file.read_text().splitlines() or [""])[0]
    if len(password) < 8:
        raise click.ClickException("the password has fewer than 8 characters")
    return password


def make_program(
    about: str,
    load: Callable[[Path | None], Any],
    prefix: str,
    make: Callable[[Any], tuple[Any, Manager]],
    migrate_database: Callable[[Engine], tuple[str | None, str | None]],
    set_administrator: Callable[[Engine, str, str, Any], bool],
) -> click.Group:
    """
    A manager's command line.

    :param load: the settings of a file.
    :param prefix: of the environment's variables.
    :param make: of settings, the reactor and the manager on it.
    :param set_administrator: of engine, login, password and settings; whether they were made.
    """
    config_option = click.option(
        "--config",
        "-c",
        type=click.Path(path_type=Path),
        default=None,
        help=f"TOML file with the settings; {prefix}_<TABLE>_<KEY> in the environment outweighs it.",
    )

    @click.group(help=about, context_settings={"help_option_names": ["-h", "--help"]})
    @click.version_option(package_name="wawel")
    def main() -> None:
        pass

    @main.command()
    @config_option
    def run(config: Path | None) -> None:
        """Run in the foreground until a signal; what is under way is brought to the end of its step."""
        run_until_signal(load(config), make)

    @main.command()
    @config_option
    def migrate(config: Path | None) -> None:
        """Bring the database to this version's schema; safe to repeat, also from several machines at once."""
        before, after = on_database(load(config).database.url, migrate_database)
        if before == after:
            click.echo(f"the schema is at {after}")
        else:
            click.echo(f"the schema went from {before or 'none'} to {after}")

    @main.command("add-admin")
    @config_option
    @click.option("--login", default="admin", show_default=True)
    @click.option(
        "--password-file",
        type=click.Path(path_type=Path, allow_dash=True),
        help="File whose first line is the password, - for standard input; without it the password is asked for.",
    )
    def add_admin(config: Path | None, login: str, password_file: Path | None) -> None:
        """Make an administrator, or give an existing one a new password."""
        settings = load(config)
        password = read_password(password_file)
        try:
            made = on_database(settings.database.url, set_administrator, login, password, settings)
        except SettingsError as error:
            raise click.ClickException(str(error)) from None
        click.echo(f"administrator {login} {'was made' if made else 'has a new password'}")

    @main.command()
    @config_option
    def check(config: Path | None) -> None:
        """Read the settings and say what is wrong with them, without starting anything."""
        load(config)
        click.echo("the settings are good")

    return main
