"""Take the figures and print them. ``benchmarks/run`` starts this with everything on its path."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.clusters import Settings
from benchmarks.report import HEADER, Figure, Skipped, conditions, line, renew_page, write_json
from lab.places import LabProblem
from lab.steps import Steps

# In this order, which puts what is quickest spoilt by a busy machine first.
BENCHMARKS = {
    "hook": "the hook that libvirt waits for: 300 runs",
    "reads": "get_by_id and get_list with 10,000 VMs, beside a constant resource",
    "memory": "resident memory of the cluster manager, idle and with 10,000 VMs",
    "attacks": "a neighbour's get_by_id while one account, or somebody without one, attacks",
    "burst": "200 VMs at once on libvirt's test driver, and one alone",
    "forward": "a call through the cloud manager beside the same call at its cluster",
    "ec2": "calls of EC2's protocol beside moto, pollers beside a neighbour, the endpoint's memory",
    "guests": "metadata for 200 guests that boot together, beside a constant resource",
    "agent": "from a call to what the agent in a guest did, beside a request of metadata (needs root)",
    "feed": "500 subscribers of the cloud's change feed",
    "lists": "a list over 20 simulated clusters of 1,000 VMs, one of them dead",
    "portal": "the portal's budgets in Chromium: bytes, a change on screen, 20,000 machines",
    "console": "the console's start, beside an empty Python",
    "upload": "an upload of 1 GiB beside curl -T into a plain Twisted resource, and the manager's memory",
    "simulation": "how fast simulated time runs, three nodes with 30 VMs",
    "monitoring": "what a sample takes on disk, and 500 nodes with 20,000 VMs measured every 30 s",
    "scale": "500 nodes, 20,000 live and a million closed VMs beside a small cluster, some 15 minutes",
    "local": "disks on a host's own storage beside cp, libvirt's copy and the shared one (needs root)",
    "networks": "50 networks and 500 taps made by an agent; guest to guest over two nodes (needs root)",
    "groups": "a packet between guests in a security group of 1,000 rules, beside ten (needs root)",
    "migration": "live moves and an evacuation beside raw libvirt's between two QEMU hosts (needs root)",
    "terminal": "a key's echo beside virsh console, a screen beside QEMU's own VNC port (needs root)",
    "create": "user.vm.create beside raw libvirt-python on a QEMU host (needs root)",
}
Measure = Callable[[Settings], Iterator[Figure | Skipped]]


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks/run",
        description="Measure Wawel on this machine, each figure beside a reference taken in the same run. A target that"
        " is missed is printed as MISSED; the exit status tells only whether everything could be measured.",
        epilog="benchmarks: " + "; ".join(f"{name}: {what}" for name, what in BENCHMARKS.items()),
    )
    parser.add_argument("--only", metavar="NAME", action="append", choices=list(BENCHMARKS), help="may be repeated")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, a tenth of the VMs; to try, not to quote")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write figures and conditions there too")
    parser.add_argument("--page", metavar="FILE", type=Path, help="renew the tables of docs/performance.md there")
    parser.add_argument("--verbose", action="store_true", help="show what is being prepared")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    settings = Settings(options.quick, Steps(quiet=not options.verbose))
    taken: list[Figure | Skipped] = []
    broken = False
    for name, value in conditions().items():
        print(f"{name}: {value}")
    if options.quick:
        print("quick: these figures say that it works, and nothing more")
    for name in options.only or BENCHMARKS:
        print(f"\n{name}: {BENCHMARKS[name]}\n{HEADER}", flush=True)
        measure: Measure = importlib.import_module(f"benchmarks.{name}").measure
        try:
            for each in measure(settings):
                taken.append(each)
                print(line(each) if isinstance(each, Figure) else f"skipped: {each.reason}", flush=True)
        except LabProblem as problem:
            broken = True
            print(f"broke: {problem}", flush=True)
        except Exception:
            broken = True
            traceback.print_exc()
    missed = [each.name for each in taken if isinstance(each, Figure) and each.verdict == "MISSED"]
    print(f"\n{len(missed)} target{'s' if len(missed) != 1 else ''} missed" + "".join(f"\n  {name}" for name in missed))
    if options.json:
        write_json(options.json, taken)
    if options.page:
        renew_page(options.page, taken)
    return int(broken)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that clouds and their directories go in order
    sys.exit(main(sys.argv[1:]))
