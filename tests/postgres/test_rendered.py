"""What the change feed shows of an object is what its views show: one renderer of each noun."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from admin_bench import Bench, cluster_bench

from cm.rpc.caller import Identity
from cm.rpc.event_lines import sees, sees_as_administrator
from cm.rpc.vocabulary import Role
from cm.runtime.feed import FeedRow
from cm.store.change import record_change
from cm.store.feed import read_changes
from cm.store.message import insert_message
from support.wait import until

# Of an image depends on who asks: whose VMs have it, with whom it is shared, and what is done with it now.
VIEWERS = {"operation_id", "waiting_for", "vm_ids", "group_ids", "level", "mine"}


bench = cluster_bench


def last(bench: Bench, kind: str, object_id: int) -> FeedRow:
    """The object's last change, as it is read now."""

    def find() -> FeedRow | None:
        rows = bench.database.read_now(read_changes, (0, 0), 10_000)
        return next((row for row in reversed(rows) if (row.kind, row.object_id) == (kind, object_id)), None)

    found: FeedRow = until(find, f"{kind} {object_id} in the feed")
    return found


def plain(answer: Any) -> Any:
    return json.loads(msgspec.json.encode(answer))


def changed(bench: Bench, kind: str, object_id: int, account_id: int | None = None) -> FeedRow:
    bench.database.transact_now(record_change, kind, object_id, account_id)
    return last(bench, kind, object_id)


def image_id(bench: Bench, storage_id: int) -> int:
    return bench.image(storage_id, name="debian", volume="d.qcow2", format="qcow2", claimed_bytes=4096)


def test_one_renderer(bench: Bench) -> None:
    """Of every noun the feed tells, as JSON, what its view of one object answers then."""
    call = bench.call
    node_id = bench.node("node-1", comment="the first")
    storage_id = bench.storage(node_id)
    pool_id = call("admin.network.add", name="lan", network="10.9.0.0/28")["pool_id"]
    template_id = call("admin.template.add", name="small", memory_mib=64)["template_id"]
    user_id, image = bench.user.account_id, image_id(bench, storage_id)
    views = {
        ("node", node_id): call("admin.node.get_by_id", node_id=node_id),
        ("storage", storage_id): call("admin.storage.get_by_id", storage_id=storage_id),
        ("network", pool_id): call("admin.network.get_by_id", pool_id=pool_id),
        ("template", template_id): call("user.template.get_by_id", template_id=template_id, by=bench.user),
        ("user", user_id): call("admin.user.get_by_id", user_id=user_id),
        ("image", image): call("admin.system_image.get_by_id", image_id=image),
    }
    for (kind, object_id), view in views.items():
        row = changed(bench, kind, object_id)
        assert row.object is not None, kind
        wanted = {name: value for name, value in plain(view).items() if kind != "image" or name not in VIEWERS}
        assert json.loads(row.object) == wanted, kind
        assert row.uuid == view["uuid"]


def test_message(bench: Bench) -> None:
    message_id = bench.database.transact_now(insert_message, bench.user.account_id, "info", "vm_ended", {"vm_id": 1})
    row = changed(bench, "message", message_id, bench.user.account_id)
    (view,) = bench.call("user.message.get_list", by=bench.user)
    assert row.object is not None and json.loads(row.object) == plain(view)


def test_audience(bench: Bench) -> None:
    """Machines are shown to administrators alone, as their views are."""
    person = Identity(bench.user.account_id, "ala", frozenset({Role.USER}), groups=(1,))
    node_id = bench.node("node-2")
    for kind, object_id in (("node", node_id), ("storage", 1), ("network", 1)):
        row = changed(bench, kind, object_id)
        assert not sees(row, person) and sees_as_administrator(row, bench.admin)


def test_gone(bench: Bench) -> None:
    """Of what is deleted the uuid alone is told, be it by an exit or by a change that is read afterwards."""
    node_id = bench.node("node-3")
    uuid = bench.call("admin.node.get_by_id", node_id=node_id)["uuid"]
    bench.call("admin.node.delete", node_id=node_id)
    row = last(bench, "node", node_id)
    assert (row.event, row.uuid, row.object) == ("exit", uuid, None)
    row = changed(bench, "node", node_id)
    assert (row.event, row.uuid, row.object) == ("change", uuid, None)
