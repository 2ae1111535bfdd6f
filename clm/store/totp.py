"""Queries about second factors."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rpc.errors import ObjectNotFound
from cm.runtime.rows import has_row


@dataclass(frozen=True)
class TotpFacts:
    """
    :ivar sealed: the secret; None: there is none, and never was one begun.
    :ivar confirmed: the user has shown that their authenticator has it.
    :ivar step: the last time step whose code was used.
    """

    confirmed: bool
    step: int
    recovery_hashes: tuple[str, ...]
    sealed: bytes | None = field(default=None, repr=False)


def get_totp(session: Session, user_id: int, *, lock: bool = False) -> TotpFacts:
    """:raises ObjectNotFound: there is no such user."""
    found = session.execute(
        text(
            "SELECT totp_secret, totp_confirmed, totp_step, recovery_hashes FROM user_account"
            f" WHERE id = :id AND deleted_at IS NULL{' FOR UPDATE' if lock else ''}"
        ),
        {"id": user_id},
    ).first()
    if found is None:
        raise ObjectNotFound("user", user_id)
    sealed = None if found.totp_secret is None else bytes(found.totp_secret)
    return TotpFacts(found.totp_confirmed, found.totp_step, tuple(found.recovery_hashes), sealed)


def write_totp(session: Session, user_id: int, sealed: bytes | None) -> None:
    """Begin anew with a secret that is to be confirmed; None: no second factor."""
    session.execute(
        text(
            "UPDATE user_account SET totp_secret = :sealed, totp_confirmed = false, totp_step = 0,"
            " recovery_hashes = '{}' WHERE id = :id"
        ),
        {"id": user_id, "sealed": sealed},
    )


def confirm_totp(session: Session, user_id: int, step: int, recovery_hashes: list[str]) -> None:
    session.execute(
        text(
            "UPDATE user_account SET totp_confirmed = true, totp_step = :step,"
            " recovery_hashes = CAST(:hashes AS text[]) WHERE id = :id"
        ),
        {"id": user_id, "step": step, "hashes": recovery_hashes},
    )


def use_step(session: Session, user_id: int, step: int) -> bool:
    """Whether a code of this time step is used now for the first time, and none of a later one was."""
    return has_row(
        session,
        "UPDATE user_account SET totp_step = :step WHERE id = :id AND totp_step < :step RETURNING id",
        {"id": user_id, "step": step},
    )


def use_recovery_code(session: Session, user_id: int, code_hash: str) -> bool:
    """Whether it was one of theirs; now it is not any more."""
    return has_row(
        session,
        "UPDATE user_account SET recovery_hashes = array_remove(recovery_hashes, :hash)"
        " WHERE id = :id AND :hash = ANY(recovery_hashes) RETURNING id",
        {"id": user_id, "hash": code_hash},
    )
