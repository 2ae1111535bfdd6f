"""
Keys for programs. One is a bearer token (``wak_...``), of which the hash alone is kept, or an EC2 pair, whose secret is
sealed: signatures can be checked only by who can read it.
"""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from clm.results.user import CreatedApiKey
from clm.rules.scope import wrong_items
from clm.services.account import random_token, token_hash, user_changed
from clm.services.context import CloudCall, CloudPolicy
from clm.services.seal import seal, unseal
from clm.store.api_key import ApiKeyFacts, count_api_keys, delete_api_key, get_api_key, insert_api_key
from clm.store.change import record_change
from cm.rpc.errors import InvalidParameter, LimitReached, NameTaken, ObjectNotFound
from cm.runtime.taken import refused_by
from cm.runtime.wall import utc_now

PREFIX: Final = "wak_"
ACCESS_LENGTH: Final = len(PREFIX) + 12  # characters of a key by which it is found, and shown in lists; 72 of 256 bits
EC2_PREFIX: Final = "WAKI"
_ACCESS: Final = string.ascii_uppercase + string.digits
_SECRET: Final = string.ascii_letters + string.digits


@dataclass(eq=False)
class TooManyApiKeys(LimitReached):
    code = "api_key_limit"
    message = "You have {limit} API keys, which is as many as one may have; delete one first."
    limit: int


def create(caller: CloudCall, name: str, scope: list[str], expires_days: int | None, ec2: bool) -> CreatedApiKey:
    """
    :return: the key as in lists, with ``key`` or, of an EC2 pair, ``secret_key``: told this once.
    :raises TooManyApiKeys: the user has as many as one may have.
    :raises NameTaken: one of theirs has this name.
    :raises InvalidParameter: the scope makes no sense.
    """
    session, user_id, policy = caller.session, caller.user_id, caller.policy
    wrong = wrong_items(scope)
    if wrong:
        raise InvalidParameter("scope", f"{', '.join(wrong)}: neither all, read, a view nor a pattern like user.vm.*")
    if count_api_keys(session, user_id) >= policy.api_keys_max:
        raise TooManyApiKeys(policy.api_keys_max)
    values: dict[str, Any] = {"user_id": user_id, "name": name, "scope": scope, "secret_hash": None}
    values["secret_sealed"] = None
    if expires_days is None:
        values["expires_at"] = None
    else:
        values["expires_at"] = utc_now().replace(microsecond=0) + timedelta(days=expires_days)
    if ec2:
        access_key, secret = EC2_PREFIX + _random(_ACCESS, 16), _random(_SECRET, 40)
        values |= {"access_key": access_key, "secret_sealed": seal(policy, _purpose(access_key), secret.encode())}
    else:
        key = random_token(PREFIX)
        values |= {"access_key": key[:ACCESS_LENGTH], "secret_hash": token_hash(key)}
    with refused_by(session, {"uq_api_key_user_id_name": NameTaken("api_key", name)}):
        api_key_id = insert_api_key(session, values)
    shown = get_api_key(session, user_id, api_key_id)
    record_change(session, "api_key", api_key_id, "enter", users=[user_id], shown=shown)
    caller.note("create API key", name=name, scope=scope)
    return {**shown, "secret_key": secret} if ec2 else {**shown, "key": key}


def delete(caller: CloudCall, api_key_id: int) -> None:
    """It opens nothing from now on. :raises ObjectNotFound: it is not theirs."""
    if not delete_api_key(caller.session, caller.user_id, api_key_id):
        raise ObjectNotFound("api_key", api_key_id)
    user_changed(caller.session, caller.user_id)
    record_change(caller.session, "api_key", api_key_id, "exit", users=[caller.user_id])
    caller.note("delete API key", api_key_id=api_key_id)


def ec2_secret(policy: CloudPolicy, key: ApiKeyFacts) -> str:
    """
    The secret of an EC2 pair.

    :raises Unsealable: the cloud's key is another than the one it was sealed with.
    """
    assert key.secret_sealed is not None
    return unseal(policy, _purpose(key.access_key), key.secret_sealed).decode()


def _purpose(access_key: str) -> str:
    return f"api_key:{access_key}"


def _random(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))
