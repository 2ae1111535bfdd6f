"""What ``bin/demo --lone`` shows: a VM of a cluster without a cloud manager, by calls of the cluster manager's."""

from __future__ import annotations

from typing import Any

from lab.cloud import Cloud
from lab.daemon import Daemon
from lab.furnish import by_name
from lab.hints import first_calls
from lab.places import LabProblem

USER_DATA = "#!/bin/sh\necho 'user data says hello'\n"


class LoneTour:
    """Of a cloud of one cluster."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.run_dir = cloud.run_dir
        self.start, self.close = cloud.start, cloud.close

    def begin(self) -> None:
        self._vm = show_vm(self.cloud)

    def end(self) -> None:
        finish(self.cloud, self._vm)

    def hints(self) -> str:
        return first_calls(self.cloud, self._vm)

    def daemons(self) -> list[Daemon]:
        return [self.cloud.cm]


def show_vm(cloud: Cloud) -> dict[str, Any]:
    """Create a VM, or start the one that a kept cloud has, and see its guest come up."""
    real = cloud.hypervisor == "qemu"
    kept = by_name(cloud.user.call("user.vm.get_list"), "first")
    with cloud.steps.step("starting the VM" if kept else "creating a VM"):
        made = kept or cloud.create(name="first", description="Made by bin/demo", user_data=USER_DATA)
        if made["state"] in ("stopped", "error"):
            cloud.user.call("user.vm.start", {"vm_id": made["vm_id"]})
        vm = cloud.wait_running(made["vm_id"], contextualized=False)
    if real:
        with cloud.steps.step("waiting for its guest to be contextualized"):
            vm = cloud.wait_running(vm["vm_id"])
    address = vm["leases"][0]["address"]
    cloud.steps.say(f"VM {vm['vm_id']} '{vm['name']}' runs on {cloud.node_of(vm).name} with address {address}")
    if real:
        cloud.steps.quote(greeting(cloud.console(vm["vm_id"])))
    return vm


def greeting(console: str) -> list[str]:
    """The lines of a console that greet; serial lines end in CR LF."""
    lines = [line.strip() for line in console.splitlines()]
    return [line for line in lines if "Welcome to" in line or "user data says" in line]


def finish(cloud: Cloud, vm: dict[str, Any]) -> None:
    """
    Destroy the VM and look for what is left of it.

    :raises LabProblem: something is.
    """
    with cloud.steps.step("destroying the VM"):
        cloud.user.call("user.vm.destroy", {"vm_ids": [vm["vm_id"]]})
        cloud.wait_for(vm["vm_id"], "destroyed")
    with cloud.steps.step("looking for leaks"):
        left = cloud.check_leaks()
    if left:
        raise LabProblem("something is left of the VM: " + "; ".join(left))
    cloud.steps.say("nothing leaked: no domain, volume, address, port, capacity or quota")
