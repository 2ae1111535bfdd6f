"""``wawel explain``."""

from __future__ import annotations

from typing import Any

import click

from clm.console.context import Console
from clm.console.names import find
from clm.console.options import shared
from clm.console.output import chosen, emit, emit_table, write
from clm.console.units import when
from clm.console.values import NamedType


@click.command()
@click.argument("which", required=False, type=NamedType("vm"), metavar="[VM]")
@click.option("--template", type=NamedType("template"), metavar="TEMPLATE", help="Try where such a VM would go now.")
@click.option("--image", type=NamedType("image"), metavar="IMAGE", help="Made from this image.")
@click.pass_obj
def explain(console: Console, which: str | None, template: str | None, image: str | None) -> None:
    """
    Why a VM is where it is, or where one would go: each node's verdict, the best first.

    With a VM, the decision that placed it last: the best ten nodes, and how many others had which reason. With
    --template, and perhaps --image, a trial now.
    """
    if (which is None) == (template is None):
        raise click.UsageError("Give a VM, or --template and perhaps --image.")
    if image is not None and template is None:
        raise click.UsageError("--image goes with --template.")
    params: dict[str, Any] = {}
    cluster = console.cluster()
    for kind, told in (("vm", which), ("template", template), ("image", image)):
        if told is not None:
            found = find(console, kind, told, admin=True)
            params[f"{kind}_id"], cluster = found.id, cluster or found.cluster
    answer = console.call("admin.placement.explain", params, cluster=cluster)
    vm = console.call("admin.vm.get_by_id", {"vm_id": params["vm_id"]}, cluster=cluster) if which is not None else {}
    if isinstance(answer, dict) and vm:
        answer = {**answer, "state": vm.get("state"), "error": vm.get("error")}
    if chosen(console) != "table":
        emit(console, answer)
        return
    verdicts = answer.get("verdicts") or []
    place = next((v.get("node") for v in verdicts if v.get("node_id") == answer.get("node_id")), answer.get("node_id"))
    if vm.get("state") == "error":
        write(f"VM {vm.get('name')} is in error: {vm.get('error') or 'no reason is told'}")
    if answer.get("trial"):
        write(f"It would go to {place}." if place else "It would fit nowhere now.")
    else:
        write(f"Placed on {place}, {when(answer.get('at'))}.")
    emit_table(console, verdicts, "placement")
    others = answer.get("others") or {}
    if others:
        write("and " + "; ".join(f"{count} more: {reason}" for reason, count in sorted(others.items())))


explain.params += shared()
