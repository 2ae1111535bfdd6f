"""Counters become rates, also where one begins anew; loads forget as the kernel's do."""

from __future__ import annotations

from math import isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cm.rules.figures import (
    Counted,
    DiskFigures,
    DomainFigures,
    NicFigures,
    NodeFigures,
    counters_of,
    interval_for,
    loads,
    node_counters,
    node_cpu,
    rates,
)
from cm.rules.series import STEPS

counts = st.integers(0, 2**63)


@given(st.lists(counts, min_size=2, max_size=20), st.floats(0.1, 1000))
def test_rates(totals: list[int], seconds: float) -> None:
    """A counter that grows gives what it grew by in a second; one that is less than it was gives nothing."""
    before = None
    for number, total in enumerate(totals):
        found = rates(before, number * seconds, {"x": total})["x"]
        if before is None or total < before.counters["x"]:
            assert isnan(found)
        else:
            assert found == pytest.approx((total - before.counters["x"]) / seconds, rel=1e-6, abs=1e-9)
            assert found >= 0
        before = Counted(number * seconds, {"x": total})


def test_rates_of_new_devices() -> None:
    """A disk that was not there before has no rate yet, and one that went leaves none."""
    before = Counted(10.0, {"read_bytes/vda": 100, "read_bytes/vdb": 5})
    found = rates(before, 20.0, {"read_bytes/vda": 300, "read_bytes/vdc": 7})
    assert found["read_bytes/vda"] == 20.0 and isnan(found["read_bytes/vdc"]) and "read_bytes/vdb" not in found
    assert isnan(rates(before, 10.0, {"read_bytes/vda": 300})["read_bytes/vda"])  # no time has passed


def test_counters() -> None:
    """Percent of a CPU, bytes; cards by the number that the record has, those that are nobody's not at all."""
    domain = DomainFigures(
        "u", 3 * 10**9, {0: 2 * 10**9, 1: 10**9}, 2**29, 2**28, None,
        (DiskFigures("vda", 1, 4096, 2, 8192),),
        (NicFigures("wv1", 1, 2, 3, 4), NicFigures("vnet7", 9, 9, 9, 9)),
    )  # fmt: skip
    counters, gauges = counters_of(domain, {"wv1": 0})
    assert counters == {
        "cpu": 300.0, "vcpu/0": 200.0, "vcpu/1": 100.0,
        "read_bytes/vda": 4096, "write_bytes/vda": 8192, "read_requests/vda": 1, "write_requests/vda": 2,
        "rx_bytes/0": 1, "tx_bytes/0": 3, "rx_packets/0": 2, "tx_packets/0": 4,
    }  # fmt: skip
    assert gauges == {"memory": 2**29, "memory_rss": 2**28}


@given(st.floats(0, 6400), st.floats(1, 60), st.integers(200, 400))
def test_loads_come_near(cpu: float, step_s: float, many: int) -> None:
    """Whatever it was before, a load comes to what is used all the time, the short one first, and never beyond."""
    before = Counted(0.0, {}, (0.0, 0.0, 0.0))
    for number in range(1, many):
        found = loads(before, number * step_s, cpu)
        assert found is not None
        assert 0 <= found[2] <= found[1] + 1e-6 and found[1] <= found[0] + 1e-6 and found[0] <= cpu + 1e-6
        before = Counted(number * step_s, {}, found)
    assert before.loads is not None and before.loads[0] == pytest.approx(cpu, rel=0.05, abs=1e-6)


def test_loads_without_a_past() -> None:
    """The first sample is all that is known; after a gap there is none; a sample that says nothing changes nothing."""
    assert loads(None, 10.0, 50.0) == (50.0, 50.0, 50.0)
    assert loads(None, 10.0, nan) is None
    known = Counted(10.0, {}, (1.0, 2.0, 3.0))
    assert loads(known, 20.0, nan) == (1.0, 2.0, 3.0)
    assert loads(known, 1000.0, nan) is None
    assert loads(known, 1000.0, 7.0) == (7.0, 7.0, 7.0)


def test_node() -> None:
    """Busy by busy and idle; of a hypervisor that counts neither nothing is known."""
    counters, gauges = node_counters(NodeFigures(1.0, (), 10, 30, 1000, 250))
    assert gauges == {"memory": 1000, "memory_used": 750}
    assert node_cpu(rates(Counted(0.0, {"busy": 0, "idle": 0}), 1.0, counters)) == 25.0
    assert isnan(node_cpu({})) and node_counters(NodeFigures(1.0, ())) == ({}, {})


@pytest.mark.parametrize(
    ("wanted", "nodes", "told"), [(10, 3, 10), (10, 500, 30), (10, 201, 15), (60, 1, 60), (10, 9999, 60)]
)
def test_interval(wanted: int, nodes: int, told: int) -> None:
    """Large clusters are measured less often than is asked for."""
    assert interval_for(wanted, nodes, 20.0, STEPS) == told
