"""
The shapes of what is asked and answered, out of ``model.json``. They are compiled when they are first used: of the
actions that nobody calls nothing is kept but the text's objects.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

PATH: Final = Path(__file__).with_name("model.json")
Writer = Callable[[Any, list[str]], None]
"""``writer(value, parts)`` adds the inside of its element."""
Kind = Literal["structure", "list", "string", "integer", "long", "boolean", "double", "float", "blob", "timestamp"]


@dataclass(frozen=True, slots=True)
class Member:
    """:ivar asked: its name in a query. :ivar told: its name in an answer."""

    name: str
    asked: str
    told: str
    shape: Shape


@dataclass(slots=True)
class Shape:
    """
    One type. Some hold themselves, so members and elements are set after it was made.

    :ivar item: of a list: what an element is called in an answer.
    :ivar least: bounds of a number, or of a string's length; ``most`` too.
    :ivar writer: what ``xml.py`` made of it, once it was asked to.
    """

    name: str
    kind: Kind
    members: tuple[Member, ...] = ()
    required: tuple[str, ...] = ()
    element: Shape | None = None
    item: str = "item"
    least: float | None = None
    most: float | None = None
    by_asked: dict[str, Member] = field(default_factory=dict)
    writer: Writer | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """:ivar output: None: nothing but that it was done."""

    name: str
    input: Shape
    output: Shape | None


class Model:
    def __init__(self, description: dict[str, Any]) -> None:
        self._actions: dict[str, list[str | None]] = description["actions"]
        self._others = frozenset(description["others"])
        self._raw: dict[str, dict[str, Any]] = description["shapes"]
        self._shapes: dict[str, Shape] = {}

    @property
    def actions(self) -> tuple[str, ...]:
        return tuple(self._actions)

    def find(self, name: str) -> Action | None:
        found = self._actions.get(name)
        if found is None:
            return None
        asked, told = found
        return Action(
            name,
            Shape(name, "structure") if asked is None else self._shape(asked),
            None if told is None else self._shape(told),
        )

    def shape(self, action: str, *members: str) -> Shape:
        """What an action answers with, or a member of it; of a list its elements."""
        found = self.find(action)
        assert found is not None and found.output is not None
        made = found.output
        for name in members:
            made = next(each.shape for each in made.members if each.name == name)
            made = made.element or made
        return made

    def is_known(self, name: str) -> bool:
        """Whether EC2 has the action, whatever we have of it."""
        return name in self._actions or name in self._others

    def _shape(self, name: str) -> Shape:
        known = self._shapes.get(name)
        if known is not None:
            return known
        raw = self._raw[name]
        if "members" in raw:
            made = self._shapes[name] = Shape(name, "structure", required=tuple(raw.get("required", ())))
            made.members = tuple(
                Member(member, asked, told, self._shape(of)) for member, (of, asked, told) in raw["members"].items()
            )
            made.by_asked = {member.asked: member for member in made.members}
        elif "list" in raw:
            made = self._shapes[name] = Shape(name, "list", item=raw["item"])
            made.element = self._shape(raw["list"])
        else:
            made = self._shapes[name] = Shape(name, raw["type"], least=raw.get("min"), most=raw.get("max"))
        return made


@cache
def model() -> Model:
    """The cut that this release has; read once."""
    return Model(json.loads(PATH.read_text()))
