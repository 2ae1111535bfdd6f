"""A guest's name and keys, and the caller's data, as guests can take them."""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata

from cm.rpc.vocabulary import UserDataEncoding
from cm.rules.names import domain_name
from cm.services.guest import Guest

# What cloud-init knows a kind of user data by, and gzip's magic number.
_STARTS = (
    b"#cloud-config",
    b"#!",
    b"#include",
    b"#cloud-boothook",
    b"#part-handler",
    b"#upstart-job",
    b"## template: jinja",
    b"Content-Type:",
    b"MIME-Version:",
    b"From ",
    b"<powershell>",
    b"<script>",
    b"\x1f\x8b",
)
_BASE64 = re.compile(r"[A-Za-z0-9+/]{4,}={0,2}")
_STROKED = str.maketrans("łŁøØđĐ", "lLoOdD")  # letters that Unicode does not take apart
_SHORTEST = 8  # characters; one in twenty words of four letters decodes to something printable by chance


def hostname(guest: Guest) -> str:
    """The VM's name as one label of RFC 1123, else ``vm-<id>``."""
    folded = unicodedata.normalize("NFKD", guest.name.translate(_STROKED)).encode("ascii", "ignore").decode().lower()
    label = re.sub(r"[^a-z0-9]+", "-", folded).strip("-")[:63].rstrip("-")
    return label or domain_name(guest.vm_id)


def user_data(guest: Guest) -> bytes:
    """What the caller meant the guest to read: to the byte, where they said how they write it."""
    if guest.user_data_encoding is UserDataEncoding.BASE64:
        return base64.b64decode(guest.user_data)
    if guest.user_data_encoding is UserDataEncoding.PLAIN:
        return guest.user_data.encode("utf-8", "replace")
    return guessed(guest.user_data)


def guessed(text: str) -> bytes:
    """
    What the caller meant who did not say how they write.

    The rule: a text that is base64 as a whole (line breaks aside) is decoded if that gives something cloud-init knows
    by its first bytes or, from eight characters on, printable UTF-8; every other text goes as it is. CC1's clients
    encode, people at a console do not, and neither says so.
    """
    packed = re.sub(r"[\r\n]", "", text.strip())
    if len(packed) % 4 == 0 and _BASE64.fullmatch(packed):
        try:
            decoded = base64.b64decode(packed, validate=True)
        except binascii.Error:
            decoded = b""
        if decoded.startswith(_STARTS) or (len(packed) >= _SHORTEST and _is_text(decoded)):
            return decoded
    return text.encode("utf-8", "replace")


def _is_text(data: bytes) -> bool:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return bool(text) and all(each.isprintable() or each in "\n\r\t" for each in text)


def public_keys(guest: Guest) -> list[str]:
    """The caller's SSH keys, one a line; control characters would end a line of authorized_keys early."""
    lines = (one_line(line) for line in guest.ssh_key.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def key_name(key: str, index: int) -> str:
    """A name for a key, from its comment: the listing of EC2's public-keys wants one without ``=`` and ``/``."""
    words = key.split(" ", 2)
    name = re.sub(r"[^A-Za-z0-9._@-]+", "-", words[2]).strip("-")[:64] if len(words) == 3 else ""
    return name or f"key-{index}"


def one_line(text: str) -> str:
    """White space made single blanks, whatever cannot be printed left out."""
    return "".join(each for each in " ".join(text.split()) if each.isprintable())
