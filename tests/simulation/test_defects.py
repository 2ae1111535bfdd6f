"""The known defects can be put into the code as it is now: one that cannot says nothing of the simulation any more."""

from __future__ import annotations

import pytest

from simulation.edits import Mutation
from simulation.mutations import HASTE, MUTATIONS, ROOT


@pytest.mark.parametrize("mutation", (*MUTATIONS, HASTE), ids=lambda mutation: mutation.name)
def test_applies(mutation: Mutation) -> None:
    for edit in mutation.edits:
        assert edit.times(ROOT) == 1, f"{edit.file}: {edit.old!r}"
