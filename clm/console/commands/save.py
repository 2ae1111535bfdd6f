"""``wawel vm save-and-shutdown``: a VM that becomes an image."""

from __future__ import annotations

import click

from clm.console.context import Console
from clm.console.names import find
from clm.console.options import shared
from clm.console.output import emit
from clm.console.problems import one_line
from clm.console.values import NamedType, Real
from clm.console.waiting import Deadline, Watch, check_ended, wait_operation


@click.command("save-and-shutdown", short_help="Turn a VM into an image; the VM is gone then.")
@click.argument("which", type=NamedType("vm"), metavar="VM")
@click.argument("name", metavar="IMAGE_NAME")
@click.option("--description", default="", help="What the image is.")
@click.option("--wait", is_flag=True, help="Until the image is there; exit code 5 if it comes not to that.")
@click.option("--wait-timeout", type=Real(0), default=3600.0, show_default=True, metavar="SECONDS",
              help="How long to wait; 0: for ever.")  # fmt: skip
@click.pass_obj
def save(console: Console, which: str, name: str, description: str, wait: bool, wait_timeout: float) -> None:
    """
    Ask a VM's guest to shut down, and keep its root disk as a new image of yours.

    The VM is gone afterwards, as after destroy: with its address, its name, its other disks and its user data. New VMs
    are made of the image with "wawel vm create NAME --image IMAGE_NAME".
    """
    found = find(console, "vm", which)
    console.confirm(f"Save {one_line(found.shown)} as image {name}? The VM is gone then, and its address with it.")
    params = {"vm_id": found.id, "name": name, "description": description}
    answer = console.change("user.vm.save_and_shutdown", params, cluster=found.cluster)
    if console.options.dry_run or not isinstance(answer, dict):
        emit(console, answer, "vm")
        return
    if wait and answer.get("operation_id"):
        with Watch() as watch:
            ended = wait_operation(
                console, answer["operation_id"], cluster=found.cluster, deadline=Deadline(wait_timeout),
                note=lambda state, percent: watch.note(found.shown, state, percent),
            )  # fmt: skip
        check_ended(ended, f"VM {found.shown}")
        answer = {**answer, "state": "done"}
    emit(console, answer, "vm")
    console.say(f"VM {one_line(found.shown)} {'is' if wait else 'will be'} gone; image {name} is what stays of it.")


save.params += shared(changes=True, asks=True)
