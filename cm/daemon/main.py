"""``wawel-cm``: run a cluster manager, prepare its database, make its first administrator."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine

from cm.daemon.directories import check_all
from cm.daemon.migrate import migrate as migrate_database
from cm.daemon.settings import Settings
from cm.runtime.program import load_settings, make_program

DEFAULT: Final = Path("/etc/wawel/cm.toml")


def load(config: Path | None) -> Settings:
    """:raises click.ClickException: with every problem of the settings."""

    def check(settings: Settings) -> None:
        check_all(settings, config or DEFAULT)

    return load_settings(Settings, config, DEFAULT, "WAWEL_CM", check)


# What runs the manager is imported by the commands that do: the others answer sooner without.


def _make(settings: Settings) -> Any:
    from twisted.internet import reactor

    from cm.daemon.app import ClusterManager

    return reactor, ClusterManager(reactor, settings)


def _set_administrator(engine: Engine, login: str, password: str, settings: Settings) -> bool:
    from cm.daemon.administrator import set_administrator
    from cm.daemon.app import policy_of

    return set_administrator(engine, login, password, policy_of(settings))


main = make_program(
    "Wawel's cluster manager: it owns one cluster of libvirt hosts.",
    load,
    "WAWEL_CM",
    _make,
    migrate_database,
    _set_administrator,
)

if __name__ == "__main__":
    main()
