"""
The directories of one run. Managers keep files there by numbers that each run counts anew, and sweep away what is not
theirs: of another run, before it or beside it, nothing may be found.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

SECRETS = ("cluster.key", "staging.id", "clm/cloud.key")
SIGNING = ("session.key", "clm/caller.key")


class Home:
    """
    :param name: unique among those that run at once below ``base``.
    :ivar state_dir: of the cluster's managers; the cloud's is ``clm`` in it.
    :ivar import_dir: from which an administrator may import.
    """

    def __init__(self, base: Path, name: str) -> None:
        self.path = base / name
        self.state_dir = self.path / "state"
        self.import_dir = self.path / "images"

    def make(self) -> None:
        """
        Afresh, with the same keys each time: one that a manager had to draw would be left out of the draws of the next,
        and all that is drawn behind it would be another.
        """
        self.remove()
        for directory in (self.state_dir, self.state_dir / "clm", self.import_dir):
            directory.mkdir(mode=0o700, parents=True)
        for name in SECRETS:
            self._write(name, hashlib.sha256(name.encode()).digest())
        for name in SIGNING:
            key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
            self._write(name, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    def _write(self, name: str, content: bytes) -> None:
        path = self.state_dir / name
        path.touch(mode=0o600)
        path.write_bytes(content)

    def files(self) -> list[str]:
        """All that is there, below ``path``."""
        return sorted(str(path.relative_to(self.path)) for path in self.path.rglob("*") if path.is_file())

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
