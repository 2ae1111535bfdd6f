"""``wawel vm``: lists, states and screens. Creating one is in ``create.py``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import click

from clm.console.commands.create import create
from clm.console.commands.save import save
from clm.console.commands.screen import screenshot, vnc
from clm.console.commands.statistics import of_vm
from clm.console.context import Console
from clm.console.groups import NounGroup
from clm.console.names import find, find_all
from clm.console.options import everybody, verb
from clm.console.output import chosen, emit, emit_list, printable
from clm.console.problems import REFUSED, Problem, one_line
from clm.console.scope import all_clusters as all_clusters_option
from clm.console.scope import scope
from clm.console.values import NamedType, Real, Whole
from clm.console.waiting import Deadline, Watch, check_ended, wait_operation
from cm.rpc.errors import Unavailable, VolumeNotFound

POLL_S = 1.0  # of a console that is followed
FIRST_S = 60.0  # within which a VM that is followed begins to write: it may have been made just now


@click.group(cls=NounGroup, no_args_is_help=True)
def vm() -> None:
    """Virtual machines."""


for _command in (create, save, of_vm, vnc, screenshot):
    vm.add_command(_command)


@verb(vm, "ls")
@everybody
@all_clusters_option
@click.option("--closed", is_flag=True, help="Destroyed ones.")
@click.option("--shared", is_flag=True, help="Those of others that are shared with me.")
@click.option("--limit", type=Whole(1, 10_000), help="No more than so many.")
@click.option("--watch", is_flag=True, help="Stay, and show what changes.")
def ls(
    console: Console, admin: bool, all_clusters: bool, closed: bool, shared: bool, limit: int | None, watch: bool
) -> None:
    """List VMs, newest first."""
    if admin and shared:
        raise Problem("Administrators see everybody's VMs: give --admin or --shared.")
    cluster = scope(console, all_clusters)
    params: dict[str, Any] = {"closed": True} if closed else {}
    if shared:
        params["shared"] = True
    if limit is not None:
        params["limit"] = limit

    def look() -> Any:
        return console.call(f"{'admin' if admin else 'user'}.vm.get_list", params, cluster=cluster)

    if watch:
        from clm.console.watching import watch_list

        watch_list(console, look, "vm", admin, all_clusters)
        return
    emit_list(console, look(), "vm", every=all_clusters)


@verb(vm, "show")
@everybody
@click.argument("which", type=NamedType("vm"), metavar="VM")
def show(console: Console, admin: bool, which: str) -> None:
    """Everything about a VM."""
    found = find(console, "vm", which, admin=admin)
    method = f"{'admin' if admin else 'user'}.vm.get_by_id"
    emit(console, console.call(method, {"vm_id": found.id}, cluster=found.cluster), "vm")


@verb(vm, "operations")
@click.argument("which", type=NamedType("vm"), metavar="VM")
def operations(console: Console, which: str) -> None:
    """What may be done with a VM as it is now and, of the rest, why not."""
    found = find(console, "vm", which)
    (told,) = console.call("user.vm.operations", {"vm_ids": [found.id]}, cluster=found.cluster)
    if "operations" not in told:
        raise Problem(one_line(str(told.get("message"))))
    emit_list(console, told["operations"], "offer")


def change_all(
    console: Console, action: str, which: Sequence[str], *, admin: bool, wait: bool, timeout: float, many: bool
) -> None:
    """
    Do the same to VMs; one's refusal does not stop the others.

    :param many: the view takes them all at once.
    """
    found = find_all(console, "vm", which, admin=admin)
    method = f"{'admin' if admin else 'user'}.vm.{action.replace('-', '_')}"
    if action == "destroy":
        told = ", ".join(each.shown for each in found)
        console.confirm(f"Destroy {one_line(told)}, with {'its disks' if len(found) == 1 else 'their disks'}?")
    results: list[dict[str, Any]] = []
    names = {(each.cluster, each.id): each.name for each in found}
    for cluster in dict.fromkeys(each.cluster for each in found):
        ids = [each.id for each in found if each.cluster == cluster]
        for some in [ids] if many else [[each] for each in ids]:
            changed = _changed(console, method, some, cluster, many, alone=len(found) == 1)
            results += [
                {"name": names.get((cluster, each.get("vm_id", 0)), ""), **each, "cluster": cluster} for each in changed
            ]
    if console.options.dry_run:
        emit(console, {"dry_run": True, "plan": results} if not many or len(results) > 1 else _bare(results[0]))
        return
    if wait:
        _wait(console, results, admin, timeout)
    if chosen(console) == "table":
        results = [_shown(each) for each in results]
    emit_list(console, [each if each.get("cluster") else _bare(each) for each in results], "action")
    _conclude(results, wait)


def _changed(
    console: Console, method: str, ids: list[int], cluster: str, many: bool, alone: bool
) -> list[dict[str, Any]]:  # fmt: skip
    try:
        answer = console.change(method, {"vm_ids": ids} if many else {"vm_id": ids[0]}, cluster=cluster)
    except Problem as problem:
        # A refusal of one VM alone is told beside the others; what concerns all of them is told at once.
        if many or alone or problem.exit_code != REFUSED:
            raise
        return [{"vm_id": ids[0], "status": "refused", "message": problem.message}]
    if console.options.dry_run:
        plan = answer.get("plan", []) if isinstance(answer, dict) else []
        return [{"dry_run": True, "plan": plan}] if many else plan
    entries = answer if isinstance(answer, list) else [answer]
    if alone and isinstance(entries[0], dict) and entries[0].get("status", "ok") != "ok":
        raise Problem(console.worded(one_line(str(entries[0].get("message") or entries[0]["status"]))), REFUSED)
    made = [{"status": "ok", **(each if isinstance(each, dict) else {"vm_id": ids[0]})} for each in entries]
    return [{**each, "message": console.worded(str(each["message"]))} if each.get("message") else each for each in made]


def _bare(result: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key not in ("cluster", "name") or value}


def _shown(result: dict[str, Any]) -> dict[str, Any]:
    names = ("cluster", "vm_id", "name", "status", "operation_id", "message")
    return {key: result[key] for key in names if result.get(key)}


def _wait(console: Console, results: list[dict[str, Any]], admin: bool, timeout: float) -> None:
    deadline = Deadline(timeout)
    with Watch() as watch:
        for result in results:
            if result["status"] != "ok" or not result.get("operation_id"):
                continue
            shown = str(result["name"] or result["vm_id"])

            def note(state: str, percent: float, shown: str = shown) -> None:
                watch.note(shown, state, percent)

            try:
                op = wait_operation(
                    console,
                    result["operation_id"],
                    cluster=result["cluster"],
                    admin=admin,
                    deadline=deadline,
                    note=note,
                )
                check_ended(op, f"VM {shown}")
                result["status"] = "done"
            except Problem as problem:
                if problem.exit_code != 5:
                    raise
                result["status"], result["message"] = "failed", problem.message


def _conclude(results: list[dict[str, Any]], wait: bool) -> None:
    statuses = {result["status"] for result in results}
    if wait and "failed" in statuses:
        raise click.exceptions.Exit(5)
    if statuses - {"ok", "done"}:
        raise click.exceptions.Exit(REFUSED)


ACTIONS = {
    "start": ("Start stopped VMs.", False),
    "stop": ("Cut VMs' power; disks, addresses and quota stay.", False),
    "shutdown": ("Ask VMs' guests to shut down.", False),
    "pause": ("Halt VMs' CPUs; their memory stays in place.", False),
    "resume": ("Let paused VMs go on.", False),
    "suspend": ("Write VMs' memory to their storage, and give back their share of their node.", False),
    "wake-up": ("Have suspended VMs go on, on any node.", False),
    "reset": ("Press the reset buttons of running VMs.", True),
    "trash": ("Put VMs into the trash: they keep all that they have, and can be recovered for a while.", True),
    "recover": ("Take VMs out of the trash; they are stopped then.", True),
    "destroy": ("Destroy VMs and delete their disks: there is no way back.", True),
}


def _add_action(action: str, summary: str, many: bool) -> None:
    @verb(vm, action, changes=True, asks=action == "destroy", help=summary)
    @everybody
    @click.option("--wait", is_flag=True, help="Until it is done; exit code 5 if it fails.")
    @click.option("--wait-timeout", type=Real(0), default=300.0, show_default=True, metavar="SECONDS",
                  help="How long to wait; 0: for ever.")  # fmt: skip
    @click.argument("which", nargs=-1, required=True, type=NamedType("vm"), metavar="VM...")
    def run(console: Console, admin: bool, wait: bool, wait_timeout: float, which: tuple[str, ...]) -> None:
        change_all(console, action, which, admin=admin, wait=wait, timeout=wait_timeout, many=many)


for _action, (_summary, _many) in ACTIONS.items():
    _add_action(_action, _summary, _many)


@verb(vm, "console")
@click.argument("which", type=NamedType("vm"), metavar="VM")
@click.option("-f", "--follow", is_flag=True, help="Stay, and show what is added.")
@click.option("--bytes", "limit", type=Whole(1, 262_144), default=65_536, show_default=True,
              help="So many of the last.")  # fmt: skip
@click.option("--raw", is_flag=True, help="As it is, with what a terminal would obey.")
@click.option("-i", "--interactive", is_flag=True, help="Speak to it; Ctrl-] leaves.")
@click.option("--force", is_flag=True, help="With -i: take it from whoever speaks to it.")
@click.option("--linger", type=Real(0), default=2.0, show_default=True, metavar="SECONDS",
              help="With -i and a pipe: leave once that has ended and the VM is silent for so long.")  # fmt: skip
def serial_console(
    console: Console, which: str, follow: bool, limit: int, raw: bool, interactive: bool, force: bool, linger: float
) -> None:
    """
    What a VM wrote to its serial console; with -i, speak to it.

    With -i every key goes to the VM but Ctrl-], which leaves. What comes by a pipe is written to the VM, and what it
    answers to standard output, as it is.
    """
    if interactive and (follow or raw):
        raise click.UsageError("-i shows what the VM writes, as it is and as it comes, without --follow and --raw.")
    if force and not interactive:
        raise click.UsageError("--force goes with -i.")
    found = find(console, "vm", which)
    if interactive:
        from clm.console.speaking import speak

        speak(console, found, force=force, linger_s=linger)
        return
    shown = ""
    first_until = time.monotonic() + FIRST_S
    while True:
        try:
            text = console.call("user.vm.get_console", {"vm_id": found.id, "limit": limit}, cluster=found.cluster)
        except (Unavailable, VolumeNotFound) as error:
            begins = not shown and time.monotonic() < first_until
            if not follow or not (begins or (shown and isinstance(error, Unavailable))):
                raise
            text = shown
        added = added_since(shown, str(text))
        if added:
            click.echo(added if raw else printable(added), nl=False, color=True)  # click would take some away
        shown = str(text) or shown
        if not follow:
            if shown and not shown.endswith("\n"):
                click.echo()
            return
        time.sleep(POLL_S)


def added_since(before: str, now: str) -> str:
    """What was added to a text of which only the end is told."""
    if not before or now.startswith(before):
        return now[len(before) :]
    for length in (4096, 256):
        end = before[-length:]
        place = now.rfind(end)
        if place >= 0:
            return now[place + len(end) :]
    return now
