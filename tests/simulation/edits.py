"""What a defect is that is put into a copy of the tree: edits of its text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """:ivar old: occurs exactly once in ``file`` (a path in the repository)."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutation:
    """A defect. ``what`` says in a sentence what the product does then."""

    name: str
    what: str
    edits: tuple[Edit, ...]
