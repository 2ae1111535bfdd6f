"""What EC2's clients are refused with: a code that they match on, a text for people, an HTTP status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

# Codes whose status is not 400; 503 alone is repeated for ``RequestLimitExceeded`` (botocore/data/_retry.json).
STATUS: Final = {
    "AccessDenied": 403,
    "AuthFailure": 401,
    "Blocked": 403,
    "DryRunOperation": 412,
    "InternalError": 500,
    "RequestEntityTooLarge": 413,
    "RequestLimitExceeded": 503,
    "SignatureDoesNotMatch": 403,
    "Unavailable": 503,
    "UnauthorizedOperation": 403,
}


class AWSError(Exception):
    """
    :cvar STATUSES: of HTTP, by code, where it is not 400.
    :ivar code: the protocol's own, part of the wire. :ivar message: may change.
    """

    STATUSES: ClassVar[Mapping[str, int]]

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message

    @property
    def status(self) -> int:
        return self.STATUSES.get(self.code, 400)


class EC2Error(AWSError):
    STATUSES = STATUS


def bad_value(name: str, reason: str) -> EC2Error:
    return EC2Error("InvalidParameterValue", f"The parameter {name} is not valid: {reason}")
