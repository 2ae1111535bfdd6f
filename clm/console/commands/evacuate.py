"""
``wawel node evacuate``: have a node's VMs run elsewhere. Each is stopped and started again, one after another.

Which VMs ran is written down before the first is stopped: when this is interrupted, or a VM finds no place, the next
run starts what the last one stopped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from clm.console.context import Console
from clm.console.names import Found, find
from clm.console.options import shared
from clm.console.output import chosen, emit, emit_list
from clm.console.places import read_text, state_dir, write_private
from clm.console.problems import FAILED, OperationFailed, Problem, one_line
from clm.console.values import NamedType, Real
from clm.console.waiting import Deadline, Watch, check_ended, wait_operation
from cm.rpc.errors import CloudError

Object = dict[str, Any]


@click.command()
@click.argument("which", type=NamedType("node"), metavar="NODE")
@click.option("--wait-timeout", type=Real(0), default=300.0, show_default=True, metavar="SECONDS",
              help="How long one VM's stop or start may take; 0: for ever.")  # fmt: skip
@click.pass_obj
def evacuate(console: Console, which: str, wait_timeout: float) -> None:
    """
    Lock a node and have its VMs run elsewhere.

    Their power is cut, and they are started again on other nodes, one after another. What is stopped already stays so.
    Run it again after an interruption: it goes on where it was.
    """
    node = find(console, "node", which, admin=True)
    told = console.call("admin.node.get_by_id", {"node_id": node.id}, cluster=node.cluster)
    journal = Journal(console, node)
    vms = console.call("admin.vm.get_list", {"node_id": node.id, "limit": 10_000}, cluster=node.cluster)
    moving = [vm for vm in vms if vm["state"] in ("running", "paused") or vm["vm_id"] in journal.stopped]
    # A VM that was stopped here is placed nowhere, or here still: the node's list alone would not tell it.
    moving += [vm for vm in journal.missing(vms) if vm["state"] == "stopped"]
    left = [vm for vm in vms if vm not in moving and vm["state"] != "stopped"]
    if console.options.dry_run:
        emit(console, {"dry_run": True, "plan": plan(told, moving, left)})
        return
    names = ", ".join(one_line(str(vm["name"])) for vm in moving)
    more = f", and cut the power of {names}, to start them elsewhere" if moving else ""
    console.confirm(f"Lock {told['name']}{more}?")
    if not told.get("locked"):
        console.change("admin.node.lock", {"node_id": node.id}, cluster=node.cluster)
    results = _move_all(console, node, moving, journal, wait_timeout)
    for vm in left:
        results.append({"vm_id": vm["vm_id"], "name": vm["name"], "status": "left", "message": f"it is {vm['state']}"})
    if chosen(console) != "table" or results:
        emit_list(console, results, "evacuated")
    bad = [result for result in results if result["status"] != "moved"]
    if bad:
        console.say(f"{len(bad)} of {len(results)} VMs were not moved. Run this again to go on.")
        raise click.exceptions.Exit(FAILED)
    journal.end()
    console.say(f"{told['name']} is locked and runs no VM of ours.")


evacuate.params += shared(changes=True, asks=True)


class Journal:
    """Which VMs this stopped and did not start again, by node; a file, so that it outlives an interruption."""

    def __init__(self, console: Console, node: Found) -> None:
        self._console, self._cluster = console, node.cluster
        told = "\n".join([console.profile().url, node.cluster, str(node.id)])
        self.path: Path = state_dir() / f"evacuate-{hashlib.sha256(told.encode()).hexdigest()[:16]}.json"
        try:
            found = json.loads(read_text(self.path) or "[]")
        except ValueError:
            found = []
        self.stopped: list[int] = [each for each in found if isinstance(each, int)] if isinstance(found, list) else []

    def missing(self, vms: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """VMs that were stopped and are not among these."""
        there = {vm["vm_id"] for vm in vms}
        found = []
        for vm_id in self.stopped:
            if vm_id not in there:
                try:
                    found.append(self._console.call("admin.vm.get_by_id", {"vm_id": vm_id}, cluster=self._cluster))
                except CloudError:
                    continue  # its owner destroyed it meanwhile, or it is not ours to see any more
        return found

    def add(self, vm_id: int) -> None:
        if vm_id not in self.stopped:
            self.stopped.append(vm_id)
        self._write()

    def discard(self, vm_id: int) -> None:
        self.stopped = [each for each in self.stopped if each != vm_id]
        self._write()

    def _write(self) -> None:
        write_private(self.path, json.dumps(self.stopped) + "\n")

    def end(self) -> None:
        self.path.unlink(missing_ok=True)


def plan(node: Object, moving: Sequence[Object], left: Sequence[Object]) -> list[Object]:
    """What would be done, in order."""
    steps: list[dict[str, Any]] = []
    if not node.get("locked"):
        steps.append({"step": "lock", "node": node["name"], "node_id": node["node_id"]})
    for vm in moving:
        told = {"vm": vm["name"], "vm_id": vm["vm_id"]}
        if vm["state"] != "stopped":
            steps.append({"step": "stop", **told})
        steps.append({"step": "start elsewhere", **told})
    steps += [{"step": "leave", "vm": vm["name"], "vm_id": vm["vm_id"], "state": vm["state"]} for vm in left]
    return steps


def _move_all(
    console: Console, node: Found, moving: Sequence[dict[str, Any]], journal: Journal, timeout: float
) -> list[dict[str, Any]]:  # fmt: skip
    results = []
    with Watch() as watch:
        for vm in moving:
            result = {"vm_id": vm["vm_id"], "name": vm["name"], "status": "moved"}
            try:
                result["node"] = _move(console, node, vm, journal, timeout, watch)
            except (OperationFailed, CloudError, Problem) as error:
                told = error.message if isinstance(error, Problem) else str(error)
                result |= {"status": "failed", "message": one_line(str(told))}
            results.append(result)
    return results


def _move(
    console: Console, node: Found, vm: dict[str, Any], journal: Journal, timeout: float, watch: Watch
) -> str:  # fmt: skip
    """Stop a VM and start it again. :return: the node that it is on then, if that is told."""
    vm_id, name = vm["vm_id"], str(vm["name"])
    for action in ("stop", "start"):
        if action == "stop":
            if vm["state"] == "stopped":
                continue
            journal.add(vm_id)
        op = console.change(f"admin.vm.{action}", {"vm_id": vm_id}, cluster=node.cluster)

        def note(state: str, percent: float, action: str = action) -> None:
            watch.note(name, f"{action}: {state}", percent / 2 + (50 if action == "start" else 0))

        if op.get("operation_id"):
            ended = wait_operation(
                console, op["operation_id"], cluster=node.cluster, admin=True, deadline=Deadline(timeout), note=note
            )
            check_ended(ended, f"{action} of VM {name}")
    journal.discard(vm_id)
    now = console.call("admin.vm.get_by_id", {"vm_id": vm_id}, cluster=node.cluster)
    return str(now.get("node") or "")
