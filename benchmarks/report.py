"""Figures, what is asked of them, and the table that shows both with the conditions they were taken under."""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Literal

from lab.places import REPOSITORY, environment, find_program

LIBRARIES = ("twisted", "sqlalchemy", "psycopg2", "msgspec", "libvirt-python")


@dataclass(frozen=True)
class Target:
    """
    A bound.

    :ivar on: whether it bounds the figure itself or its ratio to the reference.
    """

    bound: float
    sense: Literal["at most", "at least"]
    on: Literal["figure", "ratio"] = "figure"
    unit: str = ""

    def __str__(self) -> str:
        return f"{'<=' if self.sense == 'at most' else '>='} {self.bound:g}{' ' + self.unit if self.unit else ''}"

    def met(self, figure: float, ratio: float | None) -> bool:
        value = figure if self.on == "figure" else ratio
        if value is None:
            return False
        return value <= self.bound if self.sense == "at most" else value >= self.bound


@dataclass(frozen=True)
class Figure:
    """
    One line of the table.

    :ivar value: in ``unit``; a median unless the name says otherwise.
    :ivar ratio: to the reference measured in the same run, where there is one.
    :ivar load: the load average of the last minute when it was taken.
    """

    benchmark: str
    name: str
    value: float
    unit: str
    target: Target | None = None
    ratio: float | None = None
    note: str = ""
    load: float = field(default_factory=lambda: os.getloadavg()[0])

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        return "met" if self.target.met(self.value, self.ratio) else "MISSED"


@dataclass(frozen=True)
class Skipped:
    """A benchmark that could not be taken here, and why."""

    benchmark: str
    reason: str


def child_environment() -> dict[str, str]:
    """For programs of ours: they find these packages whatever the working directory."""
    return environment(PYTHONPATH=f"{REPOSITORY}:{REPOSITORY}/bin", PYTHONUNBUFFERED="1")


def percentile(values: Sequence[float], part: float) -> float:
    """The smallest value that ``part`` (0-1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(part * 1_000_000) * len(ordered) // 1_000_000) - 1))]


def spread(values: Sequence[float], unit: str = "ms") -> str:
    """How far the values lie apart, for a figure's note."""
    return (
        f"n={len(values)}, {min(values):.3g}-{max(values):.3g} {unit}, "
        f"quartiles {percentile(values, 0.25):.3g} and {percentile(values, 0.75):.3g}"
    )


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def conditions() -> dict[str, str]:
    """What the figures depend on, beside the code."""
    memory_kib = int(Path("/proc/meminfo").read_text().split()[1])
    found = {
        "machine": f"{os.cpu_count()} cores ({_model()}), {memory_kib / 2**20:.0f} GiB",
        "system": f"{_system()}, kernel {platform.release()}",
        "Python": platform.python_version(),
        "libraries": ", ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES),
        "libvirtd": _words(["libvirtd", "--version"]),
        "PostgreSQL": _words(["/usr/bin/psql", "--version"]),
        "QEMU": _words(["qemu-system-x86_64", "--version"]),
        "load average": " ".join(f"{value:.1f}" for value in os.getloadavg()),
    }
    return {name: value for name, value in found.items() if value}


def _model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _system() -> str:
    return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")


def _words(argv: list[str]) -> str:
    program = find_program(argv[0])
    if program is None:
        return ""
    done = subprocess.run([program, *argv[1:]], capture_output=True, text=True, timeout=20, env=environment())
    return done.stdout.splitlines()[0].strip() if done.stdout else ""


def shown(value: float) -> str:
    return f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"


def wanted(figure: Figure) -> str:
    return "" if figure.target is None else f"{figure.target}{' of ref' if figure.target.on == 'ratio' else ''}"


def line(figure: Figure) -> str:
    ratio = "" if figure.ratio is None else f"{figure.ratio:.3f}"
    return (
        f"{figure.name:<53} {shown(figure.value):>9} {figure.unit:<4} {ratio:>7}  {wanted(figure):<14}"
        f" {figure.verdict:<6} {figure.load:>4.1f}  {figure.note}"
    ).rstrip()


HEADER = f"{'':<53} {'figure':>9} {'':<4} {'ratio':>7}  {'target':<14} {'':<6} {'load':>4}"


def page_table(figures: Sequence[Figure]) -> str:
    lines = ["| | figure | ratio | target | | load | |", "|---|---|---|---|---|---|---|"]
    for each in figures:
        ratio = "" if each.ratio is None else f"{each.ratio:.3f}"
        lines.append(
            f"| {each.name} | {shown(each.value)} {each.unit} | {ratio} | {wanted(each)} | {each.verdict} |"
            f" {each.load:.1f} | {each.note} |"
        )
    return "\n".join(lines)


def renew_page(path: Path, figures: Sequence[Figure | Skipped]) -> None:
    """
    Put figures and conditions between their markers (``<!-- begin reads -->``) on a page; tables of benchmarks that
    were not taken stay.
    """
    page = path.read_text()
    told = "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in conditions().items())])
    for name in {each.benchmark for each in figures}:
        table = page_table([each for each in figures if isinstance(each, Figure) and each.benchmark == name])
        page = between(page, name, table)
    path.write_text(between(page, "conditions", told))


def between(page: str, name: str, table: str) -> str:
    """The page with this between the markers of that name."""
    pattern = rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)"
    return re.sub(pattern, lambda found: f"{found[1]}{table}\n{found[2]}", page, flags=re.DOTALL)


def write_json(path: Path, figures: Iterable[Figure | Skipped]) -> None:
    rows = [
        {**asdict(each), "verdict": each.verdict} if isinstance(each, Figure) else {**asdict(each), "skipped": True}
        for each in figures
    ]
    path.write_text(json.dumps({"conditions": conditions(), "figures": rows}, indent=1) + "\n")
