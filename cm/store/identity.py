"""Queries about the key that signs guests' identity documents."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session


def find_identity(session: Session) -> Any:
    """``private_key`` and ``certificate``, PEM; None: no guest has asked for a signature yet."""
    return session.execute(text("SELECT private_key, certificate FROM identity_key")).first()


def insert_identity(session: Session, private_key: str, certificate: str) -> None:
    """Where another process was faster, its key is ours."""
    session.execute(
        text(
            "INSERT INTO identity_key (id, private_key, certificate) VALUES (1, :private_key, :certificate)"
            " ON CONFLICT DO NOTHING"
        ),
        {"private_key": private_key, "certificate": certificate},
    )
