"""
Measuring: bytes of a sample on disk, one call for 500 domains of libvirt's test driver, and the loop over 500 nodes
with 20,000 VMs in memory, at 30 s: what share of a core it takes, nodes included, and of PostgreSQL.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from sqlalchemy import create_engine, text

from benchmarks.clusters import Settings
from benchmarks.report import Figure, Target, median, spread
from cm.daemon.migrate import migrate
from cm.drivers.memory.domain import Domain
from cm.drivers.memory.figures import Load
from cm.drivers.memory.node import MemoryNode
from cm.drivers.open import open_node
from cm.interfaces.hypervisor import DiskSpec, DomainSpec, NicSpec
from cm.interfaces.source import FileSource
from cm.rpc.vocabulary import DiskFormat
from cm.rules.series import HOUR, LEVELS, WEEK, begin_of
from cm.runtime.database import Database
from cm.runtime.threads import InlineThreads, IThreads
from cm.store.sample import Kind, NewSample, begin_progress, make_blocks, number_layouts, write_samples
from lab.postgres import PrivatePostgres
from lab.processes import children_of

DOMAINS = 500
NODES, VMS = 500, 20_000
INTERVAL_S = 30
NAMES = (
    "cpu", "vcpu/0", "memory", "memory_rss", "memory_available", "read_bytes/vda", "write_bytes/vda",
    "read_requests/vda", "write_requests/vda", "rx_bytes/0", "tx_bytes/0", "rx_packets/0", "tx_packets/0",
)  # fmt: skip


def measure(settings: Settings) -> Iterator[Figure]:
    yield from _test_driver(settings)
    with tempfile.TemporaryDirectory(prefix="wawel-bench-") as directory:
        os.chmod(directory, 0o755)
        with _server(Path(directory)) as server:
            yield from _on_disk(settings, server)
            yield from _rounds(settings, server, Path(directory))


@contextmanager
def _server(directory: Path) -> Iterator[PrivatePostgres]:
    server = PrivatePostgres(directory / "postgres")
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _migrated(server: PrivatePostgres, name: str) -> str:
    server.create_database(name)
    url = server.url(name)
    engine = create_engine(url)
    migrate(engine)
    engine.dispose()
    return url


# ---------------------------------------------------------------------- one call


def _test_driver(settings: Settings) -> Iterator[Figure]:
    many = DOMAINS // (10 if settings.quick else 1)
    node = open_node("test:///default", name="bench")
    made = [_spec(number, "") for number in range(many)]
    try:
        for spec in made:
            node.hypervisor.define(spec)
            node.hypervisor.start(spec.uuid)
        taken = []
        for _ in range(5 if settings.quick else 20):
            began = time.perf_counter()
            found = node.hypervisor.measure()
            taken.append(time.perf_counter() - began)
            assert len(found.domains) >= many
    finally:
        for spec in made:
            node.hypervisor.destroy(spec.uuid)
            node.hypervisor.undefine(spec.uuid)
        node.close()
    yield Figure("monitoring", f"a call that measures {many} domains, test driver", median(taken), "s",
                 Target(2, "at most", unit="s"), note=spread(taken, "s"))  # fmt: skip


def _spec(number: int, disk: str) -> DomainSpec:
    disks = (DiskSpec(FileSource(disk), DiskFormat.QCOW2, "vda"),) if disk else ()
    mac = f"02:57:c0:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
    nics = (NicSpec("default", mac, f"wv{number:08x}"),)
    return DomainSpec(f"bench-{number}", str(uuid.uuid4()), "", 1, 32, disks, nics if disk else (), None, None)


# ---------------------------------------------------------------------- on disk


def _on_disk(settings: Settings, server: PrivatePostgres) -> Iterator[Figure]:
    """A day of some VMs whose figures differ each time, as the table lies on disk with its index."""
    database = Database(_migrated(server, "samples"), cast(IThreads, InlineThreads()))
    vms, hours = (4, 6) if settings.quick else (20, 24)
    start, draw = begin_of(1_800_000_000, 4 * WEEK), random.Random(1)
    try:
        database.transact_now(begin_progress, start)
        numbers = database.transact_now(number_layouts, {NAMES})
        for at in range(start, start + hours * HOUR, 600):
            samples = [
                NewSample(Kind.VM, vm, moment, NAMES, tuple(draw.gauss(1e5, 2e4) for _ in NAMES))
                for moment in range(at, at + 600, 10) for vm in range(1, vms + 1)
            ]  # fmt: skip
            database.transact_now(write_samples, samples, numbers)
        began = time.perf_counter()
        while any([database.transact_now(make_blocks, level, start + hours * HOUR + 120.0) for level in LEVELS[:1]]):
            pass
        packing = time.perf_counter() - began
        with database.engine.begin() as connection:
            size = connection.execute(text("SELECT pg_total_relation_size('sample_block')")).scalar_one()
    finally:
        database.close()
    count = vms * hours * 360 * len(NAMES)
    yield Figure("monitoring", "a sample on disk, with rows and index", size / count, "B",
                 Target(6, "at most", unit="B"), note=f"{count:,} samples that differ each time")  # fmt: skip
    yield Figure("monitoring", "making an hour's block of a VM", packing / (vms * hours) * 1000, "ms",
                 note="13 series of 360 samples, read, packed and written")  # fmt: skip


# ---------------------------------------------------------------------- rounds


def _rounds(settings: Settings, server: PrivatePostgres, directory: Path) -> Iterator[Figure]:
    part = 10 if settings.quick else 1
    nodes, vms = NODES // part, VMS // part
    url = _migrated(server, "rounds")
    _fill(url, nodes, vms)
    from twisted.internet import reactor as installed
    from twisted.internet.defer import Deferred

    from cm.daemon.app import ClusterManager
    from cm.daemon.settings import ClusterSettings, DatabaseSettings, ListenSettings, MonitoringSettings
    from cm.daemon.settings import Settings as ManagerSettings

    reactor: Any = installed
    told = ManagerSettings(
        database=DatabaseSettings(url=url),
        listen=ListenSettings(rpc="", contextualization=""),
        cluster=ClusterSettings(state_dir=directory / "cm", workers=False),
        monitoring=MonitoringSettings(every_s=INTERVAL_S),
    )
    manager = ClusterManager(reactor, told, lambda uri, name: open_node(uri, name=name))
    taken: list[tuple[float, float, float]] = []
    warm_s, lasts_s = (5, 20) if settings.quick else (2 * INTERVAL_S + 5, 4 * INTERVAL_S)

    def note() -> None:
        pid = server.pid
        assert pid is not None
        taken.append((time.perf_counter(), time.process_time(), _database_cpu_s(pid)))

    async def run() -> None:
        await manager.start()
        manager.measuring.start()
        for seconds in (warm_s, lasts_s):
            pause: Deferred[None] = Deferred()
            reactor.callLater(seconds, pause.callback, None)
            await pause
            note()
        await manager.measuring.stop()
        await manager.stop()

    def broke(failure: Any) -> None:
        failure.printTraceback()
        taken.clear()

    running = Deferred.fromCoroutine(run()).addErrback(broke)
    running.addBoth(lambda _: reactor.stop())
    reactor.run()
    if len(taken) != 2:
        raise RuntimeError("the rounds could not be run")
    (at, cpu, database), (later, more_cpu, more_database) = taken
    share, beside = (more_cpu - cpu) / (later - at) * 100, (more_database - database) / (later - at) * 100
    engine = create_engine(url)
    with engine.connect() as connection:
        written = connection.execute(text("SELECT count(*) FROM sample_recent")).scalar_one()
    engine.dispose()
    yield Figure(
        "monitoring", f"{nodes} nodes with {vms:,} VMs at {INTERVAL_S} s: share of a core", share, "%",
        Target(50, "at most", unit="%"), note=f"nodes in memory included; PostgreSQL {beside:.2g} %; {written:,} rows",
    )  # fmt: skip


def _fill(url: str, nodes: int, vms: int) -> None:
    """Rows of nodes and running VMs, and nodes in this process's memory with their domains."""
    engine = create_engine(url)
    world = uuid.uuid4().hex[:8]
    with engine.begin() as connection:
        run = connection.execute
        run(text("INSERT INTO account (login, is_admin, quota_cpu, quota_memory_mib, quota_storage_mib, quota_vms)"
                 " VALUES ('a', false, 1, 1, 1, 1)"))  # fmt: skip
        run(text("INSERT INTO template (name, cpu, memory_mib) VALUES ('t', 1, 32)"))
        run(text("INSERT INTO image (account_id, kind, name, state, access, deleted_at)"
                 " VALUES (1, 'system', 'i', 'deleted', 'public', now())"))  # fmt: skip
        run(
            text(
                "INSERT INTO node (name, address, uri, cpu_total, memory_mib_total, cpu_overcommit, memory_overcommit,"
                " state) SELECT 'n' || g, '192.0.2.1', 'memory:///' || :world || '-' || g, 16, 16384, 4, 1, 'ok'"
                " FROM generate_series(1, :nodes) g"
            ),
            {"world": world, "nodes": nodes},
        )
        run(
            text(
                "INSERT INTO vm (name, account_id, image_id, template_id, reservation_id, cpu, memory_mib, secret,"
                " node_id, seen) SELECT 'v', 1, 1, 1, gen_random_uuid(), 1, 32, '', 1 + g % :nodes, 'running'"
                " FROM generate_series(1, :vms) g"
            ),
            {"nodes": nodes, "vms": vms},
        )
        rows = run(text("SELECT id, uuid::text, node_id FROM vm")).all()
    engine.dispose()
    draw = random.Random(1)
    for number, found, node_id in rows:
        here = MemoryNode.named(f"{world}-{node_id}").world
        spec = replace(_spec(number, "/nowhere/a.qcow2"), uuid=found)
        here.domains[found] = Domain(spec, running=spec)
        here.loads[found] = Load(draw.random(), *(draw.randrange(10**6) for _ in range(4)))


def _database_cpu_s(server: int) -> float:
    """Seconds of CPU of a PostgreSQL, with processes of it that have ended."""
    total = 0.0
    for pid in (server, *children_of(server)):
        try:
            parts = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except FileNotFoundError:
            continue
        total += sum(map(int, parts[11 : 15 if pid == server else 13])) / os.sysconf("SC_CLK_TCK")
    return total
