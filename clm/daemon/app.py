"""
The whole of a cloud manager, wired: database, threads, authenticator, clusters, mail, feed, wire.

``CloudManager`` starts and stops it; ``main.py`` gives it a reactor and a process.
"""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger

from clm.daemon.execute import Executor
from clm.daemon.migrate import pending
from clm.daemon.settings import Settings, check_settings
from clm.services.context import CloudPolicy, OIDCProvider, Services
from cm.rpc.dispatch import Dispatcher
from cm.rpc.endpoint import make_listener
from cm.rpc.keys import ensure_secret, ensure_signing_key
from cm.rpc.server import WireSite, make_root
from cm.rpc.token import TokenSigner
from cm.rpc.types import Secret
from cm.rpc.view import Registry
from cm.runtime.database import Database
from cm.runtime.listener import Listener
from cm.runtime.metrics import Metrics
from cm.runtime.settings import SettingsError
from cm.runtime.threads import IThreads, Threads

log = Logger()


def policy_of(settings: Settings) -> CloudPolicy:
    """What decisions depend on, out of the settings; makes the state directory."""
    check_settings(settings)
    state = settings.cloud.state_dir
    state.mkdir(mode=0o750, parents=True, exist_ok=True)
    cloud, accounts, mail, clusters = settings.cloud, settings.accounts, settings.mail, settings.clusters
    return CloudPolicy(
        name=cloud.name,
        secret=ensure_secret(state / "cloud.key"),
        public_url=cloud.public_url.rstrip("/"),
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
    )


def _revealed(secret: Secret | None) -> str:
    return "" if secret is None else secret.reveal()


class CloudManager:
    """One process of a cloud manager. Several may run on one database."""

    def __init__(self, reactor: Any, settings: Settings) -> None:
        self.reactor = reactor
        self.settings = settings
        self.policy = policy_of(settings)
        size = settings.database.pool_size
        self.threads = Threads(reactor, {"database": size, "password": 2, "mail": 1, "oidc": 4})
        threads = cast(IThreads, self.threads)
        self.database = Database(settings.database.url, threads, pool_size=size)
        self.services = Services(self.database, threads, self.policy, reactor)
        self.metrics = Metrics()
        self.registry = Registry.collect("clm.views")
        self.executor = Executor(self.services)
        self.ports: list[IListeningPort] = []
        self.listener: Listener | None = None

    async def start(self) -> None:
        """
        Connect, and listen.

        :raises SettingsError: the database is not at this version's schema, or an address is not good.
        """
        if await self.threads.run("database", pending, self.database.engine):
            raise SettingsError(["the database is not at this version's schema: run wawel-clm migrate"])
        self._load_keys()
        self.listener = Listener(self.reactor, self.settings.database.url)
        await self.listener.start()
        self.services.extra["signals"] = self.listener

    def _load_keys(self) -> None:
        try:
            key = ensure_signing_key(self.settings.cloud.state_dir / "caller.key", "clm")
        except (OSError, ValueError) as error:
            raise SettingsError([f"the key of caller tokens: {error}"]) from None
        self.services.extra["signing_key"] = key
        self.services.extra["signer"] = TokenSigner(key.private_pem, key.key_id, self.policy.issuer)

    def _listen(self, dispatcher: Dispatcher) -> None:
        listen = self.settings.listen
        if not listen.rpc:
            return
        certificate = str(listen.tls_certificate) if listen.tls_certificate else None
        key = str(listen.tls_key) if listen.tls_key else None
        root = make_root(dispatcher, self._exposition, self._wrong)
        site = WireSite(root, dispatcher.limits, self.reactor)
        self.ports.append(make_listener(self.reactor, listen.rpc, site, certificate, key, listen.insecure))
        log.info("rpc listens on {address}", address=listen.rpc)

    def _exposition(self) -> bytes:
        self.metrics.pending(self.threads.waiting())
        return self.metrics.exposition()

    def _wrong(self) -> str | None:
        if self.listener is None or not self.listener.connected:
            return "the database does not answer"
        return None

    async def stop(self) -> None:
        """Listen no more, bring what is under way to its end, and let go of everything."""
        for port in self.ports:
            await port.stopListening()
        if self.listener is not None:
            self.listener.stop()
        await self.threads.stop()
        self.database.close()
