"""What VMs cost while they hold a node, at the price that their size had; who is told of it, and who is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.orm import Session

from cm.daemon.settings import QuotaSettings
from cm.rpc.errors import InvalidParameter
from cm.services.usage import PointsUsedUp, warn
from support.cloud import MemoryCloud, at_database
from support.guest import Guest, rows

PRICE = 36  # points an hour: one for each 100 s


@pytest.fixture(scope="module")
def cloud(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryCloud]:
    with at_database(postgres, tmp_path_factory, "usage", nodes=1) as made:
        made.sql("UPDATE template SET points = :p", p=PRICE)
        yield made


@pytest.fixture(autouse=True)
def nothing_used(cloud: MemoryCloud) -> Iterator[None]:
    yield
    assert cloud.leaks() == []
    cloud.sql("DELETE FROM vm_run")
    cloud.sql("UPDATE account SET quota_points = 0, points_told = 0, points_told_at = NULL")
    cloud.sql("DELETE FROM message")


def runs(cloud: MemoryCloud, vm_id: int) -> list[tuple[int, bool]]:
    """Prices of a VM's runs, and whether they have ended, the oldest first."""
    found = rows(cloud, "SELECT points, ended_at FROM vm_run WHERE vm_id = :v ORDER BY id", v=vm_id)
    return [(row.points, row.ended_at is not None) for row in found]


def spend(cloud: MemoryCloud, points: float, *, month_ago: bool = False) -> None:
    """Let the user's VMs have cost so much in this month, or at its very begin for the one before."""
    begin = "date_trunc('month', now(), 'UTC')"
    # No month has begun less than a moment ago: what costs more than an hour allows is dearer, not longer.
    span = "interval '1 millisecond'"
    until = f"{begin} + {span}" if not month_ago else begin
    cloud.sql(
        "INSERT INTO vm_run (vm_id, account_id, points, began_at, ended_at)"
        f" SELECT min(v.id), v.account_id, CAST(:points AS bigint) * 3600000, {until} - {span}, {until} FROM vm v"
        " WHERE v.account_id = :a GROUP BY v.account_id",
        points=points, a=cloud.user_id,
    )  # fmt: skip


def told(cloud: MemoryCloud) -> list[dict[str, Any]]:
    with Session(cloud.manager.database.engine) as session, session.begin():
        warn(session, cloud.manager.services.policy)
    return [m["params"] for m in cloud.call("user.message.get_list") if m["code"] == "point_limit"]


def test_life(cloud: MemoryCloud) -> None:
    """A run from each start to the node's release; a new price is that of new VMs."""
    guest = Guest(cloud)
    assert runs(cloud, guest.vm_id) == [(PRICE, False)]
    cloud.call("admin.template.edit", {"template_id": cloud.template_id, "points": 1}, account="admin")
    guest.stop()
    assert runs(cloud, guest.vm_id) == [(PRICE, True)]
    guest.start()
    assert runs(cloud, guest.vm_id) == [(PRICE, True), (PRICE, False)]
    assert cloud.leaks() == []
    later = Guest(cloud)
    assert runs(cloud, later.vm_id) == [(1, False)]
    cloud.call("admin.template.edit", {"template_id": cloud.template_id, "points": 0}, account="admin")
    free = Guest(cloud)
    assert runs(cloud, free.vm_id) == []
    for each in (guest, later, free):
        each.destroy()
    assert runs(cloud, guest.vm_id) == [(PRICE, True), (PRICE, True)]
    cloud.call("admin.template.edit", {"template_id": cloud.template_id, "points": PRICE}, account="admin")


def test_leaks_are_told(cloud: MemoryCloud) -> None:
    """What is counted and should not be, or not and should, the check of the books tells."""
    guest = Guest(cloud)
    cloud.sql("UPDATE vm_run SET ended_at = now() WHERE vm_id = :v", v=guest.vm_id)
    assert [each["subject"] for each in cloud.leaks()] == [f"cost of VM {guest.vm_id}"]
    cloud.sql("UPDATE vm_run SET ended_at = NULL WHERE vm_id = :v", v=guest.vm_id)
    guest.destroy()
    cloud.sql("UPDATE vm_run SET ended_at = NULL WHERE vm_id = :v", v=guest.vm_id)
    assert [each["subject"] for each in cloud.leaks()] == [f"cost of VM {guest.vm_id}"]
    cloud.sql("UPDATE vm_run SET ended_at = now() WHERE vm_id = :v", v=guest.vm_id)


def test_history(cloud: MemoryCloud) -> None:
    """A month is told by its own part of each run, to the account's people and to administrators alike."""
    guest = Guest(cloud)
    cloud.sql("UPDATE vm_run SET began_at = now() - interval '40 days' WHERE vm_id = :v", v=guest.vm_id)
    guest.stop()
    now = cloud.call("user.user.points_history")
    hours = cloud.sql("SELECT extract(epoch FROM now() - date_trunc('month', now(), 'UTC')) / 3600")
    assert now["used"] == pytest.approx(float(hours) * PRICE, abs=2)
    assert now["points"][0]["points"] == 0 and now["points"][-1]["points"] == pytest.approx(now["used"], abs=0.02)
    assert "vm stopped" in [each["label"] for each in now["points"]] and now["complete"]
    before = cloud.sql("SELECT to_char(date_trunc('month', now(), 'UTC') - interval '1 day', 'YYYY-MM')")
    params = {"user_id": cloud.user_id, "month": before}
    whole = cloud.sql(
        "SELECT extract(epoch FROM date_trunc('month', now(), 'UTC') - greatest(began_at,"
        " date_trunc('month', now(), 'UTC') - interval '1 month')) / 3600 FROM vm_run WHERE vm_id = :v",
        v=guest.vm_id,
    )
    told_before = cloud.call("admin.user.points_history", params, account="admin")
    assert (told_before["used"], told_before["month"]) == (pytest.approx(float(whole) * PRICE, abs=2), before)
    report = cloud.call("admin.user.points_report", {"month": before}, account="admin")
    assert [(each["login"], each["vms"], each["used"]) for each in report] == [("user", 1, told_before["used"])]
    assert cloud.call("user.user.points_history", {"month": "1999-01"})["points"][-1]["points"] == 0
    assert cloud.call("user.user.points_history", {"month": "2999-01"})["points"] == []
    for month in ("1999", "2999-13"):
        with pytest.raises(InvalidParameter):
            cloud.call("user.user.points_history", {"month": month})
    guest.destroy()


def test_told_once(cloud: MemoryCloud) -> None:
    """At 80 and at 100 per cent, once in a month; nobody without a bound."""
    guest = Guest(cloud)
    spend(cloud, 85)
    assert told(cloud) == []
    cloud.call("admin.user.edit", {"user_id": cloud.user_id, "quota_points": 100}, account="admin")
    assert [each["percent"] for each in told(cloud)] == [80]
    assert len(told(cloud)) == 1
    spend(cloud, 20)
    assert sorted(each["percent"] for each in told(cloud)) == [80, 100]
    assert len(told(cloud)) == 2
    cloud.sql("UPDATE account SET points_told_at = now() - interval '32 days'")  # that was last month's
    assert len(told(cloud)) == 3
    guest.destroy()


def test_refused(cloud: MemoryCloud) -> None:
    """Where the cluster refuses, who used up a month's points starts no more; what runs goes on, a new month is new."""
    guest, other = Guest(cloud), Guest(cloud)
    other.stop()
    settings = cloud.settings
    cloud.stop()
    cloud.settings = replace(settings, quota=QuotaSettings(points=100, points_refuse=True))
    cloud.start()
    spend(cloud, 5000, month_ago=True)
    other.start()
    other.stop()
    spend(cloud, 101)
    for ask in (other.start, lambda: cloud.create()):
        with pytest.raises(PointsUsedUp):
            ask()
    assert cloud.vm(guest.vm_id)["state"] == "running"
    guest.stop()
    cloud.call("admin.vm.start", {"vm_id": guest.vm_id}, account="admin")  # administrators may all the same
    cloud.wait(guest.vm_id, "running")
    cloud.call("admin.user.edit", {"user_id": cloud.user_id, "quota_points": 200}, account="admin")
    other.start()
    for each in (guest, other):
        each.destroy()
    cloud.stop()
    cloud.settings = settings
    cloud.start()
    Guest(cloud).destroy()
