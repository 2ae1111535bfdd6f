"""Users and an administrator at work: calls over the changing views, drawn from a seed, repeated until answered."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from twisted.python.failure import Failure

from cm.rpc.errors import CloudError, Incident, ObjectNotFound, Unavailable
from simulation.addressing import Addressing, PoolEdits
from simulation.asking import OPEN
from simulation.beginning import LOGINS
from simulation.cards import CardEdits, CardLimits, Cards
from simulation.carries import Carries
from simulation.chance import stream
from simulation.chores import ALONE, CHORES, PEOPLE
from simulation.expiries import Expiries
from simulation.farmers import Farmers
from simulation.fencers import Fencers
from simulation.guarding import Guarding
from simulation.haste import Haste
from simulation.insiders import Insiders
from simulation.jobs import Jobs
from simulation.keepers import Keepers
from simulation.link import ASYNC
from simulation.moves import Moves
from simulation.points import Chains, Images, Points
from simulation.senders import Senders
from simulation.sites import Sites
from simulation.sizes import Groups, LiveSizes, Sizes
from simulation.sleepers import Sleepers
from simulation.spare import Spare
from simulation.templates import Templates
from simulation.travels import Travels

if TYPE_CHECKING:
    from simulation.simulation import Simulation

PATIENCE_S: Final = 20.0
PACE_S: Final = 1.5  # what is asked costs less than the time between
REPEATS: Final = 40

# What is asked, and how often compared to the others.
ACTIONS: Final = {
    "create": 22, "burst": 1, "destroy": 9, "stop": 7, "start": 14, "shutdown": 5, "pause": 4, "resume": 8, "reset": 3,
    "save": 5, "attach_vnc": 4, "detach_vnc": 4, "edit": 2, "abandon": 5, "retry": 4, "image_delete": 2, "share": 2,
    "admin_stop": 1, "admin_start": 1, "admin_destroy": 1, "lock_node": 1, "unlock_node": 3, "check_node": 1,
    "restart": 6, "erase": 2, "template": 1, "image_edit": 1, "wrong_id": 2, "wrong_user": 2,
    "apply_drift": 2, "dismiss_drift": 1, "evacuate": 1, "hasty": 8, "trespass": 6, "withdraw": 4, "wrong_role": 1,
    "look": 4, "import_image": 1, "import_own": 1, "save_again": 4,
    "disk_create": 2, "disk_attach": 8, "disk_detach": 6, "disk_trash": 2, "disk_restore": 1, "disk_purge": 1, "cd": 5,
}  # fmt: skip
RESTART_S: Final = (12.0, 20.0, 30.0)


@dataclass
class Ask:
    """One call, with all its repeats."""

    number: int
    login: str
    method: str
    params: dict[str, Any]
    request_id: str
    asked_at: float
    tries: int = 0
    ended: bool = False
    ended_at: float = 0.0
    absent: str = ""  # what kind of thing was not found
    accepted: bool = False
    error: str = ""
    answer: Any = field(default=None, repr=False)
    reading: bool = False
    sent: bool = False  # somebody was there to be asked
    unsure: bool = False  # there was no answer, or that it is not known: it may have been done
    twice: bool = False  # it was sent again while the first was under way
    put_off: set[str] = field(default_factory=set)  # why it was told to ask again later


class Workload(Haste):
    """:param pace_s: mean seconds between two calls."""

    def __init__(self, simulation: Simulation, seconds: float, pace_s: float = PACE_S) -> None:
        self.simulation = simulation
        self.rng = stream(simulation.seed, "workload")
        self._evacuations = stream(simulation.seed, "evacuations")
        self.asks: list[Ask] = []
        self.counts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self._pace_s = pace_s
        self.spare = Spare(self, simulation.nodes[-1]) if simulation._spares else None
        self.moves = Moves(self, seconds) if len(simulation.storage_ids) > 1 else None
        self._end_s = simulation.schedule.seconds() + seconds
        Points(self, self._end_s)
        self.senders = Senders(self, self._end_s)
        self.keepers = Keepers(self, self._end_s)
        Travels(self, self._end_s)
        Sleepers(self, self._end_s)
        Fencers(self, self._end_s)
        Farmers(self, self._end_s)
        self.jobs = Jobs(self, self._end_s)
        Insiders(self, self._end_s)
        self.expiries = Expiries(self, self._end_s)
        Templates(self, self._end_s)
        Images(self, self._end_s)
        Chains(self, self._end_s)
        Guarding(self, self._end_s)
        Cards(self, self._end_s)
        CardEdits(self, self._end_s)
        CardLimits(self, self._end_s)
        Addressing(self, self._end_s)
        Sites(self, self._end_s)
        PoolEdits(self, self._end_s)
        Sizes(self, self._end_s)
        LiveSizes(self, self._end_s)
        Groups(self, self._end_s)
        if len(simulation.local) > 1:
            Carries(self, self._end_s)
        self._actions = ACTIONS | CHORES | (PEOPLE if simulation.cloud is not None else ALONE)
        simulation.later(0.1, self._tick)

    @property
    def own(self) -> frozenset[str]:
        """The views that the cloud answers itself."""
        if self.simulation.cloud is None:
            return frozenset()
        from simulation.cloud import OWN

        return OWN

    @property
    def under_way(self) -> int:
        return sum(not ask.ended for ask in self.asks)

    def _tick(self) -> None:
        simulation = self.simulation
        if simulation.schedule.seconds() >= self._end_s:
            return
        action = self.rng.choices(list(self._actions), list(self._actions.values()))[0]
        getattr(self, "_" + action)()
        self._retry_soon()
        simulation.later(self.rng.expovariate(1 / self._pace_s), self._tick)

    def ask(self, login: str, method: str, /, reading: bool = False, **params: Any) -> Ask:
        simulation = self.simulation
        number = len(self.asks) + 1
        ask = Ask(number, login, method, params, f"r{simulation.seed}-{number}", simulation.schedule.seconds())
        ask.reading = reading
        self.asks.append(ask)
        self.counts[method] += 1
        self._try(ask)
        if self.rng.random() < 0.06 and not reading:  # an impatient client
            simulation.later(self.rng.uniform(0.0, 0.5), self._try, ask, True)
        return ask

    def _try(self, ask: Ask, extra: bool = False) -> None:
        if ask.ended and not extra:
            return
        simulation = self.simulation
        ask.twice |= extra
        if not extra:
            ask.tries += 1
            if ask.tries > REPEATS:
                ask.ended, ask.error = True, "gave up"
                return
            simulation.later(PATIENCE_S, self._again, ask, ask.tries)
        try:
            request_id = None if ask.reading else ask.request_id
            answered = simulation.ask_as_user(ask.method, ask.params, login=ask.login, request_id=request_id)
        except LookupError:
            return
        ask.sent = True
        answered.addCallbacks(self._accepted, self._refused, callbackArgs=(ask,), errbackArgs=(ask,))

    def _again(self, ask: Ask, tries: int) -> None:
        if not ask.ended and ask.tries == tries:
            ask.unsure |= ask.sent
            self._try(ask)

    def _accepted(self, answer: Any, ask: Ask) -> None:
        simulation = self.simulation
        if ask.accepted and ask.answer != answer and ask.method not in ASYNC and not ask.reading:
            simulation.break_invariant(f"a repeat of {ask.method} ({ask.request_id}) was answered otherwise")
        if not ask.ended:
            simulation.note("answer", ask.number, ask.login, ask.method, ask.params, "accepted")
        if not ask.ended:
            ask.ended_at = simulation.schedule.seconds()
        ask.ended = ask.accepted = True
        ask.answer = answer
        if ask.method == "user.vm.create":
            simulation.handed |= {each["vm_id"]: ask.params.get("user_data", "") for each in answer}

    def _refused(self, failure: Failure, ask: Ask) -> None:
        simulation = self.simulation
        if failure.check(Unavailable):
            ask.unsure = True
            if isinstance(failure.value, CloudError):
                ask.put_off.add(failure.value.code)
            return  # asked again when patience ends
        if ask.ended:
            return
        ask.ended = True
        ask.ended_at = simulation.schedule.seconds()
        error = failure.value
        ask.absent = error.kind if isinstance(error, ObjectNotFound) else ""
        ask.error = error.code if isinstance(error, CloudError) else repr(error)
        self.errors[ask.error] += 1
        simulation.note("answer", ask.number, ask.login, ask.method, ask.params, ask.error)
        if not isinstance(error, CloudError) or isinstance(error, Incident):
            simulation.break_invariant(f"{ask.method} {ask.params} raised {error!r}")

    # ------------------------------------------------------------------ who asks for what

    def _user(self) -> str:
        return self.rng.choice(LOGINS)

    def _vm(self, login: str | None = None) -> tuple[str, int] | None:
        rows = self.simulation.sql(
            "SELECT a.login, v.id FROM vm v JOIN account a ON a.id = v.account_id WHERE v.closed_at IS NULL ORDER BY 2"
        )
        found = [(row.login, row.id) for row in rows if login is None or row.login == login]
        return self.rng.choice(found) if found else None

    def _on_vm(self, view: str, **more: Any) -> None:
        found = self._vm()
        if found is not None:
            many = view in ("destroy", "reset")
            key = {"vm_ids": [found[1]]} if many else {"vm_id": found[1]}
            self.ask(found[0], f"user.vm.{view}", **key, **more)

    def _create(self, count: int = 1, login: str = "", image_id: int = 0) -> None:
        simulation = self.simulation
        login = login or self._user()
        more: dict[str, Any] = {}
        if self.rng.random() < 0.15:
            more["iso_list"] = [simulation.iso_id]
        if self.rng.random() < 0.15:
            more["disk_list"] = [self.rng.choice(simulation.disk_ids)]
        if self.rng.random() < 0.4:
            more["user_data"] = f"#!/bin/sh\necho {len(self.asks)}\n"
        if len(self.asks) % 5 == 0:  # not drawn, so that older seeds tell the same story
            more["disk_mib"] = 96
        if len(self.asks) % 7 == 3:
            more["local_disk"] = True
        if len(self.asks) % 9 == 5:
            more["metadata"] = "seed-iso"
        if len(self.asks) % 6 == 1:
            more["metadata"] = ("seed-iso", "config-drive")[len(self.asks) % 4 // 2]
        if len(self.asks) % 4 == 0:
            more["new_disks"] = [32, 64][: 1 + len(self.asks) % 8 // 4]
        self.ask(
            login, "user.vm.create", name=f"vm{len(self.asks)}", description="", count=count,
            image_id=image_id or self.rng.choice(simulation.image_ids), template_id=simulation.template_id,
            on_poweroff=self.rng.choice(["stop", "destroy", "restart", "save"]),
            vnc=self.rng.random() < 0.3, deploy_mode=self.rng.choice(["overlay", "overlay", "copy"]), **more,
        )  # fmt: skip

    def _burst(self) -> None:
        """A class begins."""
        self._create(count=self.rng.randint(4, 8))

    def _destroy(self) -> None:
        self._on_vm("destroy")

    def _stop(self) -> None:
        self._on_vm("stop")

    def _restart(self) -> None:
        """A stop, and a start as soon as it can be had."""
        found = self._vm()
        if found is not None:
            self.ask(found[0], "user.vm.stop", vm_id=found[1])
            for after_s in RESTART_S:
                self._later(after_s, found[0], "user.vm.start", vm_id=found[1])

    def _start(self) -> None:
        self._on_vm("start")

    def _shutdown(self) -> None:
        self._on_vm("shutdown")

    def _pause(self) -> None:
        self._on_vm("pause")

    def _resume(self) -> None:
        self._on_vm("resume")

    def _reset(self) -> None:
        self._on_vm("reset")

    def _save(self) -> None:
        self._on_vm("save_and_shutdown", name=f"image{len(self.asks)}", description="")

    def _attach_vnc(self) -> None:
        self._on_vm("attach_vnc")

    def _detach_vnc(self) -> None:
        self._on_vm("detach_vnc")

    def _edit(self) -> None:
        self._on_vm("edit", name=f"named{len(self.asks)}")

    def _share(self) -> None:
        found = self._vm()
        if found is not None:
            level = self.rng.choice(["user", "operator", "owner", None])
            others = [login for login in LOGINS if login != found[0]]
            self.ask(
                found[0], "user.acl.set", kind="vm", object_id=found[1], level=level, login=self.rng.choice(others)
            )

    def _operation(self, where: str) -> tuple[str, int] | None:
        rows = self.simulation.sql(
            "SELECT a.login, o.id FROM operation o JOIN account a ON a.id = o.account_id"
            f" WHERE {where} ORDER BY o.id DESC LIMIT 5"
        )
        found = [(row.login, row.id) for row in rows if row.login in LOGINS]
        return self.rng.choice(found) if found else None

    def _abandon(self) -> None:
        found = self._operation(f"o.state IN {OPEN}")
        if found is not None:
            self.ask(found[0], "user.operation.abandon", operation_id=found[1])

    def _retry(self) -> None:
        found = self._operation("o.state = 'failed'")
        if found is not None:
            self.ask(found[0], "user.operation.retry", operation_id=found[1])

    def _image(self) -> tuple[str, int] | None:
        rows = self.simulation.sql(
            "SELECT a.login, i.id FROM image i JOIN account a ON a.id = i.account_id"
            " WHERE i.deleted_at IS NULL AND a.login <> 'admin' ORDER BY i.id"
        )
        return self.rng.choice([(row.login, row.id) for row in rows]) if rows else None

    def _image_delete(self) -> None:
        found = self._image()
        if found is not None:
            self.ask(found[0], "user.system_image.delete", image_id=found[1])

    def _image_edit(self) -> None:
        found = self._image()
        if found is not None:
            self.ask(found[0], "user.system_image.edit", image_id=found[1], description=f"{len(self.asks)}")

    def _template(self) -> None:
        self.ask("admin", "admin.template.add", name=f"template{len(self.asks)}", cpu=1, memory_mib=256, disk_mib=96,
                 points=3)  # fmt: skip

    def _admin_on(self, view: str) -> None:
        found = self._vm()
        if found is not None:
            key = {"vm_ids": [found[1]]} if view == "destroy" else {"vm_id": found[1]}
            self.ask("admin", f"admin.vm.{view}", **key)

    def _admin_stop(self) -> None:
        self._admin_on("stop")

    def _admin_start(self) -> None:
        self._admin_on("start")

    def _admin_destroy(self) -> None:
        self._admin_on("destroy")

    def _erase(self) -> None:
        """The last way out, for a VM on a node that does not answer; as an administrator would use it."""
        rows = self.simulation.sql(
            "SELECT v.id FROM vm v JOIN node n ON n.id = v.node_id WHERE v.closed_at IS NULL"
            " AND n.state = 'unreachable' ORDER BY v.id"
        )
        if rows:
            vm_id = self.rng.choice(rows).id
            self.ask("admin", "admin.vm.erase", vm_id=vm_id)

    def _node_id(self) -> int:
        return self.rng.choice(self.simulation.members()).node_id

    def _lock_node(self) -> None:
        self.ask("admin", "admin.node.lock", node_id=self._node_id())

    def _unlock_node(self) -> None:
        self.ask("admin", "admin.node.unlock", node_id=self._node_id())

    def _evacuate(self) -> None:
        """A node is emptied, and used again a while later."""
        node_id = self._node_id()
        live = self._evacuations.random() < 0.5
        self.ask("admin", "admin.node.evacuate", node_id=node_id, live=live)
        self._later(self.rng.uniform(5.0, 60.0), "admin", "admin.node.unlock", node_id=node_id)
        self.simulation.later(self._evacuations.uniform(0.3, 20.0), self._follow_evacuation)

    def _follow_evacuation(self) -> None:
        """What is still under way is given up now and then, and what has failed is tried again."""
        found = self.simulation.sql(
            "SELECT id, state FROM operation WHERE kind = 'node_evacuate' ORDER BY id DESC LIMIT 1"
        )
        for row in found:
            if row.state == "failed":
                self.ask("admin", "admin.operation.retry", operation_id=row.id)
            elif row.state in ("queued", "running", "waiting") and self._evacuations.random() < 0.5:
                self.ask("admin", "admin.operation.abandon", operation_id=row.id)

    def _check_node(self) -> None:
        self.ask("admin", "admin.node.check", node_id=self._node_id())

    def _drift(self, view: str) -> None:
        rows = self.simulation.sql("SELECT id FROM drift WHERE closed_at IS NULL ORDER BY id")
        if rows:
            self.ask("admin", f"admin.drift.{view}", drift_id=self.rng.choice(rows).id)

    def _apply_drift(self) -> None:
        self._drift("apply")

    def _dismiss_drift(self) -> None:
        self._drift("dismiss")

    def _wrong_id(self) -> None:
        self.ask(self._user(), "user.vm.stop", vm_id=10**6 + len(self.asks))

    def _wrong_user(self) -> None:
        found = self._vm()
        if found is not None:
            other = self.rng.choice([login for login in LOGINS if login != found[0]])
            self.ask(other, "user.vm.destroy", vm_ids=[found[1]])
