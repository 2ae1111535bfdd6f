"""
The way of one request: its signature, its parameters, its handler, its answer. Nothing of it is decoded before it is
known how it was signed, and nothing is looked up before it is known by whom.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from clm.ec2 import sts
from clm.ec2.actions import HANDLERS, Handler, why_not
from clm.ec2.context import FACTS_S, Context, Facts, would_do
from clm.ec2.errors import EC2Error
from clm.ec2.kept import Kept
from clm.ec2.model import Action, model
from clm.ec2.query import as_text, read
from clm.ec2.refusals import in_ec2s_words
from clm.ec2.signature import Asked, Claim, claim_of, failed
from clm.ec2.xml import VERSION, write_answer, write_error
from clm.rules.cluster import NAME
from clm.services.authenticator import CloudAuthenticator
from clm.services.connection import Clusters
from clm.services.context import CloudIdentity
from cm.rpc.caller import Identity
from cm.rpc.dispatch import Dispatcher, Peer
from cm.rpc.errors import CloudError, ObjectNotFound
from cm.rpc.http.channel import StrictChannel
from cm.rpc.http.request import Leaf, Streamed, WireRequest, WireSite, remote
from cm.rpc.limits import Limits
from cm.rpc.turns import WRONG_S
from cm.rpc.types import Secret
from cm.runtime.log import call_id
from cm.runtime.logins import LoginTrail
from cm.runtime.pool import on_behalf
from cm.runtime.remember import Remembered
from cm.runtime.wall import steady_seconds, unix_seconds

log = Logger()
HEADERS_MAX: Final = 65_536  # bytes of request line and headers: libcloud sends user data in the URL
NOBODYS: Final = "x" * 40  # held against signatures of keys that are not there, so that they take as long


class EC2Channel(StrictChannel):
    MAX_LENGTH = totalHeadersSize = HEADERS_MAX


class EC2Request(WireRequest):
    def gotLength(self, length: int | None) -> None:
        site = self.channel.site
        if site.s3 is not None and site.is_s3(self, self.channel._path):
            self._hand_on(site.s3, length)
            return
        super().gotLength(length)


class EC2Site(WireSite):
    """
    :param s3: what answers requests which ``is_s3`` knows by their heads, beside EC2's; None: nothing does.
    """

    protocol = EC2Channel
    requestFactory = EC2Request

    def __init__(
        self, root: Resource, limits: Limits, reactor: Any, s3: Streamed | None = None,
        is_s3: Callable[[WireRequest, bytes], bool] = lambda request, uri: False,
    ) -> None:  # fmt: skip
        super().__init__(root, limits, reactor)
        self.s3 = s3
        self.is_s3 = is_s3


class EC2Endpoint(Leaf):
    """
    EC2's Query protocol, at whatever path: ``/NAME`` says a cluster, as does the address that ``url`` makes of it.

    :param url: a pattern with ``{cluster}``; "": none.
    :param version_2: whether signatures of version 2 are taken.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        authenticator: CloudAuthenticator,
        logins: LoginTrail,
        clusters: Clusters,
        url: str = "",
        version_2: bool = True,
    ) -> None:
        super().__init__()
        self._dispatcher = dispatcher
        self._authenticator = authenticator
        self._logins = logins
        self._clusters = clusters
        self._kept = Kept()
        self._facts: Facts = Remembered(steady_seconds, FACTS_S)
        self._url = url
        self._version_2 = version_2

    def render(self, request: WireRequest) -> Any:
        peer = Peer(remote(request))
        serving: Deferred[None] = self._dispatcher.turns.run(
            lambda: peer.key, Deferred.fromCoroutine, self._serve(request, peer)
        )
        if not serving.called:
            # One action may make several calls: that of a client which hung up is brought to its end.
            request.serve(serving, changes=True)
        serving.addErrback(_broken, request)
        return NOT_DONE_YET

    async def _serve(self, request: WireRequest, peer: Peer) -> None:
        call_id.set(peer.call_id)
        told = Told()
        try:
            status, body = 200, await self._answer(request, peer, told)
        except EC2Error as error:
            status, body = error.status, write_error(error, peer.call_id)
        except CloudError as error:
            refused = in_ec2s_words(error)
            status, body = refused.status, write_error(refused, peer.call_id)
        except CancelledError:
            raise
        except Exception:  # of the handler, whatever it was: a client of EC2's is answered in its words
            self._dispatcher.incident(peer, f"EC2's {told.action}")
            broken = EC2Error("InternalError", f"An internal error has occurred ({peer.call_id}).")
            status, body = broken.status, write_error(broken, peer.call_id)
        headers = ((b"content-type", b"text/xml;charset=UTF-8"), (b"x-amzn-requestid", peer.call_id.encode()))
        request.send(status, body, headers)

    async def _answer(self, request: WireRequest, peer: Peer, told: Told) -> bytes:
        if request.oversized:
            raise EC2Error("RequestEntityTooLarge", f"The body is larger than {request.limit} bytes.")
        if request.method not in (b"GET", b"POST"):
            raise EC2Error("InvalidRequest", "Requests are made by GET or POST.")
        asked = Asked(request.method, request.uri, _headers(request), request.content.read())
        claim, _ = await self.signed(peer, lambda now: claim_of(asked, now, version_2=self._version_2))
        pairs = as_text([*asked.query, *asked.form])
        common = {name: value for name, value in pairs if name in ("Action", "Version")}
        told.action, version = common.get("Action", ""), common.get("Version", "")
        if not told.action:
            raise EC2Error("MissingAction", "The request must contain the parameter Action")
        if told.action in sts.ACTIONS and version in ("", sts.NAMESPACE_VERSION):
            open_session = self._authenticator.open_ec2_session
            return await sts.answer(
                told.action, pairs, _identity(peer), bool(claim.token), open_session, peer.call_id
            )
        action, handler = _found(told.action)
        if VERSION.match(version) is None:
            raise EC2Error("MissingParameter" if not version else "InvalidParameterValue",
                           "The request must contain the parameter Version, like 2016-11-15")  # fmt: skip
        params = read(action, pairs)
        context = await self.context(asked, claim.region, peer, action.name, bool(params.pop("DryRun", False)))
        result = await handler(context, params)
        if context.dry_run:
            raise would_do()
        await self._dispatcher.pause(peer)  # writing it is a turn of its own
        return write_answer(action, result, version, peer.call_id)

    async def signed(self, peer: Peer, claimed: Callable[[float], Claim]) -> tuple[Claim, Secret]:
        """
        Who signed it, and the secret that they did it with: ``peer`` knows them then.

        :param claimed: reads who they say they are, of the seconds since 1970.
        :raises EC2Error: nobody did that may call; such ones wait for their turn.
        """
        turns = self._dispatcher.turns
        try:
            claim = claimed(unix_seconds())
            on_behalf.set(peer.key)
            try:
                identity, secret = await self._authenticator.by_ec2_key(claim.access_key, peer.remote, claim.token)
            except CloudError as error:
                if error.retry:
                    raise
                claim.check(NOBODYS)
                raise failed() from None
            try:
                claim.check(secret.reveal())
            except EC2Error as error:
                self._logins.note("", identity.account_id, peer.remote, "ec2", error.code)
                raise
        except EC2Error:
            await turns.take(peer.key, yielding=True)
            turns.hold(peer.key, WRONG_S)
            raise
        self._logins.note(identity.login, identity.account_id, peer.remote, "ec2")
        self._authenticator.ec2_key_used(identity)
        peer.recognise(identity)
        await turns.take(peer.key, yielding=True)
        return claim, secret

    async def context(self, asked: Asked, signed: str, peer: Peer, action: str, dry_run: bool = False) -> Context:
        """:param signed: the region that it was signed for."""

        async def ask(view: str, arguments: Mapping[str, Any], request_id: str | None) -> Any:
            peer.request_id = request_id
            return await self._dispatcher.call(view, dict(arguments), peer)

        async def pause() -> None:
            await self._dispatcher.pause(peer)

        host = (asked.header(b"host") or b"").decode("latin-1").lower()
        path = asked.path.decode("latin-1")
        region = await self._region(host, path, signed)
        clusters = [each.facts for each in self._clusters.all()]
        if region is None:
            identity = _identity(peer)
            default = identity.default_cluster_id if isinstance(identity, CloudIdentity) else None
            names = [each.name for each in clusters if each.id == default] + [each.name for each in clusters]
            region = names[0] if names else ""
        if not region:
            raise EC2Error("Unavailable", "The cloud has no cluster.")
        return Context(
            _identity(peer), region, clusters, self._url or host, ask, pause, self._kept, self._facts, action, dry_run
        )

    async def _region(self, host: str, path: str, signed: str) -> str | None:
        """The cluster that a request names: by its address, its path, or the region that was signed."""
        for each in self._clusters.all() if "{cluster}" in self._url else ():
            parts = urlsplit(self._url.replace("{cluster}", each.facts.name))
            base = parts.path.rstrip("/")
            if parts.netloc.lower() == host and (path == base or path.startswith(base + "/")):
                return each.facts.name
        for name in (path.lstrip("/").partition("/")[0], signed):
            try:
                if NAME.match(name) and (await self._clusters.get(name)).facts.name == name:
                    return name
            except ObjectNotFound:
                pass
        return None


class Told:
    """What the log says of a request that broke."""

    action = ""


def _identity(peer: Peer) -> Identity:
    assert peer.known is not None
    return peer.known


def _found(name: str) -> tuple[Action, Handler]:
    """:raises EC2Error: nobody has such an action, or we have not; clients repeat neither."""
    action, handler = model().find(name), HANDLERS.get(name)
    if action is None or handler is None:
        if model().is_known(name):
            log.info("EC2's action {action} was asked for, and is not there yet", action=name)
            raise EC2Error("UnsupportedOperation", f"The action {name} is not supported here{why_not(name)}.")
        raise EC2Error("InvalidAction", f"The action {name[:100]} is not valid for this web service.")
    return action, handler


def _headers(request: WireRequest) -> list[tuple[bytes, bytes]]:
    return [(name.lower(), value) for name, values in request.requestHeaders.getAllRawHeaders() for value in values]


def _broken(failure: Failure, request: WireRequest) -> None:
    if failure.check(CancelledError):
        return
    log.failure("the answer could not be written", failure)
    if not request.startedWriting:
        request.setResponseCode(http.INTERNAL_SERVER_ERROR)
        request.finish()
