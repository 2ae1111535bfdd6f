"""Keys that a program keeps in files."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from cm.rpc.keys import CLUSTER_KEY, ensure_secret, ensure_signing_key
from cm.runtime.settings import SettingsError


def test_kept(tmp_path: Path) -> None:
    """A secret is made once, with its directory, and then kept, for its owner alone."""
    path = tmp_path / "state" / CLUSTER_KEY
    first = ensure_secret(path)
    assert len(first) == 32 and ensure_secret(path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == [CLUSTER_KEY]


@pytest.mark.parametrize("content, mode", [(b"k" * 32, 0o644), (b"k" * 31, 0o600), (b"", 0o600)])
def test_refused(tmp_path: Path, content: bytes, mode: int) -> None:
    """A secret that others may read, or a short one, is refused, whichever program reads it."""
    path = tmp_path / CLUSTER_KEY
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(SettingsError):
        ensure_secret(path)


def test_no_place(tmp_path: Path) -> None:
    """Where there is none, and none can be made, the settings are not good: that is no fault of the program."""
    (tmp_path / "state").write_text("a file")
    with pytest.raises(SettingsError):
        ensure_secret(tmp_path / "state" / CLUSTER_KEY)


def test_signing_key(tmp_path: Path) -> None:
    """It stays, and so does its id; what is no such key is refused."""
    first = ensure_signing_key(tmp_path / "a.key", "session")
    assert ensure_signing_key(tmp_path / "a.key", "session") == first and first.key_id.startswith("session-")
    (tmp_path / "b.key").write_bytes(b"no key")
    with pytest.raises(ValueError):
        ensure_signing_key(tmp_path / "b.key", "session")
