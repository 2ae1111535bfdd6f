"""What is counted."""

from __future__ import annotations

from cm.runtime.metrics import Metrics


class TestMetrics:
    def test_exposition(self) -> None:
        metrics = Metrics()
        metrics.call("user.vm.create", "ok", 0.02)
        metrics.call("user.vm.create", "ok", 0.02)
        metrics.operation("vm_create", "done", 1.5)
        metrics.nodes({"ok": 3, "unreachable": 1})
        metrics.pending({"node:a": 1, "node:b": 2, "database": 4})
        text = metrics.exposition().decode()
        for line in (
            'wawel_calls_total{method="user.vm.create",outcome="ok"} 2.0',
            'wawel_call_seconds_count{method="user.vm.create"} 2.0',
            'wawel_operations_total{kind="vm_create",state="done"} 1.0',
            'wawel_nodes{state="unreachable"} 1.0',
            'wawel_threads_pending{pool="node"} 3.0',
        ):
            assert line in text

    def test_own_registry(self) -> None:
        """Two programs in one process count apart."""
        one, two = Metrics(), Metrics()
        one.call("a", "ok", 0.1)
        assert b'method="a"' not in two.exposition()
