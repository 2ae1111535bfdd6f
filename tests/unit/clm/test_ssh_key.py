"""SSH public keys: what real OpenSSH made is read as OpenSSH reads it, and everything else is refused by name."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from clm.rules.ssh_key import KINDS, KeyRefused, parse_public_key

ED25519 = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
ECDSA = (
    "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7opKgwFB9nkt5YRrYMjNuG5N87uRgg6CLrbo5wAdT/y"
    "6v0mKV0U2w0WZ2YB/++Tpockg="
)
RSA = (
    "AAAAB3NzaC1yc2EAAAADAQABAAABAQDTrXRWkJb+xhYY/GkDBo56+X7mmWAlGlt8oS+eR1k1YVmWpW50fGTgW+xsSffqPZ+jnelmatFjRMAMmfMP3b"
    "5O33f5vz+SzbGLLwULXkPCD9WADKepIIsHZ1FRzNf2gaF0dSgYlO9ToQ/XnIMRqYJf0o8R4tfS7h5AnhYd/af2gmCsATdVEl8IoHyBicJFkwdAwvaV"
    "V8VRN3VNgTOnnuF4QlJnucPHbTZHXSpig6GlaMvrhkm9dTbe+QXZ90KWy7Z5A6NtyNyaFez5/dN9xUtKLs/jq4eyiJ8obRcV2gQuTYEXRD0GeS7Svq"
    "S79RQqfplRT50628XRm9lBpfXkX6ft"
)
ECDSA_384 = (
    "AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBAU6Tw+mr6kE7FBLBFwwQ+Lc8IisH++yDTsq9B1N7hcCU5rpSPzc2CD8t5gBT3"
    "lcBuUDJEuz7LiOou4aOIu1EF55nFZtUiei9mTYncAsickvqIb2YYF3yVgUVJCwYX/j7g=="
)
ECDSA_521 = (
    "AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBABDok1qw18bkgndfxG0w7hw0WZtahs+rv1txbOCWCRAlAarCY2Jq3ayEQVwz/"
    "sWnxKHH9gqHbgZX3B3ow14MQVeDACEQA/ZJj3PT+U9MOaW0qmzVMPecwUFMGMjCjcEETOyqG1hNHl66H4ypI6zoxpzNZ4M04V+EBYkJDa8HCZ0Fjg8"
    "9w=="
)


def packed(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def number(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big")


def line(kind: str, *parts: bytes) -> str:
    return f"{kind} {base64.b64encode(packed(kind.encode(), *parts)).decode()}"


def point(curve: ec.EllipticCurve, compressed: bool = False) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    form = PublicFormat.CompressedPoint if compressed else PublicFormat.UncompressedPoint
    return ec.derive_private_key(12345, curve).public_key().public_bytes(Encoding.X962, form)


SK_ED25519 = line("sk-ssh-ed25519@openssh.com", bytes(range(32)), b"ssh:")
SK_ECDSA = line("sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", point(ec.SECP256R1()), b"ssh:work")

# SHA256 and MD5 as ssh-keygen 9 and (the first two) the documentation of a well-known host tell them.
KNOWN = {
    f"ssh-ed25519 {ED25519}": ("+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU", None),
    f"ecdsa-sha2-nistp256 {ECDSA}": ("p2QAMXNIC1TJYWeIOttrVc98/R1BUFWu3/LiyKgUfQM", None),
    f"ssh-rsa {RSA}": (
        "6d6wuccbD1ahKY95Rxr6Os2sGfayyfvY3TkPpw90sDg",
        "d3:e4:89:bd:f1:67:a5:d5:45:23:05:22:79:61:43:1a",
    ),
    f"ecdsa-sha2-nistp384 {ECDSA_384}": (
        "W4znBx0LLRkq6nK+tlrzNo1+tTKTmpNOZerkR6Myx5M",
        "2f:67:7d:a2:b5:a1:38:23:30:93:68:65:e3:b7:58:d2",
    ),
    f"ecdsa-sha2-nistp521 {ECDSA_521}": (
        "Ar8OBJLwEDnuFuCooCahBK7oH9uf6Xd0c9rIROudI3E",
        "86:4f:f4:15:ed:83:f8:e7:1c:07:b9:ff:ac:4c:ab:47",
    ),
}
ALL = [*KNOWN, SK_ED25519, SK_ECDSA]


@pytest.mark.parametrize("text", KNOWN)
def test_known_fingerprints(text: str) -> None:
    """Fingerprints are those that were published or that ssh-keygen told."""
    key = parse_public_key(text)
    sha256, md5 = KNOWN[text]
    assert key.fingerprint == f"SHA256:{sha256}"
    assert md5 is None or key.fingerprint_md5 == md5


def test_every_kind_is_shown() -> None:
    """The keys of these tests are of all kinds that are taken."""
    assert {text.split()[0] for text in ALL} == set(KINDS)


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="there is no ssh-keygen")
@pytest.mark.parametrize("text", ALL)
def test_ssh_keygen_agrees(text: str, tmp_path: Path) -> None:
    """ssh-keygen reads each of them, and tells the same fingerprints."""
    path = tmp_path / "key.pub"
    path.write_text(text + " somebody\n")
    key = parse_public_key(text)
    for digest, ours in (("sha256", key.fingerprint), ("md5", "MD5:" + key.fingerprint_md5)):
        told = subprocess.run(
            ["ssh-keygen", "-l", "-E", digest, "-f", path], capture_output=True, text=True, check=True, timeout=30
        )
        assert told.stdout.split()[1] == ours


def test_comment() -> None:
    """The comment is kept, blanks in it too; those around do not matter."""
    key = parse_public_key(f"  ssh-ed25519\t{ED25519}   Zażółć  gęślą \r\n")
    assert key.comment == "Zażółć  gęślą"
    assert key.text == f"ssh-ed25519 {ED25519} Zażółć  gęślą"
    assert parse_public_key(key.text) == key


REFUSED = {
    "options": (f'command="/bin/sh" ssh-ed25519 {ED25519}', "options"),
    "an option": (f"no-pty ssh-ed25519 {ED25519}", "options"),
    "dss": ("ssh-dss AAAAB3NzaC1kc3MAAACBAP", "DSA"),
    "certificate": (f"ssh-ed25519-cert-v01@openssh.com {ED25519}", "certificates"),
    "a private key": ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA", "one line"),
    "two keys": (f"ssh-ed25519 {ED25519}\nssh-ed25519 {ED25519}", "one line"),
    "nothing": ("", "a type, the key"),
    "a word": ("ssh-ed25519", "a type, the key"),
    "another type": (f"ssh-rsa {ED25519}", "not of the type"),
    "no base64": ("ssh-ed25519 AAAA*", "base64"),
    "non-ASCII base64": ("ssh-ed25519 AAAAć", "base64"),
    "cut": (f"ssh-ed25519 {ED25519[:-4]}", "cut short"),
    "long": (line("ssh-ed25519", bytes(32), b""), "more follows"),
    "33 bytes": (line("ssh-ed25519", bytes(33)), "32 bytes"),
    "small RSA": (line("ssh-rsa", number(65537), number((1 << 1023) + 1)), "2048"),
    "huge RSA": (line("ssh-rsa", number(65537), number((1 << 16384) + 1)), "16384"),
    "even modulus": (line("ssh-rsa", number(65537), number(1 << 2047)), "numbers"),
    "exponent 1": (line("ssh-rsa", number(1), number((1 << 2047) + 1)), "numbers"),
    "negative": (line("ssh-rsa", b"\x80", number((1 << 2047) + 1)), "needless zeros"),
    "zeros": (line("ssh-rsa", b"\x00\x01", number((1 << 2047) + 1)), "needless zeros"),
    "another curve": (line("ecdsa-sha2-nistp256", b"nistp384", point(ec.SECP384R1())), "curve"),
    "compressed": (line("ecdsa-sha2-nistp256", b"nistp256", point(ec.SECP256R1(), True)), "uncompressed"),
    "off the curve": (line("ecdsa-sha2-nistp256", b"nistp256", b"\x04" + bytes(63) + b"\x01"), "not on the curve"),
    "no point": (line("ecdsa-sha2-nistp256", b"nistp256", b""), "uncompressed"),
    "no application": (line("sk-ssh-ed25519@openssh.com", bytes(32), b""), "application"),
    "control in comment": (f"ssh-ed25519 {ED25519} a\x1b[2Jb", "control"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str) -> None:
    """Each fault is refused with a reason that names it."""
    text, reason = REFUSED[what]
    with pytest.raises(KeyRefused) as refused:
        parse_public_key(text)
    assert reason in refused.value.reason


def test_rsa_bounds() -> None:
    """2048 bits are enough."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key().public_numbers()
    assert parse_public_key(line("ssh-rsa", number(made.e), number(made.n))).kind == "ssh-rsa"


@given(st.sampled_from(ALL), st.data())
def test_mutations(text: str, data: st.DataObject) -> None:
    """Whatever becomes of a key's base64, it is read as exactly that text, or refused."""
    kind, encoded = text.split()
    at = data.draw(st.integers(0, len(encoded) - 1))
    until = data.draw(st.integers(at, min(len(encoded), at + 8)))
    into = data.draw(
        st.text(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="), max_size=8)
        | st.text(max_size=4)
    )
    mutated = f"{kind} {encoded[:at]}{into}{encoded[until:]}"
    try:
        key = parse_public_key(mutated)
    except KeyRefused as refused:
        assert str(refused)
    else:
        assert (key.kind, key.text.split(" ")[1]) == (kind, mutated.split()[1])
        assert parse_public_key(key.text) == key


@given(st.binary(max_size=200), st.sampled_from(KINDS))
def test_any_bytes(blob: bytes, kind: str) -> None:
    """Bytes of any kind are refused, never crashed on."""
    with pytest.raises(KeyRefused):
        parse_public_key(f"{kind} {base64.b64encode(packed(kind.encode()) + blob).decode()} x".replace("  ", " "))
