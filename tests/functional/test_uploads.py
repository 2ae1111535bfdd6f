"""Uploads to a manager of its own process that is killed meanwhile, over a network that breaks, onto a real host."""

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

from lab.cloud import Cloud
from lab.processes import wait_until
from support.cutting import Cutter, cutting
from tests.unit.console.terminal import PROGRAM

MIB = 2**20
SIZE = 64 * MIB
CUTS = [8 * MIB, 7 * MIB, 9 * MIB, 8 * MIB, 6 * MIB]  # of each connection, after how many bytes


@pytest.fixture(scope="module")
def cloud(start_cloud: Any) -> Cloud:
    return start_cloud(nodes=1, durable=False)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("file") / "data.raw"
    made.write_bytes(bytes(510) + b"\x55\xaa" + os.urandom(SIZE - 512))
    return made


@pytest.fixture
def network(cloud: Cloud) -> Iterator[Cutter]:
    """Five interruptions: three times the connection is cut, twice the manager is killed."""
    with cutting(lambda: int(cloud.url.rpartition(":")[2]), list(CUTS)) as made:

        def cut() -> None:
            if made.cuts in (2, 4):
                cloud.kill_cm()
                cloud.start_cm()

        made.on_cut = cut
        yield made
        assert made.cuts == len(CUTS)


def arrived(cloud: Cloud, name: str, file: Path) -> None:
    """An image is there, on the host's storage, byte for byte."""
    found: dict[str, Any] = {}

    def over() -> bool:
        found.update(next(e for e in cloud.user.call("user.storage_image.get_list") if e["name"] == name))
        return found["state"] not in ("uploading", "adding")

    wait_until(over, f"the import of {name}", 60, pause=0.1)
    assert found["state"] == "ok", found
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert found["sha256"] == digest
    volume, plain = cloud.storage_dir / f"image-{found['uuid']}.qcow2", file.with_suffix(".plain")
    subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", volume, plain], check=True, timeout=120)
    assert hashlib.sha256(plain.read_bytes()).hexdigest() == digest


def test_wawel(cloud: Cloud, file: Path, network: Cutter, tmp_path: Path) -> None:
    """One command sends all of it."""
    user = cloud.credentials.user
    token = cloud.client(None).call("guest.session.login", [user.login, user.password])["token"]
    told = {"WAWEL_URL": f"http://127.0.0.1:{network.port}", "WAWEL_TOKEN": token, "HOME": str(tmp_path)}
    words = ["image", "upload", str(file), "--kind", "storage", "--name", "by wawel", "-o", "json"]
    done = subprocess.run([*PROGRAM, *words], capture_output=True, text=True, env={**os.environ, **told}, timeout=120)
    assert done.returncode == 0 and json.loads(done.stdout)["name"] == "by wawel", done.stderr
    arrived(cloud, "by wawel", file)


def test_independent_client(cloud: Cloud, file: Path, network: Cutter) -> None:
    """A client of the protocol that knows nothing of us sends to the address that the view gave out."""
    values = {"name": "by tuspy", "description": "", "size_bytes": SIZE, "filename": "data.raw"}
    path = cloud.user.call("user.storage_image.upload", values)["path"]
    sender = tus.TusClient(f"http://127.0.0.1:{network.port}/uploads")
    uploader = sender.uploader(
        str(file), url=f"http://127.0.0.1:{network.port}{path}", chunk_size=16 * MIB, retries=60, retry_delay=0.5
    )
    uploader.upload()
    assert uploader.offset == SIZE
    arrived(cloud, "by tuspy", file)
