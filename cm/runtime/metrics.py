"""What a program counts, for Prometheus: on a registry of its own, so that several may live in one process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
OPERATION_SECONDS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)


class Metrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
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

    def pending(self, by_pool: Mapping[str, int]) -> None:
        """What ``Threads.waiting`` says; pools of a kind (``node:...``) are added up."""
        self._waiting.clear()
        for pool, count in by_pool.items():
            self._waiting.labels(pool.partition(":")[0]).inc(count)

    def exposition(self) -> bytes:
        """The text that Prometheus reads."""
        text: bytes = generate_latest(self.registry)
        return text
