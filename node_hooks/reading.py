"""Values that the document tells, each read as what it has to be. Pure."""

import re
from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from typing import Any, Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

INTERFACE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")  # a device's name
MAC: Final = re.compile("[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def read_entries(given: object) -> Iterable[Any]:
    """What is no list is an entry, which nobody will understand, and so be told."""
    if given is None:
        return []
    return given if isinstance(given, list | tuple) else [given]


def read_text(value: object) -> str:
    """:raises TypeError: it is none."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.50} is not a text")
    return value


def read_name(pattern: re.Pattern[str], value: object) -> str:
    """:raises TypeError, ValueError: it is not, as a whole, of the pattern."""
    if not pattern.fullmatch(read_text(value)):
        raise ValueError(f"{value!r:.50} is no name for it")
    return read_text(value)


def read_whole(value: object, least: int, most: int) -> int:
    """:raises ValueError: it is no whole number between them."""
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{value!r:.50} is not between {least} and {most}")
    return value


def read_address(value: object) -> Address:
    """:raises TypeError, ValueError: it is none, or has a zone."""
    return ip_address(_without_zone(value))


def read_interface(value: object) -> IPv4Interface | IPv6Interface:
    """:raises TypeError, ValueError: it is none, or has a zone."""
    return ip_interface(_without_zone(value))


def read_range(value: object) -> Network:
    """:raises TypeError, ValueError: it is none, or has a zone."""
    return ip_network(_without_zone(value))


def _without_zone(value: object) -> str:
    """A zone may be any text."""
    if "%" in read_text(value):
        raise ValueError(f"{value!r:.50} has a zone")
    return read_text(value)
