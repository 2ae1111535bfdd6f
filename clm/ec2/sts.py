"""
What there is of STS, which Ansible and the aws cli send to EC2's address: ``GetCallerIdentity``, and
``GetSessionToken``, a pair for a limited time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from clm.ec2 import ids
from clm.ec2.errors import EC2Error, bad_value
from clm.ec2.query import COMMON, Pair
from clm.ec2.xml import HEAD, escaped, told_time
from clm.services.context import CloudIdentity
from clm.services.ec2_session import LEAST_S, MOST_S, USUAL_S, EC2Session
from cm.rpc.caller import Identity

NAMESPACE_VERSION: Final = "2011-06-15"
_NAMESPACE: Final = f"https://sts.amazonaws.com/doc/{NAMESPACE_VERSION}/"
ACTIONS: Final = frozenset({"GetCallerIdentity", "GetSessionToken"})
Open = Callable[[CloudIdentity, int], Awaitable[EC2Session]]


async def answer(
    action: str, pairs: Sequence[Pair], identity: Identity, temporary: bool, open_session: Open, request_id: str
) -> bytes:
    """
    :param temporary: whether the request was signed with a temporary pair.
    :raises EC2Error: a parameter is wrong, or the pair good for no other.
    """
    if action == "GetCallerIdentity":
        return _told(action, _caller(identity), request_id)
    given = dict(pair for pair in pairs if pair[0] not in COMMON)
    seconds = _duration(given.pop("DurationSeconds", str(USUAL_S)))
    if given:
        raise bad_value(next(iter(given))[:100], "it is not supported here")
    if temporary or not isinstance(identity, CloudIdentity):
        raise EC2Error("AccessDenied", "Cannot call GetSessionToken with session credentials")
    made = await open_session(identity, seconds)
    credentials = {
        "AccessKeyId": made.access_key, "SecretAccessKey": made.secret, "SessionToken": made.token,
        "Expiration": told_time(datetime.fromtimestamp(made.until, UTC)),
    }  # fmt: skip
    return _told(action, f"<Credentials>{_elements(credentials)}</Credentials>", request_id)


def _duration(text: str) -> int:
    """:raises EC2Error: it is no time that STS gives."""
    if not (text.isascii() and text.isdigit() and len(text) < 8 and LEAST_S <= int(text) <= MOST_S):
        raise EC2Error("ValidationError", f"DurationSeconds is not from {LEAST_S} to {MOST_S}")
    return int(text)


def _caller(identity: Identity) -> str:
    account = ids.account(identity.account_id)
    arn = f"arn:aws:iam::{account}:user/{identity.login}"
    return _elements({"Arn": arn, "UserId": account, "Account": account})


def _elements(values: Mapping[str, str]) -> str:
    return "".join(f"<{name}>{escaped(value)}</{name}>" for name, value in values.items())


def _told(action: str, result: str, request_id: str) -> bytes:
    return (
        f'{HEAD}<{action}Response xmlns="{_NAMESPACE}"><{action}Result>{result}</{action}Result>'
        f"<ResponseMetadata><RequestId>{escaped(request_id)}</RequestId></ResponseMetadata></{action}Response>"
    ).encode()
