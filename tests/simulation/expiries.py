"""
People whose VMs have expiry leases: an administrator makes these, changes them and gives them to everybody; people
choose and renew them, and try to where they may not. Time passes for the lease of one VM alone, all of its moments in
one stroke, as if it had been given so much earlier. Drawn apart from the rest of the workload.

And what must hold of them when all is at rest: nobody was told twice, nothing ended early or untold, and nothing is
kept late.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from simulation.asking import OPEN
from simulation.beginning import LOGINS
from simulation.draws import Draws
from simulation.model import Model

if TYPE_CHECKING:
    from simulation.simulation import Simulation
    from simulation.workload import Workload

# Of what is documented: of an interval a tenth is left when people are told, and so long passes until it ends; a
# deletion is found due twice.
TENTH: Final = 0.1
APART_S: Final = 600.0
EXACT_S: Final = 0.1
HOUR: Final = 3600
# After the last call of the workload: whoever was killed in its last moment has been back for a while, and looks at
# what is due every half minute. Then all leases begin anew, so that all comes to rest.
END_S: Final = 130.0
LATE_S: Final = 60.0
THEN: Final = {"vm_suspend": "suspended", "vm_destroy": "deleted"}


class Expiries(Draws):
    STREAM = "expiry leases"
    PACE_S = 4.0
    ASKED = {
        "add": 2, "edit": 1, "rename": 1, "default": 1, "delete": 1, "grant": 2, "set": 5, "create": 3, "renew": 3,
        "take": 1, "apply": 1, "wait": 20, "trespass": 2,
    }  # fmt: skip

    def __init__(self, workload: Workload, until_s: float) -> None:
        super().__init__(workload, until_s)
        self.passed: dict[int, list[tuple[float, float]]] = {}  # by VM: when, and how many seconds passed in one stroke
        self.late: list[str] = []
        left_s = until_s - self.simulation.schedule.seconds()
        if left_s > 0:
            self.simulation.later(left_s + END_S, self._end)

    def _draw(self) -> None:
        if self._lease() is None:
            self._add()  # there is one from the beginning, so that short runs have some, too
        else:
            super()._draw()

    def _vm_of(self, where: str = "true") -> Any:
        return self._one(
            "SELECT a.login, v.id, x.expiry_id FROM vm v JOIN account a ON a.id = v.account_id"
            f" LEFT JOIN vm_expiry x ON x.vm_id = v.id WHERE v.closed_at IS NULL AND {where} ORDER BY 2"
        )

    def _lease(self, where: str = "true") -> Any:
        return self._one(f"SELECT e.id FROM expiry e WHERE e.deleted_at IS NULL AND {where} ORDER BY 1")

    # ------------------------------------------------------------------ administrators

    def _add(self) -> None:
        suspend_s = self._rng.choice([HOUR // 2, HOUR, None])
        delete_s = self._rng.choice([HOUR * 3 // 2, 2 * HOUR, None])
        self._workload.ask(
            "admin", "admin.expiry.add", name=f"lease{len(self._workload.asks)}", suspend_s=suspend_s,
            delete_s=delete_s, for_all=self._rng.random() < 0.6,
        )  # fmt: skip

    def _edit(self) -> None:
        row = self._lease()
        if row is not None:
            change = self._rng.choice([{"suspend_s": HOUR}, {"delete_s": 3 * HOUR}, {"for_all": True},
                                       {"for_all": False}])  # fmt: skip
            self._workload.ask("admin", "admin.expiry.edit", expiry_id=row.id, **change)

    def _default(self) -> None:
        row = self._lease()
        expiry_id = None if row is None or self._rng.random() < 0.4 else row.id
        self._workload.ask("admin", "admin.expiry.set_default", expiry_id=expiry_id)

    def _delete(self) -> None:
        row = self._lease()
        if row is not None:
            self._workload.ask("admin", "admin.expiry.delete", expiry_id=row.id)

    def _grant(self) -> None:
        row = self._lease()
        if row is not None:
            self._workload.ask(
                "admin", "admin.acl.set", kind="expiry", object_id=row.id, login=self._rng.choice(LOGINS),
                level=self._rng.choice(["user", "user", "owner", None]),
            )  # fmt: skip

    def _apply(self) -> None:
        row = self._lease()
        if row is not None:
            asked = {"expiry_id": row.id, "replace": self._rng.random() < 0.3}
            self._workload.ask("admin", "admin.expiry.apply", **asked)

    def _take(self) -> None:
        row = self._vm_of("x.expiry_id IS NOT NULL")
        if row is not None:
            self._workload.ask("admin", "admin.expiry.set", vm_id=row.id, expiry_id=None)

    # ------------------------------------------------------------------ people

    def _set(self) -> None:
        row, lease = self._vm_of(), self._lease()
        if row is not None and lease is not None:
            self._workload.ask(row.login, "user.expiry.set", vm_id=row.id, expiry_id=lease.id)

    def _create(self) -> None:
        lease, simulation = self._lease(), self.simulation
        if lease is not None:
            self._workload.ask(
                self._rng.choice(LOGINS), "user.vm.create", name=f"leased{len(self._workload.asks)}", description="",
                image_id=simulation.image_id, template_id=simulation.template_id, expiry_id=lease.id,
            )  # fmt: skip

    def _renew(self) -> None:
        row = self._vm_of("x.expiry_id IS NOT NULL")
        if row is not None:
            self._workload.ask(row.login, "user.expiry.renew", vm_id=row.id)

    def _rename(self) -> None:
        """Whoever was granted a lease wholly; anybody else is refused."""
        row = self._lease()
        if row is not None:
            number = len(self._workload.asks)
            self._workload.ask(self._rng.choice(LOGINS), "user.expiry.edit", expiry_id=row.id, name=f"renamed{number}")

    def _trespass(self) -> None:
        """With another's VM."""
        row, lease = self._vm_of(), self._lease()
        if row is not None and lease is not None:
            other = self._rng.choice([login for login in LOGINS if login != row.login])
            if self._rng.random() < 0.5:
                self._workload.ask(other, "user.expiry.renew", vm_id=row.id)
            else:
                self._workload.ask(other, "user.expiry.set", vm_id=row.id, expiry_id=lease.id)

    # ------------------------------------------------------------------ time

    def _wait(self) -> None:
        """For whoever has had theirs longest, so that some come to their end."""
        row = self._one(
            "SELECT x.vm_id FROM vm_expiry x WHERE coalesce(x.suspend_s, x.delete_s) IS NOT NULL"
            " ORDER BY x.renewed_at, x.vm_id LIMIT 1"
        )
        if row is not None:
            self.pass_time(row.vm_id, self._rng.randrange(300, 1500))

    def pass_time(self, vm_id: int, seconds: int) -> None:
        """So much passes for a VM's lease: each of its moments is so long ago, or comes so much sooner."""
        moments = (
            "renewed_at", "suspend_at", "suspend_told_at", "delete_at", "delete_told_at", "found_at", "look_at",
        )  # fmt: skip
        moved = ", ".join(f"{name} = {name} - make_interval(secs => :s)" for name in moments)
        self.simulation.sql(f"UPDATE vm_expiry SET {moved} WHERE vm_id = :v", s=seconds, v=vm_id)
        self.simulation.note("time of a lease", vm_id, seconds)
        self.passed.setdefault(vm_id, []).append((self.simulation.unix_s(), float(seconds)))

    def _end(self) -> None:
        """Nothing is kept late; from now on no lease ends any more."""
        self.late = overdue(self.simulation)
        for row in self.simulation.sql(
            "SELECT x.vm_id, e.deleted_at IS NOT NULL AS gone FROM vm_expiry x JOIN expiry e ON e.id = x.expiry_id"
            " ORDER BY 1"
        ):
            if row.gone:
                self._workload.ask("admin", "admin.expiry.set", vm_id=row.vm_id, expiry_id=None)
            else:
                self._workload.ask("admin", "admin.expiry.renew", vm_id=row.vm_id)

    # ------------------------------------------------------------------ at rest

    def at_rest(self, model: Model) -> list[str]:
        wrong = [*self.late, *_told_once(self.simulation)]
        for vm_id, history in _histories(self.simulation, model).items():
            wrong += judged(vm_id, history, self.passed.get(vm_id, []))
        return wrong


def counted(simulation: Simulation) -> Counter[str]:
    """What was done of them, for ``effects.EXPECTED``."""
    made = Counter[str]()
    for row in simulation.sql("SELECT kind, state FROM operation WHERE cause_kind = 'expiry'"):
        made[f"{THEN[row.kind]} by its lease"] += row.state == "done"
    for row in simulation.sql("SELECT code FROM vm_event WHERE code IN ('notification_about_expiration', 'renew')"):
        made["lease renewed" if row.code == "renew" else "told of a lease's end"] += 1
    return made


def overdue(simulation: Simulation) -> list[str]:
    """What should have been done about leases a while ago. Of what is refused its row says why, and when it is next."""
    return [
        f"VM {row.vm_id} is kept late, or its people were not told: its lease is {tuple(row)}"
        for row in simulation.sql(
            "SELECT x.vm_id, x.suspend_at, x.suspend_told_at, x.delete_at, x.delete_told_at, x.waits, x.look_at"
            " FROM vm_expiry x JOIN vm v ON v.id = x.vm_id CROSS JOIN"
            " LATERAL (SELECT clock_timestamp() - make_interval(secs => :late) AS at) late"
            " WHERE v.closed_at IS NULL AND x.waits = '' AND x.attempts = 0 AND NOT v.guarded AND v.error = ''"
            f" AND NOT EXISTS (SELECT 1 FROM operation o WHERE o.vm_id = v.id AND (o.state IN {OPEN}"
            " OR o.finished_at > late.at)) AND ("
            "  (x.delete_told_at IS NULL AND x.delete_at - make_interval(secs => x.delete_s * 0.1) < late.at) OR"
            "  (v.seen = 'running' AND v.wanted = 'running' AND v.seen_at < late.at AND ("
            "   (x.suspend_told_at IS NULL AND x.suspend_at - make_interval(secs => x.suspend_s * 0.1) < late.at)"
            "   OR greatest(x.suspend_at, x.suspend_told_at + make_interval(secs => x.suspend_s * 0.1)) < late.at)))"
            " ORDER BY 1",
            late=LATE_S,
        )
    ]


def _told_once(simulation: Simulation) -> list[str]:
    """Of a notice each owner was told once."""
    return [
        f"of {row.n} notices that VM {row.vm_id} is {row.then} soon account {row.account_id} was told {row.told} times"
        for row in simulation.sql(
            "SELECT t.*, (SELECT count(*) FROM vm_event e WHERE e.vm_id = t.vm_id AND e.params->>'then' = t.then"
            " AND e.code = 'notification_about_expiration') AS n FROM (SELECT account_id,"
            " (params->>'vm_id')::bigint AS vm_id, params->>'then' AS then, count(*) AS told FROM message"
            " WHERE code = 'vm_expires' GROUP BY 1, 2, 3) t ORDER BY 2, 1, 3"
        )
        if row.told > row.n
    ]


def _histories(simulation: Simulation, model: Model) -> dict[int, list[tuple[float, str, Any]]]:
    """By VM what became of its lease, in order: "begins" with its intervals, "starts", "told" and "ends" with how."""
    found: dict[int, list[tuple[float, str, Any]]] = {
        vm.id: [(at, "begins", intervals) for at, *intervals in vm.facts["terms"]]
        for vm in model.vms.values()
        if "terms" in vm.facts
    }
    for row in simulation.sql(
        "SELECT (arguments->>'vm_id')::bigint AS vm_id, extract(epoch FROM at)::float8 AS at FROM audit"
        " WHERE method LIKE '%.vm.start' OR method LIKE '%.vm.wake_up'"
    ):
        found.get(row.vm_id, []).append((row.at, "starts", None))
    for row in simulation.sql(
        "SELECT vm_id, extract(epoch FROM at)::float8 AS at, params->>'then' AS then FROM vm_event"
        " WHERE code = 'notification_about_expiration'"
    ):
        found.get(row.vm_id, []).append((row.at, "told", row.then))
    for row in simulation.sql(
        "SELECT vm_id, kind, extract(epoch FROM created_at)::float8 AS at FROM operation WHERE cause_kind = 'expiry'"
    ):
        found.get(row.vm_id, []).append((row.at, "ends", THEN[row.kind]))
    return {vm_id: sorted(history, key=lambda each: each[0]) for vm_id, history in found.items()}


def judged(
    vm_id: int, history: list[tuple[float, str, Any]], passed: list[tuple[float, float]]
) -> list[str]:
    """What was done about a VM's lease early, untold, or twice."""
    wrong = []
    seconds: dict[str, int | None] = {"suspended": None, "deleted": None}
    begun = {"suspended": 0.0, "deleted": 0.0}
    told: dict[str, float | None] = {"suspended": None, "deleted": None}
    for when, what, value in history:
        at = when + sum(length for since, length in passed if since <= when)  # as the lease has had time
        if what == "begins":
            seconds = dict(zip(begun, value, strict=True))
            begun, told = dict.fromkeys(begun, at), dict.fromkeys(told)
        elif what == "starts":
            begun["suspended"], told["suspended"] = at, None
        else:
            length, since = seconds[value], told[value]
            who = f"VM {vm_id}, {value} after {length} s, at {at - begun[value]:.1f} s"
            if length is None:
                wrong.append(f"{who}: {what} by a lease that does not say so")
            elif what == "told":
                if since is not None:
                    wrong.append(f"{who}: its people were told again")
                elif at < begun[value] + length * (1 - TENTH) - EXACT_S:
                    wrong.append(f"{who}: its people were told early")
                told[value] = at
            elif since is None:
                wrong.append(f"{who}: nobody was told")
            elif at < max(begun[value] + length, since + length * TENTH) + APART_S * (value == "deleted") - EXACT_S:
                wrong.append(f"{who}: it ended early; its people were told at {since - begun[value]:.1f} s")
    return wrong

