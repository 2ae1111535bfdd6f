"""
Signatures of files of checksums (OpenPGP), by gpgv and the keys of a keyring that the operator chose. gpgv is run in a
child that sees these files alone (``child.py``).
"""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path
from typing import Final

from cm.drivers.images import child
from cm.drivers.images.child import Ended, Leash
from cm.rpc.errors import ImageRefused, NotSupported
from cm.rpc.vocabulary import ImageFault

KEYRING_BYTES_MAX: Final = 16 * 2**20  # of all that Debian's developers have ever had it is half
_GPGV: Final = "/usr/bin/gpgv"
_LEASH: Final = Leash(deadline_s=30.0, cpu_s=20, memory_bytes=2**30, file_bytes=0)
_STATUS: Final = "[GNUPG:] "
_ARMOUR: Final = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n(?:[^\r\n]+\r?\n)*\r?\n"  # RFC 4880, 6.2: headers, and a blank line
    rb"([A-Za-z0-9+/=\s]+?)(?:\n=[A-Za-z0-9+/]{4}\s*)?-----END"
)
_FAULTS: Final = {"EXPKEYSIG": "has expired", "REVKEYSIG": "was revoked", "NO_PUBKEY": "is not in the keyring"}


def verified(sums: Path, signature: Path | None, keyring: Path, scratch: Path) -> bytes:
    """
    What the keys of a keyring have signed, of signed text without anything that stands around it.

    :param signature: the file that signs ``sums``; None: that is signed text.
    :param keyring: as ``gpg --export`` writes it, also with ``--armor``.
    :param scratch: a file that may be made, and is removed.
    :raises ImageRefused: nobody of the keyring has signed it, or somebody something else.
    :raises NotSupported: there is no gpgv here, or the keyring cannot be read.
    :raises DeadlineExceeded: it was killed.
    """
    if not os.access(_GPGV, os.X_OK):
        raise NotSupported("verify signatures without gpgv, which is to be installed on the cluster manager's machine")
    try:
        with keyring.open("rb") as file:
            keys = file.read(KEYRING_BYTES_MAX)
    except OSError as error:
        raise NotSupported(f"verify signatures with the keyring {keyring}: {error.strerror}") from None
    plain = _dearmoured(keys)
    try:
        if plain != keys:
            scratch.write_bytes(plain)
            keyring = scratch
        files = [sums] if signature is None else [signature, sums]
        _judge(_run(keyring, files, "--status-fd", "1"), alone=signature is None)
        return sums.read_bytes() if signature is not None else _run(keyring, files, "--output", "-").output.encode()
    finally:
        scratch.unlink(missing_ok=True)


def _run(keyring: Path, files: list[Path], *more: str) -> Ended:
    seen = [str(path.absolute()) for path in (keyring, *files)]
    program = [_GPGV, *more, "--keyring", *seen]
    return child.run(program, _LEASH, what="gpgv", readable=seen)


def _judge(ended: Ended, *, alone: bool) -> None:
    """
    :param alone: there is one who signed. Beside a file several may have, not all of whom the keyring has to know.
    :raises ImageRefused: none of them is known, or one has signed something else.
    """
    told = [line.removeprefix(_STATUS).split(" ", 2) for line in ended.output.splitlines() if line.startswith(_STATUS)]
    words = {words[0] for words in told}
    if ended.status == 0 and "GOODSIG" in words:
        return
    if "GOODSIG" in words and not alone and "BADSIG" not in words:
        return
    if "BADSIG" in words:
        raise ImageRefused("the file of checksums is not what was signed", ImageFault.SIGNATURE)
    for word, what in _FAULTS.items():
        for each in told:
            if each[0] == word:
                raise ImageRefused(f"the key {each[1]}, which signed the checksums, {what}", ImageFault.SIGNATURE)
    raise ImageRefused(f"nobody has signed the file of checksums: {ended.errors}", ImageFault.SIGNATURE)


def _dearmoured(keys: bytes) -> bytes:
    """Keys as gpgv takes them."""
    blocks = _ARMOUR.findall(keys)
    try:
        return b"".join(base64.b64decode(block) for block in blocks) if blocks else keys
    except ValueError:
        return keys
