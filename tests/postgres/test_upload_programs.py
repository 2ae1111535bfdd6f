"""Uploads by programs, over a network that breaks: the command line, and a client of the protocol that is not ours."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tusclient import client as tus

from lab.postgres import PrivatePostgres
from support.cloud import MemoryCloud
from support.cutting import cutting
from tests.unit.console.terminal import PROGRAM

MIB = 2**20
CONTENT = bytes(510) + b"\x55\xaa" + os.urandom(6 * MIB - 512)
CUTS = [MIB, 1, MIB // 2]


class Desk:
    """A cluster with its port open, and ``user``'s session there."""

    def __init__(self, url: str, directory: Path) -> None:
        self.cloud = MemoryCloud(url, directory, rpc="127.0.0.1:0")
        self.cloud.call("admin.user.set_password", [self.cloud.user_id, "correct horse"], account="admin")
        self.token = self.cloud.call("guest.session.login", ["user", "correct horse"])["token"]
        self.file = directory / "debian.raw"
        self.file.write_bytes(CONTENT)

    def port(self) -> int:
        return int(self.cloud.manager.ports[0].getHost().port)

    def wawel(self, home: Path, port: int, *words: str) -> subprocess.CompletedProcess[str]:
        told = {"WAWEL_URL": f"http://127.0.0.1:{port}", "WAWEL_TOKEN": self.token, "HOME": str(home)}
        return subprocess.run(
            [*PROGRAM, "image", "upload", str(self.file), *words, "-o", "json"], capture_output=True, text=True,
            env={**os.environ, **told}, timeout=60,
        )  # fmt: skip

    def images(self) -> list[dict[str, Any]]:
        return [each for each in self.cloud.call("user.system_image.get_list") if each["mine"]]


@pytest.fixture(scope="module")
def desk(postgres: PrivatePostgres, tmp_path_factory: Any) -> Iterator[Desk]:
    postgres.create_database("programs", template="wawel_template")
    made = Desk(postgres.url("programs"), tmp_path_factory.mktemp("programs"))
    yield made
    made.cloud.stop()
    postgres.drop_database("programs")


def test_wawel(desk: Desk, tmp_path: Path) -> None:
    """One command sends all of it, however often the connection breaks; nothing of the address is left behind."""
    with cutting(desk.port, list(CUTS)) as network:
        done = desk.wawel(tmp_path, network.port, "--wait", "--sha256", hashlib.sha256(CONTENT).hexdigest())
        assert network.cuts == len(CUTS)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["name"], told["state"], told["format"]) == ("debian", "ok", "raw")
    assert told["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    [kept] = tmp_path.rglob("uploads.json")
    assert json.loads(kept.read_text()) == {} and kept.stat().st_mode & 0o077 == 0


def test_wawel_again(desk: Desk, tmp_path: Path) -> None:
    """Where the server is away for long, the same command later sends the rest, and to the same image."""
    before = len(desk.images())
    stopped: list[int] = []

    def away() -> int:
        if network.cuts:
            stopped.append(1)
            raise OSError("nobody is there")
        return desk.port()

    with cutting(away, [4 * MIB]) as network:
        impatient = "import sys; from clm.console import main, uploading; uploading.AWAY_S = 0.5; sys.exit(main.main())"
        program = [PROGRAM[0], "-c", impatient]
        told = {"WAWEL_URL": f"http://127.0.0.1:{network.port}", "WAWEL_TOKEN": desk.token, "HOME": str(tmp_path)}
        words = ["image", "upload", str(desk.file), "--name", "rest"]
        first = subprocess.run(
            [*program, *words], capture_output=True, text=True, env={**os.environ, **told}, timeout=60
        )
        assert first.returncode == 4 and stopped and "same command again" in first.stderr, first.stderr
        [image] = [each for each in desk.images() if each["name"] == "rest"]
        assert image["state"] == "uploading"
        network._target = desk.port
        sent = desk.cloud.sql("SELECT received_bytes FROM upload WHERE image_id = :i", i=image["image_id"])
        assert sent >= 3 * MIB
        second = subprocess.run(
            [*PROGRAM, *words, "-o", "json"], capture_output=True, text=True, env={**os.environ, **told}, timeout=60
        )
    assert second.returncode == 0 and "Going on" in second.stderr, second.stderr
    assert json.loads(second.stdout)["image_id"] == image["image_id"] and len(desk.images()) == before + 1


def test_wawel_refused(desk: Desk, tmp_path: Path) -> None:
    """A wrong checksum, an empty file, one that is not there, and a plan: nothing is begun."""
    before = len(desk.images())
    wrong = desk.wawel(tmp_path, desk.port(), "--sha256", "0" * 64)
    assert wrong.returncode == 1 and hashlib.sha256(CONTENT).hexdigest() in wrong.stderr
    plan = desk.wawel(tmp_path, desk.port(), "--dry-run")
    assert plan.returncode == 0 and json.loads(plan.stdout)["dry_run"] is True
    empty = tmp_path / "empty"
    empty.touch()
    for file in (empty, tmp_path / "nothing", tmp_path):
        told = {"WAWEL_URL": f"http://127.0.0.1:{desk.port()}", "WAWEL_TOKEN": desk.token, "HOME": str(tmp_path)}
        done = subprocess.run(
            [*PROGRAM, "image", "upload", str(file)],
            capture_output=True,
            text=True,
            env={**os.environ, **told},
            timeout=60,
        )
        assert done.returncode == 2, done.stderr
    assert len(desk.images()) == before


def test_independent_client(desk: Desk) -> None:
    """tuspy begins one by the protocol alone, with checksums, and goes on after each break where it was."""
    with cutting(desk.port, list(CUTS)) as network:
        made = tus.TusClient(
            f"http://127.0.0.1:{network.port}/uploads", headers={"Authorization": f"Bearer {desk.token}"}
        )
        metadata = {"name": "by tuspy", "filename": "debian.raw", "kind": "storage"}
        uploader = made.uploader(
            str(desk.file), chunk_size=2 * MIB, metadata=metadata, retries=10, retry_delay=0, upload_checksum=True
        )
        uploader.upload()
        assert network.cuts == len(CUTS) and uploader.offset == len(CONTENT)
    found: dict[str, Any] = {}

    def over() -> bool:
        found.update(next(e for e in desk.cloud.call("user.storage_image.get_list") if e["name"] == "by tuspy"))
        return bool(found["state"] == "ok")

    desk.cloud.until(over, "it is imported")
    assert found["sha256"] == hashlib.sha256(CONTENT).hexdigest()
