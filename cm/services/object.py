"""
Use cases of the graph of objects: all that somebody sees of a cluster, in Xen Orchestra's shape, as far as a filter is
true of it. VMs, disks and places are many: their texts are put together of what is stored and what follows from others,
and are read again only where a filter has to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from cm.rpc.errors import InvalidParameter
from cm.rules.filter import EVERYTHING, Member, Node, possible, read_filter, size
from cm.rules.object import ON, Facts, Graph, Machine, ObjectType, Place
from cm.runtime.json_text import array_of
from cm.runtime.wall import unix_seconds
from cm.services.access import Who, person_of
from cm.services.context import ClusterCall
from cm.services.series import LOAD_S
from cm.store import object as store

LOOKS_MAX: Final = 3_000_000  # things looked for, times objects: some seconds
_encode: Final = msgspec.json.Encoder().encode
_TYPES: Final = [each.value for each in ObjectType]


def get_all(caller: ClusterCall, filter: str, limit: int | None, *, administrator: bool = False) -> str:
    """
    What there is, as JSON text.

    :param limit: of what the filter is true of, the first.
    :raises InvalidParameter: the filter cannot be read, or would take too long.
    """
    asked = read_filter(filter)
    kinds = possible(asked, "type", _TYPES)
    if not kinds:
        return "[]"
    told = texts(Graph(_facts(caller, None if administrator else person_of(caller.identity))), kinds)
    chosen = told if _is_about_types(asked) else _matching(asked, list(told))
    return array_of(_first(chosen, limit))


def _facts(caller: ClusterCall, who: Who) -> Facts:
    session, since = caller.session, unix_seconds() - LOAD_S
    places = store.read_places(session, who)
    machines = store.read_machines(session, who)
    return Facts(
        pool=store.read_pool(session, caller.policy.name),
        hosts=store.read_hosts(session, since) if who is None else (),
        storages=store.read_storages(session, None if who is None else list({place.storage_id for place in places})),
        links=store.read_links(session) if who is None else (),
        machines=machines,
        places=places,
        loads=store.read_loads(session, [vm for vm in machines if vm.power_state in ON], since),
    )


def _is_about_types(asked: Node) -> bool:
    """Whether it is true of all objects of the types that it may be true of."""
    return asked == EVERYTHING or (isinstance(asked, Member) and asked.name == "type")


def _matching(asked: Node, told: list[str]) -> Iterator[str]:
    if size(asked) * len(told) > LOOKS_MAX:
        raise InvalidParameter("filter", "it is too long for so many objects: say of which type they are")
    decode = msgspec.json.Decoder().decode
    return (text for text in told if asked.matches(decode(text)))


def _first(texts: Iterable[str], limit: int | None) -> Iterator[str]:
    for number, text in enumerate(texts):
        if number == limit:
            return
        yield text


# ------------------------------------------------------------------ texts


def texts(graph: Graph, kinds: Iterable[str]) -> Iterator[str]:
    """Objects of some types as JSON, by type and in each type by age."""
    facts = graph.facts
    containing: dict[str, Any] = {
        ObjectType.XO: lambda: [graph.xo()],
        ObjectType.POOL: lambda: [graph.pool()],
        ObjectType.HOST: graph.hosts,
        ObjectType.SR: graph.storages,
        ObjectType.PBD: graph.attachments,
    }
    for kind in kinds:
        if kind in containing:
            yield from (_encode(each).decode() for each in containing[kind]())
        elif kind == ObjectType.VM:
            yield from _vms(graph)
        elif kind == ObjectType.VDI:
            yield from (_disk(graph, place) for place in {each.id: each for each in facts.places}.values())
        else:
            yield from _links(graph)


def _vms(graph: Graph) -> Iterator[str]:
    idle: dict[tuple[int, bool], str] = {}  # CPUs of those that are off, and of those that were not measured
    for vm in graph.facts.machines:
        on = vm.power_state in ON
        key = (vm.cpus, on)
        if on and vm.id in graph.facts.loads:
            cpus = _cpus(graph, vm)
        elif key in idle:
            cpus = idle[key]
        else:
            cpus = idle[key] = _cpus(graph, vm)
        named = ",".join([f'"{link}"' for link in graph.links.get(vm.id, ())])
        yield (
            f'{vm.told},"memory":{{"size":{vm.memory_bytes},"usage":{graph.memory_used(vm)}}}'
            f',"power_state":"{vm.power_state}",{cpus},"$container":"{graph.container[vm.id]}","$VBDs":[{named}]}}'
        )


def _cpus(graph: Graph, vm: Machine) -> str:
    cpus = graph.cpus(vm)
    return f'"CPUs":{_encode(cpus).decode()},"$CPU_usage":{_encode(graph.mean(cpus)).decode()}'


def _disk(graph: Graph, place: Place) -> str:
    used = "null" if place.used_bytes is None else place.used_bytes
    link = f'"{graph.first_link[place.id]}"' if place.id in graph.first_link else "null"
    sr = graph.storage(place.storage_id)
    return f'{place.told},"usage":{used},"size":{place.size_bytes},"$SR":"{sr}","$VBD":{link}}}'


def _links(graph: Graph) -> Iterator[str]:
    vms = {vm.id: vm.uuid for vm in graph.facts.machines}
    for place in graph.facts.places:
        if place.link is not None and place.vm_id is not None:
            yield f'{{"type":"VBD","UUID":"{place.link}","VDI":"{place.uuid}","VM":"{vms[place.vm_id]}"}}'
