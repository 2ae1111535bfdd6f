"""``wawel quota``: how much somebody may have on a cluster, and has."""

from __future__ import annotations

from typing import Any

import click

from clm.console.context import Console
from clm.console.groups import NounGroup
from clm.console.names import find
from clm.console.options import verb
from clm.console.output import emit, emit_list
from clm.console.problems import Problem
from clm.console.scope import scope
from clm.console.values import NamedType, Whole
from cm.rpc.vocabulary import PAGE_MAX


@click.group(cls=NounGroup, role="cloud", no_args_is_help=True)
def quota() -> None:
    """Quotas: how much somebody may have on a cluster, and has."""


@verb(quota, "show")
@click.argument("which", required=False, type=NamedType("user"), metavar="[USER]")
def show(console: Console, which: str | None) -> None:
    """Show my quota, or as an administrator somebody's."""
    cluster = scope(console, False)
    if which is None:
        emit(console, console.call("user.user.check_quota", cluster=cluster))
        return
    user = find(console, "user", which, admin=True)
    if console.is_cloud:
        emit(console, console.call("cloud.quota.get", {"cluster": _named(cluster), "user_id": user.id}))
    else:
        emit(console, console.call("admin.user.check_quota", {"user_id": user.id}))


@verb(quota, "points")
@click.argument("which", required=False, type=NamedType("user"), metavar="[USER]")
@click.option("--month", default="", metavar="YYYY-MM", help="Of UTC; by default the present one.")
def points(console: Console, which: str | None, month: str) -> None:
    """Show what my VMs cost in a month, or as an administrator somebody's."""
    cluster = scope(console, False)
    if which is None:
        emit(console, console.call("user.user.points_history", {"month": month}, cluster=cluster))
        return
    user = find(console, "user", which, admin=True)
    emit(console, console.call("admin.user.points_history", {"user_id": user.id, "month": month}, cluster=cluster))


@verb(quota, "report")
@click.option("--month", default="", metavar="YYYY-MM", help="Of UTC; by default the present one.")
def report(console: Console, month: str) -> None:
    """Show what everybody's VMs cost in a month, as an administrator."""
    params = {"month": month, "limit": PAGE_MAX}
    emit_list(console, console.call("admin.user.points_report", params, cluster=scope(console, False)), "cost")


@verb(quota, "set", changes=True)
@click.argument("which", nargs=-1, required=True, type=NamedType("user"), metavar="USER...")
@click.option("--cpu", type=Whole(0), help="CPUs of running VMs.")
@click.option("--memory-mib", type=Whole(0), help="Memory of running VMs.")
@click.option("--storage-mib", type=Whole(0), help="Disks and images.")
@click.option("--vms", type=Whole(0), help="VMs, running or not.")
@click.option("--networks", type=Whole(0), help="Networks of their own.")
def set_(
    console: Console, which: tuple[str, ...], cpu: int | None, memory_mib: int | None, storage_mib: int | None,
    vms: int | None, networks: int | None,
) -> None:  # fmt: skip
    """Set quotas, as an administrator; what is not said stays."""
    told = {"cpu": cpu, "memory_mib": memory_mib, "storage_mib": storage_mib, "vms": vms, "networks": networks}
    values = {name: value for name, value in told.items() if value is not None}
    if not values:
        raise click.UsageError("Say what to set: --cpu, --memory-mib, --storage-mib, --vms, --networks.")
    users = [find(console, "user", each, admin=True).id for each in which]
    if console.is_cloud:
        params: dict[str, Any] = {"cluster": _named(scope(console, False)), "user_ids": users, **values}
        emit(console, console.change("cloud.quota.edit", params))
        return
    renamed = {f"quota_{name}": value for name, value in values.items()}
    emit_list(console, [console.change("admin.user.edit", {"user_id": each, **renamed}) for each in users], "user")


def _named(cluster: str) -> str:
    if not cluster:
        raise Problem("Quotas are of one cluster: say which by --cluster.")
    return cluster
