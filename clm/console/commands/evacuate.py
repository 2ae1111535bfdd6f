"""
``wawel node evacuate`` and ``maintain``: have a node's VMs run elsewhere. The manager does it, by an operation that
waits for a move of each VM; this asks for it, shows how it comes on, and says in the end what is still there. And
``fence``, of a node that cannot be asked any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from clm.console.context import Console, is_interactive
from clm.console.names import Found, find
from clm.console.options import shared
from clm.console.output import chosen, emit, emit_list
from clm.console.problems import FAILED, UNREACHABLE, OperationFailed, Problem, one_line
from clm.console.values import NamedType, Real
from clm.console.waiting import Deadline, Watch, because, check_ended, wait_operation
from cm.rpc.errors import CloudError
from cm.rpc.vocabulary import OPEN_OPERATIONS

Object = dict[str, Any]


def _emptying(command: click.Command) -> click.Command:
    """What both take."""
    command.params += [
        click.Argument(["which"], type=NamedType("node"), metavar="NODE"),
        click.Option(["--wait-timeout"], type=Real(0), default=3600.0, show_default=True, metavar="SECONDS",
                     help="How long this waits for the whole, which goes on; 0: for ever."),
        click.Option(["--cold"], is_flag=True, help="Move none while it runs: cut the power of all."),
        click.Option(["--reason"], default="", help="Why, for those who wonder later."),
        *shared(changes=True, asks=True),
    ]  # fmt: skip
    return command


@_emptying
@click.command()
@click.pass_obj
def evacuate(console: Console, which: str, wait_timeout: float, cold: bool, reason: str) -> None:
    """
    Lock a node and have its VMs run elsewhere.

    They go on while they are moved, where that can be; the power of the others is cut, and they are started on other
    nodes. A place for every VM is claimed before anything is done to the first; those without one are named and left
    running. It is one operation, which goes on when this is interrupted:
    run this again to see how it comes on, and to go on with what has failed; or give it up with wawel op abandon, and
    what has not begun stays where it runs.
    """
    _empty(console, "admin.node.evacuate", which, wait_timeout, cold, reason)


@_emptying
@click.command()
@click.pass_obj
def maintain(console: Console, which: str, wait_timeout: float, cold: bool, reason: str) -> None:
    """
    Empty a node, as evacuate does, for work on its machine.

    Once no VM is placed there it may restart, be upgraded and be away, and its health does not suffer. wawel node
    unlock ends that.
    """
    _empty(console, "admin.node.maintain", which, wait_timeout, cold, reason)


@click.command()
@click.argument("which", type=NamedType("node"), metavar="NODE")
@click.option("--reason", default="", help="Why, for those who wonder later.")
@click.pass_obj
def fence(console: Console, which: str, reason: str) -> None:
    """
    Say that the machine of a node is off, and have its VMs run elsewhere.

    Of a node that does not answer. Be sure of it, and power it off first: a VM that runs twice on one disk destroys it.
    VMs that were to run are started on other nodes, or stay stopped, as their policy says (on_host_failure). Those on
    their way to the node or from it are where their other node has them. Those whose disks are the node's own, and
    those with work under way that needs it, are left and named.
    """
    node = find(console, "node", which, admin=True)
    console.confirm(
        f"Is the machine of {one_line(node.shown)} off? A VM that runs on it all the same destroys its disks. Go on?"
    )
    told = console.change(
        "admin.node.fence", {"node_id": node.id, **({"reason": reason} if reason else {})}, cluster=node.cluster
    )
    if console.options.dry_run:
        emit(console, told)
        return
    results = [_result(vm, str(vm["kind"] or "ended")) for vm in told["ended"]]
    results += [_result(vm, "stays", f"on {vm['node']}, which alone is asked for it") for vm in told["diverted"]]
    results += [_result(vm, "left", vm["reason"]) for vm in told["left"]]
    if chosen(console) != "table" or results:
        emit_list(console, results, "evacuated")
    if told["left"]:
        console.say(f"{len(told['left'])} of {len(results)} VMs were left. Run this again for them, once they can go.")
        raise click.exceptions.Exit(FAILED)
    console.say(f"{told['node']} is locked and runs no VM of ours.")


fence.params += shared(changes=True, asks=True)


def _empty(console: Console, view: str, which: str, wait_timeout: float, cold: bool, reason: str) -> None:
    node = find(console, "node", which, admin=True)
    params = {"node_id": node.id, **({"live": False} if cold else {}), **({"reason": reason} if reason else {})}
    if console.options.dry_run:
        emit(console, console.change(view, params, cluster=node.cluster))
        return
    if is_interactive() and not console.options.yes:
        told = console.call(view, {**params, "dry_run": True}, cluster=node.cluster)
        console.confirm(question(node, told.get("plan", ())))
    told = console.change(view, params, cluster=node.cluster)
    results = _watch(console, node, told, wait_timeout)
    results += [_result(vm, "left", vm["reason"]) for vm in told["left"]]
    results += _others(console, node, {result["vm_id"] for result in results})
    if chosen(console) != "table" or results:
        emit_list(console, results, "evacuated")
    bad = [result for result in results if result["status"] != "moved"]
    if bad:
        console.say(f"{len(bad)} of {len(results)} VMs were not moved. Run this again to go on.")
        raise click.exceptions.Exit(FAILED)
    console.say(f"{told['node']} is locked and runs no VM of ours.")


def question(node: Found, plan: Sequence[Mapping[str, Any]]) -> str:
    """What is about to be done, as a question."""
    moves = [step for step in plan if step.get("step") == "move"]
    going = [one_line(str(step.get("name"))) for step in moves if step.get("how") == "live"]
    moving = [one_line(str(step.get("name"))) for step in moves if step.get("how") != "live"]
    left = [one_line(str(step.get("name"))) for step in plan if step.get("step") == "leave"]
    text = f"Lock {one_line(node.shown)}"
    if going:
        text += f", move {', '.join(going)} elsewhere while they run"
    if moving:
        text += f", and cut the power of {', '.join(moving)}, to start them elsewhere"
    return text + (f" ({', '.join(left)} stay)?" if left else "?")


def _result(vm: Mapping[str, Any], status: str, message: str = "") -> Object:
    made = {"vm_id": vm["vm_id"], "name": vm["name"], "status": status}
    return {**made, "message": one_line(message)} if message else made


def _watch(console: Console, node: Found, told: Mapping[str, Any], timeout: float) -> list[Object]:
    """Wait for the operation, which ends when all moves have; what came of each."""
    number = told.get("operation_id")
    if number is not None:
        with Watch() as watch:
            try:
                wait_operation(
                    console, number, cluster=node.cluster, admin=True, deadline=Deadline(timeout),
                    note=lambda state, percent: watch.note(node.shown, state, percent),
                )  # fmt: skip
            except Problem as problem:
                if problem.exit_code != UNREACHABLE:
                    raise
                console.say(problem.message)
    return [_moved(console, node, vm) for vm in told["moving"]]


def _moved(console: Console, node: Found, vm: Mapping[str, Any]) -> Object:
    number = vm["operation_id"]
    try:
        move = console.call("admin.operation.get", {"operation_id": number}, cluster=node.cluster)
        if move.get("state") in OPEN_OPERATIONS:
            return _result(vm, "under way", f"operation {number}: {because(move['state'], move.get('waiting_for'))}")
        check_ended(move, f"move of VM {vm['name']}")
        now = console.call("admin.vm.get_by_id", {"vm_id": vm["vm_id"]}, cluster=node.cluster)
        told = vm.get("why_cold") or ""
        return {**_result(vm, "moved", f"started anew: {told}" if told else ""), "node": str(now.get("node") or "")}
    except OperationFailed as error:
        return _result(vm, "failed", error.message)
    except CloudError as error:
        return _result(vm, "under way", f"operation {number}: {error}")


def _others(console: Console, node: Found, known: set[int]) -> list[Object]:
    """What is on the node all the same: what came there while the others were leaving."""
    params = {"node_id": node.id, "limit": 10_000}
    there = console.call("admin.vm.get_list", params, cluster=node.cluster)
    return [_result(vm, "left", f"it is {vm['state']}") for vm in there
            if vm["vm_id"] not in known and vm["state"] != "stopped"]  # fmt: skip
