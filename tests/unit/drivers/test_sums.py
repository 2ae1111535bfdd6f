"""Files of checksums, as distributions have them."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cm.drivers.images.sums import find_sum, name_of, sums_url
from cm.rpc.errors import ImageRefused
from cm.rpc.vocabulary import ImageFault

A, B = hashlib.sha256(b"a").hexdigest(), hashlib.sha256(b"b").hexdigest()
LONG = hashlib.sha512(b"a").hexdigest()
SIGNED = f"""-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

# Fedora-Cloud-Base-Generic-42-1.1.x86_64.qcow2: 530317312 bytes
SHA256 (disk.qcow2) = {A}
- --- dashes are escaped
-----BEGIN PGP SIGNATURE-----

SHA256 (disk.qcow2) = {B}
-----END PGP SIGNATURE-----
"""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"{B}  other.qcow2\n{A}  disk.qcow2\n", ("sha256", A)),
        (f"{A.upper()} *disk.qcow2\r\n", ("sha256", A)),
        (f"{A}  ./disk.qcow2\n", ("sha256", A)),
        (f"SHA256 (disk.qcow2) = {A}\n", ("sha256", A)),
        (f"SHA512 (disk.qcow2) = {LONG}\nSHA256 (disk.qcow2) = {B}\n", ("sha512", LONG)),
        (f"{LONG}  disk.qcow2\n", ("sha512", LONG)),
        (f"{LONG}\n", ("sha512", LONG)),
        (f"{'0' * 32}  disk.qcow2\n{'0' * 40}  disk.qcow2\n{A}  disk.qcow2\n", ("sha256", A)),
        (SIGNED, ("sha256", A)),
        (SIGNED.replace("\n", "\r\n"), ("sha256", A)),
        (f"{A}  disk.qcow2\n{A}  disk.qcow2\n", ("sha256", A)),
    ],
)
def test_found(text: str, found: tuple[str, str]) -> None:
    assert find_sum(text.encode(), "disk.qcow2") == found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "tells no"),
        (f"{A}  disk.qcow2.xz\n", "tells no"),
        (f"{A}  sub/disk.qcow2\n", "tells no"),
        (f"{'0' * 32}  disk.qcow2\n", "tells no"),
        (f"{A}  disk.qcow2\n{B}  disk.qcow2\n", "tells two"),
        (f"SHA512 (disk.qcow2) = {A}\n", "tells no"),
        (f"{A}\n{B}\n", "tells no"),
        (SIGNED.partition("-----BEGIN PGP SIGNATURE")[0], "cut off"),
        (f"-----BEGIN PGP SIGNED MESSAGE-----\nSHA256 (disk.qcow2) = {A}\n\n-----BEGIN PGP SIGNATURE-----", "tells no"),
        ("<html>Not found</html>", "tells no"),
    ],
)
def test_refused(text: str, told: str) -> None:
    """None, two that contradict each other, or none that is signed where something is."""
    with pytest.raises(ImageRefused, match=told) as caught:
        find_sum(text.encode(), "disk.qcow2")
    assert caught.value.fault is ImageFault.CHECKSUM


@given(st.binary(max_size=500), st.text(max_size=20))
def test_any_bytes(content: bytes, name: str) -> None:
    """Any file gives a checksum or a refusal."""
    try:
        kind, digest = find_sum(content, name)
    except ImageRefused:
        return
    assert len(digest) == {"sha256": 64, "sha512": 128}[kind]


def test_beside() -> None:
    """The sums of a mirror's directory, by a name or by a URL of their own."""
    url = "https://cloud.example/images/disk%2B1.qcow2?token=x"
    assert sums_url(url, "SHA512SUMS") == "https://cloud.example/images/SHA512SUMS"
    assert sums_url(url, "https://other.example/sums") == "https://other.example/sums"
    assert name_of(url) == "disk+1.qcow2"
