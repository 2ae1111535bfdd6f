"""
Xen Orchestra's session: a WebSocket at ``/api/``, JSON-RPC 2.0 both ways. Who has signed in calls its methods, with
their names and parameters, and is told what comes, changes and goes of what they see.

    {"jsonrpc":"2.0","id":1,"method":"session.signIn","params":{"username":"demo","password":"..."}}
    {"jsonrpc":"2.0","method":"all","params":{"type":"enter","items":{"<UUID>":{...}}}}

A method is done by calls of ours, as whoever signed in (``xo_method.py`` says by which); it is answered once the
work that it began has ended. Objects are as ``object.get_all`` tells them. What there is when somebody signs in they
get by ``xo.getAllObjects``; from then on they are told what changes.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from cm.rpc.address import network_of
from cm.rpc.caller import ANONYMOUS, Identity
from cm.rpc.codec import encode_json
from cm.rpc.credentials import Authenticator, Credentials, parse_authorization
from cm.rpc.dispatch import Dispatcher, Peer
from cm.rpc.errors import (
    CloudError,
    Incident,
    InvalidParameter,
    MalformedRequest,
    NotAuthenticated,
    NotPermitted,
    Unavailable,
    UnknownMethod,
    UnparsableRequest,
)
from cm.rpc.event_lines import sees, sees_as_administrator
from cm.rpc.graph_stream import KINDS, GraphLook, ReadGraph
from cm.rpc.http.request import WireRequest, remote
from cm.rpc.http.websocket import GOING_AWAY, WebSocket
from cm.rpc.limits import Share, check_depth
from cm.rpc.opening import Opening
from cm.rpc.picture import Told, by_uuid
from cm.rpc.places import Places
from cm.rpc.standing import Standing
from cm.rpc.vocabulary import Role
from cm.rpc.xo_error import NoSuchObject, OperationFailed, Unauthorized, WrongCredentials, told_error
from cm.rpc.xo_method import GRANULARITIES, METHODS, NOW, Ask, Found, Method, pattern_filter
from cm.runtime.feed import FeedReader, FeedRow, Subscription
from cm.runtime.pool import on_behalf
from cm.runtime.wall import unix_seconds

log = Logger()

SHARE: Final = Share(500, 10, 50, 50, 10)
MESSAGE_MAX: Final = 1024 * 1024  # bytes
UNDER_WAY_MAX: Final = 8  # calls of one session at once; what it sends beside them is read later
CHECK_S: Final = 30.0  # between looks whether they still may
SIGN_IN_S: Final = 60.0  # for who came to say who they are
PING_S: Final = 30.0
SILENT_S: Final = 90.0  # not even a ping was answered
WAIT_S: Final = 20.0  # of one look whether work has ended
EXPIRED: Final = 4001  # of the codes that are an application's (RFC 6455, 7.4.2)
VERSION: Final = "0.1"

_OWN: Final[Mapping[str, str]] = {
    "session.signIn": "Say who you are: username (or email) and password, or token.",
    "session.signOut": "Be nobody again.",
    "session.getUser": "Who is signed in; null: nobody.",
    "system.listMethods": "The methods' names.",
    "system.getMethodsInfo": "What each does, and with what.",
    "system.methodSignature": "One method's parameters.",
    "system.getVersion": "Of this interface.",
    "system.getServerVersion": "Of this program.",
    "xo.getAllObjects": "What you see, by UUID: what filter is true of, at the most limit.",
}


class _Request(msgspec.Struct):
    jsonrpc: Literal["2.0"]
    method: str
    params: dict[str, Any] | list[Any] | None | UnsetType = UNSET
    id: str | int | float | None | UnsetType = UNSET


_decode = msgspec.json.Decoder(_Request).decode


class XOSession:
    """One connection. All of it belongs to the reactor's thread."""

    def __init__(self, sessions: XOSessions, address: str) -> None:
        self._sessions = sessions
        self._address = address
        self.socket = WebSocket(sessions.reactor, self._received, self._lost, self._take_more, MESSAGE_MAX)
        self.identity: Identity = ANONYMOUS
        self._credentials: Credentials | None = None
        self._give_back: Any = None
        self._subscription: Subscription | None = None
        self._look: GraphLook | None = None
        self._working: dict[Deferred[None], None] = {}
        self.open = True
        self.since = self.pinged_at = sessions.reactor.seconds()
        self.check_at = 0.0

    def begin(self, request: WireRequest) -> None:
        """
        :raises MalformedRequest: it is no request for a WebSocket.
        :raises TooManyAtOnce: Overloaded: there is no place.
        """
        self._give_back = self._sessions.places.take(self.identity, self._address)
        try:
            self.socket.accept(request)
        except BaseException:
            self._give_back()
            raise
        self._sessions.standing.add(self)

    @property
    def is_administrator(self) -> bool:
        return self.identity.may(Role.ADMIN)

    # -------------------------------------------------------------- messages

    def _received(self, data: bytes) -> None:
        work: Deferred[None] = Deferred.fromCoroutine(self._answer(data))
        if work.called:
            return
        self._working[work] = None
        work.addBoth(self._ended, work)
        if len(self._working) >= UNDER_WAY_MAX:
            self.socket.pause_reading()

    def _ended(self, result: Any, work: Deferred[None]) -> None:
        self._working.pop(work, None)
        if self.open:
            self.socket.resume_reading()

    async def _answer(self, data: bytes) -> None:
        ident: bytes | None = b"null"
        try:
            request = self._read(data)
            ident = None if request.id is UNSET else encode_json(request.id)
            params = {} if request.params in (UNSET, None) else request.params
            if not isinstance(params, dict):
                raise InvalidParameter("params", "they are given by name")
            on_behalf.set(self.identity.account_id or network_of(self._address))
            answer = b'"result":%b' % await self._call(request.method, params)
        except CloudError as error:
            answer = b'"error":%b' % encode_json(told_error(error, self.is_administrator))
        except Exception:
            log.failure("a method of a session broke")
            answer = b'"error":%b' % encode_json(told_error(Incident("session"), self.is_administrator))
        if ident is not None and self.open:
            self.socket.tell((b'{"jsonrpc":"2.0","id":%b,%b}' % (ident, answer)).decode())

    def _read(self, data: bytes) -> _Request:
        """:raises MalformedRequest: UnparsableRequest: TooLarge: it is none."""
        limits = self._sessions.dispatcher.limits
        check_depth(data, limits.depth, limits.elements)
        try:
            return _decode(data)
        except msgspec.ValidationError:
            raise MalformedRequest("it does not follow JSON-RPC 2.0") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise UnparsableRequest("it is no JSON") from None

    async def _call(self, method: str, params: dict[str, Any]) -> bytes:
        """A method's result, as JSON."""
        if method in METHODS:
            return encode_json(await self._do(METHODS[method], params))
        match method:
            case "session.signIn":
                return encode_json(await self._sign_in(params))
            case "session.signOut":
                self._sign_out()
                return b"true"
            case "session.getUser":
                return encode_json(self._user())
            case "xo.getAllObjects":
                return await self._objects(params)
            case "system.listMethods":
                return encode_json(sorted([*_OWN, *METHODS]))
            case "system.getMethodsInfo":
                return encode_json({name: _info(name) for name in sorted([*_OWN, *METHODS])})
            case "system.methodSignature":
                return encode_json([_info(_text(params, "name"))])
            case "system.getVersion":
                return encode_json(VERSION)
            case "system.getServerVersion":
                return encode_json(self._sessions.version)
        raise UnknownMethod(method[:100])

    # -------------------------------------------------------------- who they are

    async def _sign_in(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """
        :raises WrongCredentials: they are.
        """
        header = _header(params)
        try:
            credentials = parse_authorization(header)
            identity = await self._sessions.authenticator.authenticate(credentials, self._address)
            identity.require(Role.USER)
        except NotAuthenticated:
            raise WrongCredentials() from None
        give_back = self._sessions.places.take(identity, self._address)
        self._sign_out()
        self._give_back()
        self._give_back = give_back
        if not self.open:  # they left meanwhile
            give_back()
            raise WrongCredentials()
        self.identity, self._credentials = identity, credentials
        on_behalf.set(identity.account_id)
        await self._follow()
        user = self._user()
        assert user is not None
        return user

    def _sign_out(self) -> None:
        self.identity, self._credentials = ANONYMOUS, None
        if self._look is not None:
            self._look.end()
        if self._subscription is not None:
            self._subscription.close()
        self._look = self._subscription = None

    def _user(self) -> dict[str, Any] | None:
        who = self.identity
        if who is ANONYMOUS:
            return None
        permission = "admin" if self.is_administrator else "none"
        return {"id": str(who.account_id), "email": who.login, "name": who.login, "permission": permission}

    # -------------------------------------------------------------- what they are told

    async def _follow(self) -> None:
        """From now on."""
        sessions = self._sessions

        async def read() -> bytes:
            on_behalf.set(self.identity.account_id)
            return await sessions.read(self.identity, "", self.is_administrator)

        look = GraphLook(sessions, read, lambda: self.open and not self.socket.is_paused, self._push, self._refused)
        subscription = await sessions.reader.subscribe(None, self._deliver, self._refused)
        try:
            await look.load(told=False)
        except BaseException:
            subscription.close()
            raise
        if not self.open or self.identity is ANONYMOUS:
            subscription.close()
            return
        self._look, self._subscription = look, subscription
        subscription.start()
        look.soon()  # for what changed meanwhile

    def _deliver(self, rows: Sequence[FeedRow]) -> None:
        mine = sees_as_administrator if self.is_administrator else sees
        if self._look is not None and any(row.kind in KINDS and mine(row, self.identity) for row in rows):
            self._look.soon()

    def _push(self, told: Told) -> None:
        self.socket.tell((b'{"jsonrpc":"2.0","method":"all","params":%b}' % told.data).decode())

    def _refused(self) -> None:
        self.finish(EXPIRED, "the session has ended")

    def _take_more(self) -> None:
        if self._look is not None:
            self._look.tell()

    # -------------------------------------------------------------- what they call

    async def _told(self, view: str, arguments: Mapping[str, Any]) -> bytes:
        """A call of ours, as who signed in: its answer as JSON. :raises CloudError: as it is answered."""
        peer = Peer(self._address)
        peer.recognise(self.identity)
        dispatcher = self._sessions.dispatcher
        return dispatcher.written(await dispatcher.call(view, dict(arguments), peer), view, peer)

    async def _ask(self, view: str, arguments: Mapping[str, Any]) -> Any:
        """The same, read."""
        return msgspec.json.decode(await self._told(view, arguments))

    async def _objects(self, params: Mapping[str, Any]) -> bytes:
        """:raises InvalidParameter: the filter, or the limit, is none."""
        asked, limit = params.get("filter", ""), params.get("limit")
        if isinstance(asked, Mapping):
            try:
                asked = pattern_filter(asked)
            except ValueError as error:
                raise InvalidParameter("filter", str(error)) from None
        self.identity.require(Role.USER)
        view = f"{self._audience(self.is_administrator)}.object.get_all"
        found = by_uuid(await self._told(view, {"filter": asked, "limit": limit}))
        return b"{%b}" % b",".join(b'"%b":%b' % (uuid.encode(), text) for uuid, text in found.items())

    @staticmethod
    def _audience(everything: bool) -> str:
        return "admin" if everything else "user"

    async def _do(self, method: Method, params: Mapping[str, Any]) -> Any:
        """
        :raises Unauthorized: it is not theirs to do.
        :raises NoSuchObject: they see none such.
        """
        self.identity.require(Role.ADMIN if method.administrators else Role.USER)
        values = {**_values(method, params), NOW: int(unix_seconds())}
        found, everything = await self._found(method, params)
        audience = self._audience(everything or method.administrators)
        result: Any = True
        for ask in method.asks(found, values):
            result = await self._work(audience, ask)
        return result

    async def _found(self, method: Method, params: Mapping[str, Any]) -> tuple[Found, bool]:
        """:return: by parameter the objects, and whether one is theirs as administrators alone."""
        uuids = {name: _text(params, name) for name in method.objects if name in params or name not in method.optional}
        if not uuids:
            return {}, False
        everything = method.administrators
        asked = {"uuids": sorted(set(uuids.values()))}
        known = await self._ask(f"{self._audience(everything)}.object.find", asked)
        if len(known) < len(asked["uuids"]) and self.is_administrator and not everything:
            everything = True
            known = await self._ask("admin.object.find", asked)
        by = {each["uuid"]: each for each in known}
        for name, uuid in uuids.items():
            if uuid not in by or by[uuid]["kind"] != method.objects[name]:
                raise NoSuchObject(uuid, method.objects[name])
        return {name: by[uuid] for name, uuid in uuids.items()}, everything

    async def _work(self, audience: str, ask: Ask) -> Any:
        """One call of ours, to the end of what it begins."""
        view = f"{audience}.{ask.view}"
        if self._sessions.dispatcher.find(view) is None:
            raise Unauthorized(ask.view)
        answer = await self._ask(view, ask.arguments)
        for each in answer if isinstance(answer, list) else [answer]:
            if not isinstance(each, dict):
                continue
            if each.get("status", "ok") != "ok":
                raise OperationFailed(each["status"], each.get("message", ""))
            if isinstance(each.get("operation_id"), int):
                await self._ends(audience, each["operation_id"])
        if ask.told is not None:
            return ask.told(answer)
        if ask.gives:
            disk = await self._ask(f"{audience}.disk.get_by_id", {"disk_id": answer[ask.gives]})
            return disk["uuid"]
        return True

    async def _ends(self, audience: str, operation_id: int) -> None:
        """:raises OperationFailed: it did not end well."""
        while self.open:
            told = await self._ask(f"{audience}.operation.wait", {"operation_id": operation_id, "timeout": WAIT_S})
            if told["finished"] is not None:
                if told["state"] != "done":
                    raise OperationFailed(told["error"] or told["state"], told["text"])
                return

    # -------------------------------------------------------------- its end

    async def check(self) -> None:
        if self.identity is ANONYMOUS:
            return
        try:
            if self.identity.issuer:
                if not await self._sessions.authenticator.still_good(self.identity):
                    self._refused()
            else:
                identity = await self._sessions.authenticator.authenticate(self._credentials, "")
                identity.require(Role.USER)
                self.identity = identity
        except (NotAuthenticated, NotPermitted):
            self._refused()
            return
        except Unavailable:
            return  # the database is away; the next look tells
        if self._look is not None:  # nobody tells of groups that they left, of tags, nor of what is measured
            self._look.soon()

    def finish(self, code: int = GOING_AWAY, reason: str = "the manager is stopped") -> None:
        self.socket.close(code, reason)

    def _lost(self) -> None:
        self.open = False
        self._sign_out()
        self._sessions.standing.discard(self)
        self._give_back()
        for work in list(self._working):
            work.cancel()  # what was accepted goes on without them


class XOSessions(Opening):
    """
    The resource ``/api/``.

    :param reactor: an ``IReactorTime``.
    :param read: all that somebody sees of the graph.
    :param version: of this program.
    """

    def __init__(
        self,
        reactor: Any,
        dispatcher: Dispatcher,
        reader: FeedReader,
        authenticator: Authenticator,
        read: ReadGraph,
        version: str,
        share: Share = SHARE,
    ) -> None:
        super().__init__()
        self.reactor = reactor
        self.seconds = reactor.seconds
        self.later = reactor.callLater
        self.dispatcher = dispatcher
        self.reader = reader
        self.authenticator = authenticator
        self.read = read
        self.version = version
        self.places = Places("sessions", share)
        self.standing: Standing[XOSession] = Standing(reactor, CHECK_S, self._tend)

    def __len__(self) -> int:
        return len(self.standing)

    def stop(self) -> None:
        """End all, and let nobody in."""
        self.standing.stop()
        for session in self.standing:
            session.finish()

    def account_changed(self, subject: str = "") -> None:
        """Notification ``account:<id>``: look at once whether its owner may stay; without an id, at all."""
        self.standing.account_changed(subject)

    async def let_in(self, request: WireRequest) -> None:
        address = remote(request)
        on_behalf.set(network_of(address))
        await self.dispatcher.turns.take(network_of(address))
        XOSession(self, address).begin(request)

    def _tend(self, session: XOSession, now: float) -> None:
        if session.identity is ANONYMOUS and now - session.since > SIGN_IN_S:
            session.finish(EXPIRED, "nobody signed in")
        elif now - session.socket.heard_at > SILENT_S:
            session.finish(EXPIRED, "the other side is silent")
        elif now - session.pinged_at > PING_S:
            session.pinged_at = now
            session.socket.ping()


def _header(params: Mapping[str, Any]) -> bytes:
    """The credentials as an ``Authorization`` header says them. :raises WrongCredentials: there are none."""
    token = params.get("token")
    if isinstance(token, str):
        return b"Bearer " + token.encode("utf-8", "replace")
    login, password = params.get("username", params.get("email")), params.get("password")
    if not isinstance(login, str) or not isinstance(password, str) or ":" in login:
        raise WrongCredentials()
    return b"Basic " + base64.b64encode(f"{login}:{password}".encode("utf-8", "replace"))


def _text(params: Mapping[str, Any], name: str) -> str:
    """:raises InvalidParameter: it is missing, or no text."""
    value = params.get(name)
    if not isinstance(value, str):
        raise InvalidParameter(name, "it is a text, and needed")
    return value


def _values(method: Method, params: Mapping[str, Any]) -> dict[str, Any]:
    """:raises InvalidParameter: one is unknown, missing, or not of its type."""
    for name in params:
        # Theirs say "ignore it where you do not know it" by a question mark behind a name.
        if name not in method.values and name not in method.objects and not name.endswith("?"):
            raise InvalidParameter(name[:50], "the method has no such parameter")
    values = {}
    for name, types in method.values.items():
        if name not in params:
            if name not in method.optional:
                raise InvalidParameter(name, "it is needed")
            continue
        value = params[name]
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise InvalidParameter(name, "it is of another type")
        values[name] = value
    if values.get("granularity", "seconds") not in GRANULARITIES:
        raise InvalidParameter("granularity", f"it is one of {', '.join(GRANULARITIES)}")
    return values


def _info(name: str) -> dict[str, Any]:
    """:raises UnknownMethod: there is none such."""
    if name in METHODS:
        method = METHODS[name]
        told: dict[str, Any] = {"name": name, "description": method.description, "params": method.parameters()}
        return {**told, "permission": "admin"} if method.administrators else told
    if name not in _OWN:
        raise UnknownMethod(name[:100])
    return {"name": name, "description": _OWN[name]}
