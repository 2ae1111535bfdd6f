"""Downloads: who may read what, in ranges, as fast as they take it, and what ends it."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cm.drivers.memory.stream import MemoryStreams
from cm.rpc import downloads as wire
from cm.rpc.downloads import asked_range, disposition
from cm.rpc.errors import InUse, NotWhole, ObjectNotFound, TooManyAtOnce, WrongImageState
from cm.rpc.limits import Share
from cm.rpc.places import Places
from cm.rules.access import AccessNeeded
from cm.services.download import TICKETS_MAX, file_name
from cm.store.disk_bytes import become_disk
from lab.postgres import PrivatePostgres
from support.cloud import MemoryCloud
from support.cutting import cutting
from tests.unit.console.terminal import PROGRAM

MIB = 2**20
CONTENT = bytes(510) + b"\x55\xaa" + os.urandom(900 * 1024 - 512)


class Desk:
    """A cluster with its port open, and a storage image of ``user``'s that holds ``CONTENT``: a raw one, as of old."""

    def __init__(self, url: str, directory: Path) -> None:
        self.cloud = cloud = MemoryCloud(url, directory, rpc="127.0.0.1:0")
        self.image_id = self.uploaded("data")
        self.disk_id = cloud.sql("SELECT id FROM disk WHERE image_id = :i", i=self.image_id)

    def uploaded(self, name: str) -> int:
        made = self.cloud.call(
            "user.system_image.upload", {"name": name, "description": "", "size_bytes": len(CONTENT), "format": "raw"}
        )
        headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        assert self.ask("PATCH", made["path"], CONTENT, **headers)[0] == 204
        image_id = int(made["image"]["image_id"])

        def over() -> bool:
            return bool(self.cloud.call("user.system_image.get_by_id", [image_id])["state"] == "ok")

        self.cloud.until(over, "it is imported")
        self.cloud.manager.database.transact_now(become_disk, image_id)
        return image_id

    @property
    def port(self) -> int:
        return int(self.cloud.manager.ports[0].getHost().port)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def ticket(self, who: str = "user") -> dict[str, Any]:
        return dict(self.cloud.call("user.storage_image.create_download", [self.image_id], account=who))

    @property
    def path(self) -> str:
        return str(self.ticket()["path"])


@pytest.fixture(scope="module")
def desk(postgres: PrivatePostgres, tmp_path_factory: Any) -> Iterator[Desk]:
    postgres.create_database("downloads", template="wawel_template")
    made = Desk(postgres.url("downloads"), tmp_path_factory.mktemp("downloads"))
    yield made
    made.cloud.stop()
    postgres.drop_database("downloads")


@pytest.fixture(autouse=True)
def _nobody_reads(desk: Desk) -> Iterator[None]:
    yield
    desk.cloud.until(lambda: not len(desk.cloud.manager.downloads), "nobody reads")
    desk.cloud.sql("DELETE FROM download_ticket")


def test_whole(desk: Desk) -> None:
    """All of it comes as it lies there, under a safe name; who and how much is in the audit, and the address is not."""
    ticket = desk.ticket()
    assert ticket["filename"] == "data.raw" and ticket["download_url"].endswith(ticket["path"])
    status, headers, body = desk.ask("GET", ticket["path"])
    assert status == 200 and body == CONTENT
    assert headers["content-disposition"].startswith('attachment; filename="data.raw"')
    assert (headers["accept-ranges"], headers["content-type"]) == ("bytes", "application/octet-stream")
    status, again, body = desk.ask("HEAD", ticket["path"])
    assert (status, body, again["content-length"]) == (200, b"", str(len(CONTENT)))
    assert again["etag"] == headers["etag"]
    told = "SELECT count(*) FROM audit WHERE method = 'download' AND arguments->>'bytes' = :n"
    desk.cloud.until(lambda: desk.cloud.sql(told, n=str(len(CONTENT))), "its end is in the audit")
    secret = ticket["path"].rpartition("/")[2]
    assert desk.cloud.sql("SELECT count(*) FROM audit WHERE arguments::text LIKE :s", s=f"%{secret}%") == 0


def test_ranges(desk: Desk) -> None:
    """What broke off goes on behind what came, as long as it is the same file."""
    path = desk.path
    tag = desk.ask("HEAD", path)[1]["etag"]
    for given, start, end in (
        ("bytes=0-0", 0, 1),
        ("bytes=1000-", 1000, len(CONTENT)),
        ("bytes=-10", -10, len(CONTENT)),
    ):
        status, headers, body = desk.ask("GET", path, Range=given, **{"If-Range": tag})
        first = start % len(CONTENT)
        assert (status, body) == (206, CONTENT[first:end])
        assert headers["content-range"] == f"bytes {first}-{end - 1}/{len(CONTENT)}"
    status, headers, _ = desk.ask("GET", path, Range=f"bytes={len(CONTENT)}-")
    assert status == 416 and headers["content-range"] == f"bytes */{len(CONTENT)}"
    assert desk.ask("GET", path, Range="bytes=5-", **{"If-Range": '"other"'})[::2] == (200, CONTENT)


@pytest.mark.parametrize(
    ("given", "found"),
    [(None, None), (b"", None), (b"bytes=-", None), (b"bytes=0-1,3-4", None), (b"lines=0-1", None),
     (b"bytes=5-3", None),
     (b"bytes=0-", (0, 10)), (b"bytes=2-3", (2, 4)), (b"bytes=2-99", (2, 10)), (b"bytes=-3", (7, 10)),
     (b"bytes=-99", (0, 10))],
)  # fmt: skip
def test_asked_range(given: bytes | None, found: Any) -> None:
    assert asked_range(given, 10) == found


@pytest.mark.parametrize("given", [b"bytes=10-", b"bytes=99-100", b"bytes=-0"])
def test_range_beyond(given: bytes) -> None:
    with pytest.raises(ValueError):
        asked_range(given, 10)


def test_names() -> None:
    """No name breaks a header or leads to another directory."""
    assert file_name("../../etc/passwd", "raw") == "etc_passwd.raw"
    assert file_name('a"\r\nb; c', "qcow2") == "a_b_c.qcow2" and file_name("...", "iso") == "disk.iso"
    assert file_name("debian.qcow2", "qcow2") == "debian.qcow2" and len(file_name("x" * 500, "raw")) < 120
    told = disposition(file_name("Zażółć", "raw"))
    assert told.startswith(b'attachment; filename="Za____.raw"; ') and b"%C5%BC" in told


def test_who_may(desk: Desk) -> None:
    """Who may use the image may read it, and no longer than that; others do not see it."""
    with pytest.raises(ObjectNotFound):
        desk.ticket("other")
    desk.cloud.sql("UPDATE image SET access = 'public' WHERE id = :i", i=desk.image_id)
    path = desk.ticket("other")["path"]
    assert desk.ask("HEAD", path)[0] == 200
    with pytest.raises(AccessNeeded):
        desk.cloud.call("user.disk.create_download", [desk.disk_id], account="other")
    desk.cloud.sql("UPDATE image SET access = 'private' WHERE id = :i", i=desk.image_id)
    assert desk.ask("GET", path)[0] == 404


def test_not_good(desk: Desk) -> None:
    """What was never given out, has expired, or is of an account that ended, opens nothing; nor do other methods."""
    assert desk.ask("GET", "/downloads/nonsense")[0] == desk.ask("GET", "/downloads")[0] == 403
    path = desk.path
    assert desk.ask("POST", path, b"x")[0] == 405
    desk.cloud.sql("UPDATE account SET active = false WHERE login = 'user'")
    assert desk.ask("GET", path)[0] == 403
    desk.cloud.sql("UPDATE account SET active = true WHERE login = 'user'")
    desk.cloud.sql("UPDATE download_ticket SET expires_at = now() - interval '1 s'")
    assert desk.ask("GET", path)[0] == 403


def test_disk(desk: Desk) -> None:
    """A disk's owner reads it; not while a VM that may write to it runs, after which it is another file."""
    cloud = desk.cloud
    path = cloud.call("user.disk.create_download", [desk.disk_id])["path"]
    status, before, body = desk.ask("GET", path)
    assert (status, body) == (200, CONTENT)
    vm = cloud.create(name="writer", disk_list=[desk.image_id])
    cloud.wait(vm["vm_id"], "running")
    with pytest.raises(InUse):
        cloud.call("user.disk.create_download", [desk.disk_id])
    assert desk.ask("GET", path)[0] == 409
    cloud.call("user.vm.stop", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "stopped")
    status, after, body = desk.ask("GET", path, Range="bytes=5-", **{"If-Range": before["etag"]})
    assert status == 200 and after["etag"] != before["etag"]
    root = cloud.sql("SELECT disk_id FROM attachment WHERE vm_id = :v AND number = 0", v=vm["vm_id"])
    with pytest.raises(NotWhole):
        cloud.call("user.disk.create_download", [root])
    cloud.ended(cloud.call("user.vm.destroy", [[vm["vm_id"]]])[0]["operation_id"])


def test_begun_to_be_written(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A VM that is started while somebody reads ends the reading: nobody takes two states for one."""
    monkeypatch.setattr(wire, "CHECK_S", 0.05)
    cloud = desk.cloud
    length = len(CONTENT)
    running: list[int] = []
    real = MemoryStreams.download

    def slow(self: MemoryStreams, storage: str, volume: str, at: int, count: int, sink: Any) -> int:
        def held(data: bytes) -> None:
            sink(data)
            cloud.until(lambda: bool(running), "the reading has ended")

        return real(self, storage, volume, at, count, held)

    monkeypatch.setattr(MemoryStreams, "download", slow)
    path = desk.path
    with socket.create_connection(("127.0.0.1", desk.port), timeout=20) as reader:
        reader.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        heard = reader.recv(65_536)
        vm = cloud.create(name="writer", disk_list=[desk.image_id])
        cloud.wait(vm["vm_id"], "running")
        with pytest.raises(ConnectionError):
            while data := reader.recv(65_536):
                heard += data
        running.append(1)
    assert len(heard) < length
    cloud.ended(cloud.call("user.vm.destroy", [[vm["vm_id"]]])[0]["operation_id"])


def test_not_ready(desk: Desk) -> None:
    made = desk.cloud.call("user.storage_image.upload", {"name": "to come", "description": "", "size_bytes": 1})
    with pytest.raises(WrongImageState):
        desk.cloud.call("user.storage_image.create_download", [made["image"]["image_id"]])
    desk.cloud.call("user.storage_image.delete", [made["image"]["image_id"]])


def test_bounds(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses have a number, and so have those who read."""
    paths = [desk.path for _ in range(TICKETS_MAX)]
    with pytest.raises(TooManyAtOnce):
        desk.ticket()
    monkeypatch.setattr(desk.cloud.manager.downloads, "_places", Places("downloads", Share(2, 0, 2, 1)))
    assert desk.ask("GET", paths[0])[0] == 429


def test_cut_short(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the node gives less than it said, the connection ends: nobody takes it for whole."""
    volumes = type(next(iter(desk.cloud.memory.values())).volumes)
    find = volumes.find
    monkeypatch.setattr(
        volumes, "find", lambda self, pool, name: replace(find(self, pool, name), length_bytes=len(CONTENT) + 1)
    )
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        desk.ask("GET", desk.path)


def test_slow_reader(desk: Desk) -> None:
    """What its reader does not take stays where it is."""
    with socket.create_connection(("127.0.0.1", desk.port), timeout=20) as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        reader.sendall(f"GET {desk.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        desk.cloud.until(lambda: len(desk.cloud.manager.downloads) == 1, "it is read", 60)
        heard = b""
        while len(heard) < len(CONTENT):
            heard += reader.recv(65_536)
    assert heard.endswith(CONTENT[-1000:])


def test_wawel(desk: Desk, tmp_path: Path) -> None:
    """The command line keeps it under a name, goes on over what breaks, and leaves no half file."""
    desk.cloud.call("admin.user.set_password", [desk.cloud.user_id, "correct horse"], account="admin")
    token = desk.cloud.call("guest.session.login", ["user", "correct horse"])["token"]
    told = {"WAWEL_URL": f"http://127.0.0.1:{desk.port}", "WAWEL_TOKEN": token, "HOME": str(tmp_path)}
    words = [*PROGRAM, "image", "download", str(desk.image_id), "--kind", "storage"]
    done = subprocess.run(words, cwd=tmp_path, env={**os.environ, **told}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data.raw").read_bytes() == CONTENT
    again = subprocess.run(words, cwd=tmp_path, env={**os.environ, **told}, capture_output=True, text=True, timeout=60)
    assert again.returncode == 2 and "already" in again.stderr
    with cutting(lambda: desk.port, []) as network:
        network.back = [100_000, 300_000]
        told["WAWEL_URL"] = f"http://127.0.0.1:{network.port}"
        target = tmp_path / "second"
        done = subprocess.run(
            [*words, str(target)], env={**os.environ, **told}, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0 and network.cuts == 2, done.stderr
    assert target.read_bytes() == CONTENT
    assert {each.name for each in tmp_path.iterdir()} >= {"data.raw", "second"} and not list(tmp_path.glob("*.part"))
