"""One edit after the other in a copy of the tree: which test fails for it, or none."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from mutation.copies import Copy, Run
from mutation.recorder import HUNG, HUNG_SUFFIX
from mutation.selection import Record, Witness, in_order
from mutation.sites import Site

Fate = Literal["killed", "survived", "unseen", "equivalent"]
# By the record, for one edit; whoever has no time asks for less (--most).
MOST_S: Final = {"unit": 60.0, "postgres": 90.0, "interleaving": 120.0, "simulation": 180.0}
STARTS_S: Final = 60.0  # a busy machine
PATIENCE_S: Final = 15.0  # for one test
SLOWER: Final = 4.0  # than when it was recorded
_FAILED: Final = re.compile(r"^(?:FAILED|ERROR) (\S+?\.py(?:::.*?)?)(?: - (.*))?$", re.MULTILINE)


@dataclass(frozen=True)
class Verdict:
    """
    What became of one edit.

    :ivar fate: ``unseen``: no test that we know of runs anything of the file; ``equivalent``: argued, and not run.
    :ivar group: of the test that failed.
    :ivar by: that test; or "import", where the edit leaves a program that cannot be read.
    :ivar problem: its first line.
    :ivar tests: how many were chosen.
    """

    key: str
    file: str
    line: int
    kind: str
    diff: str
    fate: Fate
    group: str
    by: str
    problem: str
    tests: int
    seconds: float


def judge(copy: Copy, record: Record, site: Site, groups: Sequence[str], share: float = 1.0) -> Verdict:
    """
    Run the tests that run the place, the quickest first, until one fails. One that hangs has failed.

    :param groups: in their order.
    :param share: of the seconds that an edit gets (``MOST_S``).
    """
    began = time.monotonic()
    source = (copy.root / site.file).read_bytes()
    witnesses = record.witnesses_of(copy.root, site) or record.neighbours_of(site)
    noun = Path(site.file).stem
    chosen = {
        group: in_order([each for each in witnesses if each.group == group], MOST_S[group] * share, noun)
        for group in groups
    }
    count = sum(map(len, chosen.values()))

    def verdict(fate: Fate, group: str = "", by: str = "", problem: str = "") -> Verdict:
        seconds = round(time.monotonic() - began, 1)
        return Verdict(
            site.key, site.file, site.line, site.kind, site.diff, fate, group, by, problem[:200], count, seconds
        )

    with copy.edited(site.file, site.applied(source)):
        for group, tests in chosen.items():
            if tests:
                run = run_tests(copy, tests)
                if run.status not in (0, 5):
                    return verdict("killed", group, *_blame(run))
    return verdict("survived" if count else "unseen")


def run_tests(copy: Copy, tests: Sequence[Witness]) -> Run:
    """Up to the first that fails."""
    modules = list(dict.fromkeys(each.module for each in tests if (copy.root / each.module).exists()))
    names = copy.root.parent / "tests.txt"
    names.write_text("".join(f"{PATIENCE_S + SLOWER * each.seconds:.1f} {each.name}\n" for each in tests))
    deadline_s = STARTS_S + SLOWER * sum(each.seconds for each in tests)
    run = copy.pytest(["-x", *modules], deadline_s, {"WAWEL_MUTATE_TESTS": str(names)})
    if run.status == HUNG:
        return Run(HUNG, f"FAILED {names.with_suffix(HUNG_SUFFIX).read_text()} - it hangs\n")
    return run


def _blame(run: Run) -> tuple[str, str]:
    """The test that failed, and why."""
    if run.status is None:
        return "deadline", "the tests did not end in the time that they had"
    found = _FAILED.search(run.output)
    if found is None:
        last = run.output.strip().splitlines()
        return ("import" if run.status in (2, 4) else f"status {run.status}"), last[-1] if last else ""
    return ("import" if "::" not in found[1] else found[1]), found[2] or ""


def falsely_blamed(copy: Copy, record: Record, verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Tests that killed an edit and fail in the tree without one, too: such a verdict says nothing."""
    blamed = {verdict.by for verdict in verdicts if verdict.by in record.witnesses}
    for group in MOST_S:
        tests = in_order([record.witnesses[name] for name in blamed if record.witnesses[name].group == group], 1e9)
        while tests:
            run = run_tests(copy, tests)
            if run.status in (0, 5):
                break
            by, _ = _blame(run)
            yield by
            rest = [each for each in tests if each.name != by]
            if len(rest) == len(tests):
                break
            tests = rest
