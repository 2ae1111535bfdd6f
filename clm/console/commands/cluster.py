"""``wawel cluster``: the clusters of a cloud."""

from __future__ import annotations

import click

from clm.console.context import Console
from clm.console.groups import NounGroup
from clm.console.names import find
from clm.console.options import verb
from clm.console.output import emit, emit_list
from clm.console.profiles import check_url
from clm.console.values import NamedType, read_file, read_secret
from cm.rpc.errors import NotPermitted, UnknownMethod

_WHICH = click.argument("which", type=NamedType("cluster"), metavar="CLUSTER")


@click.group(cls=NounGroup, no_args_is_help=True)
def cluster() -> None:
    """Clusters of the cloud. More for its administrators is below "wawel cloud cluster"."""


@verb(cluster, "ls", cluster=False)
def ls(console: Console) -> None:
    """List clusters, and how they are."""
    if not console.is_cloud:
        emit_list(console, [console.call("guest.cluster.get_info")], "cluster")
        return
    try:
        found = console.call("cloud.cluster.get_list")
    except (NotPermitted, UnknownMethod):
        found = console.call("user.cluster.get_list")
    emit_list(console, found, "cluster")


@verb(cluster, "add", changes=True, cluster=False)
@click.argument("name")
@click.argument("url")
@click.option("--login", help="An administrator of the cluster, to have this cloud trusted there.")
@click.option("--password-file", metavar="FILE", help="Their password; - is standard input. Asked for without it.")
@click.option("--ca", metavar="FILE", help="Certificates to trust for it.")
def add(console: Console, name: str, url: str, login: str | None, password_file: str | None, ca: str | None) -> None:
    """Add a cluster to the cloud."""
    params = {"name": name, "url": check_url(url)}
    if ca:
        params["ca"] = read_file(ca)
    if login:
        console.require_session()
        params |= {"login": login, "password": read_secret(password_file, "Password")}
    emit(console, console.change("cloud.cluster.add", params), "cluster")


@verb(cluster, "lock", changes=True, cluster=False)
@_WHICH
def lock(console: Console, which: str) -> None:
    """Let nobody make anything new on a cluster."""
    found = find(console, "cluster", which)
    emit(console, console.change("cloud.cluster.lock", {"cluster_id": found.id}), "cluster")


@verb(cluster, "unlock", changes=True, cluster=False)
@_WHICH
def unlock(console: Console, which: str) -> None:
    """Use a cluster again."""
    found = find(console, "cluster", which)
    emit(console, console.change("cloud.cluster.unlock", {"cluster_id": found.id}), "cluster")
