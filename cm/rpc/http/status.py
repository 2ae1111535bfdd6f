"""Which HTTP status says which error, where answers are HTTP's own and not a dialect's, whose calls always get 200."""

from __future__ import annotations

from typing import Final

from cm.rpc.errors import (
    CloudError,
    Conflict,
    InvalidRequest,
    LimitReached,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    TooManyAtOnce,
    Unavailable,
)

_STATUS: Final[tuple[tuple[type[CloudError], int], ...]] = (
    (TooManyAtOnce, 429),  # it passes, like the rest of its family; whose fault it is counts here
    (InvalidRequest, 400),
    (NotAuthenticated, 401),
    (NotPermitted, 403),
    (NotFound, 404),
    (Conflict, 409),
    (LimitReached, 429),
    (Unavailable, 503),
)


def status_of(error: CloudError) -> int:
    """By the error's family; 500 for what is our own fault."""
    return next((status for family, status in _STATUS if isinstance(error, family)), 500)
