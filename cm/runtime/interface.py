"""Methods of zope interfaces, for type checkers. A module of its own: what the console imports has to be little."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    interface_method = staticmethod
else:

    def interface_method(function: Any) -> Any:
        """Marks a method of a zope interface, which has no ``self``, so that type checkers read it as zope does."""
        return function
