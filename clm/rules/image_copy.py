"""Where a cluster fetches an image from that another one gives out."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit


def address_of(given: Mapping[str, Any], public_url: str) -> str:
    """
    The source's own address; the cloud's, which passes downloads on, where that is for its own machine alone.

    :param given: what ``create_download`` answered.
    :param public_url: the cloud's, without a slash at its end.
    """
    own: str | None = given["download_url"]
    return own if own and not _is_loopback(own) else f"{public_url}/clusters/{given['cluster']}{given['path']}"


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
