"""Remedies of the drift ledger."""

from __future__ import annotations

import pytest

from cm.rpc.vocabulary import DriftKind, Remedy
from cm.rules.drift import remedy
from cm.rules.stray import DELETE, LEAVE, LOST, WAIT


@pytest.mark.parametrize("kind", DriftKind)
@pytest.mark.parametrize("plan", ["", DELETE, LOST, LEAVE, WAIT])
def test_total(kind: DriftKind, plan: str) -> None:
    """Volumes are touched by their plan alone, and by no other kind's; what has none is left to somebody."""
    found = remedy(kind, plan)
    assert (found is Remedy.DELETE_VOLUME) == (kind is DriftKind.LEAKED_VOLUME and plan == DELETE)
    assert (found is Remedy.GIVE_UP_VOLUME) == (kind is DriftKind.MISSING_VOLUME and plan == LOST)
    ours = {DriftKind.MISSING_DOMAIN, DriftKind.WRONG_STATE, DriftKind.OTHER_HOST}
    assert (found in (Remedy.RECORD_END, Remedy.RESTORE_STATE, Remedy.TAKE_HOST)) == (kind in ours and not plan)
