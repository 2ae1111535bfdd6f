"""Messages in words."""

from __future__ import annotations

from clm.console.sentences import SENTENCES, WORK, sentence
from cm.rules.operation import OperationKind


def test_all_work() -> None:
    """Every kind of operation has its sentence for when it fails, with what its messages tell of it."""
    assert set(WORK) == {str(kind) for kind in OperationKind}


def test_moved() -> None:
    """Whose VM was moved is told so, in both outcomes."""
    assert sentence({"code": "vm_moved", "params": {"vm_id": 1, "name": "web"}}).startswith("VM web was stopped and")
    failed = sentence({"code": "vm_move_failed", "params": {"name": "web", "reason": "No.", "operation_id": 7}})
    assert failed == "VM web could not be moved to another node: No. Operation 7."
    assert "vm_moved" in SENTENCES
