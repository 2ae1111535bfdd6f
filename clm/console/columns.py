"""
Which columns a list of objects has, by noun; and how the values of well-known names are written.

A column is ``HEADING=path`` with a path into the object, dots for what is within, or one of the makers below. A list of
a noun that is not here takes its columns from the objects themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from clm.console import units
from clm.console.problems import one_line
from clm.console.sentences import sentence

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    heading: str
    value: Callable[[Object], Any]


def path(name: str) -> Callable[[Object], Any]:
    """What stands at a path; of a list within, everything, with commas."""
    parts = name.split(".")

    def get(found: Any, left: Sequence[str]) -> Any:
        if isinstance(found, list):
            return ", ".join(str(each) for each in (get(item, left) for item in found) if each is not None)
        if not left:
            return found
        return get(found.get(left[0]), left[1:]) if isinstance(found, Mapping) else None

    return lambda item: written(parts[-1], get(item, parts))


def first_of(*names: str) -> Callable[[Object], Any]:
    """The first that is there: managers of different kinds call some things differently."""
    getters = [path(name) for name in names]
    return lambda item: next((found for found in (get(item) for get in getters) if found not in (None, "")), "")


def used(name: str, of: str, power: int | None = None) -> Callable[[Object], Any]:
    """Two figures as 3/16."""

    def get(item: Object) -> str:
        told = [item.get(name), item.get(of)]
        numbers = [each for each in told if isinstance(each, (int, float))]
        if len(numbers) < 2:
            return "" if not numbers else str(numbers[0])
        return "/".join(str(each) if power is None else units.size(each, power) for each in numbers)

    return get


def storage_state(item: Object) -> str:
    """What keeps new volumes off it, or that they go there first."""
    told = {"locked": "locked", "draining": "draining", "full_since": "full", "is_default": "default"}
    return ", ".join(word for member, word in told.items() if item.get(member))


def locked(item: Object) -> str:
    """The state, and what keeps new ones away; of a node, what it is locked for."""
    mode = item.get("mode")
    word = str(mode) if mode in ("draining", "maintenance", "disabled") else "locked" if item.get("locked") else ""
    return ", ".join(filter(None, (str(item.get("state") or ""), word)))


def doubtful(item: Object) -> str:
    """The state, and for how long it has not been certain."""
    state, doubt = str(item.get("state") or ""), item.get("doubtful")
    if not isinstance(doubt, Mapping):
        return state
    return f"{state}, doubtful {units.age(doubt.get('since'))}".rstrip()


def health(item: Object) -> str:
    """What a node lacks, and for how long."""
    troubles = item.get("troubles")
    if not isinstance(troubles, list) or not troubles:
        return str(item.get("health") or "")
    return ", ".join(
        f"{str(each.get('code')).replace('_', ' ')} {units.age(each.get('since'))}".rstrip()
        for each in troubles
        if isinstance(each, Mapping)
    )


def expiry_ends(item: Object) -> str:
    """What becomes of a VM, when, and what it waits for."""
    ends = item.get("ends")
    return ", ".join(
        f"{each.get('end')} {units.when(each.get('due') or each.get('at'))} {each.get('waits') or ''}".rstrip()
        for each in (ends if isinstance(ends, list) else ())
        if isinstance(each, Mapping)
    )


def written(name: str, value: Any) -> Any:
    """A value by the unit that its name tells."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float)):
        if name.endswith("_bytes") or name == "bytes":
            return units.size(value)
        if "_mib" in name:
            return units.size(value, 2)
        if name.endswith("_s"):
            return units.span(value)
    return value


def _columns(*told: str | Column) -> tuple[Column, ...]:
    made = []
    for each in told:
        if isinstance(each, Column):
            made.append(each)
        else:
            heading, _, name = each.partition("=")
            made.append(Column(heading, path(name or heading.lower())))
    return tuple(made)


def _age(name: str = "created", heading: str = "AGE") -> Column:
    return Column(heading, lambda item: units.age(item.get(name)))


def _release(item: Object) -> Any:
    return item.get("release") if "release" in item else item.get("version")


def _roles(item: Object) -> str:
    told = item.get("roles")
    if isinstance(told, list):
        return ", ".join(str(each) for each in told)
    return "cloud" if item.get("is_cloud_admin") else "admin" if item.get("is_admin") else "user"


_LOCKED: Final = Column("STATE", locked)
_CLUSTER: Final = "CLUSTER"
_IMAGE: Final = _columns(
    "ID=image_id", "NAME", "KIND", "STATE", "SIZE=size_bytes", "FORMAT", "ACCESS", "OWNER=user_login",
    "STORAGE=storage_name", _age(),
)  # fmt: skip

NOUNS: Final[dict[str, tuple[Column, ...]]] = {
    "vm": _columns(
        "ID=vm_id", "NAME", Column("STATE", doubtful), "ADDRESS=leases.address", "IMAGE=image_name",
        "TEMPLATE=template_name", "CPU", "MEMORY=memory_mib", "NODE", "OWNER=user_login", "ACCESS", "OPERATION", _age(),
    ),
    "system_image": _IMAGE,
    "storage_image": _IMAGE,
    "iso_image": _IMAGE,
    "disk": _columns(
        "ID=disk_id", "NAME", "KIND", "STATE", "SIZE=size_bytes", "FORMAT", "VMS=attachments.vm_name",
        "OWNER=user_login", "STORAGE=storage_name", _age(),
    ),
    "snapshot": _columns(
        "ID=snapshot_id", "NAME", "DISK=disk_name", "VM=vm_id", "SIZE=size_bytes", "GUEST=consistency",
        _age("taken"),
    ),
    "known_image": _columns("NAME", "SYSTEM", "USER=default_user", "MEMORY=least_memory_mib", "NEWEST=image_id", "URL"),
    "expiry": _columns(
        "ID=expiry_id", "NAME", "SUSPEND=suspend_s", "DELETE=delete_s", "DEFAULT=is_default", "ALL=for_all",
        "VM", "STATE", "LEASE=expiry", Column("ENDS", expiry_ends), "REASON",
    ),
    "template": _columns("ID=template_id", "NAME", "CPU", "MEMORY=memory_mib", "DISK=disk_mib", "DESCRIPTION"),
    "farm": _columns(
        "ID=farm_id", "NAME", "STATE", "WORKERS", "CPU", "MEMORY=memory_mib", "DISK=disk_mib", "USER=user_login",
        "HOSTS=vms.host",
    ),
    "node": _columns(
        "ID=node_id", "NAME", _LOCKED, Column("HEALTH", health), "ADDRESS", "VMS=vms_used",
        Column("CPU", used("cpu_used", "cpu_total")), Column("MEMORY", used("memory_mib_used", "memory_mib_total", 2)),
        "STORAGES=storages.name", _age("seen_at", "SEEN"),
    ),
    "storage": _columns(
        "ID=storage_id", "NAME", "KIND", Column("STATE", storage_state),
        Column("SIZE", used("claimed_bytes", "capacity_bytes", 0)),
        "PATH", "NODES=nodes.name",
    ),
    "network": _columns(
        "ID=network_id", "NAME", "KIND", "NETWORK", "GATEWAY", "BRIDGE", "VLAN",
        Column("LEASES", used("leases_used", "leases")), Column("STATE", locked), "OWNER=user_login", "ACCESS",
    ),
    "nic": _columns(
        "NIC", "NETWORK", "ADDRESSES", "MAC", "MODEL", "GROUPS=security_group_ids", "LEAVING",
    ),
    "security_group": _columns(
        "ID=security_group_id", "NAME", "DEFAULT", "RULES=rules.rule_id", "NICS", "OWNER=user_id", "DESCRIPTION",
    ),
    "public_address": _columns(
        "ID=public_address_id", "ADDRESS", "STATE", "VM=vm_name", "GUEST", "SHARED", "PORTS", "OWNER=user_id", "REASON",
        "DESCRIPTION",
    ),
    "change_request": _columns(
        "ID=change_request_id", "KIND", "VM=vm_id", "USER=user_login", "WANTED", "STATE", "ANSWER", _age(), "TEXT",
    ),
    "transfer": _columns(
        "ID=transfer_id", "KIND", "OBJECT=object_id", "NAME", "OF=user_login", "TO=to_login", "STATE", "EXPIRES",
        _age(),
    ),
    "offer": _columns("CALL", "ALLOWED", "WHY NOT=reason.message"),
    "operation": _columns(
        "ID=operation_id", "KIND", "STATE", "PROGRESS", "STEP", "VM=vm_id", "IMAGE=image_id", _age(), "TEXT",
    ),
    "drift": _columns("ID=drift_id", "KIND", "NODE", "VM=vm_id", "AGE=age_s", "SUBJECT", "PROPOSAL"),
    "placement": _columns("NODE", "FITS", "SCORE", "REASON", "CHANGE"),
    "user": _columns(
        "ID=user_id", "LOGIN", Column("NAME", first_of("name", "first_name")), "E-MAIL=email",
        Column("STATE", lambda item: item.get("state") or ("active" if item.get("active") else "blocked")),
        Column("ROLES", _roles),
        _age(),
    ),
    "cost": _columns("ID=user_id", "LOGIN", "POINTS=used", "LIMIT", "HOURS", "VMS"),
    "cluster": _columns(
        "ID=cluster_id", "NAME", _LOCKED, "ERROR", Column("VERSION", _release), "URL",
        _age("seen_at", "SEEN"),
    ),
    "key": _columns(
        "ID=key_id", "NAME", "KIND", Column("FINGERPRINT", first_of("fingerprint_sha256", "fingerprint")), _age(),
    ),
    "object": _columns("TYPE", "UUID", "NAME=name_label", "STATE=power_state", "SIZE=size", "TAGS"),
    "tag": _columns("KIND", "ID=object_id", "TAGS"),
    "news": _columns("ID=news_id", "TOPIC", _age(), "TEXT=content"),
    "message": _columns("ID=message_id", "LEVEL", "CLUSTER", Column("TEXT", sentence), _age()),
    "login": _columns(
        "ID=login_id", Column("LAST", lambda item: units.when(item.get("last"))), "COUNT", "LOGIN", "USER=user_id",
        "REMOTE", "HOW", "OUTCOME",
    ),
    "session": _columns(
        "ID=session_id", _age(), Column("EXPIRES", lambda item: units.when(item.get("expires"))), "REMOTE",
    ),
}  # fmt: skip

COLUMNS_MAX = 9
_LAST = ("description", "text", "comment")


def columns(noun: str, items: Sequence[Object], lead: bool = False) -> tuple[Column, ...]:
    """
    A list's columns: those of its noun that any of the objects has something for.

    :param lead: the cluster comes first: the objects are of several.
    """
    chosen = NOUNS.get(noun) or _found(items)
    filled = [column for column in chosen if any(column.value(item) not in (None, "") for item in items)]
    # What the objects are not like is not their noun's list: a view may answer with something else.
    if len(filled) < min(2, len(chosen)):
        filled = list(_found(items))
    if lead:
        filled.insert(0, Column(_CLUSTER, path("cluster")))
    return tuple(filled)


def _found(items: Sequence[Object]) -> tuple[Column, ...]:
    names: dict[str, None] = {}
    for item in items:
        names |= dict.fromkeys(name for name, value in item.items() if not isinstance(value, (dict, list)))
    short = [name for name in names if name != "uuid" and name not in _LAST]
    kept = (short or list(names))[:COLUMNS_MAX] + [name for name in names if name in _LAST]
    return tuple(Column(one_line(name.upper().replace("_", " ")), _aged(name)) for name in kept)


def _aged(name: str) -> Callable[[Object], Any]:
    get = path(name)
    return lambda item: units.when(item.get(name)) if units.moment(item.get(name)) else get(item)
