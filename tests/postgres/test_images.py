"""Images: imported by an operation that may be killed at any step, shared for use alone, deleted when not needed."""

from __future__ import annotations

import hashlib
import http.server
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from admin_bench import Bench, ended

from cm.operations import image_import, staging
from cm.operations.base import LeaseLost, Work
from cm.operations.engine import _stopped
from cm.rpc.errors import (
    AddressRefused,
    CloudError,
    HypervisorError,
    InUse,
    InvalidParameter,
    NodeUnreachable,
    ObjectNotFound,
    RoleNeeded,
    VersionChanged,
    WrongImageState,
    WrongOperationState,
)
from cm.rpc.vocabulary import ImageKind
from cm.rules.access import AccessNeeded
from cm.services.access import usable_image
from cm.services.image import close_failed
from cm.services.storage import StorageLocked
from cm.services.vm import interrupt
from cm.store.image import get_image
from cm.store.worker import claim_operations, clear_mark, register_worker, take_over
from support.cloud import MemoryCloud

MIB = 2**20


@pytest.fixture
def bench(database_url: str, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(database_url, tmp_path)
    made.node_id = made.node()
    made.storage_id = made.storage(made.node_id)
    yield made
    made.close()


def _file(bench: Bench, name: str = "disk.raw", size_bytes: int = 3 * MIB, seed: bytes = b"x") -> str:
    path = bench.images / name
    path.write_bytes((seed * 510)[:510] + b"\x55\xaa")  # as a partition table ends
    os.truncate(path, size_bytes)
    return str(path)


def _disk(content: bytes) -> bytes:
    return content[:510] + b"\x55\xaa" + content[512:]


def _start(bench: Bench, path: str | None = None, **values: Any) -> Any:
    values = {"name": "debian", "description": "", "storage_id": bench.storage_id, **values}
    if "url" in values:
        return bench.call("admin.system_image.import_url", **values)
    return bench.call("admin.system_image.import_file", path=path or _file(bench), **values)


def _import(bench: Bench, path: str | None = None, **values: Any) -> Any:
    """An image that was imported well."""
    answer = _start(bench, path, **values)
    operation = bench.operation(answer["operation_id"])
    assert operation["state"] == "done", operation
    return bench.call("admin.system_image.get_by_id", image_id=answer["image_id"])


def _own(bench: Bench, image_id: int) -> None:
    """Make an image the user's, with what it claims."""
    bench.change(
        "UPDATE account a SET used_storage_mib = used_storage_mib + CASE WHEN login = 'ala' THEN i.mib ELSE -i.mib END"
        " FROM (SELECT u.claimed_bytes / 1048576 AS mib FROM image x JOIN volume u ON u.id = x.volume_id"
        " WHERE x.id = :i) i WHERE login IN ('ala', 'root')",
        i=image_id,
    )
    bench.change("UPDATE image SET account_id = :a WHERE id = :i", a=bench.user.account_id, i=image_id)


def _pool(bench: Bench) -> dict[str, Any]:
    """The volumes on the storage, by name."""
    found = bench.memory("node-1").volumes.list_all(f"wawel-{bench.storage_id}")
    return {volume.name: volume for volume in found}


def _settled(bench: Bench) -> None:
    """Nothing staged, books that balance."""
    directory = bench.policy.staging_dir
    assert not directory.exists() or list(directory.iterdir()) == []
    assert bench.leaks() == []


# ------------------------------------------------------------------ import


def test_import_raw(bench: Bench) -> None:
    """A raw file becomes a volume; its owner's quota and the storage count what guests see."""
    image = _import(bench, access="private", platform="windows", disk_controller="sata")
    assert (image["state"], image["format"], image["size_bytes"]) == ("ok", "raw", 3 * MIB)
    assert (image["progress"], image["platform"], image["disk_controller"]) == (100, "windows", "sata")
    assert image["sha256"] == hashlib.sha256((bench.images / "disk.raw").read_bytes()).hexdigest()
    assert image["volume_sha256"] == image["sha256"]
    [volume] = _pool(bench).values()
    assert volume.name == f"image-{image['uuid']}.raw"
    assert bench.sql("SELECT used_storage_mib FROM account WHERE login = 'root'") == 3
    assert bench.sql("SELECT claimed_bytes FROM storage") == 3 * MIB
    _settled(bench)


def test_import_qcow2(bench: Bench) -> None:
    """Of a qcow2 image its virtual size counts, and qemu-img has checked it."""
    path = bench.images / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), "20M"], check=True)
    image = _import(bench, str(path), format="qcow2")
    assert (image["format"], image["size_bytes"]) == ("qcow2", 20 * MIB)
    _settled(bench)


def test_import_iso(bench: Bench) -> None:
    """An ISO image is one by its descriptor, and is kept as raw."""
    path = Path(_file(bench, "cd.iso"))
    with path.open("r+b") as file:
        file.seek(32_769)
        file.write(b"CD001")
    image = _import(bench, str(path), kind="iso")
    assert (image["kind"], image["format"]) == ("iso", "raw")
    assert list(_pool(bench)) == [f"image-{image['uuid']}.iso"]
    listed = bench.call("user.iso_image.get_list", by=bench.user)
    assert [i["image_id"] for i in listed] == [image["image_id"]]
    assert bench.call("user.system_image.get_list", by=bench.user) == []
    answer = _start(bench, _file(bench, "no.iso"), kind="iso")
    assert bench.operation(answer["operation_id"])["error"] == "image_refused"
    _settled(bench)


class _Server:
    """A server of one file, on the loopback."""

    def __init__(self, content: bytes) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/disk"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_import_url(bench: Bench) -> None:
    """What a URL gives is imported if it has the SHA-256 that was asked for."""
    content = _disk(b"y" * MIB)
    server = _Server(content)
    try:
        digest = hashlib.sha256(content).hexdigest()
        image = _import(bench, url=server.url, sha256=digest.upper(), kind="storage")
        assert (image["sha256"], image["size_bytes"], image["kind"]) == (digest, MIB, "storage")
        _import(bench, url=server.url, sha256=f"sha256:{digest}")
        answer = _start(bench, url=server.url, sha256="0" * 64)
        failed = bench.operation(answer["operation_id"])
        assert failed["error"] == "image_refused" and digest in failed["text"]
    finally:
        server.close()
    _settled(bench)


def test_import_forbidden_address(bench: Bench) -> None:
    """Where imports may not go is said by the operation: names are resolved when they are fetched."""
    answer = _start(bench, url="http://169.254.169.254/latest/meta-data/")
    assert bench.operation(answer["operation_id"])["error"] == "address_refused"
    _settled(bench)


@pytest.mark.parametrize(
    ("refusal", "values"),
    [
        (InvalidParameter, {"path": "/etc/passwd"}),
        (InvalidParameter, {"path": "disk.raw"}),
        (InvalidParameter, {"path": "IMAGES/../secret"}),
        (InvalidParameter, {"path": "IMAGES"}),
        (InvalidParameter, {"kind": "other"}),
        (InvalidParameter, {"platform": "<b>"}),
        (InvalidParameter, {"name": ""}),
        (ObjectNotFound, {"storage_id": 99}),
        (AddressRefused, {"url": "ftp://example.org/x"}),
        (AddressRefused, {"url": "file:///etc/passwd"}),
        (AddressRefused, {"url": "http://ala:pw@example.org/x"}),
        (InvalidParameter, {"url": "http://example.org/a b"}),
        (InvalidParameter, {"url": "http://example.org/x", "sha256": "z" * 64}),
        (InvalidParameter, {"url": "http://example.org/x", "sha256": "sha256:" + "0" * 63}),
        (InvalidParameter, {"url": "http://example.org/x", "sha256": "0" * 40}),
    ],
)
def test_import_refused(bench: Bench, refusal: type[CloudError], values: dict[str, Any]) -> None:
    """What is wrong at first sight is refused at once, and leaves nothing."""
    before = bench.trace()
    path = str(values.pop("path", "")).replace("IMAGES", str(bench.images)) or None
    with pytest.raises(refusal):
        _start(bench, path, **values)
    assert bench.trace() == before


def test_import_not_for_users(bench: Bench) -> None:
    with pytest.raises(RoleNeeded):
        bench.call("admin.system_image.import_file", by=bench.user, name="x", description="", path="/x", storage_id=1)


def test_import_locked_storage(bench: Bench) -> None:
    bench.call("admin.storage.lock", storage_id=bench.storage_id)
    with pytest.raises(StorageLocked):
        _start(bench)


def test_import_link(bench: Bench, tmp_path: Path) -> None:
    """A link out of the directory leads nowhere."""
    (tmp_path / "secret").write_text("secret")
    (bench.images / "link").symlink_to(tmp_path / "secret")
    answer = _start(bench, str(bench.images / "link"))
    assert bench.operation(answer["operation_id"])["error"] == "invalid_parameter"
    _settled(bench)


def test_import_over_quota(bench: Bench) -> None:
    """An image beyond its owner's quota fails with the reason; exactly the quota fits."""
    answer = _start(bench, _file(bench, "big.raw", 101 * MIB))
    assert bench.operation(answer["operation_id"])["error"] == "quota_reached"
    image = bench.call("admin.system_image.get_by_id", image_id=answer["image_id"])
    assert (image["state"], image["claimed_bytes"]) == ("failed", 0) and "quota" in image["error"]
    assert _pool(bench) == {}
    _import(bench, _file(bench, "fits.raw", 100 * MIB))
    _settled(bench)


def test_import_storage_full(bench: Bench) -> None:
    """The storage's capacity times its overcommit is the limit; the quota goes back."""
    bench.call("admin.storage.edit", storage_id=bench.storage_id, capacity_bytes=MIB)
    answer = _start(bench)
    assert bench.operation(answer["operation_id"])["error"] == "storage_full"
    assert bench.sql("SELECT used_storage_mib FROM account WHERE login = 'root'") == 0
    _settled(bench)


def test_import_wrong_format(bench: Bench) -> None:
    answer = _start(bench, format="qcow2")
    failed = bench.operation(answer["operation_id"])
    assert failed["error"] == "image_refused" and "not qcow2" in failed["text"]
    path = bench.images / "image.vmdk"
    path.write_bytes(b"KDMV" + bytes(1020))
    answer = _start(bench, str(path))
    assert bench.operation(answer["operation_id"])["error"] == "image_refused"
    _settled(bench)


def test_upload_failed_and_retried(bench: Bench) -> None:
    """A failed upload gives back what was claimed, once its remains are gone; then a retry has as long, and imports."""
    bench.memory("node-1").fail_next("upload", HypervisorError("disk on fire", 38), after=True)
    answer = _start(bench)
    assert bench.operation(answer["operation_id"])["error"] == "hypervisor_error"
    bench.work()
    image = bench.call("admin.system_image.get_by_id", image_id=answer["image_id"])
    assert (image["state"], image["claimed_bytes"]) == ("failed", 0)
    assert "disk on fire" in image["error"] and _pool(bench) == {}
    # The failure is told where the deletion is opened, and once more that nothing is claimed any longer.
    opened = bench.sql("SELECT created_at FROM operation WHERE kind = 'image_delete'")
    assert bench.sql("SELECT max(at) FROM change WHERE object_id = :i", i=answer["image_id"]) > opened
    _settled(bench)
    first = bench.operation(answer["operation_id"])["deadline"]
    bench.call("admin.operation.retry", operation_id=answer["operation_id"])
    again = bench.operation(answer["operation_id"])
    assert again["state"] == "done" and again["deadline"] >= first
    image = bench.call("admin.system_image.get_by_id", image_id=answer["image_id"])
    assert (image["state"], image["error"], image["claimed_bytes"]) == ("ok", "", 3 * MIB)
    _settled(bench)


def test_node_away(bench: Bench) -> None:
    """A node that does not answer is waited for; nothing fails."""
    bench.memory("node-1").fail_next("upload", NodeUnreachable("node-1", "Connection refused"))
    assert _import(bench)["state"] == "ok"
    _settled(bench)


# ------------------------------------------------------------------ crashes


class Killed(BaseException):
    """The process ends here: nothing after it runs."""


def _claimed(bench: Bench, worker_id: int) -> Work:
    [op] = bench.database.transact_now(claim_operations, worker_id, 1, [], 60.0)
    return Work(op, worker_id, bench.services)


def _die(bench: Bench, worker_id: int) -> None:
    """What the others do about a dead worker."""
    bench.change(
        "UPDATE operation SET state = 'queued', worker_id = NULL, lease_until = NULL WHERE worker_id = :w", w=worker_id
    )
    staging._staged.clear()


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("at", range(6))
def test_killed(bench: Bench, monkeypatch: pytest.MonkeyPatch, at: int, done: bool) -> None:
    """Killed before or after the work of any step, another process ends the import, once and with nothing left over."""
    answer = _start(bench)
    worker_id = bench.database.transact_now(register_worker, "dead")
    work = _claimed(bench, worker_id)
    steps = list(image_import.ImageImport.steps.values())
    for step in steps[:at]:
        ended(step(work))
    if at < 5:
        if done:  # what the step did stays, what it would have recorded does not
            monkeypatch.setattr(Work, "progress", _killed)
        else:
            monkeypatch.setattr(Work, "run_images", _killed)
            monkeypatch.setattr(Work, "node", _killed_at_once)
    else:
        monkeypatch.setattr(Work, "complete", _killed)
    with pytest.raises(Killed):
        ended(steps[at](work))
    monkeypatch.undo()
    _die(bench, worker_id)
    assert bench.operation(answer["operation_id"])["state"] == "done"
    image = bench.call("admin.system_image.get_by_id", image_id=answer["image_id"])
    assert (image["state"], image["claimed_bytes"]) == ("ok", 3 * MIB)
    assert list(_pool(bench)) == [f"image-{image['uuid']}.raw"]
    # What the dead process staged is swept by the next import.
    _import(bench, _file(bench, "next.raw", MIB))
    _settled(bench)


async def _killed(*_: Any, **__: Any) -> Any:
    raise Killed()


def _killed_at_once(*_: Any, **__: Any) -> Any:
    raise Killed()


def test_changed_meanwhile(bench: Bench) -> None:
    """A file that is another one after a crash is not taken for what was inspected."""
    path = _file(bench)
    answer = _start(bench, path)
    worker_id = bench.database.transact_now(register_worker, "dead")
    work = _claimed(bench, worker_id)
    for step in list(image_import.ImageImport.steps.values())[:3]:
        ended(step(work))
    _die(bench, worker_id)
    _file(bench, seed=b"z")
    assert bench.operation(answer["operation_id"])["error"] == "image_refused"
    bench.work()
    _import(bench, _file(bench, "next.raw", MIB))
    _settled(bench)


@pytest.mark.parametrize("steps", range(6))
def test_abandoned(bench: Bench, steps: int) -> None:
    """Given up at any step, an import leaves neither volume nor claims nor file; its worker stops."""
    answer = _start(bench)
    work = _claimed(bench, bench.worker_id)
    todo = list(image_import.ImageImport.steps.values())
    for step in todo[:steps]:
        ended(step(work))
    bench.call("admin.operation.abandon", operation_id=answer["operation_id"])
    with pytest.raises(LeaseLost):
        ended(todo[steps](work))
    bench.database.transact_now(clear_mark, answer["operation_id"], bench.worker_id)
    removal = bench.sql("SELECT id FROM operation WHERE kind = 'image_delete'")
    assert bench.operation(removal)["state"] == "done"
    with pytest.raises(ObjectNotFound):
        bench.call("admin.system_image.get_by_id", image_id=answer["image_id"])
    assert _pool(bench) == {}
    _settled(bench)


def test_lost_while_copying(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is copying hears that its operation was given up, and stops."""
    monkeypatch.setattr(image_import, "TELL_S", 0.0)
    answer = _start(bench)
    work = _claimed(bench, bench.worker_id)
    bench.database.transact_now(interrupt, answer["operation_id"])
    with pytest.raises(LeaseLost):
        ended(image_import.fetch(work))
    assert list(bench.policy.staging_dir.iterdir()) == []


def test_claimed_anew_by_the_same(bench: Bench) -> None:
    """A worker that lost an operation and claims it anew holds it by that claim: not for what it was at before."""
    answer = _start(bench)
    before = _claimed(bench, bench.worker_id)
    bench.change("UPDATE operation SET lease_until = now() - interval '1 second' WHERE id = :i", i=before.op.id)
    assert bench.database.transact_now(take_over, bench.worker_id, True) == [before.op.id]
    work = _claimed(bench, bench.worker_id)
    with pytest.raises(LeaseLost):
        ended(before.db(get_image, answer["image_id"]))
    ended(work.db(get_image, answer["image_id"]))
    bench.call("admin.operation.abandon", operation_id=answer["operation_id"])
    mark = "SELECT worker_id FROM operation WHERE id = :i"
    bench.database.transact_now(_stopped, bench.worker_id, before.op)
    assert bench.sql(mark, i=work.op.id) == bench.worker_id
    bench.database.transact_now(_stopped, bench.worker_id, work.op)
    assert bench.sql(mark, i=work.op.id) is None


def test_progress(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress is told while the bytes move."""
    monkeypatch.setattr(image_import, "TELL_S", 0.0)
    told: list[int] = []
    tell = image_import._tell

    def recorded(session: Any, work: Work, percent: int, *more: Any) -> bool:
        told.append(percent)
        return tell(session, work, percent, *more)

    monkeypatch.setattr(image_import, "_tell", recorded)
    _import(bench)
    assert told == sorted(told) and 0 < told[0] < told[-1] == 95


# ------------------------------------------------------------------ use and change


def test_shared(bench: Bench) -> None:
    """Public lets others see and use an image, and never change it; private hides it from them."""
    image_id = _import(bench)["image_id"]
    listed = bench.call("user.system_image.get_list", by=bench.user)
    assert [(i["image_id"], i["mine"]) for i in listed] == [(image_id, False)]
    assert bench.call("user.system_image.get_list", by=bench.user, access="private") == []
    bench.database.read_now(usable_image, image_id, bench.user.account_id, [ImageKind.SYSTEM])
    before = bench.trace()
    for change in (
        lambda: bench.call("user.system_image.edit", by=bench.user, image_id=image_id, name="mine"),
        lambda: bench.call("user.system_image.delete", by=bench.user, image_id=image_id),
    ):
        with pytest.raises(AccessNeeded):
            change()
    with pytest.raises(ObjectNotFound):
        bench.call("user.iso_image.delete", by=bench.admin, image_id=image_id)
    assert bench.trace() == before
    bench.call("admin.system_image.set_access", image_id=image_id, access="private")
    assert bench.call("user.system_image.get_list", by=bench.user) == []
    with pytest.raises(ObjectNotFound):
        bench.call("user.system_image.get_by_id", by=bench.user, image_id=image_id)
    assert bench.call("admin.system_image.get_list", access="private")[0]["image_id"] == image_id
    assert bench.call("admin.system_image.get_list", access="public") == []


def test_edit(bench: Bench) -> None:
    """An owner changes words and devices of an image; what is not given stays."""
    image_id = _import(bench)["image_id"]
    _own(bench, image_id)
    was = bench.call("user.system_image.get_by_id", by=bench.user, image_id=image_id)
    now = bench.call("user.system_image.edit", by=bench.user, image_id=image_id, name="mine", video_device="cirrus")
    assert now == {**was, "name": "mine", "video_device": "cirrus", "version": was["version"] + 1}
    with pytest.raises(VersionChanged):
        bench.call("admin.system_image.edit", image_id=image_id, name="x", if_version=was["version"])
    before = bench.trace()
    bench.call("admin.system_image.edit", image_id=image_id, name="x", dry_run=True)
    bench.call("admin.system_image.delete", image_id=image_id, dry_run=True)
    bench.call("admin.system_image.set_access", image_id=image_id, access="private", dry_run=True)
    assert bench.trace() == before


def test_lists_are_paged(bench: Bench) -> None:
    ids = [_import(bench, _file(bench, f"{n}.raw", MIB))["image_id"] for n in range(3)]
    first = bench.call("user.system_image.get_list", by=bench.user, limit=2)
    rest = bench.call("user.system_image.get_list", by=bench.user, limit=2, before=first[-1]["image_id"])
    assert [i["image_id"] for i in first + rest] == ids[::-1]
    assert bench.call("admin.system_image.get_list", user_id=bench.user.account_id) == []


def test_delete(bench: Bench) -> None:
    """A deleted image is used no more at once; its volume goes, then its claims."""
    image_id = _import(bench)["image_id"]
    _own(bench, image_id)
    answer = bench.call("user.system_image.delete", by=bench.user, image_id=image_id)
    assert bench.call("user.system_image.get_list", by=bench.user) == []
    with pytest.raises(WrongImageState):
        bench.database.read_now(usable_image, image_id, bench.user.account_id, [ImageKind.SYSTEM])
    with pytest.raises(WrongImageState):
        bench.call("admin.system_image.delete", image_id=image_id)
    assert bench.operation(answer["operation_id"])["state"] == "done"
    assert _pool(bench) == {}
    assert bench.sql("SELECT used_storage_mib FROM account WHERE login = 'ala'") == 0
    _settled(bench)


def test_delete_in_use(bench: Bench) -> None:
    """While a live VM's disk is an overlay on it, or has it attached, an image stays."""
    image_id = _import(bench)["image_id"]
    vm_id = bench.vm(bench.node_id, bench.storage_id, image_id)
    before = bench.trace()
    with pytest.raises(InUse) as refused:
        bench.call("admin.system_image.delete", image_id=image_id)
    assert refused.value.users == f"VM {vm_id}"
    assert bench.trace() == before
    bench.change("UPDATE volume SET mode = 'copy', made = true, backing_id = NULL WHERE backing_id IS NOT NULL")
    answer = bench.call("admin.system_image.delete", image_id=image_id)
    assert bench.operation(answer["operation_id"])["state"] == "done"


def test_delete_race(bench: Bench) -> None:
    """Whoever uses an image and whoever deletes it exclude each other, in either order."""
    image_id = _import(bench)["image_id"]
    using, used = threading.Event(), threading.Event()

    def use(session: Any) -> None:
        usable_image(session, image_id, bench.user.account_id, [ImageKind.SYSTEM])
        using.set()
        assert not used.wait(0.3), "the deletion did not wait"

    user = threading.Thread(target=bench.database.transact_now, args=(use,))
    user.start()
    assert using.wait(5)
    bench.call("admin.system_image.delete", image_id=image_id)
    used.set()
    user.join()
    with pytest.raises(WrongImageState):
        bench.database.read_now(usable_image, image_id, bench.user.account_id, [ImageKind.SYSTEM])


def test_delete_while_adding(bench: Bench) -> None:
    """An image that is being made is given up by its operation."""
    answer = _start(bench)
    before = bench.trace()
    with pytest.raises(WrongImageState):
        bench.call("admin.system_image.delete", image_id=answer["image_id"])
    assert bench.trace() == before


def test_failed_do_not_pile_up(bench: Bench) -> None:
    """Lists leave out what failed, unless it is asked for; by its id it stays, and can be retried, for a while."""
    kept = _import(bench)["image_id"]
    answer = _start(bench, format="qcow2")
    assert bench.operation(answer["operation_id"])["state"] == "failed"
    image_id = answer["image_id"]
    listed = lambda **values: [  # noqa: E731
        image["image_id"] for image in bench.call("admin.system_image.get_list", **values)
    ]
    assert listed() == [kept] and listed(failed=True) == [image_id, kept]
    assert [i["image_id"] for i in bench.call("user.system_image.get_list")] == [kept]
    assert "not qcow2" in bench.call("admin.system_image.get_by_id", image_id=image_id)["error"]
    bench.database.transact_now(close_failed, 60.0)
    assert listed(failed=True) == [image_id, kept]
    bench.call("admin.operation.retry", operation_id=answer["operation_id"])
    bench.change("UPDATE operation SET finished_at = finished_at - interval '1 hour'")
    bench.database.transact_now(close_failed, 60.0)
    assert listed(failed=True) == [image_id, kept]  # it is being tried again
    assert bench.operation(answer["operation_id"])["state"] == "failed"
    bench.change("UPDATE operation SET finished_at = finished_at - interval '1 hour'")
    bench.database.transact_now(close_failed, 60.0)
    assert listed(failed=True) == [kept]
    assert bench.call("admin.operation.get", operation_id=answer["operation_id"])["image_id"] == image_id
    with pytest.raises(ObjectNotFound):
        bench.call("admin.operation.retry", operation_id=answer["operation_id"])
    _settled(bench)


def test_delete_failed(bench: Bench) -> None:
    """A failed image can be read, and deleted."""
    answer = _start(bench, format="qcow2")
    bench.operation(answer["operation_id"])
    removal = bench.call("admin.system_image.delete", image_id=answer["image_id"])
    assert bench.operation(removal["operation_id"])["state"] == "done"
    assert bench.call("admin.system_image.get_list") == []


def test_delete_given_up(bench: Bench) -> None:
    """Where the storage is away for good, giving the deletion up frees what the image claims."""
    image_id = _import(bench)["image_id"]
    bench.change("UPDATE node SET state = 'unreachable'")
    answer = bench.call("admin.system_image.delete", image_id=image_id)
    bench.work()
    assert bench.call("admin.operation.get", operation_id=answer["operation_id"])["state"] == "waiting"
    bench.call("admin.operation.abandon", operation_id=answer["operation_id"])
    with pytest.raises(ObjectNotFound):
        bench.call("admin.system_image.get_by_id", image_id=image_id)
    _settled(bench)


def test_quota_race(bench: Bench) -> None:
    """Of imports that together are over the quota as many come in as fit."""
    path = _file(bench, "part.raw", 30 * MIB)
    answers = [_start(bench, path, name=f"i{n}") for n in range(5)]
    bench.work()
    states = [bench.operation(answer["operation_id"])["state"] for answer in answers]
    assert sorted(states) == ["done"] * 3 + ["failed"] * 2
    assert bench.sql("SELECT used_storage_mib FROM account WHERE login = 'root'") == 90
    _settled(bench)


def test_with_threads(database_url: str, tmp_path: Path) -> None:
    """A whole process does the same: imports at once, one given up half-way, a deletion, and a VM of an image."""
    (tmp_path / "images").mkdir()
    for number in range(3):
        (tmp_path / "images" / f"{number}.raw").write_bytes(_disk(b"x" * (number + 1) * MIB))
    cloud = MemoryCloud(database_url, tmp_path)
    try:
        values = {"description": "", "storage_id": cloud.storage_id}
        answers = [
            cloud.call(
                "admin.system_image.import_file",
                {"name": f"i{n}", "path": str(tmp_path / "images" / f"{n}.raw"), **values},
                account="admin",
            )
            for n in range(3)
        ]
        try:
            cloud.call("admin.operation.abandon", [answers[2]["operation_id"]], account="admin")
        except WrongOperationState:
            pass  # it was faster
        for answer in answers[:2]:
            state = _ended(cloud, answer["operation_id"])
            assert state == "done"
        vm = cloud.create(image_id=answers[0]["image_id"])
        cloud.wait(vm["vm_id"], "running")
        with pytest.raises(InUse):
            cloud.call("admin.system_image.delete", [answers[0]["image_id"]], account="admin")
        removal = cloud.call("admin.system_image.delete", [answers[1]["image_id"]], account="admin")
        assert _ended(cloud, removal["operation_id"]) == "done"
        while cloud.sql("SELECT count(*) FROM operation WHERE state IN ('queued', 'running', 'waiting')"):
            time.sleep(0.02)
        assert cloud.call("admin.cluster.check", account="admin")["leaks"] == []
        deadline = time.monotonic() + 5
        staged = Path(cloud.manager.policy.staging_dir)
        while list(staged.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert list(staged.iterdir()) == []
    finally:
        cloud.stop()


def _ended(cloud: MemoryCloud, operation_id: int) -> str:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = cloud.call("admin.operation.get", [operation_id], account="admin")
        if found["state"] in ("done", "failed", "abandoned"):
            return str(found["state"])
        time.sleep(0.02)
    raise AssertionError(f"operation {operation_id} does not end")
