"""Use cases of reading what was measured: of VMs for who may see them, of nodes and storages for administrators."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar, cast

from cm.results.series import CC1Row, MeasuredNode, MeasuredStorage, MeasuredVM, VMLoad
from cm.rpc.errors import CloudError
from cm.rpc.vocabulary import NodeMetric, SeriesUnit, StorageMetric, VMMetric
from cm.rules.access import Action
from cm.rules.metric import (
    CC1_METRICS,
    CC1_NAMES,
    CC1_RANGES,
    CC1_RESOLUTIONS,
    CC1_UNITS,
    NODE_UNITS,
    RATES,
    STORAGE_UNITS,
    USUAL,
    VM_UNITS,
    Window,
    check_size,
    window,
)
from cm.rules.series import levels_for, line, read
from cm.runtime.wall import unix_seconds
from cm.services.access import authorized_vm, person_of
from cm.services.context import ClusterCall
from cm.store.node import get_node
from cm.store.sample import Kind, find_blocks, latest_loads
from cm.store.storage import get_storage

LOAD_S: Final = 300.0  # loads that are older are none
_OWN_ONLY: Final = frozenset({VMMetric.VCPU})  # whose sum over devices is another metric

Parts: TypeAlias = "Mapping[str, tuple[array[float], array[float]]]"
M = TypeVar("M", VMMetric, NodeMetric, StorageMetric)


def vm_statistics(
    caller: ClusterCall,
    vm_ids: Sequence[int],
    metrics: Sequence[VMMetric] | None,
    resolution_s: int | None,
    since: int | None,
    until: int | None,
    devices: bool,
    *,
    administrator: bool = False,
) -> list[MeasuredVM]:
    """:raises InvalidParameter: a time or a resolution is not good, or it would be too much for one answer."""
    chosen = tuple(dict.fromkeys(metrics if metrics is not None else USUAL))
    over = _window(caller, since, until, resolution_s, len(vm_ids) * len(chosen))
    told = _visible(caller, vm_ids, administrator)
    entries = _measured(caller, Kind.VM, told, chosen, VM_UNITS, over, devices=devices, bounded=True)
    return [cast(MeasuredVM, {"vm_id": each, **entry}) for each, entry in entries.items()]


def node_statistics(
    caller: ClusterCall,
    node_ids: Sequence[int],
    metrics: Sequence[NodeMetric] | None,
    resolution_s: int | None,
    since: int | None,
    until: int | None,
) -> list[MeasuredNode]:
    """:raises InvalidParameter: as ``vm_statistics``."""
    chosen = tuple(dict.fromkeys(metrics if metrics is not None else NodeMetric))
    over = _window(caller, since, until, resolution_s, len(node_ids) * len(chosen))
    told = {each: _status(partial(get_node, caller.session, each)) for each in node_ids}
    entries = _measured(caller, Kind.NODE, told, chosen, NODE_UNITS, over)
    return [cast(MeasuredNode, {"node_id": each, **entry}) for each, entry in entries.items()]


def storage_statistics(
    caller: ClusterCall,
    storage_ids: Sequence[int],
    metrics: Sequence[StorageMetric] | None,
    resolution_s: int | None,
    since: int | None,
    until: int | None,
) -> list[MeasuredStorage]:
    """:raises InvalidParameter: as ``vm_statistics``."""
    chosen = tuple(dict.fromkeys(metrics if metrics is not None else StorageMetric))
    over = _window(caller, since, until, resolution_s, len(storage_ids) * len(chosen))
    told = {each: _status(partial(get_storage, caller.session, each)) for each in storage_ids}
    entries = _measured(caller, Kind.STORAGE, told, chosen, STORAGE_UNITS, over)
    return [cast(MeasuredStorage, {"storage_id": each, **entry}) for each, entry in entries.items()]


def vm_loads(caller: ClusterCall, vm_ids: Sequence[int], *, administrator: bool = False) -> list[VMLoad]:
    """The mean CPU of VMs over the last minutes."""
    told = _visible(caller, vm_ids, administrator)
    since = unix_seconds() - LOAD_S
    found = latest_loads(caller.session, [each for each, status in told.items() if status == "ok"], since)
    answers: list[VMLoad] = []
    for vm_id, status in told.items():
        one, five, fifteen = (round(each, 2) for each in found[vm_id][1]) if vm_id in found else (None, None, None)
        answers.append({"vm_id": vm_id, "status": status, "load_1": one, "load_5": five, "load_15": fifteen})
    return answers


def cc1_statistics(
    caller: ClusterCall,
    vm_id: int,
    names: Sequence[int],
    time: int,
    range_code: int,
    resolution_code: int,
    *,
    administrator: bool = False,
) -> list[CC1Row]:
    """
    CC1's shape: a head of words, end, start and totals, then a row for each moment.

    :raises ObjectNotFound: absent, or not shared with the caller.
    :raises InvalidParameter: it would be too much for one answer.
    """
    over = _window(caller, time - CC1_RANGES[range_code], time, CC1_RESOLUTIONS[resolution_code], len(names))
    who = None if administrator else person_of(caller.identity)
    row = authorized_vm(caller.session, who, vm_id, Action.SEE if administrator else caller.action("vm_id"))
    parts = _read(caller, Kind.VM, [vm_id], over).get(vm_id, {})
    lines = []
    for name in names:
        metric = CC1_METRICS[name]
        found = line([part for key, part in parts.items() if key.partition("/")[0] == metric])
        # CC1 counts seconds of CPU for each of a VM's CPUs.
        scale = 0.01 / max(1, row.cpu) if metric is VMMetric.CPU else 1.0
        values = found.values or [None] * over.points
        lines.append(([None if each is None else each * scale for each in values], found.total * scale))
    head: list[Any] = [
        "timestamp", [CC1_NAMES[name] for name in names], [CC1_UNITS[name] for name in names],
        over.until, over.since, [total for _, total in lines],
    ]  # fmt: skip
    rows = [
        [over.since + number * over.resolution_s, *(values[number] for values, _ in lines)]
        for number in range(over.points)
    ]
    return [head, *rows]


# ------------------------------------------------------------------ parts


def _window(caller: ClusterCall, since: int | None, until: int | None, resolution_s: int | None, series: int) -> Window:
    policy = caller.policy
    return window(since, until, resolution_s, unix_seconds(), policy.measured_s, policy.samples_kept, series)


def _visible(caller: ClusterCall, vm_ids: Sequence[int], administrator: bool) -> dict[int, str]:
    """Of each VM "ok", or the slug of what is wrong with asking for it."""
    who = None if administrator else person_of(caller.identity)
    action = Action.SEE if administrator else caller.action("vm_ids")
    return {vm_id: _status(partial(authorized_vm, caller.session, who, vm_id, action)) for vm_id in vm_ids}


def _status(look: Callable[[], object]) -> str:
    try:
        look()
    except CloudError as error:
        return error.code
    return "ok"


def _read(caller: ClusterCall, kind: Kind, ids: Sequence[int], over: Window) -> dict[int, Parts]:
    if not ids:
        return {}
    levels = levels_for(over.resolution_s)
    found = find_blocks(caller.session, kind, ids, levels, over.since, over.until)
    return {each: read(blocks, over.since, over.until, over.resolution_s) for each, blocks in found.items()}


def _measured(
    caller: ClusterCall,
    kind: Kind,
    told: Mapping[int, str],
    chosen: Sequence[M],
    units: Mapping[M, SeriesUnit],
    over: Window,
    *,
    devices: bool = False,
    bounded: bool = False,
) -> dict[int, dict[str, Any]]:
    """
    What an answer says of each object, but its id.

    :param told: as ``_status`` says of each.
    :param bounded: how many series there are hangs on the objects, so values are counted as they come.
    :raises InvalidParameter: there are too many.
    """
    found = _read(caller, kind, [each for each, status in told.items() if status == "ok"], over)
    entries: dict[int, dict[str, Any]] = {}
    values = 0
    for each, status in told.items():
        series = _series(found.get(each, {}), chosen, units, devices)
        values += over.points * len(series)
        if bounded:
            check_size(values)
        entries[each] = {"status": status, "start": over.since, "resolution_s": over.resolution_s, "series": series}
    return entries


def _series(parts: Parts, metrics: Sequence[M], units: Mapping[M, SeriesUnit], devices: bool) -> list[dict[str, Any]]:
    """What there is of each metric: of all its devices together, and of each where that is asked for."""
    made = []
    for metric in metrics:
        own = {key.partition("/")[2]: part for key, part in parts.items() if key.partition("/")[0] == metric}
        if not own:
            continue
        if metric not in _OWN_ONLY:
            made.append(_told(metric, "", units[metric], list(own.values())))
        if devices or metric in _OWN_ONLY:
            made += [_told(metric, each, units[metric], [own[each]]) for each in sorted(own, key=_order) if each]
    return made


def _order(device: str) -> tuple[int, str]:
    return (int(device) if device.isdecimal() else -1, device)


def _told(
    metric: str, device: str, unit: SeriesUnit, parts: Sequence[tuple[array[float], array[float]]]
) -> dict[str, Any]:
    found = line(parts)
    return {
        "metric": metric,
        "device": device,
        "unit": unit,
        "values": [_rounded(value) for value in found.values],
        "total": _rounded(found.total) if unit in RATES else None,
        "mean": _rounded(found.mean),
        "maximum": _rounded(found.greatest),
    }


def _rounded(value: float | None) -> float | None:
    """To a hundredth: noise of float32 is not told."""
    return None if value is None else round(value, 2)
