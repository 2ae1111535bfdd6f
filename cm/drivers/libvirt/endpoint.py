"""
Where a libvirt URI leads, and whether anybody answers there.

``libvirt.open`` has no deadline: while packets are dropped it hangs for minutes. So the endpoint is tried first.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from cm.rpc.errors import InvalidParameter

# https://libvirt.org/uri.html, "Remote URIs"
_PORTS: Final = {"tcp": 16509, "tls": 16514, "ssh": 22, "libssh": 22, "libssh2": 22}
_SOCKETS: Final = {
    "qemu": ("/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock"),
    "test": ("/run/libvirt/libvirt-sock",),
}


@dataclass(frozen=True)
class Endpoint:
    """
    What ``probe`` tries. ``sockets`` are alternatives; with neither host nor sockets there is nothing to try: the
    driver runs in this process, or libvirt starts the daemon by itself.
    """

    driver: str
    in_process: bool = False
    host: str = ""
    port: int = 0
    sockets: tuple[str, ...] = ()


def endpoint_of(uri: str) -> Endpoint:
    """
    :raises InvalidParameter: the URI is none of libvirt's that we take.
    """
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError as error:
        raise InvalidParameter("uri", str(error)) from None
    driver, _, transport = parts.scheme.partition("+")
    if driver not in _SOCKETS:
        raise InvalidParameter("uri", f"the driver {driver!r} is not known")
    host = parts.hostname or ""
    if not transport:
        transport = "tls" if host else "unix"
    if driver == "test" and "+" not in parts.scheme and not host:
        return Endpoint(driver, in_process=True)
    if transport in _PORTS:
        if not host:
            raise InvalidParameter("uri", f"the transport {transport!r} needs a host")
        return Endpoint(driver, host=host, port=port or _PORTS[transport])
    if transport == "unix":
        given = parse_qs(parts.query).get("socket")
        if given:
            return Endpoint(driver, sockets=(unquote(given[0]),))
        if driver == "qemu" and parts.path != "/system":
            return Endpoint(driver)
        return Endpoint(driver, sockets=_SOCKETS[driver])
    raise InvalidParameter("uri", f"the transport {transport!r} is not known")


def probe(endpoint: Endpoint, timeout_s: float) -> None:
    """
    Connect and hang up.
    :raises OSError: nobody answers.
    """
    if endpoint.host:
        socket.create_connection((endpoint.host, endpoint.port), timeout=timeout_s).close()
        return
    if not endpoint.sockets:
        return
    path = next((path for path in endpoint.sockets if os.path.exists(path)), endpoint.sockets[0])
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as unix:
        unix.settimeout(timeout_s)
        unix.connect(path)
