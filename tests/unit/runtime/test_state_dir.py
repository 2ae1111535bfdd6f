"""The directory for keys and work has to be one that this process may write, or the manager says what to do."""

from __future__ import annotations

import errno
import tempfile
from pathlib import Path

import pytest

from cm.runtime.settings import SettingsError, make_state_dir


def test_made(tmp_path: Path) -> None:
    make_state_dir(tmp_path / "a" / "b", "cluster.state_dir", "wawel-cm")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_occupied(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"cluster\.state_dir: .*/file cannot be written"):
        make_state_dir(tmp_path / "file", "cluster.state_dir", "wawel-cm")


def test_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a read-only place, as a unit with ProtectSystem=strict sees it, the answer is the drop-in that is needed."""

    def refuse(**_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(SettingsError) as refused:
        make_state_dir(tmp_path, "cloud.state_dir", "wawel-clm")
    assert f"[Service]\nReadWritePaths={tmp_path}" in str(refused.value)
    assert "systemctl edit wawel-clm" in str(refused.value)
