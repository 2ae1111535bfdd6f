"""
The whole of a cloud manager, wired: database, threads, authenticator, clusters, mail, feed, wire.

``CloudManager`` starts and stops it; ``main.py`` gives it a reactor and a process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger

import sql.clm
from clm.daemon.execute import Executor
from clm.daemon.mailer import Mailer
from clm.daemon.settings import CloudSettings, MailSettings, Settings, check_settings
from clm.daemon.watcher import DUTIES, Watcher
from clm.drivers.mail import SmtpSender
from clm.portal.files import Entrance, Portal, is_built, read_files
from clm.portal.session import NAME, WHERE, Sessions
from clm.services.account import TOPIC
from clm.services.authenticator import HASHING, CloudAuthenticator
from clm.services.connection import Clusters, Connect
from clm.services.console import Consoles
from clm.services.context import CloudPolicy, OIDCProvider, Services
from clm.services.feed import FeedAuthenticator, sees_cluster
from clm.services.forward import Forwarder
from clm.services.passing import Passing
from clm.services.stored_object import ObjectBytes
from clm.store.feed import read_changes
from clm.views.forward import add_forwarded
from cm.rpc.dispatch import Dispatcher
from cm.rpc.endpoint import make_listener
from cm.rpc.events import Events
from cm.rpc.gate import PasswordGate
from cm.rpc.http.cookie import SessionCookie
from cm.rpc.http.pages import read_token
from cm.rpc.http.request import WireSite
from cm.rpc.keys import SigningKey, ensure_secret, ensure_signing_key
from cm.rpc.limits import Share
from cm.rpc.server import NOTHING, make_root
from cm.rpc.token import TokenSigner
from cm.rpc.types import Secret
from cm.rpc.view import Registry
from cm.runtime.database import Database
from cm.runtime.feed import FeedReader
from cm.runtime.listener import Listener
from cm.runtime.logins import LoginTrail
from cm.runtime.loop import Locks
from cm.runtime.metrics import Metrics
from cm.runtime.migrate import parts_on
from cm.runtime.parts import Parts
from cm.runtime.settings import SettingsError, make_state_dir
from cm.runtime.threads import IThreads, Threads
from cm.runtime.wall import unix_seconds

log = Logger()


def portal_url_of(cloud: CloudSettings) -> str:
    """Of links in mails: where the operator says that a portal is, else where we serve our own, if it was built."""
    if cloud.portal_url:
        return cloud.portal_url.rstrip("/")
    return f"{cloud.public_url.rstrip('/')}/ui" if is_built() else ""


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
        portal_url=portal_url_of(cloud),
        ec2_url=cloud.ec2_url,
        registration=accounts.registration,
        auto_activation=accounts.auto_activation,
        permissions=accounts.permissions,
        session_s=accounts.session_s,
        token_s=accounts.token_s,
        keys_max=accounts.keys_max,
        api_keys_max=accounts.api_keys_max,
        launch_templates_max=accounts.launch_templates_max,
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
    :ivar parts: what starts and stops, in order.
    :raises SettingsError: a key cannot be had.
    """

    def __init__(
        self,
        reactor: Any,
        settings: Settings,
        threads: IThreads | None = None,
        listen: Callable[[Any, str], Listener] = Listener,
        connect: Connect | None = None,
        locks: Callable[[str, int], Locks] = Locks,
    ) -> None:
        self.reactor = reactor
        self.settings = settings
        self.policy = policy = policy_of(settings)
        size = settings.database.pool_size
        pools = {"database": size, "reads": size, "password": 2, "mail": 1, "oidc": 4, "duties": 1}
        self.threads = threads = threads or cast(IThreads, Threads(reactor, pools, share=settings.limits.thread_share))
        self.listener = listen(reactor, settings.database.url)
        self.database = Database(settings.database.url, threads, pool_size=size, deliver=self.listener.deliver)
        self.logins = LoginTrail(self.database, reactor)
        gate = PasswordGate(threads, slots=HASHING)
        authenticator = CloudAuthenticator(self.database, policy, gate, self.logins)
        key = _key_of(settings)
        signer = TokenSigner(key.private_pem, key.key_id, policy.issuer, clock=unix_seconds)
        self.clusters = Clusters(self.database, policy, reactor, signer, self.listener, connect)
        self.forwarder = Forwarder(self.database, policy, reactor, self.clusters)
        self.services = Services(
            self.database,
            threads,
            policy,
            reactor,
            self.listener,
            gate,
            self.logins,
            authenticator,
            key,
            self.clusters,
            self.forwarder,
        )
        self.metrics = Metrics()
        self.registry = add_forwarded(Registry.collect("clm.views"))
        self.executor = Executor(self.services)
        execute, limits = self.executor.execute, settings.limits
        self.dispatcher = Dispatcher(reactor, self.registry, execute, authenticator, limits, self.metrics)
        self.feed = FeedReader(self.database, reactor, read_changes)
        readers, turns = FeedAuthenticator(authenticator), self.dispatcher.turns
        self.events = Events(reactor, self.feed, readers, limits=limits, turns=turns, sees_all=sees_cluster)
        self.passing = Passing(reactor, self.clusters, turns, settings.listen.origins)
        self.consoles = Consoles(reactor, self.clusters, authenticator, turns)
        times = (settings.clusters.check_s, settings.clusters.sync_s)
        self.watcher = Watcher(self.services, locks(settings.database.url, DUTIES), *times)
        self.mailer = Mailer(self.services, sender_of(settings.mail)) if settings.mail.host else None
        self.ports: list[IListeningPort] = []
        self.parts = self._parts()

    def _parts(self) -> Parts:
        parts = parts_on(self.database, self.threads, sql.clm, "wawel-clm")
        parts.add("listener", self._join, self.listener.stop)
        parts.add("clusters", self.clusters.start, self.clusters.stop)
        parts.add("forwarder", stop=self.forwarder.stop)
        parts.add("logins", stop=self.logins.stop)
        if self.mailer is not None:
            parts.add("mailer", self.mailer.start, self.mailer.stop)
        parts.add("feed", self.feed.start)
        parts.add("watcher", self.watcher.start, self.watcher.stop)
        parts.add("events", stop=self.events.stop)
        parts.add("passing", stop=self.passing.stop)
        parts.add("consoles", stop=self.consoles.stop)
        parts.add("dispatcher", stop=self.dispatcher.stop)
        parts.add("ports", self._listen, self._close_ports)
        return parts

    async def start(self) -> None:
        """
        Connect, and listen.

        :raises SettingsError: the database is not at this version's schema, or an address is not good.
        """
        await self.parts.start()

    async def stop(self) -> None:
        """Listen no more, bring what is under way to its end, and release everything."""
        await self.parts.stop()

    # ------------------------------------------------------------------ starting

    async def _join(self) -> None:
        """Hear what other processes on this database do."""
        await self.listener.start()
        subscribe = self.listener.subscribe
        subscribe(TOPIC, self.services.authenticator.user_changed, at_once=True)
        if self.mailer is not None:
            subscribe("mail", self.mailer.wake)
        # After the authenticator has forgotten: what it then finds out anew says who may stay.
        subscribe(TOPIC, self.events.account_changed, at_once=True)
        subscribe(TOPIC, self.consoles.account_changed, at_once=True)
        subscribe("feed", self.feed.afresh)  # nobody notifies it: it is called after reconnections

    # ------------------------------------------------------------------ listening

    def _listen(self) -> None:
        listen = self.settings.listen
        tls = (listen.tls_certificate, listen.tls_key, listen.insecure)
        if listen.ec2:
            from clm.ec2.endpoint import EC2Endpoint, EC2Site  # a cloud without it does without its memory
            from clm.ec2.s3.endpoint import S3, is_signed_for_s3

            services = self.services
            ec2 = EC2Endpoint(
                self.dispatcher, services.authenticator, self.logins, services.clusters, self.policy.ec2_url,
                listen.ec2_signature_2,
            )  # fmt: skip
            s3 = S3(self.reactor, ec2, self.dispatcher, ObjectBytes(self.clusters), self.policy.ec2_url)
            site = EC2Site(ec2, self.dispatcher.limits, self.reactor, s3, is_signed_for_s3)
            self.ports.append(make_listener(self.reactor, listen.ec2, site, *tls))
            log.info("EC2 listens on {address}", address=listen.ec2)
        if not listen.rpc:
            return
        root = make_root(self.dispatcher, self._exposition, self._wrong, read_token(listen.metrics_token))
        root.putChild(b"events", self.events)
        root.putChild(b"console", self.consoles)
        cookie = SessionCookie(NAME, WHERE, (self.policy.public_url, self.policy.portal_url))
        root.putChild(b"ui", Portal(read_files(), Sessions(self.dispatcher, cookie)))
        root.putChild(b"", Entrance(NOTHING))
        site = WireSite(root, self.dispatcher.limits, self.reactor, {b"/clusters/": self.passing}, cookie)
        self.ports.append(make_listener(self.reactor, listen.rpc, site, *tls))
        log.info("rpc listens on {address}", address=listen.rpc)

    async def _close_ports(self) -> None:
        for port in self.ports:
            await port.stopListening()

    def _exposition(self) -> bytes:
        self.metrics.pending(self.threads.waiting())
        return self.metrics.exposition()

    def _wrong(self) -> str | None:
        """What is wrong with this process: a thread, a loop or a lock of its own that is not as it should be."""
        pulses = self.watcher.pulses() + ([self.mailer.pulse] if self.mailer is not None else [])
        found = [self.listener.wrong, *(pulse.wrong() for pulse in pulses)]
        return "; ".join(filter(None, found)) or None


def _key_of(settings: Settings) -> SigningKey:
    """:raises SettingsError: the key of caller tokens cannot be had."""
    try:
        return ensure_signing_key(settings.cloud.state_dir / "caller.key", "clm")
    except (OSError, ValueError) as error:
        raise SettingsError([f"the key of caller tokens: {error}"]) from None
