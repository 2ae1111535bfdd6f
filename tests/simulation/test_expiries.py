"""What must hold of expiry leases is seen where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.postgres import PrivatePostgres
from simulation.expiries import judged, overdue
from simulation.scenario import Scene

BEGINS = (0.0, "begins", (3600, 7200))
TOLD = (3300.0, "told", "suspended")
GONE = (6500.0, "told", "deleted")

# By what is told of it, a history; "" is one in which all is well.
HISTORIES = {
    "": [BEGINS, TOLD, (3660.0, "ends", "suspended"), GONE, (7900.0, "ends", "deleted")],
    "early; its people": [BEGINS, TOLD, (3599.0, "ends", "suspended")],
    "ended early": [BEGINS, TOLD, (3660.0, "ends", "suspended"), GONE, (7700.0, "ends", "deleted")],
    "nobody was told": [BEGINS, (3660.0, "ends", "suspended")],
    "told again": [BEGINS, TOLD, (3400.0, "told", "suspended")],
    "told early": [BEGINS, (3200.0, "told", "suspended")],
    "does not say so": [(0.0, "begins", (None, 7200)), TOLD],
    "at 3300.0 s: nobody": [BEGINS, TOLD, (3350.0, "starts", None), (6650.0, "ends", "suspended")],
    "at 4600.0 s: nobody": [BEGINS, GONE, (6600.0, *BEGINS[1:]), (11200.0, "ends", "deleted")],
}  # fmt: skip


@pytest.mark.parametrize("wrong", HISTORIES)
def test_histories_are_judged(wrong: str) -> None:
    found = judged(7, HISTORIES[wrong], [])
    assert any(wrong in each for each in found) if wrong else found == []


def test_time_that_passed_in_a_stroke() -> None:
    """It counts from then on, and no more than once."""
    history = [BEGINS, (10.0, "told", "suspended"), (400.0, "ends", "suspended")]
    assert judged(7, history, [(5.0, 3300.0)]) == []
    assert len(judged(7, history, [(5.0, 3150.0)])) == 2
    assert len(judged(7, history, [(20.0, 3300.0)])) == 1


def test_what_is_kept_late_is_seen(server: PrivatePostgres, state_dir: Path) -> None:
    with Scene(server, state_dir, 407, nodes=1) as scene:
        vm_id = scene.vm()
        asked = {"name": "short", "suspend_s": 3600, "delete_s": 7200, "for_all": True}
        expiry_id = scene.call("admin.expiry.add", asked)["expiry_id"]
        scene.call("user.expiry.set", {"vm_id": vm_id, "expiry_id": expiry_id}, login="ann")
        scene.run_for(120.0)
        assert overdue(scene) == []
        for moments in (("suspend_at",), ("delete_at",), ("suspend_at", "suspend_told_at")):
            kept = scene.sql("SELECT suspend_at, delete_at FROM vm_expiry")[0]
            moved = ", ".join(f"{name} = clock_timestamp() - interval '1 hour'" for name in moments)
            scene.sql(f"UPDATE vm_expiry SET {moved}, look_at = clock_timestamp() + interval '1 hour'")
            assert [str(vm_id) in each for each in overdue(scene)] == [True], moments
            scene.sql("UPDATE vm_expiry SET suspend_at = :s, delete_at = :d, suspend_told_at = NULL",
                      s=kept.suspend_at, d=kept.delete_at)  # fmt: skip
        assert overdue(scene) == []
