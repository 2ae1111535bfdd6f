"""Every thread of a daemon stands in the table of those that must not end, and so does every loop on the reactor."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DAEMONS = ("cm", "clm", "contextualization", "node_hooks")
# The console's thread ends with its command.
NOT_OF_A_DAEMON = {"clm/console/watching.py"}


def listed() -> set[str]:
    page = (ROOT / "docs" / "architecture.md").read_text()
    table = page.partition("<!-- living -->")[2].partition("<!-- after living -->")[0]
    return set(re.findall(r"^\| `([a-z_/]+\.py)` \|", table, re.MULTILINE))


def holding(pattern: str) -> set[str]:
    found = {
        str(path.relative_to(ROOT))
        for package in DAEMONS
        for path in (ROOT / package).rglob("*.py")
        if re.search(pattern, path.read_text())
    }
    return found - NOT_OF_A_DAEMON


def test_threads() -> None:
    threads = holding(r"threading\.Thread\(")
    assert len(threads) > 5 and threads - listed() == set()


def test_loops() -> None:
    """What goes round for ever on the reactor: ``while not self._stop...`` in a coroutine."""
    loops = holding(r"(?s)async def \w+\([^)]*\)[^\n]*:\n(?:(?!\n    (?:async )?def ).)*?while not self\._stop")
    assert len(loops) > 2 and loops - listed() == set()


def test_table_is_true() -> None:
    assert [name for name in sorted(listed()) if not (ROOT / name).is_file()] == []
