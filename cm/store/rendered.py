"""
Objects as the change feed shows them: by each noun's one list of columns and one function, which its views have too.

A statement of this kind gives, beside what is shown, ``_id`` and ``_gone``: of what is gone only the uuid is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy.orm import Session

_encode = msgspec.json.Encoder().encode
Render = Callable[[Session, list[int]], Mapping[int, "Rendered"]]
"""``render(session, ids)``: by id, of those that are there or were."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What is known of an object. ``json`` is what is shown of it, None where nothing is."""

    uuid: str | None = None
    json: str | None = None


def shown(row: Any) -> dict[str, Any]:
    """The row's columns, but for those that are not shown."""
    return {name: value for name, value in row._mapping.items() if not name.startswith("_")}


def rendered(rows: Iterable[Any], show: Callable[[Any], Mapping[str, Any]] = shown) -> dict[int, Rendered]:
    """:param show: what the noun's views make of such a row."""
    made = {}
    for row in rows:
        known = row._mapping
        made[known["_id"]] = Rendered(known.get("uuid"), None if known["_gone"] else _encode(show(row)).decode())
    return made
