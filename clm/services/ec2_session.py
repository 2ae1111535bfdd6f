"""
Temporary EC2 pairs. Nothing of them is kept here: the session token that goes with one holds, sealed, whose pair it was
made with, its secret and its end. It is good for as long as that pair is, with the same scope.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import string
from dataclasses import dataclass, field
from typing import Final

import msgspec

from clm.services.context import CloudPolicy
from clm.services.seal import Unsealable, seal, unseal

PREFIX: Final = "WAKT"
LEAST_S: Final = 900  # as STS has it, and the next two
MOST_S: Final = 129_600
USUAL_S: Final = 43_200
TOKEN_MAX: Final = 1000  # characters; ours have some 200
_ACCESS: Final = string.ascii_uppercase + string.digits
_SECRET: Final = string.ascii_letters + string.digits


@dataclass(frozen=True)
class EC2Session:
    """:ivar until: seconds since 1970. :ivar made_with: the access key of the pair that it stands for."""

    access_key: str
    made_with: str
    until: float
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)


class _Sealed(msgspec.Struct):
    made_with: str
    until: float
    secret: str


_sealed = msgspec.json.Decoder(_Sealed)


def open_ec2_session(policy: CloudPolicy, made_with: str, now: float, seconds: int) -> EC2Session:
    access_key = PREFIX + "".join(secrets.choice(_ACCESS) for _ in range(16))
    held = _Sealed(made_with, float(int(now) + seconds), "".join(secrets.choice(_SECRET) for _ in range(40)))
    sealed = seal(policy, _purpose(access_key), msgspec.json.encode(held))
    token = base64.b64encode(sealed).decode()
    return EC2Session(access_key, made_with, held.until, held.secret, token)


def read_ec2_session(policy: CloudPolicy, access_key: str, token: str) -> EC2Session | None:
    """None: the token is none of ours, or not this key's. Whether it is over is not looked at."""
    if not access_key.startswith(PREFIX) or len(token) > TOKEN_MAX:
        return None
    try:
        held = _sealed.decode(unseal(policy, _purpose(access_key), base64.b64decode(token, validate=True)))
    except (Unsealable, binascii.Error, ValueError):
        return None
    return EC2Session(access_key, held.made_with, held.until, held.secret, token)


def _purpose(access_key: str) -> str:
    return f"ec2_session:{access_key}"
