"""
Xen Orchestra's methods as calls of ours: what each needs, and which of our views does it, with what. Nothing is done
here.

A parameter that names an object is its UUID there, and what our calls take is its number: ``Method.objects`` says which
parameters these are, and of which kind (``object.find``) each has to be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

MIB: Final = 2**20

Values = Mapping[str, Any]
NOW: Final = "now"  # among values, Unix seconds: for methods that need it
Found = Mapping[str, Mapping[str, Any]]
"""By parameter, what ``object.find`` says of the object that it names."""


class Ask(NamedTuple):
    """
    A call of ours.

    :ivar view: without its audience: "vm.start".
    :ivar gives: the member of its answer that is the number of the disk whose UUID is told; "": none is.
    :ivar told: makes of its answer what is told; None: that it is done.
    """

    view: str
    arguments: dict[str, Any]
    gives: str = ""
    told: Callable[[Any], Any] | None = None


@dataclass(frozen=True)
class Method:
    """
    :ivar objects: by parameter, the kind of object that it names.
    :ivar values: by parameter, the types of what it may be.
    :ivar optional: those that may be left out.
    :ivar administrators: whether it is theirs alone.
    """

    description: str
    asks: Callable[[Found, Values], Sequence[Ask]]
    objects: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, tuple[type, ...]] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    administrators: bool = False

    def parameters(self) -> dict[str, dict[str, Any]]:
        """As ``system.getMethodsInfo`` tells them: by name a JSON schema."""
        told: dict[str, dict[str, Any]] = {
            name: {"type": "string", "description": f"UUID ({kind})"} for name, kind in self.objects.items()
        }
        shown = {str: "string", int: "number", float: "number", bool: "boolean", dict: "object"}
        for name, types in self.values.items():
            told[name] = {"type": [shown[each] for each in types] if len(types) > 1 else shown[types[0]]}
        return {name: {**each, "optional": True} if name in self.optional else each for name, each in told.items()}


def _one(view: str, name: str) -> Callable[[Found, Values], Sequence[Ask]]:
    """Of an object alone: its number by this name."""
    return lambda found, values: [Ask(view, {name: found["id"]["id"]})]


def _given(values: Values, **names: str) -> dict[str, Any]:
    """Of the values those that were given, by our names."""
    return {ours: values[theirs] for ours, theirs in names.items() if theirs in values}


def _stop(found: Found, values: Values) -> Sequence[Ask]:
    return [Ask("vm.stop" if values.get("force") else "vm.shutdown", {"vm_id": found["id"]["id"]})]


def _set_vm(found: Found, values: Values) -> Sequence[Ask]:
    given = _given(values, name="name_label", description="name_description")
    return [Ask("vm.edit", {"vm_id": found["id"]["id"], **given})] if given else []


def _set_vdi(found: Found, values: Values) -> Sequence[Ask]:
    disk = {"disk_id": found["id"]["id"]}
    given = _given(values, name="name_label", description="name_description")
    asks = [Ask("disk.edit", {**disk, **given})] if given else []
    if "size" in values:
        asks.append(Ask("disk.grow", {**disk, "size_mib": -(-values["size"] // MIB)}))
    return asks


def _attach(found: Found, values: Values) -> Sequence[Ask]:
    asked = {"disk_id": found["vdi"]["id"], "vm_id": found["vm"]["id"], "read_only": values.get("mode") == "RO"}
    return [Ask("disk.attach", asked)]


def _disconnect(found: Found, values: Values) -> Sequence[Ask]:
    place = found["id"]
    return [Ask("disk.detach", {"disk_id": place["disk_id"], "vm_id": place["vm_id"]})]


def _create_disk(found: Found, values: Values) -> Sequence[Ask]:
    size_mib = -(-values["size"] // MIB)
    made = {"name": values["name"], "size_mib": size_mib, "storage_id": found["sr"]["id"]}
    return [Ask("disk.create", made, gives="disk_id")]


def _link(view: str) -> Callable[[Found, Values], Sequence[Ask]]:
    def asks(found: Found, values: Values) -> Sequence[Ask]:
        link = found["id"]
        return [Ask(view, {"storage_id": link["storage_id"], "node_id": link["node_id"]})]

    return asks


def _maintain(found: Found, values: Values) -> Sequence[Ask]:
    return [Ask("node.maintain" if values["maintenance"] else "node.unlock", {"node_id": found["id"]["id"]})]


def _pair(tag: str) -> tuple[str, str]:
    """A tag of theirs as a key and a value of ours."""
    key, _, value = tag.partition("=")
    return key, value


def _tag(found: Found, values: Values) -> Sequence[Ask]:
    key, value = _pair(values["tag"])
    return [Ask("tag.set", {"kind": "vm", "object_id": found["id"]["id"], "tags": {key: value}})]


def _untag(found: Found, values: Values) -> Sequence[Ask]:
    key, _ = _pair(values["tag"])
    return [Ask("tag.remove", {"kind": "vm", "object_id": found["id"]["id"], "keys": [key]})]


# Of each: the seconds that a value stands for, and how many of these are told. Theirs measures every 5 s, we every 10.
GRANULARITIES: Final[Mapping[str, tuple[int, int]]] = {
    "seconds": (10, 60),
    "minutes": (60, 120),
    "hours": (3600, 168),
    "days": (86_400, 366),
}
VM_METRICS: Final[Mapping[str, tuple[str, ...]]] = {
    "vcpu": ("cpus",),
    "memory": ("memory",),
    "memory_available": ("memoryFree",),
    "rx_bytes": ("vifs", "rx"),
    "tx_bytes": ("vifs", "tx"),
    "read_bytes": ("xvds", "r"),
    "write_bytes": ("xvds", "w"),
    "read_requests": ("iops", "r"),
    "write_requests": ("iops", "w"),
}
NODE_METRICS: Final[Mapping[str, tuple[str, ...]]] = {
    "cpu": ("cpus",),
    "memory": ("memory",),
    "memory_used": ("memoryUsed",),
    "load_1": ("load",),
}


def _statistics(view: str, parameter: str, metrics: Mapping[str, tuple[str, ...]]) -> Callable[..., Sequence[Ask]]:
    def asks(found: Found, values: Values) -> Sequence[Ask]:
        step, count = GRANULARITIES[values.get("granularity", "seconds")]
        until = values[NOW]  # in the step that is under way, which is told as far as it is
        asked = {
            parameter: [found["id"]["id"]], "metrics": list(metrics), "resolution_s": step,
            "since": until // step * step - step * (count - 1), "until": until,
        }  # fmt: skip
        if view == "vm.statistics":
            asked["devices"] = True
        return [Ask(view, asked, told=lambda answer: _stats(answer[0], metrics, until))]

    return asks


def _stats(measured: Mapping[str, Any], metrics: Mapping[str, tuple[str, ...]], until: int) -> dict[str, Any]:
    """
    Series as theirs are: those of devices by numbers in their order, those of the whole by themselves. Bytes, bytes and
    requests a second, and per cent; null is what was not measured.
    """
    stats: dict[str, Any] = {}
    for series in measured["series"]:
        *above, last = metrics[series["metric"]]
        place = stats
        for name in above:
            place = place.setdefault(name, {})
        if last in ("memory", "memoryFree", "memoryUsed", "load"):
            place[last] = series["values"]
        elif series["device"] or series["metric"] == "cpu":
            held = place.setdefault(last, {})
            held[str(len(held))] = series["values"]
    if "memoryUsed" in stats:
        used = stats.pop("memoryUsed")
        pairs = zip(stats.get("memory", []), used, strict=False)
        stats["memoryFree"] = [None if a is None or b is None else a - b for a, b in pairs]
    return {"endTimestamp": until, "interval": measured["resolution_s"], "stats": stats}


VM: Final = {"id": "vm"}
GRANULARITY: Final[Mapping[str, tuple[type, ...]]] = {"granularity": (str,)}
TEXTS: Final = {"name_label": (str,), "name_description": (str,)}

METHODS: Final[Mapping[str, Method]] = {
    "vm.start": Method("Start a VM.", _one("vm.start", "vm_id"), VM),
    "vm.stop": Method(
        "Shut a VM down; with force its power is cut.", _stop, VM, {"force": (bool,)}, frozenset({"force"})
    ),
    "vm.suspend": Method("Write its memory to its storage.", _one("vm.suspend", "vm_id"), VM),
    "vm.resume": Method("Wake a suspended VM up.", _one("vm.wake_up", "vm_id"), VM),
    "vm.pause": Method("Have it stand still.", _one("vm.pause", "vm_id"), VM),
    "vm.unpause": Method("Have a paused VM go on.", _one("vm.resume", "vm_id"), VM),
    "vm.delete": Method(
        "Destroy a VM.", lambda found, values: [Ask("vm.destroy", {"vm_ids": [found["id"]["id"]]})], VM
    ),
    "vm.set": Method("Change its name or description.", _set_vm, VM, TEXTS, frozenset(TEXTS)),
    "vm.migrate": Method(
        "Move it to a host.",
        lambda found, values: [
            Ask("vm.migrate", {"vm_id": found["vm"]["id"], "node_id": found["targetHost"]["id"]})
        ],
        {"vm": "vm", "targetHost": "node"},
        administrators=True,
    ),
    "vm.attachDisk": Method(
        "Attach a disk; with mode RO its guest may only read it.", _attach, {"vm": "vm", "vdi": "disk"},
        {"mode": (str,)}, frozenset({"mode"}),
    ),
    "vm.insertCd": Method(
        "Put an ISO image into its drive.",
        lambda found, values: [
            Ask("vm.insert_cd", {"vm_id": found["id"]["id"], "iso_image_id": found["cd_id"]["id"]})
        ],
        {"id": "vm", "cd_id": "image"},
    ),
    "vm.ejectCd": Method("Empty its drive.", _one("vm.eject_cd", "vm_id"), VM),
    "vm.stats": Method(
        "What it used: granularity is seconds, minutes, hours or days.",
        _statistics("vm.statistics", "vm_ids", VM_METRICS), VM, GRANULARITY, frozenset(GRANULARITY),
    ),
    "host.stats": Method(
        "What it used, as of a VM.", _statistics("node.statistics", "node_ids", NODE_METRICS), {"id": "node"},
        GRANULARITY, frozenset(GRANULARITY), administrators=True,
    ),
    "vbd.connect": Method("Attach a disk where it is: it is, as long as this VBD is there.", lambda found, values: [],
                          {"id": "attachment"}),
    "vbd.disconnect": Method("Detach a disk; its VBD goes.", _disconnect, {"id": "attachment"}),
    "vbd.delete": Method("As vbd.disconnect.", _disconnect, {"id": "attachment"}),
    "vdi.set": Method(
        "Change its name or description, or have it grow.", _set_vdi, {"id": "disk"}, {**TEXTS, "size": (int,)},
        frozenset({*TEXTS, "size"}),
    ),
    "vdi.delete": Method("Put it into the trash.", _one("disk.delete", "disk_id"), {"id": "disk"}),
    "vdi.migrate": Method(
        "Move it to another SR.",
        lambda found, values: [
            Ask("disk.move", {"disk_id": found["id"]["id"], "storage_id": found["sr_id"]["id"]})
        ],
        {"id": "disk", "sr_id": "storage"},
    ),
    "disk.create": Method(
        "Create a disk; its UUID is told.", _create_disk, {"sr": "storage"}, {"name": (str,), "size": (int,)}
    ),
    "sr.set": Method(
        "Change its name.",
        lambda found, values: [Ask("storage.edit", {"storage_id": found["id"]["id"], "name": values["name_label"]})],
        {"id": "storage"}, {"name_label": (str,)}, administrators=True,
    ),
    "sr.scan": Method("Look at what lies on it now.", _one("storage.scan", "storage_id"), {"id": "storage"},
                      administrators=True),
    "pbd.connect": Method("Attach a storage to a host.", _link("storage.attach"), {"id": "storage_attachment"},
                          administrators=True),
    "pbd.disconnect": Method("Detach a storage from a host.", _link("storage.detach"), {"id": "storage_attachment"},
                             administrators=True),
    "host.enable": Method("Have it take VMs.", _one("node.unlock", "node_id"), {"id": "node"}, administrators=True),
    "host.disable": Method("Have it take no more; what is there stays.", _one("node.lock", "node_id"), {"id": "node"},
                           administrators=True),
    "host.setMaintenanceMode": Method(
        "Have its VMs move elsewhere, and then take it out of use; or have it take VMs again.", _maintain,
        {"id": "node"}, {"maintenance": (bool,)}, administrators=True,
    ),
    "pool.setDefaultSr": Method(
        "Where new disks lie that nobody says a place for.",
        lambda found, values: [Ask("storage.set_default", {"storage_id": found["sr"]["id"]})],
        {"sr": "storage"}, administrators=True,
    ),
    "tag.add": Method("Put a tag on a VM: a key, or key=value.", _tag, VM, {"tag": (str,)}),
    "tag.remove": Method("Take one away.", _untag, VM, {"tag": (str,)}),
}  # fmt: skip


def pattern_filter(pattern: Mapping[str, Any]) -> str:
    """
    An object pattern, all of whose members an object has to have, in the language of filters.

    :raises ValueError: a member is neither a text, a number, nor a pattern.
    """
    return " ".join(f"{_quoted(name)}:{_pattern(value)}" for name, value in pattern.items())


def _pattern(value: Any) -> str:
    if isinstance(value, str):
        return f"/^{re.escape(value).replace('/', chr(92) + '/')}$/"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, Mapping) and value:
        return f"({pattern_filter(value)})"
    raise ValueError("a pattern has texts, numbers and patterns")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
