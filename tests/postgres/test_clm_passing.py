"""Uploads and downloads by way of the cloud: as at the cluster, held back as there, and no way to anything else."""

from __future__ import annotations

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

from clm.services.passing import Passing
from cm.drivers.images.receive import Intake
from cm.rpc.limits import Share
from cm.rpc.places import Places
from support.federation import Federation, federated
from tests.unit.console.terminal import PROGRAM

MIB = 2**20
CONTENT = bytes(510) + b"\x55\xaa" + os.urandom(900 * 1024 - 512)
PIECES = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}


@pytest.fixture(scope="module")
def federation(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    with federated(postgres, tmp_path_factory.mktemp("passing"), names=("alpha",)) as made:
        yield made


def ask(
    federation: Federation, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", federation.port, timeout=20)
    try:
        connection.request(method, path, body, {"Tus-Resumable": "1.0.0", **(headers or {})})
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def begun(federation: Federation, size: int = len(CONTENT)) -> str:
    values = {"name": "mine", "description": "", "size_bytes": size, "format": "raw"}
    made = federation.call("user.system_image.upload", values)
    return f"/clusters/{made['cluster']}{made['path']}"


def test_passed_on(federation: Federation) -> None:
    """An upload goes through, with its refusals and offsets; then the image comes back, in parts too."""
    path = begun(federation)
    assert ask(federation, "HEAD", path)[1]["upload-offset"] == "0"
    assert ask(federation, "PATCH", path, b"x", {**PIECES, "Upload-Offset": "7"})[0] == 409
    assert ask(federation, "PATCH", path, CONTENT[:1000], PIECES)[0] == 204
    status, headers, _ = ask(federation, "PATCH", path, CONTENT[1000:], {**PIECES, "Upload-Offset": "1000"})
    assert (status, headers["upload-offset"]) == (204, str(len(CONTENT)))
    found: dict[str, Any] = {}

    def over() -> bool:
        found.update(federation.call("user.system_image.get_list", {"cluster": "alpha"})[0])
        return bool(found["state"] == "ok")

    federation.clouds["alpha"].until(over, "it is imported")
    made = federation.call("user.system_image.create_download", {"image_id": found["image_id"], "cluster": "alpha"})
    path = f"/clusters/alpha{made['path']}"
    status, headers, _ = ask(federation, "HEAD", path)
    assert (status, headers["content-length"], headers["accept-ranges"]) == (200, str(len(CONTENT)), "bytes")
    assert ask(federation, "GET", path)[::2] == (200, CONTENT)
    status, part, body = ask(federation, "GET", path, headers={"Range": "bytes=5-9", "If-Range": headers["etag"]})
    assert (status, body, part["content-range"]) == (206, CONTENT[5:10], f"bytes 5-9/{len(CONTENT)}")
    assert ask(federation, "GET", path, headers={"Range": "bytes=99999999-"})[0] == 416


def test_held_back(federation: Federation, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the cluster does not take stays with its sender, and nothing of it in the cloud."""
    gate, write = threading.Event(), Intake.write

    def waiting(self: Intake, pieces: Any) -> None:
        gate.wait(30)
        write(self, pieces)

    monkeypatch.setattr(Intake, "write", waiting)
    path = begun(federation, 512 * MIB)
    try:
        with socket.create_connection(("127.0.0.1", federation.port), timeout=20) as sender:
            head = "".join(f"{name}: {value}\r\n" for name, value in PIECES.items())
            sender.sendall(f"PATCH {path} HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {512 * MIB}\r\n\r\n".encode())
            sender.settimeout(0.5)
            sent = 0
            with pytest.raises(TimeoutError):
                while True:
                    sent += sender.send(bytes(65_536))
            assert sent < 64 * MIB
    finally:
        gate.set()
    federation.clouds["alpha"].until(lambda: not len(federation.bench.manager.passing), "nothing is passed on")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/clusters/alpha/health", 404), ("GET", "/clusters/alpha/uploads/../jsonrpc", 404),
     ("POST", "/clusters/alpha/jsonrpc", 404), ("GET", "/clusters/alpha/metrics", 404),
     ("GET", "/clusters/nowhere/downloads/" + "x" * 43, 404), ("HEAD", "/clusters/alpha/uploads/" + "x" * 43, 404),
     ("GET", "/clusters/alpha/downloads/" + "x" * 43, 403), ("GET", "/clusters/alpha/uploads/" + "x" * 43, 405),
     ("PATCH", "/clusters/alpha/downloads/" + "x" * 43, 405), ("GET", "/clusters/", 404),
     ("GET", "/clusters/alpha/uploads/" + "x" * 43 + "%0d%0aX:y", 404)],
)  # fmt: skip
def test_nothing_else(federation: Federation, method: str, path: str, status: int) -> None:
    """There is a way to these two and to nothing else of a cluster."""
    assert ask(federation, method, path)[0] == status


def test_bounds(federation: Federation, monkeypatch: pytest.MonkeyPatch) -> None:
    passing: Passing = federation.bench.manager.passing
    monkeypatch.setattr(passing, "_places", Places("transfers", Share(1, 1, 1, 1)))
    assert ask(federation, "HEAD", begun(federation))[0] in (429, 503)


@pytest.mark.parametrize("way", ["direct", "by the cloud"])
def test_wawel(federation: Federation, tmp_path: Path, way: str) -> None:
    """The command line goes to the cluster itself where it tells an address that works, and by the cloud where not."""
    file = tmp_path / f"{way.replace(' ', '-')}.raw"
    file.write_bytes(CONTENT)
    alpha = federation.clouds["alpha"].manager
    url = f"http://127.0.0.1:{federation.ports['alpha']}" if way == "direct" else "http://127.0.0.1:1"
    alpha.services.policy = alpha.policy = replace(alpha.policy, public_url=url)
    asked: list[bytes] = []
    passing = federation.bench.manager.passing
    begin = type(passing).begin

    def watched(self: Any, request: Any, body: Any) -> None:
        asked.append(request.method)
        begin(self, request, body)

    token = federation.token("ann")
    told = {"WAWEL_URL": f"http://127.0.0.1:{federation.port}", "WAWEL_TOKEN": token, "HOME": str(tmp_path)}
    options: dict[str, Any] = {"capture_output": True, "text": True, "env": {**os.environ, **told}, "timeout": 60}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(passing), "begin", watched)
        words = ["image", "upload", str(file), "--kind", "system", "--cluster", "alpha", "--wait", "-o", "json"]
        done = subprocess.run([*PROGRAM, *words], **options)
        assert done.returncode == 0, done.stderr
        made = json.loads(done.stdout)
        assert made["state"] == "ok"
        target = tmp_path / "back.raw"
        words = ["image", "download", f"id:{made['image_id']}", str(target), "--kind", "system", "--cluster", "alpha"]
        done = subprocess.run([*PROGRAM, *words], **options)
        assert done.returncode == 0, done.stderr
    assert target.read_bytes() == CONTENT
    assert set(asked) == (set() if way == "direct" else {b"HEAD", b"PATCH", b"GET"})
