"""Signatures of files of checksums, verified by gpgv."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cm.drivers.images.signed import verified
from cm.rpc.errors import ImageRefused, NotSupported
from cm.rpc.vocabulary import ImageFault
from support.signing import Signers, signers

SUMS = b"%064d  disk.qcow2\n" % 1


@pytest.fixture(scope="module")
def people() -> Iterator[Signers]:
    with signers() as made:
        for name in ("ann", "bob"):
            made.add(name)
        made.add("old", expired=True)
        yield made


@pytest.fixture()
def keyring(people: Signers, tmp_path: Path) -> Path:
    """Of two who may sign, one of whom may no more."""
    path = tmp_path / "ring.gpg"
    path.write_bytes(people.public("ann", "old"))
    return path


def judged(tmp_path: Path, keyring: Path, sums: bytes, signature: bytes | None) -> bytes:
    there, beside = tmp_path / "sums", tmp_path / "sums.sign"
    there.write_bytes(sums)
    beside.write_bytes(signature or b"")
    scratch = tmp_path / "keys"
    try:
        return verified(there, None if signature is None else beside, keyring, scratch)
    finally:
        assert not scratch.exists()


@pytest.mark.parametrize("armour", [False, True])
def test_good(people: Signers, keyring: Path, tmp_path: Path, armour: bool) -> None:
    """Beside the file, where others may have signed too, or as signed text, of which only that counts."""
    keyring.write_bytes(people.public("ann", armour=armour))
    for names in (("ann",), ("ann", "bob"), ("bob", "ann")):
        assert judged(tmp_path, keyring, SUMS, people.sign(SUMS, *names)) == SUMS
    text = people.signed(SUMS, "ann")
    around = b"%064d  other.qcow2\n" % 2
    assert judged(tmp_path, keyring, text, None) == SUMS
    for content in (text + around, around + text):
        try:
            assert judged(tmp_path, keyring, content, None) == SUMS
        except ImageRefused:
            pass


def test_refused(people: Signers, keyring: Path, tmp_path: Path) -> None:
    """Something else that was signed, by somebody else, by a key that has expired, or by nobody."""
    others = SUMS.replace(b"1 ", b"2 ")
    text = people.signed(SUMS, "ann")
    for sums, signature, told in (
        (others, people.sign(SUMS, "ann"), "is not what was signed"),
        (SUMS, people.sign(SUMS, "bob"), "is not in the keyring"),
        (SUMS, people.sign(SUMS, "old", expired=True), "has expired"),
        (SUMS, people.sign(others, "ann") + people.sign(SUMS, "bob"), "is not what was signed"),
        (SUMS, b"", "nobody has signed"),
        (SUMS, None, "nobody has signed"),
        (text.replace(b"1 ", b"2 "), None, "is not what was signed"),
        (people.signed(SUMS, "bob"), None, "is not in the keyring"),
    ):
        with pytest.raises(ImageRefused) as caught:
            judged(tmp_path, keyring, sums, signature)
        assert caught.value.fault is ImageFault.SIGNATURE
        assert told in str(caught.value)


def test_no_keyring(people: Signers, tmp_path: Path) -> None:
    """A keyring that is not there verifies nothing, and one that holds no keys knows nobody."""
    signature = people.sign(SUMS, "ann")
    with pytest.raises(NotSupported):
        judged(tmp_path, tmp_path / "absent", SUMS, signature)
    block = b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n####\n-----END PGP PUBLIC KEY BLOCK-----\n"
    for content in (b"", b"no keys\n", block):
        (tmp_path / "ring").write_bytes(content)
        with pytest.raises(ImageRefused):
            judged(tmp_path, tmp_path / "ring", SUMS, signature)
