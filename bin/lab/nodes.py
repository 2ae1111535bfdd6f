"""The nodes of a ``cloud.Cloud``: a real host with its agent, or libvirt's test driver in a daemon of its own."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

from lab.daemon import Daemon, module_argv, program_environment, spawn_with_lab
from lab.host import Host
from lab.places import LabProblem
from lab.processes import wait_until
from lab.sessions import TestDriverHost

MARK = "https://wawel.example/xmlns/domain/1"                            # stands in the XML of each domain of ours


class Node(Protocol):
    """What a cloud asks of either kind. ``node_id`` is the cluster manager's, 0 before it knows the node."""

    name: str
    node_id: int

    @property
    def uri(self) -> str: ...

    @property
    def address(self) -> str: ...

    def open(self) -> Any:
        """A new libvirt connection; the caller closes it."""

    def leftovers(self, live: Collection[str]) -> list[str]:
        """What is there of VMs other than those with the uuids ``live``: domains, processes, taps, spooled records."""


def our_domains(connection: Any) -> list[Any]:
    """Domains that carry our mark; the test driver has one of its own."""
    return [domain for domain in connection.listAllDomains() if MARK in domain.XMLDesc()]


def domain_leftovers(node: Node, live: Collection[str]) -> list[str]:
    connection = node.open()
    try:
        found = [(domain.name(), domain.UUIDString()) for domain in our_domains(connection)]
    finally:
        connection.close()
    return [f"{node.name}: domain {name}" for name, uuid in found if uuid not in live]


class RealNode:
    """A host made of namespaces, with its own libvirtd, hook and agent."""

    def __init__(self, host: Host, directory: Path) -> None:
        self.host = host
        self.name = host.name
        self.node_id = 0
        argv = module_argv("node_hooks", "run", "--state-dir", str(host.state_dir))
        self.agent = Daemon(f"agent-{host.name}", argv, directory, host.popen)

    @property
    def uri(self) -> str:
        return self.host.uri

    @property
    def address(self) -> str:
        return self.host.address

    @property
    def console_dir(self) -> Path:
        """What is ``/var/log/libvirt/wawel`` to the host."""
        return self.host.log_dir / "wawel"

    def open(self) -> Any:
        return self.host.open()

    def enrol(self, endpoint: str, token: str) -> None:
        """Spend a token for this host's credential, install the hook, start the agent."""
        host = self.host
        host.run(
            module_argv(
                "node_hooks", "enrol", "--endpoint", endpoint, "--token-file", "-",
                "--state-dir", str(host.state_dir), "--spool", str(host.spool_dir),
                "--hooks-dir", "/etc/libvirt/hooks", "--boot-id-file", str(host.boot_id_file),
            ),
            input=token + "\n", env=program_environment(),
        )  # fmt: skip
        host.reload_libvirtd()                                           # it looked for hooks when it started
        self.agent.start()

    def spooled(self) -> list[Path]:
        """The records that wait, in order."""
        return sorted(self.host.spool_dir.glob("[0-9]*.json"))

    def leftovers(self, live: Collection[str]) -> list[str]:
        deadline = time.monotonic() + 10
        while self.spooled() and self.agent.running and time.monotonic() < deadline:
            time.sleep(0.05)                                             # the last release is on its way
        found = domain_leftovers(self, live)
        found += [f"{self.name}: record {path.name} is not delivered" for path in self.spooled()]
        logs = self.console_dir.glob("vm-*") if self.console_dir.exists() else ()
        found += [f"{self.name}: log {path.name}" for path in logs if not any(uuid in path.name for uuid in live)]
        emulators = [name for name in self.host.commands() if name.startswith("qemu-system")]
        if len(emulators) > len(live):
            found.append(f"{self.name}: {len(emulators)} QEMU processes")
        if not live:
            links = self.host.run(["ip", "-o", "link"]).stdout.splitlines()
            taps = [line.split(":")[1].strip() for line in links]
            found += [f"{self.name}: tap {tap}" for tap in taps if tap.startswith("wv")]
        return found

    def restart_libvirtd(self) -> None:
        """Kill libvirtd and start it again; guests stay."""
        self.host.kill_libvirtd()
        self.host.start_libvirtd()


class TestNode:
    """A daemon with libvirt's test driver: no rights needed, no guests, no hooks, hence no agent."""

    __test__ = False                                                     # not a class of tests

    def __init__(self, host: TestDriverHost) -> None:
        self.host = host
        self.name = host.name
        self.node_id = 0
        # The test driver forgets its domains and pools when nobody is connected, as while a cluster manager restarts.
        self._held = host.open()

    @property
    def uri(self) -> str:
        return self.host.uri

    @property
    def address(self) -> str:
        return "127.0.0.1"

    def open(self) -> Any:
        return self.host.open()

    def restore(self, pool: str, volumes: Mapping[str, int]) -> None:
        """Make volumes (name: bytes) that a kept cloud knows; this node forgot them when it was last ended."""
        connection = self.open()
        try:
            found = connection.storagePoolLookupByName(pool)
            for name in volumes.keys() - set(found.listVolumes()):
                found.createXML(f"<volume><name>{name}</name><capacity>{volumes[name]}</capacity></volume>")
        finally:
            connection.close()

    def leftovers(self, live: Collection[str]) -> list[str]:
        return domain_leftovers(self, live)


class FarmHosts:
    """Nodes of the memory provider, all in one process: hundreds of hosts, without rights or libvirt."""

    def __init__(self, directory: Path) -> None:
        self.socket = directory / "farm.socket"
        self.program = Daemon("farm", module_argv("lab.farm", str(self.socket)), directory, spawn_with_lab)

    def start(self) -> None:
        self.program.start()

        def serves() -> bool:
            self.program.check()
            return self.socket.exists()

        wait_until(serves, "the farm of memory nodes", pause=0.02)

    def node(self, name: str) -> FarmHost:
        return FarmHost(name, self)

    def ask(self, world: str, method: str, *arguments: Any) -> Any:
        """Call a world's provider, or with world "" the farm itself; errors as of ``FarmLink.call``."""
        from lab.farm_node import FarmLink

        return FarmLink(str(self.socket)).call(world, method, *arguments)


class FarmHost:
    """One of them: no hooks, hence no agent."""

    def __init__(self, name: str, farm: FarmHosts) -> None:
        self.name = name
        self.node_id = 0
        self._farm = farm

    @property
    def uri(self) -> str:
        return f"memory:///{self.name}"

    @property
    def address(self) -> str:
        return "127.0.0.1"

    def open(self) -> Any:
        raise LabProblem("nodes in memory have no libvirt")

    def leftovers(self, live: Collection[str]) -> list[str]:
        found = self._farm.ask(self.name, "domains")
        return [f"{self.name}: domain {each.name}" for each in found if each.uuid not in live]
