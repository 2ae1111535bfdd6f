"""
The whole of a cloud manager, wired: database, threads, authenticator, clusters, mail, feed, wire.

``CloudManager`` starts and stops it; ``main.py`` gives it a reactor and a process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger

from clm.daemon.duties import Locks
from clm.daemon.execute import Executor
from clm.daemon.mailer import Mailer
from clm.daemon.migrate import pending
from clm.daemon.settings import MailSettings, Settings, check_settings
from clm.daemon.watcher import Watcher
from clm.drivers.mail import SmtpSender
from clm.services.accounts import TOPIC
from clm.services.authenticator import CloudAuthenticator
from clm.services.clusters import Clusters, Connect
from clm.services.context import CloudPolicy, OIDCProvider, Services
from clm.services.feed import FeedAuthenticator, sees_cluster
from clm.services.forwarding import Forwarder
from clm.store.feed import read_changes
from clm.views.forward import add_forwarded
from cm.rpc.dispatch import Dispatcher
from cm.rpc.endpoint import make_listener
from cm.rpc.events import Events
from cm.rpc.keys import ensure_secret, ensure_signing_key
from cm.rpc.limits import Share
from cm.rpc.request import WireSite
from cm.rpc.server import make_root
from cm.rpc.token import TokenSigner
from cm.rpc.turns import Turns
from cm.rpc.types import Secret
from cm.rpc.view import Registry
from cm.runtime.database import Database
from cm.runtime.feed import FeedReader
from cm.runtime.listener import Listener
from cm.runtime.logins import LoginTrail
from cm.runtime.metrics import Metrics
from cm.runtime.settings import SettingsError, make_state_dir
from cm.runtime.threads import IThreads, Threads
from cm.runtime.wall import unix_seconds

log = Logger()


def policy_of(settings: Settings) -> CloudPolicy:
    """What decisions depend on, out of the settings; makes the state directory."""
    check_settings(settings)
    state = settings.cloud.state_dir
    make_state_dir(state, "cloud.state_dir", "wawel-clm")
    cloud, accounts, mail, clusters = settings.cloud, settings.accounts, settings.mail, settings.clusters
    return CloudPolicy(
        name=cloud.name,
        secret=ensure_secret(state / "cloud.key"),
        public_url=cloud.public_url.rstrip("/"),
        portal_url=cloud.portal_url.rstrip("/"),
        ec2_url=cloud.ec2_url,
        registration=accounts.registration,
        auto_activation=accounts.auto_activation,
        permissions=accounts.permissions,
        session_s=accounts.session_s,
        token_s=accounts.token_s,
        keys_max=accounts.keys_max,
        api_keys_max=accounts.api_keys_max,
        groups_max=accounts.groups_max,
        mail_from=mail.sender if mail.host else "",
        contact_email=cloud.contact_email,
        issue_email=cloud.issue_email or cloud.contact_email,
        templates_dir=mail.templates_dir,
        oidc={
            name: OIDCProvider(
                issuer=provider.issuer,
                client_id=provider.client_id,
                client_secret=_revealed(provider.client_secret),
                title=provider.title or name,
                scope=provider.scope,
                create=provider.create,
                link_email=provider.link_email,
            )
            for name, provider in settings.oidc.items()
        },
        cluster_deadline_s=clusters.deadline_s,
        list_deadline_s=clusters.list_deadline_s,
        login_days=settings.retention.login_days,
        cluster_calls=_share(clusters.calls, clusters.calls_per_account, clusters.calls_kept, settings),
        cluster_at_once=clusters.calls_at_once,
        cluster_waits=_share(clusters.waits, clusters.waits_per_account, clusters.waits_kept, settings),
    )


def _share(size: int, per_account: int, kept: int, settings: Settings) -> Share:
    # Addresses have their shares where people come in.
    return Share(size, per_account, size, kept, settings.limits.privileged_times)


def sender_of(mail: MailSettings) -> SmtpSender:
    return SmtpSender(mail.host, mail.port, mail.sender, mail.tls, mail.login, mail.password, mail.ca, mail.timeout_s)


def _revealed(secret: Secret | None) -> str:
    return "" if secret is None else secret.reveal()


class CloudManager:
    """
    One process of a cloud manager. Several may run on one database.

    :param threads: in place of its own pools.
    :param listen: makes its ``Listener``.
    :param connect: makes the connection to a cluster; see ``Clusters``.
    :param locks: makes the locks of its duties.
    """

    def __init__(
        self,
        reactor: Any,
        settings: Settings,
        threads: IThreads | None = None,
        listen: Callable[[Any, str], Listener] = Listener,
        connect: Connect | None = None,
        locks: Callable[[str], Locks] = Locks,
    ) -> None:
        self.reactor = reactor
        self.settings = settings
        self.policy = policy_of(settings)
        size = settings.database.pool_size
        pools = {"database": size, "reads": size, "password": 2, "mail": 1, "oidc": 4, "duties": 1}
        self.threads = threads = threads or cast(IThreads, Threads(reactor, pools, share=settings.limits.thread_share))
        self._make_listener = listen
        self.database = Database(settings.database.url, threads, pool_size=size)
        self.services = Services(self.database, threads, self.policy, reactor)
        self.logins = self.services.extra["logins"] = LoginTrail(self.database, reactor)
        self.metrics = Metrics()
        self.registry = add_forwarded(Registry.collect("clm.views"))
        self.clusters = Clusters(self.services, connect)
        self.services.extra["clusters"] = self.clusters
        self.forwarder = Forwarder(self.services, self.clusters)
        self.services.extra["forwarder"] = self.forwarder
        times = (settings.clusters.check_s, settings.clusters.sync_s)
        self.watcher = Watcher(self.services, self.clusters, locks(settings.database.url), *times)
        self.feed = FeedReader(self.database, reactor, read_changes)
        self.events: Events | None = None
        self.executor = Executor(self.services)
        self.ports: list[IListeningPort] = []
        self.dispatcher: Dispatcher | None = None
        self.listener: Listener | None = None
        self.mailer: Mailer | None = None

    async def start(self) -> None:
        """
        Connect, and listen.

        :raises SettingsError: the database is not at this version's schema, or an address is not good.
        """
        if await self.threads.run("database", pending, self.database.engine):
            raise SettingsError(["the database is not at this version's schema: run wawel-clm migrate"])
        self._load_keys()
        self.listener = self._make_listener(self.reactor, self.settings.database.url)
        await self.listener.start()
        self.database.told = self.listener.told
        self.services.extra["signals"] = self.listener
        await self.clusters.start()
        authenticator = CloudAuthenticator(self.services)
        self.listener.subscribe(TOPIC, authenticator.user_changed, at_once=True)
        self.services.extra["authenticator"] = authenticator
        execute, limits = self.executor.execute, self.settings.limits
        dispatcher = Dispatcher(self.reactor, self.registry, execute, authenticator, limits, self.metrics)
        self.dispatcher = dispatcher
        self._start_mailer()
        await self._start_feed(authenticator, dispatcher.turns)
        self.watcher.start()
        self._listen(dispatcher)

    async def _start_feed(self, authenticator: CloudAuthenticator, turns: Turns) -> None:
        assert self.listener is not None
        await self.feed.start()
        self.services.extra["feed"] = self.feed
        readers, limits = FeedAuthenticator(authenticator), self.settings.limits
        self.events = Events(self.reactor, self.feed, readers, limits=limits, turns=turns, sees_all=sees_cluster)
        # After the authenticator has forgotten: what it then finds out anew says who may stay.
        self.listener.subscribe(TOPIC, self.events.account_changed, at_once=True)
        self.listener.subscribe("feed", self.feed.afresh)  # nobody notifies it: it is called after reconnections

    def _start_mailer(self) -> None:
        mail = self.settings.mail
        if not mail.host:
            return
        assert self.listener is not None
        self.mailer = Mailer(self.services, sender_of(mail), self.reactor)
        self.services.extra["mailer"] = self.mailer
        self.listener.subscribe("mail", self.mailer.wake)
        self.mailer.start()

    def _load_keys(self) -> None:
        try:
            key = ensure_signing_key(self.settings.cloud.state_dir / "caller.key", "clm")
        except (OSError, ValueError) as error:
            raise SettingsError([f"the key of caller tokens: {error}"]) from None
        self.services.extra["signing_key"] = key
        self.services.extra["signer"] = TokenSigner(key.private_pem, key.key_id, self.policy.issuer, clock=unix_seconds)

    def _listen(self, dispatcher: Dispatcher) -> None:
        listen = self.settings.listen
        if not listen.rpc:
            return
        certificate = str(listen.tls_certificate) if listen.tls_certificate else None
        key = str(listen.tls_key) if listen.tls_key else None
        root = make_root(dispatcher, self._exposition, self._wrong)
        root.putChild(b"events", self.events)
        site = WireSite(root, dispatcher.limits, self.reactor)
        self.ports.append(make_listener(self.reactor, listen.rpc, site, certificate, key, listen.insecure))
        log.info("rpc listens on {address}", address=listen.rpc)

    def _exposition(self) -> bytes:
        self.metrics.pending(self.threads.waiting())
        return self.metrics.exposition()

    def _wrong(self) -> str | None:
        """What is wrong with this process: a thread, a loop or a lock of its own that is not as it should be."""
        if self.listener is None:
            return "it is being started"
        pulses = self.watcher.pulses() + ([self.mailer.pulse] if self.mailer is not None else [])
        found = [self.listener.wrong, *(pulse.wrong() for pulse in pulses)]
        return "; ".join(filter(None, found)) or None

    async def stop(self) -> None:
        """Listen no more, bring what is under way to its end, and let go of everything."""
        for port in self.ports:
            await port.stopListening()
        if self.dispatcher is not None:
            await self.dispatcher.stop()
        if self.events is not None:
            self.events.stop()
        await self.watcher.stop()
        if self.mailer is not None:
            await self.mailer.stop()
        await self.logins.stop()
        await self.forwarder.stop()
        await self.clusters.stop()
        if self.listener is not None:
            self.listener.stop()
        await self.threads.stop()
        self.database.close()
