"""
What everybody sees at rest: each reads all that there is to read, by every reading view; and it is what the ``model``
says, what the nodes have, what the feed told them, and what a summary written now would say.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.orm import Session
from twisted.python.failure import Failure

from cm.rpc.errors import CloudError, Unavailable
from cm.store.vm import render_vm
from simulation import judge
from simulation.asking import OPEN
from simulation.beginning import LOGINS
from simulation.model import EVER, Model
from simulation.things import Things
from support.graph import faults

if TYPE_CHECKING:
    from simulation.simulation import Simulation

QUIET_TRIES: Final = 60
TIRED: Final = 4  # looks at what goes on changing


class _Nothing(dict[str, Any]):
    def __missing__(self, key: str) -> None:
        return None


class Eyes:
    """One look at everything. ``called``: how often which view was."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.called: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._answers: dict[str, Any] = {}

    # ------------------------------------------------------------------ asking

    def read(self, asked: list[tuple[str, str, dict[str, Any]]]) -> None:
        """Ask all of it at once; what is not served now is asked again."""
        simulation = self.simulation
        left = {json.dumps(each): each for each in asked}
        for _ in range(30):
            box: dict[str, Any] = {}
            for key, (login, method, params) in left.items():
                self.called[method] += 1
                try:
                    deferred = simulation.ask_as_user(method, params, login=login, request_id=None)
                except LookupError:
                    continue
                deferred.addBoth(lambda value, box=box, key=key: box.__setitem__(key, value))
            for _ in range(200):
                simulation.run_for(0.1)
                if len(box) == len(left):
                    break
            for key, value in box.items():
                if not (isinstance(value, Failure) and value.check(Unavailable)):
                    self._answers[key] = value
                    left.pop(key)
            if not left:
                return
        self.wrong += [f"{key} was not answered at rest" for key in left]

    def answer(self, login: str, method: str, **params: Any) -> Any:
        """What it was answered: a value, or the code of its error as "!code"."""
        value = self._answers.get(json.dumps((login, method, params)), "!nothing")
        if isinstance(value, Failure):
            error = value.value
            return f"!{error.code}" if isinstance(error, CloudError) else f"!{error!r}"
        return value

    def listed(self, login: str, method: str, **params: Any) -> list[Any]:
        """The same of a list; a refusal is wrong, and lists nothing."""
        answer = self.answer(login, method, **params)
        if isinstance(answer, str):
            self.wrong.append(f"{login} was answered {answer} by {method} {params or ''}")
            return []
        return list(answer)

    def record(self, login: str, method: str, **params: Any) -> dict[str, Any]:
        """The same of a record; a refusal is wrong, and tells nothing."""
        answer = self.answer(login, method, **params)
        if isinstance(answer, str):
            self.wrong.append(f"{login} was answered {answer} by {method} {params or ''}")
            return _Nothing()
        return dict(answer)

    def expect(self, what: str, seen: Any, wanted: Any) -> None:
        if seen != wanted:
            self.wrong.append(f"{what} is {seen!r:.300}, and should be {wanted!r:.300}")


def at_rest(simulation: Simulation, calls: Counter[str] | None = None) -> list[str]:
    """Everything that somebody sees otherwise than it is. :param calls: gets which views were called."""
    wrong: list[str] = []
    for _ in range(TIRED):
        before = _moment(simulation)
        for _ in range(QUIET_TRIES):  # a guest that ended is started again after a pause, a loop begins work by itself
            simulation.run_for(4.0)
            last, before = before, _moment(simulation)
            if last == before and not before[2]:
                break  # and what happened last has reached its readers
        eyes = Eyes(simulation)
        model = judge.model_of(simulation)
        look = Look(eyes, model)
        try:
            look.everything()
        except (TypeError, KeyError) as error:
            if not eyes.wrong:
                raise
            eyes.wrong.append(f"what else was answered is not as it should be: {error!r}")
        if calls is not None:
            calls.update(eyes.called)
        wrong = eyes.wrong
        if before == (moment := _moment(simulation)) and not moment[2]:
            return wrong
        simulation.excuses.use("goes on changing", before)
    return wrong if len(wrong) < 3 else wrong[:20]


def _moment(simulation: Simulation) -> tuple[int, int, tuple[int, ...]]:
    """
    What a look has to find the same before and after: the last change, how many guests have ended (which may be seen
    before anybody has heard of it), and what is under way. Between running and waiting that goes to and fro untold, so
    there may be none: a loop begins some by itself, as to flatten a disk.
    """
    last = simulation.sql("SELECT coalesce(max(id), 0) AS last FROM change")[0].last
    under_way = simulation.sql(f"SELECT id FROM operation WHERE state IN {OPEN} ORDER BY id")
    return int(last), len(simulation.effects.endings.all), tuple(row.id for row in under_way)


class Look(Things):
    """What is asked, and what is to be seen."""

    def __init__(self, eyes: Eyes, model: Model) -> None:
        self.eyes = eyes
        self.model = model
        self.simulation = eyes.simulation
        self.now = self.simulation.unix_s()
        self.rows = {
            row.id: row
            for row in self.simulation.sql(
                "SELECT v.id, v.uuid::text AS uuid, v.summary, v.closed_at IS NOT NULL AS closed, v.user_data,"
                " v.node_id, a.login FROM vm v JOIN account a ON a.id = v.account_id ORDER BY v.id"
            )
        }
        self.images = {
            row.id: row
            for row in self.simulation.sql(
                "SELECT i.id, i.uuid::text AS uuid, i.kind, i.state, i.access, i.deleted_at IS NOT NULL AS gone"
                " FROM image i ORDER BY i.id"
            )
        }
        self.operations = self.simulation.sql(
            "SELECT id, kind, state, vm_id, (objects->'image'->>0)::bigint AS image_id FROM operation"
            " ORDER BY id DESC LIMIT 8"
        )

    def everything(self) -> None:
        self.eyes.read(self._distinct())
        self._summaries()
        for login in LOGINS:
            self._lists(login)
            self._ones(login)
            self._work(login)
            self._own_jobs(login)
            self._leases(login)
            self._installed(login)
            self._feed(login)
            self._graph(login)
        self._administrator()
        if self.simulation.cloud is not None:
            self._cloud()

    def _distinct(self) -> list[tuple[str, str, dict[str, Any]]]:
        return list({json.dumps(each): each for each in self._asked()}.values())

    # ------------------------------------------------------------------ the feed, and what would be written now

    def _summaries(self) -> None:
        """What is kept of each VM is what would be written of it now."""
        with Session(self.simulation.own) as session:
            for row in self.rows.values():
                if row.closed:
                    continue
                kept, fresh = json.loads(row.summary), json.loads(render_vm(session, row.id))
                fresh["version"] -= 1
                differing = sorted(name for name in fresh if fresh[name] != kept.get(name))
                for name in differing:
                    self.eyes.expect(f"{name} in the summary of VM {row.id}", kept.get(name), fresh[name])
            session.rollback()

    def _feed(self, login: str) -> None:
        reader = self.simulation.readers.get(login)
        if reader is None or not reader.loaded:
            return
        listed = {
            vm["vm_id"]: vm
            for params in ({}, {"shared": True})
            for vm in self.eyes.listed(login, "user.vm.get_list", **params)
        }
        seen = reader.seen["vm"]
        # Who was in a group is not known to the cluster: they find out when they ask.
        by_group = {t.id for t in self.model.vms.values() if any(whom[0] == "group" for _, whom, _ in t.grants)}
        for vm_id in sorted((set(seen) ^ set(listed)) & by_group):
            self.simulation.excuses.use("seen by a group", (login, vm_id))
        extra, lacking = set(seen) - set(listed) - by_group, set(listed) - set(seen) - by_group
        if extra or lacking:
            differs = f"lacks VMs {sorted(lacking)}, and has {sorted(extra)}"
            self.eyes.wrong.append(f"{login}'s picture by the feed {differs}")
        for vm_id in sorted(set(seen) & set(listed)):
            told, there = seen[vm_id], listed[vm_id]
            differing = sorted(key for key in told if key in there and told[key] != there[key])
            if differing:
                name = differing[0]
                self.eyes.expect(f"{name} of VM {vm_id} in {login}'s feed", told[name], there[name])
        for _, kind, number, event, with_object in reader.told:
            thing = self.model.of(kind, number)
            if thing is None or not with_object or kind == "image" or number in by_group:
                continue
            if not any(self.model.levels(login, thing, thing.born, self.now)):
                self.eyes.wrong.append(f"{login} was told of {kind} {number} ({event}), which was never theirs to see")

    def _graph(self, login: str) -> None:
        """The graph of objects hangs together, has the VMs that lists have, as they have them, and no secret."""
        objects = self.eyes.listed(login, "user.object.get_all")
        self.eyes.wrong += [f"in {login}'s graph {fault}" for fault in faults(objects)[:5]]
        listed = {
            vm["uuid"]: (vm["name"], vm["power_state"])
            for params in ({}, {"shared": True})
            for vm in self.eyes.listed(login, "user.vm.get_list", **params)
        }
        told = {each["UUID"]: (each["name_label"], each["power_state"]) for each in objects if each["type"] == "VM"}
        self.eyes.expect(f"the VMs of {login}'s graph", told, listed)
        text = json.dumps(objects)
        for row in self.rows.values():
            if row.user_data and row.user_data in text:
                self.eyes.wrong.append(f"{login}'s graph tells VM {row.id}'s user data")

    # ------------------------------------------------------------------ administrators

    def _administrator(self) -> None:
        eyes, simulation = self.eyes, self.simulation

        def listed(view: str, key: str, **params: Any) -> list[Any]:
            answer = eyes.answer("admin", f"admin.{view}", **params)
            if isinstance(answer, str):
                eyes.wrong.append(f"admin.{view} {params} is {answer}")
                return []
            return sorted(each[key] for each in answer)

        live = [t for t in self.model.vms.values() if t.ended == EVER]
        eyes.expect("all VMs", listed("vm.get_list", "vm_id"), sorted(t.id for t in live))
        ended = sorted(t.id for t in self.model.vms.values() if t.ended < EVER)
        eyes.expect("all ended VMs", listed("vm.get_list", "vm_id", closed=True), ended)
        mine = sorted(t.id for t in live if t.owner == "ann")
        eyes.expect("the VMs of ann", listed("vm.get_list", "vm_id", user_id=self._account("ann")), mine)
        node_id = simulation.nodes[0].node_id
        here = sorted(row.id for row in self.rows.values() if row.node_id == node_id and not row.closed)
        eyes.expect("the VMs of a node", listed("vm.get_list", "vm_id", node_id=node_id), here)
        eyes.expect("the nodes", listed("node.get_list", "node_id"), sorted(n.node_id for n in simulation.members()))
        leases = {
            row.address: row.vm_id
            for row in simulation.sql(
                "SELECT host(l.address) AS address, n.vm_id FROM network_lease l JOIN nic n ON n.id = l.nic_id"
                " WHERE l.network_id = :id",
                id=simulation.network_id,
            )
        }
        told = eyes.answer("admin", "admin.network.list_leases", pool_id=simulation.network_id, used_only=True)
        eyes.expect("the leases", {each["address"]: each["vm_id"] for each in told}, leases)
        everything = eyes.listed("admin", "admin.object.get_all")
        eyes.wrong += [f"in the administrator's graph {fault}" for fault in faults(everything)[:5]]
        uuids = sorted(self.rows[t.id].uuid for t in live)
        eyes.expect("the graph's VMs", sorted(each["UUID"] for each in everything if each["type"] == "VM"), uuids)
        found = eyes.answer("admin", "admin.cluster.check")
        eyes.expect("what the cluster finds wrong with its books", found.get("leaks", []), [])
        for thing in self.some("vm")[:2]:
            answer = eyes.answer("admin", "admin.vm.get_by_id", vm_id=thing.id)
            if not isinstance(answer, dict):
                eyes.wrong.append(f"to the administrator VM {thing.id} is {answer}")
            else:
                self._shown(f"VM {thing.id} to the administrator", answer, thing)

    def _cloud(self) -> None:
        eyes, cloud = self.eyes, self.simulation.cloud
        assert cloud is not None
        living = sorted(group for group, changes in self.model.groups.items() if changes[-1][1])
        for login in LOGINS:
            mine = sorted(self.model.groups_of(login, self.now))
            for group_id in sorted(self.model.groups)[-3:]:
                answer = eyes.answer(login, "user.group.list_members", group_id=group_id)
                if group_id not in living:
                    eyes.expect(f"to {login} group {group_id}, which is no more", answer, "!object_not_found")
                elif group_id not in mine:
                    eyes.expect(f"to {login} the members of group {group_id}", answer, "!group_not_member")
                else:
                    members = sorted(who["login"] for who in answer)
                    wanted = sorted(self.model.groups[group_id][-1][1])
                    eyes.expect(f"to {login} the members of group {group_id}", members, wanted)
            refused = eyes.answer(login, "cloud.user.get_list")
            if refused not in ("!role_needed", "!permission_needed"):
                eyes.wrong.append(f"{login} lists the cloud's people: {refused}")
        people = sorted(user["login"] for user in eyes.listed("admin", "cloud.user.get_list"))
        eyes.expect("the cloud's people", people, sorted((*LOGINS, "admin")))
