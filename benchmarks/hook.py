"""
What the installed hook takes, since libvirt holds the domain until it ends: 300 runs as libvirt makes them, with the
XML of a domain on its input. It talks neither to the endpoint nor to the agent; to show that, it runs once beside
somebody who reads the spool as an agent does whose endpoint is down, and once alone. The reference is Python doing
nothing.
"""

from __future__ import annotations

import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.clusters import Settings
from benchmarks.report import Figure, Target, median, percentile
from lab.places import environment
from node_hooks.install import install_hook

XML = f"""\
<domain type='kvm'><name>vm-1</name><uuid>5f2f0f3e-6c8b-4d57-9d3b-0d9f3a1c2b4d</uuid>{"<!-- as long as most -->" * 90}
</domain>""".encode()
RUNS = 300


def measure(settings: Settings) -> Iterator[Figure]:
    runs = 50 if settings.quick else RUNS
    for case, delivering in (("nobody delivers", False), ("an agent at work, its endpoint down", True)):
        with tempfile.TemporaryDirectory(prefix="wawel-bench-") as directory:
            spool = Path(directory) / "spool"
            spool.mkdir()
            hook = install_hook(Path(directory) / "hooks", spool).path
            times = _run(hook, spool, runs, delivering)
            left = len(list(spool.glob("[0-9]*.json")))
        if not delivering and left != runs + 5:
            raise RuntimeError(f"{runs + 5} runs left {left} records")
        yield Figure("hook", f"p99 of {runs} runs, {case}", percentile([took for took, _ in times], 0.99), "ms",
                     Target(30, "at most", unit="ms"), median([took / bare for took, bare in times]),
                     f"median {median([took for took, _ in times]):.1f} ms, at most {max(times)[0]:.1f}; an empty "
                     f"program: median {median([bare for _, bare in times]):.1f},"
                     f" p99 {percentile([bare for _, bare in times], 0.99):.1f}")  # fmt: skip


def _run(hook: Path, spool: Path, runs: int, reading: bool) -> list[tuple[float, float]]:
    """Milliseconds of the hook, each with those of Python doing nothing just before it."""
    stop = threading.Event()
    reader = threading.Thread(target=_read, args=(spool, stop))
    if reading:
        reader.start()
    times = []
    variables = environment()
    try:
        for number in range(runs + 5):
            # Without a timeout: with one, subprocess polls at intervals that double, and 9 ms look like 16.
            before = time.perf_counter()
            subprocess.run(["/usr/bin/python3", "-IS", "-c", ""], env=variables, check=True)
            began = time.perf_counter()
            done = subprocess.run([hook, "vm-1", "started", "begin", "-"], input=XML, env=variables)
            ended = time.perf_counter()
            if number >= 5:  # the first ones come from the disk
                times.append(((ended - began) * 1000, (began - before) * 1000))
            if done.returncode:
                raise RuntimeError(f"the hook ended with {done.returncode}")
    finally:
        stop.set()
        if reading:
            reader.join()
    return times


def _read(spool: Path, stop: threading.Event) -> None:
    """As an agent whose endpoint is down does: look into the spool again and again, and keep what is there."""
    while not stop.wait(0.1):
        for path in sorted(spool.glob("[0-9]*.json"))[:16]:
            path.read_bytes()
