"""Our agent as it replaces itself: by what its cluster has signed and runs, and by nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from contextualization.guest.agent import asking, updating
from contextualization.guest.agent.system import Failed

PROGRAM = b"#!/usr/bin/env python3\nprint(7)\n"
OLD = b"old"


@pytest.fixture(scope="module")
def private() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=2048)


def public(private: rsa.RSAPrivateKey) -> updating.Key:
    numbers = private.public_key().public_numbers()
    return updating.Key(numbers.n, numbers.e)


class Cluster:
    """What is offered: version 7, signed."""

    def __init__(self, private: rsa.RSAPrivateKey, content: bytes = PROGRAM) -> None:
        self.private, self.content = private, content
        self.fetched: list[int] = []
        self.offer: dict[str, Any] = {"version": "7", "size": len(content)}
        self.sign()

    def sign(self) -> None:
        sha256 = hashlib.sha256(self.content).hexdigest()
        signed = self.private.sign(updating.statement(self.offer["version"], sha256), padding.PKCS1v15(), SHA256())
        self.offer |= {"sha256": sha256, "signature": base64.b64encode(signed).decode()}

    def fetch(self, offset: int) -> dict[str, str]:
        self.fetched.append(offset)
        return {"data": base64.b64encode(self.content[offset : offset + 10]).decode()}


@pytest.fixture
def cluster(private: rsa.RSAPrivateKey) -> Cluster:
    return Cluster(private)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "wawel-guest"
    made.write_bytes(OLD)
    return made


def update(cluster: Cluster, path: Path, ours: str = "6") -> bool:
    return updating.update(cluster.offer, public(cluster.private), ours, cluster.fetch, path)


def test_newer(cluster: Cluster, path: Path) -> None:
    """It comes in chunks, is whole, and can be run."""
    assert update(cluster, path)
    assert path.read_bytes() == PROGRAM and path.stat().st_mode & 0o777 == 0o755
    assert cluster.fetched == list(range(0, len(PROGRAM), 10)) and os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("ours", ["7", "8"])
def test_no_newer(cluster: Cluster, path: Path, ours: str) -> None:
    """What was signed once, and has a hole that is known by now, does not come back."""
    assert not update(cluster, path, ours)
    assert path.read_bytes() == OLD and not cluster.fetched


@pytest.mark.parametrize("change", [
    {"version": "9"}, {"sha256": "0" * 64}, {"signature": base64.b64encode(bytes(256)).decode()}, {"signature": "AAAA"},
    {"size": 1 << 30}, {"size": 0}, {"size": 5}, {"size": len(PROGRAM) + 1}, {"version": "x"}, {"signature": 5},
])  # fmt: skip
def test_others(cluster: Cluster, path: Path, change: dict[str, Any]) -> None:
    """What is not as it was signed is not run, whatever of it was changed on the way."""
    cluster.offer |= change
    with pytest.raises(Failed):
        update(cluster, path)
    assert path.read_bytes() == OLD and os.listdir(path.parent) == [path.name]


def test_changed_on_the_way(cluster: Cluster, path: Path) -> None:
    cluster.content = PROGRAM.replace(b"7", b"8")
    with pytest.raises(Failed, match="not what was signed"):
        update(cluster, path)
    for nonsense in ({}, {"data": 5}, {"data": ""}, {"data": "%"}, None):
        cluster.fetch = lambda offset, told=nonsense: told  # type: ignore[assignment, misc]
        with pytest.raises(Failed):
            update(cluster, path)
    assert path.read_bytes() == OLD


def test_does_not_run(private: rsa.RSAPrivateKey, path: Path) -> None:
    """What was signed and does not start, or says that it is another version, stays out."""
    for content in (b"import nothing_of_that_name\n", b"print(6)\n"):
        with pytest.raises(Failed):
            update(Cluster(private, content), path)
    assert path.read_bytes() == OLD and os.listdir(path.parent) == [path.name]


def test_signatures(private: rsa.RSAPrivateKey) -> None:
    """What a library signs is verified, and nothing that differs in one bit, or was signed otherwise."""
    key, message = public(private), b"wawel-guest 7 ab"
    signature = private.sign(message, padding.PKCS1v15(), SHA256())
    assert updating.is_signed(key, message, signature)
    assert not updating.is_signed(key, message + b"c", signature)
    for at in (0, 100, 255):
        wrong = bytearray(signature)
        wrong[at] ^= 1
        assert not updating.is_signed(key, message, bytes(wrong))
    salted = padding.PSS(padding.MGF1(SHA256()), 32)
    others = (private.sign(message, padding.PKCS1v15(), SHA1()), private.sign(message, salted, SHA256()))
    for other in (*others, b"", signature[1:], signature + b"\0"):
        assert not updating.is_signed(key, message, other)
    assert not updating.is_signed(updating.Key(3, 3), message, b"\1")


def test_goes_on(cluster: Cluster, tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent becomes the newer one with its own arguments; without a key, or told to stay, it stays."""
    begun: list[Any] = []
    monkeypatch.setattr(os, "execv", lambda program, argv: begun.append(argv))
    monkeypatch.setattr(asking, "VERSION", "6")

    def post(what: str, **said: Any) -> dict[str, Any]:
        return {"command": None, "update": cluster.offer} if what == "poll" else cluster.fetch(said["offset"])

    def turn(program: Path | None) -> None:
        agent = asking.Agent(state=tmp_path / "state", program=program)
        monkeypatch.setattr(agent, "_post", post)
        assert not agent.turn(0)

    turn(path)  # no key came with the installation
    key = public(cluster.private)
    (tmp_path / "state" / updating.TRUSTED).write_text(json.dumps({"n": f"{key.n:x}", "e": key.e}))
    turn(None)
    assert not begun and path.read_bytes() == OLD
    turn(path)
    assert [argv[1] for argv in begun] == [str(path)] and path.read_bytes() == PROGRAM


def test_not_at_once_again(cluster: Cluster, tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is not fetched at each poll."""
    monkeypatch.setattr(asking, "VERSION", "6")
    key = public(cluster.private)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / updating.TRUSTED).write_text(json.dumps({"n": f"{key.n:x}", "e": key.e}))
    agent = asking.Agent(state=tmp_path / "state", program=path)
    cluster.content = PROGRAM.replace(b"7", b"8")
    polled = {"command": None, "update": cluster.offer}
    said = {"poll": lambda **_: polled, "program": lambda offset: cluster.fetch(offset)}
    monkeypatch.setattr(agent, "_post", lambda what, **more: said[what](**more))
    for _ in range(3):
        agent.turn(0)
    assert cluster.fetched.count(0) == 1 and path.read_bytes() == OLD
