"""
Clusters over the wire: one connection object for each, with caller tokens, deadlines, a circuit and a bound.

Importing it imports the reactor (``cm.rpc.http_caller``), so daemons and services import it when they need it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import urlsplit

import msgspec
from twisted.internet.defer import CancelledError, TimeoutError
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.ssl import Certificate, trustRootFromCertificates
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS
from twisted.web.http_headers import Headers

from clm.rules.cluster import INCOMPATIBLE, UNREACHABLE, ClusterFacts
from cm.rpc.caller import Identity
from cm.rpc.codec import RawJSON, decode_error
from cm.rpc.credentials import Credentials, TokenCredentials
from cm.rpc.errors import Conflict, InvalidParameter, NotAuthenticated, Overloaded, Unavailable
from cm.rpc.http.relay import Other, Others
from cm.rpc.http_caller import HttpCaller, LinkFault
from cm.rpc.limits import Share
from cm.rpc.passage import Passage
from cm.rpc.places import Places
from cm.rpc.token import LIFETIME_S, TokenSigner
from cm.rpc.types import Secret
from cm.rpc.vocabulary import Role

Read = TypeVar("Read")

SUSPECT_S: Final = 30.0  # after a failure, how long a cluster is given little time
SUSPECT_DEADLINE_S: Final = 1.0
CONNECTIONS: Final = 32
CONNECT_S: Final = 10.0
CALLS: Final = Share(size=256, per_account=64, per_address=256, kept=32, times=10)
AT_ONCE: Final = 2
WAITS: Final = Share(size=1000, per_account=50, per_address=1000, kept=100, times=10)


@dataclass(eq=False)
class ClusterUnavailable(Unavailable):
    """No answer: what was asked may or may not have happened, so a change is repeated with the same request_id."""

    code = "cluster_unavailable"
    message = "The cluster {cluster} does not answer: {reason}."
    cluster: str
    reason: str


@dataclass(eq=False)
class ClusterRefused(Unavailable):
    """The cluster does not believe this cloud; that is between them, and not about who calls."""

    code = "cluster_refused"
    message = "The cluster {cluster} does not accept this cloud: {reason}."
    cluster: str
    reason: str


@dataclass(eq=False)
class ClusterLocked(Conflict):
    code = "cluster_locked"
    message = "The cluster {cluster} is locked."
    cluster: str


@dataclass(eq=False)
class ClusterIncompatible(Conflict):
    code = "cluster_incompatible"
    message = "The cluster {cluster} is of a version that this cloud cannot work with: {reason}."
    cluster: str
    reason: str


_CLOUD: Final = Identity(0, "cloud", frozenset({Role.ADMIN}))


def _nothing() -> None: ...


class _Answer(msgspec.Struct, gc=False):
    """A JSON-RPC answer; the result stays the text it is."""

    id: int | str | None = None
    result: msgspec.Raw = msgspec.Raw()
    error: dict[str, Any] | None = None


_decoder = msgspec.json.Decoder(_Answer)


class Exchanges(Protocol):
    """As much of ``HttpCaller`` as a connection uses."""

    async def exchange(
        self,
        method: str,
        params: Sequence[Any] | Mapping[str, Any] = (),
        *,
        credentials: Credentials | None = None,
        deadline_s: float | None = None,
    ) -> tuple[bytes, int]: ...

    async def close(self) -> None: ...


class ClusterConnection:
    """
    One cluster. ``facts`` are replaced when its row changes; a new address needs a new object.

    :param reactor: the reactor.
    :param signer: signs for this cloud; a token is good for one call.
    :param caller: carries the calls, in place of HTTP.
    """

    def __init__(
        self, reactor: Any, facts: ClusterFacts, signer: TokenSigner, deadline_s: float, caller: Exchanges | None = None
    ) -> None:
        self._reactor = reactor
        self._signer = signer
        self._deadline_s = deadline_s
        self._policy = make_policy(facts.ca) if facts.url.startswith("https:") else None
        self._caller: Exchanges = caller or HttpCaller(
            reactor,
            facts.url,
            deadline_s=deadline_s,
            context_factory=self._policy,
            connections=CONNECTIONS,
        )
        self._suspect_until = 0.0
        self._answered = 0.0
        self.facts = facts
        self.share_out(CALLS, WAITS)
        if facts.state == UNREACHABLE:
            self._suspect()

    def __repr__(self) -> str:
        return f"<ClusterConnection {self.facts.name}>"

    def renew(self, facts: ClusterFacts) -> None:
        """Take over what the row says now; the address is the same."""
        found_dead = facts.state == UNREACHABLE and self.facts.state != UNREACHABLE
        self.facts = facts
        # Another process may have found it dead; what we saw ourselves a moment ago is better evidence.
        if found_dead and self._reactor.seconds() - self._answered > SUSPECT_DEADLINE_S:
            self._suspect()

    def is_same_place(self, facts: ClusterFacts) -> bool:
        return (facts.url, facts.ca, facts.name) == (self.facts.url, self.facts.ca, self.facts.name)

    def share_out(self, calls: Share, waits: Share, at_once: int = AT_ONCE) -> None:
        """
        Have so many calls at a time: what hangs must not hold all that a cloud can carry, nor one user all of these.
        Before the first of them.

        :param at_once: of one user's calls, on their way at once; the others wait here.
        """
        self._working = Places(f"calls of cluster {self.facts.name}", calls)
        self._waiting = Places(f"waiting calls of cluster {self.facts.name}", waits)
        self._gate = Passage(at_once, calls.size)

    def clock(self) -> float:
        """Seconds that only grow."""
        return float(self._reactor.seconds())

    @property
    def suspect(self) -> bool:
        """Whether it failed a moment ago."""
        return bool(self._reactor.seconds() < self._suspect_until)

    def _suspect(self) -> None:
        self._suspect_until = self._reactor.seconds() + SUSPECT_S

    def check(self) -> None:
        """
        :raises ClusterLocked: ClusterIncompatible: nothing is passed on to it now.
        """
        if self.facts.locked:
            raise ClusterLocked(self.facts.name)
        if self.facts.state == INCOMPATIBLE:
            raise ClusterIncompatible(self.facts.name, "its protocol is another")

    async def call(
        self,
        identity: Identity | Credentials | None,
        method: str,
        params: Sequence[Any] | Mapping[str, Any] = (),
        *,
        deadline_s: float | None = None,
        repeatable: bool = True,
        patient: bool = False,
        waiting: bool = False,
    ) -> RawJSON:
        """
        A call's result, as the text it came in.

        :param identity: on whose behalf; credentials of the cluster's own; None for a guest.
        :param repeatable: whether it may be made again when a connection ended before the answer: reads, changes that
            carry a ``request_id``, and those that may be repeated anyway.
        :param patient: give it the whole deadline even when the cluster failed a moment ago, and a place however many
            calls wait for it.
        :param waiting: it waits for something there, and holds no place of those that work.
        :raises CloudError: the cluster's own refusal, as it is.
        :raises ClusterUnavailable: ClusterRefused: no answer, or none of ours.
        :raises TooManyAtOnce: the caller has its share of this cluster's calls already.
        """
        name = self.facts.name
        wanted = self._deadline_s if deadline_s is None else deadline_s
        if self.suspect and not patient:
            wanted = min(wanted, SUSPECT_DEADLINE_S)
        places = self._waiting if waiting else self._working
        try:
            # Those that look whether it is well are few, and must not take our own queue for its silence. Who is no
            # identity of ours is the cloud itself.
            whose = identity if isinstance(identity, Identity) else _CLOUD
            give_back = _nothing if patient else places.take(whose)
        except Overloaded:
            raise ClusterUnavailable(name, "too many calls wait for it") from None
        gate = None if waiting or patient or whose.may(Role.ADMIN) else self._gate
        try:
            if gate is not None:
                await self._pass(gate, whose, wanted)
        except BaseException:
            give_back()
            raise
        started = self._reactor.seconds()
        try:
            try:
                data, ident = await self._exchange(identity, method, params, wanted)
            except LinkFault as fault:
                if fault.kind != "lost" or not repeatable:
                    raise
                left = wanted - (self._reactor.seconds() - started)
                data, ident = await self._exchange(identity, method, params, max(left, 0.05))
        except LinkFault as fault:
            # One call that is late says nothing while others are answered.
            if fault.kind != "late" or self._answered < started:
                self._suspect()
            reason = f"no answer within {wanted:g} s" if fault.kind == "late" else fault.reason
            raise ClusterUnavailable(name, reason) from None
        finally:
            give_back()
            if gate is not None:
                gate.leave(whose.account_id)
        return self._read(data, ident)

    async def _pass(self, gate: Passage, whose: Identity, seconds: float) -> None:
        """
        Wait until no more of a user's calls are on their way than a few: the others would only wait at the cluster, and
        their answers come all at once.

        :raises ClusterUnavailable: those before it took too long.
        """
        entering = gate.enter(whose.account_id)
        if not entering.called:
            entering.addTimeout(seconds, self._reactor)
        try:
            await entering
        except TimeoutError:
            reason = f"your calls before this one did not end within {seconds:g} s"
            raise ClusterUnavailable(self.facts.name, reason) from None

    async def _exchange(self, identity: Any, method: str, params: Any, deadline_s: float) -> tuple[bytes, int]:
        credentials = identity
        if isinstance(identity, Identity):
            # A fresh one each time: clusters take a token once. It is good for as long as its answer is waited for (and
            # a second, since its times are whole ones): what was given up must not begin after its repeat was refused.
            lifetime_s = min(LIFETIME_S, math.ceil(deadline_s) + 1)
            credentials = TokenCredentials(Secret(self._signer.sign(identity, self.facts.name, lifetime_s=lifetime_s)))
        return await self._caller.exchange(method, params, credentials=credentials, deadline_s=deadline_s)

    async def open(self, identity: Identity, path: str, connect_s: float, headers: Headers) -> Any:
        """
        A GET whose answer stays open: the ``IResponse``, once its head is there, on a connection of its own.

        :raises ClusterUnavailable: it did not begin to answer in time.
        """
        token = self._signer.sign(identity, self.facts.name)
        headers.setRawHeaders("Authorization", [f"Bearer {token}"])
        options = {} if self._policy is None else {"contextFactory": self._policy}
        agent = Agent(self._reactor, connectTimeout=connect_s, **options)
        asking = agent.request(b"GET", (self.facts.url + path).encode(), headers)
        asking.addTimeout(connect_s, self._reactor)
        try:
            return await asking
        except CancelledError:
            raise
        except Exception as error:
            reason = "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
            raise ClusterUnavailable(self.facts.name, reason) from None

    async def ask(
        self, identity: Identity, method: bytes, path: str, headers: Headers, body: Any, deadline_s: float
    ) -> Any:
        """
        A request whose body and answer flow: the ``IResponse``, once its head is there.

        :param body: an ``IBodyProducer``, or None.
        :param deadline_s: until then, the body with it.
        :raises ClusterUnavailable: it cannot be reached, the connection broke, or that took too long.
        """
        token = self._signer.sign(identity, self.facts.name)
        headers.setRawHeaders("Authorization", [f"Bearer {token}"])
        options = {} if self._policy is None else {"contextFactory": self._policy}
        agent = Agent(self._reactor, connectTimeout=CONNECT_S, **options)
        asking = agent.request(method, (self.facts.url + path).encode(), headers, body)
        asking.addTimeout(deadline_s, self._reactor)
        try:
            return await asking
        except CancelledError:
            raise
        except Exception as error:
            raise ClusterUnavailable(self.facts.name, type(error).__name__) from None

    async def open_socket(self, identity: Identity, target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> Other:
        """
        A connection of its own on which a GET was sent, and whatever is answered is still to be read.

        :raises ClusterUnavailable: there is none.
        """
        token = self._signer.sign(identity, self.facts.name)
        parts = urlsplit(self.facts.url)
        lines = [b"GET %s HTTP/1.1" % target, b"Host: " + parts.netloc.encode()]
        lines += [name + b": " + value for name, value in headers]
        lines += [b"Authorization: Bearer " + token.encode(), b"", b""]
        host, secure = parts.hostname or "", parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        place: Any = HostnameEndpoint(self._reactor, host, port, timeout=CONNECT_S)
        if secure and self._policy is not None:
            place = wrapClientTLS(self._policy.creatorForNetloc(host.encode(), port), place)
        try:
            other: Other = await place.connect(Others.forProtocol(lambda: Other(b"\r\n".join(lines))))
        except CancelledError:
            raise
        except Exception as error:
            raise ClusterUnavailable(self.facts.name, type(error).__name__) from None
        return other

    def _read(self, data: bytes, ident: int) -> RawJSON:
        name = self.facts.name
        try:
            answer = _decoder.decode(data)
            if not data.isascii():
                data.decode()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._suspect()
            raise ClusterUnavailable(name, "what answers there is no cluster manager") from None
        if answer.error is not None:
            self._alive()
            error = decode_error(answer.error)
            if isinstance(error, NotAuthenticated):
                raise ClusterRefused(name, str(error).rstrip(".")) from None
            raise error
        result = bytes(answer.result)
        if not result or answer.id != ident:
            self._suspect()
            raise ClusterUnavailable(name, "the answer is to another request")
        self._alive()
        return RawJSON(result)

    def read_as(self, answer: RawJSON, kind: type[Read]) -> Read:
        """
        An answer as what it should be.

        :raises ClusterUnavailable: it is something else.
        """
        try:
            return msgspec.json.decode(answer.data, type=kind)
        except msgspec.DecodeError as error:
            raise ClusterUnavailable(self.facts.name, f"its answer makes no sense: {error}") from None

    def _alive(self) -> None:
        self._answered = self._reactor.seconds()
        self._suspect_until = 0.0

    async def close(self) -> None:
        await self._caller.close()


def make_policy(ca: str) -> BrowserLikePolicyForHTTPS:
    """
    Whom to believe a server's certificate from: the system's authorities, or these alone.

    :param ca: certificates in PEM; "": the system's.
    :raises InvalidParameter: it holds none that can be read.
    """
    if not ca:
        return BrowserLikePolicyForHTTPS()
    begin = "-----BEGIN CERTIFICATE-----"
    try:
        roots = [Certificate.loadPEM((begin + block).encode()) for block in ca.split(begin)[1:]]
    except Exception:  # pyOpenSSL's and cryptography's own
        roots = []
    if not roots:
        raise InvalidParameter("ca", "it holds no certificate that can be read")
    return BrowserLikePolicyForHTTPS(trustRoot=trustRootFromCertificates(roots))
