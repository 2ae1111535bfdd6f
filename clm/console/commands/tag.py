"""``wawel tag``: what people write on their objects, to find them by."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import click

from clm.console.context import Console
from clm.console.groups import NounGroup
from clm.console.names import find
from clm.console.options import verb
from clm.console.output import chosen, emit, emit_list
from clm.console.scope import all_clusters as all_clusters_option
from clm.console.scope import scope
from clm.console.values import NamedType
from cm.rpc.vocabulary import TagKind

KINDS = tuple(kind.value.replace("_", "-") for kind in TagKind)


class _ObjectType(click.ParamType):
    """A name, an id or a uuid of the kind that was said before."""

    name = "object"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        return NamedType(str(ctx.params.get("kind") or "")).shell_complete(ctx, param, incomplete)


@click.group(cls=NounGroup, no_args_is_help=True)
def tag() -> None:
    """Tags of VMs, disks, networks and others: KEY=VALUE."""


def _object(function: Callable[..., Any]) -> Callable[..., Any]:
    which = click.argument("which", type=_ObjectType(), metavar="OBJECT")
    return click.argument("kind", type=click.Choice(KINDS), metavar="KIND")(which(function))


@verb(tag, "ls")
@all_clusters_option
@click.argument("kind", type=click.Choice(KINDS), metavar="[KIND]", required=False)
def ls(console: Console, all_clusters: bool, kind: str | None) -> None:
    """
    List my objects that have tags.

    KIND is vm, image, disk, snapshot, security-group, network or public-address; all without it.
    """
    cluster = scope(console, all_clusters)
    params = {"kind": _word(kind)} if kind else {}
    answer = console.call("user.tag.get_list", params, cluster=cluster)
    if chosen(console) == "table":
        items = answer["items"] if isinstance(answer, dict) else answer
        for item in items:
            item["tags"] = ", ".join(f"{key}={value}" for key, value in item["tags"].items())
    emit_list(console, answer, "tag", every=all_clusters)


@verb(tag, "show")
@_object
def show(console: Console, kind: str, which: str) -> None:
    """The tags of an object, by its KIND and its name."""
    found = find(console, kind, which)
    emit(console, console.call("user.tag.get", _of(kind, found.id), cluster=found.cluster)["tags"])


@verb(tag, "set", changes=True)
@_object
@click.argument("tags", nargs=-1, required=True, metavar="KEY=VALUE...")
def set_tags(console: Console, kind: str, which: str, tags: Sequence[str]) -> None:
    """Give an object tags; others that it has stay."""
    made = {}
    for each in tags:
        key, is_there, value = each.partition("=")
        if not key or not is_there:
            raise click.UsageError(f"{json.dumps(each)} is no KEY=VALUE.")
        made[key] = value
    found = find(console, kind, which)
    emit(console, console.change("user.tag.set", {**_of(kind, found.id), "tags": made}, cluster=found.cluster))


@verb(tag, "rm", changes=True)
@_object
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
def rm(console: Console, kind: str, which: str, keys: Sequence[str]) -> None:
    """Take tags from an object, by their keys."""
    found = find(console, kind, which)
    told = {**_of(kind, found.id), "keys": list(dict.fromkeys(keys))}
    emit(console, console.change("user.tag.remove", told, cluster=found.cluster))


def _word(kind: str) -> str:
    return kind.replace("-", "_")


def _of(kind: str, object_id: int) -> dict[str, Any]:
    return {"kind": _word(kind), "object_id": object_id}
