"""Settings from a file and the environment, and all that is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest

from clm.daemon.settings import Settings as CloudSettings
from cm.daemon.settings import Settings as ClusterSettings
from cm.rpc.types import Secret
from cm.runtime.settings import DatabaseSettings, LogSettings, SettingsError, TlsSettings, read_settings
from contextualization.daemon.settings import Settings as EndpointSettings


@dataclass(frozen=True)
class Database:
    url: str
    pool: Annotated[int, msgspec.Meta(ge=1, le=100)] = 8


@dataclass(frozen=True)
class Settings:
    name: str
    database: Database
    password: Secret | None = None
    listen: tuple[str, ...] = ("127.0.0.1:8001",)
    insecure: bool = False
    timeout_s: float = 30.0
    extra: Database | None = None
    limits: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name == "reserved":
            raise ValueError("the name is reserved")


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "cm.toml"
    path.write_text(text)
    return path


GOOD = 'name = "krakow"\ntimeout_s = 5\n[database]\nurl = "postgresql:///cm"\n[limits]\na = 1\n'


def problems(path: Path | None, environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read_settings(Settings, path, "WAWEL_CM", environment or {})
    return caught.value.problems


class TestSettings:
    def test_file(self, tmp_path: Path) -> None:
        made = read_settings(Settings, write(tmp_path, GOOD))
        assert made == Settings("krakow", Database("postgresql:///cm"), timeout_s=5.0, limits={"a": 1})

    def test_environment(self, tmp_path: Path) -> None:
        """The environment outweighs the file, in nested tables, lists, numbers and flags; it may stand alone."""
        environment = {
            "WAWEL_CM_DATABASE_URL": "postgresql:///other",
            "WAWEL_CM_DATABASE_POOL": "3",
            "WAWEL_CM_INSECURE": "true",
            "WAWEL_CM_LISTEN": "a, b",
            "WAWEL_CM_EXTRA_URL": "x",
            "WAWEL_CM_PASSWORD": "hunter2",
            "HOME": "/",
        }
        made = read_settings(Settings, write(tmp_path, GOOD), "WAWEL_CM", environment)
        assert made.database == Database("postgresql:///other", 3) and made.insecure and made.listen == ("a", "b")
        assert made.extra == Database("x") and made.password == Secret("hunter2")
        alone = read_settings(Settings, None, "WAWEL_CM", {"WAWEL_CM_NAME": "123", "WAWEL_CM_DATABASE_URL": "y"})
        assert alone.name == "123"

    def test_secret_file(self, tmp_path: Path) -> None:
        """A secret may stand in a file that is named in its place; it shows nowhere."""
        (tmp_path / "secret").write_text("hunter2\n")
        path = write(tmp_path, f'password_file = "{tmp_path}/secret"\n' + GOOD)
        made = read_settings(Settings, path)
        assert made.password is not None and made.password.reveal() == "hunter2" and "hunter2" not in repr(made)
        named = read_settings(Settings, write(tmp_path, GOOD), "X", {"X_PASSWORD_FILE": str(tmp_path / "secret")})
        assert named.password == made.password

    def test_all_problems_together(self, tmp_path: Path) -> None:
        text = 'nmae = 1\ninsecure = "yes"\npassword_file = "/nonexistent"\n[database]\npool = 0\nx = 1\n'
        assert problems(write(tmp_path, text), {"WAWEL_CM_TYPO": "1", "WAWEL_CM_TIMEOUT_S": "soon"}) == [
            "name: it is required",
            "database.url: it is required",
            "database.pool: expected `int` >= 1",
            "database.x: there is no such setting",
            "password: /nonexistent cannot be read: No such file or directory",
            "insecure: expected `bool`, got `str`",
            "timeout_s: expected `float`, got `str`",
            "nmae: there is no such setting",
            "WAWEL_CM_TYPO: there is no such setting",
        ]

    def test_other_problems(self, tmp_path: Path) -> None:
        assert "No such file" in problems(tmp_path / "no.toml")[0]
        assert "cm.toml" in problems(write(tmp_path, "name = "))[0]
        assert problems(write(tmp_path, 'name = "a"\ndatabase = 5')) == ["database: it is not a table"]
        assert problems(write(tmp_path, GOOD.replace("krakow", "reserved"))) == ["settings: the name is reserved"]
        both = f'password = "a"\npassword_file = "{tmp_path}/cm.toml"\n' + GOOD
        assert problems(write(tmp_path, both)) == ["password: it is given itself and by password_file"]


class TestPrograms:
    """What the programs' settings have in common is one class, and each has its own defaults all the same."""

    def test_databases(self) -> None:
        """Who sets one value of a table keeps the program's others."""
        for cls, name in ((CloudSettings, "wawel_clm"), (ClusterSettings, "wawel_cm"), (EndpointSettings, "wawel_cm")):
            made: Any = read_settings(cls, None, "X", {"X_DATABASE_POOL_SIZE": "3", "X_LISTEN_INSECURE": "true"})
            assert (made.database.pool_size, made.database.url.rpartition("/")[2]) == (3, name)
            assert made.listen.insecure

    def test_one_of_each(self) -> None:
        """No program has a table of its own where it means the same."""
        for cls in (CloudSettings, ClusterSettings, EndpointSettings):
            made: Any = cls()
            assert isinstance(made.database, DatabaseSettings) and isinstance(made.listen, TlsSettings)
            assert type(made.log) is LogSettings

    def test_log(self) -> None:
        assert LogSettings().problems() == [] and len(LogSettings("loud", "xml").problems()) == 2
