"""Imports from servers that answer as they should not: what ends at once, what is tried again, and what is told."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from admin_bench import Bench

DISK = bytes(510) + b"\x55\xaa" + bytes(2**20)
ANSWERS: dict[str, tuple[int, bytes, dict[str, str]]] = {
    "/404.qcow2": (404, b"no", {}),
    "/busy.raw": (503, b"", {"Retry-After": "1800"}),
    "/short.raw": (200, DISK, {"Content-Length": str(len(DISK) + 1)}),
    "/login": (200, b"<html><body>Log in first</body></html>", {"Content-Type": "text/html"}),
    "/plain": (200, b"<html><body>Log in first</body></html>", {"Content-Type": "text/plain"}),
    "/noise.qcow2": (200, bytes(range(256)) * 4096, {}),
    "/disk.qcow2": (200, DISK, {}),
    "/noise": (200, bytes(range(256)) * 4096, {}),
    "/disk.img.gz": (200, b"\x1f\x8b\x08" + bytes(range(256)) * 100, {}),
    "/typed.img": (200, DISK, {"Content-Type": "text/html"}),
}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, body, headers = ANSWERS[self.path.partition("?")[0]]
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            pass  # the client has seen enough

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def bench(database_url: str, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(database_url, tmp_path)
    made.storage_id = made.storage(made.node())
    yield made
    made.close()


def start(bench: Bench, url: str, **values: Any) -> Any:
    values = {"name": "debian", "description": "", "storage_id": bench.storage_id, "url": url, **values}
    return bench.call("admin.system_image.import_url", **values)


def worked(bench: Bench, answer: Any) -> Any:
    """The operation after one attempt."""
    bench.call("admin.operation.retry", operation_id=answer["operation_id"])
    bench.work()
    return bench.call("admin.operation.get", operation_id=answer["operation_id"])


@pytest.mark.parametrize(
    ("path", "error", "reason"),
    [
        ("/404.qcow2", "download_refused", "127.0.0.1 answers 404 Not Found"),
        ("/login", "image_refused", "says that it is text/html"),
        ("/plain", "image_refused", "it is an HTML page"),
        ("/noise.qcow2", "image_refused", "its name promises qcow2, and it is raw"),
        ("/disk.qcow2", "image_refused", "its name promises qcow2, and it is raw"),
        ("/noise", "image_refused", "no partition table"),
        ("/disk.img.gz", "image_refused", "it cannot be unpacked"),
    ],
)
def test_ends_at_once(bench: Bench, url: str, path: str, error: str, reason: str) -> None:
    """One attempt, one sentence; administrators are told what was asked for, and nobody the secrets of the URL."""
    answer = start(bench, f"{url}{path}?token=hidden")
    bench.work()
    failed = bench.call("admin.operation.get", operation_id=answer["operation_id"])
    assert (failed["state"], failed["error"], failed["attempts"]) == ("failed", error, 0)
    assert reason in failed["text"] and reason in failed["admin_text"] and "hidden" not in str(failed)
    image = bench.call("admin.system_image.get_by_id", image_id=answer["image_id"])
    assert (image["state"], image["error"]) == ("failed", failed["text"])
    assert bench.sql("SELECT arguments ->> 'url' FROM audit WHERE method LIKE '%import_url'") == f"{url}{path}?..."
    if error == "download_refused":
        assert f"(GET {url}{path}?... at 127.0.0.1)" in failed["admin_text"]


def test_again_and_again(bench: Bench, url: str) -> None:
    """What may be a network's whim ends when it has come in the same way some times in a row."""
    answer = start(bench, f"{url}/short.raw")
    bench.work()
    assert worked(bench, answer)["state"] == "queued"
    failed = worked(bench, answer)
    assert (failed["state"], failed["error"]) == ("failed", "download_refused")
    assert f"announced {len(DISK) + 1} bytes and sent {len(DISK)}, 3 times in a row" in failed["text"]
    assert worked(bench, answer)["state"] == "queued"  # a retry by hand has as many tries


def test_busy(bench: Bench, url: str) -> None:
    """A server that is busy is asked again when it says; meanwhile whoever waits sees why."""
    answer = start(bench, f"{url}/busy.raw")
    bench.work()
    for _ in range(4):
        operation = worked(bench, answer)
        assert operation["state"] == "queued"
        assert "127.0.0.1 answers 503 Service Unavailable" in operation["waiting_for"]
    assert bench.sql("SELECT not_before > now() + interval '29 minutes' FROM operation WHERE state = 'queued'")
    image = bench.call("admin.system_image.get_by_id", image_id=answer["image_id"])
    assert "503" in image["waiting_for"] and "GET" not in image["waiting_for"]
    assert "(GET " in operation["waiting_for"]


@pytest.mark.parametrize(("path", "format"), [("/noise", "raw"), ("/disk.qcow2", "raw"), ("/typed.img", "raw")])
def test_format_given(bench: Bench, url: str, path: str, format: str) -> None:
    """Whoever says what it is gets it, whatever its name and server say."""
    answer = start(bench, f"{url}{path}", format=format)
    assert bench.operation(answer["operation_id"])["state"] == "done"


def test_page_whatever_is_given(bench: Bench, url: str) -> None:
    """A page stays a page."""
    answer = start(bench, f"{url}/login", format="raw")
    assert bench.operation(answer["operation_id"])["error"] == "image_refused"


def test_image_name(bench: Bench) -> None:
    """The name that the image is to have promises as well."""
    path = bench.images / "disk"
    path.write_bytes(DISK)
    values = {"description": "", "storage_id": bench.storage_id, "path": str(path)}
    answer = bench.call("admin.system_image.import_file", name="debian.qcow2", **values)
    failed = bench.operation(answer["operation_id"])
    assert failed["error"] == "image_refused" and "promises qcow2" in failed["text"]


def test_missing_file(bench: Bench) -> None:
    """A file that is not there is said to be not there."""
    values = {"name": "x", "description": "", "storage_id": bench.storage_id}
    answer = bench.call("admin.system_image.import_file", path=str(bench.images / "absent"), **values)
    failed = bench.operation(answer["operation_id"])
    assert "there is no such file" in failed["text"] and "link" not in failed["text"]
