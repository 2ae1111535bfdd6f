"""What only the database knows of directories: where its data is, and where users' disks are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from admin_bench import Bench

from cm.daemon.app import ClusterManager
from cm.daemon.migrate import migrate
from cm.daemon.settings import ClusterSettings, DatabaseSettings, ImportSettings, ListenSettings, Settings
from cm.rpc.errors import InvalidParameter
from cm.runtime.database import Database, data_directory
from cm.runtime.settings import SettingsError
from cm.runtime.threads import InlineThreads
from support.cloud import reactor, run
from support.databases import add_template, server_at


def start(url: str, tmp_path: Path, directory: Path) -> None:
    settings = Settings(
        database=DatabaseSettings(url=url),
        listen=ListenSettings(rpc="", contextualization=""),
        cluster=ClusterSettings(state_dir=tmp_path / "state"),
        images=ImportSettings((directory,)),
    )
    manager = ClusterManager(reactor, settings, lambda uri, name: None)
    try:
        run(manager.start)
    finally:
        run(manager.stop)


@pytest.fixture
def on_disk(tmp_path: Path) -> Iterator[str]:
    """A database of a server on disk: that of all tests may lie below /dev, where nothing is imported from anyhow."""
    with server_at(tmp_path / "postgres") as server:
        add_template(server, "on_disk", migrate)
        yield server.url("on_disk")


def test_data_directory(on_disk: str, tmp_path: Path) -> None:
    """A manager that the database tells where its data is does not start with imports from around it."""
    database = Database(on_disk, InlineThreads())
    data = database.read_now(data_directory)
    database.close()
    assert data is not None and (data / "PG_VERSION").exists()
    with pytest.raises(SettingsError, match=f"holds {data}: PostgreSQL's data"):
        start(on_disk, tmp_path, data.parent)


def test_pool(database_url: str, tmp_path: Path) -> None:
    """Nor with imports from where a storage keeps disks."""
    bench = Bench(database_url, tmp_path)
    try:
        bench.call("admin.storage.add", name="main", kind="dir", path="/srv/wawel/main")
        with pytest.raises(SettingsError, match="/srv/wawel holds /srv/wawel/main: the disks of storage main"):
            start(database_url, tmp_path, Path("/srv/wawel"))
    finally:
        bench.close()


def test_storage_refused(database_url: str, tmp_path: Path) -> None:
    """No storage is added where files are imported from or keys are kept."""
    bench = Bench(database_url, tmp_path)
    try:
        for path in (bench.images, bench.images / "pool", tmp_path, bench.policy.staging_dir):
            for values in ({"kind": "dir"}, {"kind": "netfs", "address": "nas", "source": "/x"}):
                with pytest.raises(InvalidParameter, match="path"):
                    bench.call("admin.storage.add", name="main", path=str(path), **values)
        assert bench.call("admin.storage.get_list") == []
    finally:
        bench.close()
