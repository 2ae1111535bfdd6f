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
from simulation.chance import stream
from simulation.faults import Faults
from simulation.intake import VALID_S
from simulation.plan import Fault
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
    """
    Comes over the process that has just done the so many-th step of ours; before the next one nothing else stays of it.

    :ivar at: which it was; "": it has not come.
    """

    def __init__(self, scene: Scene, fatal: int) -> None:
        self._scene, self._left, self.at = scene, fatal, ""

    def __call__(self, process: Process, what: str, before: bool) -> bool:
        if before or what.partition(" ")[2] not in OURS or self.at:
            return False
        self._left -= 1
        if self._left:
            return False
        self.at = what
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


def emptied(scene: Scene, bucket_id: int, used_mib: int) -> None:
    """What was on its way and lost is collected, the rest deleted; nothing of it is left, nor counted."""
    scene.run_for(VALID_S)
    scene.care()
    scene.quiet()
    assert (left(scene), scene.books(), scene.used()[2]) == ([], [], used_mib)
    keys = list(stored(scene))
    scene.call("user.stored_object.delete", {"bucket_id": bucket_id, "keys": keys}, login="ann")
    scene.quiet()
    assert (stored(scene), left(scene), scene.books(), scene.used()[2]) == ({}, [], [], 0)
    scene.finish()


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
            scene.until(put, f"it is put, for it died after {death.at}")
            assert stored(scene)[key] == NEW, death.at
        assert {"upload", last} <= {each.rpartition(" ")[2] for each in died}
        there = stored(scene)
        assert set(there.values()) == {NEW} and len(there) == fatal
        emptied(scene, bucket_id, fatal)


BREAKS: Final = (
    "crash", "crash", "manager_stall", "database_restart", "commit_unknown", "node_hang", "call_fails", "answer_gone",
    "storage_fails",
)  # fmt: skip


def test_faults(server: PrivatePostgres, state_dir: Path) -> None:
    """Something breaks every few seconds: what is said to be there is; what nobody answered may be; nothing else."""
    rng = stream(802, "files")
    with Scene(server, state_dir, 802, nodes=2, managers=2) as scene:
        keeper = Keeper(scene, "ann", lambda holds, what: scene.until(holds, what))
        bucket_id = scene.call("user.bucket.create", {"name": "files"}, login="ann")["bucket_id"]
        faults = Faults(scene, [Fault(8.0 * n, rng.choice(BREAKS), n, rng.random()) for n in range(1, 20)])
        may: dict[str, set[bytes | None]] = {f"k{number}": {None} for number in range(3)}
        lost: dict[str, set[bytes | None]] = {key: set() for key in may}
        told = 0
        for number in range(36):
            key, data = rng.choice(sorted(may)), b"%d." % number * rng.choice((1, 500, 4000))
            what = rng.choice(("put", "put", "put", "cut", "delete"))
            if what == "delete":
                asked = {"bucket_id": bucket_id, "keys": [key]}
                ask = scene.clients.ask("ann", "user.stored_object.delete", **asked)
                scene.until(lambda ask=ask: ask.ended, f"{key} is deleted", 600.0)
                may[key] = {None, *lost[key]}
            elif what == "cut":
                assert not keeper.put(bucket_id, key, data, 0.5)
            elif keeper.put(bucket_id, key, data):
                may[key], told = {data, *lost[key]}, told + 1
            else:
                lost[key].add(data)
                may[key].add(data)
            scene.run_for(rng.uniform(0.5, 6.0))
        faults.end()
        scene.heal()
        scene.rest()
        there = stored(scene)
        wrong = {key: there.get(key, b"")[:20] for key, each in may.items() if there.get(key) not in each}
        assert not wrong and told > 5 and any(lost.values()), (wrong, told)
        emptied(scene, bucket_id, len(there))
