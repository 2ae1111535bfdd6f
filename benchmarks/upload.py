"""
An upload by the tus protocol beside the same file sent by the same client into a plain Twisted resource, which keeps
bodies in a file on the same disk and never synchronises it; and the memory of the manager meanwhile.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.clusters import Settings, roomy_cloud, rss_mib
from benchmarks.report import Figure, Target, child_environment, median, spread

MIB = 2**20
TUS = ("Tus-Resumable: 1.0.0", "Upload-Offset: 0", "Content-Type: application/offset+octet-stream")


def measure(settings: Settings) -> Iterator[Figure]:
    size, rounds = (64 * MIB, 2) if settings.quick else (1024 * MIB, 5)
    with roomy_cloud(settings, 1) as cloud, tempfile.TemporaryDirectory(dir=cloud.base) as directory:
        file = Path(directory) / "file"
        with file.open("wb") as out:
            for _ in range(size // MIB):
                out.write(os.urandom(MIB))
        pid = cloud.cm.pid or 0
        idle, most = rss_mib(pid), 0.0
        ours: list[float] = []
        plain: list[float] = []
        with _plain(Path(directory)) as port, _watched(pid) as seen:
            for _ in range(rounds):
                plain.append(_sent(file, f"http://127.0.0.1:{port}/"))
                # One byte more is announced than comes: what is complete would be imported meanwhile.
                values = {"name": "sent", "description": "", "size_bytes": size + 1}
                path = cloud.user.call("user.storage_image.upload", values)["path"]
                ours.append(_sent(file, cloud.url + path, "-X", "PATCH", *TUS))
                subprocess.run(["curl", "-sf", "-X", "DELETE", "-H", TUS[0], cloud.url + path], check=True)
            most = max(seen)
        rates = [size / MIB / seconds for seconds in ours]
        references = [size / MIB / seconds for seconds in plain]
        yield Figure(
            "upload",
            f"an upload of {size // MIB} MiB, synchronised",
            median(rates),
            "MiB/s",
            Target(0.6, "at least", on="ratio"),
            median(rates) / median(references),
            f"{spread([1000 * seconds for seconds in ours])}; a plain Twisted resource {median(references):.0f} MiB/s",
        )
        yield Figure(
            "upload", "memory that it takes of the manager", most - idle, "MiB", Target(24, "at most", unit="MiB"),
            note=f"{idle:.0f} MiB before the first of them",
        )  # fmt: skip


def _sent(file: Path, url: str, *more: str) -> float:
    """Seconds of sending a file by PUT, or as it is said."""
    words = ["curl", "-sf", "-o", os.devnull, "-w", "%{time_total}", "-T", str(file)]
    for each in more:
        words += [each] if each.startswith("-") or each.isupper() else ["-H", each]
    done = subprocess.run([*words, url], check=True, capture_output=True, text=True, timeout=600)
    return float(done.stdout)


@contextmanager
def _plain(directory: Path) -> Iterator[int]:
    """The resource that is compared with, on a port."""
    environment = {**child_environment(), "TMPDIR": str(directory)}
    program = [sys.executable, "-m", "benchmarks.reference"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()


@contextmanager
def _watched(pid: int) -> Iterator[list[float]]:
    """The resident memory of a process, looked at all the time."""
    seen: list[float] = [rss_mib(pid)]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            seen.append(rss_mib(pid))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
