"""Keys of a manager's own, kept in files that it makes at first use: one to sign tokens, one to derive secrets from."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from cm.runtime.settings import SettingsError

SECRET_BYTES: Final = 32
CLUSTER_KEY: Final = "cluster.key"  # in its state directory: the secret of all its processes, the endpoint's too


@dataclass(frozen=True)
class SigningKey:
    """An Ed25519 key that signs tokens."""

    key_id: str
    private_pem: bytes = field(repr=False)
    public_pem: bytes


def ensure_signing_key(path: Path, prefix: str) -> SigningKey:
    """
    Read the key, or make it: mode 0600, complete or not there at all, and the same for all who ask at once.

    :param prefix: of its id, which ends in the hash of the public key.
    :raises OSError: it can neither be read nor written.
    :raises ValueError: the file holds something else.
    """
    if not path.exists():
        made = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        _write_once(path, made)
    private_pem = path.read_bytes()
    key = load_pem_private_key(private_pem, password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path} holds no Ed25519 key")
    public = key.public_key()
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    key_id = f"{prefix}-{hashlib.sha256(raw).hexdigest()[:16]}"
    return SigningKey(key_id, private_pem, public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def ensure_secret(path: Path) -> bytes:
    """
    Read 32 secret bytes, or make them, as above, and their directory.

    :raises SettingsError: they can neither be read nor made, others may read them, or there are fewer.
    """
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            _write_once(path, os.urandom(SECRET_BYTES))
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise SettingsError([f"{path}: others may read this secret; chmod 600 it"])
        secret = path.read_bytes()
    except OSError as error:
        raise SettingsError([f"{path}: {error.strerror}"]) from None
    if len(secret) < SECRET_BYTES:
        raise SettingsError([f"{path}: it holds fewer than {SECRET_BYTES} bytes"])
    return secret


def _write_once(path: Path, content: bytes) -> None:
    descriptor, aside = tempfile.mkstemp(prefix=path.name, dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(aside, path)
    except FileExistsError:
        pass  # another process was faster; its key is ours
    finally:
        os.unlink(aside)
