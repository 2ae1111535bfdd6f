"""Filters: complex-matcher's vectors, writing and reading again, bounds, and what a regular expression may be."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cm.rpc.errors import InvalidParameter
from cm.rules.filter import (
    DEPTH_MAX,
    EVERYTHING,
    LENGTH_MAX,
    All,
    AnyOf,
    Compare,
    Glob,
    Member,
    Node,
    Not,
    Number,
    Present,
    Regex,
    Text,
    possible,
    read_filter,
    write_filter,
)
from cm.rules.pattern import STATES_MAX, Pattern, PatternError

# What the vectors are asked of; complex-matcher itself was run on it.
OBJECT: dict[str, Any] = {
    "name_label": "Web Prod 01", "power_state": "Running", "tags": ["prod", "qa"], "n": 32, "boot": {"order": "cn"},
    "memory": {"size": 2**32}, "$VBDs": ["a", "b", "c"], "ha": "",
}  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["", "  ", "web prod", "!(running nosuch)", "| ( x prod )", "|(x prod)", "tags:pro", "W*1", "/web/i", "n:32",
     "power_state : running", '"power_state":running', "boot:cn", "boot:order:cn", "memory:size:>1e9", "$VBDs:length:3",
     "tags?", "cn", "32", "n:>=32", "n:<= 32", "!n:31", "n:!31", '"web prod"', "name_label:length:11", "/^Web.*\\d$/"],
)  # fmt: skip
def test_true(text: str) -> None:
    assert read_filter(text).matches(OBJECT), text


@pytest.mark.parametrize(
    "text",
    ["name_label:/web/", 'n:"32"', "order:cn", ">3", "ha?", "missing:>1", "!running qa", "missing?", "web nosuch",
     "n:31", "1*W", "power_state:>0", "missing:x", "n:>32", '"prod web"'],
)  # fmt: skip
def test_false(text: str) -> None:
    assert not read_filter(text).matches(OBJECT), text


@pytest.mark.parametrize(
    ("text", "reason"),
    [("(", "expected a term at position 1"), ("|()", "expected a term at position 2"), ("!", "expected a term at"),
     ("a:", "expected a term at position 2"), ("a=b", "expected end of input at position 1"),
     ("web,prod", "expected end of input at position 3"), ("x:>bar", "value must be a number at position 3"),
     ("a)", "expected end of input at position 1"), ("(a", "expected ')' at position 2"), ("|a", "expected '('"),
     ('"a', "expected '\"' at position 2"), ("/a", "expected '/'"), ("/(/", "a '(' without its ')'"),
     ("a*b:c", "expected end of input at position 3"), ("/a**/", "nothing to repeat"), ("/(?=a)/", "looks around"),
     ("/[b-a]/", "a range that is none"), ("/a{2,1}/", "a count that is none"), ("/\\1/", "which means nothing here")],
)  # fmt: skip
def test_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidParameter, match=re.escape(reason)):
        read_filter(text)


@pytest.mark.parametrize("begin", ["(", "!", "|(", "a:", "a:!("])
def test_deep(begin: str) -> None:
    """However deep a text is, reading it ends by a refusal."""
    assert read_filter("!" * (DEPTH_MAX - 1) + "a")
    with pytest.raises(InvalidParameter, match="deeper"):
        read_filter((begin * LENGTH_MAX)[:1000])


def test_long() -> None:
    assert read_filter("a" * LENGTH_MAX).matches("a" * LENGTH_MAX)
    with pytest.raises(InvalidParameter, match="characters"):
        read_filter("a" * (LENGTH_MAX + 1))


@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    """Whatever somebody types is read or refused, and what is read can be asked of anything."""
    try:
        read = read_filter(text)
    except InvalidParameter:
        return
    read.matches(OBJECT)
    assert read_filter(write_filter(read)) == read


def words() -> st.SearchStrategy[str]:
    return st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)


def is_number(text: str) -> bool:
    return re.fullmatch(r"-?(\d+\.?\d*|\.\d+)([eE]-?\d+)?", text) is not None


NUMBERS = st.sampled_from(["0", "32", "-1.5", "1e9", ".5", "2e-3"])
LEAVES: st.SearchStrategy[Node] = st.one_of(
    words().map(Text),
    NUMBERS.map(Number),
    st.sampled_from(["a*", "*b", "a*b*c", "**"]).map(Glob),
    st.builds(Compare, st.sampled_from([">", ">=", "<", "<="]), NUMBERS),
    words().map(Present),
    st.builds(Regex, st.builds(Pattern, st.sampled_from(["a/b", "a\\/b", "[/]x", "^a|b$"]), st.booleans())),
)
NODES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(Not),
        st.builds(Member, words(), inner),
        st.lists(inner, min_size=2, max_size=3).map(tuple).map(All),
        st.lists(inner, min_size=2, max_size=3).map(tuple).map(AnyOf),
    ),
    max_leaves=8,
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-40, 40), words()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["a", "type", "n"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(NODES, VALUES)
def test_round_trip(node: Node, value: Any) -> None:
    """What is written is read as the same filter, which says the same of whatever it is asked of."""
    again = read_filter(write_filter(node))
    assert write_filter(again) == write_filter(node)
    assert again.matches(value) == node.matches(value)


@given(NODES, VALUES)
def test_not(node: Node, value: Any) -> None:
    assert Not(node).matches(value) is not node.matches(value)
    assert EVERYTHING.matches(value)


@given(NODES, st.sampled_from(["VM", "VDI", "host"]), VALUES)
def test_possible(node: Node, kind: str, value: Any) -> None:
    """An object of a type that is left out is one that the filter is false of."""
    told = {**value, "type": kind} if isinstance(value, dict) else {"a": value, "type": kind}
    for each in (node, All((Member("type", Text("VM")), node)), AnyOf((Not(Member("type", Text("VM"))), node))):
        assert kind in possible(each, "type", ["VM", "VDI", "host"]) or not each.matches(told)


def test_possible_leaves_out() -> None:
    kinds = ["VM", "VDI", "host"]
    assert possible(read_filter("type:VM power_state:running"), "type", kinds) == ["VM"]
    assert possible(read_filter("|(type:host type:/^VDI$/)"), "type", kinds) == ["VDI", "host"]
    assert possible(read_filter("!type:host a"), "type", kinds) == ["VM", "VDI"]
    assert possible(read_filter("VM"), "type", kinds) == kinds


# ------------------------------------------------------------------ regular expressions

PIECES = st.sampled_from(
    ["a", "b", ".", "[ab]", "[^a]", "\\d", "\\w", "\\S", "(?:ab)", "(a|b)", "(a|)", "^", "$", "\\."]
)
EXPRESSIONS = st.recursive(
    PIECES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.builds("({}){}".format, inner, st.sampled_from(["*", "+", "?", "*?", "{2}", "{1,}", "{0,2}", "{0}"])),
        st.builds("(?:{}|{})".format, inner, inner),
    ),
    max_leaves=6,
)


@given(EXPRESSIONS, st.text("abAB.1 ", max_size=12), st.booleans())
@example("b([^a])+", "BA", True)
def test_as_pythons(expression: str, text: str, any_case: bool) -> None:
    """Of what both know, ours finds what Python's finds."""
    # Python's $ is also before a last line feed, of which there is none here.
    known = re.search(expression, text, re.ASCII | (re.IGNORECASE if any_case else 0)) is not None
    assert Pattern(expression, any_case).search(text) is known


@given(st.text("ab()[]{}*+?|^$\\,0-9dw:", max_size=20))
def test_any_expression(text: str) -> None:
    try:
        Pattern(text).search("ab")
    except PatternError:
        pass


def test_never_slow() -> None:
    """What others take years for takes as many steps as there are characters."""
    assert not Pattern("^(a+)+$").search("a" * 20_000 + "b")
    assert not Pattern("(a|a)*(a|a)*(a|a)*b").search("a" * 20_000)
    assert Pattern("x.*y.*z").search("x" + "." * 20_000 + "yz")
    for expression in (
        "((a{50}){50})",
        "a{2001}",
        "(" * 41 + "a" + ")" * 41,
        "a{9999}{9999}",
        "(((a{99}){99}){99}){99}",
    ):
        with pytest.raises(PatternError):
            Pattern(expression)
    assert Pattern(f"a{{{STATES_MAX // 5}}}").search("a" * 1_000)


def test_no_end_of_work() -> None:
    """One that finds itself somewhere new with each character is stopped, however many texts there are."""
    asked = read_filter("/(a|b)*a(a|b){200}c/")
    drawn = random.Random(1)
    with pytest.raises(InvalidParameter, match="too much to do"):
        for _ in range(10_000):
            asked.matches("".join(drawn.choices("ab", k=2_000)))
