"""Uploads by the tus protocol: what counts as come, who may, what is refused, and what becomes of it."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cm.drivers.images.receive import Intake
from cm.operations import uploading
from cm.rpc.errors import (
    NoStagingRoom,
    ObjectNotFound,
    QuotaReached,
    TooLarge,
    TooManyAtOnce,
    UploadGone,
)
from lab.postgres import PrivatePostgres
from support.cloud import MemoryCloud, run
from support.image_files import HOSTILE, PACKED, UNPACKED

MIB = 2**20
PIECES = "application/offset+octet-stream"
CONTENT = bytes(510) + b"\x55\xaa" + os.urandom(3 * MIB - 512)


class Desk:
    """A cluster with its port open."""

    def __init__(self, url: str, directory: Path) -> None:
        self.cloud = MemoryCloud(url, directory, rpc="127.0.0.1:0", public_url="http://krakow.example:8001")
        self.staging = self.cloud.manager.policy.staging_dir

    @property
    def port(self) -> int:
        return int(self.cloud.manager.ports[0].getHost().port)

    def begin(self, size: int = len(CONTENT), who: str = "user", kind: str = "storage", **more: Any) -> dict[str, Any]:
        values = {"name": "mine", "description": "", "size_bytes": size, **more}
        return dict(self.cloud.call(f"user.{kind}_image.upload", values, account=who))

    def ask(self, method: str, path: str, body: Any = None, **headers: Any) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            told = {k: str(v) for k, v in {"Tus-Resumable": "1.0.0", **headers}.items() if v is not None}
            connection.request(method, path, body, told)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def patch(self, path: str, offset: int, body: Any, **more: Any) -> tuple[int, dict[str, str], bytes]:
        headers = {"Upload-Offset": offset, "Content-Type": PIECES, **more}
        return self.ask("PATCH", path, body, **headers)

    def offset(self, path: str) -> int:
        status, headers, _ = self.ask("HEAD", path)
        assert status == 200, status
        return int(headers["upload-offset"])

    def opened(self, path: str, offset: int, length: int, body: bytes) -> socket.socket:
        """A request that has sent this much of its body."""
        made = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        head = f"PATCH {path} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: {offset}\r\n"
        made.sendall(f"{head}Content-Type: {PIECES}\r\nContent-Length: {length}\r\n\r\n".encode() + body)
        return made

    def image(self, image_id: int, who: str = "user", kind: str = "storage") -> dict[str, Any]:
        return dict(self.cloud.call(f"user.{kind}_image.get_by_id", [image_id], account=who))

    def imported(self, image_id: int, kind: str = "storage") -> dict[str, Any]:
        found: dict[str, Any] = {}

        def over() -> bool:
            found.update(self.image(image_id, kind=kind))
            return found["state"] not in ("uploading", "adding")

        self.cloud.until(over, "the import ends")
        return found

    def claimed(self) -> tuple[int, int]:
        sql = self.cloud.sql
        return sql("SELECT used_storage_mib FROM account WHERE login = 'user'"), sql(
            "SELECT claimed_bytes FROM storage"
        )

    def care(self) -> None:
        run(lambda: uploading.care(self.cloud.manager.services))

    def policy(self, **values: Any) -> None:
        manager = self.cloud.manager
        manager.services.policy = manager.policy = replace(manager.policy, **values)


@pytest.fixture(scope="module")
def desk(postgres: PrivatePostgres, tmp_path_factory: Any) -> Iterator[Desk]:
    postgres.create_database("uploads", template="wawel_template")
    made = Desk(postgres.url("uploads"), tmp_path_factory.mktemp("uploads"))
    yield made
    made.cloud.stop()
    postgres.drop_database("uploads")


@pytest.fixture(autouse=True)
def _settled(desk: Desk) -> Iterator[None]:
    """Whatever happened, nothing is left staged, open or claimed, and the books balance."""
    policy = desk.cloud.manager.policy
    yield
    cloud = desk.cloud
    cloud.manager.services.policy = cloud.manager.policy = policy
    cloud.until(lambda: not len(cloud.manager.uploads), "nobody writes")
    cloud.until(lambda: not cloud.sql("SELECT count(*) FROM operation WHERE finished_at IS NULL"), "imports end")
    for image in cloud.call("admin.system_image.get_list", account="admin"):
        if image["image_id"] != cloud.image_id:
            cloud.call("admin.system_image.delete", [image["image_id"]], account="admin")
    cloud.until(lambda: not cloud.sql("SELECT count(*) FROM operation WHERE finished_at IS NULL"), "deletions end")
    desk.care()
    assert list(desk.staging.iterdir()) == []
    assert cloud.leaks() == []
    assert desk.claimed() == (0, 0)


# ------------------------------------------------------------------ what comes is there


def test_whole(desk: Desk) -> None:
    """What comes in three requests becomes an image of it; the address is a secret that the database has not."""
    before = desk.claimed()
    made = desk.begin(sha256=hashlib.sha256(CONTENT).hexdigest(), filename="disk.raw")
    image, path = made["image"], made["path"]
    assert (image["state"], image["mine"], image["kind"]) == ("uploading", True, "storage")
    assert made["upload_url"] == f"http://krakow.example:8001{path}" and made["cluster"] == "cluster"
    assert desk.claimed() == (before[0] + 3, before[1] + len(CONTENT))
    at = 0
    for end in (1, MIB, len(CONTENT)):
        status, headers, _ = desk.patch(path, at, CONTENT[at:end])
        assert (status, headers["upload-offset"]) == (204, str(end))
        at = end
    done = desk.imported(image["image_id"])
    assert (done["state"], done["format"], done["size_bytes"]) == ("ok", "qcow2", len(CONTENT)), done
    assert done["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    memory = next(iter(desk.cloud.memory.values()))
    volume = memory.volumes.find(f"wawel-{desk.cloud.storage_id}", f"image-{image['uuid']}.qcow2")
    assert volume is not None and volume.capacity_bytes == len(CONTENT)
    status, headers, _ = desk.ask("HEAD", path)
    assert (status, headers["upload-offset"], headers["upload-length"]) == (200, str(len(CONTENT)), str(len(CONTENT)))
    assert desk.patch(path, len(CONTENT), b"")[0] == 204 and desk.patch(path, 0, b"x")[0] == 409
    secret = path.rpartition("/")[2]
    assert (
        desk.cloud.sql("SELECT count(*) FROM upload WHERE digest = :d", d=hashlib.sha256(secret.encode()).digest()) == 1
    )
    assert desk.cloud.sql("SELECT count(*) FROM audit WHERE arguments::text LIKE :s", s=f"%{secret}%") == 0
    told = desk.cloud.sql("SELECT arguments::text FROM audit WHERE method = 'upload.complete' ORDER BY id DESC LIMIT 1")
    assert json.loads(told) == {"image_id": image["image_id"], "size_bytes": len(CONTENT)}


def test_cut_off(desk: Desk) -> None:
    """Whatever came before the network broke counts, and the next request goes on behind it."""
    path = desk.begin()["path"]
    desk.opened(path, 0, len(CONTENT), CONTENT[:MIB]).close()
    desk.cloud.until(lambda: desk.offset(path) == MIB, "what came counts")
    assert desk.patch(path, MIB, CONTENT[MIB:])[0] == 204


def test_counts_while_it_comes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a long request what is on the disk counts before its end, so that a manager that is killed loses little."""
    monkeypatch.setattr("cm.rpc.uploads.SYNC_BYTES", 64 * 1024)
    path = desk.begin()["path"]
    with desk.opened(path, 0, len(CONTENT), CONTENT[:MIB]):
        desk.cloud.until(lambda: desk.offset(path) > 0, "something counts")


def test_killed(desk: Desk) -> None:
    """A manager that died has left more in the file than was told: it is cut off, and comes again."""
    made = desk.begin(sha256=hashlib.sha256(CONTENT).hexdigest())
    path = made["path"]
    assert desk.patch(path, 0, CONTENT[:MIB])[0] == 204
    file = desk.staging / f"upload-{made['image']['uuid']}"
    with file.open("ab") as rest:
        rest.write(bytes(100_000))
    desk.cloud.stop()
    desk.cloud.start()
    assert desk.offset(path) == MIB
    assert desk.patch(path, MIB, CONTENT[MIB:])[0] == 204
    assert desk.imported(made["image"]["image_id"])["state"] == "ok"


def test_stopped(desk: Desk) -> None:
    """A manager that is stopped meanwhile has all that came before on its disk."""
    path = desk.begin()["path"]
    with desk.opened(path, 0, len(CONTENT), CONTENT[:MIB]):
        desk.cloud.until(lambda: len(desk.cloud.manager.uploads) == 1, "it is being written")
        [writing] = desk.cloud.manager.uploads._writing.values()
        desk.cloud.until(lambda: writing.body.received == MIB, "it has come")
        desk.cloud.stop()
    desk.cloud.start()
    assert desk.offset(path) == MIB


def test_lost_file(desk: Desk) -> None:
    """Where the file is gone, the upload begins anew, and says so."""
    made = desk.begin()
    path = made["path"]
    assert desk.patch(path, 0, CONTENT[:MIB])[0] == 204
    (desk.staging / f"upload-{made['image']['uuid']}").unlink()
    status, headers, _ = desk.patch(path, MIB, CONTENT[MIB:])
    assert status == 409 and desk.offset(path) == 0
    assert desk.patch(path, 0, CONTENT)[0] == 204


def test_never_told_before_written(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be synchronised does not count, though it was written."""

    def broken(self: Intake) -> None:
        raise OSError(5, "Input/output error")

    path = desk.begin()["path"]
    with monkeypatch.context() as patched:
        patched.setattr(Intake, "sync", broken)
        assert desk.patch(path, 0, CONTENT[:MIB])[0] == 500
    assert desk.offset(path) == 0
    assert desk.patch(path, 0, CONTENT)[0] == 204


# ------------------------------------------------------------------ the protocol


def test_abilities(desk: Desk) -> None:
    status, headers, _ = desk.ask("OPTIONS", "/uploads", **{"Tus-Resumable": None})
    assert status == 204 and headers["tus-version"] == headers["tus-resumable"] == "1.0.0"
    assert set(headers["tus-extension"].split(",")) == {
        "creation", "creation-with-upload", "checksum", "termination", "expiration"
    }  # fmt: skip
    assert "sha1" in headers["tus-checksum-algorithm"].split(",")
    assert headers["tus-max-size"] == str(desk.cloud.settings.images.max_bytes)
    assert "access-control-allow-origin" not in headers


def test_headers(desk: Desk) -> None:
    """HEAD tells where and until when, for nobody's cache; every answer says which protocol."""
    path = desk.begin()["path"]
    status, headers, body = desk.ask("HEAD", path)
    assert (status, body, headers["upload-offset"], headers["upload-length"]) == (200, b"", "0", str(len(CONTENT)))
    assert headers["cache-control"] == "no-store" and headers["upload-expires"].endswith("GMT")
    assert desk.ask("HEAD", "/uploads/nonsense")[1]["tus-resumable"] == "1.0.0"


@pytest.mark.parametrize(
    ("status", "headers"),
    [(412, {"Tus-Resumable": "0.2.0"}), (412, {"Tus-Resumable": None}), (415, {"Content-Type": "text/plain"}),
     (400, {"Upload-Offset": "x"}), (400, {"Upload-Offset": None}), (409, {"Upload-Offset": "1"}),
     (400, {"Upload-Checksum": "crc32 AAAA"}), (400, {"Upload-Checksum": "sha1 AAAA"}),
     (400, {"Upload-Checksum": "sha1 %%%"})],
)  # fmt: skip
def test_refused(desk: Desk, status: int, headers: dict[str, str]) -> None:
    """What the protocol does not allow changes nothing."""
    path = desk.begin()["path"]
    given = {"Upload-Offset": "0", "Content-Type": PIECES, **headers}
    assert desk.ask("PATCH", path, CONTENT[:1000], **given)[0] == status
    assert desk.offset(path) == 0


def test_unknown(desk: Desk) -> None:
    """Addresses that were never given out, and methods that are none."""
    for method in ("HEAD", "PATCH", "DELETE"):
        assert desk.ask(method, "/uploads/nonsense", b"x" if method == "PATCH" else None)[0] == 404
    assert desk.ask("GET", "/uploads/nonsense")[0] == 405
    assert desk.ask("GET", "/uploads")[0] == 405
    assert desk.ask("POST", "/uploads/nonsense")[0] == 405


def test_override(desk: Desk) -> None:
    """Where PATCH does not pass, POST may say that it is one."""
    path = desk.begin()["path"]
    more = {"Upload-Offset": 0, "Content-Type": PIECES, "X-HTTP-Method-Override": "PATCH"}
    assert desk.ask("POST", path, CONTENT, **more)[0] == 204


def test_checksum(desk: Desk) -> None:
    """What has not its checksum is dropped, what has it counts; and of what broke off nobody can say."""
    path = desk.begin()["path"]
    wrong = "sha1 " + base64.b64encode(hashlib.sha1(b"else").digest()).decode()
    status, _, body = desk.patch(path, 0, CONTENT[:MIB], **{"Upload-Checksum": wrong})
    assert status == 460 and b"checksum_differs" in body and desk.offset(path) == 0
    right = "sha256 " + base64.b64encode(hashlib.sha256(CONTENT[:MIB]).digest()).decode()
    assert desk.patch(path, 0, CONTENT[:MIB], **{"Upload-Checksum": right})[0] == 204
    with desk.opened(path, MIB, MIB, b"") as broken:
        pass
    head = f"PATCH {path} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: {MIB}\r\n"
    with socket.create_connection(("127.0.0.1", desk.port), timeout=20) as broken:
        head += f"Content-Type: {PIECES}\r\nContent-Length: {MIB}\r\nUpload-Checksum: {right}\r\n\r\n"
        broken.sendall(head.encode() + CONTENT[MIB : MIB + 1000])
    desk.cloud.until(lambda: not len(desk.cloud.manager.uploads), "it has broken")
    assert desk.offset(path) == MIB


def test_creation(desk: Desk) -> None:
    """A caller creates one by the protocol alone, with the first bytes at once; without credentials nobody does."""
    values = {"kind": "iso", "filename": "tools.iso", "name": "tools"}
    told = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in values.items())
    headers = {"Upload-Length": len(CONTENT), "Upload-Metadata": told}
    assert desk.ask("POST", "/uploads", **headers)[0] in (401, 403)
    desk.cloud.call(
        "admin.user.set_password",
        {"user_id": desk.cloud.user_id, "new_password": "a good one, really"},
        account="admin",
    )
    headers["Authorization"] = "Basic " + base64.b64encode(b"user:a good one, really").decode()
    assert desk.ask("POST", "/uploads", **{**headers, "Upload-Length": "many"})[0] == 400
    assert desk.ask("POST", "/uploads", **{**headers, "Upload-Metadata": "kind !!"})[0] == 400
    assert desk.ask("POST", "/uploads", **{**headers, "Upload-Metadata": "color cmVk"})[0] == 400
    status, told_back, _ = desk.ask("POST", "/uploads", CONTENT[:MIB], **{**headers, "Content-Type": PIECES})
    assert (status, told_back["upload-offset"]) == (201, str(MIB))
    assert desk.offset(told_back["location"]) == MIB
    [image] = [each for each in desk.cloud.call("user.iso_image.get_list") if each["mine"]]
    assert (image["name"], image["state"]) == ("tools", "uploading")


def test_terminated(desk: Desk) -> None:
    """One that is given up leaves nothing; a complete one is an image, which is deleted as such."""
    before = desk.claimed()
    made = desk.begin()
    assert desk.patch(made["path"], 0, CONTENT[:MIB])[0] == 204
    assert desk.ask("DELETE", made["path"])[0] == 204
    assert desk.ask("HEAD", made["path"])[0] == desk.ask("DELETE", made["path"])[0] == 404
    assert desk.claimed() == before and list(desk.staging.iterdir()) == []
    with pytest.raises(ObjectNotFound):
        desk.image(made["image"]["image_id"])
    path = desk.begin()["path"]
    assert desk.patch(path, 0, CONTENT)[0] == 204
    assert desk.ask("DELETE", path)[0] == 409


def test_deleted(desk: Desk) -> None:
    """To delete the image that is to come gives the upload up, as its owner sees it."""
    made = desk.begin()
    answer = desk.cloud.call("user.storage_image.delete", [made["image"]["image_id"]])
    assert answer["operation_id"]
    assert desk.patch(made["path"], 0, CONTENT)[0] == 404


@pytest.mark.parametrize("late", ["before a look", "while it is sent"])
def test_expired(desk: Desk, late: str) -> None:
    """One that never ends is given up, with all that it holds; however diligently something still comes."""
    before = desk.claimed()
    made = desk.begin()
    path, image_id = made["path"], made["image"]["image_id"]
    assert desk.patch(path, 0, CONTENT[:MIB])[0] == 204
    with desk.opened(path, MIB, MIB, CONTENT[MIB : MIB + 1000]) as sender:
        if late == "while it is sent":
            desk.cloud.until(lambda: len(desk.cloud.manager.uploads) == 1, "it is being written")
        else:
            sender.close()
            desk.cloud.until(lambda: desk.offset(path) == MIB + 1000, "what came counts")
        desk.cloud.sql("UPDATE upload SET expires_at = now() - interval '1 s' WHERE image_id = :i", i=image_id)
        desk.care()
        assert desk.claimed() == before
        if late == "while it is sent":
            sender.sendall(CONTENT[MIB + 1000 : 2 * MIB])
            assert sender.recv(100).startswith(b"HTTP/1.1 404 ")
    assert desk.ask("HEAD", path)[0] == desk.patch(path, MIB, CONTENT[MIB:])[0] == 404


# ------------------------------------------------------------------ two, many, too much


def test_two_at_once(desk: Desk) -> None:
    """Of two requests that write at once one wins, and the other is told; the file is the winner's."""
    made = desk.begin()
    path = made["path"]
    with desk.opened(path, 0, len(CONTENT), CONTENT[:MIB]) as first:
        desk.cloud.until(lambda: len(desk.cloud.manager.uploads) == 1, "it is being written")
        status, _, body = desk.patch(path, 0, bytes(len(CONTENT)))
        assert status == 423 and b"upload_busy" in body
        first.sendall(CONTENT[MIB:])
        assert first.recv(100).startswith(b"HTTP/1.1 204 ")
    assert desk.imported(made["image"]["image_id"])["sha256"] == hashlib.sha256(CONTENT).hexdigest()


def test_many_at_once(desk: Desk) -> None:
    """However many send the whole at the same moment, it is there once, and right."""
    made = desk.begin()
    statuses: list[int] = []

    def send() -> None:
        try:
            statuses.append(desk.patch(made["path"], 0, CONTENT)[0])
        except OSError:
            statuses.append(0)  # refused, and cut off while it was still sending

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses.count(204) == 1 and set(statuses) <= {204, 423, 409, 0}
    assert desk.imported(made["image"]["image_id"])["sha256"] == hashlib.sha256(CONTENT).hexdigest()


def test_silent_gives_way(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes back over another network need not wait for the old connection to be found dead."""
    monkeypatch.setattr("cm.rpc.uploads.SILENT_S", 0.05)
    path = desk.begin()["path"]
    with desk.opened(path, 0, len(CONTENT), CONTENT[:MIB]):
        [writing] = desk.cloud.until(
            lambda: list(desk.cloud.manager.uploads._writing.values()), "it is written"
        ) or list(desk.cloud.manager.uploads._writing.values())
        desk.cloud.until(lambda: writing.body.received == MIB, "it has come")
        desk.cloud.until(lambda: desk.patch(path, 0, b"x")[0] == 409, "the old one has given way")
        assert desk.offset(path) == MIB
        assert desk.patch(path, MIB, CONTENT[MIB:])[0] == 204


def test_other_process(desk: Desk) -> None:
    """A process beside this one that has the file keeps it."""
    made = desk.begin()
    other = Intake(desk.staging / f"upload-{made['image']['uuid']}")
    assert desk.patch(made["path"], 0, CONTENT[:MIB])[0] == 423
    other.close()
    assert desk.patch(made["path"], 0, CONTENT[:MIB])[0] == 204


def test_lies(desk: Desk) -> None:
    """More than was announced is refused, by what it says and by what comes; what fitted counts."""
    path = desk.begin(MIB)["path"]
    assert desk.patch(path, 0, bytes(MIB + 1))[0] == 413
    assert desk.offset(path) == 0
    head = f"PATCH {path} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: {PIECES}\r\n"
    with socket.create_connection(("127.0.0.1", desk.port), timeout=20) as sender:
        sender.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n3e8\r\n".encode() + CONTENT[:1000] + b"\r\n")
        desk.cloud.until(lambda: len(desk.cloud.manager.uploads) == 1, "it is being written")
        [writing] = desk.cloud.manager.uploads._writing.values()
        desk.cloud.until(lambda: writing.body.received == 1000 and not writing.body._pieces, "it is taken")
        sender.sendall(b"%x\r\n" % MIB + bytes(MIB) + b"\r\n0\r\n\r\n")
        assert sender.recv(100).startswith(b"HTTP/1.1 413 ")
    assert desk.offset(path) == 0


def test_bounds(desk: Desk) -> None:
    """What is too large, too much for the quota, for this machine, or too many, is not begun."""
    trace = desk.claimed()
    with pytest.raises(TooLarge):
        desk.begin(desk.cloud.settings.images.max_bytes + 1)
    desk.policy(import_max_bytes=2**60)
    with pytest.raises(NoStagingRoom):
        desk.begin(2**41)
    desk.cloud.sql("UPDATE account SET quota_storage_mib = used_storage_mib + 1 WHERE login = 'user'")
    with pytest.raises(QuotaReached):
        desk.begin(2 * MIB)
    desk.cloud.sql("UPDATE account SET quota_storage_mib = 1000000 WHERE login = 'user'")
    desk.policy(uploads_per_account=1, uploads=2)
    desk.begin(who="other")
    with pytest.raises(TooManyAtOnce):
        desk.begin(who="other")
    desk.policy(uploads=1)
    with pytest.raises(TooManyAtOnce):
        desk.begin()
    assert desk.claimed() == (trace[0], trace[1] + len(CONTENT))


def test_room_is_held(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What open uploads are still to bring is taken: nobody is promised the same room twice."""
    monkeypatch.setattr("cm.services.upload.free_bytes", lambda where, reserve: 4 * MIB)
    path = desk.begin(3 * MIB)["path"]
    with pytest.raises(NoStagingRoom):
        desk.begin(2 * MIB)
    assert desk.patch(path, 0, CONTENT[: 2 * MIB])[0] == 204
    desk.begin(2 * MIB)  # what has come is seen in what is free


def test_full_disk(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full all the same refuses for now, and loses nothing that had come."""
    path = desk.begin()["path"]
    assert desk.patch(path, 0, CONTENT[:MIB])[0] == 204

    def full(fd: int, buffers: Any, offset: int) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("cm.drivers.images.receive.os.pwritev", full)
        status, headers, _ = desk.patch(path, MIB, CONTENT[MIB:])
    assert status == 503 and desk.offset(path) == MIB
    assert desk.patch(path, MIB, CONTENT[MIB:])[0] == 204


def test_rate(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes faster than an account may is held back, and is whole."""
    monkeypatch.setattr(desk.cloud.manager.uploads, "_bytes_per_s", 20 * MIB)
    held: list[float] = []
    reactor = desk.cloud.manager.uploads._reactor
    later = reactor.callLater

    def watched(seconds: float, *arguments: Any) -> Any:
        if getattr(arguments[0], "__qualname__", "") == "Deferred.callback" and 0 < seconds < 1:
            held.append(seconds)
        return later(seconds, *arguments)

    monkeypatch.setattr(reactor, "callLater", watched)
    assert desk.patch(desk.begin()["path"], 0, CONTENT)[0] == 204
    assert sum(held) > 0


def test_others_machine(desk: Desk) -> None:
    """With managers on several machines each has its own files, and another says so."""
    made = desk.begin()
    desk.policy(staging_id="elsewhere")
    status, headers, body = desk.patch(made["path"], 0, CONTENT)
    assert status == 503 and b"upload_elsewhere" in body


def test_blocked(desk: Desk) -> None:
    """Whose account may do nothing any more sends nothing either."""
    path = desk.begin()["path"]
    desk.cloud.sql("UPDATE account SET active = false WHERE login = 'user'")
    assert desk.patch(path, 0, CONTENT)[0] == 403
    desk.cloud.sql("UPDATE account SET active = true WHERE login = 'user'")
    assert desk.patch(path, 0, CONTENT[:MIB])[0] == 204
    desk.cloud.sql("UPDATE account SET version = version + 1 WHERE login = 'user'")
    assert desk.patch(path, MIB, CONTENT[MIB:])[0] == 401


# ------------------------------------------------------------------ what it is


@pytest.mark.parametrize("name", list({**HOSTILE, **PACKED, **UNPACKED}))
def test_hostile(desk: Desk, name: str) -> None:
    """No hostile file becomes an image, whichever way it comes; its row tells why, and holds nothing."""
    content = {**HOSTILE, **PACKED, **UNPACKED}[name][0]
    before = desk.claimed()
    made = desk.begin(len(content))
    assert desk.patch(made["path"], 0, content)[0] == 204
    done = desk.imported(made["image"]["image_id"])
    assert done["state"] == "failed" and done["error"], done
    assert desk.claimed() == before


def test_wrong_sha256(desk: Desk) -> None:
    """What is not what was announced is refused whole; a retry would find nothing to take."""
    made = desk.begin(sha256=hashlib.sha256(b"else").hexdigest())
    assert desk.patch(made["path"], 0, CONTENT)[0] == 204
    done = desk.imported(made["image"]["image_id"])
    assert done["state"] == "failed" and "SHA-256" in done["error"]
    number = desk.cloud.sql("SELECT max(id) FROM operation WHERE kind = 'image_import'")
    with pytest.raises(UploadGone):
        desk.cloud.call("user.operation.retry", [number])


def test_qcow2(desk: Desk, tmp_path: Path) -> None:
    """A system image in qcow2 counts by its virtual size, once that is known."""
    source = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", source, "8M"], check=True)
    content = source.read_bytes()
    made = desk.begin(len(content), kind="system", filename="debian.qcow2", family="debian-12")
    assert desk.patch(made["path"], 0, content)[0] == 204
    done = desk.imported(made["image"]["image_id"], kind="system")
    assert (done["state"], done["format"], done["family"], done["claimed_bytes"]) == (
        "ok", "qcow2", "debian-12", 8 * MIB
    )  # fmt: skip
