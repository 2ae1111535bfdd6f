"""The clouds that benchmarks run on: those of the lab, with what a benchmark needs beyond the demo's furniture."""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import forgotten
from lab.cloud import Cloud
from lab.federation import Federation
from lab.steps import Steps

# As much room as any benchmark asks for: what is measured is the work, not the refusal.
ROOMY: dict[str, dict[str, Any]] = {
    "cluster": {"cpu_overcommit": 1000.0, "memory_overcommit": 1000.0, "storage_overcommit": 1000.0, "vnc_ports": 5000},
}
BUSY: dict[str, Any] = {**ROOMY, "limits": {"changes_burst": 100_000}}  # for one account that makes all changes
NETWORK_ADDRESSES = 4093  # in each of a cloud's large networks


@dataclass(frozen=True)
class Settings:
    """
    :ivar quick: fewer rounds and fewer VMs, to see that everything works; its figures are no figures.
    """

    quick: bool = False
    steps: Steps = Steps(quiet=True)

    @property
    def vms(self) -> int:
        return 1000 if self.quick else 10_000


@contextmanager
def roomy_cloud(
    settings: Settings, nodes: int, hypervisor: str = "test", vms: int = 12_000, ports: int = 5000
) -> Iterator[Cloud]:
    """
    A running cloud whose user, nodes, storage and network have room. PostgreSQL writes durably.

    The directory is a new one below the temporary directory, and goes with it.

    :param vms: for how many; ``ports``: how many of them a node can show the screens of.
    """
    with tempfile.TemporaryDirectory(prefix="wawel-bench-") as directory:
        os.chmod(directory, 0o755)
        roomy = {**BUSY, "cluster": {**BUSY["cluster"], "vnc_ports": ports}}
        cloud = Cloud(Path(directory) / "cloud", nodes, hypervisor, steps=settings.steps, settings=roomy)
        with cloud:
            # Each test driver has a storage of its own where real nodes would share one directory.
            forgotten.restore_volumes(cloud)
            cloud.sql(
                "UPDATE account SET quota_cpu = 1000000, quota_memory_mib = 1000000000, quota_storage_mib = 1000000000,"
                " quota_vms = 1000000 WHERE login = 'demo'"
            )
            with settings.steps.step("adding large networks"):
                add_networks(cloud.admin, vms)
            yield cloud


def add_networks(admin: Any, vms: int) -> None:
    """Networks of everybody's with room for so many VMs; the lab's own has some 250 addresses."""
    for number in range(-(-vms // NETWORK_ADDRESSES)):
        admin.call("admin.network.add", {"name": f"large{number}", "network": f"10.192.{16 * number}.0/20"})


@contextmanager
def federation(
    settings: Settings, clusters: int, more: Mapping[str, Mapping[str, Any]] | None = None, vms: int = 0
) -> Iterator[Federation]:
    """
    A cloud manager over clusters of one node of libvirt's test driver each, with room; PostgreSQL writes durably.

    :param more: of the cloud manager's settings, by table.
    :param vms: for how many each cluster has addresses beyond the lab's own.
    """
    with tempfile.TemporaryDirectory(prefix="wawel-bench-") as directory:
        os.chmod(directory, 0o755)
        whole = Federation(
            Path(directory) / "cloud", clusters, 1, "test", steps=settings.steps, settings=more,
            cluster_settings={**ROOMY, "quota": {"cpu": 100_000, "memory_mib": 10**9, "vms": 100_000}},
        )  # fmt: skip
        with whole:
            for cluster in whole.clusters:
                add_networks(cluster.admin, vms)
            yield whole


def user_headers(cloud: Cloud, login: str = "") -> dict[str, str]:
    """Headers with the user's password, as ``curl -u`` sends them; ``login``: of somebody else with the same."""
    user = cloud.credentials.user
    return {"Authorization": "Basic " + base64.b64encode(f"{login or user.login}:{user.password}".encode()).decode()}


def rss_mib(pid: int) -> float:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)


def cpu_s(pid: int, children: bool = False) -> float:
    """Seconds of CPU that a process has used; with those of children that have ended."""
    try:
        parts = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except FileNotFoundError:
        return 0.0
    return sum(map(int, parts[11 : 15 if children else 13])) / os.sysconf("SC_CLK_TCK")
