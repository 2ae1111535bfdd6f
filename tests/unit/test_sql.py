"""SQL stands in the store of its manager, and in what both share below it; everybody else calls functions."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOMES = ("cm/store/", "clm/store/", "cm/models/", "clm/models/", "cm/runtime/")
# A connection of its own, whose locks outlive transactions.
APART = {"cm/runtime/loop.py"}
_SQL = re.compile(
    r"\s*(?:SELECT\b|INSERT\s+INTO\s+\w|UPDATE\s+\w+(?:\s+\w+)?\s+SET\b|DELETE\s+FROM\s+\w"
    r"|WITH\s+\w+\s+AS\b|LOCK\s+TABLE\b|NOTIFY\b|LISTEN\b)"
)


def statements_in(tree: ast.AST) -> Iterator[int]:
    """The lines of texts that begin as a statement does, and of calls that run one."""
    for node in ast.walk(tree):
        text = None
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        elif isinstance(node, ast.JoinedStr) and node.values and isinstance(node.values[0], ast.Constant):
            text = str(node.values[0].value)
        if text is not None and _SQL.match(text):
            yield node.lineno
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("execute", "scalar", "scalars")
            and ast.unparse(node.func.value).endswith("session")
        ):
            yield node.lineno


@pytest.mark.parametrize("program", ["cm", "clm", "contextualization"])
def test_only_in_the_store(program: str) -> None:
    """No other folder has a statement, whether as text or by a session's own way to run one."""
    found = [
        f"{path}:{line}"
        for path in (str(each.relative_to(ROOT)) for each in sorted((ROOT / program).rglob("*.py")))
        if not path.startswith(HOMES) and path not in APART
        for line in statements_in(ast.parse((ROOT / path).read_text()))
    ]
    assert not found


def test_statements_are_seen() -> None:
    """What it is there to see, it sees; prose it does not."""
    for text in (
        "text('SELECT 1')", 'x = f"""\n UPDATE vm SET a = {b}"""', "'DELETE FROM vm WHERE id = 1'",
        "'INSERT INTO vm (id) VALUES (1)'", "'WITH a AS (SELECT 1) SELECT 2'", "'UPDATE node n SET a = 1'",
        "caller.session.execute(made)", "session.scalars(made)",
    ):  # fmt: skip
        assert list(statements_in(ast.parse(text))), text
    for text in ("'Update the node'", "'Selected ones'", "'with a as b'", "session.connection()", "runner.execute(1)"):
        assert not list(statements_in(ast.parse(text))), text


@pytest.mark.parametrize("package", ["cm", "clm"])
def test_one_line_of_versions(package: str) -> None:
    """Each version of a schema follows another but the first, and no two the same: there is one newest."""
    texts = [path.read_text() for path in sorted((ROOT / "sql" / package / "versions").glob("[0-9]*.py"))]
    found = [re.findall(r'^(?:down_)?revision = (?:"(\w+)"|None)', text, re.M) for text in texts]
    revisions, before = [pair[0] for pair in found], [pair[1] for pair in found]
    assert len(revisions) > 3 and len(set(revisions)) == len(set(before)) == len(found)
    assert set(before) - {""} <= set(revisions) and len(set(revisions) - set(before)) == 1
