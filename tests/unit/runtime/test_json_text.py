"""JSON texts that are put together are the texts of what they were put together from."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cm.runtime.json_text import array_of, with_members

ROOT = Path(__file__).resolve().parents[3]
words = st.text(st.characters(exclude_categories=["Cs"]))
leaves = st.none() | st.booleans() | st.integers(-(2**62), 2**62) | words
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3))
objects = st.dictionaries(words, values, max_size=5)


def text_of(value: Any) -> str:
    return msgspec.json.encode(value).decode()


@given(objects, objects, words, values)
def test_with_members(value: dict[str, Any], extra: dict[str, Any], name: str, raw: Any) -> None:
    """What is read back has both, in their order, whatever the names and values; texts go in as they are."""
    fresh = {key: each for key, each in extra.items() if key not in value and key != name}
    value.pop(name, None)
    made = with_members(text_of(value), {**fresh, name: msgspec.Raw(text_of(raw))})
    expected = {**value, **fresh, name: raw}
    assert json.loads(made) == expected and list(json.loads(made)) == list(expected)
    assert made == text_of(expected)


@given(objects)
def test_nothing_more(value: dict[str, Any]) -> None:
    """Without members more it is the same text."""
    assert with_members(text_of(value), {}) == text_of(value)


@given(st.lists(values, max_size=4))
def test_array(items: list[Any]) -> None:
    """The array of texts is the text of the array."""
    assert array_of(text_of(item) for item in items) == text_of(items)


@pytest.mark.parametrize("text", ["", "[]", "null", '{"a":1} ', "{"])
def test_no_object(text: str) -> None:
    """What is no object's text is refused."""
    with pytest.raises(ValueError):
        with_members(text, {"a": 1})


def slicing(tree: ast.AST) -> list[int]:
    """The lines where a text is put together from one without its end and something after it."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, (ast.JoinedStr, ast.BinOp))
        and any(isinstance(part, ast.Subscript) and ast.unparse(part.slice) == ":-1" for part in ast.walk(node))
        and (isinstance(node, ast.JoinedStr) or "}" in ast.unparse(node))
    ]


def test_nobody_slices() -> None:
    """Nobody else makes an object's text by cutting its last brace off."""
    assert slicing(ast.parse("""f'{text[:-1]},"x":1}}'""")) and slicing(ast.parse("data[:-1] + b',\"x\":1}'"))
    paths = [path for program in ("cm", "clm", "contextualization") for path in (ROOT / program).rglob("*.py")]
    found = {path: slicing(ast.parse(path.read_text())) for path in paths if path.name != "json_text.py"}
    assert not {path: lines for path, lines in found.items() if lines}
