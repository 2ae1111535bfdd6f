"""Jobs: who makes them of what, when they are run, as whom, and that nothing is done twice whoever is killed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from twisted.internet.defer import Deferred, gatherResults

from cm.rpc.errors import CloudError, InvalidParameter, NameTaken, ObjectNotFound, QuotaReached, VersionChanged
from cm.runtime.database import CommitUnknown
from cm.services.job import CALLS_MAX, JOBS_MAX, JobUnderWay, NotUnderWay
from cm.services.job_running import JobRunner, look
from cm.store import job as store
from cm.store.feed import read_changes
from cm.store.job import RUNS_MAX
from support.cloud import MemoryCloud, at_database, reactor, run
from support.wait import until


@pytest.fixture(scope="module")
def cloud(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryCloud]:
    with at_database(postgres, tmp_path_factory, "jobs", reconcile_s=3600.0) as made:
        made.manager.jobs.stop()  # who looks, and when, is each test's to say
        yield made


@pytest.fixture(scope="module")
def vm_id(cloud: MemoryCloud) -> int:
    return int(cloud.wait(cloud.create(name="kept")["vm_id"], "running")["vm_id"])


@pytest.fixture(autouse=True)
def _no_jobs(cloud: MemoryCloud) -> Iterator[None]:
    yield
    cloud.sql("DELETE FROM job")
    cloud.sql("DELETE FROM acl")


def runner(cloud: MemoryCloud, name: str = "a", execute: Any = None) -> JobRunner:
    manager = cloud.manager
    return JobRunner(manager.services, name, manager.registry.find, execute or manager.executor.execute)


def work(cloud: MemoryCloud) -> None:
    run(runner(cloud).round)


def renames(vm_id: int, count: int) -> dict[str, Any]:
    """A job that leaves a trace of each call."""
    return {
        "name": "renames", "method": "user.instance.rename",
        "parameters": [{"vm_id": vm_id, "new_name": f"n{number}"} for number in range(count)],
    }  # fmt: skip


def create(cloud: MemoryCloud, account: str = "user", **more: Any) -> int:
    given = {"name": "job", "method": "user.vm.get_list", "parameters": [{}], **more}
    return int(cloud.call("user.job.create", given, account=account)["job_id"])


def traces(cloud: MemoryCloud, vm_id: int) -> int:
    return int(cloud.sql("SELECT count(*) FROM vm_event WHERE vm_id = :v AND code = 'rename'", v=vm_id))


def runs(cloud: MemoryCloud, job_id: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cloud.call("user.job.get_runs", {"job_id": job_id})
    return found


def ran(cloud: MemoryCloud, job_id: int, account: str = "user") -> dict[str, Any]:
    run_id = cloud.call("user.job.run", {"job_id": job_id}, account=account)["job_run_id"]
    work(cloud)
    found: dict[str, Any] = cloud.call("user.job.get_run", {"job_run_id": run_id}, account=account)
    return found


def test_life(cloud: MemoryCloud, vm_id: int) -> None:
    """A job is made, listed, run, changed and deleted; a call that is refused does not stop the others."""
    params = [{"vm_ids": [vm_id, 10**7]}, {"vm_ids": [vm_id]}]
    job_id = create(cloud, method="user.vm.reset", parameters=params)
    (listed,) = cloud.call("user.job.get_list")
    assert (listed["job_id"], listed["calls"], listed["next"], listed["last_run"]) == (job_id, 2, None, None)
    begun = cloud.call("user.job.run", {"job_id": job_id})
    assert (begun["state"], begun["calls"], begun["due"]) == ("open", 2, None)
    with pytest.raises(JobUnderWay):
        cloud.call("user.job.run", {"job_id": job_id})
    work(cloud)
    done = cloud.call("user.job.get_run", {"job_run_id": begun["job_run_id"]})
    assert done["log"][0]["status"] == "object_not_found" and done["log"][1]["status"] in ("ok", "vm_busy")
    assert (done["state"], done["ended_calls"]) == ("failed", 2) and done["refused_calls"] >= 1
    first = done["log"][0]
    assert first["result"]["vm_id"] == [vm_id, 10**7] and first["params"] == params[0]
    for operation_id in {*first["result"]["operation_id"], *done["log"][1]["result"]["operation_id"]}:
        cloud.ended(operation_id)
    edited = cloud.call("user.job.edit", {"job_id": job_id, "name": "other", "parameters": [params[1]]})
    assert (edited["name"], edited["version"], edited["params"]) == ("other", 1, [params[1]])
    good = ran(cloud, job_id)
    assert (good["state"], good["log"][0]["status"]) == ("done", "ok")
    assert cloud.call("user.job.get_by_id", {"job_id": job_id})["last_run"]["state"] == "done"
    cloud.ended(good["log"][0]["result"]["operation_id"][0])
    with pytest.raises(VersionChanged):
        cloud.call("user.job.delete", {"job_id": job_id, "if_version": 0})
    cloud.call("user.job.delete", {"job_id": job_id})
    assert cloud.call("user.job.get_list") == [] and cloud.sql("SELECT count(*) FROM job_call") == 0


def test_refused(cloud: MemoryCloud, vm_id: int) -> None:
    """What no job may call, bad parameters and bad schedules are refused by name, and nothing is changed."""
    before = cloud.sql("SELECT count(*) FROM job")
    for method, params in (
        ("user.job.run", {"job_id": 1}), ("user.account.set_password", {}), ("user.vm.open_console", {"vm_id": vm_id}),
        ("user.vm.password_reset", {"vm_id": vm_id}), ("admin.vm.start", {"vm_id": vm_id}), ("user.vm.moon", {}),
        ("user.operation.wait", {"operation_id": 1}), ("guest.session.login", {}), ("user.acl.set", {}),
    ):  # fmt: skip
        with pytest.raises(InvalidParameter, match=r"method|no job calls"):
            create(cloud, method=method, parameters=[params])
    for bad in ({"vm_id": "x"}, {}, {"vm_id": vm_id, "dry_run": True}, {"vm_id": vm_id, "colour": 1}):
        with pytest.raises(InvalidParameter, match="2:"):
            create(cloud, method="user.vm.start", parameters=[{"vm_id": vm_id}, bad])
    for more in ({"cron": "* * * * *"}, {"timezone": "Mars/Base"}, {"parameters": []},
                 {"parameters": [{}] * (CALLS_MAX + 1)}):  # fmt: skip
        with pytest.raises(InvalidParameter):
            create(cloud, **more)
    with pytest.raises(InvalidParameter, match="bytes"):
        create(cloud, method="user.vm.edit", parameters=[{"vm_id": vm_id, "description": "d" * 900}] * 90)
    create(cloud)
    with pytest.raises(NameTaken):
        create(cloud)
    assert cloud.sql("SELECT count(*) FROM job") == before + 1


def test_others(cloud: MemoryCloud) -> None:
    """A job and its runs are there for its owner and for administrators, who may end it."""
    job_id = create(cloud, cron="0 3 * * *")
    run_id = cloud.call("user.job.run", {"job_id": job_id})["job_run_id"]
    for view, named in (("get_by_id", {"job_id": job_id}), ("run", {"job_id": job_id}), ("delete", {"job_id": job_id}),
                        ("get_runs", {"job_id": job_id}), ("get_run", {"job_run_id": run_id}),
                        ("cancel", {"job_run_id": run_id})):  # fmt: skip
        with pytest.raises(ObjectNotFound):
            cloud.call(f"user.job.{view}", named, account="other")
    (listed,) = cloud.call("admin.job.get_list", {"user_id": cloud.user_id}, account="admin")
    assert listed["last_run"]["job_run_id"] == run_id and listed["next"]
    cloud.call("admin.job.disable", {"job_id": job_id}, account="admin")
    shown = cloud.call("user.job.get_by_id", {"job_id": job_id})
    assert (shown["enabled"], shown["next"]) == (False, None)
    assert cloud.call("user.job.edit", {"job_id": job_id, "enabled": True})["next"]
    cloud.call("admin.job.delete", {"job_id": job_id}, account="admin")
    work(cloud)  # what was deleted under way is let go
    assert cloud.call("user.job.get_list") == []


def test_rights_of_the_moment(cloud: MemoryCloud, vm_id: int) -> None:
    """What its owner may not do when it is run it does not do, whatever they could when they made it."""
    cloud.sql("INSERT INTO acl (kind, object_id, account_id, level) VALUES ('vm', :v, :a, 'operator')", v=vm_id,
              a=cloud.other_id)  # fmt: skip
    job_id = create(cloud, "other", **renames(vm_id, 1))
    assert ran(cloud, job_id, "other")["log"][0]["status"] == "ok"
    cloud.sql("UPDATE acl SET level = 'user'")
    assert ran(cloud, job_id, "other")["log"][0]["status"] == "access_needed"
    cloud.sql("DELETE FROM acl")
    assert ran(cloud, job_id, "other")["log"][0]["status"] == "object_not_found"
    begun = cloud.call("user.job.run", {"job_id": job_id}, account="other")
    cloud.sql("UPDATE account SET active = false WHERE id = :a", a=cloud.other_id)
    try:
        work(cloud)
    finally:
        cloud.sql("UPDATE account SET active = true WHERE id = :a", a=cloud.other_id)
    (call,) = cloud.call("user.job.get_run", {"job_run_id": begun["job_run_id"]}, account="other")["log"]
    assert call["status"] == "account_blocked"
    admins = create(cloud, "admin", name="admins", method="admin.vm.get_list")
    assert ran(cloud, admins, "admin")["state"] == "done"
    cloud.sql("UPDATE account SET is_admin = false WHERE id = :a", a=cloud.admin_id)
    try:
        cloud.call("user.job.run", {"job_id": admins}, account="admin")
        work(cloud)
    finally:
        cloud.sql("UPDATE account SET is_admin = true WHERE id = :a", a=cloud.admin_id)
    (last, *_) = cloud.call("user.job.get_runs", {"job_id": admins}, account="admin")
    (call,) = cloud.call("user.job.get_run", {"job_run_id": last["job_run_id"]}, account="admin")["log"]
    assert call["status"] == "role_needed"


def test_administrator_by_a_cloud_alone(cloud: MemoryCloud) -> None:
    """
    Who administers the cluster in their calls and not by their account, as a cloud's administrators do, gets no job
    that would be refused each time it is run.
    """
    job_id = create(cloud, "admin", name="before", method="admin.vm.get_list")
    cloud.sql("UPDATE account SET is_admin = false WHERE id = :a", a=cloud.admin_id)
    try:
        with pytest.raises(InvalidParameter, match="method"):
            create(cloud, "admin", name="admins", method="admin.vm.get_list")
        with pytest.raises(InvalidParameter, match="method"):
            cloud.call("user.job.edit", {"job_id": job_id, "parameters": [{}]}, account="admin")
        assert create(cloud, "admin", name="users")
    finally:
        cloud.sql("UPDATE account SET is_admin = true WHERE id = :a", a=cloud.admin_id)


def far_cron() -> str:
    """Hourly, at a minute that is far away whenever the test runs: but for what it has come due nothing does."""
    return f"{(datetime.now(UTC).minute + 30) % 60} * * * *"


def pass_time(cloud: MemoryCloud, job_id: int, seconds: float) -> None:
    """Have a schedule be due for so long."""
    cloud.sql("UPDATE job SET next_at = now() - make_interval(secs => :s) WHERE id = :j", s=seconds, j=job_id)


def test_schedule(cloud: MemoryCloud) -> None:
    """What is due is run once, however often somebody looks; then it is due at its next moment."""
    job_id = create(cloud, cron=far_cron(), timezone="Europe/Warsaw")
    before = cloud.call("user.job.get_by_id", {"job_id": job_id})["next"]
    work(cloud)
    assert runs(cloud, job_id) == [] and before
    pass_time(cloud, job_id, 20)
    cloud.call("user.job.edit", {"job_id": job_id, "name": "edited as it was due"})
    work(cloud)
    work(cloud)
    found = runs(cloud, job_id)
    at_moment = [each for each in found if each["state"] == "done"]
    assert len(found) == len(at_moment) == 1 and found[0]["due"]
    soon = "SELECT next_at > now() AND next_at <= now() + interval '1 hour' FROM job WHERE id = :j"
    assert cloud.sql(soon, j=job_id)
    cloud.call("user.job.edit", {"job_id": job_id, "enabled": False})
    assert cloud.sql("SELECT next_at FROM job WHERE id = :j", j=job_id) is None


def test_missed_and_skipped(cloud: MemoryCloud) -> None:
    """What nobody was there for is said and not made up for; while a run is under way there is no second."""
    job_id = create(cloud, cron="0 0 * * *")
    pass_time(cloud, job_id, 3 * 86_400 + 4000)
    assert cloud.manager.database.transact_now(look)
    (missed,) = [each for each in runs(cloud, job_id) if each["state"] == "missed"]
    assert missed["missed"] >= 3 and missed["calls"] == 0 and missed["finished"]
    assert not cloud.manager.database.transact_now(look)
    cloud.call("user.job.run", {"job_id": job_id})
    pass_time(cloud, job_id, 10)
    assert cloud.manager.database.transact_now(look)
    states = [each["state"] for each in runs(cloud, job_id)]
    assert states.count("skipped") == 1 and states.count("open") == 1
    work(cloud)
    assert "open" not in [each["state"] for each in runs(cloud, job_id)]


def test_two_managers(cloud: MemoryCloud, vm_id: int) -> None:
    """Two that look and work at the same time do everything once."""
    before = traces(cloud, vm_id)
    jobs = [create(cloud, **{**renames(vm_id, 4), "name": f"j{number}"}, cron=far_cron()) for number in range(4)]
    for job_id in jobs:
        pass_time(cloud, job_id, 5)
    both = [runner(cloud, name) for name in ("a", "b")]
    run(lambda: _together([each.round for each in both]))
    for job_id in jobs:
        (only,) = runs(cloud, job_id)
        assert (only["state"], only["ended_calls"]) == ("done", 4)
    assert traces(cloud, vm_id) == before + 16


async def _together(rounds: list[Any]) -> None:
    await gatherResults([Deferred.fromCoroutine(each()) for each in rounds])


def test_killed(cloud: MemoryCloud, vm_id: int) -> None:
    """
    One that is killed when a change was made and not written down is followed by another, which does the rest and not
    that again; should it come back after all, it does nothing more.
    """
    before = traces(cloud, vm_id)
    job_id = create(cloud, **renames(vm_id, 3))
    run_id = cloud.call("user.job.run", {"job_id": job_id})["job_run_id"]
    hanging: list[Deferred[None]] = []

    async def dies(view: Any, identity: Any, arguments: Any, control: Any) -> Any:
        answer = await cloud.manager.executor.execute(view, identity, arguments, control)
        hanging.append(Deferred())
        await hanging[-1]
        return answer

    dead = runner(cloud, "dead", dies)
    reactor.callFromThread(lambda: Deferred.fromCoroutine(dead.round()))
    cloud.until(lambda: hanging, "the first call was made")
    assert traces(cloud, vm_id) == before + 1
    work(cloud)  # its lease lasts
    assert cloud.call("user.job.get_run", {"job_run_id": run_id})["ended_calls"] == 0
    cloud.sql("UPDATE job_run SET lease_until = now() - interval '1 second' WHERE id = :r", r=run_id)
    work(cloud)
    done = cloud.call("user.job.get_run", {"job_run_id": run_id})
    assert (done["state"], [call["status"] for call in done["log"]]) == ("done", ["ok"] * 3)
    assert traces(cloud, vm_id) == before + 3
    reactor.callFromThread(hanging[0].callback, None)
    work(cloud)
    assert traces(cloud, vm_id) == before + 3 and len(hanging) == 1
    assert cloud.call("user.job.get_run", {"job_run_id": run_id}) == done


def test_unknown(cloud: MemoryCloud, vm_id: int) -> None:
    """A call of which nobody knows whether it was made is not said to be refused: it is repeated, and was made once."""
    before = traces(cloud, vm_id)
    job_id = create(cloud, **renames(vm_id, 2))
    run_id = cloud.call("user.job.run", {"job_id": job_id})["job_run_id"]

    async def lost(view: Any, identity: Any, arguments: Any, control: Any) -> Any:
        await cloud.manager.executor.execute(view, identity, arguments, control)
        raise CommitUnknown()

    with pytest.raises(CommitUnknown):
        run(runner(cloud, "a", lost).round)
    assert cloud.call("user.job.get_run", {"job_run_id": run_id})["ended_calls"] == 0
    cloud.sql("UPDATE job_run SET lease_until = now() - interval '1 second' WHERE id = :r", r=run_id)
    work(cloud)
    done = cloud.call("user.job.get_run", {"job_run_id": run_id})
    assert (done["state"], [call["status"] for call in done["log"]]) == ("done", ["ok"] * 2)
    assert traces(cloud, vm_id) == before + 2


def test_taken_over(cloud: MemoryCloud) -> None:
    """Whoever had a run taken from them says nothing of its calls any more."""
    run_id = cloud.call("user.job.run", {"job_id": create(cloud)})["job_run_id"]
    transact = cloud.manager.database.transact_now
    assert transact(store.claim_run, "slow") == run_id
    assert transact(store.begin_call, run_id, "slow") is not None
    cloud.sql("UPDATE job_run SET lease_until = now() - interval '1 second' WHERE id = :r", r=run_id)
    assert transact(store.claim_run, "next") == run_id
    for worker, status in (("slow", "vm_busy"), ("next", "ok")):
        transact(store.end_call, run_id, worker, 1, status, "", {})
    (call,) = cloud.call("user.job.get_run", {"job_run_id": run_id})["log"]
    assert call["status"] == "ok"


def test_cancel(cloud: MemoryCloud, vm_id: int) -> None:
    """No more calls are made of a run that is given up; one that is over is refused."""
    before = traces(cloud, vm_id)
    job_id = create(cloud, **renames(vm_id, 3))
    run_id = cloud.call("user.job.run", {"job_id": job_id})["job_run_id"]
    canceled = cloud.call("user.job.cancel", {"job_run_id": run_id})
    assert (canceled["state"], canceled["ended_calls"]) == ("canceled", 0)
    work(cloud)
    assert traces(cloud, vm_id) == before
    with pytest.raises(NotUnderWay):
        cloud.call("user.job.cancel", {"job_run_id": run_id})
    assert ran(cloud, job_id)["state"] == "done"


def test_bounds(cloud: MemoryCloud) -> None:
    """An account has so many jobs, a job so many runs: the oldest go."""
    job_id = create(cloud)
    cloud.sql(
        "INSERT INTO job (account_id, name, method, params) SELECT :a, 'j' || n, 'user.vm.get_list', '[{}]'"
        " FROM generate_series(2, :n) n RETURNING id",
        a=cloud.user_id, n=JOBS_MAX,
    )  # fmt: skip
    with pytest.raises(QuotaReached):
        create(cloud, name="one more")
    cloud.sql(
        "INSERT INTO job_run (job_id, method, state) SELECT :j, 'user.vm.get_list', 'done' FROM generate_series(1, :n)"
        " RETURNING id",
        j=job_id, n=RUNS_MAX + 5,
    )  # fmt: skip
    cloud.call("user.job.run", {"job_id": job_id})
    assert cloud.sql("SELECT count(*) FROM job_run WHERE job_id = :j", j=job_id) == RUNS_MAX
    with pytest.raises(CloudError):
        cloud.call("user.job.get_runs", {"job_id": job_id, "limit": RUNS_MAX + 1})


def test_told(cloud: MemoryCloud, vm_id: int) -> None:
    """Whoever follows the feed sees a job come, be run and go; of a run that fails its owner gets one message."""

    def told() -> list[dict[str, Any]]:
        return [each for each in cloud.call("user.message.get_list") if each["code"] == "job_failed"]

    def seen(job_id: int) -> list[tuple[str, Any]]:
        rows = cloud.manager.database.read_now(read_changes, (0, 0), 100_000)
        mine = [row for row in rows if (row.kind, row.object_id) == ("job", job_id)]
        assert all(row.users == {cloud.user_id} for row in mine)
        return [(row.event, row.object and json.loads(row.object)) for row in mine]

    before = len(told())
    job_id = create(cloud, method="user.vm.edit", parameters=[{"vm_id": vm_id, "name": "kept"}, {"vm_id": 10**7}])
    assert ran(cloud, job_id)["state"] == "failed"
    (message, *_) = told()
    assert len(told()) == before + 1
    assert (message["params"]["name"], message["params"]["calls"], message["params"]["refused"]) == ("job", 2, 1)
    good = create(cloud, name="good")
    assert ran(cloud, good)["state"] == "done" and len(told()) == before + 1
    listed = {job["job_id"]: json.loads(msgspec.json.encode(job)) for job in cloud.call("user.job.get_list")}
    found = until(lambda: seen(job_id), "the feed tells of it")
    assert found[0][0] == "enter" and {event for event, _ in found[1:]} == {"change"}
    assert found[-1][1] == listed[job_id]  # readers see it as it is by then
    cloud.call("user.job.delete", {"job_id": job_id})
    assert until(lambda: [each for each in seen(job_id) if each[0] == "exit"], "it is gone") == [("exit", None)]
