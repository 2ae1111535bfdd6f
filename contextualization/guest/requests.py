"""A guest's request: who asks is settled by (node, bridge, address) alone; what is answered, by its path."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final
from urllib.parse import parse_qs, unquote_to_bytes

from twisted.logger import Logger

from cm.rules.cloud_init import INSTALL_PATH
from cm.rules.guest import Guest
from cm.rules.guest_farm import AGENT, HOSTS_PATH, KEY_PATH, NO_FARM, farm_hosts
from cm.runtime.database import Database
from cm.services.farm_key import private_key_for
from cm.services.guest import hello
from contextualization.authenticate import Sender
from contextualization.guest.offers import Offers
from contextualization.guest.polls import POLL, GuestPolls
from contextualization.known import KnownGuests, Told
from contextualization.metadata.identity import Signers
from contextualization.metadata.imds import answer_imds
from contextualization.metadata.nocloud import answer_nocloud
from contextualization.settings import EndpointSettings
from contextualization.wire import Answer, Exchange, Refusal, not_found, text_answer

log = Logger()

PREFIX: Final = "/guest"
HELLO: Final = "/hello"
AGENTS: Final = "/agent/"
POLLED: Final = f"{PREFIX}{POLL}"
BODY_MAX: Final = 65_536  # bytes
PATH_MAX: Final = 1024  # characters
FORWARDED: Final = ("forwarded", "x-real-ip")
FORWARDED_PREFIX: Final = "x-forwarded-"
_DYNAMIC: Final = "/dynamic"  # in the path of whatever is signed, or lists it
_SECRET_PATH = re.compile(r"(/nocloud/)(?!(?:meta|user|vendor)-data$|network-config$)[^/]+")


class Guests:
    """:param wall: unix seconds."""

    def __init__(
        self,
        database: Database,
        settings: EndpointSettings,
        known: KnownGuests,
        wall: Callable[[], float],
        polls: GuestPolls,
        signers: Signers,
        offers: Offers,
    ) -> None:
        self._database = database
        self._polls = polls
        self._known = known
        self._settings = settings
        self._wall = wall
        self._signers = signers
        self._offers = offers

    async def answer(self, sender: Sender, exchange: Exchange) -> Answer:
        """:raises Refusal: in EC2's numbers."""
        if any(name in FORWARDED or name.startswith(FORWARDED_PREFIX) for name in exchange.headers):
            # An application in the guest that forwards for others would give away what is its guest's alone.
            raise Refusal(403, "forwarded", "Forwarded requests are refused.")
        if len(exchange.body) > BODY_MAX:
            raise Refusal(413, "too_large", f"A guest may send {BODY_MAX} bytes.")
        path = guest_path(exchange.path)
        told = await self._known.get(sender, anew=path == HELLO)
        if told is None:
            log.info(
                "node {node_id} asks {path} for {address} on {bridge}: no VM on that node has it",
                node_id=sender.node_id,
                path=_shown(path),
                address=sender.address,
                bridge=sender.bridge,
            )
            raise not_found()
        if path != HELLO and not told.guest.is_told(ip_address(sender.address).version):
            raise Refusal(403, "forbidden", "This VM's guest is told nothing.")
        return await self._answer(told, exchange, path)

    async def _answer(self, told: Told, exchange: Exchange, path: str) -> Answer:
        settings, guest = self._settings, told.guest
        if path == HELLO:
            if exchange.method != "POST":
                raise Refusal(405, "method_not_allowed", "This takes POST.", allow="POST")
            if await self._database.transact(hello, guest):
                claimed = said(exchange)
                log.info(
                    "vm {vm_id}: its guest says hello as {instance_id} {hostname}",
                    vm_id=guest.vm_id,
                    instance_id=claimed.get("instance_id") or claimed.get("instance-id", "?"),
                    hostname=claimed.get("hostname", "?"),
                )
            return text_answer("ok")
        if path.startswith("/nocloud/"):
            if exchange.method != "GET":
                raise Refusal(405, "method_not_allowed", "This takes GET.", allow="GET")
            try:
                return answer_nocloud(
                    guest,
                    path.removeprefix("/nocloud/"),
                    settings.hello_url,
                    agent=exchange.header("user-agent"),
                    strict=guest.imds.needs_token(settings.imds_v1),
                    more=settings.vendor_data,
                    install_agent=settings.guests.install_agent,
                )
            except Refusal:
                log.info("vm {vm_id}: its guest asks in vain for {path}", vm_id=guest.vm_id, path=_shown(path))
                raise
        if path == INSTALL_PATH:
            if exchange.method != "GET":
                raise Refusal(405, "method_not_allowed", "This takes GET.", allow="GET")
            return text_answer(await self._offers.script())
        if path.startswith(AGENTS):
            return await self._polls.answer(guest, exchange, path)
        if path == HOSTS_PATH:
            return _hosts(guest, exchange, guest.imds.needs_token(settings.imds_v1))
        if path == KEY_PATH:
            return _farm_key(guest, exchange, settings.farm_secret)
        signer = await self._signers.get() if _DYNAMIC in path else None
        return answer_imds(
            guest,
            lambda: told.tree if signer is None else told.signed(signer),
            exchange,
            path,
            key=settings.token_key,
            now=self._wall(),
            v1=settings.imds_v1,
        )


def _hosts(guest: Guest, exchange: Exchange, strict: bool) -> Answer:
    """
    The names of a farm's VMs.

    :param strict: as of ``answer_nocloud``.
    :raises Refusal: 401; 404 for a guest of no farm, but for the script of one whose disk came from there; 405.
    """
    if exchange.method != "GET":
        raise Refusal(405, "method_not_allowed", "This takes GET.", allow="GET")
    ours = _is_farms_script(exchange)
    if guest.farm is None:
        if ours:
            return text_answer(f"{NO_FARM}\n")
        raise not_found()
    if strict and not ours:
        raise Refusal(401, "unauthorized", "Only the farm's own script is answered here.")
    return text_answer(farm_hosts(guest.farm))


def _farm_key(guest: Guest, exchange: Exchange, farm_secret: bytes) -> Answer:
    """
    The private part of a farm's key, for a guest that is to have it, after each of its boots. By POST and a name of its
    own: an application in the guest that fetches what it is told to gives away neither.

    :raises Refusal: 401; 404 for a guest that is not to have one; 405.
    """
    if exchange.method != "POST":
        raise Refusal(405, "method_not_allowed", "This takes POST.", allow="POST")
    if not _is_farms_script(exchange):
        raise Refusal(401, "unauthorized", "Only the farm's own script is answered here.")
    key = private_key_for(guest, farm_secret)
    if not key:
        raise not_found()
    return text_answer(key)


def _is_farms_script(exchange: Exchange) -> bool:
    return exchange.header("user-agent").startswith(AGENT)


def guest_path(path: str) -> str:
    """
    The guest's own path: decoded once, repeated slashes made one.

    :param path: with ``/guest`` before it.
    :raises Refusal: 400 for a path that climbs, is no UTF-8 or cannot be printed.
    """
    malformed = Refusal(400, "bad_request", "The path is malformed.")
    try:
        decoded = unquote_to_bytes(path.removeprefix(PREFIX) or "/").decode("utf-8")
    except UnicodeDecodeError:
        raise malformed from None
    if len(decoded) > PATH_MAX or not decoded.isprintable() or "\\" in decoded:
        raise malformed
    if any(part in (".", "..") for part in decoded.split("/")):
        raise malformed
    return re.sub("/{2,}", "/", decoded)


def said(exchange: Exchange) -> dict[str, str]:
    """What a hello says of itself, for the log alone: cloud-init posts a form, others may post JSON or nothing."""
    body = exchange.body[:BODY_MAX]
    try:
        content = json.loads(body) if body[:1] == b"{" else {k: v[0] for k, v in parse_qs(body.decode()).items()}
    except (ValueError, RecursionError):
        return {}
    return {name: str(content[name])[:200] for name in ("instance_id", "hostname") if name in content}


def _shown(path: str) -> str:
    return _SECRET_PATH.sub(r"\1...", path)
