"""Directories that images are imported from: none that hold another's secrets, nor lie among them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from cm.daemon.app import policy_of
from cm.daemon.directories import import_problems, pool_problems
from cm.daemon.main import main
from cm.daemon.settings import ClusterSettings, ImportSettings, ListenSettings, Settings
from cm.drivers.images.local import open_beneath
from cm.rpc.errors import InvalidParameter
from cm.runtime.settings import SettingsError


def settings(tmp_path: Path, *directories: Path) -> Settings:
    return Settings(cluster=ClusterSettings(state_dir=tmp_path / "state"), images=ImportSettings(directories))


def test_apart(tmp_path: Path) -> None:
    """A directory of images alone is good, there or not, and beside what is private."""
    (tmp_path / "images").mkdir()
    good = (tmp_path / "images", tmp_path / "state-of-others", Path("/srv/images"))
    assert import_problems(settings(tmp_path, *good)) == []


@pytest.mark.parametrize("below", ["", "state", "state/staging", "state/../state/keys"])
def test_state_dir(tmp_path: Path, below: str) -> None:
    """The state directory itself, around it and below it, though it is not made yet; also by a link."""
    (problem,) = import_problems(settings(tmp_path, tmp_path / below))
    assert "cluster.state_dir" in problem and str(tmp_path / "state") in problem
    link = tmp_path.with_name(tmp_path.name + "-link")
    link.symlink_to(tmp_path / below)
    (problem,) = import_problems(settings(tmp_path, link))
    assert problem.startswith(f"images.directories: {link} ") and "cluster.state_dir" in problem


@pytest.mark.parametrize("path", ["/", "/etc", "/etc/wawel/images", "/proc/1", "/dev/shm", "/sys", "/var", "/var/log"])
def test_system(tmp_path: Path, path: str) -> None:
    """What the system keeps to itself."""
    problems = import_problems(settings(tmp_path, Path(path)))
    assert problems and all(problem.startswith(f"images.directories: {path} ") for problem in problems)


def test_files(tmp_path: Path) -> None:
    """The directory of the TLS key, and of the settings with their passwords."""
    there = tmp_path / "there"
    told = replace(settings(tmp_path, there), listen=ListenSettings(tls_key=there / "key.pem"))
    problems = import_problems(told, there / "cm.toml")
    assert [problem.rpartition(": ")[2] for problem in problems] == ["listen.tls_key", "the manager's settings"]


def test_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the manager's user has for themselves; other directories of theirs are theirs to give."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home" / ".ssh").mkdir(parents=True)
    assert "private files" in import_problems(settings(tmp_path, tmp_path / "home"))[0]
    assert "private files" in import_problems(settings(tmp_path, tmp_path / "home" / ".ssh" / "x"))[0]
    assert import_problems(settings(tmp_path, tmp_path / "home" / "images")) == []


def test_database(tmp_path: Path) -> None:
    """A data directory of PostgreSQL is known by its file, at any depth below it."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "PG_VERSION").write_text("15\n")
    for below in ("data", "data/base/1"):
        (problem,) = import_problems(settings(tmp_path, tmp_path / below))
        assert "PostgreSQL's data" in problem


def test_pools() -> None:
    """A storage's directory, around it and below it."""
    pools = [("main", "/srv/wawel"), ("other", "/srv/other")]
    assert pool_problems([Path("/srv/images"), Path("/srv/wawel2")], pools) == []
    assert len(pool_problems([Path("/srv")], pools)) == 2
    for path in ("/srv/wawel", "/srv/wawel/images"):
        (problem,) = pool_problems([Path(path)], pools)
        assert "the disks of storage main" in problem


def test_told_with_the_rest(tmp_path: Path) -> None:
    """``check`` tells it among all that is wrong, and no manager starts with it."""
    config = tmp_path / "cm.toml"
    cluster = f'[cluster]\nstate_dir = "{tmp_path}/state"\nreconcile_s = 0\n'
    config.write_text(f'{cluster}[images]\ndirectories = ["{tmp_path}", "images"]\n')
    done = CliRunner().invoke(main, ["check", "--config", str(config)])
    assert done.exit_code == 1
    for part in ("cluster.reconcile_s is not above", f"{tmp_path} holds {tmp_path}/state", "cm.toml: the manager's",
                 "images is not absolute"):  # fmt: skip
        assert part in done.output
    with pytest.raises(SettingsError, match="cluster.state_dir"):
        policy_of(settings(tmp_path, tmp_path))
    assert not (tmp_path / "state").exists()


def test_denied_when_opened(tmp_path: Path) -> None:
    """A storage that another process has added since is closed to imports as well, also through a link."""
    (tmp_path / "srv" / "pool").mkdir(parents=True)
    (tmp_path / "srv" / "pool" / "vm-1").write_text("somebody's")
    (tmp_path / "link").symlink_to(tmp_path / "srv")
    for directory in ("srv", "link"):
        path = str(tmp_path / directory / "pool" / "vm-1")
        assert open_beneath(path, [str(tmp_path / directory)]) > 0
        with pytest.raises(InvalidParameter, match="disks of a storage"):
            open_beneath(path, [str(tmp_path / directory)], [str(tmp_path / "srv" / "pool")])
