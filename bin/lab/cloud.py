"""
``Cloud``: a cloud of one cluster, for the demo, the functional tests and the benchmarks: PostgreSQL, hosts, a cluster
manager with contextualization, node agents, a storage, a network, templates, an image and a user. ``federation.py``
puts several of them below a cloud manager.

It knows the product as an operator does, by its programs and its calls alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from cm.rpc.errors import Unavailable
from lab import forgotten, furnish, image
from lab.asking import DATABASE, Asking
from lab.config import free_port, write_config
from lab.credentials import FILE as CREDENTIALS
from lab.credentials import keep_credentials, write_credentials
from lab.daemon import Daemon, module_argv, run_program, spawn_with_lab
from lab.hosts import Lab, lab_directory
from lab.keeper import Keeper
from lab.nfs import NfsServer
from lab.nodes import FarmHosts, Node, RealNode, TestNode
from lab.places import LabProblem, get_program, state_dir
from lab.postgres import PrivatePostgres
from lab.processes import claim_directory, wait_until
from lab.sessions import TestDriverHost
from lab.steps import Steps

__all__ = ["CONTEXTUALIZATION_PORT", "DATABASE", "GREETING", "Cloud"]

CONTEXTUALIZATION_PORT = 8002
GREETING = "Welcome to"                                                  # what the tiny guest says on its console


class Cloud(Asking):
    """
    A context manager. Whatever way its process ends, nothing of it runs on; its directory stays if ``keep``.

    A directory that was kept is taken up again: database, images, and VMs, which are then stopped.
    """

    name = "demo"
    suffix = ""                                                          # of its programs' names
    guest_network = "10.128.0.0/24"
    local_user = True                                                    # an account in the cluster manager itself
    listen_port = CONTEXTUALIZATION_PORT                                 # on the network of the hosts

    def __init__(
        self,
        base: Path,
        nodes: int = 2,
        hypervisor: str = "qemu",
        durable: bool = True,
        *,
        kvm: bool = False,
        keep: bool = False,
        separate_contextualization: bool = False,
        rpc_port: int = 0,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        steps: Steps | None = None,
    ) -> None:
        """
        :param base: its directory, made if need be; the account ``postgres`` should be able to enter it.
        :param hypervisor: "qemu" (needs root), "uml", the same on hosts with a kernel of their own, with an NFS export
            for its storage, "test", libvirt's test driver, or "memory", the provider without libvirt in a process of
            its own.
        :param durable: False leaves out PostgreSQL's fsync.
        :param separate_contextualization: run the endpoint as a program of its own, so that it can be stopped alone.
        :param rpc_port: 0: any free one; one that is taken is replaced too.
        :param settings: more for the cluster manager's file, by table.
        """
        if hypervisor not in ("qemu", "uml", "test", "memory"):
            raise LabProblem(f"there is no hypervisor '{hypervisor}'; qemu, uml, test and memory are possible")
        if hypervisor == "uml" and keep:
            raise LabProblem("a cloud on User Mode Linux cannot be kept")
        self.base = base.resolve()
        self.hypervisor = hypervisor
        self.kvm = kvm
        self.nodes = []
        self.storage_dir = self.base / "storage"
        self.import_dir = self.base / "import"
        self.run_dir = self.base / "run"
        self.config = self.base / "cm.toml"
        self.image_id = self.storage_id = self.user_id = 0
        self.template_ids = {}
        self.steps = steps or Steps(quiet=True)
        self.contextualization: Daemon | None = None
        self.nfs: NfsServer | None = None
        self._lab: Lab | None = None
        self._test_hosts: list[TestDriverHost] = []
        self._count = nodes
        self.keep = keep
        self._separate = separate_contextualization
        self._settings = settings or {}
        self._wanted_port = rpc_port
        self._port = 0
        self._durable = durable
        self._lock = -1
        self._keeper: Keeper | None = None
        self._clients = []

    # ------------------------------------------------------------------ beginning and end

    def start(self) -> Cloud:
        """
        Start everything, and make what is not there yet.

        :raises LabProblem: something is missing, or did not start; ``close`` ends what was started.
        """
        self._claim()
        with self.steps.step("starting PostgreSQL"):
            self.postgres.start()
            self._ensure_database()
        kind = f"libvirt host{'s' if self._count > 1 else ''}"
        with self.steps.step(f"starting {self._count} {kind}, hypervisor {self.hypervisor}"):
            self._start_hosts()
        self._start_manager()
        write_credentials(self.base, self.url, {"admin": self.credentials.admin, "user": self.credentials.user})
        return self

    def _ensure_database(self) -> None:
        if not (self.base / CREDENTIALS).exists():
            self.postgres.drop_database(self.database)                   # of a run that could not clean up
        self.postgres.ensure_database(self.database)

    def _start_manager(self) -> None:
        """What needs the database and the hosts."""
        with self.steps.step("preparing the database"):
            self._configure()
            self._run_cm("migrate")
            self._run_cm("add-admin", "--login", self.credentials.admin.login, "--password-file", "-",
                         standard_input=self.credentials.admin.password + "\n")
        with self.steps.step("starting the cluster manager"):
            self.start_cm()
        if self.contextualization is not None:
            self.start_endpoint()
        furnish.furnish(self)

    def _claim(self) -> None:
        for path in (self.base, self.storage_dir, self.run_dir):
            path.mkdir(mode=0o755, parents=True, exist_ok=True)
        self._lock = claim_directory(self.base)
        self._keeper = Keeper(self.base, locks=[self._lock], remove=not self.keep)
        self.credentials = keep_credentials(self.base)

    @cached_property
    def postgres(self) -> PrivatePostgres:
        return PrivatePostgres(self.base / "postgres", durable=self._durable)

    @cached_property
    def cm(self) -> Daemon:
        return self.manager("wawel-cm" + self.suffix, self.config)

    def manager(self, name: str, config: Path) -> Daemon:
        """A process of the cluster manager, not started."""
        if self.hypervisor == "memory":
            argv = module_argv("lab.farm_node", str(self.farm.socket), str(config))
            return Daemon(name, argv, self.run_dir, spawn_with_lab)
        return Daemon(name, module_argv("cm.daemon.main", "run", "--config", str(config)), self.run_dir)

    @cached_property
    def farm(self) -> FarmHosts:
        """The nodes of a cloud of memory nodes."""
        return FarmHosts(self.run_dir)

    def _start_hosts(self) -> None:
        if self.hypervisor == "memory":
            self.farm.start()
            self.nodes += [self.farm.node(f"node{number}") for number in range(1, self._count + 1)]
            return
        if self.hypervisor == "test":
            for number in range(1, self._count + 1):
                host = TestDriverHost(f"node{number}", kept_in=self.base if self.keep else None)
                self._test_hosts.append(host)
                host.start()
                self.nodes.append(TestNode(host))
            return
        self._lab = Lab(lab_directory(self.base), users=self.base)
        if self.hypervisor == "uml":
            self.nfs = NfsServer(self._lab.host(self._count + 1).boot(), self.storage_dir).start()
            for number in range(1, self._count + 1):
                self._lab.uml(number)
        for number in range(1, self._count + 1):
            self._lab.host(number, self.kvm)
        self.nodes += [RealNode(host, self.run_dir) for host in self._lab.up(self._count)]

    def _configure(self) -> None:
        self.import_dir.mkdir(parents=True, exist_ok=True)
        port = self._port = free_port(self._wanted_port)
        self.url = f"http://127.0.0.1:{port}"
        gateway = self._lab.gateway if self._lab is not None else "127.0.0.1"
        listens = self.listen_port if self._lab is not None else free_port()
        self.endpoint = f"http://{gateway}:{listens}"
        told = write_config(
            self.base, self.name, self.postgres.url(self.database), rpc=f"127.0.0.1:{port}",
            contextualization=f"{gateway}:{listens}", images=[state_dir() / "images", self.import_dir],
            separate=self._separate, more=self._settings,
        )  # fmt: skip
        if told is not None:
            argv = module_argv("contextualization.daemon.main", "run", "--config", str(told))
            self.contextualization = Daemon("wawel-contextualization" + self.suffix, argv, self.run_dir)

    def _run_cm(self, *arguments: str, standard_input: str = "") -> None:
        run_program("wawel-cm", "cm.daemon.main", *arguments, config=self.config, standard_input=standard_input)

    def close(self) -> None:
        """End everything; may be repeated. The directory goes too, unless it is to be kept."""
        if self._lock < 0:
            self._hang_up()
            return
        try:
            self.rest()
            self._hang_up()
            self.stop_programs()
        finally:
            for host in self._test_hosts:
                host.close()
            if self.hypervisor == "memory":
                self.farm.program.stop()
            if self._lab is not None:
                self._lab.close()
            self.postgres.close()
            if not self.keep:
                shutil.rmtree(self.postgres.base, ignore_errors=True)    # it may lie elsewhere
            assert self._keeper is not None
            self._keeper.close()
            os.close(self._lock)
            self._lock = -1

    def rest(self) -> None:
        """Before its end, if it is kept: what nodes of the test driver forget is stopped first."""
        if self.keep and self.hypervisor == "test":
            forgotten.stop_vms(self)

    def _hang_up(self) -> None:
        for client in self._clients:
            client.close()
        self._clients.clear()

    def stop_programs(self) -> None:
        """End the managers and the agents; hosts and database go on."""
        for node in self.nodes:
            if isinstance(node, RealNode) and node.host.running:
                node.agent.stop(patience=5)
        self.cm.stop()
        if self.contextualization is not None:
            self.contextualization.stop()

    def __enter__(self) -> Cloud:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------ its parts, to be stopped and killed

    def start_cm(self) -> None:
        """Start the cluster manager, and wait until it answers; a running one stays."""
        self.cm.start()
        self.wait_for_cm()

    def wait_for_cm(self, deadline: float = 60.0) -> None:
        client = self.client(None, timeout_s=5)

        def answers() -> bool:
            self.cm.check()
            if not self.cm.listens_on(self._port):                       # somebody else may answer there
                return False
            try:
                client.call("guest.cluster.get_info")
            except Unavailable:
                return False
            return True

        wait_until(answers, "the cluster manager's first answer", deadline, pause=0.05)

    def stop_cm(self) -> None:
        self.cm.stop()

    def kill_cm(self) -> None:
        self.cm.kill()

    def pause_cm(self) -> None:
        """Let the cluster manager hang; ``resume_cm`` ends that."""
        self.cm.pause()

    def resume_cm(self) -> None:
        self.cm.resume()

    def start_endpoint(self) -> None:
        """Start the endpoint that runs as a program of its own, and wait until it listens."""
        endpoint = self._own_endpoint()
        endpoint.start()

        def listens() -> bool:
            endpoint.check()
            return furnish.listens(self.endpoint)

        wait_until(listens, "the contextualization endpoint", pause=0.05)

    def stop_endpoint(self) -> None:
        self._own_endpoint().stop()

    def _own_endpoint(self) -> Daemon:
        if self.contextualization is None:
            raise LabProblem("the endpoint runs within the cluster manager; ask for separate_contextualization")
        return self.contextualization

    def start_agent(self, number: int) -> None:
        """Start the agent of a real node; ``number`` counts from 1."""
        self.real_node(number).agent.start()

    def kill_agent(self, number: int) -> None:
        self.real_node(number).agent.kill()

    def real_node(self, number: int) -> RealNode:
        node = self.nodes[number - 1]
        if not isinstance(node, RealNode):
            raise LabProblem("nodes of the test driver have no agent")
        return node

    def node_of(self, vm: Mapping[str, Any]) -> Node:
        """Where a VM is placed, by what ``get_by_id`` says of it."""
        return next(node for node in self.nodes if node.address == vm["node"])

    def import_blank(self, name: str = "blank", size_mib: int = 8) -> int:
        """Import an empty disk: guests that stay in their firmware, where nobody needs a boot. Its image's id."""
        path = self.import_dir / f"{name}.qcow2"
        if not path.exists():
            subprocess.run([get_program("qemu-img"), "create", "-q", "-f", "qcow2", str(path), f"{size_mib}M"],
                           check=True, timeout=60)
        return furnish.import_image(self, name, "An empty disk", path)

    def image_file(self) -> tuple[Path, str]:
        """The image every cloud begins with, and what it is."""
        if self.hypervisor in ("qemu", "uml"):
            return image.build().disk, "Linux and busybox, 13 MB; says on its console how far it is"
        path = self.import_dir / "tiny.qcow2"
        if not path.exists():
            subprocess.run([get_program("qemu-img"), "create", "-q", "-f", "qcow2", str(path), "16M"], check=True,
                           timeout=60)
        return path, "An empty disk; nothing boots here"
