"""Imports of every format and packing, by administrators and users: what becomes of it, and what hostile ones leave."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import lzma
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from admin_bench import Bench

from cm.drivers.images import qemu_img
from cm.operations import image_file, image_import
from cm.rpc.errors import (
    AddressRefused,
    ImageNeedsMore,
    InvalidParameter,
    NodeUnreachable,
    NoStorage,
    ObjectNotFound,
    TooManyAtOnce,
)
from cm.rules.known_image import read_catalogue
from lab.postgres import PrivatePostgres
from support.image_files import HOSTILE, PACKED, UNPACKED, zipped
from support.signing import signers

MIB = 2**20
CONTENT = bytes(510) + b"\x55\xaa" + os.urandom(100_000) + bytes(3 * MIB - 100_512)


class Files(http.server.BaseHTTPRequestHandler):
    content: dict[str, bytes] = {}
    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        body = self.content.get(self.path)
        self.send_response(200 if body is not None else 404)
        if not self.path.startswith("/unsaid"):
            self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        try:
            self.wfile.write(body or b"")
        except OSError:
            pass

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def bench(postgres: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One for all: each test leaves it as it was."""
    postgres.create_database("formats", template="wawel_template")
    made = Bench(postgres.url("formats"), tmp_path_factory.mktemp("formats"))
    made.storage_id = made.storage(made.node())
    yield made
    made.close()
    postgres.drop_database("formats")


@pytest.fixture(autouse=True)
def settled(bench: Bench) -> Iterator[None]:
    """Whatever happened, nothing is left staged and the books balance."""
    yield
    bench.work()
    for image in bench.call("admin.system_image.get_list", failed=True):
        if image["state"] == "ok":
            bench.operation(bench.call("admin.system_image.delete", image_id=image["image_id"])["operation_id"])
    directory = bench.policy.staging_dir
    assert not directory.exists() or list(directory.iterdir()) == []
    assert bench.leaks() == []
    assert bench.sql("SELECT sum(used_storage_mib) FROM account") == 0
    assert bench.sql("SELECT claimed_bytes FROM storage") == 0


def imported(bench: Bench, url: str, name: str, content: bytes, **values: Any) -> Any:
    """The operation of an import by URL, ended."""
    Files.content[f"/{name}"] = content
    values = {"name": "debian", "description": "", "storage_id": bench.storage_id, **values}
    answer = bench.call("admin.system_image.import_url", url=f"{url}/{name}", **values)
    return {**answer, **bench.operation(answer["operation_id"])}


def made_by_qemu(tmp_path: Path, name: str, options: str) -> bytes:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(CONTENT)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", name, "-o", options, source, target], check=True)
    return target.read_bytes()


def sum_there(bench: Bench, image: dict[str, Any]) -> str:
    """Of the bytes on the storage, as they are."""
    [volume] = bench.memory("node-1").world.storages.share(f"wawel-{bench.storage_id}").volumes.values()
    assert volume.name.startswith(f"image-{image['uuid']}.")
    return hashlib.sha256(volume.read(0, volume.length)).hexdigest()


@pytest.mark.parametrize(
    ("ending", "name", "options"),
    [("vmdk", "vmdk", "subformat=monolithicSparse"), ("vmdk", "vmdk", "subformat=streamOptimized"),
     ("vdi", "vdi", "static=off"), ("vhd", "vpc", "subformat=dynamic,force_size=on"),
     ("vhd", "vpc", "subformat=fixed,force_size=on"), ("vhdx", "vhdx", "subformat=dynamic")],
)  # fmt: skip
def test_converted(bench: Bench, url: str, tmp_path: Path, ending: str, name: str, options: str) -> None:
    """Every format becomes qcow2 of the same content; there is a SHA-256 of what came, and of what it became."""
    content = made_by_qemu(tmp_path, name, options)
    done = imported(bench, url, f"disk.{ending}", content, format=ending)
    assert done["state"] == "done", done
    image = bench.call("admin.system_image.get_by_id", image_id=done["image_id"])
    assert (image["format"], image["size_bytes"], image["claimed_bytes"]) == ("qcow2", 3 * MIB, 3 * MIB)
    assert image["sha256"] == hashlib.sha256(content).hexdigest()
    [volume] = bench.memory("node-1").volumes.list_all(f"wawel-{bench.storage_id}")
    assert volume.name == f"image-{image['uuid']}.qcow2"
    assert image["volume_sha256"] == sum_there(bench, image) != image["sha256"]


@pytest.mark.parametrize("packed", [gzip.compress, lzma.compress, lambda raw: zipped(("disk.raw", raw))])
def test_unpacked(bench: Bench, url: str, packed: Any) -> None:
    """What was packed is kept as it was: raw; the checksum is of what came."""
    content = packed(CONTENT)
    done = imported(bench, url, "disk", content, format="raw", sha512=hashlib.sha512(content).hexdigest())
    assert done["state"] == "done", done
    image = bench.call("admin.system_image.get_by_id", image_id=done["image_id"])
    assert (image["format"], image["size_bytes"]) == ("raw", 3 * MIB)
    assert image["sha256"] == hashlib.sha256(content).hexdigest()
    assert image["volume_sha256"] == hashlib.sha256(CONTENT).hexdigest()


def test_sum_of_what_lies_there(bench: Bench, url: str) -> None:
    """What a system image's bytes have is told; of an image that guests write to, or have written to, it is not."""
    for kind, kept in (("system", hashlib.sha256(CONTENT).hexdigest()), ("storage", "")):
        done = imported(bench, url, "disk.raw", CONTENT, kind=kind, format="raw")
        image = bench.call("admin.system_image.get_by_id", image_id=done["image_id"])
        assert image["sha256"] == hashlib.sha256(CONTENT).hexdigest()
        assert image["volume_sha256"] == kept


def test_sum_of_the_last_attempt(bench: Bench, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What qemu-img makes may differ from one time to the next: an attempt whose answer was lost has uploaded other bytes
    than the next one has, and the sum is of what lies there in the end.
    """
    content, convert, made = made_by_qemu(tmp_path, "vdi", "static=off"), qemu_img.convert, []

    def other(source: str, source_format: Any, target: str, *more: Any, **moved: Any) -> None:
        convert(source, source_format, target, *more, **moved)
        with open(target, "ab") as file:
            file.write(bytes([len(made) + 1]) * 512)
        made.append(target)

    monkeypatch.setattr(qemu_img, "convert", other)
    digest = image_file.digest

    def begun_anew(staged: Any) -> str:
        """As a process does that has just been started, once what came before has been uploaded."""
        found = digest(staged)
        if len(made) == 1:
            staged.sha256 = ""
        return found

    monkeypatch.setattr(image_file, "digest", begun_anew)
    bench.memory("node-1").fail_next("upload", NodeUnreachable("n", "gone"), after=True)
    done = imported(bench, url, "disk.vdi", content, format="vdi")
    assert done["state"] == "done" and len(made) == 2
    image = bench.call("admin.system_image.get_by_id", image_id=done["image_id"])
    assert image["volume_sha256"] == sum_there(bench, image)


def test_packed_and_foreign(bench: Bench, url: str, tmp_path: Path) -> None:
    """A VMDK in xz, told by its name."""
    content = lzma.compress(made_by_qemu(tmp_path, "vmdk", "subformat=monolithicSparse"))
    assert imported(bench, url, "disk.vmdk.xz", content)["state"] == "done"


# All of them are shown to the reader in tests/unit; here some of each kind.
SOME = [*list(HOSTILE)[::6], *list(PACKED)[::4], *list(UNPACKED)[::2]]


@pytest.mark.parametrize("name", SOME)
def test_hostile(bench: Bench, url: str, name: str) -> None:
    """Hostile files become no images; each is refused, once, and leaves nothing."""
    content = {**HOSTILE, **PACKED, **UNPACKED}[name][0]
    done = imported(bench, url, "disk", content, kind="storage")
    assert done["state"] == "failed"
    assert done["error"] in ("image_refused", "quota_reached"), done


def test_announced_size_is_held(bench: Bench, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server announces is claimed before a byte is written, and given back with the refusal."""
    held: list[Any] = []
    hold = image_import.hold_image

    def recorded(session: Any, row: Any, size_bytes: int) -> None:
        held.append(size_bytes)
        hold(session, row, size_bytes)

    monkeypatch.setattr(image_import, "hold_image", recorded)
    assert imported(bench, url, "disk.raw", CONTENT)["state"] == "done"
    assert held == [len(CONTENT)]
    held.clear()
    assert imported(bench, url, "unsaid.raw", CONTENT)["state"] == "done"
    assert held[0] < len(CONTENT) <= held[-1]


def test_quota_ends_a_download(bench: Bench, url: str) -> None:
    """A body without end, or longer than the quota, ends at the quota."""
    bench.change("UPDATE account SET quota_storage_mib = 2")
    try:
        for name in ("large.raw", "unsaid-large.raw"):
            done = imported(bench, url, name, CONTENT)
            assert (done["state"], done["error"]) == ("failed", "quota_reached")
            failed = "SELECT max(claimed_bytes) FROM volume u JOIN image ON volume_id = u.id WHERE state = 'failed'"
            assert bench.sql(failed) == 0
        done = imported(bench, url, "small.raw.gz", gzip.compress(CONTENT[:MIB] + bytes(2 * MIB)))
        assert (done["state"], done["error"]) == ("failed", "quota_reached")
    finally:
        bench.change("UPDATE account SET quota_storage_mib = 100")


# ------------------------------------------------------------------ checksums


def test_sums_beside(bench: Bench, url: str) -> None:
    """A file of checksums beside the image is asked first, and what it tells must be so."""
    good, bad = hashlib.sha512(CONTENT).hexdigest(), "0" * 128
    Files.asked.clear()
    Files.content["/SHA512SUMS"] = f"{good}  disk.raw\n".encode()
    assert imported(bench, url, "disk.raw", CONTENT, sums="SHA512SUMS")["state"] == "done"
    assert Files.asked == ["/SHA512SUMS", "/disk.raw"]
    Files.content["/BAD"] = f"SHA512 (disk.raw) = {bad}\n".encode()
    done = imported(bench, url, "disk.raw", CONTENT, sums=f"{url}/BAD")
    assert done["error"] == "image_refused" and good in done["text"]
    for sums, error in (("ABSENT", "download_refused"), ("SHA512SUMS", "image_refused")):
        assert imported(bench, url, "other.raw", CONTENT, sums=sums)["error"] == error
    done = imported(bench, url, "disk.raw", CONTENT, sums="SHA512SUMS", sha512=bad)
    assert done["error"] == "image_refused" and "contradicts" in done["text"]
    Files.content["/LONG"] = b"#" * (MIB + 1)
    assert imported(bench, url, "disk.raw", CONTENT, sums="LONG")["error"] == "too_large"


@pytest.mark.parametrize(
    ("values", "refusal"),
    [({"sha512": "0" * 64}, InvalidParameter), ({"sums": "file:///etc/passwd"}, AddressRefused),
     ({"sums": "http://a:b@example.org/"}, AddressRefused), ({"sums": "a b"}, InvalidParameter)],
)  # fmt: skip
def test_sums_refused(bench: Bench, values: dict[str, str], refusal: type[Exception]) -> None:
    before = bench.trace()
    with pytest.raises(refusal):
        user_import(bench, "http://example.org/disk", **values)
    assert bench.trace() == before


# ------------------------------------------------------------------ users


def user_import(bench: Bench, url: str, kind: str = "system", **values: Any) -> Any:
    values = {"name": "mine", "description": "", "url": url, **values}
    return bench.call(f"user.{kind}_image.import_url", by=bench.user, **values)


def test_users(bench: Bench, url: str) -> None:
    """Users import images of each kind, as their own, on their own quota."""
    iso = bytes(32_768) + b"\x01CD001\x01" + bytes(MIB)
    Files.content |= {"/mine.raw": CONTENT, "/mine.iso.xz": lzma.compress(iso)}
    for kind, name in (("system", "mine.raw"), ("storage", "mine.raw"), ("iso", "mine.iso.xz")):
        answer = user_import(bench, f"{url}/{name}", kind)
        assert bench.operation(answer["operation_id"])["state"] == "done"
        image = bench.call(f"user.{kind}_image.get_by_id", by=bench.user, image_id=answer["image_id"])
        assert (image["kind"], image["access"], image["mine"]) == (kind, "private", True)
    assert bench.sql("SELECT used_storage_mib FROM account WHERE login = 'ala'") == 3 + 3 + 2


def test_users_share(bench: Bench, url: str) -> None:
    """One user has so many imports under way and no more; one that is given up makes room."""
    Files.content["/mine.raw"] = CONTENT
    answers = [user_import(bench, f"{url}/mine.raw") for _ in range(4)]
    with pytest.raises(TooManyAtOnce):
        user_import(bench, f"{url}/mine.raw")
    bench.call("user.operation.abandon", by=bench.user, operation_id=answers[0]["operation_id"])
    answers.append(user_import(bench, f"{url}/mine.raw"))
    for answer in answers[1:]:
        assert bench.operation(answer["operation_id"])["state"] == "done"


def test_users_without_storage(bench: Bench, url: str) -> None:
    """A locked storage takes nothing of users', whichever the cluster would choose."""
    bench.call("admin.storage.lock", storage_id=bench.storage_id)
    try:
        with pytest.raises(NoStorage):
            user_import(bench, f"{url}/mine.raw")
    finally:
        bench.call("admin.storage.unlock", storage_id=bench.storage_id)


@pytest.mark.parametrize("address", ["169.254.169.254", "10.0.0.1", "[::1]", "0.0.0.0"])
def test_users_addresses(bench: Bench, address: str) -> None:
    """Nobody reaches the cluster's inside, the metadata or what is private by an import."""
    answer = user_import(bench, f"http://{address}/latest/meta-data")
    assert bench.operation(answer["operation_id"])["error"] == "address_refused"


# ------------------------------------------------------------------ facts, families, well-known images


def made(bench: Bench, url: str, **values: Any) -> Any:
    done = imported(bench, url, "disk.raw", CONTENT, **values)
    assert done["state"] == "done", done
    return bench.call("admin.system_image.get_by_id", image_id=done["image_id"])


FACTS = {
    "system": "Debian 12", "architecture": "x86_64", "least_memory_mib": 512, "least_disk_bytes": MIB,
    "default_user": "debian", "agent": True, "family": "debian-12", "family_version": "20261128",
}  # fmt: skip


def test_facts(bench: Bench, url: str) -> None:
    """Facts are told as they were given, and edited one by one."""
    image = made(bench, url, **FACTS)
    assert {name: image[name] for name in FACTS} == FACTS
    image = bench.call("admin.system_image.edit", image_id=image["image_id"], agent=False, family="")
    assert (image["agent"], image["family"], image["system"]) == (False, "", "Debian 12")
    image = made(bench, url)
    assert (image["system"], image["architecture"], image["least_memory_mib"]) == ("", "x86_64", 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [("family", "12"), ("family", "A"), ("family", "a b"), ("family_version", "a b"), ("default_user", "1a"),
     ("architecture", "z80"), ("least_memory_mib", -1), ("system", "a\nb")],
)  # fmt: skip
def test_facts_refused(bench: Bench, name: str, value: Any) -> None:
    before = bench.trace()
    with pytest.raises(InvalidParameter):
        user_import(bench, "http://example.org/disk", **{name: value})
    assert bench.trace() == before


def test_newest(bench: Bench, url: str) -> None:
    """A family's name means its newest version that the caller can use: not others' private ones, nor failed ones."""
    old = made(bench, url, family="debian-12", family_version="9")
    new = made(bench, url, family="debian-12", family_version="10")
    private = made(bench, url, family="debian-12", family_version="11", access="private")
    imported(bench, url, "broken", b"text", family="debian-12", family_version="12")
    made(bench, url, family="debian-12", family_version="13", kind="storage")

    def meant() -> int:
        found: int = bench.call("user.system_image.get_newest", by=bench.user, family="debian-12")["image_id"]
        return found

    assert meant() == new["image_id"]
    assert bench.call("user.system_image.get_newest", family="debian-12")["image_id"] == private["image_id"]
    bench.call("admin.system_image.edit", image_id=new["image_id"], family_version="8")
    assert meant() == old["image_id"]
    with pytest.raises(ObjectNotFound):
        bench.call("user.system_image.get_newest", by=bench.user, family="debian-13")


def test_create_by_family(bench: Bench, url: str) -> None:
    """A VM is made of the newest of a family; one with less memory than it needs is refused, and nothing is claimed."""
    image = made(bench, url, family="debian-12", least_memory_mib=600)
    bench.call("admin.network.add", name="guests", network="10.3.0.0/24")
    small = bench.call("admin.template.add", name="small", cpu=1, memory_mib=599)["template_id"]
    large = bench.call("admin.template.add", name="large", cpu=1, memory_mib=600)["template_id"]
    values = {"name": "web", "description": "", "image_id": "debian-12"}
    before = bench.trace()
    with pytest.raises(ImageNeedsMore) as caught:
        bench.call("user.vm.create", by=bench.user, template_id=small, **values)
    assert (caught.value.least, caught.value.given) == (600, 599)
    for family, refusal in (("debian-13", ObjectNotFound), ("7", InvalidParameter), ("", InvalidParameter)):
        with pytest.raises(refusal):
            bench.call("user.vm.create", by=bench.user, template_id=large, **{**values, "image_id": family})
    assert bench.trace() == before
    plan = bench.call("user.vm.create", by=bench.user, template_id=large, dry_run=True, **values)["plan"]
    assert plan and bench.trace() == before
    assert image["family_version"] == ""


def test_known_images(bench: Bench, url: str) -> None:
    """An image of the catalogue is imported with its facts, once its checksum is what the server tells."""
    text = f'''
[tiny]
url = "{url}/tiny.raw"
sums = "TINYSUMS"
format = "raw"
system = "Tiny 1"
family = "tiny-1"
default_user = "tiny"
least_memory_mib = 64
agent = true
'''
    known, problems = read_catalogue(text)
    assert problems == []
    object.__setattr__(bench.policy, "known_images", known)
    Files.content |= {"/tiny.raw": CONTENT, "/TINYSUMS": f"{hashlib.sha256(CONTENT).hexdigest()} *tiny.raw".encode()}
    [told] = bench.call("admin.system_image.get_known")
    assert (told["name"], told["image_id"], told["system"]) == ("tiny", None, "Tiny 1")
    answer = bench.call("admin.system_image.import_known", known="tiny", storage_id=bench.storage_id)
    assert bench.operation(answer["operation_id"])["state"] == "done"
    image = bench.call("user.system_image.get_newest", by=bench.user, family="tiny-1")
    assert image["name"] == f"tiny-{image['family_version']}" and len(image["family_version"]) == 8
    assert (image["default_user"], image["least_memory_mib"], image["agent"]) == ("tiny", 64, True)
    assert bench.call("admin.system_image.get_known")[0]["image_id"] == image["image_id"]
    Files.content["/TINYSUMS"] = f"{'0' * 64}  tiny.raw".encode()
    answer = bench.call("admin.system_image.import_known", known="tiny", storage_id=bench.storage_id)
    assert bench.operation(answer["operation_id"])["error"] == "image_refused"
    with pytest.raises(ObjectNotFound):
        bench.call("admin.system_image.import_known", known="absent", storage_id=bench.storage_id)


def test_signed(bench: Bench, url: str, tmp_path: Path) -> None:
    """
    Checksums of the catalogue's images are verified where it names a keyring: what is not signed by that is refused.
    Without one the answer says that nobody looked.
    """
    sums, keyring = f"{hashlib.sha256(CONTENT).hexdigest()} *tiny.raw\n".encode(), tmp_path / "keyring"
    entry = f'url = "{url}/tiny.raw"\nformat = "raw"\nsystem = "Tiny"\nfamily = "tiny"\n'
    beside = f'{entry}sums = "SUMS"\nsignature = "SUMS.gpg"\n'
    told = f'keyring = "{keyring}"\n'
    known, problems = read_catalogue(
        f'[unchecked]\n{beside}[beside]\n{beside}{told}[inline]\n{entry}{told}sums = "INLINE"\nsignature = "inline"\n'
    )
    assert problems == []
    object.__setattr__(bench.policy, "known_images", known)
    assert [each["keyring"] for each in bench.call("admin.system_image.get_known")] == ["", str(keyring), str(keyring)]
    with signers() as people:
        people.add("ann")
        people.add("bob")
        keyring.write_bytes(people.public("ann"))

        def done(name: str, by: str) -> Any:
            Files.content |= {"/tiny.raw": CONTENT, "/SUMS": sums}
            Files.content |= {"/SUMS.gpg": people.sign(sums, by), "/INLINE": people.signed(sums, by)}
            answer = bench.call("admin.system_image.import_known", known=name, storage_id=bench.storage_id)
            return bench.operation(answer["operation_id"])

        assert done("unchecked", "bob")["result"]["signature"] == "unchecked"
        for name in ("beside", "inline"):
            assert done(name, "ann")["result"]["signature"] == "good"
            refused = done(name, "bob")
            assert refused["error"] == "image_refused" and "keyring" in refused["text"]
    del Files.content["/SUMS.gpg"]
    answer = bench.call("admin.system_image.import_known", known="beside", storage_id=bench.storage_id)
    assert bench.operation(answer["operation_id"])["error"] == "download_refused"
