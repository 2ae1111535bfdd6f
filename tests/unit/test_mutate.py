"""``bin/mutate``: what it edits, whom it asks, and that it believes neither too much nor too little."""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mutation import judge as judging
from mutation.copies import ROOT, Copy
from mutation.equivalents import EQUIVALENTS, Equivalent, unfit
from mutation.judge import Verdict, falsely_blamed, judge
from mutation.report import Report, table
from mutation.sample import PACKAGES, draw
from mutation.selection import Record, Witness, in_order, users_of
from mutation.sites import KINDS, Site, find_sites
from mutation.sql import sql_edits

SOURCE = '''
def allowed(session: Session, first: int, second: int) -> bool:
    """Whether."""
    if first is None:
        raise Missing("first")
    if first < second and second != 3:
        check_both(first)
        render_vm(session, first)
    lock_vm(session, first)
    log.info("asked", number=second)
    session.delete(second)
    return [each for each in (first, second) if not each] == []
'''
EDITS = {
    ("comparison", "    if first is not None:"),
    ("check", "        pass"),
    ("condition", "    if True and second != 3:"),
    ("condition", "    if first < second and True:"),
    ("condition", "    if False:"),
    ("condition", "    if True:"),
    ("boundary", "    if first <= second and second != 3:"),
    ("comparison", "    if first < second and second == 3:"),
    ("render", "        pass"),
    ("lock", "    pass"),
    ("call", "    pass"),
    ("variable", "    lock_vm(session, second)"),
    ("variable", "    session.delete(first)"),
    ("comparison", "    return [each for each in (first, second) if each] == []"),
    ("condition", "    return [each for each in (first, second) if True] == []"),
    ("return", "    return not ([each for each in (first, second) if not each] == [])"),
}


def test_edits_of_python() -> None:
    """Each kind of edit is found, and nothing that only the log tells of."""
    sites = find_sites("cm/x.py", SOURCE.encode())
    found = {(site.kind, site.diff.split("\n+", 1)[-1]) for site in sites}
    assert EDITS <= found
    assert not [site for site in sites if "log.info" in site.diff and "pass" in site.new]
    assert {site.kind for site in sites} == set(KINDS) - {"sql condition"}


@pytest.mark.parametrize(
    ("literal", "edited"),
    [
        ('"SELECT 1 FROM vm WHERE id = :id FOR UPDATE"', {'"SELECT 1 FROM vm WHERE id = :id"'}),
        ('" WHERE a = 1 AND b = 2 ORDER BY a"', {'" WHERE a = 1 ORDER BY a"'}),
        ('"WHERE a AND (b OR c AND d) AND {e}"', {'"WHERE a AND {e}"', '"WHERE a AND (b OR c) AND {e}"',
                                                  '"WHERE a AND (b OR c AND d)"'}),
        ('"WHERE a BETWEEN 1 AND 2 AND b"', {'"WHERE a BETWEEN 1 AND 2"'}),
        ('"SELECT x AND y AS z FROM t WHERE {w}"', {'"SELECT x AS z FROM t WHERE {w}"'}),
        ('"CASE WHEN a AND b THEN c END WHERE d"', {'"CASE WHEN a THEN c END WHERE d"'}),
        ('"WHERE used < size"', {'"WHERE used <= size"'}),
        ('"WHERE a = 1 AND (b OR"\n    " c)"', set()),
        ('"an answer AND no statement"', {'"an answer"'}),
        ('"never edited, not even and"', set()),
        ('"WHERE x AND deadline < now()"', {'"WHERE x"'}),
    ],
)  # fmt: skip
def test_edits_of_sql(literal: str, edited: set[str]) -> None:
    """A condition ends where its bracket, clause or literal does; two halves of one are left alone."""
    found = {literal[: edit.start] + edit.new + literal[edit.end :] for edit in sql_edits(literal)}
    assert found == edited


def test_every_edit_is_one_and_compiles() -> None:
    """What is drawn of our own sources differs from them in one place, and is Python."""
    drawn = draw(ROOT, 5, 60, PACKAGES)
    assert len({site.key for site in drawn}) == len(drawn) == 60
    assert {package for package in PACKAGES for site in drawn if site.file.startswith(package)} == set(PACKAGES)
    for site in drawn:
        source = (ROOT / site.file).read_bytes()
        edited = site.applied(source)
        ast.parse(edited)
        rest = len(source) - site.end
        assert edited[: site.start] == source[: site.start] and edited[len(edited) - rest :] == source[site.end :]
        assert edited != source
        assert site.diff.startswith("-")


def test_same_seed_same_sample(tmp_path: Path) -> None:
    """Also where other lines come before: an edit is known by what it does, not by where it stands."""
    (tmp_path / "cm").mkdir()
    place = tmp_path / "cm/x.py"
    place.write_text(SOURCE)
    before = draw(tmp_path, 7, 9, ["cm"])
    assert before == draw(tmp_path, 7, 9, ["cm"])
    assert [site.key for site in before] != [site.key for site in draw(tmp_path, 8, 9, ["cm"])]
    place.write_text("import os\n\n\n" + SOURCE)
    assert [site.key for site in before] == [site.key for site in draw(tmp_path, 7, 9, ["cm"])]


def test_equivalents_fit() -> None:
    """Each edit that is argued away can be made in the tree of now, and has a reason."""
    assert unfit(ROOT) == []
    assert all(len(each.reason) > 20 for each in EQUIVALENTS)
    wrong = Equivalent("cm/rules/vm.py", "no such line", "pass", "none")
    assert unfit(ROOT, [wrong]) == [wrong]


# ------------------------------------------------------------------ on a small tree


SMALL = """QUERY = "SELECT 1 WHERE a AND b"


def is_more(count: int) -> bool:
    return count > 3


def half(number: int) -> int:
    if number < 0:
        raise ValueError("less than nothing")
    while number % 2:
        number = step(number)
    return number // 2


def step(number: int) -> int:
    return number + 1 if number > 0 else number


def ask() -> str:
    return QUERY
"""
TESTS = """import pytest
from cm.small import ask, half, is_more

def test_is_more():
    assert is_more(9) and not is_more(1)

def test_half():
    assert half(3) == 2

def test_negative():
    with pytest.raises(ValueError):
        half(-2)

def test_ask():
    assert ask().endswith("b")

def test_broken():
    assert is_more(0)
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with one module, its tests, and the tool."""
    root = tmp_path_factory.mktemp("small") / "tree"
    for name in ("cm", "tests/unit"):
        (root / name).mkdir(parents=True)
    (root / "cm/__init__.py").touch()
    (root / "cm/small.py").write_text(SMALL)
    (root / "tests/unit/test_small.py").write_text(TESTS)
    (root / "pyproject.toml").write_text('[tool.pytest.ini_options]\npythonpath = [".", "tests"]\n')
    (root / ".gitignore").write_text(".state\n__pycache__\n")
    for name in ("tests/mutation", "bin/lab"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    return root


@pytest.fixture(scope="module")
def copy(small: Path) -> Iterator[Copy]:
    made = Copy(small, None)
    yield made
    made.close()


@pytest.fixture(scope="module")
def record(small: Path, copy: Copy) -> Record:
    made = Record(small.parent / "state")
    assert made.old(small, ["unit"]) == ["tests/unit/test_small.py"]
    made.renew(copy, ["tests/unit/test_small.py"], lambda line: None)
    return made


def _site(root: Path, new: str, line: str) -> Site:
    source = (root / "cm/small.py").read_bytes()
    found = [site for site in find_sites("cm/small.py", source) if site.new == new and line in site.diff]
    assert len(found) == 1
    return found[0]


def test_witnesses(small: Path, record: Record) -> None:
    """Whoever runs a line says something of it; whoever fails without an edit says nothing of anything."""
    assert record.old(small, ["unit"]) == []
    again = Record(small.parent / "state")
    for known in (record, again):
        names = {each.name for each in known.witnesses_of(small, _site(small, ">=", "count > 3"))}
        assert names == {"tests/unit/test_small.py::test_is_more"}
        names = {each.name for each in known.witnesses_of(small, _site(small, "", "SELECT"))}
        assert names == {"tests/unit/test_small.py::test_ask"}


def test_lines_that_have_moved(small: Path, record: Record) -> None:
    """A record of before still finds the line, after an edit of the tree above it."""
    place = small / "cm/small.py"
    place.write_text("import os\n\nHERE = os.curdir\n" + SMALL)
    try:
        site = _site(small, ">=", "count > 3")
        assert site.line == 8
        assert [each.name for each in record.witnesses_of(small, site)] == ["tests/unit/test_small.py::test_is_more"]
    finally:
        place.write_text(SMALL)


def test_killed_and_survived(small: Path, copy: Copy, record: Record) -> None:
    """A known edit is killed by the test that sees it, another one survives, and the tree is as it was afterwards."""
    killed = judge(copy, record, _site(small, "pass", "raise ValueError"), ["unit"])
    assert (killed.fate, killed.by, killed.group) == ("killed", "tests/unit/test_small.py::test_negative", "unit")
    assert judge(copy, record, _site(small, ">=", "count > 3"), ["unit"]).fate == "survived"
    assert (small / "cm/small.py").read_text() == SMALL
    assert list(falsely_blamed(copy, record, [killed])) == []


def test_hang_is_seen(small: Path, copy: Copy, record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edit whose test never ends is killed, and so is the test."""
    site = _site(small, "False", "+    return number + 1 if False")
    monkeypatch.setattr(judging, "PATIENCE_S", 2.0)
    found = judge(copy, record, site, ["unit"])
    assert (found.fate, found.by) == ("killed", "tests/unit/test_small.py::test_half")
    monkeypatch.setattr(judging, "PATIENCE_S", 99.0)
    monkeypatch.setattr(judging, "STARTS_S", 4.0)
    found = judge(copy, record, site, ["unit"])
    assert (found.fate, found.by) == ("killed", "deadline")


def test_control(copy: Copy, record: Record) -> None:
    """A test that fails without any edit is told: what it is said to have killed counts for nothing."""
    broken = "tests/unit/test_small.py::test_broken"
    record.witnesses[broken] = Witness(broken, 0.1)
    try:
        verdict = Verdict("k", "cm/small.py", 1, "call", "-a", "killed", "unit", broken, "", 1, 1.0)
        assert list(falsely_blamed(copy, record, [verdict])) == [broken]
    finally:
        del record.witnesses[broken]


def test_command(small: Path, tmp_path: Path) -> None:
    """
    From the command line: it records, judges, tells; after Ctrl-C nothing is left of it, neither process nor file; and
    it goes on with what is left.
    """
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": f"{small / 'tests'}:{small / 'bin'}"}
    kept = small.parent / "report.json"
    command = [sys.executable, "-m", "mutation", "--groups", "unit", "--only", "cm/small.py", "--kind", "boundary"]
    with subprocess.Popen(
        [*command, "--json", str(kept)], cwd=small, env=environment, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        line = next(line for line in running.stderr if "1 of 3" in line)
        running.send_signal(signal.SIGINT)
        running.stderr.read()
    assert running.returncode == 130, line
    assert list(tmp_path.iterdir()) == []
    assert len(json.loads(kept.read_text())["verdicts"]) < 3
    done = subprocess.run(
        [*command, "--resume", str(kept)], cwd=small, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1, done.stderr
    assert "3 of 3 that are not equivalent survive" in done.stdout
    assert "1 of 3" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--groups", "unit,nonsense"], "no such group: nonsense"),
        (["--only", "cm/nonsense.py:3"], "FILE or FILE:LINE"),
        (["--package", "cm/nonsense"], "no such folder"),
        (["--again"], "--again needs --resume"),
        (["--resume", "pyproject.toml"], "Expecting value"),
        (["--sample", "0"], "more than nothing"),
    ],
)
def test_wrong_use(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    from mutation.__main__ import main

    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


# ------------------------------------------------------------------ parts


def test_order_of_tests() -> None:
    """The quick ones of every module first, none torn apart more than once, and not more than there is time for."""
    slow = [Witness(f"tests/postgres/test_a.py::test_{n}", 5.0) for n in range(6)]
    quick = [Witness(f"tests/postgres/test_b.py::test_{n}", 1.0 + n / 10) for n in range(6)]
    chosen = in_order([*slow, *quick], 1000)
    assert [each.module[-4] for each in chosen] == list("bbbb" + "aaaa" + "bb" + "aa")
    assert sum(each.seconds for each in in_order([*slow, *quick], 9.0)) <= 9.0
    about = in_order([*slow, *quick], 1000, "a.")
    assert [each.module[-4] for each in about] == list("aaaaaa" + "bbbb" + "bb")
    assert in_order([Witness("tests/postgres/test_c.py::test_long", 500.0)], 9.0) != []


def test_users_of_a_constant(tmp_path: Path) -> None:
    """By way of other constants and other modules, but not by a private name of another module."""
    for name, text in {
        "a": '_ONE = "SELECT 1 WHERE a AND b"\nTWO = f"{_ONE} LIMIT 1"\n\ndef use():\n    return _ONE\n',
        "b": "from cm.a import TWO\n_ONE = 3\n\ndef both():\n    run(_ONE)\n    run(TWO)\n",
    }.items():
        (tmp_path / "cm").mkdir(exist_ok=True)
        (tmp_path / f"cm/{name}.py").write_text(text)
    site = next(site for site in find_sites("cm/a.py", (tmp_path / "cm/a.py").read_bytes()) if "condition" in site.kind)
    lines = {(file, line) for file, lines in users_of(tmp_path, site) for line in lines}
    assert {("cm/a.py", 5), ("cm/b.py", 6)} <= lines
    assert ("cm/b.py", 5) not in lines


def test_report(tmp_path: Path) -> None:
    """What is written is read again; the table counts each edit once, and no equivalent as a survivor."""
    made = {
        key: Verdict(key, f"cm/rules/{key}.py", 1, "call", "-a\n+b", fate, group, "", "", 1, 1.0)  # type: ignore[arg-type]
        for key, fate, group in [("a", "killed", "unit"), ("b", "survived", ""), ("c", "equivalent", "")]
    }
    Report(3, 9, made).write(tmp_path / "report")
    again = Report.read(tmp_path / "report")
    assert (again.seed, again.sample, again.verdicts) == (3, 9, made)
    assert "| cm/rules | 3 | 1 | 0 | 0 | 0 | 1 | 1 |" in table(list(made.values()))
    assert "1 of 2 that are not equivalent survive: 50.0 %" in table(list(made.values()))
