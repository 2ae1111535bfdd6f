"""The graph of objects: what follows from others is as it would be told of them anew, whatever there is."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from cm.rules.object import Facts, Graph, Host, Link, Load, Machine, ObjectType, Place, Pool, Storage
from cm.services.object import texts
from support.graph import faults

KINDS = [each.value for each in ObjectType]
POOL = str(uuid.UUID(int=1))


def number(kind: int, *of: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{kind} {of}"))


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    """A cluster, or what somebody sees of one: then without hosts."""
    ids = range(1, draw(st.integers(0, 3)) + 1)
    hosts = [
        Host(n, number(1, n), f"n{n}", "", "192.0.2.1", f"n{n}", draw(st.booleans()), draw(st.booleans()),
             draw(st.integers(1, 3)), 2**32, draw(st.integers(0, 2**32)), draw(st.none() | st.floats(0, 100)))
        for n in ids
    ]  # fmt: skip
    whose = st.none() | st.integers(1, 4)
    storages = [
        Storage(n, number(2, n), f"s{n}", "dir", 2**40, draw(whose)) for n in range(1, draw(st.integers(1, 3)) + 1)
    ]
    links = [
        Link(number(3, s.id, h.id), s.id, h.id, draw(st.booleans()))
        for s in storages for h in hosts if draw(st.booleans())
    ]  # fmt: skip
    power = st.sampled_from(["Running", "Paused", "Suspended", "Halted"])
    vms = [
        Machine(n, number(4, n), f'{{"type":"VM","UUID":"{number(4, n)}","name_label":"v"', draw(power), draw(whose),
                draw(st.integers(1, 3)), 2**30)
        for n in range(1, draw(st.integers(0, 4)) + 1)
    ]  # fmt: skip
    places = []
    for n in range(1, draw(st.integers(0, 4)) + 1):
        sr, size, used = draw(st.sampled_from(storages)).id, draw(st.integers(1, 2**40)), draw(st.none() | st.just(7))
        seen = draw(st.lists(st.sampled_from(vms), unique=True, max_size=2)) if vms else []
        for vm in sorted(seen) or [None]:
            link = None if vm is None else number(5, n, vm.id)
            told = f'{{"type":"VDI","UUID":"{number(6, n)}","name_label":"d"'
            places.append(Place(n, number(6, n), told, sr, size, used, None if vm is None else vm.id, link))
    loads = {
        vm.id: Load(draw(st.lists(st.floats(0, 100), max_size=3)), draw(st.none() | st.integers(0, 2**31)))
        for vm in vms if draw(st.booleans())
    }  # fmt: skip
    default = draw(st.none() | st.integers(1, 4))
    return Facts(Pool(POOL, "cluster", default), hosts, storages, links, vms, places, loads)


@given(facts())
def test_derived(known: Facts) -> None:
    """Each reference leads to an object that is told, and what begins with ``$`` follows from the rest."""
    objects: list[dict[str, Any]] = [msgspec.json.decode(text) for text in texts(Graph(known), KINDS)]
    assert faults(objects) == []
    own = {host.id: host.uuid for host in known.hosts}
    local = {storage.id: own[storage.host_id] for storage in known.storages if storage.host_id in own}
    for vm in known.machines:
        told = next(each for each in objects if each["UUID"] == vm.uuid)
        needs = [local[each.storage_id] for each in known.places if each.vm_id == vm.id and each.storage_id in local]
        if vm.power_state in ("Running", "Paused"):
            assert told["$container"] == own.get(vm.host_id or 0, POOL)
        else:
            assert told["$container"] == (needs or [POOL])[0]


@given(facts(), st.sets(st.sampled_from(KINDS)))
def test_types(known: Facts, chosen: set[str]) -> None:
    """Those of some types are told as they are told among all."""
    kinds = [kind for kind in KINDS if kind in chosen]
    everything = list(texts(Graph(known), KINDS))
    assert list(texts(Graph(known), kinds)) == [
        text for text in everything if msgspec.json.decode(text)["type"] in chosen
    ]
