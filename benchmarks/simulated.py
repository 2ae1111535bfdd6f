"""
Simulated clusters: ``benchmarks.simulated COUNT VMS`` listens on COUNT ports, each a cluster manager as far as a cloud
manager's additions, comparisons and lists go, with VMS machines in its answer. It prints its ports; then each line of
its input names a port that answers no more, while it still accepts.
"""

from __future__ import annotations

import json
import sys
import threading
from datetime import UTC, datetime
from typing import Any

from twisted.internet import reactor as installed
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

reactor: Any = installed


def machine(number: int) -> dict[str, Any]:
    """As large as a cluster's summary of a VM."""
    return {
        "vm_id": number,
        "uuid": f"00000000-0000-4000-8000-{number:012d}",
        "name": f"simulated-{number}",
        "description": "",
        "state": "running",
        "cc1_state": 1,
        "xo_power_state": "Running",
        "ec2_state": "running",
        "user_id": 1,
        "image_id": 1,
        "template_id": 1,
        "cpu": 1,
        "memory_mib": 512,
        "node_id": 1,
        "node": "192.0.2.1",
        "address": f"10.128.{number // 250}.{number % 250 + 2}",
        "operation_id": None,
        "operation": None,
        "progress": None,
        "error": "",
        "vnc": False,
        "created": "2026-01-01T00:00:00Z",
        "version": 3,
        "reservation_id": "00000000-0000-4000-8000-000000000000",
    }


class Cluster(Resource):
    isLeaf = True

    def __init__(self, name: str, machines: str) -> None:
        super().__init__()
        self.name = name
        self.mute = False
        self._machines = machines.encode()

    def render_GET(self, request: Request) -> Any:
        return NOT_DONE_YET  # a feed in which nothing happens

    def render_POST(self, request: Request) -> Any:
        if self.mute:
            return NOT_DONE_YET
        asked = json.load(request.content)
        request.setHeader(b"content-type", b"application/json")
        method = asked["method"]
        if method == "user.vm.get_list":
            return b'{"jsonrpc":"2.0","result":' + self._machines + b',"id":%d}' % asked["id"]
        answer = {"jsonrpc": "2.0", "result": self._result(method, asked["params"]), "id": asked["id"]}
        return json.dumps(answer).encode()

    def _result(self, method: str, params: Any) -> Any:
        if method == "guest.cluster.get_info":
            return {"name": self.name, "version": "0", "protocol": 1, "time": datetime.now(UTC).isoformat()}
        if method == "admin.cloud.put_users":
            return {"applied": len(params["users"]), "stale": []}
        return [] if ".get_" in method else {}


class QuietSite(Site):
    def log(self, request: Request) -> None:
        """No access log: Wawel writes none either."""


def main() -> None:
    count, vms = int(sys.argv[1]), int(sys.argv[2])
    machines = json.dumps([machine(number) for number in range(1, vms + 1)], separators=(",", ":"))
    clusters: dict[int, Cluster] = {}
    for number in range(1, count + 1):
        cluster = Cluster(f"simulated-{number}", machines)
        port = reactor.listenTCP(0, QuietSite(cluster), interface="127.0.0.1")
        clusters[port.getHost().port] = cluster
    print(json.dumps({cluster.name: port for port, cluster in clusters.items()}), flush=True)

    def listen() -> None:
        for line in sys.stdin:
            reactor.callFromThread(setattr, clusters[int(line)], "mute", True)
        reactor.callFromThread(reactor.stop)

    threading.Thread(target=listen, daemon=True).start()
    reactor.run()


if __name__ == "__main__":
    main()
