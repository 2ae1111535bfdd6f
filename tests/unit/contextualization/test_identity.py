"""Signatures of identity documents, as others verify them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cm.services.identity import make_identity
from contextualization.metadata.identity import Signer

DOCUMENT = '{"instanceId" : "i-1",\n "region" : "krakow"}'


@pytest.mark.parametrize("leaf", ["pkcs7", "rsa2048"])
def test_openssl(leaf: str, tmp_path: Path) -> None:
    """As AWS says how: openssl takes the message for the document's own, holds it, and refuses another's."""
    mine, other = make_identity("krakow"), make_identity("krakow")
    body = Signer(mine).leaves(DOCUMENT)[leaf]
    (tmp_path / "message").write_text(f"-----BEGIN PKCS7-----\n{body}\n-----END PKCS7-----\n")
    (tmp_path / "document").write_text(DOCUMENT)

    def verify(certificate: str, *more: str) -> subprocess.CompletedProcess[bytes]:
        (tmp_path / "certificate").write_text(certificate)
        argv = ["openssl", "smime", "-verify", "-in", "message", "-inform", "PEM", "-noverify", "-nointern"]
        return subprocess.run([*argv, "-certfile", "certificate", *more], cwd=tmp_path, capture_output=True)

    assert verify(mine.certificate).stdout.decode() == DOCUMENT
    assert verify(mine.certificate, "-content", "document").returncode == 0
    assert verify(other.certificate).returncode != 0
