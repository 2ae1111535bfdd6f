"""
Use cases of SSH keys. A private part is made on its own thread, told once, and kept nowhere.

A caller who sends a ``request_id`` asks for the same answer again: the executor then keeps it, encrypted, with theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from sqlalchemy.orm import Session

from clm.results.user import GeneratedSSHKey, SSHKey
from clm.rules.ssh_key import PublicKey, parse_public_key
from clm.services.context import AsyncCloudCall, CloudCall
from clm.store.change import record_change
from clm.store.key import (
    count_and_taken,
    count_keys,
    delete_key,
    find_name,
    get_key,
    get_key_named,
    insert_key,
    write_tags,
)
from cm.rpc.errors import Conflict, LimitReached, NameTaken, ObjectNotFound, TooManyTags
from cm.rpc.vocabulary import TAGS_MAX
from cm.runtime.taken import refused_by

RSA_BITS: Final = 3072  # as strong as AES-128: NIST SP 800-57, table 2


@dataclass(eq=False)
class TooManyKeys(LimitReached):
    code = "ssh_key_limit"
    message = "You have {limit} SSH keys, which is as many as one may have; delete one first."
    limit: int


@dataclass(eq=False)
class KeyKnown(Conflict):
    code = "ssh_key_known"
    message = "You have this key already, as {name}."
    name: str


def add(
    session: Session, user_id: int, name: str, key: PublicKey, most: int, tags: Mapping[str, str]
) -> SSHKey:
    """
    :raises TooManyKeys: the user has ``most`` already.
    :raises NameTaken: one of theirs has this name.
    :raises KeyKnown: they have it already.
    """
    if count_keys(session, user_id) >= most:
        raise TooManyKeys(most)
    refusals = {
        "uq_ssh_key_user_id_name": NameTaken("key", name),
        "uq_ssh_key_user_id_fingerprint": KeyKnown(find_name(session, user_id, key.fingerprint) or name),
    }
    with refused_by(session, refusals):
        key_id = insert_key(session, user_id, name, key, tags)
    shown = get_key(session, user_id, key_id)
    record_change(session, "key", key_id, "enter", users=[user_id], shown=shown)
    return shown


def add_text(caller: CloudCall, name: str, line: str, tags: Mapping[str, str]) -> SSHKey:
    """
    Import a public key.

    :raises KeyRefused: it is none, or none that is taken.
    """
    key = parse_public_key(line)
    made = add(caller.session, caller.user_id, name, key, caller.policy.keys_max, tags)
    caller.note("add key", name=name, fingerprint=key.fingerprint)
    return made


async def generate(caller: AsyncCloudCall, name: str, kind: str, tags: Mapping[str, str]) -> GeneratedSSHKey:
    """Make a pair. The answer is the key with ``private_key``, in OpenSSH's format and without a passphrase."""
    services = caller.services
    # A refusal is to cost nobody a search.
    await services.database.read(_refuse, caller.user_id, name, caller.policy.keys_max)
    # Searching for the primes of an RSA key takes up to a second: no work for a thread that holds a transaction.
    private, public = await services.threads.run("password", make_pair, kind, name, deadline_s=30.0)
    made = await services.database.transact(add, caller.user_id, name, public, caller.policy.keys_max, tags)
    return {**made, "private_key": private}


def _refuse(session: Session, user_id: int, name: str, most: int) -> None:
    """What ``add`` would refuse of any key."""
    count, taken = count_and_taken(session, user_id, name)
    if count >= most:
        raise TooManyKeys(most)
    if taken:
        raise NameTaken("key", name)


def make_pair(kind: str, comment: str) -> tuple[str, PublicKey]:
    """The private part as text, and the public one."""
    key: Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    if kind == "rsa":
        key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    elif kind == "ecdsa":
        key = ec.generate_private_key(ec.SECP256R1())
    else:
        key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return private, parse_public_key(f"{public} {comment}")


def tag(caller: CloudCall, key_id: int, tags: Mapping[str, str], remove: Sequence[str]) -> SSHKey:
    """
    :raises ObjectNotFound: it is not theirs.
    :raises TooManyTags: it would have more than an object may have.
    """
    session, user_id = caller.session, caller.user_id
    count = write_tags(session, user_id, key_id, tags, remove)
    if count is None:
        raise ObjectNotFound("key", key_id)
    if count > TAGS_MAX:
        raise TooManyTags(TAGS_MAX)
    shown = get_key(session, user_id, key_id)
    record_change(session, "key", key_id, users=[user_id], shown=shown)
    caller.note("tag", key_id=key_id)
    return shown


def delete(caller: CloudCall, key_id: int) -> None:
    """VMs that have the key keep it."""
    if not delete_key(caller.session, caller.user_id, key_id):
        raise ObjectNotFound("key", key_id)
    record_change(caller.session, "key", key_id, "exit", users=[caller.user_id])
    caller.note("delete key", key_id=key_id)


def delete_named(caller: CloudCall, name: str) -> None:
    delete(caller, get_key_named(caller.session, caller.user_id, name)["key_id"])
