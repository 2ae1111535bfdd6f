"""
Managers die while files come to buckets: wherever that is, under a key is what was there or what was put, whole. In the
end nothing else is left, and what is counted is what is there.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from lab.postgres import PrivatePostgres
from simulation.buckets import Keeper, left, stored
from simulation.intake import VALID_S
from simulation.process import Process
from simulation.scenario import Scene

OLD, NEW = b"old." * 3000, b"new!" * 4000
DOWN_S: Final = 0.5
# The steps of an object's that comes; nobody else takes any meanwhile.
OURS: Final = frozenset({
    "begin_object", "find_coming", "finish_object", "begin_part", "find_coming_part", "finish_part", "begin_completing",
    "finish_completing", "node_reaching", "create_empty", "upload", "SimIntake", "start", "write", "sync", "close",
    "_remove",
})  # fmt: skip


class Death:
    """Comes over the process that is at the so many-th moment before or after a step of ours. ``at``: which it was."""

    def __init__(self, scene: Scene, fatal: int) -> None:
        self._scene, self._left, self.at = scene, fatal, ""

    def __call__(self, process: Process, what: str, before: bool) -> bool:
        if what.partition(" ")[2] not in OURS or self.at:
            return False
        self._left -= 1
        if self._left:
            return False
        self.at = f"{'before' if before else 'after'} {what}"
        self._scene.kill(process, DOWN_S)
        return True


def in_one(scene: Scene, keeper: Keeper, bucket_id: int, key: str) -> Callable[[], bool]:
    return lambda: keeper.put(bucket_id, key, NEW)


def in_parts(scene: Scene, keeper: Keeper, bucket_id: int, key: str) -> Callable[[], bool]:
    upload = scene.call("user.multipart.begin", {"bucket_id": bucket_id, "key": key}, login="ann")

    def send() -> bool:
        """A part of which it is not known that it came is sent again."""
        if not tags:
            tags.extend(filter(None, [keeper.part(upload["multipart_id"], 1, NEW)]))
        return bool(tags) and keeper.complete(upload, [(1, tags[0])])

    tags: list[str] = []
    return send


@pytest.mark.parametrize(("way", "last"), [(in_one, "finish_object"), (in_parts, "finish_completing")])
def test_deaths(
    server: PrivatePostgres, state_dir: Path, way: Callable[[Scene, Keeper, int, str], Callable[[], bool]], last: str
) -> None:
    """One after the other, at each moment that there is; who put it asks again until it is said to be there."""
    with Scene(server, state_dir, 801, nodes=1) as scene:
        keeper = Keeper(scene, "ann", lambda holds, what: scene.until(holds, what))
        bucket_id = scene.call("user.bucket.create", {"name": "files"}, login="ann")["bucket_id"]
        died = []
        for fatal in itertools.count(1):
            key = f"k{fatal}"
            assert keeper.put(bucket_id, key, OLD)
            put = way(scene, keeper, bucket_id, key)
            scene.on_point = death = Death(scene, fatal)
            told = put()
            scene.on_point = None
            if not death.at:
                assert told
                break
            died.append(death.at)
            there = stored(scene)[key]
            assert there == NEW or (there == OLD and not told), death.at
            scene.until(lambda: scene.some_process() is not None, "it is back")
            scene.until(put, f"it is put, for it died {death.at}")
            assert stored(scene)[key] == NEW, death.at
        assert {"upload", last} <= {each.rpartition(" ")[2] for each in died}
        scene.run_for(VALID_S)
        scene.care()
        scene.quiet()
        there = stored(scene)
        assert set(there.values()) == {NEW} and len(there) == fatal
        assert (left(scene), scene.books()) == ([], []) and scene.used()[2] == fatal
        asked = {"bucket_id": bucket_id, "keys": list(there)}
        scene.call("user.stored_object.delete", asked, login="ann")
        scene.quiet()
        assert (stored(scene), left(scene), scene.books(), scene.used()[2]) == ({}, [], [], 0)
        scene.finish()
