"""
The way of one call: its name to a view, its credentials to an identity, its parameters to arguments, then the executor.

Both dialects come here; what they differ in is done before and after. Whatever is raised from here is a ``CloudError``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final, Protocol

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.logger import Logger
from twisted.python.failure import Failure

from cm.rpc.address import network_of
from cm.rpc.budget import Budget
from cm.rpc.caller import ANONYMOUS, Call, Control, Execute, Identity
from cm.rpc.codec import Several, Written, encode_json, fault_details, fault_of
from cm.rpc.credentials import Authenticator, Credentials, parse_authorization
from cm.rpc.errors import (
    CloudError,
    DeadlineExceeded,
    Incident,
    InvalidParameter,
    MalformedRequest,
    RateLimited,
    Stopping,
    TooManyAtOnce,
)
from cm.rpc.introspection import MULTICALL, introspection
from cm.rpc.limits import Limits
from cm.rpc.parameters import Params
from cm.rpc.places import Places
from cm.rpc.rate import ChangeRate
from cm.rpc.turns import REFUSED_S, Turns
from cm.rpc.view import Registry, View, unknown
from cm.runtime.begin import begin
from cm.runtime.pool import on_behalf

log = Logger()
STOP_GRACE_S: Final = 10.0  # calls last milliseconds, but for those that wait: they are told to come again


class Measure(Protocol):
    def call(self, method: str, outcome: str, seconds: float) -> None: ...


class Peer:
    """
    Who is at the other end of one HTTP request; asked for once, however many calls the request holds.

    :ivar request_id: from a header, for a request of one call.
    :ivar budget: what the request may still take; made with its first call.
    :ivar encode: how its dialect writes a result. Results of a multicall are written one by one, so that their size
        is known and none of them stays as objects.
    :ivar named: how its dialect gives parameters by name.
    :ivar failed: the error that the whole request was answered with, for what HTTP's headers say of it.
    :ivar waited: whether the reactor did something else since the request came.
    """

    __slots__ = (
        "remote", "call_id", "request_id", "budget", "encode", "named", "failed", "waited",
        "_authorization", "_identity", "_refusal",
    )  # fmt: skip

    def __init__(
        self,
        remote: str,
        authorization: bytes | None = None,
        request_id: str | None = None,
        identity: Identity | None = None,
    ) -> None:
        self.remote = remote
        self.call_id = secrets.token_hex(8)
        self.request_id = request_id
        self.budget: Budget | None = None
        self.encode: Callable[[Any], bytes] = encode_json
        self.named: Callable[[str, Params], Params] = lambda _, params: params
        self.failed: CloudError | None = None
        self.waited = False
        self._authorization = authorization
        self._identity = identity
        self._refusal: CloudError | None = None

    @property
    def is_guest(self) -> bool:
        """Whether the request came without credentials."""
        return self._authorization is None and self._identity is None

    @property
    def known(self) -> Identity | None:
        """Who this is, where nobody has to be asked any more."""
        return ANONYMOUS if self._identity is None and self._authorization is None else self._identity

    @property
    def key(self) -> Hashable:
        """
        For whom its work counts: the account, once that is known, else the address. Who comes from there with bad
        credentials is not in the way of those who come with none, to log in.
        """
        if self._identity is None:
            place = network_of(self.remote)
            return place if self._refusal is None else ("refused", place)
        return self._identity.account_id or self._identity.login

    def recognise(self, identity: Identity) -> None:
        """Say who it is: one who came by other credentials than a header's."""
        self._identity = identity

    async def identity(self, authenticator: Authenticator) -> Identity:
        """
        :raises NotAuthenticated: the credentials are not good; having none is no error. They are tried once: all calls
            of the request are told the same.
        """
        if self._identity is None:
            if self._authorization is None:
                return ANONYMOUS
            if self._refusal is not None:
                raise self._refusal
            try:
                credentials: Credentials | None = parse_authorization(self._authorization)
                self._identity = await authenticator.authenticate(credentials, self.remote)
            except CloudError as error:
                self._refusal = error
                raise
        return self._identity


class Dispatcher:
    """
    :param reactor: an ``IReactorTime``.
    :param execute: runs a view that is authorized and whose arguments are valid.
    """

    def __init__(
        self,
        reactor: Any,
        registry: Registry,
        execute: Execute,
        authenticator: Authenticator,
        limits: Limits | None = None,
        measure: Measure | None = None,
        title: str = "Wawel",
    ) -> None:
        self._reactor = reactor
        self._registry = registry
        self._execute = execute
        self._authenticator = authenticator
        self.limits = limits or Limits()
        self._measure = measure
        self._own = introspection(registry, title)
        self.turns = Turns(reactor)
        self._rate = ChangeRate(reactor.seconds, self.limits)
        self._working = Places("calls", self.limits.share("under_way"))
        self._waiting = Places("waiting calls", self.limits.share("waits"))
        self._waiters: dict[Deferred[Any], None] = {}  # of the waiting calls, in their order
        self._idle: Deferred[None] | None = None  # while it is being stopped

    @property
    def under_way(self) -> int:
        """Calls that have begun and not ended, whether they work or wait."""
        return len(self._working) + len(self._waiting)

    async def stop(self, grace_s: float = STOP_GRACE_S) -> None:
        """
        Begin no more calls, tell those that wait to come again, and let those that work be answered, for as long as
        the grace.
        """
        self._idle = idle = Deferred()
        for waiter in list(self._waiters):
            waiter.errback(Failure(Stopping()))
        if self.under_way:
            timer = self._reactor.callLater(grace_s, idle.callback, None)
            await idle
            if timer.active():
                timer.cancel()

    def find(self, method: str) -> View | None:
        return self._registry.find(method) or self._own.find(method)

    def budget(self, peer: Peer) -> Budget:
        """What the peer's request may still take."""
        if peer.budget is None:
            peer.budget = Budget(self.limits, self._reactor.seconds(), peer.is_guest)
        return peer.budget

    async def identify(self, peer: Peer) -> Identity:
        """
        :raises NotAuthenticated: as ``Peer.identity``.
        :raises DeadlineExceeded: it took as long as the whole request may.
        """
        known = peer.known
        if known is not None:  # as of all calls of a request but the first
            on_behalf.set(peer.key)
            return known
        on_behalf.set(peer.key)
        identity: Identity
        identity, asking = begin(peer.identity(self._authenticator))
        if asking is not None:
            asking.addTimeout(max(0.0, self.budget(peer).until - self._reactor.seconds()), self._reactor)
            try:
                identity = await asking
            except TimeoutError:
                raise DeadlineExceeded("looking at the credentials", self.limits.request_s) from None
        on_behalf.set(peer.key)
        return identity

    async def pause(self, peer: Peer) -> None:
        """Give the reactor back before the next call of the same request: others' come first."""
        await self.turns.take(peer.key, yielding=True)

    async def call(self, method: str, params: Params, peer: Peer, within_multicall: bool = False) -> Any:
        """
        The result of one call, as the view gave it; of ``system.multicall`` ``Several``, whose bytes are counted.

        :raises CloudError: the view's own, or what was wrong with the call; anything unforeseen is an ``Incident``.
        """
        started = self._reactor.seconds()
        outcome, login = "ok", ""
        view: View | None = None
        try:
            view = self._registry.find(method) or self._own.find(method)
            if view is None or view.name != MULTICALL:  # that counts as the calls in it
                self.budget(peer).take_call(started)
            if view is None:
                raise unknown(method)
            identity = await self.identify(peer)
            login = identity.login
            identity.require(view.role)
            arguments, controls = view.bind(params)
            if view.changing and peer.request_id is not None:
                controls.setdefault("request_id", peer.request_id)
            if view.name == MULTICALL:
                return await self._multicall(arguments["calls"], peer, within_multicall)
            control = Control(peer.call_id, remote=peer.remote, **controls)
            if self._idle is not None:
                raise Stopping()
            if view.changing:
                self._rate.take(identity)
            # What waits holds no place of those that work.
            done = (self._waiting if view.waiting else self._working).take(identity, peer.remote)
            return await self._run(view, identity, arguments, control, self.budget(peer), done)
        except CloudError as error:
            outcome = error.code
            if isinstance(error, (RateLimited, TooManyAtOnce)) and not peer.is_guest:
                self.turns.hold(peer.key, REFUSED_S)
            raise
        except CancelledError:
            outcome = "cancelled"
            raise
        except Exception:
            outcome = Incident.code
            raise self.incident(peer, method) from None
        finally:
            if self._measure is not None:
                self._measure.call(view.name if view else "unknown", outcome, self._reactor.seconds() - started)
            if view is not None and view.changing:
                log.info(
                    "call {call_id}: {login} at {remote}: {method}: {outcome}",
                    call_id=peer.call_id,
                    login=login or "nobody",
                    remote=peer.remote,
                    method=method,
                    outcome=outcome,
                )

    def incident(self, peer: Peer, method: str) -> Incident:
        """Log the exception being handled; the caller is told only where to find it."""
        log.failure("call {call_id}: {method} broke", call_id=peer.call_id, method=method)
        return Incident(peer.call_id)

    async def _run(
        self,
        view: View,
        identity: Identity,
        arguments: dict[str, Any],
        control: Control,
        budget: Budget,
        done: Callable[[], None],
    ) -> Any:
        """
        Execute within the time a call has. Whoever waits may leave, by deadline or by hanging up: a read then ends, a
        change goes on to its end without them.
        """
        if self._own.find(view.name) is view:
            execution = view.function(Call.of(identity, control), **arguments)
        else:
            execution = self._execute(view, identity, arguments, control)
        work: Deferred[Any] | None = None
        try:
            result, work = begin(execution)
        finally:
            if work is None:
                self._ended(None, done)
        if work is None:
            return result
        work.addBoth(self._ended, done)
        waiter: Deferred[Any] = Deferred(None if view.changing else lambda _: work.cancel())
        work.addCallbacks(
            lambda result: None if waiter.called else waiter.callback(result),
            lambda failure: self._failed_late(failure, view, control) if waiter.called else waiter.errback(failure),
        )
        seconds = min(self.limits.call_s, max(0.0, budget.until - self._reactor.seconds()))
        timer = self._reactor.callLater(seconds, self._expire, waiter, view, work, seconds)
        if view.waiting and not view.changing:
            self._waiters[waiter] = None
        try:
            return await waiter
        except Stopping:
            work.cancel()
            raise
        finally:
            self._waiters.pop(waiter, None)
            if timer.active():
                timer.cancel()

    def _ended(self, result: Any, done: Callable[[], None]) -> Any:
        done()
        if self._idle is not None and not self._idle.called and not self.under_way:
            self._idle.callback(None)
        return result

    def _expire(self, waiter: Deferred[Any], view: View, work: Deferred[Any], seconds: float) -> None:
        if not waiter.called:
            waiter.errback(Failure(DeadlineExceeded(view.name, round(seconds, 1))))
            if not view.changing:
                work.cancel()

    def _failed_late(self, failure: Failure, view: View, control: Control) -> None:
        """Nobody waits for the answer any more, so the log has it."""
        if failure.check(CancelledError):
            return
        if failure.check(CloudError):
            log.info(
                "call {call_id}: {method} was refused after its caller left: {code}",
                call_id=control.call_id,
                method=view.name,
                code=failure.value.code,
            )
        else:
            log.failure(
                "call {call_id}: {method} broke after its caller left",
                failure,
                call_id=control.call_id,
                method=view.name,
            )

    async def _multicall(self, calls: list[Any], peer: Peer, nested: bool) -> Several:
        """``system.multicall``: each result alone in a list, each error as a fault struct; in order, one by one."""
        if nested:
            raise MalformedRequest("system.multicall does not call itself")
        self.budget(peer).check_calls(len(calls))
        request_id = peer.request_id
        results = Several()
        for index, one in enumerate(calls):
            if index:
                await self.pause(peer)
            try:
                if not isinstance(one, Mapping) or not isinstance(one.get("methodName"), str):
                    raise InvalidParameter("calls", "each is a struct of methodName and params")
                peer.request_id = None if request_id is None else f"{request_id}:{index}"
                method = one["methodName"]
                result = await self.call(method, peer.named(method, one.get("params", [])), peer, True)
                results.append([Written(self.written(result, method, peer))])
            except CloudError as error:
                results.append({**fault_of(error), **fault_details(error)})
        return results

    def written(self, result: Any, method: str, peer: Peer) -> bytes:
        """
        A result in its dialect, counted.

        :raises TooLarge: the answer has no room for it.
        :raises Incident: it holds what has no place on the wire.
        """
        try:
            data = peer.encode(result)
        except Exception:
            raise self.incident(peer, method) from None
        if type(result) is not Several:
            view = self.find(method)
            self.budget(peer).take_bytes(len(data), view is not None and view.changing)
        return data
