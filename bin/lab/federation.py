"""
``Federation``: a cloud of several clusters on this machine: one PostgreSQL, one network of hosts, a cloud manager, and
cluster managers with nodes of their own. Clusters and users are added as an operator would, by calls.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from cm.rpc.client import RpcClient
from lab import forgotten
from lab.clm import DATABASE, PORT, CloudManager, ClusterClient
from lab.cloud import CONTEXTUALIZATION_PORT, Cloud
from lab.credentials import FILE as CREDENTIALS
from lab.credentials import Account, keep_credentials, write_credentials
from lab.daemon import Daemon
from lab.furnish import by_name
from lab.hosts import Lab, lab_directory
from lab.keeper import Keeper
from lab.nodes import FarmHosts, RealNode, TestNode
from lab.places import LabProblem
from lab.postgres import PrivatePostgres
from lab.processes import claim_directory
from lab.sessions import TestDriverHost
from lab.steps import PartSteps, Steps

NAMES = ("north", "south", "east", "west")
CM_PORT = 8001


def cluster_name(number: int) -> str:
    """What the cluster of that number, counted from 1, is called."""
    return NAMES[number - 1] if number <= len(NAMES) else f"cluster-{number}"


class Cluster(Cloud):
    """
    One cluster of a federation, which owns its database server, its hosts' network and its directory.

    ``admin`` calls its cluster manager as that one's administrator. ``user`` calls it through the cloud manager, so
    ``create``, ``wait_running`` and the like do too.
    """

    local_user = False

    def __init__(self, whole: Federation, number: int, count: int, **options: Any) -> None:
        """:param number: counts from 1. :param count: of nodes."""
        name = cluster_name(number)
        super().__init__(whole.base / name, count, whole.hypervisor, steps=PartSteps(whole.steps, name), **options)
        self.name = name
        self.number = number
        self.suffix = f"-{name}"
        self.database = "wawel_cm_" + name.replace("-", "_")
        self.guest_network = f"10.{127 + number}.0.0/24"
        # All endpoints listen on the one address that the machine has in the hosts' network.
        self.listen_port = CONTEXTUALIZATION_PORT + 10 * (number - 1)
        self.run_dir = whole.run_dir
        self.whole = whole
        if whole.steps.quiet:
            self.steps = whole.steps

    @cached_property
    def postgres(self) -> PrivatePostgres:
        return self.whole.postgres

    @cached_property
    def user(self) -> RpcClient:
        clm = self.whole.clm
        return clm.keep(ClusterClient(clm.url, clm.token(self.whole.credentials.user), self.name))

    def start(self) -> Cluster:
        """What is this cluster's own; database server and hosts run already."""
        for path in (self.base, self.storage_dir):
            path.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.credentials = keep_credentials(self.base)
        self._ensure_database()
        self._take_hosts()
        self._start_manager()
        write_credentials(self.base, self.url, {"admin": self.credentials.admin})
        return self

    @cached_property
    def farm(self) -> FarmHosts:
        return FarmHosts(self.base)

    def _take_hosts(self) -> None:
        if self.hypervisor == "memory":
            self.farm.start()
        first = (self.number - 1) * self._count + 1
        for number in range(first, first + self._count):
            if self.hypervisor == "memory":
                self.nodes.append(self.farm.node(f"node{number}"))
            elif self.whole.lab is not None:
                self._lab = self.whole.lab
                self.nodes.append(RealNode(self._lab.hosts[number], self.run_dir))
            else:
                host = TestDriverHost(f"node{number}", kept_in=self.whole.base if self.whole.keep else None)
                self._test_hosts.append(host)
                host.start()
                self.nodes.append(TestNode(host))

    def close(self) -> None:
        """End its programs and nodes; what it shares with others goes on."""
        if self.whole.keep and self.hypervisor == "test":
            forgotten.stop_vms(self)
        self._hang_up()
        self.stop_programs()
        for host in self._test_hosts:
            host.close()
        if self.hypervisor == "memory":
            self.farm.program.stop()


class Federation:
    """
    A context manager. Whatever way its process ends, nothing of it runs on; its directory stays if ``keep``.

    A directory that was kept is taken up again, with as many clusters and nodes as before.
    """

    def __init__(
        self,
        base: Path,
        clusters: int = 2,
        nodes: int = 1,
        hypervisor: str = "qemu",
        durable: bool = True,
        *,
        kvm: bool = False,
        keep: bool = False,
        known_ports: bool = False,
        with_user: bool = True,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        cluster_settings: Mapping[str, Mapping[str, Any]] | None = None,
        steps: Steps | None = None,
    ) -> None:
        """
        :param base: its directory, made if need be; the account ``postgres`` should be able to enter it.
        :param nodes: of each cluster.
        :param hypervisor: as of ``Cloud``, but for "uml".
        :param known_ports: listen on 8000, 8001, 8011 and so on, where these are free.
        :param with_user: have a user registered and activated.
        :param settings: more for the cloud manager's file, by table; ``cluster_settings`` for the cluster managers'.
        """
        self.base = base.resolve()
        self.run_dir = self.base / "run"
        self.hypervisor = hypervisor
        self.kvm = kvm
        self.keep = keep
        self.steps = steps or Steps(quiet=True)
        self.lab: Lab | None = None
        self.user_id = 0
        self.with_user = with_user
        self.postgres = PrivatePostgres(self.base / "postgres", durable=durable)
        self._hosts = clusters * nodes
        self._settings = settings or {}
        self._port = PORT if known_ports else 0
        self.clusters = [
            Cluster(self, number, nodes, kvm=kvm, settings=cluster_settings,
                    rpc_port=CM_PORT + 10 * (number - 1) if known_ports else 0)
            for number in range(1, clusters + 1)
        ]  # fmt: skip
        self._lock = -1
        self._keeper: Keeper | None = None
        self._starting: list[Future[Any]] = []

    # ------------------------------------------------------------------ beginning and end

    def start(self) -> Federation:
        """
        Start everything, and make what is not there yet.

        :raises LabProblem: something is missing, or did not start; ``close`` ends what was started.
        """
        self._claim()
        with self.steps.step("starting PostgreSQL"):
            self.postgres.start()
            if not (self.base / CREDENTIALS).exists():
                self.postgres.drop_database(DATABASE)                    # of a run that could not clean up
            url = self.postgres.ensure_database(DATABASE)
        if self.hypervisor == "qemu":
            with self.steps.step(f"starting {self._hosts} libvirt hosts"):
                self._start_lab()
        self.clm = CloudManager(self.base, self.run_dir, url, self._port, self._settings)
        names = ", ".join(cluster.name for cluster in self.clusters)
        with self.steps.step(f"starting the cloud manager and the clusters {names}"):
            self._together([self._start_clm, *(cluster.start for cluster in self.clusters)])
        with self.steps.step("adding the clusters to the cloud"):
            self._together([partial(self.add_cluster, cluster) for cluster in self.clusters])
        if self.with_user:
            self.user_id = self.add_user(self.credentials.user)
        accounts = {"admin": self.credentials.admin, "user": self.credentials.user}
        write_credentials(self.base, self.clm.url, accounts)
        return self

    def _start_lab(self) -> None:
        self.lab = Lab(lab_directory(self.base), users=self.base)
        for number in range(1, self._hosts + 1):
            self.lab.host(number, self.kvm)
        self.lab.up(self._hosts)

    def _claim(self) -> None:
        for path in (self.base, self.run_dir):
            path.mkdir(mode=0o755, parents=True, exist_ok=True)
        self._lock = claim_directory(self.base)
        self._keeper = Keeper(self.base, locks=[self._lock], remove=not self.keep)
        self.credentials = keep_credentials(self.base)

    def _start_clm(self) -> None:
        self.clm.prepare(self.credentials.admin)
        self.clm.start()

    def _together(self, todo: Sequence[Callable[[], object]]) -> None:
        """Do all at once; the first failure ends the wait for the others."""
        pool = ThreadPoolExecutor(len(todo))
        try:
            self._starting = [pool.submit(each) for each in todo]
            done, _ = wait(self._starting, return_when="FIRST_EXCEPTION")
            for future in done:
                future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """End everything; may be repeated. The directory goes too, unless it is to be kept."""
        if self._lock < 0:
            return
        try:
            self._stop_programs()
            # Who is still starting something finds its program ended, and gives up; what it started meanwhile ends too.
            while wait(self._starting, timeout=0.5).not_done:
                self._stop_programs()
            self._stop_programs()
        finally:
            if self.lab is not None:
                self.lab.close()
            self.postgres.close()
            if not self.keep:
                shutil.rmtree(self.postgres.base, ignore_errors=True)    # it may lie elsewhere
            assert self._keeper is not None
            self._keeper.close()
            os.close(self._lock)
            self._lock = -1

    def _stop_programs(self) -> None:
        with ThreadPoolExecutor(len(self.clusters) + 1) as pool:
            stopped = [pool.submit(cluster.close) for cluster in self.clusters]
            if hasattr(self, "clm"):
                self.clm.hang_up()
                stopped.append(pool.submit(self.clm.stop))
        for each in stopped:
            each.result()

    def __enter__(self) -> Federation:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------ what a cloud's administrator does

    @cached_property
    def admin(self) -> RpcClient:
        return self.clm.client(self.credentials.admin)

    @cached_property
    def user(self) -> RpcClient:
        return self.clm.client(self.credentials.user)

    def cluster(self, name: str) -> Cluster:
        return next(cluster for cluster in self.clusters if cluster.name == name)

    def add_cluster(self, cluster: Cluster) -> None:
        """Make a cluster known; with its administrator's credentials the cloud manager gets itself trusted there."""
        with self._administrator() as admin:
            kept = by_name(admin.call("cloud.cluster.get_list"), cluster.name)
            if kept is None:
                account = cluster.credentials.admin
                told = {"name": cluster.name, "url": cluster.url, "login": account.login, "password": account.password}
                admin.call("cloud.cluster.add", told)
            elif kept["url"] != cluster.url:
                admin.call("cloud.cluster.edit", {"cluster_id": kept["cluster_id"], "url": cluster.url})

    def add_user(self, account: Account) -> int:
        """Have somebody registered, and activate the account; its id."""
        kept = self.find_user(account.login)
        if kept is None:
            with RpcClient(self.clm.url) as guest:
                told = {"login": account.login, "email": f"{account.login}@wawel.example"}
                guest.call("guest.user.register", {**told, "password": account.password})
            kept = self.find_user(account.login)
            if kept is None:
                raise LabProblem(f"{account.login} was registered, and is not there")
        user_id: int = kept["user_id"]
        if kept["state"] != "active":
            self.admin.call("cloud.user.activate", {"user_id": user_id})
        return user_id

    def find_user(self, login: str) -> dict[str, Any] | None:
        return by_name(self.admin.call("cloud.user.get_list", {"search": login}), login, "login")

    @contextmanager
    def _administrator(self) -> Iterator[RpcClient]:
        """A client for the calling thread."""
        with RpcClient(self.clm.url, token=self.clm.token(self.credentials.admin)) as client:
            yield client

    def daemons(self) -> list[Daemon]:
        """The managers."""
        return [self.clm.daemon, *(cluster.cm for cluster in self.clusters)]

    def check_leaks(self, live: Mapping[str, list[str]] | None = None) -> list[str]:
        """What is left of VMs in any cluster, but of those with the uuids ``live`` (by cluster's name)."""
        found = []
        for cluster in self.clusters:
            told = cluster.check_leaks((live or {}).get(cluster.name, []))
            found += [f"{cluster.name}: {each}" for each in told]
        return found
