"""Storages: added by their paths, attached to nodes by an operation, deleted when empty."""

from __future__ import annotations

from typing import Any

import pytest
from admin_bench import Bench, cluster_bench

from cm.rpc.errors import HypervisorError, InUse, InvalidParameter, NameTaken, ObjectNotFound, VersionChanged

bench = cluster_bench


def _add(bench: Bench, **values: Any) -> Any:
    return bench.call("admin.storage.add", **{"name": "main", "kind": "dir", "path": "/srv/wawel", **values})


def test_add(bench: Bench) -> None:
    """A storage claims within its capacity times its overcommit, the cluster's by default."""
    made = _add(bench, capacity_bytes=1000)
    assert (made["capacity_bytes"], made["overcommit"], made["claimed_bytes"], made["nodes"]) == (1000, 2.0, 0, [])
    remote = _add(bench, name="nfs", kind="netfs", path="/srv/nfs", address="nas.example.org", source="/export/vms")
    assert (remote["address"], remote["capacity_bytes"]) == ("nas.example.org", 0)
    assert bench.call("admin.storage.get_list") == [made, remote]


@pytest.mark.parametrize(
    ("parameter", "values"),
    [
        ("path", {"path": "srv"}),
        ("path", {"path": "/"}),
        ("path", {"path": "/etc"}),
        ("path", {"path": "/proc/1"}),
        ("path", {"path": "/usr/share"}),
        ("path", {"path": "/var"}),
        ("path", {"path": "/srv/../etc"}),
        ("path", {"path": "/srv/"}),
        ("path", {"path": "//srv"}),
        ("path", {"path": "/srv/./x"}),
        ("path", {"path": "/srv/a b"}),
        ("path", {"path": "/srv/a\nb"}),
        ("path", {"path": "/srv/" + "x" * 200}),
        ("kind", {"kind": "rbd"}),
        ("address", {"address": "nas"}),
        ("source", {"source": "/x"}),
        ("address", {"kind": "netfs", "source": "/x"}),
        ("address", {"kind": "netfs", "source": "/x", "address": "-o x"}),
        ("source", {"kind": "netfs", "address": "nas"}),
        ("source", {"kind": "netfs", "address": "nas", "source": "/x/../y"}),
        ("capacity_bytes", {"capacity_bytes": -1}),
        ("overcommit", {"overcommit": 0.0}),
    ],
)
def test_add_refused(bench: Bench, parameter: str, values: dict[str, Any]) -> None:
    before = bench.trace()
    with pytest.raises(InvalidParameter) as refused:
        _add(bench, **values)
    assert refused.value.parameter == parameter
    assert bench.trace() == before


def test_attach(bench: Bench) -> None:
    """The operation defines the pool on the node; the first one says the capacity."""
    node_id = bench.node()
    storage_id = _add(bench)["storage_id"]
    answer = bench.call("admin.storage.attach", storage_id=storage_id, node_id=node_id)
    [attachment] = bench.call("admin.storage.get_by_id", storage_id=storage_id)["nodes"]
    assert attachment["state"] == "attaching"
    again = bench.call("admin.storage.attach", storage_id=storage_id, node_id=node_id)
    assert again["operation_id"] == answer["operation_id"]
    assert bench.operation(answer["operation_id"])["state"] == "done"
    row = bench.call("admin.storage.get_by_id", storage_id=storage_id)
    assert (row["nodes"][0]["state"], row["capacity_bytes"]) == ("attached", 2**40)
    assert bench.memory("node-1").pools.usage(f"wawel-{storage_id}").capacity_bytes == 2**40
    assert bench.call("admin.node.get_by_id", node_id=node_id)["storages"][0]["state"] == "attached"


def test_attach_failed(bench: Bench) -> None:
    """What the node says is kept; a retry attaches."""
    node_id = bench.node()
    storage_id = _add(bench)["storage_id"]
    bench.memory("node-1").fail_next("attach", HypervisorError("no such directory", 38))
    answer = bench.call("admin.storage.attach", storage_id=storage_id, node_id=node_id)
    assert bench.operation(answer["operation_id"])["state"] == "failed"
    [attachment] = bench.call("admin.storage.get_by_id", storage_id=storage_id)["nodes"]
    assert attachment["state"] == "failed" and "no such directory" in attachment["last_error"]
    bench.call("admin.operation.retry", operation_id=answer["operation_id"])
    assert bench.operation(answer["operation_id"])["state"] == "done"
    assert bench.call("admin.storage.get_by_id", storage_id=storage_id)["nodes"][0]["state"] == "attached"


def test_attach_abandoned(bench: Bench) -> None:
    """An attachment that is given up can be asked for again."""
    node_id = bench.node()
    storage_id = _add(bench)["storage_id"]
    answer = bench.call("admin.storage.attach", storage_id=storage_id, node_id=node_id)
    bench.call("admin.operation.abandon", operation_id=answer["operation_id"])
    assert bench.call("admin.storage.get_by_id", storage_id=storage_id)["nodes"][0]["state"] == "failed"
    answer = bench.call("admin.storage.attach", storage_id=storage_id, node_id=node_id)
    assert bench.operation(answer["operation_id"])["state"] == "done"


def test_attach_absent(bench: Bench) -> None:
    node_id = bench.node()
    storage_id = _add(bench)["storage_id"]
    before = bench.trace()
    with pytest.raises(ObjectNotFound):
        bench.call("admin.storage.attach", storage_id=storage_id, node_id=99)
    with pytest.raises(ObjectNotFound):
        bench.call("admin.storage.attach", storage_id=99, node_id=node_id)
    with pytest.raises(ObjectNotFound):
        bench.call("admin.storage.detach", storage_id=storage_id, node_id=node_id)
    bench.call("admin.storage.attach", storage_id=storage_id, node_id=node_id, dry_run=True)
    assert bench.trace() == before


def _vm(bench: Bench, node_id: int, storage_id: int) -> int:
    return bench.vm(node_id, storage_id, bench.image(storage_id))


def test_detach(bench: Bench) -> None:
    """While a VM on the node uses it a storage stays; then the pool is forgotten."""
    node_id = bench.node()
    storage_id = bench.storage(node_id)
    _vm(bench, node_id, storage_id)
    before = bench.trace()
    with pytest.raises(InUse):
        bench.call("admin.storage.detach", storage_id=storage_id, node_id=node_id)
    assert bench.trace() == before
    bench.change("UPDATE vm SET node_claimed = false")
    answer = bench.call("admin.storage.detach", storage_id=storage_id, node_id=node_id)
    with pytest.raises(InUse):
        bench.call("admin.storage.attach", storage_id=storage_id, node_id=node_id)
    assert bench.operation(answer["operation_id"])["state"] == "done"
    assert bench.call("admin.storage.get_by_id", storage_id=storage_id)["nodes"] == []
    with pytest.raises(ObjectNotFound):
        bench.memory("node-1").pools.usage(f"wawel-{storage_id}")


def test_detach_race(bench: Bench) -> None:
    """A VM that was placed while the storage was being detached keeps it attached."""
    node_id = bench.node()
    storage_id = bench.storage(node_id)
    answer = bench.call("admin.storage.detach", storage_id=storage_id, node_id=node_id)
    _vm(bench, node_id, storage_id)
    assert bench.operation(answer["operation_id"])["error"] == "in_use"
    assert bench.call("admin.storage.get_by_id", storage_id=storage_id)["nodes"][0]["state"] == "attached"


def test_edit_and_lock(bench: Bench) -> None:
    made = _add(bench)
    _add(bench, name="other", path="/srv/other")
    edited = bench.call("admin.storage.edit", storage_id=made["storage_id"], capacity_bytes=5, if_version=0)
    assert (edited["capacity_bytes"], edited["name"]) == (5, "main")
    with pytest.raises(NameTaken):
        bench.call("admin.storage.edit", storage_id=made["storage_id"], name="other")
    with pytest.raises(VersionChanged):
        bench.call("admin.storage.lock", storage_id=made["storage_id"], if_version=0)
    assert bench.call("admin.storage.lock", storage_id=made["storage_id"])["locked"]
    assert not bench.call("admin.storage.unlock", storage_id=made["storage_id"])["locked"]
    with pytest.raises(NameTaken):
        _add(bench)


def test_delete(bench: Bench) -> None:
    """A storage goes when it is empty and attached nowhere."""
    node_id = bench.node()
    storage_id = bench.storage(node_id)
    before = bench.trace()
    with pytest.raises(InUse) as refused:
        bench.call("admin.storage.delete", storage_id=storage_id)
    assert refused.value.users == "node node-1"
    assert bench.trace() == before
    _vm(bench, node_id, storage_id)
    with pytest.raises(InUse) as refused:
        bench.call("admin.storage.delete", storage_id=storage_id)
    assert refused.value.users == "1 images and 1 disks"
    other = _add(bench, name="other", path="/srv/other")["storage_id"]
    bench.call("admin.storage.delete", storage_id=other)
    with pytest.raises(ObjectNotFound):
        bench.call("admin.storage.get_by_id", storage_id=other)
    _add(bench, name="other", path="/srv/other")
