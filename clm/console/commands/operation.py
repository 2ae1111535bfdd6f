"""``wawel op``: operations."""

from __future__ import annotations

from typing import Any

import click

from clm.console.context import Console
from clm.console.groups import NounGroup
from clm.console.names import find
from clm.console.options import everybody, verb
from clm.console.output import emit, emit_list
from clm.console.problems import Problem
from clm.console.scope import all_clusters as all_clusters_option
from clm.console.scope import scope
from clm.console.values import NamedType, Real, Whole
from clm.console.waiting import Deadline, Watch, check_ended, wait_operation

_ID = click.argument("operation_id", type=Whole(1))


@click.group(cls=NounGroup, noun="operation", no_args_is_help=True)
def op() -> None:
    """Operations: how what was asked for is coming on."""


@verb(op, "ls")
@everybody
@click.option("--vm", "which", type=NamedType("vm"), metavar="VM", help="Of one VM.")
@click.option("--open", "only_open", is_flag=True, help="Only those that have not ended.")
@click.option("--limit", type=Whole(1, 10_000), help="No more than so many.")
@all_clusters_option
def ls(
    console: Console, admin: bool, which: str | None, only_open: bool, limit: int | None, all_clusters: bool
) -> None:  # fmt: skip
    """List operations, newest first."""
    params: dict[str, Any] = {"only_open": True} if only_open else {}
    if which is not None and all_clusters:
        raise Problem("A VM is of one cluster: give --vm or --all-clusters.")
    cluster = console.cluster() if which is not None else scope(console, all_clusters)
    if limit is not None:
        params["limit"] = limit
    if which is not None:
        found = find(console, "vm", which, admin=admin)
        params["vm_id"], cluster = found.id, found.cluster
    method = f"{'admin' if admin else 'user'}.operation.get_list"
    emit_list(console, console.call(method, params, cluster=cluster), "operation", every=all_clusters)


@verb(op, "show")
@everybody
@_ID
def show(console: Console, admin: bool, operation_id: int) -> None:
    """Everything about an operation."""
    method = f"{'admin' if admin else 'user'}.operation.get"
    emit(console, console.call(method, {"operation_id": operation_id}, cluster=console.cluster()), "operation")


@verb(op, "wait")
@everybody
@click.option("--wait-timeout", type=Real(0), default=0.0, metavar="SECONDS", help="At most.")
@_ID
def wait(console: Console, admin: bool, wait_timeout: float, operation_id: int) -> None:
    """Wait for the end of an operation; exit code 5 if it failed."""
    with Watch() as watch:
        ended = wait_operation(
            console, operation_id, cluster=console.cluster(), admin=admin, deadline=Deadline(wait_timeout),
            note=lambda state, percent: watch.note(f"operation {operation_id}", state, percent),
        )  # fmt: skip
    emit(console, ended, "operation")
    check_ended(ended, str(ended.get("kind")))


@verb(op, "retry", changes=True)
@everybody
@_ID
def retry(console: Console, admin: bool, operation_id: int) -> None:
    """Try a failed operation again."""
    method = f"{'admin' if admin else 'user'}.operation.retry"
    emit(console, console.change(method, {"operation_id": operation_id}, cluster=console.cluster()), "operation")


@verb(op, "abandon", changes=True, asks=True)
@everybody
@_ID
def abandon(console: Console, admin: bool, operation_id: int) -> None:
    """Give up an operation that is under way; a creation is undone."""
    console.confirm(f"Give up operation {operation_id}?")
    method = f"{'admin' if admin else 'user'}.operation.abandon"
    emit(console, console.change(method, {"operation_id": operation_id}, cluster=console.cluster()), "operation")
