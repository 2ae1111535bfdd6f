"""What applying a finding of the drift ledger does: a table, total over kinds and plans. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cm.rpc.vocabulary import DriftKind, Remedy
from cm.rules.stray import DELETE, LOST

_REMEDIES: Final[Mapping[tuple[DriftKind, str], Remedy]] = {
    (DriftKind.MISSING_DOMAIN, ""): Remedy.RECORD_END,
    (DriftKind.WRONG_STATE, ""): Remedy.RESTORE_STATE,
    (DriftKind.OTHER_HOST, ""): Remedy.TAKE_HOST,
    (DriftKind.LEAKED_VOLUME, DELETE): Remedy.DELETE_VOLUME,
    (DriftKind.MISSING_VOLUME, LOST): Remedy.GIVE_UP_VOLUME,
}


def remedy(kind: DriftKind, plan: str) -> Remedy:
    """:param plan: of volumes, by ``rules/stray.py``; "": none."""
    return _REMEDIES.get((kind, plan), Remedy.BY_HAND)
