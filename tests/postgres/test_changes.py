"""Whatever is done to an object stands in the feed, as what it was: who shows a list needs no other reason to look."""

from __future__ import annotations

import re
from typing import Any

from admin_bench import Bench, cluster_bench

bench = cluster_bench


def test_of_the_clusters_own(bench: Bench) -> None:
    """
    Each accepted call on a node, storage, network, template, image or account is told once; what takes time, when it
    begins and when it has ended.
    """
    told: list[str] = []
    wanted: list[str] = []

    def do(events: str, method: str, **values: Any) -> Any:
        kind = {"system_image": "image"}.get(noun := method.split(".")[1], noun)
        id_of = {"network": "pool_id", "system_image": "image_id"}.get(noun, f"{noun}_id")
        last = bench.sql("SELECT coalesce(max(id), 0) FROM change")
        answer = bench.call(method, **values)
        if isinstance(answer, dict) and answer.get("operation_id"):
            assert bench.operation(answer["operation_id"])["state"] == "done", method
        found = bench.sql(
            "SELECT string_agg(event, ' ' ORDER BY id) FROM change"
            " WHERE id > :last AND kind = :kind AND object_id = :id",
            last=last,
            kind=kind,
            id=values[id_of] if id_of in values else answer[id_of],
        )
        if "import" in method:  # its progress is told as often as there is some
            found = re.sub(r"(change ?)+", "change", found)
        told.append(f"{method}: {found}")
        wanted.append(f"{method}: {events}")
        return answer

    for number in range(3):  # no two nouns have the same ids
        bench.node(f"other-{number}", address=f"192.0.2.{number + 1}")
    template = do("enter", "admin.template.add", name="small")["template_id"]
    do("change", "admin.template.edit", template_id=template, cpu=2)
    do("exit", "admin.template.delete", template_id=template)
    network = do("enter", "admin.network.add", name="lan", network="10.128.0.0/28", bridge="wbr0")["pool_id"]
    do("change", "admin.network.lock", pool_id=network)
    do("change", "admin.network.unlock", pool_id=network)
    do("exit", "admin.network.delete", pool_id=network)
    node = do("enter", "admin.node.add", name="n1", uri="memory:///n1", address="192.0.2.7")["node_id"]
    do("change", "admin.node.edit", node_id=node, comment="rack 3")
    do("change", "admin.node.lock", node_id=node)
    do("change", "admin.node.unlock", node_id=node)
    shared = {"kind": "netfs", "path": "/srv/s", "address": "nas", "source": "/x"}
    storage = do("enter", "admin.storage.add", name="s", **shared)["storage_id"]
    do("change", "admin.storage.edit", storage_id=storage, overcommit=1.5)
    do("change change", "admin.storage.attach", storage_id=storage, node_id=node)
    do("change", "admin.storage.lock", storage_id=storage)
    do("change", "admin.storage.unlock", storage_id=storage)
    (bench.images / "d.img").write_bytes(bytes(510) + b"\x55\xaa")
    path = str(bench.images / "d.img")
    told_of = {"name": "d", "description": "", "path": path, "storage_id": storage}
    image = do("enter change", "admin.system_image.import_file", **told_of)
    image_id = image["image_id"]
    do("change", "admin.system_image.edit", image_id=image_id, description="of a kind")
    do("change", "admin.system_image.set_access", image_id=image_id, access="public")
    do("change exit", "admin.system_image.delete", image_id=image_id)
    do("change change", "admin.storage.detach", storage_id=storage, node_id=node)
    do("exit", "admin.storage.delete", storage_id=storage)
    do("exit", "admin.node.delete", node_id=node)
    account = do("enter", "admin.user.add", login="ola")["user_id"]
    do("change", "admin.user.edit", user_id=account, active=False)
    do("exit", "admin.user.delete", user_id=account)
    assert told == wanted
