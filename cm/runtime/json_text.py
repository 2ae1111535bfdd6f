"""JSON texts that are put together without being read: summaries are stored as they are sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

_encode: Final = msgspec.json.Encoder().encode


def with_members(text: str, extra: Mapping[str, Any]) -> str:
    """
    An object's text with more members behind its own.

    :param text: of an object without blanks around it, as msgspec writes it.
    :param extra: names that it does not have yet; what is JSON text already comes as ``msgspec.Raw``.
    :raises ValueError: it is no object's text.
    """
    if not (text.startswith("{") and text.endswith("}")):
        raise ValueError("no JSON object")
    return merged(text, _encode(extra).decode()) if extra else text


def merged(text: str, more: str) -> str:
    """
    An object's text with another's members behind its own, of which it has none yet.

    :param text: of an object without blanks around it; ``more`` likewise, with a member at least.
    """
    return more if text == "{}" else f"{text[:-1]},{more[1:]}"


def array_of(texts: Iterable[str]) -> str:
    """The array of these texts."""
    return f"[{','.join(texts)}]"
