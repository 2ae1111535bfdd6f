"""``wawel vm statistics`` and ``wawel node statistics``: what was measured, drawn with letters."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import click

from clm.console.context import Console
from clm.console.names import find
from clm.console.options import everybody, verb
from clm.console.output import chosen, emit, write
from clm.console.plot import plot, written
from clm.console.values import NamedType, Whole

VM_METRICS = (
    "cpu", "vcpu", "memory", "memory_rss", "memory_available", "read_bytes", "write_bytes", "read_requests",
    "write_requests", "rx_bytes", "tx_bytes", "rx_packets", "tx_packets",
)  # fmt: skip
NODE_METRICS = ("cpu", "vms", "memory", "memory_used", "load_1", "load_5", "load_15")
RANGES = {"1h": 3600, "6h": 6 * 3600, "12h": 12 * 3600, "1d": 86_400, "1w": 7 * 86_400, "1m": 31 * 86_400,
          "1y": 366 * 86_400}  # fmt: skip
_NOWHERE = click.Group()  # the groups of the nouns have them, under one name each


@verb(_NOWHERE, "statistics")
@everybody
@click.argument("which", type=NamedType("vm"), metavar="VM")
@click.option("--metric", "metrics", type=click.Choice(VM_METRICS), multiple=True, metavar="METRIC",
              help=f"May be repeated; one of {', '.join(VM_METRICS)}.")  # fmt: skip
@click.option("--range", "span", type=click.Choice(list(RANGES)), default="1h", show_default=True, help="How far back.")
@click.option("--resolution", type=Whole(10, 604_800), metavar="SECONDS", help="10, 60, 300, 900, 3600, 86400, 604800.")
@click.option("--devices", is_flag=True, help="Also each disk and each network card by itself.")
def of_vm(
    console: Console, admin: bool, which: str, metrics: tuple[str, ...], span: str, resolution: int | None,
    devices: bool,
) -> None:  # fmt: skip
    """
    What a VM used: CPU, memory, disks and network over a time.

    Each is drawn from 0 to its greatest value; CPU is in percent of one CPU. With -o json all values are told.
    """
    found = find(console, "vm", which, admin=admin)
    params = {"vm_ids": [found.id], "devices": devices, **_asked(metrics, span, resolution)}
    (told,) = console.call(f"{'admin' if admin else 'user'}.vm.statistics", params, cluster=found.cluster)
    _show(console, told)


@verb(_NOWHERE, "statistics")
@click.argument("which", type=NamedType("node"), metavar="NODE")
@click.option("--metric", "metrics", type=click.Choice(NODE_METRICS), multiple=True, metavar="METRIC",
              help=f"May be repeated; one of {', '.join(NODE_METRICS)}.")  # fmt: skip
@click.option("--range", "span", type=click.Choice(list(RANGES)), default="1h", show_default=True, help="How far back.")
@click.option("--resolution", type=Whole(10, 604_800), metavar="SECONDS", help="10, 60, 300, 900, 3600, 86400, 604800.")
def of_node(console: Console, which: str, metrics: tuple[str, ...], span: str, resolution: int | None) -> None:
    """
    What a node used: CPU of all of its, memory, load averages.

    Each is drawn from 0 to its greatest value. With -o json all values are told.
    """
    found = find(console, "node", which, admin=True)
    params = {"node_ids": [found.id], **_asked(metrics, span, resolution)}
    (told,) = console.call("admin.node.statistics", params, cluster=found.cluster)
    _show(console, told)


def _asked(metrics: Sequence[str], span: str, resolution: int | None) -> dict[str, Any]:
    now = int(time.time())
    params: dict[str, Any] = {"since": now - RANGES[span], "until": now}
    if metrics:
        params["metrics"] = list(metrics)
    if resolution is not None:
        params["resolution_s"] = resolution
    return params


def _show(console: Console, told: Mapping[str, Any]) -> None:
    if chosen(console) != "table":
        emit(console, told, "statistics")
        return
    if not told["series"]:
        write("Nothing was measured in this time.")
        return
    for number, each in enumerate(told["series"]):
        name = each["metric"] + (f" {each['device']}" if each["device"] else "")
        unit = each["unit"]
        figures = f"mean {written(each['mean'], unit)}, at most {written(each['maximum'], unit)}"
        if each["total"] is not None:
            figures += f", {written(each['total'], unit.removesuffix('_per_s'))} in all"
        if number:
            write()
        write(f"{name}: {figures}")
        for line in plot(each["values"]):
            write(f"  {line}".rstrip())
    begin = time.strftime("%Y-%m-%d %H:%M", time.localtime(told["start"]))
    write(f"\nfrom {begin}, a value for each {told['resolution_s']} s")
