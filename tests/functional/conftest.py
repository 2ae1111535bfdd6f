"""Clouds for the tests, on real hosts. Without root those tests are skipped, and say why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from lab import uml
from lab.cloud import Cloud
from lab.federation import Federation
from lab.hosts import Lab
from lab.processes import tail
from support.pieces import PIECE

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


# Clouds of a whole session: the modules that use one are one piece of work, in one process.
SHARED = ("shared_cloud", "uml_cloud")
# What takes long is begun early, so that processes which share the modules out end at nearly the same time.
LONG = ("test_vm_life", "test_kill", "test_networks", "test_demo", "test_soak", "test_public", "test_libvirt_driver",
        "test_federation")  # fmt: skip


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """By pieces, those with the clouds of a session first, then what takes long."""
    ours = [item for item in items if Path(__file__).parent in item.path.parents]
    shared = {
        item.path.stem: name for item in ours for name in SHARED if name in getattr(item, "fixturenames", ())
    }  # by module
    for item in ours:
        item.stash[PIECE] = shared.get(item.path.stem, item.path.stem)
    order = {name: place for place, name in enumerate((*SHARED, *LONG))}
    ours.sort(key=lambda item: order.get(item.stash[PIECE], len(order)))
    places = [place for place, item in enumerate(items) if PIECE in item.stash]
    for place, item in zip(places, ours, strict=True):
        items[place] = item


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
