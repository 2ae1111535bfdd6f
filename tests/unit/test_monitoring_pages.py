"""Alert rules and the dashboard of docs/monitoring: they can be read, and ask for nothing that no program exposes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from cm.runtime.metrics import STORAGE_GAUGES, EndpointMetrics, Metrics, NodeGauge

PAGES = Path(__file__).parents[2] / "docs" / "monitoring"
# Prometheus' own, of each target.
GIVEN = {"up": {"job", "instance"}}
OF_TARGET = {"job", "instance"}
_NAMES = re.compile(r"\b((?:wawel|process)_[a-z0-9_]+|up)\b(\{[^}]*\})?")
_GROUPS = re.compile(r"\bby \(([^)]*)\)")
_TEMPLATE = re.compile(r"\{\{ ?\$?(?:labels\.)?([a-z]+) ?\}\}")


def exposed() -> dict[str, set[str]]:
    """By name, the labels of every series that a program has once it has done something of everything."""
    metrics, endpoint = Metrics(), EndpointMetrics()
    metrics.call("user.vm.create", "ok", 0.1)
    metrics.operation("vm_create", "done", 1.0)
    metrics.nodes({"ok": 1})
    metrics.pending({"database": 1})
    metrics.samples(3)
    metrics.measuring(True)
    metrics.measured({"n1": NodeGauge(0.5, 2.0, 1.0, 0.3, 4.0)})
    metrics.storages({"main": dict.fromkeys(STORAGE_GAUGES, 1.0)})
    endpoint.exchange("/guest", 200, 0.1)
    found: dict[str, set[str]] = {}
    for each in (metrics, endpoint):
        for family in text_string_to_metric_families(each.exposition().decode()):
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
    return found


def rules() -> list[dict[str, Any]]:
    told = yaml.safe_load((PAGES / "alerts.yml").read_text())
    return [rule for group in told["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((PAGES / "dashboard.json").read_text())["panels"]
    return found


def expressions() -> Iterator[tuple[str, str]]:
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


@pytest.mark.parametrize(("what", "expression"), list(expressions()))
def test_names_exist(what: str, expression: str) -> None:
    """Every name in an expression is exposed, and every label that it picks or groups by is one of it."""
    known = exposed() | GIVEN
    found = _NAMES.findall(expression)
    assert found
    labels: set[str] = set()
    for name, picked in found:
        assert name in known, f"{what}: no program exposes {name}"
        assert set(re.findall(r"([a-z_]+)=", picked)) <= known[name] | OF_TARGET, what
        labels |= known[name]
    for group in _GROUPS.findall(expression):
        assert {each.strip() for each in group.split(",")} <= labels | OF_TARGET, what


def test_rules_are_whole() -> None:
    """Each alert has a name of its own, how grave it is, and a sentence whose labels its expression leaves."""
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names) > 8
    for rule in rules():
        assert rule["labels"]["severity"] in ("warning", "critical")
        told = set(_TEMPLATE.findall(rule["annotations"]["summary"])) - {"value"}
        groups = _GROUPS.findall(rule["expr"])
        left = {each.strip() for each in groups[0].split(",")} if groups else told
        assert told <= left, rule["alert"]


def test_panels_are_whole() -> None:
    """Each panel has its place and its title; what no panel and no rule asks for need not be exposed by us."""
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels()]
    assert len(set(places)) == len(places) and len({panel["title"] for panel in panels()}) == len(places)
    asked = {name for _, expression in expressions() for name, _ in _NAMES.findall(expression)}
    ours = [name for name in exposed() if name.startswith("wawel")]
    families = {re.sub(r"_(?:bucket|sum|count|total|created)$", "", name) for name in ours}
    unasked = {name for name in families if not any(each.startswith(name) for each in asked)}
    assert unasked <= {"wawel_build_info", "wawel_exchange_seconds"}


def test_bounded() -> None:
    """No series is one VM's, one account's or one guest's: there may be any number of these."""
    assert not {"vm", "vm_id", "uuid", "user", "account", "login", "address"} & set().union(*exposed().values())


def test_nodes_that_went(tmp_path: Path) -> None:
    """A node or a storage that is no more is told of no more, and so is all of it where another process measures."""
    metrics = Metrics()
    metrics.measured({"n1": NodeGauge(0.5, 2.0, 1.0, None, 4.0), "n2": NodeGauge(None, None, None, None, 0.0)})
    metrics.storages({"main": {"capacity": 5.0}})
    text = metrics.exposition().decode()
    assert 'wawel_node_cpu_ratio{node="n1"} 0.5' in text and 'wawel_node_cpu_ratio{node="n2"}' not in text
    assert 'wawel_storage_capacity_bytes{storage="main"} 5.0' in text
    metrics.measured({"n2": NodeGauge(0.1, None, None, None, 0.0)})
    assert 'node="n1"' not in metrics.exposition().decode()
    metrics.measuring(False)
    assert 'node="n2"' not in metrics.exposition().decode() and 'storage="main"' not in metrics.exposition().decode()
