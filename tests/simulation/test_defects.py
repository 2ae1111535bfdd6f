"""The known defects can be put into the code as it is now: one that cannot says nothing of the simulation any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulation.defects import MUTATIONS, Mutation

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_applies(mutation: Mutation) -> None:
    for edit in mutation.edits:
        assert (ROOT / edit.file).read_text().count(edit.old) == 1, f"{edit.file}: {edit.old!r}"
