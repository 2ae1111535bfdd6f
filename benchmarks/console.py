"""How long the console takes from its start to its end, beside a Python that does nothing and the call alone."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.clusters import Settings, federation
from benchmarks.report import Figure, Target, child_environment, median, spread
from cm.rpc.client import RpcClient


def measure(settings: Settings) -> Iterator[Figure]:
    rounds = 5 if settings.quick else 30
    with federation(settings, clusters=1) as whole, tempfile.TemporaryDirectory() as directory:
        cluster = whole.clusters[0]
        cluster.wait_running(cluster.create(name="listed")["vm_id"], contextualized=False)
        user = whole.credentials.user
        secret = Path(directory) / "password"
        secret.touch(0o600)
        secret.write_text(user.password + "\n")
        homes = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), directory)
        environment = {**child_environment(), **homes}
        wawel = [sys.executable, "-m", "clm.console.main"]
        login = [*wawel, "login", "--url", whole.clm.url, "--login", user.login, "--password-file", str(secret)]
        subprocess.run(login, env=environment, check=True, capture_output=True, timeout=60)
        with RpcClient(whole.clm.url, token=whole.clm.token(user)) as client:
            client.call("user.vm.get_list")
            for arguments in (["vm", "ls"], ["--help"], ["vm", "create", "--help"]):
                taken: list[float] = []
                empty: list[float] = []
                calls: list[float] = []
                for _ in range(rounds):
                    empty.append(_run([sys.executable, "-c", "pass"], environment))
                    taken.append(_run([*wawel, *arguments], environment))
                    began = time.perf_counter()
                    client.call("user.vm.get_list")
                    calls.append((time.perf_counter() - began) * 1000)
                yield Figure(
                    "console",
                    f"wawel {' '.join(arguments)}",
                    median(taken),
                    "ms",
                    Target(300, "at most", unit="ms"),
                    median(taken) / median(empty),
                    f"{spread(taken)}; an empty Python {median(empty):.0f} ms, the call alone {median(calls):.1f} ms",
                )


def _run(argv: Sequence[str], environment: dict[str, str]) -> float:
    """Milliseconds of a process, from start to end."""
    began = time.perf_counter()
    done = subprocess.run(argv, env=environment, capture_output=True, timeout=60, cwd=os.sep)
    lasted = (time.perf_counter() - began) * 1000
    if done.returncode:
        raise RuntimeError(done.stderr.decode()[-500:])
    return lasted
