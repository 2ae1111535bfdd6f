"""
How the program is replaced by a newer one: fetched in chunks, and run if the cluster whose agent this is has signed it.

Its key came with the installation; of another cluster's, or by somebody between, nothing is run. No library verifies a
signature here, so RSA's (PKCS #1 v1.5 with SHA-256) is: one power, compared with the one text that it may be.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import system
from .system import Failed

TRUSTED = "trusted"  # file of the agent's state
PROGRAM_MAX = 1 << 20  # bytes
_SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")  # what a digest by it begins with, as it is signed


@dataclass(frozen=True)
class Key:
    """RSA's modulus and exponent."""

    n: int
    e: int


def trusted(state: Path) -> Key | None:
    """The key that programs are to be signed by; None: none came with the installation, so that none is run."""
    try:
        told = json.loads((state / TRUSTED).read_text())
        return Key(int(told["n"], 16), int(told["e"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def statement(version: str, sha256: str) -> bytes:
    """What is signed: no document of an instance's identity, which the same key signs, begins so."""
    return f"wawel-guest {version} {sha256}".encode()


def is_signed(key: Key, message: bytes, signature: bytes) -> bool:
    size = (key.n.bit_length() + 7) // 8
    digest = _SHA256 + hashlib.sha256(message).digest()
    if len(signature) != size or size < len(digest) + 11:
        return False
    wanted = b"\0\1" + b"\xff" * (size - len(digest) - 3) + b"\0" + digest
    found = pow(int.from_bytes(signature, "big"), key.e, key.n).to_bytes(size, "big")
    return hmac.compare_digest(found, wanted)


def update(offer: Any, key: Key, ours: str, fetch: Callable[[int], Any], path: Path) -> bool:
    """
    Replace the program, if that which is offered is newer than ours.

    :param offer: ``version``, ``size``, ``sha256`` and ``signature`` of it.
    :param fetch: what of it begins at a byte: ``data``, in base64.
    :param path: of the program.
    :return: whether there is another one now; whoever runs the old one is to run it.
    :raises Failed: it is not what the cluster has signed, or does not run; the program is as it was.
    """
    try:
        version, size, sha256 = str(offer["version"]), int(offer["size"]), str(offer["sha256"])
        signature = base64.b64decode(offer["signature"], validate=True)
        if int(version) <= int(ours):
            return False
    except (KeyError, TypeError, ValueError):
        raise Failed("what is offered is no program") from None
    if not 0 < size <= PROGRAM_MAX or not is_signed(key, statement(version, sha256), signature):
        raise Failed(f"version {version} is not signed by this cluster")
    content = b""
    while len(content) < size:
        try:
            chunk = base64.b64decode(fetch(len(content))["data"], validate=True)
        except (KeyError, TypeError, ValueError):
            raise Failed(f"version {version} came in pieces that are none") from None
        if not chunk or len(content) + len(chunk) > size:
            raise Failed(f"version {version} has another size than was said")
        content += chunk
    if not hmac.compare_digest(hashlib.sha256(content).hexdigest(), sha256):
        raise Failed(f"version {version} is not what was signed")
    new = path.with_name(f".{path.name}.new")
    try:
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if system.run([sys.executable, str(new), "--version"]).strip() != version:
            raise Failed(f"version {version} does not run")
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    return True
