"""``bin/demo``: a whole cloud on this machine, to try; see ``--help``."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.hosts import Lab
from lab.places import REPOSITORY, LabProblem, state_dir
from lab.steps import Steps

if TYPE_CHECKING:
    from lab.cloud import Cloud

NODES_MAX = 20
PORT = 8001
EPILOGUE = """\
The state (database, images, credentials) is in .state/demo; WAWEL_STATE moves .state.
Exit status: 0 done, 1 failed, 2 wrong usage."""


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="bin/demo", formatter_class=argparse.RawDescriptionHelpFormatter, epilog=EPILOGUE,
        description="Start a whole cloud on this machine: PostgreSQL, libvirt hosts, a cluster manager, node agents.\n"
        "Create a VM, wait until its guest is contextualized, and stay until Ctrl-C, which leaves nothing behind.",
    )  # fmt: skip
    made.add_argument("--once", action="store_true", help="destroy the VM, check that nothing leaked, and exit")
    made.add_argument("--nodes", type=int, default=2, metavar="N", help="so many hosts, 1 to 20 (default: 2)")
    made.add_argument(
        "--hypervisor", choices=["qemu", "test"], default="qemu",
        help="qemu: real hosts and guests, needs root. test: libvirt's test driver, needs no rights (default: qemu)",
    )  # fmt: skip
    made.add_argument("--keep", action="store_true", help="keep database, images and VMs for the next start")
    made.add_argument("--clean", action="store_true", help="remove what is kept and what killed runs left, and exit")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    if not 1 <= options.nodes <= NODES_MAX:
        parser().error(f"--nodes must be 1 to {NODES_MAX}")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    steps = Steps()
    try:
        if options.clean:
            return clean(steps)
        return run(options, steps)
    except KeyboardInterrupt:
        steps.say("interrupted; nothing runs any more")
        return 130
    except LabProblem as problem:
        steps.say("failed")
        print(f"bin/demo: {problem}", file=sys.stderr)
        return 1


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def clean(steps: Steps) -> int:
    """Remove the demo's state, and whatever labs left behind that were killed together with their keepers."""
    if os.geteuid() == 0:
        for bridge in Lab.sweep():
            steps.say(f"removed what was left of {bridge}")
    place = state_dir() / "demo"
    if place.is_dir():
        from lab.keeper import sweep
        from lab.postgres import PrivatePostgres
        from lab.processes import find_lock

        lock = find_lock(place / "lock")
        if lock is None:
            raise LabProblem(f"a demo is running in {place}; end it first")
        elsewhere = PrivatePostgres(place / "postgres").base             # where its account cannot enter our directory
        for directory in (place, elsewhere):
            sweep(directory, None, remove=True)
        steps.say(f"removed {place}")
    return 0


def choose_kvm() -> tuple[bool, str]:
    """Whether guests can have the processor itself, and why."""
    try:
        flags = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        flags = []
    if not {"vmx", "svm"} & set(flags):
        return False, "TCG, QEMU's emulation: the processor shows neither vmx nor svm"
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
    except OSError as error:
        return False, f"TCG, QEMU's emulation: /dev/kvm does not open ({error.strerror})"
    return True, "KVM"


def run(options: argparse.Namespace, steps: Steps) -> int:
    if options.hypervisor == "qemu":
        lacking = Lab.missing()
        if lacking:
            raise LabProblem(f"real hosts cannot run here: {'; '.join(lacking)}. --hypervisor test needs less")
        Lab.sweep()
    kvm, why = choose_kvm() if options.hypervisor == "qemu" else (False, "none, libvirt's test driver plays the hosts")
    steps.say(f"virtualization: {why}")
    # Both need the virtual environment.
    from cm.rpc.errors import CloudError
    from lab.cloud import Cloud

    base = state_dir() / "demo"
    if not options.keep:
        discard(base)
    cloud = Cloud(base, options.nodes, options.hypervisor, kvm=kvm, keep=options.keep, rpc_port=PORT, steps=steps)
    try:
        cloud.start()
        vm = show_vm(cloud)
        if options.once:
            finish(cloud, vm)
            return 0
        from lab.hints import first_calls

        print(first_calls(cloud, vm), flush=True)
        stay(cloud)
    except CloudError as error:
        raise LabProblem(f"the cluster manager says: {error} The logs are in {save_logs(cloud)}") from error
    except LabProblem as problem:
        raise LabProblem(f"{problem} (the logs are in {save_logs(cloud)})") from problem
    finally:
        # A second Ctrl-C must not stop us from cleaning up.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        with steps.step("ending everything"):
            cloud.close()
    return 0


def save_logs(cloud: Cloud) -> Path:
    """Put what the cloud's programs wrote where it outlives the cloud."""
    place = state_dir() / "demo-failed.log"
    with place.open("w") as file:
        for log in sorted(cloud.run_dir.glob("*.log")):
            file.write(f"==> {log.name}\n{log.read_text(errors='replace')}\n")
    return place


def discard(base: Path) -> None:
    """Begin anew: what an earlier run kept, or could not remove when it was killed."""
    if not base.is_dir():
        return
    from lab.processes import find_lock

    lock = find_lock(base / "lock")
    if lock is None:
        raise LabProblem(f"another demo is running in {base}")
    try:
        from lab.keeper import end_recorded

        end_recorded(base)
        shutil.rmtree(base, ignore_errors=True)
    finally:
        os.close(lock)


def show_vm(cloud: Cloud) -> dict[str, Any]:
    """Create a VM and see its guest come up."""
    real = cloud.hypervisor == "qemu"
    with cloud.steps.step("creating a VM"):
        made = cloud.create(name="first", description="Made by bin/demo", user_data=USER_DATA)
        vm = cloud.wait_running(made["vm_id"], contextualized=False)
    if real:
        with cloud.steps.step("waiting for its guest to be contextualized"):
            vm = cloud.wait_running(vm["vm_id"])
    address = vm["leases"][0]["address"]
    cloud.steps.say(f"VM {vm['vm_id']} '{vm['name']}' runs on {cloud.node_of(vm).name} with address {address}")
    if real:
        for line in greeting(cloud.console(vm["vm_id"])):
            print(f"          | {line}", flush=True)
    return vm


USER_DATA = "#!/bin/sh\necho 'user data says hello'\n"


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


def stay(cloud: Cloud) -> None:
    """
    Wait for Ctrl-C.

    :raises LabProblem: the cluster manager has ended by itself.
    """
    forever = threading.Event()
    while not forever.wait(1.0):
        cloud.cm.check()


if __name__ == "__main__":
    began = time.time()
    os.environ.setdefault("WAWEL_BEGAN", str(began))
    os.chdir(REPOSITORY)
    sys.exit(main())
