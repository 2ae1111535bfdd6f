"""``wawel-clm``: run a cloud manager, prepare its database, make its first administrator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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

if __name__ == "__main__":
    main()
