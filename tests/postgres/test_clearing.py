"""What a pass does about a storage that runs low: the trash goes, oldest first, and nothing that anybody holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cm.rpc.vocabulary import DiskFormat
from cm.rules.storage import low_by
from support.cloud import MemoryCloud, run

GIB = 2**30


class Bench:
    def __init__(self, cloud: MemoryCloud) -> None:
        self.cloud = cloud
        self.node, self.pool = next(iter(cloud.memory.values())), f"wawel-{cloud.storage_id}"
        self.share = self.node.world.storages.share(self.pool)

    def trash(self, name: str, days: int, bytes: int = 10 * GIB) -> int:
        """The disk of a storage image that has lain in the trash for so long."""
        image_id = self.cloud.image(f"{name}.raw", kind="storage", name=name, size_bytes=bytes)
        self.node.volumes.create_empty(self.pool, f"{name}.raw", DiskFormat.RAW, bytes)
        self.share.volumes[f"{name}.raw"].allocation_bytes = bytes
        self.cloud.sql("UPDATE image SET state = 'trashed' WHERE id = :i", i=image_id)
        self.cloud.sql(
            "UPDATE disk SET trashed_at = now() - make_interval(days => :d) WHERE image_id = :i", d=days, i=image_id
        )
        return image_id

    def look(self, capacity: int) -> None:
        self.share.capacity_bytes = capacity
        run(self.cloud.manager.reconciler.check_storages)

    def settled(self) -> None:
        def none_open() -> bool:
            open_ = "SELECT count(*) FROM operation WHERE state NOT IN ('done', 'failed', 'abandoned')"
            return self.cloud.sql(open_) == 0

        self.cloud.until(none_open, "what was to be deleted is")

    def left(self) -> set[str]:
        return {volume.name for volume in self.node.volumes.list_all(self.pool)}

    def messages(self, account: str) -> list[tuple[str, dict[str, Any]]]:
        found = [(row["code"], row["params"]) for row in self.cloud.call("user.message.get_list", account=account)]
        return [each for each in found if each[0] in ("storage_low", "disk_purged")]


@pytest.fixture
def bench(database_url: str, tmp_path: Path) -> Iterator[Bench]:
    cloud = MemoryCloud(database_url, tmp_path, nodes=1)
    yield Bench(cloud)
    cloud.stop()


def test_low(bench: Bench) -> None:
    """As much of the trash goes as is needed, oldest first; its owner and the administrators are told, once."""
    vm = bench.cloud.create()
    bench.cloud.wait(vm["vm_id"], "running")
    young, old, middle = (bench.trash(name, days) for name, days in (("young", 1), ("old", 3), ("middle", 2)))
    stood = bench.trash("stood", 9)
    bench.cloud.sql(
        "UPDATE volume SET mode = 'overlay', backing_id = (SELECT volume_id FROM image WHERE id = :s)"
        " WHERE id = (SELECT volume_id FROM image WHERE id = :y)", s=stood, y=young,
    )  # fmt: skip
    bench.look(100 * GIB)  # 60 of 100 are free
    assert len({"young.raw", "old.raw", "middle.raw", "stood.raw"} & bench.left()) == 4
    assert bench.messages("admin") == bench.messages("user") == []
    bench.look(42 * GIB)  # 2 of 42 are free, 4.2 are wanted
    bench.settled()
    assert "old.raw" not in bench.left() and {"young.raw", "middle.raw", "stood.raw"} <= bench.left()
    ((code, params),) = bench.messages("admin")
    assert code == "storage_low" and (params["purged"], params["purged_bytes"]) == (1, 10 * GIB)
    assert [each[1]["name"] for each in bench.messages("user")] == ["old"]
    bench.look(42 * GIB)
    assert len(bench.messages("admin")) == 1, "there is room again"
    for size, goes in ((30, "middle.raw"), (20, "young.raw"), (10, "stood.raw")):
        bench.look(size * GIB)  # what another stands on stays, older as it is, until nothing does
        bench.settled()
        assert goes not in bench.left() and len(bench.left() & {"stood.raw", "young.raw"}) == size // 10 - 1
    assert len(bench.messages("admin")) == 4
    bench.look(100 * GIB)
    bench.look(400_000)  # there is no trash any more, and all else is somebody's
    assert f"vm-{vm['uuid']}-root.qcow2" in bench.left() and "image-1.qcow2" in bench.left()
    bench.look(400_000)
    assert len(bench.messages("admin")) == 5 and bench.messages("admin")[0][1]["purged"] == 0
    assert bench.cloud.vm(vm["vm_id"])["state"] == "running"
    assert middle and old


def test_low_by() -> None:
    """What is lacking until so much is free; of nothing, nothing."""
    assert [low_by(*each) for each in ((0, 0, 10), (10, 100, 10), (9, 100, 10), (0, 95, 10), (0, 100, 0))] == [
        0, 0, 1, 10, 0
    ]  # fmt: skip
