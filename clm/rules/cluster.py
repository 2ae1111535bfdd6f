"""Decisions about clusters: what may be one, how an answer of one is judged, which of them a call is for."""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import urlsplit

from cm.rpc.errors import InvalidParameter

PROTOCOL: Final = 1  # of what managers say to each other; ``guest.cluster.get_info`` tells it
NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")  # a DNS label: RFC 1123, 2.1
URL_MAX: Final = 500

# What was seen of a cluster. "": it has not been looked at.
OK: Final = "ok"
UNREACHABLE: Final = "unreachable"
REFUSED: Final = "refused"
INCOMPATIBLE: Final = "incompatible"


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """A cluster as calls to it need to know it."""

    id: int
    uuid: str
    name: str
    url: str
    ca: str = field(default="", repr=False)
    locked: bool = False
    state: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look at a cluster found."""

    state: str
    error: str = ""
    release: str = ""


def check_name(name: str) -> str:
    """
    :raises InvalidParameter: it is no DNS label.
    """
    if not NAME.match(name):
        raise InvalidParameter("name", "it must be a DNS label: lower case letters, digits, hyphens within")
    return name


def check_url(url: str) -> str:
    """
    The address without a slash at its end.

    :raises InvalidParameter: it is no address of a cluster. Plain HTTP is for loopback: whoever is in between could
        answer for the cluster.
    """
    if len(url) > URL_MAX or not url.isascii() or not url.isprintable():
        raise InvalidParameter("url", "it is no address")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # read it, since only reading checks it
    except ValueError:
        raise InvalidParameter("url", "it is no address") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidParameter("url", "it must be https://host:port")
    if parts.username or parts.password or parts.query or parts.fragment or parts.path not in ("", "/"):
        raise InvalidParameter("url", "it holds more than scheme, host and port")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise InvalidParameter("url", "plain http is for loopback addresses; use https, with ca where needed")
    return url.rstrip("/")


def check_ca(ca: str | None) -> str:
    """
    :raises InvalidParameter: it is no PEM text, or holds what is to stay secret.
    """
    text = (ca or "").strip()
    if text and "-----BEGIN CERTIFICATE-----" not in text:
        raise InvalidParameter("ca", "it holds no certificate in PEM")
    if "PRIVATE KEY-----" in text:
        raise InvalidParameter("ca", "it holds a private key; only certificates belong here")
    return text + "\n" if text else ""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def judge(info: Any, name: str) -> Seen:
    """
    What a cluster says of itself, against what we know of it.

    :param info: the answer of ``guest.cluster.get_info``.
    """
    if not isinstance(info, Mapping) or not isinstance(info.get("name"), str):
        return Seen(UNREACHABLE, "what answers there is no cluster manager")
    release = _shown(info.get("version", ""), 100)
    if info["name"] != name:
        return Seen(REFUSED, f"the cluster there is named {_shown(info['name'], 63)}", release)
    protocol = info.get("protocol")
    if protocol != PROTOCOL:
        told = "none" if protocol is None else _shown(protocol, 20)
        return Seen(INCOMPATIBLE, f"it speaks protocol {told}, this cloud {PROTOCOL}", release)
    return Seen(OK, "", release)


def _shown(told: object, most: int) -> str:
    """What a stranger said, bounded, without what cannot be stored or would turn a line round."""
    return "".join(c if c.isprintable() else "\ufffd" for c in str(told)[:most])


class HasFacts(Protocol):
    @property
    def facts(self) -> ClusterFacts: ...


Held = TypeVar("Held", bound=HasFacts)


def match_facts(reference: int | str, clusters: Iterable[ClusterFacts]) -> ClusterFacts | None:
    """
    The cluster that is meant: by id, name or uuid; a text of digits is an id where no cluster is named so.
    """
    every = list(clusters)
    if isinstance(reference, int):
        return next((each for each in every if each.id == reference), None)
    named = next((each for each in every if each.name == reference), None)
    if named is not None:
        return named
    if reference.isascii() and reference.isdigit():
        return next((each for each in every if str(each.id) == reference), None)
    wanted = as_uuid(reference)
    return None if wanted is None else next((each for each in every if each.uuid == wanted), None)


def match(reference: int | str, clusters: Collection[Held]) -> Held | None:
    """As ``match_facts``, of what holds a cluster's facts."""
    found = match_facts(reference, (each.facts for each in clusters))
    return None if found is None else next(each for each in clusters if each.facts is found)


def as_uuid(text: object) -> str | None:
    """A uuid as we write it; None for what is none."""
    if not isinstance(text, str) or len(text) > 36:
        return None
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return None


def default_of(preferred: int | None, clusters: Collection[Held]) -> Held | None:
    """The cluster of a call that names none: the user's own choice, else the only one there is."""
    chosen = None if preferred is None else match(preferred, clusters)
    if chosen is None and len(clusters) == 1:
        chosen = next(iter(clusters))
    return chosen
