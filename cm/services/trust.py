"""
Use cases of trust: which keys may sign caller tokens here, and for which cloud manager each.

Keys of the setting ``[trust] clm_keys`` are trusted as long as the process lives; these are added to them.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy.orm import Session

from cm.results.trust import TrustedKey
from cm.rpc.errors import InvalidParameter, NameTaken, ObjectNotFound
from cm.rpc.token import read_public_key
from cm.runtime.database import notify
from cm.services.context import AsyncClusterCall
from cm.store.account import LOCAL
from cm.store.trust import delete_key, get_or_insert_key

TOPIC: Final = "trust"


async def add(caller: AsyncClusterCall, key_id: str, issuer: str, public_key: str) -> TrustedKey:
    """
    Trust a key, at once in this process and with the notification in the others. The same again changes nothing.

    :raises NameTaken: another key, or this one for another issuer, has that id.
    :raises InvalidParameter: it is no Ed25519 public key, or the issuer is one that only we are.
    """
    services = caller.services
    if issuer == LOCAL or issuer.startswith("cm:"):
        raise InvalidParameter("issuer", "this name is kept for clusters and their own accounts")
    try:
        read = read_public_key(key_id, public_key)
    except ValueError:
        raise InvalidParameter("public_key", "it is no Ed25519 public key in PEM") from None
    pem = read.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    if services.authenticator.has_own_key(key_id):
        raise NameTaken("key", key_id)
    row = await services.database.transact(_insert, key_id, issuer, pem)
    await services.authenticator.load_keys()
    return row


def _insert(session: Session, key_id: str, issuer: str, pem: str) -> TrustedKey:
    row = get_or_insert_key(session, key_id, issuer, pem)
    if (row["issuer"], row["public_key"]) != (issuer, pem):
        raise NameTaken("key", key_id)
    notify(session, TOPIC)
    return row


async def delete(caller: AsyncClusterCall, key_id: str) -> None:
    """
    Trust a key no longer. What was remembered of it ends at once in this process and with the notification in the
    others; feeds that its issuer's callers read end too, unless another key may speak for it.

    :raises ObjectNotFound: there is none of this id in the database; those of the settings end with them.
    """
    services = caller.services
    await services.database.transact(_delete, key_id)
    await services.authenticator.load_keys()


def _delete(session: Session, key_id: str) -> None:
    if not delete_key(session, key_id):
        raise ObjectNotFound("key", key_id)
    notify(session, TOPIC)
