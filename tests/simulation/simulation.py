"""A cloud, wired: processes of the cluster manager over one database, the world outside, and a journal of it all."""

from __future__ import annotations

import gc
import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, formatEvent, globalLogPublisher
from twisted.python import threadable
from twisted.python.failure import Failure

from cm.daemon.app import ClusterManager
from cm.daemon.settings import (
    ClusterSettings,
    DatabaseSettings,
    ImportSettings,
    ListenSettings,
    MonitoringSettings,
    Settings,
)
from cm.drivers.memory.node import MemoryNode
from cm.drivers.memory.volume import forget_exports
from cm.operations import staging
from cm.rpc.password import Passwords
from cm.runtime import wall
from cm.runtime.database import Database
from cm.services.farm_key import farm_secret_from
from cm.services.guest_command import command_key
from contextualization.endpoint import make_endpoint
from contextualization.settings import EndpointSettings, token_key_from
from simulation.asking import Asking
from simulation.beginning import LOGINS, settle
from simulation.chance import drawn_from, stream
from simulation.database import Glances, IServer, keep_time, look_into, make_database
from simulation.excuses import Excuses
from simulation.given import given
from simulation.home import Home
from simulation.inside import Insides
from simulation.intake import VALID_S
from simulation.netwatch import NetWatch
from simulation.process import Process, SimListener
from simulation.reader import Net, Reader
from simulation.runs import Runs
from simulation.schedule import Schedule
from simulation.silence import Silence
from simulation.tickets import Tickets
from simulation.watch import Watch
from simulation.world import Node, SimDriver

if TYPE_CHECKING:
    from simulation.cloud import Cloud
    from simulation.effects import Effects

EPOCH: Final = 1_767_225_600.0  # 2026-01-01, unix seconds: when every simulation begins
SWEEP_S: Final = 60.0
WHOLE: Final = 10  # of so many sweeps one looks through all there is, the others through what came since the last
current: Simulation | None = None


class Simulation(Asking):
    """
    :param state_dir: where each run has a directory of its own, of the name of its database.
    :param name: of its database; unique among those that run at once on one server.
    :param managers: processes of the cluster manager.
    :param storages: network storages, which every node reaches.
    :param own: whether each node has a storage of its own besides.
    :param spares: nodes that are in no cluster to begin with.
    :param clouds: processes of a cloud manager that users call in its place; 0: they call the cluster.
    """

    def __init__(
        self, server: IServer, state_dir: Path, seed: int, *, name: str = "sim", nodes: int = 3,
        managers: int = 1, clouds: int = 0, storages: int = 1, spares: int = 0, own: bool = False,
    ) -> None:  # fmt: skip
        self.seed = seed
        self._clouds = clouds
        self.cloud: Cloud | None = None
        self.cloud_since = 0.0
        self.name = "sim"
        self._database = name
        self._server = server
        self.home = Home(state_dir, name)
        self.home.make()
        self.import_dir = self.home.import_dir
        self.schedule = Schedule()
        self.journal: list[str] = []
        self.broken: list[str] = []
        self.incidents: list[str] = []
        self.running: Process | None = None
        self.processes: list[Process] = []
        self.dead: list[Process] = []
        self._lives = itertools.count(1)
        self._managers = managers
        self._node_count = nodes
        self._storages = storages
        self._own = own
        self.local: dict[int, int] = {}  # storages, by node
        self._spares = spares
        self.nodes: list[Node] = []
        self.latency = stream(seed, "latency")
        self.guests_rng = stream(seed, "guests")
        self.faults_rng = stream(seed, "faults under way")
        self.statements = 0
        self.points_seen: Counter[str] = Counter()
        self.on_point: Callable[[Process, str, bool], bool] | None = None
        self.database_down = False
        self.commit_fault: str | None = None
        self.unstored = 0  # hook events, one by one, whose commit is lost
        self.notifications_lost = False
        self.users: dict[str, int] = {}
        self.handed: dict[int, str] = {}  # by VM, what its maker handed to its guest
        self.excuses = Excuses(self)
        self.watcher = Watch(self)
        self.runs = Runs(self)
        self.silence = Silence(self)
        self.insides = Insides(self)
        self.netwatch = NetWatch(self)
        self.power_cuts: list[float] = []  # when nodes lost theirs
        from simulation.effects import Effects

        self.effects: Effects = Effects(self)
        self.tickets = Tickets(self, self.home.state_dir)
        self.net = Net(self)
        self.readers: dict[str, Reader] = {}
        self.over = False
        self._sweeping = False
        self._sweeps = 0

    # ------------------------------------------------------------------ life

    def __enter__(self) -> Simulation:
        global current
        Passwords()  # what is made once a process: the first run shall be like all
        # What is collected ends: what a process that died was at comes to its "finally" then. That is part of what
        # happens, so it has its moments, whatever the interpreter did before.
        gc.collect()
        gc.disable()
        gc.freeze()  # none of this has to be looked through again, nor before the next run of this process
        self._chance = drawn_from(self.seed)
        self._chance.__enter__()
        self._given = given()
        self._given.__enter__()
        current = self
        threadable.registerAsIOThread()
        wall.hand_in(self._wall, self.schedule.seconds)
        globalLogPublisher.addObserver(self._observe)
        self.url = make_database(self._server, self._database)
        self.own, self.glances = look_into(self.url, self.unix_s), Glances(self.url, self.unix_s)
        self.nodes = [Node(self, number) for number in range(1, self._node_count + self._spares + 1)]
        self.by_id: dict[int, Node] = {}
        for _ in range(self._managers):
            self.boot()
        self.later(SWEEP_S, self._sweep)
        settle(self)
        if self._clouds:
            from simulation.cloud import Cloud

            self.cloud = Cloud(self, self.home.state_dir, f"{self._database}_clm", self._clouds)
            self.cloud.settle()
            self.cloud_since = self.unix_s()
            self.note("the cloud begins")
        return self

    def __exit__(self, *_: object) -> None:
        global current
        self.over = True
        for process in self.processes:
            process.alive = False
            if process.listener is not None:
                process.listener.cut()
            process.manager.database.close()
        for opened in self.net.opened:
            opened.forget()
        if self.cloud is not None:
            self.cloud.close()
        self.glances.close()
        self.own.dispose()
        staging._staged.clear()
        globalLogPublisher.removeObserver(self._observe)
        wall.hand_in(None)
        current = None
        self._given.__exit__(None, None, None)
        self._chance.__exit__(None, None, None)
        MemoryNode.forget_all()
        forget_exports()
        self.home.remove()
        self._server.drop_database(self._database)
        if self.cloud is not None:
            self._server.drop_database(f"{self._database}_clm")
        gc.enable()

    def _sweep(self) -> None:
        self._sweeps += 1
        self._sweeping = True
        gc.collect(1 if self._sweeps % WHOLE else 2)
        self._sweeping = False
        self.later(SWEEP_S, self._sweep)

    def boot(self) -> None:
        """Start a process of the cluster manager."""
        process = Process(self, f"cm{next(self._lives)}")
        self.note("boot", process.name)
        settings = Settings(
            database=DatabaseSettings(url=self.url),
            listen=ListenSettings(rpc="", contextualization=""),
            cluster=ClusterSettings(state_dir=self.home.state_dir, snapshot_chain_max=2, objects_s=0.0),
            images=ImportSettings(directories=(self.import_dir,), upload_s=VALID_S),
            monitoring=MonitoringSettings(every_s=60),
        )

        def make() -> ClusterManager:
            return ClusterManager(
                process.reactor,
                settings,
                lambda uri, name: SimDriver(process, MemoryNode.named(uri.rpartition("/")[2], node=name)),
                threads=process.threads,
                listen=lambda _reactor, url: SimListener(process, url),
            )

        process.manager = manager = process.run(make)
        self.watch(manager.database)
        self.processes.append(process)
        started = process.run(lambda: Deferred.fromCoroutine(manager.start()))
        started.addCallbacks(self._started, self._not_started, callbackArgs=(process,), errbackArgs=(process,))

    def watch(self, database: Database) -> None:
        """Have a process's database show the simulated time, and fail when it is to."""
        for engine in (database.engine, database._reading):
            keep_time(engine, self.unix_s)
            event.listen(engine, "before_cursor_execute", self._before_statement)
            event.listen(engine, "commit", self._before_commit)

    def _started(self, _: Any, process: Process) -> None:
        manager = process.manager
        secret = manager.policy.secret
        keys = {"farm_secret": farm_secret_from(secret), "command_key": command_key(secret)}
        settings = EndpointSettings(token_key_from(secret), **keys)
        site = make_endpoint(manager.database, settings, process.reactor, process.listener, self._wall)
        process.endpoint = site.resource
        self.note("up", process.name)

    def _not_started(self, failure: Failure, process: Process) -> None:
        """As under systemd: once more, a little later."""
        self.note("not up", process.name, failure.type.__name__)
        self.kill(process, 5.0)

    def kill(self, process: Process, down_s: float) -> None:
        """Kill a process; another takes its place after ``down_s``."""
        if self.cloud is not None and process in self.cloud.processes:
            self.cloud.kill(process, down_s)
        elif process in self.processes:
            self.processes.remove(process)
            self.dead.append(process)
            process.kill()
            staging._staged.clear()  # it dies with its process; those of others find their files again
            self.later(down_s, self.boot)

    def everyone(self) -> list[Process]:
        """Every process that lives, of both managers."""
        return [*self.processes, *(self.cloud.processes if self.cloud is not None else ())]

    def members(self) -> list[Node]:
        """The nodes that are in the cluster."""
        return [node for node in self.nodes if node.node_id]

    @property
    def volumes(self) -> dict[str, Any]:
        """What is on the storages, by name, but for copies of images: nothing else is on two. A copy."""
        own = [volumes for _, volumes in self.own_volumes()]
        every = [share.volumes for share in self.shares] + own
        return {name: volume for volumes in every for name, volume in volumes.items() if "-cached." not in name}

    def own_volumes(self) -> list[tuple[int, dict[str, Any]]]:
        """The nodes' own storages, and what is on them."""
        found = []
        for node_id, storage_id in sorted(self.local.items()):
            pool = self.by_id[node_id].memory.world.storages._pools.get(f"wawel-{storage_id}")
            if pool is not None:
                found.append((storage_id, pool[1].volumes))
        return found

    def own_variables(self) -> list[tuple[int, dict[str, bytes]]]:
        """Likewise, what UEFI keeps there."""
        own = {f"wawel-{storage_id}": storage_id for storage_id in self.local.values()}
        pools = [pool for node in self.nodes for pool in node.memory.world.storages._pools.items()]
        return sorted((own[name], share.variables) for name, (_, share) in pools if name in own)

    def some_process(self) -> Process | None:
        """One that serves, as a load balancer finds it."""
        now = self.schedule.seconds()
        ready = [p for p in self.processes if p.endpoint is not None and p.alive and p.stalled_until <= now]
        return self.latency.choice(ready) if ready else None

    # ------------------------------------------------------------------ time and chance

    def unix_s(self) -> float:
        """What a true clock shows."""
        return EPOCH + self.schedule.seconds()

    def _wall(self) -> float:
        return self.unix_s() + (self.running.skew_s if self.running is not None else 0.0)

    def later(self, seconds: float, function: Callable[..., Any], *args: Any) -> None:
        self.schedule.callLater(seconds, function, *args)

    def run_for(self, seconds: float) -> None:
        self.schedule.run_until(self.schedule.seconds() + seconds)

    def delay_s(self, pool: str, pace: str = "") -> float:
        """
        How long a step waits before it happens.

        :param pace: of a node's call: "", "slow" or "lasting".
        """
        node = self.node_of(pool)
        if node is not None:
            copying_s = node.copy_s * self.latency.uniform(0.5, 1.0) if pace == "lasting" else 0.0
            return self.latency.uniform(0.005, 0.25) * (node.slow if pace else 1.0) + copying_s
        return self.latency.uniform(0.0005, 0.004)

    def answer_s(self, pool: str) -> float:
        node = self.node_of(pool)
        if node is not None and node.late_s:
            return self.latency.uniform(0.0, node.late_s)
        return self.latency.uniform(0.0001, 0.001)

    def hook_delay_s(self) -> float:
        return self.latency.uniform(0.01, 0.1)

    def node_of(self, pool: str) -> Node | None:
        kind, _, number = pool.partition(":")
        return self.by_id.get(int(number)) if kind in ("node", "node-slow") else None

    # ------------------------------------------------------------------ what is told

    def read_feeds(self) -> None:
        """Have everybody follow the feed from now on."""
        self.readers = {login: Reader(self.net, login) for login in LOGINS}

    def note(self, *fields: Any) -> None:
        line = f"{self.schedule.seconds():.6f} {' '.join(str(field) for field in fields)}"
        self.journal.append(line.replace(str(self.home.path), ""))  # where it is run tells two runs apart

    def _observe(self, entry: dict[str, Any]) -> None:
        if self.over or entry.get("log_level") is LogLevel.debug:
            return
        if self._sweeping and entry.get("log_level") is not LogLevel.critical:
            return  # the dead do not speak
        line = formatEvent(entry)
        name = self.running.name if self.running is not None else "-"
        self.note(name, line)
        if entry.get("log_level") is LogLevel.critical:
            failure = entry.get("log_failure")
            trace = failure.getTraceback() if failure is not None else ""
            self.incidents.append(f"{self.schedule.seconds():.3f} {name} {line}\n{trace}")

    def publish(self, payloads: list[str], database: str) -> None:
        """What a transaction notified, once it is committed: to all on that database."""
        for process in self.everyone():
            if process.manager.database.engine.url.database != database:
                continue
            listener = process.listener
            if listener is not None and not self.notifications_lost:
                self.later(self.latency.uniform(0.0005, 0.005), self._tell, process, listener, payloads)

    @staticmethod
    def _tell(process: Process, listener: SimListener, payloads: list[str]) -> None:
        process.happen(listener.hear, (payloads,))

    # ------------------------------------------------------------------ faults that the database and crashes ask about

    def _before_statement(self, *_: Any) -> None:
        self.statements += 1
        if self.database_down:
            raise _away()

    def _before_commit(self, connection: Any) -> None:
        fault, self.commit_fault = self.commit_fault, None
        if fault is None:
            return
        self.note("commit", fault)
        if fault == "done":
            session_payloads = self._committing
            connection.connection.commit()
            if session_payloads:
                self.publish(session_payloads, connection.engine.url.database)
        raise _away()

    _committing: list[str] = []

    def crash_point(self, process: Process, what: str, *, before: bool) -> bool:
        """Whether the process dies here. Each point is counted; see ``on_point``."""
        self.points_seen[f"{'before' if before else 'after'} {what}"] += 1
        if self.on_point is not None and process.endpoint is not None and self.on_point(process, what, before):
            self.note("dies", process.name, "before" if before else "after", what)
            return True
        return False

    def break_invariant(self, message: str) -> None:
        self.note("BROKEN", message)
        self.broken.append(message)


def _away() -> OperationalError:
    import psycopg2

    cause = psycopg2.OperationalError("server closed the connection unexpectedly")
    return OperationalError("", None, cause, connection_invalidated=True)


@event.listens_for(Session, "before_commit")
def _remember(session: Session) -> None:
    if current is not None:
        current._committing = list(session.info.get("notified", ()))


@event.listens_for(Session, "after_commit")
def _publish(session: Session) -> None:
    if current is not None and session.info.get("notified"):
        current.publish(list(session.info["notified"]), session.get_bind().engine.url.database or "")
