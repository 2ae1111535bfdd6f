"""
The endpoint's paths, and who may ask for them.

    POST /node/enrol                       whoever holds a one-time token
    POST /node/events  GET /node/document  a node, by its signature
    POST /node/report                      likewise
    POST /node/screen                      likewise; its connection becomes a screen's
    GET|PUT|POST /guest/<path>             a node, on behalf of the guest with the bridge and address it signed
    GET  /health                           anybody: 200 while the process serves
    GET  /metrics                          programs of this machine; others by the token of listen.metrics_token

``Endpoint.answer`` maps an exchange to an answer and knows no HTTP connection; ``render`` is the way there and back.
"""

from __future__ import annotations

import json
import re
import uuid as uuid_module
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Final, Protocol
from urllib.parse import parse_qs

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from cm.rpc.errors import CloudError
from cm.rpc.http.pages import EXPOSITION, NOT_FOR_ALL, PLAIN, MetricsGate
from cm.rpc.http.request import WireRequest, WireSite, remote
from cm.rpc.http.status import status_of
from cm.rpc.limits import Limits, check_depth
from cm.rules.node_document import FORMAT
from cm.runtime.database import Database
from cm.runtime.logins import LoginTrail, watched
from cm.runtime.metrics import EndpointMetrics
from cm.runtime.pool import on_behalf
from cm.runtime.wall import unix_seconds
from cm.services.agent import CREDENTIAL, SEEN_EVERY_S, enrol, record_agent
from cm.store.guest import GUEST
from cm.store.guest_command import COMMAND
from cm.store.node_document import DOCUMENT
from contextualization.authenticate import Authenticator, Sender
from contextualization.document import KEPT_S, Documents
from contextualization.events import EventTaker, parse_batch
from contextualization.guest.offers import Offers
from contextualization.guest.polls import GuestPolls
from contextualization.guest.requests import POLLED, PREFIX, Guests
from contextualization.known import KEPT_S as GUEST_KEPT_S
from contextualization.known import KnownGuests
from contextualization.metadata.identity import Signers
from contextualization.report import AGAIN_S, ReportTaker, parse_report
from contextualization.screens import PATH as SCREEN
from contextualization.screens import PER_NODE as SCREENS_PER_NODE
from contextualization.screens import Screens
from contextualization.settings import EndpointSettings
from contextualization.wire import JSON, Answer, Exchange, Refusal, json_answer, not_found, text_answer
from node_hooks.qemu_hook import HOOK_VERSION

log = Logger()

BODY_MAX: Final = 1_048_576  # bytes
# Whoever enrols has no credentials yet, and still more to say than a guest of a manager.
LIMITS: Final = Limits(body_bytes=BODY_MAX, guest_body_bytes=BODY_MAX)
DEADLINE_S: Final = 15.0
POLL_DEADLINE_S: Final = 75.0
PER_NODE: Final = 64  # requests at once; the node's own limit for each of its bridges is as much
POLLS_PER_NODE: Final = 4
AGENTS_PER_NODE: Final = 256  # of guests that wait for something to do; the node's own limit of a bridge is as much
REPORTS_PER_NODE: Final = 2
ENROLMENTS: Final = 8  # at once, of all machines: they are not signed
DEPTH_MAX: Final = 8  # of JSON
METHODS: Final = ("GET", "PUT", "POST")


class IListens(Protocol):
    """``cm.runtime.listener.Listener`` as far as we use it."""

    def subscribe(self, topic: str, callback: Callable[[str], None]) -> Any: ...


class Endpoint(Resource):
    """
    :param clock: an ``IReactorTime``.
    :param listener: brings PostgreSQL's notifications; without one changes are seen after seconds.
    :param wall: unix seconds.
    :param metrics_token: lets programs of other machines read metrics.
    """

    isLeaf = True

    def __init__(
        self,
        database: Database,
        settings: EndpointSettings,
        clock: IReactorTime,
        listener: IListens | None = None,
        wall: Callable[[], float] = unix_seconds,
        metrics_token: bytes | None = None,
    ) -> None:
        super().__init__()
        self.metrics = EndpointMetrics()
        self._gate = MetricsGate(metrics_token)
        self._database = database
        self._clock = clock
        self.logins = LoginTrail(database, clock)
        self.authenticator = Authenticator(database, wall, clock.seconds, self.logins)
        kept_s = KEPT_S if listener is not None else 0.0
        self.documents = Documents(database, clock, HOOK_VERSION, settings.guests, kept_s)
        self._events = EventTaker(database)
        self._reports = ReportTaker(database, self.documents, HOOK_VERSION)
        self._screens = Screens(database, clock)
        known = KnownGuests(database, settings, clock, GUEST_KEPT_S if listener is not None else 0.0)
        signers = Signers(database, settings.region)
        offers = Offers(signers)
        polls = GuestPolls(database, clock, settings.command_key, listener is not None, offers)
        self._guests = Guests(database, settings, known, wall, polls, signers, offers)
        self._under_way: Counter[tuple[str, int]] = Counter()
        self._seen: dict[int, tuple[float, str, str, int]] = {}
        if listener is not None:
            listener.subscribe(CREDENTIAL, self.authenticator.forget)
            listener.subscribe(DOCUMENT, self.documents.changed)
            listener.subscribe(DOCUMENT, known.changed)
            listener.subscribe(GUEST, known.options_changed)
            listener.subscribe(COMMAND, polls.command_came)

    # ---- exchanges

    async def answer(self, exchange: Exchange) -> Answer:
        """Every exchange has an answer; what goes wrong is logged here, once."""
        to_guest = _is_guest(exchange)
        began = self._clock.seconds()
        try:
            answer = await self._route(exchange)
        except CancelledError:
            raise
        except Exception as error:
            refusal = error if isinstance(error, Refusal) else _refusal_of(error)
            answer = refusal.for_guest() if to_guest else refusal.for_node()
            if allowed := refusal.more.get("allow"):
                answer = Answer(answer.status, answer.body, answer.content_type, {"Allow": allowed})
        # By paths that there are: whoever makes some up makes no series.
        path = PREFIX if to_guest else exchange.path if exchange.path in self._paths else "other"
        self.metrics.exchange(path, answer.status, self._clock.seconds() - began)
        return answer

    async def _route(self, exchange: Exchange) -> Answer:
        if exchange.method not in METHODS:
            raise Refusal(405, "method_not_allowed", "This method is not served.", allow=", ".join(METHODS))
        if _is_guest(exchange):
            sender = await self._sender(exchange)
            if not sender.address:
                raise Refusal(400, "bad_request", "The request names no guest.")
            waits = exchange.path == POLLED  # for long, and in nobody's way
            kind, limit = ("agent", AGENTS_PER_NODE) if waits else ("guest", PER_NODE)
            with self._place(kind, sender.node_id, limit, 503):
                return await self._guests.answer(sender, exchange)
        found = self._paths.get(exchange.path)
        if found is None:
            raise not_found()
        method, handler = found
        if exchange.method != method:
            raise Refusal(405, "method_not_allowed", f"This takes {method}.", allow=method)
        return await handler(self, exchange)

    async def _sender(self, exchange: Exchange) -> Sender:
        """Who asks, by a signature; the database's threads then work for them in turn with others."""
        on_behalf.set("whoever says to be a node")
        sender = await self.authenticator.authenticate(exchange)
        on_behalf.set(("node", sender.node_id, sender.address))
        return sender

    async def _health(self, exchange: Exchange) -> Answer:
        return text_answer("ok\n")

    async def _enrol(self, exchange: Exchange) -> Answer:
        told = _json(exchange.body)
        names = ("token", "hostname", "boot_id", "agent_version", "hook_version", "machine_id")
        texts = {name: told.get(name, "") for name in names}
        for name, value in texts.items():
            if not isinstance(value, str) or len(value) > 256 or not value.isprintable():
                raise Refusal(400, "invalid_parameter", f"{name} is no text of at most 256 characters.")
        with (
            self._place("enrol", 0, ENROLMENTS, 429),
            watched(self.logins, "", exchange.remote, "enrolment"),
        ):
            enrolled = await self._database.transact(
                enrol,
                texts["token"],
                texts["boot_id"],
                texts["agent_version"],
                texts["hook_version"],
                texts["machine_id"],
                texts["hostname"],
            )
        self.logins.note(f"node-{enrolled.node_id}", None, exchange.remote, "enrolment")
        self.authenticator.forget(f"{CREDENTIAL}:{enrolled.node_id}")
        log.info("node {node_id}: enrolled from {hostname}", node_id=enrolled.node_id, hostname=texts["hostname"])
        return json_answer({"node_id": enrolled.node_id, "credential": enrolled.credential})

    async def _take_events(self, exchange: Exchange) -> Answer:
        sender = await self._sender(exchange)
        with self._place("events", sender.node_id, PER_NODE, 429):
            check_depth(exchange.body, DEPTH_MAX)
            boot_id, records, hook_version = parse_batch(exchange.body)
            through = await self._events.take(sender.node_id, records)
            # After a reboot the boot before still delivers what it left; that costs a look too many.
            await self._saw(sender, boot_id, hook_version)
            return json_answer({"acknowledged": through})

    async def _document(self, exchange: Exchange) -> Answer:
        sender = await self._sender(exchange)
        asked = parse_qs(exchange.query, keep_blank_values=True, max_num_fields=8)
        version, wait = asked.get("version", [""])[0], asked.get("wait", ["0"])[0]
        if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,6})?", wait):
            raise Refusal(400, "invalid_parameter", "wait is no number of seconds.")
        asked_format = asked.get("format", ["1"])[0]  # agents of before there were several do not ask for one
        if not re.fullmatch(r"[1-9][0-9]{0,3}", asked_format):
            raise Refusal(400, "invalid_parameter", "format is no number of a format.")
        with self._place("document", sender.node_id, POLLS_PER_NODE, 429):
            await self._saw(sender, protocol=int(asked_format))
            format_ = min(int(asked_format), FORMAT)
            found = await self.documents.poll(sender.node_id, version, float(wait), format_)
            return Answer(200, found.body, JSON)

    async def _report(self, exchange: Exchange) -> Answer:
        sender = await self._sender(exchange)
        with self._place("report", sender.node_id, REPORTS_PER_NODE, 429):
            report = parse_report(exchange.body)
            hook_version = report.hook.version if report.hook is not None else ""
            await self._saw(sender, report.boot_id, hook_version, report.protocol)
            await self._reports.take(sender, report)
            return json_answer({"again_s": AGAIN_S})

    _paths: ClassVar[dict[str, tuple[str, Callable[[Endpoint, Exchange], Awaitable[Answer]]]]] = {
        "/health": ("GET", _health),
        "/node/enrol": ("POST", _enrol),
        "/node/events": ("POST", _take_events),
        "/node/document": ("GET", _document),
        "/node/report": ("POST", _report),
    }

    async def _saw(self, sender: Sender, boot_id: str = "", hook_version: str = "", protocol: int = 0) -> None:
        """Record that the agent spoke; what was written seconds ago is not written again."""
        if not sender.first:
            return
        now = self._clock.seconds()
        at, last_boot, last_hook, last_protocol = self._seen.get(sender.node_id, (float("-inf"), "", "", 0))
        told = (boot_id or last_boot, hook_version or last_hook, protocol or last_protocol)
        if now - at < SEEN_EVERY_S and told == (last_boot, last_hook, last_protocol):
            return
        self._seen[sender.node_id] = (now, *told)
        await self._database.transact(record_agent, sender.node_id, boot_id, hook_version, protocol)

    @contextmanager
    def _place(self, kind: str, node_id: int, limit: int, status: int) -> Iterator[None]:
        """:raises Refusal: with ``status``, while so many of the kind are under way for this node."""
        key = (kind, node_id)
        if self._under_way[key] >= limit:
            raise Refusal(status, "overloaded", "Too many requests at once.")
        self._under_way[key] += 1
        try:
            yield
        finally:
            self._under_way[key] -= 1
            if not self._under_way[key]:
                del self._under_way[key]

    async def _join_screen(self, exchange: Exchange, request: WireRequest) -> None:
        """What is no exchange: the connection goes on as bytes."""
        try:
            if exchange.method != "POST":
                raise Refusal(405, "method_not_allowed", "This takes POST.", allow="POST")
            sender = await self._sender(exchange)
            if not sender.first or sender.address:
                raise Refusal(401, "bad_signature", "The request was sent before.")
            with self._place("screen", sender.node_id, SCREENS_PER_NODE, 429):
                await self._screens.join(sender, exchange, request)
        except CancelledError:
            raise
        except Exception as error:
            refusal = error if isinstance(error, Refusal) else _refusal_of(error)
            _send(request, refusal.for_node())

    # ---- HTTP

    def _tell_metrics(self, request: WireRequest) -> None:
        if request.method not in (b"GET", b"HEAD"):
            _send(request, Refusal(405, "method_not_allowed", "This takes GET.", allow="GET").for_node())
        elif self._gate.lets_in(request):
            request.send(200, self.metrics.exposition(), ((b"content-type", EXPOSITION),))
        else:
            request.send(403, NOT_FOR_ALL, ((b"content-type", PLAIN),))

    def render(self, request: WireRequest) -> int:
        """Reads end when their client leaves or the deadline passes; changes go on, and nobody waits any more."""
        waits: int = NOT_DONE_YET
        if request.oversized:
            _send(request, Refusal(413, "too_large", f"A body may have {BODY_MAX} bytes.").for_node())
            return waits
        exchange = _exchange_of(request)
        if exchange.path == "/metrics":
            self._tell_metrics(request)
            return waits
        if exchange.path == SCREEN:
            joining = Deferred.fromCoroutine(self._join_screen(exchange, request))
            joining.addErrback(_broken, request)
            return waits
        serving: Deferred[Answer] = Deferred.fromCoroutine(self.answer(exchange))
        seconds = POLL_DEADLINE_S if exchange.path in ("/node/document", POLLED) else DEADLINE_S
        late = Refusal(503, "deadline_exceeded", "It took too long.")
        answer = late.for_guest() if _is_guest(exchange) else late.for_node()
        changes = request.method != b"GET" and exchange.path != POLLED
        request.serve(serving, changes=changes, within=(self._clock, seconds, lambda: _send(request, answer)))
        serving.addCallbacks(lambda answer: _send(request, answer), _broken, errbackArgs=(request,))
        return waits


def _send(request: WireRequest, answer: Answer) -> None:
    headers = {"Content-Type": answer.content_type, **answer.headers}
    request.send(answer.status, answer.body, [(name.encode(), value.encode()) for name, value in headers.items()])


def _broken(failure: Failure, request: WireRequest) -> None:
    if not failure.check(CancelledError):
        log.failure("a request could not be answered", failure)
        _send(request, Answer(500, b"500 internal_error\n"))


def make_endpoint(
    database: Database,
    settings: EndpointSettings,
    reactor: Any,
    listener: IListens | None = None,
    wall: Callable[[], float] = unix_seconds,
    metrics_token: bytes | None = None,
) -> WireSite:
    """The factory to listen with. Its ``resource`` is the endpoint."""
    return site_of(Endpoint(database, settings, reactor, listener, wall, metrics_token), reactor)


def site_of(endpoint: Endpoint, reactor: Any) -> WireSite:
    return WireSite(endpoint, LIMITS, reactor)


def _exchange_of(request: WireRequest) -> Exchange:
    headers = {
        name.decode("latin-1").lower(): tuple(value.decode("latin-1") for value in values)
        for name, values in request.requestHeaders.getAllRawHeaders()
    }
    method, uri = request.method.decode("latin-1"), request.uri.decode("latin-1")
    return Exchange(method, uri, headers, request.content.read(), remote(request))


def _is_guest(exchange: Exchange) -> bool:
    return exchange.path == PREFIX or exchange.path.startswith(PREFIX + "/")


def _json(body: bytes) -> dict[str, Any]:
    check_depth(body, DEPTH_MAX)
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise Refusal(400, "malformed_request", "The body is no JSON object.")
    return content


def _refusal_of(error: Exception) -> Refusal:
    if isinstance(error, CloudError):
        status = status_of(error)
        if status == 503:
            log.warn("a request could not be served: {error}", error=error)
        if status != 500:
            return Refusal(status, error.code, str(error))
    incident = uuid_module.uuid4().hex[:12]
    log.failure("incident {incident}: a request failed", Failure(error), incident=incident)
    return Refusal(500, "incident", f"An internal error; the log has it as {incident}.")
