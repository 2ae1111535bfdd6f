"""
The measuring client: a program that makes calls as fast as answers come, over kept connections, one per thread.

Requests' bodies are ready beforehand; answers are read and not parsed, but for the first of each connection, which has
to be a good one. It reads one JSON object per line from its input and answers each by one; ``Caller`` is the way to it.
"""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.report import child_environment, percentile


@dataclass(frozen=True)
class Burst:
    """What one burst of calls came to. ``refused``: answers after the first of a connection that told an error."""

    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    answer_bytes: int
    calls: int
    refused: int = 0


class Caller:
    """The program, as a child of ours."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.client"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=child_environment(),
        )  # fmt: skip

    def burst(
        self,
        port: int,
        bodies: Sequence[bytes],
        headers: Mapping[str, str] | None = None,
        *,
        connections: int = 1,
        seconds: float = 1.0,
        path: str = "/jsonrpc",
        requests: Sequence[tuple[str, str, Mapping[str, str]]] = (),
    ) -> Burst:
        """
        Call for about so many seconds; each thread goes through the bodies in turn.

        :param requests: methods, paths and headers, gone through in their place; no bodies.
        :raises RuntimeError: an answer told an error.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        wanted = {
            "port": port,
            "path": path,
            "bodies": [body.decode() for body in bodies],
            "headers": {"Content-Type": "application/json", **(headers or {})},
            "connections": connections,
            "seconds": seconds,
            "requests": requests,
        }
        self._process.stdin.write(json.dumps(wanted) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the measuring client has ended")
        told = json.loads(line)
        if "error" in told:
            raise RuntimeError(told["error"])
        return Burst(**told)

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        super().connect()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def make_calls(wanted: Mapping[str, Any]) -> dict[str, Any]:
    bodies = [body.encode() for body in wanted["bodies"]]
    asked: list[tuple[str, str, bytes | None, Any]] = [
        ("POST", wanted["path"], body, wanted["headers"]) for body in bodies
    ]
    asked = [(method, path, None, headers) for method, path, headers in wanted["requests"]] or asked
    barrier = threading.Barrier(wanted["connections"] + 1)
    taken: list[list[float]] = []
    sizes: list[int] = []
    failures: list[str] = []
    refusals: list[bytes] = []

    def work(offset: int) -> None:
        connection = _Connection("127.0.0.1", wanted["port"], timeout=60)
        mine: list[float] = []
        try:
            connection.request(*asked[offset % len(asked)])
            response = connection.getresponse()
            data = response.read()
            if response.status != 200 or (
                "json" in (response.getheader("content-type") or "") and "error" in json.loads(data)
            ):
                failures.append(data[:500].decode())
            sizes.append(len(data))
        except Exception as error:
            failures.append(f"{type(error).__name__}: {error}")
        barrier.wait()
        now = time.perf_counter()
        end = now + wanted["seconds"]
        number = offset
        while now < end and not failures:
            number += 1
            began = now
            connection.request(*asked[number % len(asked)])
            response = connection.getresponse()
            data = response.read()
            if response.status != 200 or data.startswith(b'{"jsonrpc":"2.0","error"'):
                refusals.append(data[:500])
            now = time.perf_counter()
            mine.append(now - began)
        taken.append(mine)
        connection.close()

    threads = [threading.Thread(target=work, args=(7 * index,)) for index in range(wanted["connections"])]
    for thread in threads:
        thread.start()
    barrier.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    lasted = time.perf_counter() - began
    times = [each for mine in taken for each in mine]
    if failures or not times:
        return {"error": failures[0] if failures else "no answer came"}
    return {
        "per_second": len(times) / lasted,
        "p50_ms": percentile(times, 0.5) * 1000,
        "p95_ms": percentile(times, 0.95) * 1000,
        "p99_ms": percentile(times, 0.99) * 1000,
        "answer_bytes": max(sizes),
        "calls": len(times),
        "refused": len(refusals),
    }


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(make_calls(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
