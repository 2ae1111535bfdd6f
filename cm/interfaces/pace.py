"""How long a call of a node's driver may last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Call = TypeVar("Call", bound=Callable[..., Any])


def slow(function: Call) -> Call:
    """
    Mark a call of a node's driver, or a function that is run with one, as slow: while it lasts it must not keep anybody
    from looking at the node.
    """
    function.__dict__["slow"] = True  # zope makes a tagged value of it
    return function


def lasting(function: Call) -> Call:
    """Likewise of what may last for minutes, up to an hour: few of these may be under way at a node at a time."""
    function.__dict__["lasting"] = True
    return slow(function)
