"""What is printed: units, columns, and nothing that a terminal would obey."""

from __future__ import annotations

import ast
import json
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from clm.console import output, units
from clm.console.columns import NOUNS, columns
from clm.console.context import Console, Options

from .conftest import Wawel
from .wire import Wire

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@pytest.mark.parametrize(
    ("count", "power", "told"),
    [(0, 0, "0 B"), (1023, 0, "1023 B"), (1024, 0, "1 KiB"), (1536, 0, "1.5 KiB"), (2**30 - 1, 0, "1 GiB"),
     (256, 2, "256 MiB"), (2048, 2, "2 GiB"), (-2048, 2, "-2 GiB"), (2**70, 0, "1024 EiB")],
)  # fmt: skip
def test_size(count: int, power: int, told: str) -> None:
    assert units.size(count, power) == told


@given(st.integers(0, 2**63))
def test_size_is_near(count: int) -> None:
    """What is shown is within 6 % of what it is, and has at most four digits."""
    number, unit = units.size(count).split()
    assert len(number) <= 4
    shown = float(number) * 1024 ** ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB").index(unit)
    assert abs(shown - count) <= 0.06 * count


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "0 s"), (59, "59 s"), (61, "1 min"), (7200, "2 h"), (86_400 * 12, "12 d"), (-5, "0 s")]
)
def test_age(seconds: int, told: str) -> None:
    """Ages count from a time of the wire; the future, of a clock that is ahead, is now."""
    at = (NOW - timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
    assert units.age(at, NOW) == told


@given(st.text())
def test_times_that_are_none(text: str) -> None:
    """What is no time stays what it is."""
    if units.moment(text) is None:
        assert units.when(text) == units.age(text) == text


@given(VALUES, st.sampled_from(["", "vm", "node", "operation", "user", "cluster", "placement"]))
def test_any_answer_is_printed(result: Any, noun: str) -> None:
    """Whatever a server answers, it is printed, and holds nothing that a terminal would obey."""
    for form in output.FORMATS:
        with redirect_stdout(StringIO()) as written:
            output.emit(Console(Options(url="http://localhost", output=form)), result, noun)
        if form == "table":
            assert all(c in "\n\t" or c.isprintable() for c in written.getvalue())


@given(st.lists(st.lists(st.text(max_size=8), min_size=3, max_size=3), min_size=1, max_size=6))
@example([["", "", "\u1b6b"]])
def test_aligned(rows: list[list[str]]) -> None:
    """Every column begins at one place on all lines."""
    texts = [[output.cell(text) for text in row] for row in rows]
    lines = output.aligned(texts)
    for number in range(3):
        starts = {output.width(line) >= 0 for line in lines}
        assert starts == {True}
        widths = [max(output.width(row[column]) for row in texts) for column in range(number)]
        begin = sum(widths) + 2 * number
        for row, line in zip(texts, lines, strict=True):
            shown = _shown(row[number]).rstrip()
            if shown.strip():
                assert _from(line, begin).startswith(shown)


def _shown(text: str) -> str:
    """Without what stands before its first character that takes a place: such marks are of the one before it."""
    place = next((place for place, each in enumerate(text) if output.width(each) > 0), len(text))
    return text[place:]


def _from(line: str, begin: int) -> str:
    """A line from a column of the terminal on."""
    for place in range(len(line) + 1):
        if output.width(line[:place]) == begin and (place == len(line) or output.width(line[place]) > 0):
            return line[place:]
    return line


def test_columns_of_a_noun() -> None:
    """Columns that no object fills are left out; what is not like its noun has columns of its own."""
    vm = {"vm_id": 1, "name": "web", "state": "running", "leases": [{"address": "10.0.0.1"}, {"address": "10.0.0.2"}]}
    made = columns("vm", [vm])
    assert [column.heading for column in made] == ["ID", "NAME", "STATE", "ADDRESS"]
    assert made[3].value(vm) == "10.0.0.1, 10.0.0.2"
    assert columns("vm", [vm], lead=True)[0].heading == "CLUSTER"
    assert [column.heading for column in columns("vm", [{"gauge": 1, "level": 2}])] == ["GAUGE", "LEVEL"]
    assert {"vm", "node", "operation", "drift", "user", "cluster"} <= set(NOUNS)


def test_locked_node() -> None:
    node = {"node_id": 1, "name": "n", "state": "ok", "locked": True, "cpu_used": 3, "cpu_total": 16}
    told = {column.heading: column.value(node) for column in columns("node", [node])}
    assert (told["STATE"], told["CPU"]) == ("ok, locked", "3/16")


def test_health_and_doubt() -> None:
    """What a node lacks and what is doubtful of a VM is told with its age; servers without that say nothing of it."""
    minutes_ago = (datetime.now(UTC) - timedelta(minutes=13, seconds=5)).isoformat()
    trouble = {"code": "agent_silent", "since": minutes_ago, "text": "Its agent has not spoken since then."}
    other = {"code": "other_host", "since": None, "text": "Its URI leads to another machine."}
    for node, told in (
        ({"state": "ok", "health": "degraded", "troubles": [other, trouble]}, "other host, agent silent 13 min"),
        ({"state": "ok", "health": "ok", "troubles": []}, "ok"),
        ({"state": "ok"}, ""),
    ):
        headed = {column.heading: column.value({"node_id": 1, **node}) for column in NOUNS["node"]}
        assert (headed["STATE"], headed["HEALTH"]) == ("ok", told)
    silent = {"reason": "node_silent", "since": minutes_ago}
    for doubt, told in ((silent, "running, doubtful 13 min"), (None, "running")):
        vm = {"vm_id": 1, "state": "running", "doubtful": doubt}
        assert {column.heading: column.value(vm) for column in NOUNS["vm"]}["STATE"] == told


HOSTILE = "x\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\r\x7f"


def test_a_servers_texts_on_a_terminal(root: Wawel, lone: Wire) -> None:
    """Whatever a server says, in lists, objects, plans, refusals and questions: controls are shown, not obeyed."""
    lone.cluster.add_vm(HOSTILE, "stopped")
    lone.cluster.nodes[1] |= {"name": HOSTILE, "state": HOSTILE, "comment": HOSTILE}
    lone.cluster.console, lone.cluster.hostile = HOSTILE, True
    for words in (["vm", "ls", "-A"], ["vm", "show", "-A", "1"], ["node", "ls"], ["node", "show", "1"],
                  ["vm", "stop", "-A", HOSTILE], ["vm", "stop", "-A", HOSTILE, "--dry-run"], ["vm", "console", "1"],
                  ["vm", "show", HOSTILE + "?"], ["call", HOSTILE], ["vm", HOSTILE], ["vm", "ls", "-A", "-o", "yaml"],
                  ["vm", "ls", "-A", "-o", "json"], ["node", "evacuate", "1", "--dry-run"]):  # fmt: skip
        done = root(*words)
        assert all(c == "\n" or c.isprintable() for c in done.out + done.told), (words, done)
    assert r"x\x1b]0;owned\x07\x1b[2J\x9b31m\u202e" in root("vm", "ls", "-A").out
    assert json.loads(root("vm", "ls", "-A", "-o", "json").out)[0]["name"] == HOSTILE
    assert yaml.safe_load(root("vm", "ls", "-A", "-o", "yaml").out)[0]["name"] == HOSTILE
    assert "\x1b" in root("vm", "console", "1", "--raw").out


def test_one_way_out() -> None:
    """What is printed passes through few functions, which see to it: no command prints by itself."""
    allowed = {"output.py", "main.py", "context.py", "root.py", "describe.py", "completion.py", "vm.py"}
    for path in Path(output.__file__).parent.rglob("*.py"):
        calls = [ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        used = {"click.echo", "click.secho", "print", "sys.stdout.write", "sys.stderr.write"} & set(calls)
        assert not used or path.name in allowed, (path, used)
