"""docs/install.md as what it says to do: its blocks of shell, in their order, by the headings that they stand below."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lab.places import REPOSITORY

PAGE = REPOSITORY / "docs" / "install.md"


@dataclass(frozen=True)
class Block:
    heading: str
    line: int
    script: str


def blocks(text: str | None = None) -> list[Block]:
    """Every block that is marked as ``bash``."""
    heading, found, begun = "", [], 0
    script: list[str] | None = None
    for number, line in enumerate((PAGE.read_text() if text is None else text).splitlines(), 1):
        if script is not None:
            if line == "```":
                found.append(Block(heading, begun, "\n".join(script) + "\n"))
                script = None
            else:
                script.append(line)
        elif line.startswith("#"):
            heading = line.lstrip("# ")
        elif line == "```bash":
            script, begun = [], number + 1
    return found


def below(heading: str) -> list[Block]:
    """:raises LookupError: the page has no such heading with something to do."""
    found = [block for block in blocks() if block.heading == heading]
    if not found:
        raise LookupError(f"nothing to do below {heading!r} of {PAGE.name}")
    return found


def packages() -> list[str]:
    """The packages of Debian's that the page has installed; files of ours stand there by their path."""
    words = [
        word
        for block in blocks()
        for line in re.findall(r"^apt install (.*)$", block.script.replace("\\\n", " "), re.M)
        for word in line.split()
    ]
    return sorted({word for word in words if re.fullmatch(r"[a-z][a-z0-9.+-]+", word)})
