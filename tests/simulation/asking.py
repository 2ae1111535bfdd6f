"""How a simulation asks: a process of the cluster, whatever people call, and the database itself."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from cm.rpc.caller import Identity, LocalCaller
from cm.rpc.vocabulary import Role
from simulation.database import Glances
from simulation.process import Process
from simulation.schedule import Schedule
from simulation.tickets import Tickets

if TYPE_CHECKING:
    from simulation.cloud import Cloud


OPEN: Final = "('queued', 'running', 'waiting')"  # in SQL: an operation that is under way


class Asking:
    """Mixed into ``Simulation``."""

    schedule: Schedule
    processes: list[Process]
    cloud: Cloud | None
    users: dict[str, int]
    tickets: Tickets
    glances: Glances

    if TYPE_CHECKING:  # what it has from ``Simulation``

        def some_process(self) -> Process | None: ...

        def run_for(self, seconds: float) -> None: ...

    def ask(
        self, method: str, params: Any = (), *, login: str = "admin", request_id: str | None = None,
        process: Process | None = None,
    ) -> Deferred[Any]:  # fmt: skip
        """Call a view; fires with its answer, never where the process dies before."""
        process = process or self.some_process()
        if process is None:
            raise LookupError("no process serves")
        roles = frozenset({Role.ADMIN if login == "admin" else Role.USER})
        identity = Identity(self.users[login], login, roles)
        manager = process.manager
        caller = LocalCaller(manager.registry, manager.executor.execute, identity)
        asked: Deferred[Any] = process.run(
            lambda: Deferred.fromCoroutine(caller.call(method, params, request_id=request_id))
        )
        return asked

    def ask_as_user(self, method: str, params: Any, *, login: str, request_id: str | None) -> Deferred[Any]:
        """
        Call as a client does: the cloud where there is one, else a process of the cluster.

        :raises LookupError: no process serves.
        """
        if self.cloud is not None:
            return self.cloud.ask(method, params, login=login, request_id=request_id)
        process = self.some_process()
        if process is None:
            raise LookupError("no process serves")
        return self.tickets.ask(process, method, params, login, request_id)

    def some_front(self, rng: random.Random) -> Process | None:
        """A process that people call, as their load balancer finds it."""
        among = self.processes if self.cloud is None else self.cloud.processes
        now = self.schedule.seconds()
        ready = [p for p in among if p.endpoint is not None and p.alive and p.stalled_until <= now]
        return rng.choice(ready) if ready else None

    def bearer(self, login: str) -> str:
        """The credentials of somebody's session, as a header."""
        return f"Bearer {self.tickets.of(login) if self.cloud is None else self.cloud.token(login)}"

    def result(self, asked: Deferred[Any], limit_s: float = 120.0) -> Any:
        """Let time pass until an answer is there."""
        box: list[Any] = []
        asked.addCallbacks(lambda value: box.append(value), lambda failure: box.append(failure))
        end = self.schedule.seconds() + limit_s
        while not box and self.schedule.seconds() < end:
            self.run_for(0.05)
        if not box:
            raise TimeoutError("no answer came")
        if isinstance(box[0], Failure):
            box[0].raiseException()
        return box[0]

    def call(self, method: str, params: Any = (), *, login: str = "admin") -> Any:
        return self.result(self.ask(method, params, login=login))

    def look_at_storages(self) -> None:
        """What managers do every ten minutes, now."""
        process = self.some_process()
        if process is not None:
            looked = process.run(lambda: Deferred.fromCoroutine(process.manager.reconciler.check_storages()))
            self.result(looked)

    def care(self) -> None:
        """What managers do every five minutes, now."""
        process = self.some_process()
        if process is not None:
            self.result(process.run(lambda: Deferred.fromCoroutine(process.manager.care.round())))

    def sql(self, statement: str, **values: Any) -> Any:
        """The rows of a statement of ours, outside of all that is simulated."""
        return self.glances.rows(statement, values)
