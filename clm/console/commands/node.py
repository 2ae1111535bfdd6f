"""``wawel node``, an administrator's; emptying one, also for maintenance or when it is lost, is in ``evacuate.py``."""

from __future__ import annotations

from collections.abc import Mapping

import click

from clm.console.columns import health
from clm.console.commands.evacuate import evacuate, fence, maintain
from clm.console.commands.statistics import of_node
from clm.console.context import Console
from clm.console.groups import NounGroup
from clm.console.names import find
from clm.console.options import verb
from clm.console.output import emit, emit_list
from clm.console.problems import FAILED, Problem
from clm.console.scope import all_clusters as all_clusters_option
from clm.console.scope import scope
from clm.console.values import NamedType


@click.group(cls=NounGroup, role="admin", no_args_is_help=True)
def node() -> None:
    """Nodes: the machines that VMs run on."""


for _command in (evacuate, maintain, fence, of_node):
    node.add_command(_command)


@verb(node, "ls")
@all_clusters_option
def ls(console: Console, all_clusters: bool) -> None:
    """List nodes, with what is used of them."""
    cluster = scope(console, all_clusters)
    emit_list(console, console.call("admin.node.get_list", cluster=cluster), "node", every=all_clusters)


@verb(node, "check", changes=True)
@click.argument("which", type=NamedType("node"), metavar="NODE")
def check(console: Console, which: str) -> None:
    """
    Look at a node now: its facts, its storages, its hooks, and what its agent last reported.

    The exit status is not 0 where it does not answer, or its health is degraded.
    """
    found = find(console, "node", which, admin=True)
    seen = console.change("admin.node.check", {"node_id": found.id}, cluster=found.cluster)
    emit(console, seen, "node")
    if isinstance(seen, Mapping) and seen.get("health") == "degraded":
        told = [f"{each.get('text')} ({health({'troubles': [each]})})" for each in seen.get("troubles") or []]
        away = any(each.get("blocks", True) for each in seen.get("troubles") or [])
        what = "takes no VMs" if away else "is not well, and takes VMs"
        raise Problem(f"Node {found.name or which} {what}: {' '.join(told)}", FAILED)


@verb(node, "show")
@click.argument("which", type=NamedType("node"), metavar="NODE")
def show(console: Console, which: str) -> None:
    """Everything about a node, with the last report of its agent."""
    found = find(console, "node", which, admin=True)
    emit(console, console.call("admin.node.get_by_id", {"node_id": found.id}, cluster=found.cluster), "node")
