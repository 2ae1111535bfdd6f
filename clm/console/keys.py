"""Public SSH keys as files hold them, and what a file holds that is none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from clm.console.problems import Problem
from clm.console.values import read_file

_KEY: Final = re.compile(r"(?:ssh-|ecdsa-|sk-)\S+ +([A-Za-z0-9+/]{40,}={0,3})(?: .*)?\Z")
_WRAPPED: Final = re.compile(r"[A-Za-z0-9+/]{8,}={0,3}(?: .*)?\Z")


def read_keys(file: str) -> list[str]:
    """
    The public keys of a file, as authorized_keys has them: one a line, with comments between.

    :raises Problem: it holds none, or something else; says what.
    """
    name = "standard input" if file == "-" else Path(file).name
    text = read_file(file).removeprefix("\ufeff")
    if "PRIVATE KEY-----" in text:
        raise Problem(f"{name} holds a private key, which is to leave this machine never.",
                      hint="The public one beside it ends in .pub.")  # fmt: skip
    if "BEGIN SSH2 PUBLIC KEY" in text:
        raise Problem(f"{name} holds a public key as RFC 4716 has it, not as OpenSSH does.",
                      hint=f"Turn it round with: ssh-keygen -i -f {name}")  # fmt: skip
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        raise Problem(f"{name} holds no public key.")
    for number, line in enumerate(lines):
        if _KEY.match(line):
            continue
        if number and _WRAPPED.match(line):
            raise Problem(f"{name} holds a key that is broken over several lines; it has to be one line.")
        if any(kind in line for kind in (" ssh-", " ecdsa-", " sk-")):
            raise Problem(f"{name} holds a key with options before it, such as command=; leave them out.")
        raise Problem(f"{name} holds what is no public key; such begin with ssh-ed25519, ssh-rsa or ecdsa-.")
    return list(dict.fromkeys(lines))


def read_key(file: str) -> str:
    """:raises Problem: it is not exactly one."""
    found = read_keys(file)
    if len(found) > 1:
        raise Problem(f"{Path(file).name} holds {len(found)} public keys; here is room for one.")
    return found[0]
