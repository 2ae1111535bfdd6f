"""From what the user types, a name, an id or a uuid, to the object that is meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from clm.console.context import EVERY_CLUSTER, Console
from clm.console.problems import REFUSED, Problem, one_line
from clm.console.quoting import argument
from clm.console.values import NUMBER, UUID, spell
from cm.rpc.errors import CloudError, InvalidRequest, Unavailable
from cm.rpc.vocabulary import PAGE_MAX


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
    "vm-template": Named("vm_template_id", "user.vm_template.get_list", "admin.vm_template.get_list"),
    "vm-profile": Named("vm_profile_id", "user.vm_profile.get_list", ""),
    "resource-pool": Named("resource_pool_id", "user.resource_pool.get_list", "admin.resource_pool.get_list"),
    "farm": Named("farm_id", "user.farm.get_list", "admin.farm.get_list"),
    "node": Named("node_id", "", "admin.node.get_list"),
    "storage": Named("storage_id", "", "admin.storage.get_list"),
    "pool": Named("network_id", "", "admin.network.get_list"),
    "network": Named("network_id", "user.network.list_user_networks", "admin.network.get_list"),
    "user": Named("user_id", "", "admin.user.get_list", "cloud.user.get_list", "login"),
    "cluster": Named("cluster_id", "", "", "guest.cluster.list_names"),
    "iso": Named("image_id", "user.iso_image.get_list", "user.iso_image.get_list"),
    "disk-image": Named("image_id", "user.storage_image.get_list", "user.storage_image.get_list"),
    "disk": Named("disk_id", "user.disk.get_list", "admin.disk.get_list"),
    "snapshot": Named("snapshot_id", "user.snapshot.get_list", ""),
    "group": Named("group_id", "", "", "user.group.get_list"),
    "security-group": Named(
        "security_group_id", "user.security_group.get_list", "admin.security_group.get_list"
    ),
    "public-address": Named(
        "public_address_id", "user.public_address.get_list", "admin.public_address.get_list", name_field="address"
    ),
    "job": Named("job_id", "user.job.get_list", "admin.job.get_list"),
    "expiry": Named("expiry_id", "user.expiry.get_list", "admin.expiry.get_list"),
    "key": Named("key_id", "", "", "user.key.get_list"),
    "apikey": Named("api_key_id", "", "", "user.api_key.get_list"),
}


# Kinds of which a list of its own tells what is others', and the caller may use.
SHARED: Final = frozenset({"network"})
# Kinds of which servers tell a page at a time, of a hundred or so unless more are asked for.
LONG: Final = frozenset({"vm", "farm", "image", "iso", "disk-image", "disk", "user"})


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
    The object meant: by id, uuid or name; ``id:`` or ``name:`` before it says which.

    :param admin: of everybody's.
    :param own: of what clouds and clusters both have, users, a cloud's.
    :param prefer: the cluster whose object is meant where several have one of the name.
    :raises Problem: there is none, or there are several: also where a word is the id of one and the name of another.
    """
    return Look(console, kind, admin, own, prefer).find(text)


def find_all(console: Console, kind: str, texts: Iterable[str], *, admin: bool = False) -> list[Found]:
    """Likewise several, with one look at the list; each once."""
    look = Look(console, kind, admin)
    found: dict[tuple[str, int], Found] = {}
    for text in texts:
        each = look.find(text)
        key = (each.cluster, each.id)
        if each.name or key not in found:
            found[key] = each
    return list(found.values())


class Look:
    """A look at the list of a kind, taken when a word first needs it."""

    def __init__(self, console: Console, kind: str, admin: bool = False, own: bool = True, prefer: str = "") -> None:
        self._console, self._kind, self._admin, self._own, self._prefer = console, kind, admin, own, prefer
        self._cluster = "" if kind == "cluster" else console.cluster()
        self._items: list[dict[str, Any]] | None = None

    def find(self, text: str | int) -> Found:
        """:raises Problem: as ``find`` says."""
        found = self._found(text)
        self._console.note_word(self._kind, found.id, found.name or split_word(str(text))[1])
        return found

    def _found(self, text: str | int) -> Found:
        if isinstance(text, int):
            return Found(text, self._cluster)
        how, word = split_word(text)
        number = int(word) if how != "name" and NUMBER.match(word) else None
        if how == "id":
            if number is None:
                raise Problem(f"{one_line(text)!r}: after id: stands a number.")
            if self._cluster or not self._console.is_cloud:
                return Found(number, self._cluster)
        try:
            items = self._listed()
        except Unavailable:
            raise
        except (CloudError, Problem):
            if number is None:
                raise
            return Found(number, self._cluster)  # who may not see the list may still know an id
        if number is None:
            return pick(self._kind, text, items, self._cluster, self._prefer)
        named = [] if how == "id" else matches(self._kind, f"name:{word}", items)
        numbered = matches(self._kind, f"id:{number}", items)
        if not numbered and named and self._is_there(number):
            raise Problem(
                f"{word!r} is the id of one {self._kind} and the name of another, "
                f"{_described(KINDS[self._kind], named[0])}.", hint=_WHICH.format(word=word),
            )  # fmt: skip
        return pick(self._kind, text, items, self._cluster, self._prefer) if named or numbered else Found(
            number, self._cluster
        )  # fmt: skip

    def _listed(self) -> list[dict[str, Any]]:
        if self._items is None:
            self._items = listed(self._console, self._kind, self._cluster, self._admin, self._own)
        return self._items

    def _is_there(self, number: int) -> bool:
        """Whether something has this id that the list does not hold: lists end somewhere."""
        known = KINDS[self._kind]
        method, cluster = _method(self._console, self._kind, self._cluster, self._admin, self._own)
        if not method.endswith(".get_list"):
            return False
        try:
            where = "" if cluster == EVERY_CLUSTER else cluster
            self._console.call(method.replace(".get_list", ".get_by_id"), {known.id_field: number}, cluster=where)
        except CloudError:
            return False
        return True


_WHICH: Final = "Say which: id:{word} or name:{word}."


def split_word(text: str) -> tuple[str, str]:
    """What a word says of itself, "id", "name" or nothing, and the rest of it."""
    for how in ("id", "name"):
        if text.startswith(f"{how}:"):
            return how, text[len(how) + 1 :]
    return "", text


def matches(kind: str, text: str, items: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The objects that a word may mean."""
    known, (how, word) = KINDS[kind], split_word(text)
    number = int(word) if how != "name" and NUMBER.match(word) else None
    uuid = word.lower() if not how and UUID.match(word) else None
    return [
        item for item in items
        if (number is not None and item.get(known.id_field) == number)
        or (uuid is not None and item.get("uuid") == uuid)
        or (how != "id" and str(item.get(known.name_field, "")) == word)
    ]  # fmt: skip


def pick(kind: str, text: str, items: Sequence[Mapping[str, Any]], cluster: str = "", prefer: str = "") -> Found:
    known, word = KINDS[kind], split_word(text)[1]
    same = matches(kind, text, items)
    if not same:
        from difflib import get_close_matches

        near_by = get_close_matches(word, [str(item.get(known.name_field)) for item in items], 3, 0.7)
        near_by = [argument(spell(name)) for name in dict.fromkeys(near_by)]
        hint = f"There is {' and '.join(near_by)}." if near_by else ""
        raise Problem(f"There is no {kind} {one_line(word)!r}.", REFUSED, hint)
    near = [item for item in same if prefer and item.get("cluster") == prefer]
    same = near if len(near) == 1 else same
    if len(same) > 1:
        told = ", ".join(_described(known, item) for item in same[:8])
        named = [item for item in same if str(item.get(known.name_field, "")) == word]
        if len(named) == len(same):
            raise Problem(f"Several {kind}s are named {one_line(word)!r}: {told}.", hint="Say which by its id or uuid.")
        if named:
            told = f"{one_line(word)!r} is the id of one {kind} and the name of another: {told}."
            raise Problem(told, hint=_WHICH.format(word=one_line(word)))
        raise Problem(f"Several {kind}s have the id {one_line(word)}: {told}.", hint="Say which with --cluster.")
    number = same[0].get(known.id_field)
    if not isinstance(number, int):
        raise Problem(f"The server tells no id of {kind} {one_line(word)!r}.", REFUSED)
    return Found(number, str(same[0].get("cluster") or cluster), str(same[0].get(known.name_field) or ""))


def _described(known: Named, item: Mapping[str, Any]) -> str:
    where = f" on {item['cluster']}" if item.get("cluster") else ""
    return one_line(f"{item.get(known.id_field)}{where} ({item.get(known.name_field)})")


def listed(
    console: Console, kind: str, cluster: str = "", admin: bool = False, own: bool = True
) -> list[dict[str, Any]]:  # fmt: skip
    """
    The objects of a kind that the caller sees; of a cloud without ``cluster`` those of all its clusters.

    :raises Problem: there is no such list.
    """
    method, cluster = _method(console, kind, cluster, admin, own)
    found = _items(console.call(method, {"limit": PAGE_MAX} if kind in LONG else {}, cluster=cluster))
    if kind in SHARED and method == KINDS[kind].user:
        with suppress(InvalidRequest):  # of a release before
            found += _items(console.call(method, {"shared": True}, cluster=cluster))
    return found


def _items(answer: Any) -> list[dict[str, Any]]:
    if isinstance(answer, Mapping):
        answer = answer.get("items")
    return [item for item in answer if isinstance(item, dict)] if isinstance(answer, list) else []


def _method(console: Console, kind: str, cluster: str, admin: bool, own: bool) -> tuple[str, str]:
    """Which method lists a kind, and of which cluster."""
    known = KINDS[kind]
    if known.cloud and console.is_cloud and (own or not (known.user or known.admin)):
        return known.cloud, ""
    method = known.admin if admin or not known.user else known.user
    if not method:
        raise Problem(f"Here are no {kind}s: this is a lone cluster.", REFUSED)
    return method, cluster or (EVERY_CLUSTER if console.is_cloud else "")
