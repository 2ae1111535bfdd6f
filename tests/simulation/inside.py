"""
Agents in the guests of simulated nodes: ours, which asks the endpoint as ``contextualization.guest.agent`` does, or
QEMU's. Some are slow, some hang, some are rebooted in between; some programs of a guest are not its agent.

What each was told and did is kept, and held against what is on record of it: nothing is done after its time, nor twice,
nor by another guest, and who asked is told what was done.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred

from cm.drivers.memory.inside import Inside
from contextualization.guest.agent.asking import TELLING_S, VERSION
from contextualization.wire import Answer

if TYPE_CHECKING:
    from simulation.guest import Guest
    from simulation.simulation import Simulation
    from simulation.workload import Ask, Workload

POLL_S: Final = 25.0
FORWARDED_S: Final = 5.0  # for which its node waits for another answer than a poll's
REST_S: Final = (1.0, 30.0)
LOOK_S: Final = 1.0
BOOT_S: Final = (8.0, 30.0)
ACTIONS: Final = (
    "facts", "set_password", "keys", "add_keys", "remove_keys", "generate_key", "set_time", "power_off", "reboot",
    "set_hostname", "set_hosts", "notice", "grow_root", "mount_share", "unmount_share",
)  # fmt: skip
OPEN: Final = ("pending", "executing")
# What each view has the guest do; of QEMU's agent the call to its node.
DOES: Final[Mapping[str, str]] = {
    "user.vm.password_reset": "set_password", "user.vm.install_keys": "add_keys", "user.vm.remove_keys": "remove_keys",
    "user.vm.set_time": "set_time", "user.vm.reboot": "reboot", "user.vm.set_hostname": "set_hostname",
    "user.vm.set_hosts": "set_hosts", "user.vm.generate_key": "generate_key", "user.vm.grow_root": "grow_root",
    "user.vm.mount_share": "mount_share", "user.vm.unmount_share": "unmount_share",
}  # fmt: skip


@dataclass(frozen=True)
class Done:
    """
    What a guest did.

    :ivar ok: whether it could.
    :ivar stood_still: it had between it was told to and it did it. It does not know of that, and goes on.
    """

    at: float
    uuid: str
    action: str
    arguments: Mapping[str, Any] = field(repr=False)
    ok: bool
    result: Any = field(repr=False)
    stood_still: bool


@dataclass
class Disk:
    """What agents leave in a guest, over its boots."""

    inside: Inside = field(default_factory=Inside)
    hosts: Any = ()
    key: str = ""
    shares: set[str] = field(default_factory=set)


class Insides:
    """
    :ivar done: by command. ``called``: what nodes had QEMU's agents do, and keys that were pressed: when.
    :ivar tempers: of guests that are to have an agent of one kind, by uuid; of others it is drawn.
    """

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.done: dict[int, Done] = {}
        self.late: set[int] = set()  # commands that an agent was told of when their time was over, and left alone
        self.called: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.tempers: dict[str, str] = {}
        self.disks: dict[str, Disk] = defaultdict(Disk)
        self.agents: dict[str, OwnAgent] = {}
        self.able: set[str] = set()  # guests that have had an agent in their last boot

    def boots(self, guest: Guest) -> None:
        """A guest's system has come up: what agent it has this time."""
        temper = self.tempers.get(guest.uuid) or self._drawn()
        world = guest.node.memory.world
        world.agents.pop(guest.uuid, None)
        self.agents.pop(guest.uuid, None)
        (self.able.discard if temper in ("none", "hangs") else self.able.add)(guest.uuid)
        if temper == "qemu":
            world.insides[guest.uuid] = self.disks[guest.uuid].inside
            world.agents[guest.uuid] = True
        elif temper == "hangs":
            world.agents[guest.uuid] = False
        elif temper != "none":
            self.agents[guest.uuid] = agent = OwnAgent(self, guest, temper)
            agent.poll()

    def _drawn(self) -> str:
        drawn = self.simulation.guests_rng.random()
        if drawn < 0.18:
            return "none"
        if drawn < 0.4:
            return "qemu" if drawn < 0.36 else "hangs"
        return "quick" if drawn < 0.82 else "slow" if drawn < 0.88 else "mute" if drawn < 0.94 else "restless"

    def happened(self, method: str, args: tuple[Any, ...]) -> None:
        """A call took effect on a node."""
        uuid = str(args[0]) if args else ""
        if method in ("set_password", "add_keys", "remove_keys", "set_time", "reboot", "press_keys"):
            self.called[method, uuid].append(self.simulation.schedule.seconds())
        if method in ("reset", "reboot", "press_keys") and uuid in self.agents:
            self.agents[uuid].restart()

    # ------------------------------------------------------------------ what is held against the records

    def does(self, command_id: int, agent: OwnAgent, action: str, arguments: Mapping[str, Any]) -> None:
        """An agent is about to do what it was told to."""
        simulation, uuid = self.simulation, agent.guest.uuid
        (row,) = simulation.sql(
            "SELECT c.action, c.state, v.uuid::text AS uuid, extract(epoch FROM c.expires_at)::float8 AS until"
            " FROM guest_command c JOIN vm v ON v.id = c.vm_id WHERE c.id = :id",
            id=command_id,
        )
        about = f"command {command_id} ({action}, {row.state}) of VM {row.uuid}"
        if command_id in self.done:
            simulation.break_invariant(f"{about} is done twice")
        if (row.uuid, row.action) != (uuid, action):
            simulation.break_invariant(f"{about} is {row.action}, and VM {uuid} is told to do it")
        if row.state not in ("executing", "timed_out"):
            simulation.break_invariant(f"{about} is done, and on record it never is to be")
        late_s = simulation.unix_s() - row.until
        if late_s > 0 and not agent.stood_still:
            simulation.break_invariant(f"{about} is done {late_s:.2f} s after its time")

    def at_rest(self, workload: Workload) -> list[str]:
        return [*self._recorded(), *(told for ask in workload.asks for told in self._told(ask, workload.asks))]

    def _recorded(self) -> list[str]:
        """What became of each command is what its guest did."""
        wrong = []
        for row in self.simulation.sql("SELECT id, action, state, result, error FROM guest_command ORDER BY id"):
            done, about = self.done.get(row.id), f"command {row.id} ({row.action}) is {row.state}"
            if done is None and row.state == "failed" and row.id in self.late:
                continue
            if done is None and row.state in ("finished", "failed"):
                wrong.append(f"{about}, and no guest did it")
            elif done is not None and row.state in ("pending", "expired"):
                wrong.append(f"{about}, and VM {done.uuid} did it")
            elif done is not None and row.state in ("finished", "failed") and done.ok != (row.state == "finished"):
                wrong.append(f"{about}; its guest says {done.result}")
        return wrong

    def _told(self, ask: Ask, asks: Sequence[Ask]) -> list[str]:
        """Who was told that something is done was told what was; what was done later, nobody was told the end of."""
        action = DOES.get(ask.method)
        if action is None or not ask.ended:
            return []
        uuid = self.simulation.sql("SELECT uuid::text AS uuid FROM vm WHERE id = :v", v=ask.params["vm_id"])[0].uuid
        theirs = [each for each in self.done.values() if each.uuid == uuid and each.action == action]
        marked = [each for each in theirs if self._is_of(ask, each)]
        wrong, who = [], f"call {ask.number} ({ask.method}, VM {uuid})"
        end = _heard_until(ask)
        if ask.accepted and ask.answer["way"] == "wawel":
            in_time = [each for each in marked if ask.asked_at <= each.at <= end and each.ok]
            wrong += [] if in_time else [f"{who} was told {ask.answer}, and its guest did not do it"]
            self.simulation.effects.counted[f"{action} by our agent"] += bool(in_time)
        elif ask.accepted:
            method = "press_keys" if ask.answer["way"] == "keys" else action
            times = self.called[method, uuid]
            in_time_at = [at for at in times if ask.asked_at <= at <= end]
            wrong += [] if in_time_at else [f"{who} was told {ask.answer}, and nobody did {method}"]
            self.simulation.effects.counted[f"{action} by {ask.answer['way']}"] += bool(in_time_at)
        late = [each for each in marked if each.at > ask.ended_at and not each.stood_still]
        like = [each for each in asks if each is not ask and (each.method, each.params) == (ask.method, ask.params)]
        late = [each for each in late if not any(_meanwhile(each, other) for other in like)]
        if late and not ask.twice and not ask.unsure and self.simulation.cloud is None:
            wrong.append(f"{who} was answered {ask.error or ask.answer}, and its guest did it later, at {late[0].at}")
        return wrong

    def _is_of(self, ask: Ask, done: Done) -> bool:
        """Whether a guest did what this call asked for, by what is in no other."""
        params, arguments = ask.params, done.arguments
        if done.action == "set_password":
            return ask.accepted and arguments["password"] == ask.answer["password"]
        if done.action in ("add_keys", "remove_keys"):
            told = set(ask.answer["keys"]) if ask.accepted else set()
            there = not ask.accepted or (params["keys"] in told) == (done.action == "add_keys")
            return arguments["keys"] == [params["keys"]] and there
        if done.action == "set_hostname":
            named = arguments["hostname"] == params["hostname"]
            return named and (not ask.accepted or ask.answer["hostname"] == params["hostname"])
        if done.action == "set_hosts":
            return [" ".join(each) for each in arguments["hosts"]] == params["hosts"].splitlines()
        if done.action == "generate_key":
            return ask.accepted and ask.answer["public_key"] == done.result["public_key"]
        return ask.asked_at <= done.at <= _heard_until(ask)


def _heard_until(ask: Ask) -> float:
    """Who sent it again may have been refused at once by the one, and told of the other's end."""
    return math.inf if ask.twice or ask.tries > 1 else ask.ended_at


def _meanwhile(done: Done, ask: Ask) -> bool:
    return ask.asked_at <= done.at and (not ask.ended or done.at <= ask.ended_at)


class OwnAgent:
    """
    Ours, of one boot of a guest.

    :ivar temper: "quick", "slow": it takes up to 15 s for what it does, "mute": it begins and never tells, "restless":
        its guest is rebooted now and then as it is at something.
    """

    def __init__(self, insides: Insides, guest: Guest, temper: str) -> None:
        self.insides, self.guest, self.temper = insides, guest, temper
        self.simulation = insides.simulation
        self.rng = self.simulation.guests_rng
        self.disk = insides.disks[guest.uuid]
        self.disk.key = self.disk.key or f"{guest.uuid}-{'k' * 28}"
        self._launch = guest.launch
        self._life = 0  # which of its lives this is: what it asked for before is not heard
        self._rest_s = REST_S[0]
        self._known = False  # to the endpoint, as this guest's agent
        self.stood_still = False  # since it last asked what to do

    # ------------------------------------------------------------------ its life

    def lives(self, life: int) -> bool:
        ours = self.insides.agents.get(self.guest.uuid) is self
        return ours and life == self._life and self.guest.launch == self._launch and self.guest.alive()

    def restart(self) -> None:
        """The guest boots again."""
        self._life += 1
        self.disk.shares.clear()
        self.simulation.later(self.rng.uniform(*BOOT_S), self.poll, self._life)

    def _again(self) -> None:
        """After a failure, less and less often."""
        self.simulation.later(self._rest_s, self.poll, self._life)
        self._rest_s = min(2 * self._rest_s, REST_S[1])

    def poll(self, life: int = 0) -> None:
        if self.lives(life):
            self._ask("poll", self._polled, wait_s=POLL_S)

    def _polled(self, status: int, told: Mapping[str, Any]) -> None:
        if status != 200:
            self._again()
            return
        self._rest_s, self._known = REST_S[0], True
        command = told["command"]
        if command is None:
            self.simulation.later(LOOK_S, self.poll, self._life)
            self._stranger()
            return
        self.simulation.note("agent", self.guest.node.name, self.guest.uuid, "is told of", command)
        if self.temper == "restless" and self.rng.random() < 0.3:
            self.restart()
            return
        asked_at, self.stood_still = self.simulation.schedule.seconds(), False
        self._ask("begin", lambda status, told: self._begun(status, told, command, asked_at), command=command)

    def _begun(self, status: int, told: Mapping[str, Any], command: int, asked_at: float) -> None:
        if status != 200:
            self._again() if status != 410 else self.poll(self._life)
            return
        took_s = self.simulation.schedule.seconds() - asked_at
        if took_s >= told["left_s"]:
            said = {"ok": False, "error": "it is too late"}
            self.insides.late.add(command)
            self._tell(command, said, 0)
            return
        action, arguments = told["action"], told["arguments"]
        self.insides.does(command, self, action, arguments)
        ok, result = self._do(action, arguments)
        at = self.simulation.schedule.seconds()
        self.insides.done[command] = Done(at, self.guest.uuid, action, arguments, ok, result, self.stood_still)
        self.simulation.note("agent", self.guest.node.name, self.guest.uuid, action, command)
        if self.temper == "mute" and self.rng.random() < 0.7:
            self._life += 1
            self.simulation.later(self.rng.uniform(20.0, 90.0), self.poll, self._life)
            return
        if self.temper == "restless" and self.rng.random() < 0.3:
            self.restart()
            return
        said = {"ok": True, "result": result} if ok else {"ok": False, "error": str(result)}
        after_s = self.rng.uniform(0.01, 15.0) if self.temper == "slow" else self.rng.uniform(0.01, 0.5)
        self.simulation.later(after_s, self._tell, command, said, 0, self._life)
        if action in ("power_off", "reboot"):
            self.simulation.later(after_s + self.rng.uniform(0.5, 5.0), self._leave, action, self._life)

    def _tell(self, command: int, said: Mapping[str, Any], tries: int, life: int | None = None) -> None:
        if not self.lives(self._life if life is None else life):
            return

        def told(status: int, _: Mapping[str, Any]) -> None:
            if status == 200 and tries == 0 and self.rng.random() < 0.1:
                self._asks_again(command)
            if status in (200, 403, 404, 410):
                self.poll(self._life)
            elif tries < len(TELLING_S):
                self.simulation.later(TELLING_S[tries], self._tell, command, said, tries + 1, self._life)
            else:
                self._again()

        self._ask("result", told, command=command, **said)

    def _leave(self, action: str, life: int) -> None:
        if not self.lives(life):
            return
        if action == "reboot":
            self.restart()
        else:
            self.guest.is_told_to_end()

    # ------------------------------------------------------------------ what it does

    def _do(self, action: str, arguments: Mapping[str, Any]) -> tuple[bool, Any]:
        """Whether it could, and what it tells then; else why."""
        disk, inside = self.disk, self.disk.inside
        user = str(arguments.get("user", ""))
        if action in ("set_password", "keys", "add_keys", "remove_keys", "generate_key"):
            keys = inside.accounts.setdefault(user, [])
            if action == "set_password":
                inside.passwords[user] = arguments["password"]
            elif action == "keys":
                return True, list(keys)
            elif action == "generate_key":
                return True, {"public_key": f"ssh-ed25519 {self.guest.uuid}", "made": True, "path": "/root/.ssh/id"}
            else:
                left = [key for key in keys if key not in arguments["keys"]]
                keys[:] = [*left, *arguments["keys"]] if action == "add_keys" else left
        elif action == "facts":
            return True, {"hostname": "guest", "os": "", "interfaces": [], "filesystems": [], "users": []}
        elif action == "set_hostname":
            return True, arguments["hostname"]
        elif action == "set_hosts":
            disk.hosts = arguments["hosts"]
        elif action == "grow_root":
            return True, {"kind": "ext4", "before_bytes": 1, "total_bytes": 2}
        elif action == "mount_share":
            if arguments["mountpoint"] in disk.shares:
                return False, "it is mounted already"
            disk.shares.add(arguments["mountpoint"])
        elif action == "unmount_share":
            if arguments["mountpoint"] not in disk.shares:
                return False, "no share is mounted there"
            disk.shares.discard(arguments["mountpoint"])
        return True, None

    # ------------------------------------------------------------------ who is not let do anything

    def _stranger(self) -> None:
        """Another program of this guest, and its agent at others' commands, now and then."""
        drawn = self.rng.random()
        if drawn < 0.05 and self._known:
            self._ask("poll", self._refused, key="x" * 40, wait_s=0)
        elif drawn < 0.1:
            others = self.simulation.sql(
                "SELECT c.id FROM guest_command c JOIN vm v ON v.id = c.vm_id WHERE v.uuid <> CAST(:u AS uuid)"
                " ORDER BY c.id DESC LIMIT 1",
                u=self.guest.uuid,
            )
            if others:
                self._asks_again(others[0].id)

    def _asks_again(self, command: int) -> None:
        """For what is not to be done, or not any more."""
        self._ask("begin", self._refused, command=command)
        self._ask("result", self._refused, command=command, ok=True, result="a lie")

    def _refused(self, status: int, told: Mapping[str, Any]) -> None:
        if status == 200:
            self.simulation.break_invariant(f"a program of VM {self.guest.uuid} is told what is not for it: {told}")

    # ------------------------------------------------------------------ how it asks

    def _ask(self, what: str, then: Callable[[int, Mapping[str, Any]], None], **said: Any) -> None:
        """By its node. ``then``: called with the status, 0 where the way was cut; never once it has ended."""
        life, node = self._life, self.guest.node
        domain = node.memory.world.domains.get(self.guest.uuid)
        process = self.simulation.some_process()
        way = self.guest.way()
        if domain is None or domain.paused:
            if self.lives(life):
                self.simulation.later(LOOK_S, self._ask_later, life, what, then, said)
            return
        if process is None or way is None or node.memory.unreachable or not node.agent.running:
            self.simulation.later(LOOK_S, self._answered, life, then, 0, {})
            return
        body = {
            "protocol": 1, "key": self.disk.key, "version": VERSION, "actions": list(ACTIONS), **said,
        }  # fmt: skip
        limit_s = FORWARDED_S + (POLL_S if what == "poll" else 0.0)
        answered: Deferred[Answer] = node.agent.ask(
            process, "POST", f"/guest/agent/{what}", json.dumps(body).encode(), *way, waits_s=int(POLL_S)
        )
        over: list[bool] = []

        def ends(status: int, told: Mapping[str, Any]) -> None:
            if not over:
                over.append(True)
                call_off()
                self._answered(life, then, status, told)

        def heard(answer: Answer) -> None:
            moved = self.guest.node is not node or node.memory.unreachable or not node.agent.running
            ends(0, {}) if moved else ends(answer.status, json.loads(answer.body) if answer.status == 200 else {})

        call_off = process.when_dead(lambda: ends(0, {}))
        answered.addCallback(heard)
        self.simulation.later(limit_s, ends, 504, {})

    def _ask_later(
        self, life: int, what: str, then: Callable[[int, Mapping[str, Any]], None], said: dict[str, Any]
    ) -> None:
        if self.lives(life):
            self._ask(what, then, **said)

    def _answered(
        self, life: int, then: Callable[[int, Mapping[str, Any]], None], status: int, told: Mapping[str, Any]
    ) -> None:
        """One that stands still finds the answer when it goes on."""
        if not self.lives(life):
            return
        if self.guest.node.memory.world.domains[self.guest.uuid].paused:
            self.stood_still = True
            self.simulation.later(LOOK_S, self._answered, life, then, status, told)
            return
        then(status, told)
