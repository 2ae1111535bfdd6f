"""A series as a few lines of blocks, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

from clm.console import units

BLOCKS = " ▁▂▃▄▅▆▇█"
WIDTH, HEIGHT = 60, 4


def narrowed(values: Sequence[float | None], width: int) -> list[float | None]:
    """At most so many, each the mean of what it stands for; None where there is nothing."""
    count = len(values)
    if count <= width:
        return list(values)
    made: list[float | None] = []
    for column in range(width):
        part = [each for each in values[column * count // width : (column + 1) * count // width] if each is not None]
        made.append(sum(part) / len(part) if part else None)
    return made


def plot(values: Sequence[float | None], width: int = WIDTH, height: int = HEIGHT) -> list[str]:
    """
    Columns from 0 to the greatest value, which is the full height; a dot where nothing was measured.

    :return: the lines, from above.
    """
    told = narrowed([None if each is None or isnan(each) else max(0.0, each) for each in values], width)
    top = max((each for each in told if each is not None), default=0.0) or 1.0
    full = len(BLOCKS) - 1
    lines = []
    for row in reversed(range(height)):
        line = ""
        for each in told:
            if each is None:
                line += "·" if row == 0 else " "
                continue
            level = round(each / top * height * full) - row * full
            line += BLOCKS[max(0, min(full, level))]
        lines.append(line)
    return lines


def written(value: float | None, unit: str) -> str:
    """A figure as people read it."""
    if value is None:
        return ""
    if unit == "percent":
        return f"{value:.1f}%"
    if unit == "bytes":
        return str(units.size(int(value)))
    if unit == "bytes_per_s":
        return f"{units.size(int(value))}/s"
    return f"{value:.1f}/s" if unit.endswith("_per_s") else f"{value:g}"
