"""
How a call finds its cluster: which views are passed on, which of their parameters are ids that may also be uuids, and
what the places of those uuids decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final, Literal

from clm.rules.cluster import as_uuid
from cm.rpc.errors import InvalidParameter, ObjectNotFound

EVERYWHERE: Final = "*"  # the cluster of a list over all
ID_MAX: Final = 2**63 - 1
UUIDS_MAX: Final = 200  # looked up for one call; as many as a list of ids may hold

# Views of a cluster that the cloud does not pass on, with the reason. What it defines itself, it does not either.
LEFT_OUT: Final[Mapping[str, str]] = {
    "guest.*": "guests are the cloud's own: it tells of clusters by guest.cluster.list_names",
    "node.*": "nodes call their cluster",
    "user.account.*": "people's accounts are the cloud's; a cluster's copy has neither password nor address",
    "user.message.*": "the cloud takes clusters' messages over, and keeps what was read",
    "admin.cloud.*": "what the cloud itself tells clusters",
    "admin.trust.*": "whom a cluster believes is not for those it believes to say; see cloud.cluster",
}

Shape = Literal["one", "many"]

# Parameters whose name is not that of the objects they take.
_MORE_IDS: Final[Mapping[str, Shape]] = {"iso_list": "many", "disk_list": "many", "networks": "many"}
_LISTS: Final = {"iso_list": "iso", "disk_list": "storage_image", "networks": "network"}
_IMAGES: Final = frozenset({"image", "system_image", "storage_image", "iso_image", "disk_image", "iso"})
_KINDS: Final[Mapping[str, frozenset[str]]] = {
    "image": _IMAGES,
    "system_image": _IMAGES,
    "storage_image": _IMAGES,
    "iso_image": _IMAGES,
    "iso": _IMAGES,
    "pool": frozenset({"pool", "network", "available_network"}),
    "account": frozenset({"account", "user"}),
    "public_ip": frozenset({"public_address"}),
    "parent_pool": frozenset({"resource_pool"}),
    "parent_template": frozenset({"vm_template"}),
    "head_template": frozenset({"template"}),
    "worker_template": frozenset({"template"}),
    "worker": frozenset({"vm"}),
}
_THE_CLOUDS: Final = frozenset({"group_id", "group_ids"})  # ids of the cloud's own objects: the same everywhere
_CURSORS: Final = frozenset({"before", "after"})


@dataclass(frozen=True, slots=True)
class Row:
    """
    One view that is passed on.

    :ivar ids: its parameters that take ids of the cluster's objects.
    :ivar waiting: whether it waits for something there, and holds no place of those that work.
    :ivar patience: the parameter that says how many seconds it may take, and its default.
    """

    name: str
    is_admin: bool
    changing: bool
    ids: Mapping[str, Shape] = field(default_factory=dict)
    waiting: bool = False
    patience: tuple[str, float] | None = None
    secrets: frozenset[str] = frozenset()

    @property
    def is_list(self) -> bool:
        """Whether it may be asked of all clusters at once."""
        return not self.changing and self.name.endswith(".get_list")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object is. That it is there says nothing of who may see it."""

    cluster_id: int
    kind: str
    id: int


def reason_left_out(name: str) -> str | None:
    """Why a cluster's view is not passed on; None for one that is."""
    return next((reason for pattern, reason in LEFT_OUT.items() if fnmatchcase(name, pattern)), None)


def id_shape(name: str, schema: Mapping[str, Any]) -> Shape | None:
    """Whether a parameter takes an id of a cluster's object, or a list of them; by its name and JSON schema."""
    if name in _THE_CLOUDS:
        return None
    if name in _MORE_IDS:
        return _MORE_IDS[name]
    shape: Shape | None = "many" if name.endswith("_ids") else "one" if name.endswith("_id") else None
    if shape is None:
        return None
    parts = schema.get("anyOf", [schema])
    wanted = "array" if shape == "many" else "integer"
    return shape if any(part.get("type") == wanted for part in parts) else None


def with_uuid(schema: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
    """A schema that takes a uuid in place of an id."""
    parts: list[Mapping[str, Any]] = list(schema.get("anyOf", [schema]))
    text = {"type": "string", "format": "uuid"}
    made: list[Mapping[str, Any]] = []
    for part in parts:
        if shape == "one" and part.get("type") == "integer":
            made += [part, text]
        elif shape == "many" and part.get("type") == "array":
            made.append({**part, "items": {"anyOf": [part.get("items", {"type": "integer"}), text]}})
        else:
            made.append(part)
    others = {name: value for name, value in schema.items() if name != "anyOf"} if "anyOf" in schema else {}
    return {**others, "anyOf": made} if len(made) > 1 else dict(made[0])


def noun(parameter: str, arguments: Mapping[str, Any]) -> str:
    """``vm_ids`` → ``vm``: what an object that is not there is called. Of ``object_id`` another parameter tells."""
    if parameter in _LISTS:
        return _LISTS[parameter]
    for ending in ("_ids", "_id"):
        if parameter.endswith(ending):
            named = parameter.removesuffix(ending)
            told = arguments.get("kind")
            return told if named == "object" and isinstance(told, str) else named
    return parameter


def fits(named: str, kind: str) -> bool:
    """Whether an object of this kind may be what a parameter takes. Ids count for each kind apart."""
    return kind in _KINDS.get(named, frozenset({named}))


def uuids_in(row: Row, arguments: Mapping[str, Any]) -> dict[str, str]:
    """
    The uuids among a call's ids, as we write them, each with what it should be of.

    :raises InvalidParameter: they are too many.
    """
    found: dict[str, str] = {}
    for parameter in row.ids:
        value = arguments.get(parameter)
        for each in value if isinstance(value, list) else (value,):
            known = as_uuid(each) if isinstance(each, str) else None
            if known is not None:
                found.setdefault(known, noun(parameter, arguments))
                if len(found) > UUIDS_MAX:
                    raise InvalidParameter(parameter, f"it holds more than {UUIDS_MAX} uuids")
    return found


def settle(
    row: Row, arguments: Mapping[str, Any], places: Mapping[str, Place], names: Mapping[int, str]
) -> tuple[dict[str, Any], int]:
    """
    A call with ids in place of uuids, and the one cluster that they say.

    :param places: of every uuid in it.
    :param names: of clusters, for what is told.
    :raises InvalidParameter: objects of two clusters, or one of another kind than the parameter takes.
    """
    made = dict(arguments)
    where: int | None = None
    for parameter in row.ids:
        value = arguments.get(parameter)
        for each in value if isinstance(value, list) else (value,):
            known = as_uuid(each) if isinstance(each, str) else None
            if known is None:
                continue
            place = places[known]
            named = noun(parameter, arguments)
            if not fits(named, place.kind):
                raise ObjectNotFound(named, known)
            if parameter == "object_id" and arguments.get("kind") != place.kind:
                raise ObjectNotFound(str(arguments.get("kind")), known)  # the id of another kind is another object's
            if where is not None and place.cluster_id != where:
                both = sorted(names.get(cluster_id, "?") for cluster_id in (where, place.cluster_id))
                raise InvalidParameter(parameter, f"the objects are in two clusters, {both[0]} and {both[1]}")
            where = place.cluster_id
        if parameter in arguments:
            made[parameter] = _replaced(value, places)
    assert where is not None
    return made, where


def _replaced(value: Any, places: Mapping[str, Place]) -> Any:
    if isinstance(value, list):
        return [_replaced(each, places) for each in value]
    known = as_uuid(value) if isinstance(value, str) else None
    return value if known is None else places[known].id


def check_everywhere(row: Row, arguments: Mapping[str, Any]) -> None:
    """
    :raises InvalidParameter: this cannot be asked of all clusters at once. An id, and a page's end, is one cluster's.
    """
    if not row.is_list:
        raise InvalidParameter("cluster", "only lists (get_list) are of all clusters; name one")
    for name in (*row.ids, *_CURSORS):
        if arguments.get(name) is not None:
            raise InvalidParameter(name, "it belongs to one cluster; name that cluster")
