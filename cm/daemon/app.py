"""
The whole of a cluster manager, wired: database, threads, fleet, engine, reconciler, wire, contextualization.

``ClusterManager`` starts and stops it; ``main.py`` gives it a reactor and a process.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address, ip_address
from typing import Any, cast

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger

import sql.cm
from cm.daemon.care import Care
from cm.daemon.directories import check_all, overlap, pool_problems
from cm.daemon.jobs import Jobs
from cm.daemon.measuring import Measuring
from cm.daemon.mirror import Mirror
from cm.daemon.reconciler import Reconciler
from cm.daemon.settings import Settings, catalogue
from cm.interfaces.node import INode, Opener
from cm.operations import register_kinds
from cm.operations.engine import Engine
from cm.operations.storing import ObjectDesk
from cm.operations.uploading import UploadDesk
from cm.rpc.console import Consoles
from cm.rpc.dispatch import Dispatcher
from cm.rpc.downloads import Downloads
from cm.rpc.endpoint import make_listener, parse_address
from cm.rpc.events import Events
from cm.rpc.gate import PasswordGate
from cm.rpc.graph_stream import GraphReader, GraphStream
from cm.rpc.http.pages import read_token
from cm.rpc.http.request import Streamed, WireSite
from cm.rpc.keys import CLUSTER_KEY, SigningKey, ensure_secret, ensure_signing_key
from cm.rpc.meeting import Meetings
from cm.rpc.objects import Objects
from cm.rpc.server import make_root
from cm.rpc.uploads import Uploads
from cm.rpc.view import Registry
from cm.rpc.xo_session import XOSessions
from cm.rules.series import STEPS
from cm.runtime.database import Database, data_directory
from cm.runtime.execute import Executor
from cm.runtime.feed import FeedReader
from cm.runtime.listener import Listener
from cm.runtime.logins import LoginTrail
from cm.runtime.metrics import VERSION, Metrics
from cm.runtime.migrate import parts_on
from cm.runtime.parts import Parts
from cm.runtime.settings import SettingsError, make_state_dir
from cm.runtime.threads import IThreads, Threads
from cm.services.agent import GuestSettings
from cm.services.authenticator import DatabaseAuthenticator
from cm.services.console import ConsoleDoor, VMWatch
from cm.services.context import AsyncClusterCall, ClusterCall, ClusterPolicy, Services
from cm.services.download import DownloadDoor
from cm.services.fleet import Fleet
from cm.services.vendor_data import read_vendor_data
from cm.store.feed import read_changes
from cm.store.storage import pool_paths
from cm.store.waking import TOPIC
from cm.store.worker import LOCK_CLASS, register_worker

log = Logger()


def guests_of(settings: Settings) -> GuestSettings:
    """Where guests may go: not to us either, where we listen on an address of our own."""
    host = settings.listen.rpc.rpartition(":")[0]
    try:
        own = IPv4Address(host)
    except ValueError:
        return settings.guests
    if own.is_unspecified or own.is_loopback:
        return settings.guests
    return replace(settings.guests, management_networks=(*settings.guests.management_networks, f"{own}/32"))


def public_url_of(settings: Settings) -> str:
    """Where people's programs reach us: as the settings say, or as far as one can tell by where we listen."""
    told, address = settings.cluster.public_url.rstrip("/"), settings.listen.rpc
    if told or not address or address.startswith("unix:"):
        return told
    host, port = parse_address(address)
    if ip_address(host).is_unspecified:
        host = socket.getfqdn()
    scheme = "https" if settings.listen.tls_certificate else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def policy_of(settings: Settings) -> ClusterPolicy:
    """What decisions depend on, out of the settings; makes the state directory."""
    check_all(settings)
    state = settings.cluster.state_dir
    make_state_dir(state, "cluster.state_dir", "wawel-cm")
    staging = state / "staging"
    staging.mkdir(mode=0o700, exist_ok=True)
    cluster, images, quota = settings.cluster, settings.images, settings.quota
    return ClusterPolicy(
        name=cluster.name,
        secret=ensure_secret(state / CLUSTER_KEY),
        public_url=public_url_of(settings),
        placement="pack" if cluster.placement == "pack" else "spread",
        hook_grace_s=cluster.hook_grace_s,
        agent_silent_s=cluster.agent_silent_s,
        hooks_silent_s=cluster.hooks_silent_s,
        doubtful_s=cluster.doubtful_s,
        shutdown_s=cluster.shutdown_s,
        detach_s=cluster.detach_s,
        owners_spoof=cluster.owners_spoof,
        ula=cluster.ula,
        nic_kbit_in=settings.guests.nic_kbit_in,
        nic_kbit_out=settings.guests.nic_kbit_out,
        vendor_data=read_vendor_data(settings.guests.vendor_data),
        install_agent=settings.guests.install_agent,
        migration_mib_s=cluster.migration_mib_s,
        migration_s=cluster.migration_s,
        migration_post_copy=cluster.migration_post_copy,
        cpu_overcommit=cluster.cpu_overcommit,
        memory_overcommit=cluster.memory_overcommit,
        storage_overcommit=cluster.storage_overcommit,
        storage_low_percent=cluster.storage_low_percent,
        vnc_first_port=cluster.vnc_first_port,
        vnc_ports=cluster.vnc_ports,
        snapshots_per_disk=cluster.snapshots_per_disk,
        snapshot_chain_max=cluster.snapshot_chain_max,
        staging_dir=staging,
        import_dirs=images.directories,
        import_private_networks=images.private_networks,
        import_networks=images.networks,
        import_max_bytes=images.max_bytes,
        import_timeout_s=images.timeout_s,
        known_images=catalogue(settings),
        imports_per_account=images.per_account,
        image_copies=images.copies,
        cache_free=images.cache_free,
        failed_images_s=images.failed_s,
        staging_id=ensure_secret(state / "staging.id").hex()[:16],
        uploads_per_account=images.uploads_per_account,
        uploads=images.uploads,
        upload_s=images.upload_s,
        download_s=images.download_s,
        trash_s=images.trash_s,
        vm_trash_s=cluster.vm_trash_s,
        transfer_s=cluster.transfer_s,
        quota_cpu=quota.cpu,
        quota_memory_mib=quota.memory_mib,
        quota_storage_mib=quota.storage_mib,
        quota_vms=quota.vms,
        quota_networks=quota.networks,
        quota_points=quota.points,
        points_refuse=quota.points_refuse,
        measured_s=settings.monitoring.every_s or STEPS[0],
        samples_kept=settings.monitoring.kept,
    )


def open_driver(uri: str, name: str) -> INode:
    """The default opener: a driver by the URI's scheme."""
    from cm.drivers.open import open_node

    return open_node(uri, name=name)


class ClusterManager:
    """
    One process of a cluster manager. Several may run on one database.

    :param threads: in place of its own pools.
    :param listen: makes its ``Listener``: ``listen(reactor, url)``.
    :ivar parts: what starts and stops, in order.
    :raises SettingsError: a key cannot be had.
    """

    def __init__(
        self,
        reactor: Any,
        settings: Settings,
        opener: Opener = open_driver,
        threads: IThreads | None = None,
        listen: Callable[[Any, str], Listener] = Listener,
    ) -> None:
        self.reactor = reactor
        self.settings = settings
        self.policy = policy = policy_of(settings)
        size = settings.database.pool_size
        sizes = {"database": size, "reads": size}
        self.threads = threads = threads or cast(IThreads, Threads(reactor, sizes, share=settings.limits.thread_share))
        self.listener = listen(reactor, settings.database.url)
        self.database = Database(
            settings.database.url, threads, pool_size=size, deliver=self.listener.deliver, reactor=reactor
        )
        self.fleet = Fleet(self.database, threads, opener)
        self.logins = LoginTrail(self.database, reactor)
        gate = PasswordGate(threads)
        session_key, clm_keys = _keys_of(settings)
        authenticator = DatabaseAuthenticator(self.database, policy, gate, self.logins, session_key, clm_keys)
        self.services = Services(
            self.database, threads, self.fleet, policy, self.listener, gate, self.logins, authenticator
        )
        self.metrics = Metrics()
        self.registry = Registry.collect("cm.views")
        self.executor = Executor(self.services, ClusterCall, AsyncClusterCall)
        execute, limits = self.executor.execute, settings.limits
        self.dispatcher = Dispatcher(reactor, self.registry, execute, authenticator, limits, self.metrics)
        self.feed = FeedReader(self.database, reactor, read_changes)
        graph_reader = GraphReader(self.registry, execute)
        graph = partial(GraphStream, read=graph_reader)
        self.events = Events(reactor, self.feed, authenticator, limits=limits, turns=self.dispatcher.turns, graph=graph)
        authenticator.subscribe(self.events.account_changed)
        self.meetings = Meetings(reactor, settings.cluster.state_dir)
        door = ConsoleDoor(self.services, self.meetings)
        self.xo_sessions = XOSessions(reactor, self.dispatcher, self.feed, authenticator, graph_reader, VERSION)
        authenticator.subscribe(self.xo_sessions.account_changed)
        self.consoles = Consoles(reactor, door, authenticator, self.dispatcher.turns)
        self.consoles.subscribe(VMWatch(self.feed, self.consoles.vms_changed).want)
        authenticator.subscribe(self.consoles.account_changed)
        self.uploads = Uploads(
            reactor,
            UploadDesk(self.services),
            self.dispatcher,
            settings.images.max_bytes,
            settings.images.upload_bytes_per_s,
            settings.listen.origins,
        )
        self.objects = Objects(reactor, ObjectDesk(self.services), self.dispatcher)
        self.downloads = Downloads(reactor, DownloadDoor(self.services), self.dispatcher.turns, settings.listen.origins)
        self.engine: Engine | None = None  # made once this process has its number
        self.mirror = Mirror(self.services, reactor, settings.cluster.objects_s)
        self.reconciler = Reconciler(
            self.services, reactor, settings.cluster.reconcile_s, self.metrics, self.mirror.hint
        )
        self.care = Care(self.services, reactor, settings.retention)
        self.jobs = Jobs(self.services, reactor, self.registry, execute)
        monitoring = settings.monitoring
        self.measuring = Measuring(
            self.services, reactor, monitoring.every_s, monitoring.kept, monitoring.ended_days, self.metrics
        )
        self.ports: list[IListeningPort] = []
        register_kinds()
        self.parts = self._parts()

    def _parts(self) -> Parts:
        parts = parts_on(self.database, self.threads, sql.cm, "wawel-cm")
        parts.add("directories", self._check_directories)
        parts.add("listener", self._join, self.listener.stop)
        parts.add("keys", self.services.authenticator.load_keys)
        parts.add("feed", self.feed.start)
        parts.add("fleet", stop=self.fleet.close)
        parts.add("logins", stop=self.logins.stop)
        parts.add("engine", self._start_engine, self._stop_engine)
        if self.settings.cluster.workers:
            parts.add("care", self.care.start, self.care.stop)
            parts.add("jobs", self.jobs.start, self.jobs.stop)
            parts.add("reconciler", self.reconciler.start, self.reconciler.stop)
            if self.settings.monitoring.every_s:
                parts.add("measuring", self.measuring.start, self.measuring.stop)
            if self.settings.cluster.objects_s:
                parts.add("mirror", self.mirror.start, self.mirror.stop)
        parts.add("events", stop=self.events.stop)
        parts.add("meetings", self._meet, self.meetings.stop)
        parts.add("sessions", stop=self.xo_sessions.stop)
        parts.add("consoles", stop=self.consoles.stop)
        parts.add("downloads", stop=self.downloads.stop)
        parts.add("uploads", stop=self.uploads.stop)
        parts.add("objects", stop=self.objects.stop)
        parts.add("dispatcher", stop=self.dispatcher.stop)
        if self.settings.listen.contextualization:
            # The endpoint is a program of its own that may also live here; nothing else in cm knows it.
            self._endpoint = self._make_endpoint()
            parts.add("contextualization", stop=self._endpoint.resource.logins.stop)
        parts.add("ports", self._listen, self._close_ports)
        return parts

    async def start(self) -> None:
        """
        Connect, take up the work that is left, and listen.

        :raises SettingsError: the database is not at this version's schema, or an address is not good.
        """
        await self.parts.start()

    async def stop(self) -> None:
        """Listen no more, let what is under way come to the end of its step, and release everything."""
        await self.parts.stop()

    # ------------------------------------------------------------------ starting

    async def _check_directories(self) -> None:
        """:raises SettingsError: images may be imported from where the database, or users' disks, are."""
        directories = self.settings.images.directories
        if not directories:
            return
        problems = pool_problems(directories, await self.database.read(pool_paths))
        data = await self.database.read(data_directory)
        if data is not None:
            for directory in directories:
                reason = overlap(directory.resolve(), data)
                if reason is not None:
                    problems.append(f"images.directories: {directory} {reason} {data}: PostgreSQL's data")
        if problems:
            raise SettingsError(problems)

    async def _join(self) -> None:
        """Become one of the processes on this database, and hear what the others do."""
        name = f"{socket.gethostname()}:{os.getpid()}"
        worker_id = await self.database.transact(register_worker, name)
        await self.listener.start((LOCK_CLASS, worker_id))
        self.engine = Engine(self.services, self.reactor, worker_id, self.metrics)
        subscribe, authenticator = self.listener.subscribe, self.services.authenticator
        subscribe("account", authenticator.account_changed, at_once=True)
        subscribe("trust", authenticator.trust_changed, at_once=True)
        if self.settings.cluster.workers:
            subscribe(TOPIC, self.engine.wake)
            subscribe("look", self.reconciler.hint)
            subscribe("storages", self.reconciler.hint_storages)
        subscribe("node", self.reconciler.forget)
        # After the authenticator has forgotten: what it then finds out anew says who may stay.
        subscribe("account", self.events.account_changed, at_once=True)
        subscribe("account", self.xo_sessions.account_changed, at_once=True)
        subscribe("account", self.consoles.account_changed, at_once=True)
        subscribe("feed", self.feed.afresh)  # nobody notifies it: it is called after reconnections

    def _meet(self) -> None:
        """:raises SettingsError: there is no listening in the state directory."""
        if self.settings.listen.rpc:
            try:
                self.meetings.start()
            except (OSError, CannotListenError) as error:
                raise SettingsError([f"cluster.state_dir: {error}"]) from None

    def _start_engine(self) -> None:
        if self.engine is not None and self.settings.cluster.workers:
            self.engine.start()

    async def _stop_engine(self) -> None:
        if self.engine is not None:
            await self.engine.stop()

    # ------------------------------------------------------------------ listening

    def _make_endpoint(self) -> Any:
        from contextualization.daemon.app import make_site

        policy = self.policy
        return make_site(
            self.reactor,
            self.database,
            self.listener,
            policy.name,
            policy.secret,
            guests=guests_of(self.settings),
            metrics_token=read_token(self.settings.listen.metrics_token),
        )

    def _listen(self) -> None:
        listen = self.settings.listen
        tls = (listen.tls_certificate, listen.tls_key, listen.insecure)
        sites: list[tuple[str, str, Any]] = []
        if listen.rpc:
            limits = self.dispatcher.limits
            token = read_token(listen.metrics_token)
            root = make_root(self.dispatcher, self._exposition, self._wrong, token)
            root.putChild(b"events", self.events)
            root.putChild(b"api", self.xo_sessions)
            root.putChild(b"console", self.consoles)
            root.putChild(b"downloads", self.downloads)
            streamed: dict[bytes, Streamed] = {b"/uploads": self.uploads, b"/objects": self.objects}
            sites.append(("rpc", listen.rpc, WireSite(root, limits, self.reactor, streamed)))
        if listen.contextualization:
            sites.append(("contextualization", listen.contextualization, self._endpoint))
        for what, address, site in sites:
            port = make_listener(self.reactor, address, site, *tls)
            self.ports.append(port)
            log.info("{what} listens on {address}", what=what, address=address)

    async def _close_ports(self) -> None:
        for port in self.ports:
            await port.stopListening()

    def _exposition(self) -> bytes:
        self.metrics.pending(self.threads.waiting())
        return self.metrics.exposition()

    def _wrong(self) -> str | None:
        """What is wrong with this process: a thread, a loop or a lock of its own that is not as it should be."""
        if self.engine is None:
            return "it is being started"
        from cm.drivers.libvirt import events

        loops = (
            self.care, self.care.reservations, self.care.expiry, self.reconciler.turns, self.reconciler.storages,
            self.measuring.rounds, self.measuring.blocks, self.engine.leases,
            self.mirror.turns,
        )  # fmt: skip
        pulses = [self.engine.pulse, *(loop.pulse for loop in loops)]
        found = [self.listener.wrong, events.wrong(), *(pulse.wrong() for pulse in pulses)]
        return "; ".join(filter(None, found)) or None


def _keys_of(settings: Settings) -> tuple[SigningKey, dict[str, bytes]]:
    """
    The key of our sessions, and those of cloud managers.

    :raises SettingsError: one of them cannot be had.
    """
    try:
        session_key = ensure_signing_key(settings.cluster.state_dir / "session.key", "session")
        return session_key, {name: path.read_bytes() for name, path in settings.trust.clm_keys.items()}
    except (OSError, ValueError) as error:
        raise SettingsError([f"the keys of caller tokens: {error}"]) from None
