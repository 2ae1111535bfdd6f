"""What came of a sample: kept in a file after each edit, so that a run goes on where it was ended; and as a table."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mutation.judge import Verdict
from mutation.sample import PACKAGES
from mutation.selection import GROUPS


@dataclass
class Report:
    """
    :ivar verdicts: by the keys of their edits, in the order in which they came.
    """

    seed: int
    sample: int
    verdicts: dict[str, Verdict]

    def write(self, path: Path) -> None:
        """At once or not at all."""
        told = {"seed": self.seed, "sample": self.sample, "verdicts": [asdict(each) for each in self.verdicts.values()]}
        new = path.with_name(f"{path.name}.new")
        new.write_text(json.dumps(told, indent=1) + "\n")
        os.replace(new, path)

    @classmethod
    def read(cls, path: Path) -> Report:
        """:raises ValueError: it is no such file."""
        try:
            told = json.loads(path.read_text())
            verdicts = [Verdict(**each) for each in told["verdicts"]]
            return cls(told["seed"], told["sample"], {each.key: each for each in verdicts})
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path} is no report of bin/mutate") from error


def package_of(file: str) -> str:
    return next((package for package in PACKAGES if file.startswith(f"{package}/")), file.partition("/")[0])


def table(verdicts: Sequence[Verdict]) -> str:
    """As Markdown: a row for each package, and one for all."""
    packages: dict[str, list[Verdict]] = {package: [] for package in PACKAGES}
    for verdict in verdicts:
        packages.setdefault(package_of(verdict.file), []).append(verdict)
    rows = [f"| package | edits | {' | '.join(f'killed by {group}' for group in GROUPS)} | equivalent | survivors |"]
    rows.append("|---|" + "---|" * (len(GROUPS) + 3))
    for name, found in [*packages.items(), ("all", list(verdicts))]:
        if found:
            rows.append(f"| {name} | {' | '.join(str(count) for count in _counts(found))} |")
    counted = [each for each in verdicts if each.fate != "equivalent"]
    left = [each for each in counted if each.fate != "killed"]
    share = f"{100 * len(left) / len(counted):.1f} %" if counted else "none"
    return "\n".join([*rows, "", f"{len(left)} of {len(counted)} that are not equivalent survive: {share}"])


def _counts(verdicts: Sequence[Verdict]) -> list[int]:
    killed = [sum(each.fate == "killed" and each.group == group for each in verdicts) for group in GROUPS]
    equivalent = sum(each.fate == "equivalent" for each in verdicts)
    return [len(verdicts), *killed, equivalent, len(verdicts) - sum(killed) - equivalent]


def tell(verdict: Verdict) -> str:
    """A line, and of one that survived its difference."""
    place = f"{verdict.file}:{verdict.line} {verdict.kind}"
    if verdict.fate == "killed":
        return f"{place}: killed by {verdict.by} in {verdict.seconds:.0f} s"
    why = {"unseen": "no test runs it", "survived": f"SURVIVED {verdict.tests} tests"}.get(
        verdict.fate, verdict.problem
    )
    return f"{place}: {why} in {verdict.seconds:.0f} s\n{verdict.diff}"
