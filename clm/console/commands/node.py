"""``wawel node``, an administrator's; emptying one is in ``evacuate.py``."""

from __future__ import annotations

import click

from clm.console.commands.evacuate import evacuate
from clm.console.context import EVERY_CLUSTER, Console
from clm.console.groups import NounGroup
from clm.console.names import find
from clm.console.options import verb
from clm.console.output import emit, emit_list
from clm.console.problems import Problem
from clm.console.values import NamedType


@click.group(cls=NounGroup, role="admin", no_args_is_help=True)
def node() -> None:
    """Nodes: the machines that VMs run on."""


node.add_command(evacuate)


@verb(node, "ls")
@click.option("--all-clusters", is_flag=True, help="Of all clusters.")
def ls(console: Console, all_clusters: bool) -> None:
    """List nodes, with what is used of them."""
    if all_clusters and not console.is_cloud:
        raise Problem("This is a lone cluster: --all-clusters is for clouds.")
    cluster = EVERY_CLUSTER if all_clusters else console.cluster()
    emit_list(console, console.call("admin.node.get_list", cluster=cluster), "node", every=all_clusters)


@verb(node, "show")
@click.argument("which", type=NamedType("node"), metavar="NODE")
def show(console: Console, which: str) -> None:
    """Everything about a node."""
    found = find(console, "node", which, admin=True)
    emit(console, console.call("admin.node.get_by_id", {"node_id": found.id}, cluster=found.cluster), "node")
