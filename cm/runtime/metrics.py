"""What a program counts, for Prometheus: on a registry of its own, so that several may live in one process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
VERSION: Final = version("wawel")
STORAGE_GAUGES: Final = {
    "capacity": "in all", "claimed": "promised", "allocated": "of ours on it", "available": "left",
}  # fmt: skip
OPERATION_SECONDS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)


class _Registry:
    """What every program counts: itself."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        build = Gauge("wawel_build_info", "1; its label: the program's version.", ["version"], registry=self.registry)
        build.labels(VERSION).set(1)

    def exposition(self) -> bytes:
        """The text that Prometheus reads."""
        text: bytes = generate_latest(self.registry)
        return text


class EndpointMetrics(_Registry):
    """Of the endpoint that nodes and guests call."""

    def __init__(self) -> None:
        super().__init__()
        self._exchanges = Counter(
            "wawel_exchanges",
            "What nodes and guests asked, by path (all of guests' as /guest) and HTTP status.",
            ["path", "status"],
            registry=self.registry,
        )
        self._latency = Histogram(
            "wawel_exchange_seconds", "Time until it was answered; polls wait on purpose.", ["path"], buckets=SECONDS,
            registry=self.registry,
        )  # fmt: skip

    def exchange(self, path: str, status: int, seconds: float) -> None:
        """:param path: one of few: each is a series."""
        self._exchanges.labels(path, str(status)).inc()
        self._latency.labels(path).observe(seconds)


@dataclass(frozen=True)
class NodeGauge:
    """What was measured of a node; None: not known."""

    cpu_ratio: float | None
    memory_bytes: float | None
    used_bytes: float | None
    load_1: float | None
    vms: float


class Metrics(_Registry):
    """Of a manager."""

    def __init__(self) -> None:
        super().__init__()
        self._calls = Counter(
            "wawel_calls",
            "Calls by method and outcome (ok or the error's slug).",
            ["method", "outcome"],
            registry=self.registry,
        )
        self._latency = Histogram(
            "wawel_call_seconds", "Time of a call in the server.", ["method"], buckets=SECONDS, registry=self.registry
        )
        self._operations = Counter(
            "wawel_operations", "Operations that ended, by kind and state.", ["kind", "state"], registry=self.registry
        )
        self._operation_latency = Histogram(
            "wawel_operation_seconds",
            "Time of an operation from its row to its end.",
            ["kind"],
            buckets=OPERATION_SECONDS,
            registry=self.registry,
        )
        self._nodes = Gauge("wawel_nodes", "Nodes by what is seen of them.", ["state"], registry=self.registry)
        self._waiting = Gauge("wawel_threads_pending", "Calls in thread pools.", ["pool"], registry=self.registry)
        self._samples = Counter(
            "wawel_samples", "Samples of VMs, nodes and storages that were written.", registry=self.registry
        )
        self._measuring = Gauge(
            "wawel_measuring", "1 where this process measures; one of a cluster does.", registry=self.registry
        )
        # Of a node: as many series as nodes, and none of a VM, of which there may be too many.
        self._node_cpu = self._of_node("cpu_ratio", "Share of a node's CPUs that is busy.")
        self._node_memory = self._of_node("memory_bytes", "A node's memory.")
        self._node_used = self._of_node("memory_used_bytes", "What of it is in use.")
        self._node_load = self._of_node("load1", "A node's load average over a minute.")
        self._node_vms = self._of_node("vms", "Domains that run on a node.")
        self._storages = {
            name: Gauge(f"wawel_storage_{name}_bytes", f"What it has {words}.", ["storage"], registry=self.registry)
            for name, words in STORAGE_GAUGES.items()
        }
        # labels() costs more than the counting itself.
        self._children: dict[tuple[str, str], Any] = {}
        self._timers: dict[str, Any] = {}

    def call(self, method: str, outcome: str, seconds: float) -> None:
        counter = self._children.get((method, outcome))
        if counter is None:
            counter = self._children[method, outcome] = self._calls.labels(method, outcome)
        timer = self._timers.get(method)
        if timer is None:
            timer = self._timers[method] = self._latency.labels(method)
        counter.inc()
        timer.observe(seconds)

    def operation(self, kind: str, state: str, seconds: float) -> None:
        self._operations.labels(kind, state).inc()
        self._operation_latency.labels(kind).observe(seconds)

    def nodes(self, by_state: Mapping[str, int]) -> None:
        self._nodes.clear()
        for state, count in by_state.items():
            self._nodes.labels(state).set(count)

    def samples(self, count: int) -> None:
        self._samples.inc(count)

    def _of_node(self, name: str, words: str) -> Gauge:
        return Gauge(f"wawel_node_{name}", words, ["node"], registry=self.registry)

    def measuring(self, is_ours: bool) -> None:
        self._measuring.set(int(is_ours))
        if not is_ours:
            for gauge in (*self._node_gauges(), *self._storages.values()):
                gauge.clear()  # another process tells of them

    def _node_gauges(self) -> tuple[Gauge, ...]:
        return (self._node_cpu, self._node_memory, self._node_used, self._node_load, self._node_vms)

    def measured(self, nodes: Mapping[str, NodeGauge]) -> None:
        """By name, what was measured of nodes in the last round; others are not told of any more."""
        for gauge in self._node_gauges():
            gauge.clear()
        for name, told in nodes.items():
            figures = (told.cpu_ratio, told.memory_bytes, told.used_bytes, told.load_1, told.vms)
            for gauge, value in zip(self._node_gauges(), figures, strict=True):
                if value is not None:
                    gauge.labels(name).set(value)

    def storages(self, found: Mapping[str, Mapping[str, float]]) -> None:
        """:param found: by name, bytes of each of ``STORAGE_GAUGES`` that is known."""
        for name, gauge in self._storages.items():
            gauge.clear()
            for storage, figures in found.items():
                if name in figures:
                    gauge.labels(storage).set(figures[name])

    def pending(self, by_pool: Mapping[str, int]) -> None:
        """What ``Threads.waiting`` says; pools of a kind (``node:...``) are added up."""
        self._waiting.clear()
        for pool, count in by_pool.items():
            self._waiting.labels(pool.partition(":")[0]).inc(count)
