"""People who sign files, by gpg, each with a key of their own."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LONG_AGO = ("--faked-system-time", "20200101T000000")


class Signers:
    """:param home: as short as sockets' names have to be."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def _gpg(self, *arguments: str, content: bytes = b"") -> bytes:
        program = ["gpg", "--homedir", str(self._home), "--batch", "--quiet", "--no-tty", "--passphrase", ""]
        done = subprocess.run(
            [*program, "--pinentry-mode", "loopback", *arguments], input=content, capture_output=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def add(self, name: str, *, expired: bool = False) -> None:
        when, until = (LONG_AGO, "1d") if expired else ((), "never")
        self._gpg(*when, "--quick-gen-key", name, "ed25519", "sign", until)

    def public(self, *names: str, armour: bool = False) -> bytes:
        return self._gpg(*(["--armor"] if armour else []), "--export", *names)

    def sign(self, content: bytes, *names: str, expired: bool = False) -> bytes:
        """A file beside it."""
        who = [each for name in names for each in ("--local-user", name)]
        return self._gpg(*(LONG_AGO if expired else ()), *who, "--detach-sign", content=content)

    def signed(self, content: bytes, name: str) -> bytes:
        """It, as signed text."""
        return self._gpg("--local-user", name, "--clear-sign", content=content)


@contextmanager
def signers() -> Iterator[Signers]:
    home = Path(tempfile.mkdtemp(prefix="gpg"))
    try:
        yield Signers(home)
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False, timeout=60)
        shutil.rmtree(home, ignore_errors=True)
