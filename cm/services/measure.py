"""
Measuring nodes and the VMs on them: what hypervisors count is made into samples. What is counted since when is
remembered by the one process that measures; another that takes over begins with a gap of one interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan

from cm.rules.figures import Counted, NodeFigures, counters_of, loads, node_counters, node_cpu, rates
from cm.store.sample import Kind, Measured, NewSample

LOAD_WITHIN_S = 180.0  # an agent reports at least once in a minute
NODE_LOADS = ("load_1", "load_5", "load_15")


@dataclass(frozen=True)
class Answer:
    """What a node said. ``at``: the moment that its samples are for, unix seconds."""

    node_id: int
    at: int
    figures: NodeFigures


class Sampler:
    """Makes samples of answers, remembering what was counted before. For one thread at a time."""

    def __init__(self) -> None:
        self._vms: dict[int, Counted] = {}
        self._nodes: dict[int, Counted] = {}

    def forget(self) -> None:
        """Somebody else measures meanwhile."""
        self._vms.clear()
        self._nodes.clear()

    def keep(self, known: Measured) -> None:
        """Forget VMs and nodes that are not measured any more."""
        live = {vm_id for vms in known.vms.values() for vm_id in vms.values()}
        for gone in self._vms.keys() - live:
            del self._vms[gone]
        for gone in self._nodes.keys() - set(known.nodes):
            del self._nodes[gone]

    def samples(
        self, answers: Sequence[Answer], known: Measured, node_loads: Mapping[int, Sequence[float]]
    ) -> list[NewSample]:
        made: list[NewSample] = []
        for answer in answers:
            made.append(self._node(answer, node_loads.get(answer.node_id, ())))
            vms, nics = known.vms.get(answer.node_id, {}), known.nics.get(answer.node_id, {})
            for domain in answer.figures.domains:
                vm_id = vms.get(domain.uuid)
                if vm_id is None:
                    continue  # nobody's, or of a VM that is placed elsewhere
                counters, gauges = counters_of(domain, nics)
                before, at_s = self._vms.get(vm_id), answer.figures.at_s
                found = rates(before, at_s, counters)
                means = loads(before, at_s, found.get("cpu", nan))
                self._vms[vm_id] = Counted(at_s, counters, means)
                names = (*found, *gauges)
                if names:
                    values = (*found.values(), *gauges.values())
                    made.append(NewSample(Kind.VM, vm_id, answer.at, names, values, means))
        return made

    def _node(self, answer: Answer, load: Sequence[float]) -> NewSample:
        counters, gauges = node_counters(answer.figures)
        found = rates(self._nodes.get(answer.node_id), answer.figures.at_s, counters)
        self._nodes[answer.node_id] = Counted(answer.figures.at_s, counters)
        told = {"cpu": node_cpu(found), "vms": float(len(answer.figures.domains)), **gauges}
        told |= dict(zip(NODE_LOADS, load, strict=False))
        return NewSample(Kind.NODE, answer.node_id, answer.at, tuple(told), tuple(told.values()))
