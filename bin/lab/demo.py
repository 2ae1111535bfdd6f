"""``bin/demo``: a whole cloud on this machine, to try; see ``--help``. What it shows of it is in ``tour.py``."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lab.hosts import Lab
from lab.places import REPOSITORY, LabProblem, state_dir
from lab.steps import Steps

if TYPE_CHECKING:
    from lab.tour import Tour

HOSTS_MAX = 20
# A manager that ended so often within so many seconds would do it again.
RESTARTS_MAX, RESTARTS_S = 4, 60.0
CLUSTERS_MAX = 8
EPILOGUE = """\
The state (database, images, credentials) is in .state/demo; WAWEL_STATE moves .state.
Exit status: 0 done, 1 failed, 2 wrong usage."""


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="bin/demo", formatter_class=argparse.RawDescriptionHelpFormatter, epilog=EPILOGUE,
        description="Start a whole cloud on this machine: PostgreSQL, a cloud manager, clusters of libvirt hosts.\n"
        "Let a user register and log in by the console, and create a VM on each cluster; then stay until Ctrl-C,\n"
        "which leaves nothing behind.",
    )  # fmt: skip
    made.add_argument("--once", action="store_true", help="destroy the VMs, check that nothing leaked, and exit")
    made.add_argument("--clusters", type=int, default=2, metavar="N", help="so many clusters, 1 to 8 (default: 2)")
    made.add_argument(
        "--nodes", type=int, metavar="N",
        help="so many hosts for each cluster, 20 in all at most (default: 1; 2 with --lone)",
    )  # fmt: skip
    made.add_argument("--lone", action="store_true", help="a single cluster, without a cloud manager above it")
    made.add_argument(
        "--hypervisor", choices=["qemu", "test"], default="qemu",
        help="qemu: real hosts and guests, needs root. test: libvirt's test driver, needs no rights (default: qemu)",
    )  # fmt: skip
    portal = made.add_mutually_exclusive_group()
    portal.add_argument(
        "--portal", action="store_true",
        help="build the web portal first, and fail where that fails: a minute or two at first (without it, what stays"
        " on real hosts with a cloud manager builds it, and goes on where that fails)",
    )  # fmt: skip
    portal.add_argument("--no-portal", action="store_true", help="do not build the web portal")
    made.add_argument("--keep", action="store_true", help="keep database, images and VMs for the next start")
    made.add_argument("--clean", action="store_true", help="remove what is kept and what killed runs left, and exit")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    if not 1 <= options.clusters <= CLUSTERS_MAX:
        parser().error(f"--clusters must be 1 to {CLUSTERS_MAX}")
    if options.lone:
        options.clusters = 1
    options.nodes = (2 if options.lone else 1) if options.nodes is None else options.nodes
    if not 1 <= options.nodes <= HOSTS_MAX // options.clusters:
        parser().error(f"--nodes must be 1 to {HOSTS_MAX // options.clusters}")
    # SIGINT too: a shell that starts us in the background has it ignored, and Python then leaves it so.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
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
    except OSError as error:
        return False, f"TCG, QEMU's emulation: /proc/cpuinfo cannot be read ({error.strerror})"
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
    # These need the virtual environment.
    from cm.rpc.errors import CloudError

    base = state_dir() / "demo"
    if not options.keep:
        discard(base)
    tour = choose_tour(options, base, kvm, steps)
    try:
        tour.start()
        tour.begin()
        if options.once:
            tour.end()
            return 0
        print(tour.hints(), flush=True)
        stay(tour, steps)
    except CloudError as error:
        raise LabProblem(f"the manager says: {error} The logs are in {save_logs(tour)}") from error
    except LabProblem as problem:
        raise LabProblem(f"{problem} (the logs are in {save_logs(tour)})") from problem
    finally:
        # A second Ctrl-C must not stop us from cleaning up.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        with steps.step("ending everything"):
            tour.close()
    return 0


def choose_tour(options: argparse.Namespace, base: Path, kvm: bool, steps: Steps) -> Tour:
    """
    :raises LabProblem: what is kept is of the other kind, or of another size.
    """
    from lab.cloud import Cloud
    from lab.federation import CM_PORT, Federation
    from lab.lone_tour import LoneTour
    from lab.tour import CloudTour

    # A lone cluster may get more nodes at its next start; those of several are numbered throughout.
    nodes = None if options.lone else options.nodes
    shape = {"lone": options.lone, "clusters": options.clusters, "nodes": nodes, "hypervisor": options.hypervisor}
    kept = base / "shape.json"
    try:
        told = json.loads(kept.read_text())
    except (OSError, ValueError):
        told = shape
    if told != shape:
        was = "--lone" if told.get("lone") else f"--clusters {told.get('clusters')} --nodes {told.get('nodes')}"
        raise LabProblem(f"what is kept in {base} is of {was} --hypervisor {told.get('hypervisor')}; bin/demo --clean"
                         " removes it")
    base.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(shape))
    if options.lone:
        return LoneTour(Cloud(base, options.nodes, options.hypervisor, kvm=kvm, keep=options.keep, rpc_port=CM_PORT,
                              steps=steps))  # fmt: skip
    return CloudTour(Federation(base, options.clusters, options.nodes, options.hypervisor, kvm=kvm, keep=options.keep,
                                known_ports=True, with_user=False, steps=steps))  # fmt: skip


def save_logs(tour: Tour) -> Path:
    """Put what the cloud's programs wrote where it outlives the cloud."""
    place = state_dir() / "demo-failed.log"
    with place.open("w") as file:
        for log in sorted(tour.run_dir.glob("*.log")):
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


def stay(tour: Tour, steps: Steps) -> None:
    """
    Wait for Ctrl-C. A manager that ends is started again, as its service would be.

    :raises LabProblem: one does not stay up.
    """
    forever = threading.Event()
    ended: dict[str, list[float]] = {}
    while not forever.wait(1.0):
        for daemon in tour.daemons():
            if daemon.running:
                continue
            steps.say(f"{daemon.name} has ended{daemon.how_it_ended()}; it is started again, and its log goes on")
            times = ended.setdefault(daemon.name, [])
            times.append(time.monotonic())
            if len(times) >= RESTARTS_MAX and times[-1] - times[-RESTARTS_MAX] < RESTARTS_S:
                daemon.check()
            daemon.start()


if __name__ == "__main__":
    began = time.time()
    os.environ.setdefault("WAWEL_BEGAN", str(began))
    os.chdir(REPOSITORY)
    sys.exit(main())
