"""What must hold of jobs at rest is seen where it does not."""

from __future__ import annotations

from pathlib import Path

from lab.postgres import PrivatePostgres
from simulation import judge
from simulation.scenario import Scene

# What is done to the rows of one job, run once by its schedule, and what is told of it.
SPOILT = {
    "UPDATE job_run SET state = 'open'": "under way, by nobody",
    "UPDATE job_run SET state = 'done'": "of its calls were refused",
    "UPDATE job_run SET due_at = due_at + interval '1 minute'": "which is no moment of its",
    "DELETE FROM job_run": "was kept 0 times",
    "INSERT INTO job_run (job_id, method, state, due_at) SELECT job_id, method, 'skipped', due_at FROM job_run":
        "was kept 2 times",
    "UPDATE job_call SET status = 'ok'": "the audit has it not",
    "UPDATE job_call SET status = 'vm_busy' WHERE status = 'ok'": "and the audit has it",
    "UPDATE job_call SET status = 'internal_error' WHERE number = 2": "broke",
    "UPDATE job_call SET started_at = started_at - interval '1 hour' WHERE number = 2": "before the one before it",
    "UPDATE job_call SET status = 'object_not_found' WHERE number = 1": "was told that there is nothing",
    "UPDATE audit SET login = 'eve' WHERE request_id LIKE 'job-%'": "is in the audit as",
    "INSERT INTO audit (call_id, method, login, request_id, arguments) SELECT call_id, method, login, request_id,"
    " arguments FROM audit WHERE request_id LIKE 'job-%'": "2 times",
    "INSERT INTO message (account_id, level, code, params) SELECT account_id, level, code, params FROM message":
        "was told 2 times",
}  # fmt: skip


def test_spoilt_rows_are_seen(server: PrivatePostgres, state_dir: Path) -> None:
    with Scene(server, state_dir, 406) as scene:
        jobs, vm_id = scene.clients.jobs, scene.vm()
        calls = [{"vm_id": each, "description": "by a job"} for each in (vm_id, 10**6)]
        asked = {"name": "job", "method": "user.vm.edit", "parameters": calls, "cron": jobs._schedule()}
        job_id = scene.call("user.job.create", asked, login="ann")["job_id"]
        scene.until(lambda: bool(scene.sql("SELECT 1 FROM job_run WHERE state = 'failed'")), "it is run", 200.0)
        scene.run_for(120.0)
        scene.call("admin.job.disable", {"job_id": job_id})
        assert jobs.at_rest(judge.model_of(scene)) == []
        for spoiling, told in SPOILT.items():
            kept = ("job_run", "job_call", "audit", "message")
            for table in kept:
                scene.sql(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}")
            scene.sql(spoiling)
            wrong = jobs.at_rest(judge.model_of(scene))
            assert any(told in each for each in wrong), (spoiling, wrong)
            for table in kept:
                scene.sql(f"DELETE FROM {table}")
            for table in kept:
                scene.sql(f"INSERT INTO {table} SELECT * FROM kept_{table}")
                scene.sql(f"DROP TABLE kept_{table}")
        assert jobs.at_rest(judge.model_of(scene)) == []
