"""``wawel-clm``: run a cloud manager, prepare its database, make its first administrator."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Engine

from clm.daemon.migrate import migrate as migrate_database
from clm.daemon.settings import Settings, check_settings
from cm.runtime.program import load_settings, make_program


def load(config: Path | None) -> Settings:
    """:raises click.ClickException: with every problem of the settings."""
    return load_settings(Settings, config, Path("/etc/wawel/clm.toml"), "WAWEL_CLM", check_settings)


# What runs the manager is imported by the commands that do: the others answer sooner without.


def _make(settings: Settings) -> Any:
    from twisted.internet import reactor

    from clm.daemon.app import CloudManager

    return reactor, CloudManager(reactor, settings)


def _set_administrator(engine: Engine, login: str, password: str, settings: Settings) -> bool:
    from clm.daemon.administrator import set_administrator
    from clm.daemon.app import policy_of

    return set_administrator(engine, login, password, policy_of(settings))


main = make_program(
    "Wawel's cloud manager: people, and the clusters they work on.",
    load,
    "WAWEL_CLM",
    _make,
    migrate_database,
    _set_administrator,
)


@main.command("check-mail")
@click.option("--config", "-c", type=click.Path(path_type=Path), default=None, help="TOML file with the settings.")
@click.option("--to", metavar="ADDRESS", default="", help="Send a mail there; without it none is sent.")
def check_mail(config: Path | None, to: str) -> None:
    """Talk to the mail server as a running manager would: TLS, login, sender; and say what is wrong."""
    from clm.daemon.app import sender_of
    from clm.drivers.mail import Letter, MailFailed, MailRefused

    settings = load(config)
    if not settings.mail.host:
        raise click.ClickException("mail.host is not set: there is no mail")
    sender = sender_of(settings.mail)
    try:
        if to:
            body = f"This is a mail of the cloud {settings.cloud.name}, to see that it arrives."
            sender.send(Letter(to, f"A trial of {settings.cloud.name}", body + "\n", secrets.token_hex(16)))
        else:
            sender.try_out()
    except (MailFailed, MailRefused) as error:
        raise click.ClickException(f"{error.trouble}: {error}") from None
    click.echo(f"{sender.host} has taken a mail to {to}" if to else f"{sender.host} would take mail of {sender.sender}")


if __name__ == "__main__":
    main()
