"""
Writing what a guest is seeded by: made in memory, sent to its storage. Repeatable: what an earlier attempt wrote in
part is thrown away, what it wrote whole is taken as done (``IVolumes.upload``).
"""

from __future__ import annotations

from typing import Final

from cm.drivers.images.iso import unnamed_file, write_iso
from cm.interfaces.calls import Pace, job
from cm.interfaces.node import INode
from cm.rpc.vocabulary import DiskFormat
from cm.services.seed import SeedPlan

SEED_S: Final = 120.0


@job(Pace.LASTING, SEED_S)
def make_seed(node: INode, plan: SeedPlan) -> int:
    """On the node's threads. :return: the volume's id."""
    row = plan.row
    content = write_iso(plan.files, plan.label)
    assert len(content) <= row.size_bytes, "what a seed may hold is bounded where it comes in"
    with unnamed_file(content.ljust(row.size_bytes, b"\0")) as path:
        node.volumes.upload(row.pool, row.volume, path, DiskFormat.RAW, row.size_bytes, lambda sent: None)
    return row.volume_id
