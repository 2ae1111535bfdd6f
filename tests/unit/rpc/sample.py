"""Sample views of each role, an executor that runs them, and the wire around them: in memory, and on a real port."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.web.resource import Resource

from cm.rpc.caller import Call, Control, Identity, RawJSON
from cm.rpc.credentials import StaticAuthenticator
from cm.rpc.dispatch import Dispatcher, Peer
from cm.rpc.errors import ObjectNotFound, VMBusy
from cm.rpc.http.body import Body, BodyLost
from cm.rpc.http.request import WireSite
from cm.rpc.jsonrpc import JSONRPC
from cm.rpc.limits import Limits
from cm.rpc.server import make_root
from cm.rpc.types import Id, IdList, Name, Secret, Text
from cm.rpc.view import Registry, View, admin_view, guest_view, node_view, user_view
from cm.rpc.vocabulary import Role, VMState
from cm.rpc.xmlrpc import XMLRPC
from cm.runtime.log import call_id
from cm.runtime.metrics import Metrics
from cm.runtime.threads import Threads
from tests.unit.runtime.reactor import Reactor

ANNA = Identity(7, "anna", frozenset({Role.USER}), groups=(3,), source="password")
ROOT = Identity(1, "root", frozenset({Role.ADMIN}), source="password")
NODE = Identity(0, "node-1", frozenset({Role.NODE}), node_id=1, source="node")
AS_ANNA = b"Basic YW5uYTpzZWNyZXQ="  # anna:secret
AS_ROOT = b"Basic cm9vdDp0b29y"  # root:toor
AS_NODE = b"Bearer node-token"


@dataclass
class Size:
    cpus: int
    memory_mib: int


@guest_view(name="guest.time")
def guest_time(caller: Call) -> datetime:
    """The time, of a sort."""
    return datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@user_view(name="user.vm.get_by_id")
def get_by_id(caller: Call, vm_id: Id) -> dict[str, Any]:
    """A VM of the caller's."""
    if vm_id > 1000:
        raise ObjectNotFound("VM", vm_id)
    return {"id": vm_id, "state": VMState.RUNNING, "owner": caller.account_id, "bytes": 2**40, "lease": None}


@user_view(name="user.vm.get_list")
def get_list(caller: Call) -> list[dict[str, Any]]:
    return RawJSON('[{"id": 1}, {"id": 2}]')  # type: ignore[return-value]


@user_view(changing=True, name="user.vm.create")
def create(
    caller: Call, name: Name, description: Text = "", size: Size | None = None, *, key: Secret | None = None
) -> dict[str, Any]:
    """
    Create a VM.

    Then it starts.
    """
    caller.note("claim", name=name)
    return {
        "name": name,
        "plan": caller.plan if caller.dry_run else None,
        "request_id": caller.request_id,
        "if_version": caller.if_version,
        "cpus": size.cpus if size else None,
        "key": key,
    }


@user_view(changing=True, name="user.vm.destroy")
def destroy(caller: Call, vm_ids: IdList) -> list[int]:
    if 13 in vm_ids:
        raise VMBusy(13, 4, "vm_start")
    return vm_ids


@user_view(name="user.broken")
def broken(caller: Call) -> None:
    raise RuntimeError("the database password is hunter2")


@user_view(name="user.unsendable")
def unsendable(caller: Call) -> object:
    return {"x": object()}


@user_view(name="user.nothing")
def nothing(caller: Call) -> None:
    return None


@user_view(name="user.echo")
def echo(caller: Call, value: Any = None) -> Any:
    return value


@user_view(name="subtract")
def subtract(caller: Call, minuend: float, subtrahend: float) -> float:
    return minuend - subtrahend


@user_view(name="sum")
def add(caller: Call, a: int, b: int, c: int) -> int:
    return a + b + c


@user_view(name="get_data")
def get_data(caller: Call) -> list[Any]:
    return ["hello", 5]


@user_view(name="update")
def update(caller: Call, a: int, b: int, c: int, d: int, e: int) -> None:
    return None


@user_view(name="user.call_id")
def which_call(caller: Call) -> str:
    return call_id.get()


@user_view(name="user.slow")
async def slow(caller: Call) -> str:
    raise AssertionError("the executor does this")


@user_view(changing=True, name="user.slow_change")
async def slow_change(caller: Call) -> str:
    raise AssertionError("the executor does this")


@user_view(waiting=True, name="user.slow_wait")
async def slow_wait(caller: Call) -> str:
    raise AssertionError("the executor does this")


@admin_view(name="admin.node.lock", changing=True)
def lock(caller: Call, node_id: Id, locked: bool = True) -> bool:
    return locked


@node_view(name="node.hook.report")
def report(caller: Call, sequence: int) -> dict[str, Any]:
    return {"node_id": caller.identity.node_id, "sequence": sequence}


VIEWS = [
    guest_time, get_by_id, get_list, create, destroy, broken, unsendable, nothing, echo, subtract, add, get_data,
    update,
    which_call, slow, slow_change, slow_wait, lock, report,
]  # fmt: skip


class Sample:
    """The wire in memory, on a clock. ``waiting`` holds the slow calls under way, ``ended`` how each ended."""

    def __init__(self, reactor: Any = None, limits: Limits | None = None, **options: Any) -> None:
        self.clock = reactor or Clock()
        self.registry = Registry()
        for function in VIEWS:
            self.registry.add(function)
        self.metrics = Metrics()
        self.threads = Threads(self.clock)
        self.waiting: list[Deferred[str]] = []
        self.ended: list[str] = []
        self.dispatcher = Dispatcher(
            self.clock,
            self.registry,
            self.execute,
            StaticAuthenticator({"anna": ("secret", ANNA), "root": ("toor", ROOT)}, {"node-token": NODE}, **options),
            limits,
            self.metrics,
        )
        self.json = JSONRPC(self.dispatcher)
        self.xml = XMLRPC(self.dispatcher)

    async def execute(self, view: View, identity: Identity, arguments: dict[str, Any], control: Control) -> Any:
        if view.name == "user.call_id":
            return await self.threads.run("database", view.function, Call.of(identity, control))
        if not view.name.startswith("user.slow"):
            return view.function(Call.of(identity, control), **arguments)
        gate: Deferred[str] = Deferred()
        self.waiting.append(gate)
        try:
            result = await gate
        except BaseException as error:
            self.ended.append(type(error).__name__)
            raise
        self.ended.append(result)
        return result

    def post(self, body: Any, authorization: bytes | None = AS_ANNA, request_id: str | None = None) -> Any:
        """A JSON-RPC answer, parsed; ``None`` for an empty one."""
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        answer = done(self.json.answer(data, Peer("192.0.2.1", authorization, request_id)), self.clock)
        return msgspec.json.decode(answer) if answer else None

    def call(self, method: str, params: Any = (), **options: Any) -> Any:
        return self.post({"jsonrpc": "2.0", "method": method, "params": params, "id": 1}, **options)

    def post_xml(self, body: bytes, authorization: bytes | None = AS_ANNA) -> bytes:
        answer: bytes = done(self.xml.answer(body, Peer("192.0.2.1", authorization)), self.clock)
        return answer


def one_round(clock: Clock) -> None:
    """What is due now, as a reactor does it: what that makes due in turn waits for the next round."""
    for call in [call for call in clock.calls if call.time <= clock.seconds()]:
        if call.active():
            clock.calls.remove(call)
            call.called = 1
            call.func(*call.args, **call.kw)


def done(coroutine: Coroutine[Any, Any, Any], clock: Any = None) -> Any:
    """The result of what does not wait, but for rounds of the reactor and the moments after a refusal."""
    results: list[Any] = []
    deferred = Deferred.fromCoroutine(coroutine)
    deferred.addBoth(results.append)
    while clock is not None and not results and clock.getDelayedCalls():
        pause_s = min(each.time for each in clock.getDelayedCalls()) - clock.seconds()
        if pause_s > 0.1:
            break
        clock.advance(max(0.0, pause_s))
    assert results, "it waits"
    if hasattr(results[0], "raiseException"):
        results[0].raiseException()
    return results[0]


class Upload(Resource):
    """Tells how much came."""

    def render_POST(self, request: Any) -> bytes:
        return f"{len(request.content.read())} {request.oversized}".encode()


class Intake:
    """
    Takes bodies while they come in, and tells how much there was; ``?refuse`` is answered before, ``?slow`` lets
    nothing come in until ``go`` is called.

    :ivar most: bytes that ever waited at once. :ivar lost: how many bodies were not whole.
    """

    def __init__(self) -> None:
        self.most = self.lost = 0
        self.bodies: list[Body] = []
        self.go: Deferred[None] = Deferred()

    def begin(self, request: Any, body: Body) -> None:
        self.bodies.append(body)
        Deferred.fromCoroutine(self._take(request, body))

    async def _take(self, request: Any, body: Body) -> None:
        if b"refuse" in request.uri:
            request.send(409, b"no")
            return
        if b"slow" in request.uri:
            await self.go
        request.let_in()
        count = 0
        try:
            while pieces := await body.take():
                size = sum(map(len, pieces))
                self.most, count = max(self.most, size), count + size
        except BodyLost:
            self.lost += 1
            return
        request.send(200, f"{count}".encode())


class Server:
    """The sample's wire on a port of the loopback."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.thread = Reactor()
        self.sample = Sample(self.thread.reactor, limits)
        root = make_root(self.sample.dispatcher, self.sample.metrics.exposition)
        root.putChild(b"upload", Upload())
        self.intake = Intake()
        site = WireSite(root, self.sample.dispatcher.limits, self.thread.reactor, {b"/intake": self.intake})
        self._port = self.thread.do(lambda: self.thread.reactor.listenTCP(0, site, interface="127.0.0.1"))
        self.port: int = self._port.getHost().port
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self.thread.do(self._port.stopListening)
        self.thread.do(self.sample.threads.stop)
        self.thread.stop()
