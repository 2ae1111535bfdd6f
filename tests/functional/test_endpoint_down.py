"""The contextualization endpoint is down while VMs end: nothing is lost, nothing happens twice."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from typing import Any

from lab.cloud import Cloud
from lab.nodes import RealNode
from lab.processes import wait_until
from node_hooks.client import Client
from node_hooks.spool import Spool
from node_hooks.state import get_identity

DOWN_S = 30.0
VMS = 4
# Whatever an event might change. Times of the last look and of the last word from an agent go on by themselves.
BOOKS = {
    "vm": "*", "operation": "*", "disk": "*", "volume": "*", "attachment": "*", "network_lease": "*", "vnc_port": "*",
    "account": "*", "hook_event": "*", "change": "*", "storage": "*",
    "node": "id, cpu_used, memory_mib_used, vms_used",
}  # fmt: skip


def books(cloud: Cloud) -> dict[str, str]:
    """A digest of each table."""
    digest = "SELECT coalesce(md5(string_agg(t::text, ';' ORDER BY t::text)), 'none') FROM (SELECT {} FROM {}) t"
    return {table: cloud.sql(digest.format(columns, table))[0][0] for table, columns in BOOKS.items()}


def power_off_from_within(node: Any, uuid: str) -> None:
    """Type into the shell on the guest's console."""
    connection = node.open()
    try:
        stream = connection.newStream()
        connection.lookupByUUIDString(uuid).openConsole(None, stream, 0)
        stream.send(b"\npoweroff -f\n")
        time.sleep(1)
        stream.abort()
    finally:
        connection.close()


def replay(node: RealNode, events: list[dict[str, Any]]) -> None:
    """Deliver events again, as the node's agent would: each alone, twice, then all together."""
    identity = get_identity(node.host.state_dir)
    client = Client(identity.address(), identity.signer())
    by_boot: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        by_boot[event["boot_id"]].append(event)
    for boot_id, some in by_boot.items():
        for batch in [[event] for event in some for _ in range(2)] + [some]:
            answer = client.json("POST", "/node/events", {"boot_id": boot_id, "events": batch})
            assert answer["acknowledged"] == batch[-1]["sequence"]
    client.close()


def test_endpoint_down(start_cloud) -> None:
    """VMs destroyed meanwhile, and a guest that powers itself off, are cleaned up once; replays change nothing."""
    cloud: Cloud = start_cloud(separate_contextualization=True)
    nodes = [node for node in cloud.nodes if isinstance(node, RealNode)]
    blank = cloud.import_blank()
    ids = [cloud.create(name=f"down-{n}", image_id=blank)["vm_id"] for n in range(VMS)]
    own = cloud.wait_running(cloud.create(name="own-end", on_poweroff="destroy")["vm_id"])
    for vm_id in ids:
        cloud.wait_running(vm_id, contextualized=False)
    wait_until(lambda: not any(node.spooled() for node in nodes), "the delivery of the starts")

    down = time.monotonic()
    cloud.stop_endpoint()
    answer = cloud.user.call("user.vm.destroy", {"vm_ids": ids})
    assert [entry["status"] for entry in answer] == ["ok"] * VMS
    power_off_from_within(cloud.node_of(own), own["uuid"])
    # The manager does not wait for the endpoint: after the hook's grace it looks for itself.
    for vm_id in ids:
        cloud.wait_for(vm_id, "destroyed")
    time.sleep(max(0.0, DOWN_S - (time.monotonic() - down)))
    spooled = {node.name: [r.to_wire() for r in Spool(node.host.spool_dir).read(1000)[0]] for node in nodes}
    released = {e["domain_uuid"] for events in spooled.values() for e in events if e["operation"] == "release"}
    assert own["uuid"] in released and len(released) == VMS + 1, json.dumps(spooled, indent=1)
    cloud.start_endpoint()

    wait_until(lambda: not any(node.spooled() for node in nodes), "the delivery of the ends", 60)
    cloud.wait_for(own["vm_id"], "destroyed")
    assert cloud.check_leaks() == []
    everything = ", ".join(str(vm_id) for vm_id in [*ids, own["vm_id"]])
    ends = cloud.sql(
        "SELECT count(*), count(DISTINCT vm_id) FROM operation WHERE kind = 'vm_destroy' AND state = 'done'"
        f" AND vm_id IN ({everything})")
    assert ends == [[str(VMS + 1), str(VMS + 1)]]
    exits = cloud.sql(f"SELECT count(*), count(DISTINCT object_id) FROM change WHERE kind = 'vm' AND event = 'exit'"
                      f" AND object_id IN ({everything})")
    assert exits == [[str(VMS + 1), str(VMS + 1)]]

    before = books(cloud)
    for node in nodes:
        assert spooled[node.name]
        replay(node, spooled[node.name])
    time.sleep(2)                                                        # for what an event might have set off
    assert books(cloud) == before
    assert cloud.check_leaks() == []
