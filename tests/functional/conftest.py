"""Clouds for the tests, on real hosts. Without root those tests are skipped, and say why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from lab import uml
from lab.cloud import Cloud
from lab.federation import Federation
from lab.hosts import Lab
from lab.processes import tail

StartCloud = Callable[..., Cloud]
StartFederation = Callable[..., Federation]


def _starter(factory: pytest.TempPathFactory, stack: ExitStack, kind: Any) -> Callable[..., Any]:
    def start(**options: Any) -> Any:
        hypervisor = options.get("hypervisor", "qemu")
        lacking = Lab.missing() if hypervisor in ("qemu", "uml") else []
        if lacking := lacking or (uml.missing() if hypervisor == "uml" else []):
            pytest.skip("; ".join(lacking))
        return stack.enter_context(kind(factory.mktemp("cloud"), **options))

    return start


@pytest.fixture(scope="session", autouse=True)
def libvirt() -> Any:
    """Without its binding nothing here can be tried, and every test says so."""
    return pytest.importorskip("libvirt")


@pytest.fixture(scope="module")
def start_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartCloud]:
    """Starts a cloud with the options of ``Cloud``; it ends with the module."""
    with ExitStack() as stack:
        yield _starter(tmp_path_factory, stack, Cloud)


@pytest.fixture(scope="module")
def start_federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartFederation]:
    """Starts a cloud manager and clusters, with the options of ``Federation``; they end with the module."""
    with ExitStack() as stack:
        yield _starter(tmp_path_factory, stack, Federation)


@pytest.fixture(scope="session")
def shared_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Two real hosts, for tests that leave of it running what they found so."""
    with ExitStack() as stack:
        yield _starter(tmp_path_factory, stack, Cloud)(durable=False, settings={"cluster": {"shutdown_s": 15.0}})


@pytest.fixture(scope="session")
def uml_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Two hosts with a kernel of their own, which has an NFS client and LVM; their storage is an NFS export."""
    with ExitStack() as stack:
        yield _starter(tmp_path_factory, stack, Cloud)(hypervisor="uml", durable=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """A failure shows what the programs of its cloud said last."""
    report = yield
    if report.failed:
        for cloud in getattr(item, "funcargs", {}).values():
            if isinstance(cloud, Cloud | Federation):
                for log in sorted(cloud.run_dir.glob("*.log")):
                    report.sections.append((log.name, tail(log, 60)))
    return report
