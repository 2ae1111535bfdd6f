"""
Two changing calls on the same things, their transactions open at once: whatever the order of their statements, what
they are answered and what remains is what one after the other would have given, no deadlock reaches a caller, and the
books balance.

One call is interrupted before a statement, and the other one runs there to its end, or until it waits for a lock of the
first; or it is interrupted itself, and the first goes on (two changes of turns). ``bin/test interleaving`` plays all of
these orders of all pairs, which takes an hour or two; ``bin/test`` alone an order each of some thirty pairs.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.services import vm
from interleaving.gate import Outcome, Stage
from interleaving.world import World, fill, remains
from lab.postgres import PrivatePostgres
from support.beside import connect_beside
from support.cloud import MemoryCloud
from support.rows import ATTACH


class Play(NamedTuple):
    """
    :ivar params: values that are names of the world's things stand for their ids.
    :ivar about: what it reads or changes, by which pairs are found.
    """

    who: str
    method: str
    params: Mapping[str, Any]
    about: frozenset[str]


def _of(who: str, method: str, about: str, **params: Any) -> Play:
    return Play(who, method, params, frozenset(about.split()))


NEW = {"name": "new", "description": "", "template_id": "template"}
CALLS: Mapping[str, Play] = {
    "create": _of("user", "user.vm.create", "quota node public network template", image_id="image", **NEW),
    "create of own": _of("user", "user.vm.create", "quota node system template", image_id="system", **NEW),
    "create with disk": _of(
        "user", "user.vm.create", "quota node storage-image iso", image_id="image", disk_list=["storage-image"],
        iso_list=["iso"], **NEW,
    ),
    "destroy": _of("user", "user.vm.destroy", "runs quota node network", vm_ids=["runs"]),
    "destroy all": _of(
        "user", "user.vm.destroy", "runs rests shared quota node network", vm_ids=["shared", "rests", "runs"]
    ),
    "destroy both": _of("user", "user.vm.destroy", "runs rests quota", vm_ids=["runs", "rests"]),
    "stop": _of("user", "user.vm.stop", "runs node", vm_id="runs"),
    "save": _of("user", "user.vm.save_and_shutdown", "runs quota", vm_id="runs", name="saved", description=""),
    "edit": _of("user", "user.vm.edit", "runs", vm_id="runs", name="renamed"),
    "pause": _of("user", "user.vm.pause", "runs", vm_id="runs"),
    "attach vnc": _of("user", "user.vm.attach_vnc", "runs", vm_id="runs"),
    "start": _of("user", "user.vm.start", "rests node", vm_id="rests"),
    "other stops": _of("other", "user.vm.stop", "shared grant node", vm_id="shared"),
    "revoke": _of(
        "user", "user.acl.set", "shared grant", kind="vm", object_id="shared", level=None, login="other"
    ),
    "grant more": _of(
        "user", "user.acl.set", "shared grant", kind="vm", object_id="shared", level="owner", login="other"
    ),
    "share image": _of(
        "user", "user.acl.set", "system grant", kind="image", object_id="system", level="user", login="other"
    ),
    "other creates of own": _of("other", "user.vm.create", "system grant node", image_id="system", **NEW),
    "delete image": _of("user", "user.system_image.delete", "system", image_id="system"),
    "delete disk": _of("user", "user.storage_image.delete", "storage-image", image_id="storage-image"),
    "delete iso": _of("user", "user.iso_image.delete", "iso", image_id="iso"),
    "delete public": _of("admin", "admin.system_image.delete", "public", image_id="image"),
    "less quota": _of("admin", "admin.user.edit", "quota", user_id="user", quota_vms=3),
    "block": _of("admin", "admin.user.edit", "quota", user_id="user", active=False),
    "delete account": _of("admin", "admin.user.delete", "quota system", user_id="user"),
    "lock node": _of("admin", "admin.node.lock", "node", node_id="node"),
    "evacuate": _of("admin", "admin.node.evacuate", "node runs shared", node_id="node"),
    "delete node": _of("admin", "admin.node.delete", "node", node_id="node"),
    "lock network": _of("admin", "admin.network.lock", "network", pool_id="network"),
    "delete template": _of("admin", "admin.template.delete", "template", template_id="template"),
    "lock storage": _of("admin", "admin.storage.lock", "node system public", storage_id="storage"),
    "detach storage": _of("admin", "admin.storage.detach", "node public", storage_id="storage", node_id="node"),
}  # fmt: skip
PAIRS = [(a, b) for a, b in itertools.combinations_with_replacement(CALLS, 2) if CALLS[a].about & CALLS[b].about]
# Of a pair: a reason that comes up only when they overlap, and the one that there is when they do not.
EITHER: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("create with disk", "create with disk"): {"in_use": "quota_reached"},
}
# In bin/test the pairs of these calls, and each is interrupted at one place.
CORE = {
    "create", "create with disk", "destroy", "stop", "save", "revoke", "other stops", "delete disk", "less quota",
    "evacuate",
}  # fmt: skip
THINGS = {"storage-image": "storage_image"}
WHOLE = "WAWEL_INTERLEAVING" in os.environ
if not WHOLE:
    PAIRS = [pair for pair in PAIRS if CORE.issuperset(pair)]
WORLD, COPY = "interleaving_world", "interleaving"


@pytest.fixture(scope="module")
def theatre(postgres: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    postgres.create_database(WORLD, template="wawel_template")
    cloud = MemoryCloud(postgres.url(WORLD), tmp_path_factory.mktemp("world"))
    try:
        made = Theatre(postgres, fill(cloud))
        yield made
        made.close()
    finally:
        cloud.stop()
        postgres.drop_database(WORLD)


class Theatre:
    """Plays pairs, each time on a fresh copy of the world."""

    def __init__(self, postgres: PrivatePostgres, world: World) -> None:
        self._postgres = postgres
        self._world = world
        self._director = connect_beside(postgres.url("postgres"))
        # Its manager has ended; what its threads read with has not.
        self._tell("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", WORLD)

    def close(self) -> None:
        self._director.close()

    def _tell(self, statement: str, *values: str) -> None:
        with self._director.cursor() as cursor:
            cursor.execute(statement, values)

    def play(self, pair: tuple[str, str], order: Iterable[int]) -> tuple[list[Outcome], dict[str, Any], list[Any]]:
        """What both were answered, what remains, and what leaks."""
        calls = [CALLS[name] for name in pair]
        works = [self._world.work(call.who, call.method, named(self._world, call.params)) for call in calls]
        self._tell(f"CREATE DATABASE {COPY} TEMPLATE {WORLD}")
        url = self._postgres.url(COPY)
        try:
            stage = Stage(url)
            try:
                outcomes = stage.play(works, iter(order))
            finally:
                stage.close()
            return outcomes, *remains(url)
        finally:
            self._tell(f"DROP DATABASE {COPY} WITH (FORCE)")


def named(world: World, params: Mapping[str, Any]) -> dict[str, Any]:
    def one(key: str, value: Any) -> Any:
        if isinstance(value, list):
            return [one(key, each) for each in value]
        if key.endswith(("_id", "_ids", "_list")) and isinstance(value, str):
            return world.ids[THINGS.get(value, value)]
        return value

    return {key: one(key, value) for key, value in params.items()}


def orders(steps: tuple[int, int], changes: int) -> Iterator[list[int]]:
    """All orders in which turns change so often before somebody has ended; whoever is at it then goes on."""
    for first in (0, 1):
        for at in range(1, steps[first]):
            if changes == 1:
                yield [first] * at + [1 - first] * 1000
                continue
            for until in range(1, steps[1 - first]):
                yield [first] * at + [1 - first] * until + [first] * 1000


@pytest.mark.parametrize("pair", PAIRS, ids=" and ".join)
def test_pair(pair: tuple[str, str], theatre: Theatre) -> None:
    """
    Every order ends as one of the two that do not overlap. Where there are two reasons to refuse a call, the order of
    its checks says which is told, and that may be the other one (``EITHER``).
    """
    compare(theatre, pair, None if WHOLE else PAIRS.index(pair) * 7)


def test_sees(theatre: Theatre, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked for is found: two creates that both saw that a disk was free, as it once was."""

    def attach(session: Session, vm_id: int, image_id: int, device: str, *, read_only: bool) -> None:
        values = {"vm_id": vm_id, "image_id": image_id, "device": device, "read_only": read_only}
        session.execute(text(ATTACH), values)

    monkeypatch.setattr(vm, "attach_image", attach)
    with pytest.raises(AssertionError, match="is interrupted before its step"):
        compare(theatre, ("create with disk", "create with disk"), None, changes=1)


def compare(theatre: Theatre, pair: tuple[str, str], number: int | None, changes: int = 2) -> None:
    """
    Play them one after the other, and overlapping.

    :param number: of the order with one change, instead of all; they are counted round.
    :raises AssertionError: what came of them in an order is not what comes of them one after the other.
    """
    serial = [theatre.play(pair, [first] * 1000) for first in (0, 1)]
    for outcomes, _, left in serial:
        assert not left and not any("broken" in each.answer for each in outcomes), (outcomes, left)
    allowed = [([each.answer for each in outcomes], rest) for outcomes, rest, _ in serial]
    one, other = (max(outcomes[n].steps for outcomes, _, _ in serial) for n in (0, 1))
    chosen = [order for count in range(1, changes + 1) for order in orders((one, other), count)]
    if number is not None:
        simple = list(orders((one, other), 1))
        chosen = [simple[number % len(simple)]]
    for order in chosen:
        outcomes, rest, left = theatre.play(pair, order)
        either = EITHER.get(pair, {})
        found = ([either.get(each.answer, each.answer) for each in outcomes], rest)
        where = f"{pair[order[0]]} is interrupted before its step {order.index(1 - order[0]) + 1}"
        assert not left, f"{where}: {left}"
        assert found in allowed, f"{where}: {told(found, allowed)}"


def told(found: tuple[list[str], Mapping[str, Any]], allowed: list[tuple[list[str], dict[str, Any]]]) -> str:
    """What differs from either."""
    lines = [f"answers {found[0]}, one after the other {[answers for answers, _ in allowed]}"]
    for number, (_, rest) in enumerate(allowed):
        lines += [f"not {number}: {k}: {found[1][k]} != {rest[k]}" for k in rest if rest[k] != found[1][k]]
    return "\n".join(lines)
