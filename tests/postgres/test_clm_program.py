"""The program wawel-clm as an operator calls it: settings checked, schema made, the first administrator let in."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import create_engine, text

from clm.daemon.main import main
from lab.postgres import PrivatePostgres


@pytest.fixture
def url(postgres: PrivatePostgres) -> str:
    postgres.create_database("clm_by_hand")
    return postgres.url("clm_by_hand")


def call(url: str, state: Path, *arguments: str, told: str = "", **settings: str) -> Result:
    environment = {"WAWEL_CLM_DATABASE_URL": url, "WAWEL_CLM_CLOUD_STATE_DIR": str(state), **settings}
    return CliRunner().invoke(main, [*arguments], input=told, env=environment)


def test_program(url: str, tmp_path: Path) -> None:
    """From an empty database to an administrator; every step may be repeated, and a mistake is told in a line."""
    assert call(url, tmp_path, "check").output == "the settings are good\n"
    assert call(url, tmp_path, "migrate").output.startswith("the schema went from none to ")
    assert call(url, tmp_path, "migrate").output.startswith("the schema is at ")
    password = ("add-admin", "--password-file", "-")
    assert "fewer than 8" in call(url, tmp_path, *password, told="short\n").output
    assert call(url, tmp_path, *password, told="correct horse\n").output == "administrator admin was made\n"
    assert call(url, tmp_path, *password, told="another horse\n").output == "administrator admin has a new password\n"
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT login, state, is_cloud_admin, activated_at FROM user_account")).all()
    engine.dispose()
    ((login, state, is_cloud_admin, activated),) = rows
    assert (login, state, is_cloud_admin) == ("admin", "active", True) and activated is not None


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("MAIL_HOST", "mail.example.org", "mail.sender is needed"),
        ("ACCOUNTS_PERMISSIONS", "cloud_create,fly", "there is no permission fly"),
        ("ACCOUNTS_NONSENSE", "1", "there is no such setting"),
        ("CLOUD_NAME", "Not a label", "cloud.name"),
    ],
)
def test_wrong_settings(tmp_path: Path, name: str, value: str, told: str) -> None:
    """A wrong setting is told by its name, before anything starts."""
    result = call("postgresql+psycopg2:///nowhere", tmp_path, "check", **{f"WAWEL_CLM_{name}": value})
    assert result.exit_code == 1 and told in result.output and "Traceback" not in result.output


def test_no_database(tmp_path: Path) -> None:
    result = call("postgresql+psycopg2://127.0.0.1:1/nowhere", tmp_path, "migrate")
    assert result.exit_code == 1 and result.output.startswith("Error: the database does not answer")
