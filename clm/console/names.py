"""From what the user types, a name, an id or a uuid, to the object that is meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from clm.console.context import EVERY_CLUSTER, Console
from clm.console.problems import REFUSED, Problem, one_line
from clm.console.values import NUMBER, UUID


@dataclass(frozen=True)
class Named:
    """:ivar user: the list that a user sees; ``admin``: the one that an administrator does; "" where there is none."""

    id_field: str
    user: str = ""
    admin: str = ""
    cloud: str = ""
    name_field: str = "name"


KINDS: Final[dict[str, Named]] = {
    "vm": Named("vm_id", "user.vm.get_list", "admin.vm.get_list"),
    "image": Named("image_id", "user.system_image.get_list", "admin.system_image.get_list"),
    "template": Named("template_id", "user.template.get_list", "user.template.get_list"),
    "node": Named("node_id", "", "admin.node.get_list"),
    "storage": Named("storage_id", "", "admin.storage.get_list"),
    "pool": Named("pool_id", "", "admin.network.get_list"),
    "user": Named("user_id", "", "admin.user.get_list", "cloud.user.get_list", "login"),
    "cluster": Named("cluster_id", "", "", "guest.cluster.list_names"),
}


@dataclass(frozen=True)
class Found:
    """:ivar cluster: where it is, of a cloud; "" leaves it to the cloud."""

    id: int
    cluster: str = ""
    name: str = ""

    @property
    def shown(self) -> str:
        return self.name or str(self.id)


def find(
    console: Console, kind: str, text: str | int, *, admin: bool = False, own: bool = True, prefer: str = ""
) -> Found:
    """
    The object meant. A number is an id and is asked of nobody.

    :param admin: of everybody's.
    :param own: of what clouds and clusters both have, users, a cloud's.
    :param prefer: the cluster whose object is meant where several have one of the name.
    :raises Problem: there is none, or there are several.
    """
    cluster = "" if kind == "cluster" else console.cluster()
    if isinstance(text, int) or NUMBER.match(text):
        return Found(int(text), cluster)
    items = listed(console, kind, cluster, admin, own)
    return pick(kind, text, items, cluster, prefer)


def find_all(console: Console, kind: str, texts: Iterable[str], *, admin: bool = False) -> list[Found]:
    """Likewise several, with one look at the list; each once."""
    cluster = console.cluster()
    items: list[dict[str, Any]] | None = None
    found: dict[tuple[str, int], Found] = {}
    for text in texts:
        if NUMBER.match(text):
            each = Found(int(text), cluster)
        else:
            if items is None:
                items = listed(console, kind, cluster, admin)
            each = pick(kind, text, items, cluster)
        key = (each.cluster, each.id)
        if each.name or key not in found:
            found[key] = each
    return list(found.values())


def pick(kind: str, text: str, items: Sequence[Mapping[str, Any]], cluster: str = "", prefer: str = "") -> Found:
    known = KINDS[kind]
    field = "uuid" if UUID.match(text) else known.name_field
    wanted = text.lower() if field == "uuid" else text
    same = [item for item in items if str(item.get(field, "")) == wanted]
    if not same:
        raise Problem(f"There is no {kind} {one_line(text)!r}.", REFUSED)
    near = [item for item in same if prefer and item.get("cluster") == prefer]
    same = near if len(near) == 1 else same
    if len(same) > 1:
        told = ", ".join(_told(known, item) for item in same[:8])
        raise Problem(f"Several {kind}s are named {one_line(text)!r}: {told}.", hint="Say which by its id or uuid.")
    number = same[0].get(known.id_field)
    if not isinstance(number, int):
        raise Problem(f"The server tells no id of {kind} {one_line(text)!r}.", REFUSED)
    return Found(number, str(same[0].get("cluster") or cluster), str(same[0].get(known.name_field) or ""))


def _told(known: Named, item: Mapping[str, Any]) -> str:
    where = f" on {item['cluster']}" if item.get("cluster") else ""
    return one_line(f"{item.get(known.id_field)}{where}")


def listed(
    console: Console, kind: str, cluster: str = "", admin: bool = False, own: bool = True
) -> list[dict[str, Any]]:  # fmt: skip
    """
    The objects of a kind that the caller sees; of a cloud without ``cluster`` those of all its clusters.

    :raises Problem: there is no such list.
    """
    known = KINDS[kind]
    if known.cloud and own and console.is_cloud:
        method, cluster = known.cloud, ""
    else:
        method = known.admin if admin or not known.user else known.user
        if not method:
            raise Problem(f"Here are no {kind}s: this is a lone cluster.", REFUSED)
        cluster = cluster or (EVERY_CLUSTER if console.is_cloud else "")
    answer = console.call(method, cluster=cluster)
    if isinstance(answer, Mapping):
        answer = answer.get("items")
    return [item for item in answer if isinstance(item, dict)] if isinstance(answer, list) else []
