"""
The cloud manager in the simulation: its processes over a database of its own, its people, and their way to the cluster.

Users call the cloud with sessions, as a portal does; what is the cluster's is passed on by the cloud's own code.
"""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy.orm import Session
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from clm.daemon.app import CloudManager
from clm.daemon.settings import CloudSettings, DatabaseSettings, ListenSettings, Settings
from clm.services.account import SESSION_PREFIX, insert_user, open_session, token_hash
from clm.store.identity import find_by_login
from cm.rpc.dispatch import Peer
from cm.rpc.view import Registry
from cm.runtime.loop import Locks
from cm.runtime.threads import IThreads
from simulation.database import Glances, look_into, make_database
from simulation.link import Connection, Stream
from simulation.process import Process, SimListener, cut_off
from simulation.tickets import plain

if TYPE_CHECKING:
    from simulation.simulation import Simulation

USERS: Final = ("admin", "ann", "bob", "eve")
CLUSTER: Final = "cluster"
QUOTAS: Final = {"cpu": 30, "memory_mib": 30_000, "storage_mib": 1_000_000, "vms": 14, "networks": 4}
OWN: Final = frozenset(view.name for view in Registry.collect("clm.views"))


class SimLocks(Locks):
    """The real advisory locks; they end with the process, or with its database, at that moment."""

    def __init__(self, simulation: Simulation, url: str, lock_class: int) -> None:
        super().__init__(url, lock_class)
        self._simulation = simulation

    def hold(self, wanted: Any) -> frozenset[int]:
        if self._simulation.database_down:
            self.cut()
            return frozenset()
        return super().hold(wanted)

    def cut(self) -> None:
        cut_off(self._connection)
        self.close()


class CloudProcess(Process):
    is_cloud = True
    locks: SimLocks | None = None

    def kill(self) -> None:
        super().kill()
        if self.locks is not None:
            self.locks.cut()


class Cloud:
    """:param managers: processes of the cloud manager."""

    def __init__(self, simulation: Simulation, state_dir: Path, database: str, managers: int = 1) -> None:
        self.simulation = simulation
        self.processes: list[CloudProcess] = []
        self.streams: list[Stream] = []  # those that are open
        self.opened: list[Stream] = []
        self.cut = False
        self.answers_lost = 0
        self.twice = 0
        self.doubtful: set[str] = set()  # request ids of which one of two forwarded calls was refused
        self.answered: dict[str, CloudProcess] = {}  # by request id, who last passed on a call and answered it
        self.asked: Counter[str] = Counter()  # by request id
        self.slow = 1.0
        self._state_dir = state_dir
        self._lives = itertools.count(1)
        self._tokens: dict[str, str] = {}
        self.secrets: set[str] = set()
        self.url = make_database(simulation._server, database, "clm")
        self.own, self._glances = look_into(self.url, simulation.unix_s), Glances(self.url, simulation.unix_s)
        for _ in range(managers):
            self.boot()

    def close(self) -> None:
        for stream in self.opened:
            stream.forget()
        for process in self.processes:
            process.alive = False
            if process.listener is not None:
                process.listener.cut()
            if process.locks is not None:
                process.locks.cut()
            process.manager.database.close()
        self._glances.close()
        self.own.dispose()

    # ------------------------------------------------------------------ life

    def boot(self) -> None:
        simulation = self.simulation
        process = CloudProcess(simulation, f"clm{next(self._lives)}")
        simulation.note("boot", process.name)
        settings = Settings(
            database=DatabaseSettings(url=self.url),
            listen=ListenSettings(rpc=""),
            cloud=CloudSettings(state_dir=self._state_dir / "clm"),
        )

        def locks(url: str, lock_class: int) -> Locks:
            process.locks = SimLocks(simulation, url, lock_class)
            return process.locks

        def make() -> CloudManager:
            return CloudManager(
                process.reactor,
                settings,
                threads=cast(IThreads, process.threads),
                listen=lambda _reactor, url: SimListener(process, url),
                connect=lambda *args: Connection(self, process, *args),
                locks=locks,
            )

        process.manager = manager = process.run(make)
        simulation.watch(manager.database)
        self.processes.append(process)
        started = process.run(lambda: Deferred.fromCoroutine(manager.start()))
        started.addCallbacks(self._started, self._not_started, callbackArgs=(process,), errbackArgs=(process,))

    def _started(self, _: Any, process: CloudProcess) -> None:
        process.endpoint = process.manager.dispatcher
        self.simulation.note("up", process.name)

    def _not_started(self, failure: Failure, process: CloudProcess) -> None:
        self.simulation.note("not up", process.name, failure.type.__name__)
        self.kill(process, 5.0)

    def kill(self, process: Process, down_s: float) -> None:
        self.processes = [each for each in self.processes if each is not process]
        self.simulation.dead.append(process)
        process.kill()
        self.simulation.later(down_s, self.boot)

    def cut_locks(self) -> None:
        for process in self.processes:
            if process.locks is not None:
                process.locks.cut()

    def latency_s(self) -> float:
        return self.simulation.latency.uniform(0.0005, 0.005) * self.slow

    # ------------------------------------------------------------------ asking

    def ask(
        self, method: str, params: Any = (), *, login: str = "admin", request_id: str | None = None
    ) -> Deferred[Any]:
        """
        Call as somebody who is logged in; fires with the answer, never where the process dies before.

        :raises LookupError: no process serves.
        """
        ready = [process for process in self.processes if process.endpoint is not None]
        if not ready:
            raise LookupError("no process serves")
        process = self.simulation.latency.choice(ready)
        peer = Peer("198.51.100.7", f"Bearer {self.token(login)}".encode(), request_id)
        if request_id is not None:
            self.asked[request_id] += 1
        asked: Deferred[Any] = process.run(
            lambda: Deferred.fromCoroutine(process.endpoint.call(method, params or None, peer))
        )

        def answered(value: Any) -> Any:
            if request_id is not None and method not in OWN:
                self.answered[request_id] = process
            return plain(value)

        return asked.addCallback(answered)

    def call(self, method: str, params: Any = (), *, login: str = "admin") -> Any:
        return self.simulation.result(self.ask(method, params, login=login))

    def token(self, login: str) -> str:
        """Of a session that is open; whoever may not log in shows the last one."""
        known = self._tokens.get(login)
        (row,) = self.sql(
            "SELECT u.state, EXISTS (SELECT 1 FROM user_session s WHERE s.user_id = u.id"
            " AND s.token_hash = :hash AND s.user_version = u.version) AS is_open"
            " FROM user_account u WHERE u.login = :login AND u.deleted_at IS NULL",
            login=login,
            hash=token_hash(known) if known else "",
        )
        if row.state != "active":
            return known or f"{SESSION_PREFIX}{'0' * 43}"
        if known is not None and row.is_open:
            return known
        policy = self.processes[0].manager.policy
        with Session(self.own) as session, session.begin():
            facts = find_by_login(session, login)
            assert facts is not None
            opened = open_session(session, policy, facts, "198.51.100.7")
        self._tokens[login] = opened.token
        self.secrets.add(opened.token)
        return opened.token

    def sql(self, statement: str, **values: Any) -> Any:
        return self._glances.rows(statement, values)

    # ------------------------------------------------------------------ the cloud to begin with

    def settle(self) -> None:
        """Its people, and the cluster, which believes it and has heard of them."""
        simulation = self.simulation
        simulation.run_for(1.0)
        with Session(self.own) as session, session.begin():
            for login in USERS:
                insert_user(
                    session,
                    {"login": login, "email": f"{login}@example.org", "state": "active",
                     "is_cloud_admin": login == "admin"},
                )  # fmt: skip
        manager = self.processes[0].manager
        key = manager.services.signing_key
        simulation.call(
            "admin.trust.add",
            {"key_id": key.key_id, "issuer": manager.policy.issuer, "public_key": key.public_pem.decode()},
        )
        simulation.run_for(1.0)
        self.cluster_id = self.call("cloud.cluster.add", {"name": CLUSTER, "url": "http://127.0.0.1:8001"})[
            "cluster_id"
        ]
        ids = [row.id for row in self.sql("SELECT id FROM user_account ORDER BY id")]
        self.user_ids = dict(zip(USERS, ids, strict=True))
        self.call("cloud.quota.edit", {"cluster": CLUSTER, "user_ids": ids, **QUOTAS})
        for _ in range(60):
            simulation.run_for(1.0)
            rows = simulation.sql(
                "SELECT login, id FROM account WHERE origin <> 'local' AND quota_vms = :vms", vms=QUOTAS["vms"]
            )
            if len(rows) == len(USERS):
                break
        else:
            raise TimeoutError("the cluster has not heard of the cloud's people")
        self.accounts = {row.login: row.id for row in rows}
