"""The endpoint, wired: ``make_site`` for a program that has a database, ``Contextualization`` with all its own."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger

import sql.cm
from cm.rpc.endpoint import make_listener
from cm.rpc.http.pages import read_token
from cm.rpc.http.request import WireSite
from cm.rpc.keys import CLUSTER_KEY, ensure_secret
from cm.runtime.database import Database
from cm.runtime.listener import Listener
from cm.runtime.migrate import parts_on
from cm.runtime.threads import IThreads, Threads
from cm.services.agent import GUEST_DEFAULTS, GuestSettings
from cm.services.farm_key import farm_secret_from
from cm.services.guest_command import command_key
from cm.services.vendor_data import read_vendor_data
from contextualization.daemon.settings import Settings
from contextualization.endpoint import IListens, make_endpoint
from contextualization.settings import EndpointSettings, token_key_from

log = Logger()


def make_site(
    reactor: Any,
    database: Database,
    listener: IListens | None,
    region: str,
    secret: bytes,
    *,
    imds_v1: bool = True,
    domain: str = "internal",
    guests: GuestSettings = GUEST_DEFAULTS,
    metrics_token: bytes | None = None,
) -> WireSite:
    """
    :param region: the cluster's name.
    :param guests: what the settings say of them.
    :param metrics_token: lets programs of other machines read metrics.
    :param secret: the cluster's; what guests are given is signed by a key derived from it.
    """
    settings = EndpointSettings(
        token_key_from(secret),
        region=region,
        domain=domain,
        imds_v1=imds_v1,
        vendor_data=read_vendor_data(guests.vendor_data),
        guests=guests,
        farm_secret=farm_secret_from(secret),
        command_key=command_key(secret),
    )
    return make_endpoint(database, settings, reactor, listener, metrics_token=metrics_token)


class Contextualization:
    """
    One process of the endpoint; any number may work on one database.

    :raises SettingsError: the cluster's secret cannot be had.
    """

    def __init__(self, reactor: Any, settings: Settings) -> None:
        self._reactor = reactor
        self._settings = settings
        size = settings.database.pool_size
        threads = cast(IThreads, Threads(reactor, {"database": size, "reads": size}))
        listener = Listener(reactor, settings.database.url)
        database = Database(settings.database.url, threads, pool_size=size, deliver=listener.deliver)
        self._site = make_site(
            reactor,
            database,
            listener,
            settings.cluster.name,
            ensure_secret(settings.cluster.state_dir / CLUSTER_KEY),
            imds_v1=settings.metadata.imds_v1,
            domain=settings.metadata.domain,
            guests=settings.guests,
            metrics_token=read_token(settings.listen.metrics_token),
        )
        self.port: IListeningPort | None = None
        self.parts = parts = parts_on(database, threads, sql.cm, "wawel-cm")
        parts.add("listener", listener.start, listener.stop)
        parts.add("logins", stop=self._site.resource.logins.stop)
        parts.add("port", self._listen, self._close_port)

    async def start(self) -> None:
        """
        Listen, once the database's notifications come.

        :raises SettingsError: the database is not at this version's schema, or the address or the TLS files are not
            good.
        """
        await self.parts.start()

    async def stop(self) -> None:
        """Listen no more, and let what is under way end."""
        await self.parts.stop()

    def _listen(self) -> None:
        listen = self._settings.listen
        self.port = make_listener(
            self._reactor,
            listen.contextualization,
            self._site,
            listen.tls_certificate,
            listen.tls_key,
            listen.insecure,
        )
        log.info("contextualization listens on {address}", address=listen.contextualization)

    async def _close_port(self) -> None:
        if self.port is not None:
            await self.port.stopListening()
