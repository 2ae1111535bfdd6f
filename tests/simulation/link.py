"""
What is between a cloud manager and its cluster: requests that arrive, answers that may not, a feed that stays open.

The bytes are those of the wire, read and written by the managers' own code; the network is delays and faults.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

import msgspec
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers

from clm.drivers.cluster import ClusterConnection, ClusterUnavailable
from clm.rules.cluster import ClusterFacts
from cm.rpc.caller import Identity
from cm.rpc.credentials import Credentials, TokenCredentials
from cm.rpc.dispatch import Peer
from cm.rpc.errors import CloudError, Unavailable
from cm.rpc.http_caller import LinkFault
from cm.rpc.jsonrpc import JSONRPC
from cm.rpc.token import TokenSigner
from simulation.inside import DOES
from simulation.process import Process

if TYPE_CHECKING:
    from simulation.cloud import Cloud
    from simulation.reader import Net, Person

REMOTE = "192.0.2.10"
# These ask the outside anew where their answer was not yet recorded.
ASYNC: Final = frozenset(
    {"admin.node.check", "admin.storage.check", "admin.storage.adopt_volume", "admin.vm.adopt", *DOES}
)


class Link:
    """The calls of one process of the cloud, in place of HTTP."""

    def __init__(self, cloud: Cloud, process: Process) -> None:
        self._cloud = cloud
        self._process = process
        self._idents = itertools.count(1)

    async def exchange(
        self, method: str, params: Sequence[Any] | Mapping[str, Any] = (), *,
        credentials: Credentials | None = None, deadline_s: float | None = None,
    ) -> tuple[bytes, int]:  # fmt: skip
        """:raises LinkFault: no answer came."""
        ident = next(self._idents)
        body = msgspec.json.encode({"jsonrpc": "2.0", "method": method, "params": params, "id": ident})
        shown = f"Bearer {credentials.token.reveal()}".encode() if isinstance(credentials, TokenCredentials) else None
        answered: Deferred[bytes] = Deferred()
        timer = self._process.reactor.callLater(
            deadline_s or 10.0, self._fail, answered, LinkFault("late", "no answer in time")
        )
        if self._cloud.cut:
            self._later(self._fail, answered, LinkFault("unreachable", "ConnectionRefusedError"))
        else:
            self._cloud.simulation.later(self._cloud.latency_s(), self._arrive, body, shown, answered)
        try:
            return await answered, ident
        finally:
            if timer.active():
                timer.cancel()

    async def close(self) -> None:
        pass

    def _arrive(self, body: bytes, shown: bytes | None, answered: Deferred[bytes]) -> None:
        """At a process of the cluster, whether or not anybody still waits."""
        cluster = self._cloud.simulation.some_process()
        if cluster is None:
            self._later(self._fail, answered, LinkFault("unreachable", "ConnectionRefusedError"))
            return
        peer = Peer(REMOTE, shown)
        dispatcher = cluster.manager.dispatcher
        lost = LinkFault("lost", "the connection was lost")
        died = cluster.when_dead(lambda: self._later(self._fail, answered, lost))
        answer: Deferred[bytes] = cluster.run(lambda: Deferred.fromCoroutine(JSONRPC(dispatcher).answer(body, peer)))
        answer.addCallback(self._answer, answered, died)

    def _answer(self, data: bytes, answered: Deferred[bytes], died: Callable[[], None]) -> None:
        died()
        if self._cloud.answers_lost:
            self._cloud.answers_lost -= 1
            self._cloud.simulation.note("link", "answer lost")
            self._later(self._fail, answered, LinkFault("lost", "the connection was lost"))
        else:
            self._later(self._tell, answered, data)

    def _later(self, function: Callable[..., Any], *args: Any) -> None:
        self._cloud.simulation.later(self._cloud.latency_s(), self._process.happen, function, args)

    @staticmethod
    def _tell(answered: Deferred[bytes], data: bytes) -> None:
        if not answered.called:
            answered.callback(data)

    @staticmethod
    def _fail(answered: Deferred[bytes], fault: LinkFault) -> None:
        if not answered.called:
            answered.errback(Failure(fault))


class Connection(ClusterConnection):
    """The real connection, with its circuit and repeats, over a ``Link``."""

    def __init__(
        self, cloud: Cloud, process: Process, reactor: Any, facts: ClusterFacts, signer: TokenSigner, deadline_s: float
    ) -> None:
        super().__init__(reactor, facts, signer, deadline_s, caller=Link(cloud, process))
        self._cloud = cloud
        self._process = process

    async def call(self, identity: Any, method: str, params: Any = (), **options: Any) -> Any:
        """As ``ClusterConnection.call``; where the fault is due, a change is forwarded twice."""
        if self._cloud.twice and isinstance(params, Mapping) and "request_id" in params:
            self._cloud.twice -= 1
            self._cloud.simulation.note("link", "forwards twice", method)
            outcomes: list[Any] = []
            delay_s = self._cloud.simulation.faults_rng.uniform(0.0, 3.0)
            self._process.reactor.callLater(delay_s, self._again, outcomes, identity, method, dict(params), options)
            try:
                value = await super().call(identity, method, params, **options)
            except CloudError as error:
                self._compare(outcomes, method, params["request_id"], error)
                raise
            self._compare(outcomes, method, params["request_id"], value)
            return value
        return await super().call(identity, method, params, **options)

    def _again(self, outcomes: list[Any], identity: Any, method: str, params: Any, options: Any) -> None:
        if outcomes and isinstance(outcomes[0], CloudError) and not isinstance(outcomes[0], Unavailable):
            return  # nobody repeats what was refused
        asked = Deferred.fromCoroutine(ClusterConnection.call(self, identity, method, params, **options))
        asked.addCallbacks(
            lambda value: self._compare(outcomes, method, params["request_id"], value),
            lambda failure: self._compare(outcomes, method, params["request_id"], failure.value),
        )

    def _compare(self, outcomes: list[Any], method: str, request_id: str, outcome: Any) -> None:
        """Two that were accepted were answered alike. Of two under way, one may be refused: which, its caller hears."""
        outcomes.append(outcome)
        refused = [isinstance(each, CloudError) for each in outcomes]
        if refused == [False, False] and method not in ASYNC:
            first, second = (each.decode() for each in outcomes)
            if first != second:
                self._cloud.simulation.break_invariant(f"{method}, forwarded twice, was answered {first} and {second}")
        elif len(outcomes) == 2 and any(refused):
            self._cloud.doubtful.add(request_id)

    async def open(self, identity: Identity, path: str, connect_s: float, headers: Headers) -> Any:
        """:raises ClusterUnavailable: there is no way to it, or no answer in time."""
        token = self._signer.sign(identity, self.facts.name)
        headers.setRawHeaders("Authorization", [f"Bearer {token}"])
        simulation = self._cloud.simulation
        cluster = None if self._cloud.cut else simulation.some_process()
        if cluster is None:
            raise ClusterUnavailable(self.facts.name, "ConnectionRefusedError")
        stream = Stream(self._cloud, self._process, cluster, path, headers)
        timer = self._process.reactor.callLater(connect_s, stream.give_up)
        try:
            await stream.begun
        except ConnectionLost:
            raise ClusterUnavailable(self.facts.name, "ConnectionLost") from None
        finally:
            if timer.active():
                timer.cancel()
        return stream


class Stream:
    """
    A feed's connection: to the cluster's endpoint a request, to the cloud its response and the transport of what
    reads it.
    """

    method = b"GET"

    def __init__(
        self, cloud: Cloud | Net, process: Process | Person, cluster: Process, path: str, headers: Headers
    ) -> None:
        self._cloud = cloud
        self._process = process
        self._cluster = cluster
        self.requestHeaders = headers
        self.responseHeaders = Headers()
        self.code = 200
        self.transport = self
        query = path.partition("?")[2]
        self.args = {name.encode(): [v.encode() for v in values] for name, values in parse_qs(query).items()}
        self.begun: Deferred[None] = Deferred()
        self._finished: list[Deferred[None]] = []
        self._reader: Any = None
        self._kept: list[Any] = []
        self._at = 0.0
        self._over = False
        cloud.streams.append(self)
        cloud.opened.append(self)
        self._forget = [process.when_dead(self._reader_gone), cluster.when_dead(self._end)]
        cloud.simulation.later(cloud.latency_s(), self._arrive)

    def _arrive(self) -> None:
        if not self._over and self._cluster.alive and self._cluster.endpoint is not None:
            self._cluster.run(self._cluster.manager.events.render, self)

    # ------------------------------------------------------------------ what the cluster's endpoint uses

    def getClientAddress(self) -> IPv4Address:
        return IPv4Address("TCP", REMOTE, 40000)

    def setHeader(self, name: bytes, value: bytes) -> None:
        self.responseHeaders.setRawHeaders(name, [value])

    def setResponseCode(self, code: int) -> None:
        self.code = code

    def notifyFinish(self) -> Deferred[None]:
        made: Deferred[None] = Deferred()
        self._finished.append(made)
        return made

    def serve(self, serving: Deferred[Any]) -> None:
        """As ``WireRequest.serve``: what answers ends when the reader has hung up."""
        self.notifyFinish().addErrback(lambda reason: serving.cancel())

    def send(self, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """As ``WireRequest.send``: a refusal."""
        self.code = status
        self.write(body)
        self.finish()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        pass

    def unregisterProducer(self) -> None:
        pass

    def write(self, data: bytes) -> None:
        self._carry(self._deliver, data)

    def finish(self) -> None:
        self._carry(self._closed, ResponseDone())
        self._leave_cluster(None)

    def abortConnection(self) -> None:
        self._end()

    # ------------------------------------------------------------------ the way, in order

    def _carry(self, function: Callable[..., Any], *args: Any) -> None:
        simulation = self._cloud.simulation
        now = simulation.schedule.seconds()
        self._at = max(self._at, now + self._cloud.latency_s())
        simulation.later(self._at - now, self._process.happen, function, args)

    def _deliver(self, data: bytes) -> None:
        if self._over:
            return
        if not self.begun.called:
            self.begun.callback(None)
        if self._reader is None:
            self._kept.append(data)
        else:
            self._reader.dataReceived(data)

    def _closed(self, reason: Exception) -> None:
        if self._over:
            return
        self._over = True
        self._drop()
        if not self.begun.called:
            self.begun.errback(Failure(ConnectionLost()))
        elif self._reader is not None:
            self._reader.connectionLost(Failure(reason))
        else:
            self._kept.append(reason)

    def _end(self) -> None:
        """The connection breaks, for both."""
        self._carry(self._closed, ConnectionLost())
        if self._cluster.alive:
            self._cluster.run(self._leave_cluster, Failure(ConnectionLost()))

    def _reader_gone(self) -> None:
        self._over = True
        self._drop()
        if self._cluster.alive:
            self._cloud.simulation.later(self._cloud.latency_s(), self._tell_gone)

    def _tell_gone(self) -> None:
        if self._cluster.alive:
            self._cluster.run(self._leave_cluster, Failure(ConnectionDone()))

    def _leave_cluster(self, failure: Failure | None) -> None:
        finished, self._finished = self._finished, []
        for each in finished:
            if failure is None:
                each.callback(None)
            else:
                each.addErrback(lambda _: None)
                each.errback(failure)

    def forget(self) -> None:
        """The simulation is over: what waits here is collected, and must not be woken by that."""
        if self._reader is not None:
            self._reader._waiting = None

    def _drop(self) -> None:
        for forget in self._forget:
            forget()
        if self in self._cloud.streams:
            self._cloud.streams.remove(self)

    # ------------------------------------------------------------------ what the cloud's follower uses

    def give_up(self) -> None:
        if not self.begun.called:
            self._reader_gone()
            self.begun.errback(Failure(ConnectionLost()))

    def deliverBody(self, reader: Any) -> None:
        self._reader = reader
        reader.makeConnection(self)
        kept, self._kept = self._kept, []
        for each in kept:
            if isinstance(each, Exception):
                reader.connectionLost(Failure(each))
            else:
                reader.dataReceived(each)

    def loseConnection(self) -> None:
        if not self._over:
            self._reader_gone()

    def pauseProducing(self) -> None:
        pass

    def resumeProducing(self) -> None:
        pass
