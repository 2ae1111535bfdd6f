"""``wawel drift``: the ledger of differences, an administrator's."""

from __future__ import annotations

import click

from clm.console.context import Console
from clm.console.groups import NounGroup
from clm.console.names import find
from clm.console.options import shared, verb
from clm.console.output import emit, emit_list
from clm.console.problems import Problem
from clm.console.scope import all_clusters as all_clusters_option
from clm.console.scope import scope
from clm.console.values import NamedType, Whole


@click.group(cls=NounGroup, role="admin", invoke_without_command=True)
@click.option("--node", type=NamedType("node"), metavar="NODE", help="Of one node.")
@click.option("--closed", is_flag=True, help="Settled ones.")
@all_clusters_option
@click.pass_context
def drift(ctx: click.Context, node: str | None, closed: bool, all_clusters: bool) -> None:
    """
    Differences between what is wanted and what is seen, that have no safe automatic answer.

    Without a command it lists them, as "drift ls" does.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(ls, node=node, closed=closed, all_clusters=all_clusters)
    elif node is not None or closed or all_clusters:
        raise click.UsageError(f"These options go after the command: drift {ctx.invoked_subcommand} ...")


drift.params += shared()


@verb(drift, "ls")
@click.option("--node", type=NamedType("node"), metavar="NODE", help="Of one node.")
@click.option("--closed", is_flag=True, help="Settled ones.")
@all_clusters_option
def ls(console: Console, node: str | None = None, closed: bool = False, all_clusters: bool = False) -> None:
    """List findings, newest first."""
    cluster = scope(console, all_clusters)
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
@click.argument("ids", nargs=-1, required=True, type=Whole(1), metavar="DRIFT_ID...")
def apply(console: Console, ids: tuple[int, ...]) -> None:
    """Do what findings propose."""
    _change(console, "apply", ids)


@verb(drift, "adopt", changes=True)
@click.argument("drift_id", type=Whole(1), metavar="DRIFT_ID")
@click.option("--user", required=True, type=NamedType("user"), metavar="USER", help="Whose VM or disk it becomes.")
@click.option("--name", help="What it is called; a VM else by the domain's title, a disk by its volume.")
@click.option("--image", type=NamedType("image"), metavar="IMAGE",
              help="Of a domain: what it counts as made of, where its disk does not say.")  # fmt: skip
@click.option("--template", type=NamedType("template"), metavar="TEMPLATE",
              help="Of a domain: what it counts as made by; without it, one of its size.")  # fmt: skip
@click.option("--kind", type=click.Choice(["storage", "system", "iso"]),
              help="Of a volume: a disk (storage, the default), a system image, an ISO.")  # fmt: skip
@click.option("--force", is_flag=True, help="Also beyond the user's quota.")
def adopt(
    console: Console, drift_id: int, user: str, name: str | None, image: str | None, template: str | None,
    kind: str | None, force: bool,
) -> None:  # fmt: skip
    """
    Take what Wawel does not know into its records, as a user's: an unknown domain as a VM, which goes on as it is, or
    a leaked volume as a disk or an image. Other volumes: "storage adopt-volume".
    """
    cluster = console.cluster()
    rows = console.call("admin.drift.get_list", {"limit": 10_000}, cluster=cluster)
    row = next((each for each in rows if each["drift_id"] == drift_id), None)
    if row is None or row["kind"] not in ("unknown_domain", "leaked_volume"):
        raise Problem(
            f"Finding {drift_id} is neither an unknown domain nor a leaked volume.",
            hint="They are listed by: wawel drift ls",
        )
    domain = row["kind"] == "unknown_domain"
    if domain and kind is not None:
        raise Problem("--kind says nothing of a domain, which becomes a VM.")
    if not domain and (image is not None or template is not None):
        raise Problem("--image and --template say nothing of a volume.")
    params: dict[str, object] = {"user_id": find(console, "user", user, admin=True, own=False).id}
    params |= {"force": True} if force else {}
    if not domain:
        pool, _, volume = row["subject"].partition("/")
        params |= {"storage_id": int(pool.rpartition("-")[2]), "volume": volume, "name": name or volume}
        params |= {"kind": kind} if kind is not None else {}
        emit(console, console.change("admin.storage.adopt_volume", params, cluster=cluster), "image")
        return
    params |= {"node_id": row["node_id"], "uuid": row["subject"]}
    if image is not None:
        params["image_id"] = find(console, "image", image, admin=True).id
    if template is not None:
        params["template_id"] = find(console, "template", template).id
    params |= {"name": name} if name is not None else {}
    emit(console, console.change("admin.vm.adopt", params, cluster=cluster), "vm")


@verb(drift, "dismiss", changes=True)
@click.argument("ids", nargs=-1, required=True, type=Whole(1), metavar="DRIFT_ID...")
def dismiss(console: Console, ids: tuple[int, ...]) -> None:
    """Close findings that are all right as they are."""
    _change(console, "dismiss", ids)
