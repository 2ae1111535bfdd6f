"""
Which tests say something of a line: those that ran it when they were last recorded. The record is kept below
``.state``, with the sources of then, so that a line which has moved since is still found.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from mutation.copies import ROOT, Copy
from mutation.sites import Site

GROUPS: Final = ("unit", "postgres", "interleaving", "simulation")
PACKAGES: Final = ("cm", "clm", "contextualization")
DEADLINE_S: Final = 7200.0
# They hold pages and sources together, not what a program does; or take the release before out of git's history.
NO_WITNESSES: Final = ("tests/unit/test_docs.py", "tests/unit/test_manual.py", "tests/unit/test_imports.py")
FIRST_OF_A_MODULE: Final = 4


@dataclass(frozen=True)
class Witness:
    """A test. :ivar seconds: that it took when it was recorded."""

    name: str
    seconds: float

    @property
    def module(self) -> str:
        return self.name.partition("::")[0]

    @property
    def group(self) -> str:
        return self.name.split("/")[1]


class Record:
    """:param place: a directory; what is not there is empty."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._lines: dict[str, dict[str, int]] = defaultdict(dict)
        self.witnesses: dict[str, Witness] = {}
        self._modules: dict[str, str] = {}
        for path in sorted(place.glob("*.jsonl")):
            for line in path.read_text().splitlines():
                self._add(json.loads(line))
        if (place / "modules.json").exists():
            self._modules = json.loads((place / "modules.json").read_text())

    def _add(self, told: dict[str, object]) -> None:
        name, lines = told["test"], told["lines"]
        assert isinstance(name, str) and isinstance(lines, dict)
        self.witnesses[name] = Witness(name, float(str(told["seconds"])))
        for file, bits in lines.items():
            self._lines[file][name] = int(bits, 16)

    def old(self, root: Path, groups: Sequence[str]) -> list[str]:
        """Modules of tests that were never recorded, or have changed since."""
        modules = [path for group in groups for path in sorted((root / "tests" / group).rglob("test_*.py"))]
        names = [str(path.relative_to(root)) for path in modules]
        return [name for name in names if self._modules.get(name) != _digest(root / name) and name not in NO_WITNESSES]

    def renew(self, copy: Copy, modules: Sequence[str], progress: Callable[[str], None]) -> None:
        """Record some modules of tests anew, as they are in a copy, and keep that."""
        self._place.mkdir(parents=True, exist_ok=True)
        for group in GROUPS:
            chosen = [name for name in modules if name.startswith(f"tests/{group}/")]
            if not chosen:
                continue
            progress(f"recording what {len(chosen)} module(s) of tests/{group} run")
            target = self._place / f"{group}-{_digest_of(chosen)}.jsonl"
            target.unlink(missing_ok=True)
            done = copy.pytest(chosen, DEADLINE_S, {"WAWEL_MUTATE_MAP": str(target)})
            for name in chosen:
                self._forget(name)
            for line in target.read_text().splitlines():
                self._add(json.loads(line))
            if done.status != 0:
                progress("these fail without an edit, so they are no witnesses:\n" + done.short())
            self._modules.update({name: _digest(copy.root / name) for name in chosen})
            self._keep(copy.root)

    def _forget(self, module: str) -> None:
        gone = {name for name in self.witnesses if name.partition("::")[0] == module}
        for name in gone:
            del self.witnesses[name]
        for lines in self._lines.values():
            for name in gone & lines.keys():
                del lines[name]

    def _keep(self, root: Path) -> None:
        """One file, and the sources that its lines are of. Lines of earlier recordings move along."""
        aligned: dict[str, dict[str, str]] = defaultdict(dict)
        for file in list(self._lines):
            if (root / file).exists():
                moved = self._moves(root, file)
                for name, bits in self._lines[file].items():
                    aligned[name][file] = format(_moved(bits, moved) if moved else bits, "x")
        for path in self._place.glob("*.jsonl"):
            path.unlink()
        with (self._place / "lines.jsonl").open("w") as target:
            for name, witness in sorted(self.witnesses.items()):
                target.write(json.dumps({"test": name, "seconds": witness.seconds, "lines": aligned[name]}) + "\n")
        shutil.rmtree(self._place / "sources", ignore_errors=True)
        for package in PACKAGES:
            for path in (root / package).rglob("*.py"):
                kept = self._place / "sources" / path.relative_to(root)
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, kept)
        (self._place / "modules.json").write_text(json.dumps(self._modules))

    def _moves(self, root: Path, file: str) -> dict[int, int]:
        """Lines of the recorded source by those of a tree; empty where nothing has moved."""
        kept = self._place / "sources" / file
        if not kept.exists() or kept.read_bytes() == (root / file).read_bytes():
            return {}
        return _moves(kept.read_text(), (root / file).read_text())

    def witnesses_of(self, root: Path, site: Site) -> list[Witness]:
        """Tests that run the lines of a site, or the functions that use what it makes; the quickest first."""
        places = [(site.file, range(site.lines[0], site.lines[1] + 1))]
        if not site.inside:
            places = users_of(root, site)
        found: set[str] = set()
        for file, lines in places:
            moves = {now: then for then, now in self._moves(root, file).items()}
            bits = sum(1 << then for line in lines if (then := moves.get(line, 0) if moves else line))
            found |= {name for name, run in self._lines.get(file, {}).items() if run & bits}
        return [each for each in map(self.witnesses.get, found) if each is not None and each.module not in NO_WITNESSES]

    def neighbours_of(self, site: Site) -> list[Witness]:
        """Tests that run anything of the site's file: where none runs the line itself."""
        found = map(self.witnesses.get, self._lines.get(site.file, {}))
        return [each for each in found if each is not None and each.module not in NO_WITNESSES]


def in_order(witnesses: Iterable[Witness], most_s: float, noun: str = "") -> list[Witness]:
    """
    The quickest of each module first, then the others, while they take no longer than ``most_s`` by the record. Tests
    of a module stay together: they may share what takes long to make.

    :param noun: modules that have it in their name come before all others, whole: they are about it.
    """
    modules: dict[str, list[Witness]] = defaultdict(list)
    for witness in sorted(witnesses, key=lambda each: (each.seconds, each.name)):
        modules[witness.module].append(witness)
    by_speed = sorted(modules.values(), key=lambda each: (each[0].seconds, each[0].name))
    about = [each for module in by_speed if noun and noun in module[0].module for each in module]
    first = [each for module in by_speed for each in module[:FIRST_OF_A_MODULE]]
    rest = [each for module in by_speed for each in module[FIRST_OF_A_MODULE:]]
    chosen: list[Witness] = []
    seconds = 0.0
    for witness in dict.fromkeys([*about, *first, *rest]):
        if chosen and seconds + witness.seconds > most_s:
            continue
        chosen.append(witness)
        seconds += witness.seconds
    return chosen


@dataclass(frozen=True)
class _Use:
    """:ivar makes: what the statement around gives a name to, at the top of a module; empty within a function."""

    file: str
    line: int
    makes: frozenset[str]


@cache
def _uses(root: Path) -> dict[str, list[_Use]]:
    """Where names are used, in all modules of ours."""
    found: dict[str, list[_Use]] = defaultdict(list)
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            file = str(path.relative_to(root))
            for statement in ast.parse(path.read_bytes()).body:
                makes = frozenset(_made_by(statement))
                for node in ast.walk(statement):
                    if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
                        name = node.id if isinstance(node, ast.Name) else node.attr
                        found[name].append(_Use(file, node.lineno, makes))
    return found


def _made_by(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.Assign):
        return [node.id for target in statement.targets for node in ast.walk(target) if isinstance(node, ast.Name)]
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return [statement.target.id]
    return []


def users_of(root: Path, site: Site) -> list[tuple[str, range]]:
    """The lines that use what a statement at the top of a module or a class makes, be it by way of other such names."""
    found: list[tuple[str, range]] = []
    for statement in ast.parse((root / site.file).read_bytes()).body:
        if not statement.lineno <= site.line <= (statement.end_lineno or statement.lineno):
            continue
        if isinstance(statement, ast.ClassDef):
            found.append((site.file, range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)))
        asked, known = [(site.file, name) for name in _made_by(statement)], set()
        while asked:
            file, name = asked.pop()
            if (file, name) in known:
                continue
            known.add((file, name))
            for use in _uses(root).get(name, ()):
                if use.file == file or not name.startswith("_"):
                    found.append((use.file, range(use.line, use.line + 1)))
                    asked += [(use.file, made) for made in use.makes]
    return found


def _moves(before: str, after: str) -> dict[int, int]:
    matcher = difflib.SequenceMatcher(None, before.splitlines(), after.splitlines(), autojunk=False)
    return {
        block.a + number + 1: block.b + number + 1
        for block in matcher.get_matching_blocks()
        for number in range(block.size)
    }


def _moved(bits: int, moves: dict[int, int]) -> int:
    return sum(1 << now for then, now in moves.items() if bits >> then & 1)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _digest_of(names: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(names).encode()).hexdigest()[:12]


def default_place() -> Path:
    return ROOT / ".state" / "mutate"
