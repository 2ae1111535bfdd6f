"""Two minutes of VMs' lives: what they leave and take stays within its bounds; and a leak would be seen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.soak import TABLES, Mark, Sample, figures, main, parse

MARK = Mark(100, dict.fromkeys([*TABLES, "node"], 100_000), 10**6, 10**4, 10**4)
LATER = Mark(1100, dict.fromkeys([*TABLES, "node"], 600_000), 10**7, 10**5, 10**5)


def test_lives(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--minutes", "2", "--clients", "4", "--hypervisor", "test"]) == 0, capfd.readouterr().out


def samples(**more: float) -> list[Sample]:
    """A process that does 20,000 operations, of which each takes so much more."""
    found = []
    for number in range(41):
        operations = number * 500
        grown = {name: int(each * operations) for name, each in more.items() if name != "rss_mib"}
        base = Sample(float(number), operations, 100 + operations * more.get("rss_mib", 0.0), 50, 20)
        found.append(replace(base, **{name: getattr(base, name) + value for name, value in grown.items()}))
    return found


def missed(taken: list[Sample], last: Mark = LATER) -> list[str]:
    return [each.name for each in figures(taken, MARK, last) if each.verdict == "MISSED"]


def test_bounds() -> None:
    """A kilobyte of memory, a descriptor or a thread for each hundredth operation; a table, a log that grows."""
    assert missed(samples()) == []
    assert missed(samples(rss_mib=0.001)) == ["memory per 1,000 operations, second half"]
    assert missed(samples(descriptors=0.01)) == ["descriptors, most in the second half"]
    assert missed(samples(threads=0.01)) == ["threads, most in the second half"]
    assert missed(samples(), replace(LATER, tables=LATER.tables | {"vm": 10**7})) == ["table vm"]
    assert missed(samples(), replace(LATER, tables=LATER.tables | {"new": 10**7})) == ["all other tables"]
    assert missed(samples(), replace(LATER, log=10**7)) == ["the manager's log"]
    assert missed(samples(), replace(LATER, statements=10**7)) == ["statements, with those of passes and loops"]


@pytest.mark.parametrize("wrong", [["--minutes", "0.1"], ["--clients", "0"], ["--hypervisor", "qemu"]])
def test_usage(wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        parse(wrong)
    assert refused.value.code == 2
