"""``wawel drift``: the ledger of differences, an administrator's."""

from __future__ import annotations

import click

from clm.console.context import EVERY_CLUSTER, Console
from clm.console.groups import NounGroup
from clm.console.names import find
from clm.console.options import verb
from clm.console.output import emit, emit_list
from clm.console.problems import Problem
from clm.console.values import NamedType


@click.group(cls=NounGroup, role="admin", invoke_without_command=True)
@click.pass_context
def drift(ctx: click.Context) -> None:
    """Differences between what is wanted and what is seen, that have no safe automatic answer."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(ls)


@verb(drift, "ls")
@click.option("--node", type=NamedType("node"), metavar="NODE", help="Of one node.")
@click.option("--closed", is_flag=True, help="Settled ones.")
@click.option("--all-clusters", is_flag=True, help="Of all clusters.")
def ls(console: Console, node: str | None = None, closed: bool = False, all_clusters: bool = False) -> None:
    """List findings, newest first."""
    if all_clusters and not console.is_cloud:
        raise Problem("This is a lone cluster: --all-clusters is for clouds.")
    cluster = EVERY_CLUSTER if all_clusters else console.cluster()
    params: dict[str, object] = {"closed": True} if closed else {}
    if node is not None:
        found = find(console, "node", node, admin=True)
        params["node_id"], cluster = found.id, found.cluster or cluster
    emit_list(console, console.call("admin.drift.get_list", params, cluster=cluster), "drift", every=all_clusters)


def _change(console: Console, action: str, ids: tuple[int, ...]) -> None:
    answers = [
        console.change(f"admin.drift.{action}", {"drift_id": drift_id}, cluster=console.cluster()) for drift_id in ids
    ]
    if len(answers) == 1:
        emit(console, answers[0], "drift")
    else:
        emit_list(console, answers, "drift")


@verb(drift, "apply", changes=True)
@click.argument("ids", nargs=-1, required=True, type=click.IntRange(1), metavar="DRIFT_ID...")
def apply(console: Console, ids: tuple[int, ...]) -> None:
    """Do what findings propose."""
    _change(console, "apply", ids)


@verb(drift, "dismiss", changes=True)
@click.argument("ids", nargs=-1, required=True, type=click.IntRange(1), metavar="DRIFT_ID...")
def dismiss(console: Console, ids: tuple[int, ...]) -> None:
    """Close findings that are all right as they are."""
    _change(console, "dismiss", ids)
