"""A sample of the crash walk: the whole of it is ``bin/simulate --walk``."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.postgres import PrivatePostgres
from simulation.kinds import KINDS
from simulation.walk import Walked, run, table, walk_kind


def _failures(result: Walked) -> list[str]:
    return [f"{failure.point} {failure.name}: {failure.problem}" for failure in result.failures]


@pytest.mark.parametrize(
    ("name", "managers", "every"),
    [
        ("vm_create", 1, 4), ("vm_destroy", 1, 6), ("vm_save", 2, 20), ("image_cache", 1, 10), ("disk_detach", 1, 8),
        ("vm_to_image", 1, 12), ("nic_attach", 1, 10), ("nic_detach", 1, 16), ("vm_migrate", 1, 12),
        ("vm_suspend", 1, 8), ("vm_wake_up", 1, 10), ("vm_create, seeded", 1, 5), ("vm_stop, seeded", 1, 8),
        ("vm_destroy, uefi", 1, 10), ("disk_move, uefi", 1, 8),
        ("vm_start, uefi", 1, 8), ("vm_resize", 1, 6), ("vm_resize, less", 1, 8),
        ("farm_launch", 1, 24), ("farm_launch, grown", 1, 16),
    ],  # fmt: skip
)
def test_points(server: PrivatePostgres, tmp_path: Path, name: str, managers: int, every: int) -> None:
    """Wherever the process dies, what was asked is done, once, and nothing is left of it in the end."""
    kind = next(kind for kind in KINDS if kind.name == name)
    result = walk_kind(server, tmp_path, kind, managers, every)
    assert result.points > 10  # as many as it has transactions and calls to its node, twice
    assert _failures(result) == []


def test_table(server: PrivatePostgres, tmp_path: Path) -> None:
    """The walk tells how many runs ended well, by kind and number of managers."""
    said: list[str] = []
    results = run(server, tmp_path, ["vm_pause"], said.append, managers=(1,), every=5)
    assert len(said) == 1
    [walked] = results
    assert walked.walked > 1 and walked.failures == []
    assert table(results).splitlines()[-1] == f"| vm_pause | {walked.walked} of {walked.walked} |"
