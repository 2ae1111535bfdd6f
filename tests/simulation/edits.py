"""What a defect is that is put into a copy of the tree: edits of its text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Edit:
    """:ivar old: occurs exactly once in ``file`` (a path in the repository)."""

    file: str
    old: str
    new: str

    def times(self, root: Path) -> int:
        """How often a tree has the old text."""
        path = root / self.file
        return path.read_text().count(self.old) if path.is_file() else 0


@dataclass(frozen=True)
class Mutation:
    """
    A defect. ``what`` says in a sentence what the product does then.

    :ivar faults: those that show it, where it takes many of one kind; empty: all, as in every run.
    :ivar clouds: processes of a cloud manager; None: as the seed says. ``managers`` likewise.
    """

    name: str
    what: str
    edits: tuple[Edit, ...]
    faults: tuple[str, ...] = ()
    clouds: int | None = None
    managers: int | None = None
