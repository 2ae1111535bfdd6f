"""Of which clusters a list is: one that was named, all, or the one that is meant without a word; then it is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from clm.console.context import EVERY_CLUSTER, Console
from clm.console.output import chosen
from clm.console.problems import Problem
from cm.rpc.errors import CloudError

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def option() -> click.Option:
    return click.Option(["--all-clusters"], is_flag=True, help="Of all clusters; those that do not answer are named.")


def all_clusters(function: Decorated) -> Decorated:
    """``--all-clusters``, for what ends in ``scope``."""
    made = click.option("--all-clusters", is_flag=True, help="Of all clusters; those that do not answer are named.")
    return made(function)


def scope(console: Console, every: bool) -> str:
    """
    The cluster that a list is to be of; ``*`` for all.

    Where nobody said it and the cloud has several, it is said beside the list: an empty one would mislead.
    """
    if every:
        if not console.is_cloud:
            raise Problem("This is a lone cluster: --all-clusters is for clouds.")
        if console.options.cluster:
            raise Problem("Give --cluster or --all-clusters, not both.")
        return EVERY_CLUSTER
    cluster = console.cluster()
    if console.options.cluster or not console.is_cloud or chosen(console) != "table":
        return cluster
    try:
        if len(cluster_names(console)) < 2:
            return cluster
        account = {} if cluster else console.call("user.account.get")
    except CloudError:
        return cluster
    meant = cluster or str(account.get("default_cluster") or "")
    if meant:
        why = "as the profile says" if cluster else "your default"
        console.say(f"Cluster {meant}, {why}; --all-clusters lists those of all.")
    return meant


def cluster_names(console: Console) -> list[str]:
    """The names of a cloud's clusters."""
    told = console.call("guest.cluster.list_names")
    return [str(each["name"]) for each in told if isinstance(each, dict) and each.get("name")]
