"""
People who have jobs: calls that the cluster makes for them, over a set of parameters, when they ask for it or by a
schedule. Drawn apart from the rest of the workload. And what must hold of them when all is at rest: each moment of a
schedule led to one run, or is told not to have; each call of a run was made once, in its turn, and let in as its
owner's own would have been.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from simulation import judge
from simulation.beginning import LOGINS
from simulation.draws import Draws
from simulation.model import VM_VIEWS, Model
from simulation.simulation import EPOCH

if TYPE_CHECKING:
    from simulation.simulation import Simulation
    from simulation.workload import Workload

# What jobs call, and how often compared to the others: each by the ids of VMs, or by numbers.
CALLS: Final = {
    "start": 5, "stop": 4, "shutdown": 1, "pause": 2, "resume": 3, "suspend": 1, "wake_up": 2, "reset": 1, "edit": 2,
    "create_snapshot": 1, "save_and_shutdown": 1, "destroy": 1, "get_by_id": 2, "create": 1, "disk_create": 1,
}  # fmt: skip
SOON_S: Final = 2.0
END_S: Final = 70.0  # after the last call of the workload schedules end; who was killed in its last moment is back then
AGAIN_S: Final = 20.0
LOOKED_S: Final = 20.0  # as late as that a moment may be looked at where nothing is broken
STEP_S: Final = 300  # between two moments of a schedule
# A cluster has jobs go on for somebody whom their cloud has blocked until it hears of that.
UNHEARD_S: Final = 150.0


class Jobs(Draws):
    STREAM = "jobs"
    PACE_S = 10.0
    ASKED = {"create": 5, "run": 5, "edit": 2, "cancel": 1, "delete": 1, "disable": 1, "meddle": 2}

    def __init__(self, workload: Workload, until_s: float) -> None:
        super().__init__(workload, until_s)
        self._ending: set[int] = set()
        self.meddled: list[Any] = []  # calls about others' jobs
        left_s = until_s - self.simulation.schedule.seconds()
        if left_s > 0:
            self.simulation.later(left_s + END_S, self._end_schedules)

    def _job(self, where: str = "true") -> Any:
        return self._one(
            f"SELECT a.login, j.id, j.method FROM job j JOIN account a ON a.id = j.account_id WHERE {where} ORDER BY 2"
        )

    def _vms(self, login: str) -> list[int]:
        """Mostly somebody's own."""
        rows = self.simulation.sql(
            "SELECT v.id, a.login FROM vm v JOIN account a ON a.id = v.account_id WHERE v.closed_at IS NULL ORDER BY 1"
        )
        found = [row.id for row in rows if row.login == login or self._rng.random() < 0.15]
        return self._rng.sample(found, min(len(found), self._rng.randint(1, 4)))

    def _called(self, login: str) -> tuple[str, list[dict[str, Any]]]:
        """A method, and its parameters of each call: none where there is nothing to call it of."""
        number, verb = len(self._workload.asks), self._rng.choices(list(CALLS), list(CALLS.values()))[0]
        if verb == "disk_create":
            return "user.disk.create", [{"name": f"jobs{number}-{i}", "size_mib": 1} for i in range(2)]
        if verb == "create":
            simulation = self.simulation
            made = {"image_id": simulation.image_id, "template_id": simulation.template_id, "description": ""}
            return "user.vm.create", [{"name": f"jobs{number}-{i}", **made} for i in range(self._rng.randint(1, 2))]
        more: dict[str, Any] = {}
        if verb == "edit":
            more["description"] = f"by job {number}"
        elif verb in ("create_snapshot", "save_and_shutdown"):
            more |= {"name": f"jobs{number}"} | ({"description": ""} if verb == "save_and_shutdown" else {})
        many = verb in ("reset", "destroy")
        return f"user.vm.{verb}", [
            {**({"vm_ids": [vm_id]} if many else {"vm_id": vm_id}), **more} for vm_id in self._vms(login)
        ]

    def _schedule(self) -> str:
        """One that is due within two minutes, and every five from then on."""
        minute = int(self.simulation.unix_s() // 60) + 1 + self._rng.randrange(2)
        return f"{minute % 5}-59/5 * * * *"

    def _create(self) -> None:
        login = self._rng.choice(LOGINS)
        method, calls = self._called(login)
        if calls:
            asked = {"name": f"job{len(self._workload.asks)}", "method": method, "parameters": calls}
            more = {"cron": self._schedule()} if self._rng.random() < 0.6 else {}
            self._workload.ask(login, "user.job.create", **asked, **more)

    def _run(self) -> None:
        row = self._job()
        if row is not None:
            self._workload.ask(row.login, "user.job.run", job_id=row.id)
            if self._rng.random() < 0.2:
                self.simulation.later(self._rng.uniform(0.0, SOON_S), self._cancel)

    def _edit(self) -> None:
        row = self._job()
        if row is not None:
            change = self._rng.choice([
                {"cron": self._schedule()}, {"cron": ""}, {"enabled": False}, {"enabled": True},
                {"name": f"named{len(self._workload.asks)}"},
            ])  # fmt: skip
            self._workload.ask(row.login, "user.job.edit", job_id=row.id, **change)

    def _cancel(self) -> None:
        row = self._one(
            "SELECT a.login, r.id FROM job_run r JOIN job j ON j.id = r.job_id JOIN account a ON a.id = j.account_id"
            " ORDER BY r.state = 'open' DESC, r.id DESC LIMIT 3"
        )
        if row is not None:
            self._workload.ask(row.login, "user.job.cancel", job_run_id=row.id)

    def _delete(self) -> None:
        row = self._job()
        if row is not None:
            self._workload.ask(*self._rng.choice([(row.login, "user.job.delete"), ("admin", "admin.job.delete")]),
                               job_id=row.id)  # fmt: skip

    def _disable(self) -> None:
        row = self._job("j.enabled")
        if row is not None:
            self._workload.ask("admin", "admin.job.disable", job_id=row.id)

    def _meddle(self) -> None:
        """With what is another's."""
        row = self._job()
        if row is not None:
            other = self._rng.choice([login for login in LOGINS if login != row.login])
            verb = self._rng.choice(["run", "delete", "edit", "get_by_id", "get_runs"])
            asked = self._workload.ask(other, f"user.job.{verb}", reading=verb.startswith("get"), job_id=row.id)
            self.meddled.append(asked)

    def _end_schedules(self) -> None:
        """All is to come to rest: an administrator ends every schedule, also those that are made a little later."""
        for row in self.simulation.sql("SELECT id FROM job WHERE enabled AND cron <> '' ORDER BY id"):
            if row.id not in self._ending:
                self._ending.add(row.id)
                self._workload.ask("admin", "admin.job.disable", job_id=row.id)
        if self.simulation.schedule.seconds() < self._until_s + 1000.0:
            self.simulation.later(AGAIN_S, self._end_schedules)

    # ------------------------------------------------------------------ at rest

    def at_rest(self, model: Model) -> list[str]:
        return [
            *_runs(self.simulation),
            *_calls(self.simulation),
            *_moments(self.simulation, self._until_s + END_S + EPOCH),
            *_rights(self.simulation, model),
            *_told(self.simulation),
            *(
                f"call {ask.number} of {ask.login} ({ask.method}) is about another's job, and was answered"
                f" {ask.error or 'accepted'}"
                for ask in self.meddled
                if ask.accepted or ask.error not in {judge.UNSEEN, *judge.SHUT_OUT, *judge.ANYBODYS}
            ),
        ]


def counted(simulation: Simulation) -> Counter[str]:
    """What was done of them, for ``effects.EXPECTED``."""
    made = Counter[str]()
    for row in simulation.sql("SELECT state, due_at IS NULL AS asked FROM job_run"):
        if row.state in ("done", "failed"):
            made["job asked for" if row.asked else "job by its schedule"] += 1
        elif row.state == "canceled":
            made["job canceled"] += 1
    for row in simulation.sql("SELECT status FROM job_call WHERE status <> ''"):
        made["job's call done" if row.status == "ok" else "job's call refused"] += 1
    return made


def _runs(simulation: Simulation) -> list[str]:
    """None is under way, and each has ended as its calls have."""
    wrong = []
    for row in simulation.sql(
        "SELECT r.id, r.job_id, r.state, count(c.run_id) FILTER (WHERE c.status = '') AS left,"
        " count(c.run_id) FILTER (WHERE c.status NOT IN ('', 'ok')) AS refused FROM job_run r"
        " LEFT JOIN job_call c ON c.run_id = r.id GROUP BY 1, 2, 3 ORDER BY 1"
    ):
        what = f"run {row.id} of job {row.job_id}"
        if row.state == "open":
            wrong.append(f"{what} is under way, by nobody")
        elif row.state in ("done", "failed") and (row.left or (row.state == "failed") != bool(row.refused)):
            wrong.append(f"{what} is {row.state}; {row.refused} of its calls were refused, {row.left} not made")
    return wrong


def _calls(simulation: Simulation) -> list[str]:
    """One after the other, each once, as its run's owner; the audit has those that were accepted."""
    wrong = []
    audited: dict[str, list[Any]] = {}
    for row in simulation.sql("SELECT request_id, login, method FROM audit WHERE request_id LIKE 'job-%' ORDER BY id"):
        audited.setdefault(row.request_id, []).append(row)
    wrong += [f"the audit has {name} {len(rows)} times" for name, rows in audited.items() if len(rows) > 1]
    before: dict[int, float] = {}
    for row in _made(simulation):
        if row.begun is None:
            continue
        if row.begun < before.get(row.run_id, 0.0):
            wrong.append(f"call {row.number} of run {row.run_id} began before the one before it had ended")
        before[row.run_id] = float("inf") if row.ended is None else row.ended
        found = audited.get(row.name, [])
        if any((each.login, each.method) != (row.login, row.method) for each in found):
            wrong.append(f"call {row.number} of run {row.run_id} is in the audit as {found}")
        partly = "vm_ids" in row.params  # such a call is accepted, whatever is told of each
        reading = ".get_" in row.method
        if row.status == "ok" and len(found) != (not reading):
            wrong.append(f"call {row.number} of run {row.run_id} is said to be done, and the audit has it not")
        elif row.status == "internal_error":
            wrong.append(f"call {row.number} of run {row.run_id} broke")
        elif row.status not in ("", "ok") and found and not partly:
            wrong.append(f"call {row.number} of run {row.run_id} was refused ({row.status}), and the audit has it")
    return wrong


def _made(simulation: Simulation) -> Any:
    """The calls of all runs, in their order."""
    return simulation.sql(
        "SELECT c.run_id, c.number, c.params, c.status, r.method, a.login,"
        " 'job-' || r.uuid || '-' || c.number AS name, extract(epoch FROM c.started_at)::float8 AS begun,"
        " extract(epoch FROM c.finished_at)::float8 AS ended FROM job_call c JOIN job_run r ON r.id = c.run_id"
        " JOIN job j ON j.id = r.job_id JOIN account a ON a.id = j.account_id ORDER BY 1, 2"
    )


def _rights(simulation: Simulation, model: Model) -> list[str]:
    """Each was let in, or refused, as its owner's own call would have been; of groups a cluster knows nothing then."""
    accepted = {
        row.request_id: row.at
        for row in simulation.sql(
            "SELECT request_id, extract(epoch FROM at)::float8 AS at FROM audit WHERE request_id LIKE 'job-%'"
        )
    }
    alone = replace(model, groups={})
    slack_s = judge.SLACK_S if simulation.cloud is None else UNHEARD_S
    wrong = []
    for row in _made(simulation):
        if row.ended is None or row.method not in VM_VIEWS or row.status in judge.ANYBODYS:
            continue
        at = accepted.get(row.name)
        begin, end = (row.begun, row.ended) if at is None else (at, at)
        status = "" if row.status == "ok" else row.status
        asked: Any = SimpleNamespace(
            number=row.name, login=row.login, method=row.method, params=row.params, error=status, absent="vm",
            answer=None, unsure=False,
        )  # fmt: skip
        who = f"call {row.number} of run {row.run_id} ({row.login}: {row.method} {row.params})"
        for thing, needs, _ in judge.subjects(alone, asked, {}, {}, begin, end):
            wrong += judge.judged(alone, asked, who, thing, needs, status, begin, end, slack_s)
        spans = model.blocked.get(row.login, ())
        if not status and any(since + slack_s < begin and end < until for since, until in spans):
            wrong.append(f"{who} was made while they were blocked")
    return wrong


@dataclass
class _Span:
    """For how long a job had a schedule. ``whole``: that was ended when nothing was broken any more."""

    cron: str
    since: float
    until: float
    whole: bool = False

    def moments(self) -> Iterator[int]:
        first = int(self.cron.partition("-")[0]) * 60
        begin = int(self.since) // STEP_S * STEP_S + first - STEP_S
        yield from (at for at in range(begin, int(self.until) + 1, STEP_S) if self.since < at <= self.until)


def _spans(simulation: Simulation, well_since: float) -> dict[int, list[_Span]]:
    """By the jobs that there are, from what was accepted. :param well_since: from when on nothing was broken."""
    found: dict[int, list[_Span]] = {}
    jobs = simulation.sql("SELECT id, extract(epoch FROM created_at)::float8 AS at FROM job")
    made = {row.at: row.id for row in jobs}
    has: dict[int, tuple[str, bool]] = {}
    for row in simulation.sql(
        "SELECT method, arguments, extract(epoch FROM at)::float8 AS at FROM audit WHERE method LIKE '%.job.%'"
        " ORDER BY id"
    ):
        verb, given = row.method.rpartition(".")[2], row.arguments
        if verb not in ("create", "edit", "disable"):
            continue
        job_id = made.get(row.at) if verb == "create" else given["job_id"]
        if job_id is None or (verb != "create" and job_id not in has):
            continue
        cron, enabled = has.get(job_id, ("", True))
        now = (cron, False) if verb == "disable" else (
            cron if given.get("cron") is None else given["cron"],
            enabled if given.get("enabled") is None else given["enabled"],
        )  # fmt: skip
        if verb == "create" or now != (cron, enabled):
            spans = found.setdefault(job_id, [])
            if spans and spans[-1].until == float("inf"):
                spans[-1].until, spans[-1].whole = row.at, row.at >= well_since
            if now[0] and now[1]:
                spans.append(_Span(now[0], row.at, float("inf")))
        has[job_id] = now
    return found


def _moments(simulation: Simulation, well_since: float) -> list[str]:
    """Each moment of a schedule led to one run, or to a row that tells why there was none."""
    wrong = []
    told: dict[int, Counter[int]] = {}
    for row in simulation.sql(
        "SELECT job_id, missed, extract(epoch FROM due_at)::float8 AS due FROM job_run WHERE due_at IS NOT NULL"
    ):
        count = max(1, row.missed)
        told.setdefault(row.job_id, Counter()).update(round(row.due) - STEP_S * back for back in range(count))
    for job_id, spans in _spans(simulation, well_since).items():
        left = told.get(job_id, Counter[int]())
        for span in spans:
            if span.until == float("inf"):
                wrong.append(f"job {job_id} has a schedule still")
                continue
            for at in span.moments():
                times = left.pop(at, 0)
                # Whoever gives it another begins anew with that, also where nobody had looked yet.
                if times > 1 or (not times and span.whole and span.until - at > LOOKED_S):
                    wrong.append(f"the moment {at - EPOCH:.0f} of job {job_id} ({span.cron}) was kept {times} times")
        wrong += [f"job {job_id} was run for {at - EPOCH:.0f}, which is no moment of its" for at in sorted(left)]
    return wrong


def _told(simulation: Simulation) -> list[str]:
    """Of a run that failed its owner is told once."""
    return [
        f"of run {row.run} its owner was told {row.n} times"
        for row in simulation.sql(
            "SELECT params->>'job_run_id' AS run, count(*) AS n FROM message WHERE code = 'job_failed'"
            " GROUP BY 1 HAVING count(*) > 1"
        )
    ]
