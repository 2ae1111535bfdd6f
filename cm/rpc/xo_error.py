"""Xen Orchestra's errors: its numbers for ours, and those that a session alone has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from cm.rpc.errors import (
    CloudError,
    Conflict,
    InternalError,
    InvalidRequest,
    LimitReached,
    MalformedRequest,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    NotSupported,
    Unavailable,
    UnknownMethod,
    UnparsableRequest,
    WrongDiskState,
    WrongImageState,
    WrongOperationState,
    WrongVMState,
)


@dataclass(eq=False)
class WrongCredentials(NotAuthenticated):
    code = "wrong_credentials"
    message = "The credentials are not good."


@dataclass(eq=False)
class Unauthorized(NotPermitted):
    code = "unauthorized"
    message = "This needs the right to {permission}."
    permission: str


@dataclass(eq=False)
class NoSuchObject(NotFound):
    code = "no_such_object"
    message = "There is no {type} {id}."
    id: str
    type: str


@dataclass(eq=False)
class OperationFailed(Conflict):
    code = "operation_failed"
    message = "It failed: {reason} {text}"
    reason: str
    text: str


# The first that an error is of: the numbers are those of xo-common's api-errors.
_NUMBERS: Final[Sequence[tuple[tuple[type[CloudError], ...], int]]] = (
    ((UnknownMethod,), -32601),
    ((UnparsableRequest,), -32700),
    ((MalformedRequest,), -32600),
    ((OperationFailed,), 21),
    ((WrongVMState,), 13),
    ((WrongDiskState, WrongImageState, WrongOperationState), 25),
    ((NotSupported,), 14),
    ((InvalidRequest,), 10),
    ((WrongCredentials, NotAuthenticated), 3),
    ((NotPermitted,), 2),
    ((NotFound,), 1),
    ((LimitReached,), 24),
    ((Unavailable,), 28),
    ((Conflict,), 19),
    ((InternalError, CloudError), -32000),
)


def told_error(error: CloudError, administrator: bool) -> dict[str, Any]:
    """As JSON-RPC tells it; ``data`` has our slug, and the error's own fields."""
    number = next(number for kinds, number in _NUMBERS if isinstance(error, kinds))
    text = error.for_administrator() if administrator else error.for_user()
    return {"code": number, "message": text, "data": {"code": error.code, **error.details()}}
