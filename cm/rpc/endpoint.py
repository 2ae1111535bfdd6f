"""
Where a program listens: TLS everywhere, plain HTTP on loopback addresses and UNIX sockets only.

An address is ``host:port``, ``[v6]:port`` or ``unix:/path``.
"""

from __future__ import annotations

import ipaddress
import os
import stat
from pathlib import Path
from typing import Any, Final

from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IListeningPort
from twisted.internet.ssl import CertificateOptions, TLSVersion
from twisted.protocols.tls import TLSMemoryBIOFactory

from cm.runtime.settings import SettingsError

BACKLOG: Final = 512
SOCKET_MODE: Final = 0o660


def make_listener(
    reactor: Any,
    address: str,
    site: Any,
    tls_certificate: Path | None = None,
    tls_key: Path | None = None,
    allow_plain: bool = False,
) -> IListeningPort:
    """
    Listen, at once.

    :param tls_certificate: a PEM file: the certificate, then those between it and the root.
    :param allow_plain: the setting ``insecure = true``: plain HTTP on any address.
    :raises SettingsError: the address is malformed, the TLS files are bad, or plain HTTP would be open to a network.
    """
    if bool(tls_certificate) != bool(tls_key):
        raise SettingsError(["tls_certificate and tls_key: one is set without the other"])
    if address.startswith("unix:"):
        path = address.removeprefix("unix:")
        _clear_socket(path)
        return reactor.listenUNIX(path, site, mode=SOCKET_MODE, backlog=BACKLOG)
    host, port = parse_address(address)
    if tls_certificate and tls_key:
        # What listenSSL() does, except that its TLS would wait on the global reactor, whichever was given.
        secure = TLSMemoryBIOFactory(_context(str(tls_certificate), str(tls_key)), False, site, clock=reactor)
        return reactor.listenTCP(port, secure, backlog=BACKLOG, interface=host)
    if not allow_plain and not _is_loopback(host):
        raise SettingsError(
            [f"address {address}: plain HTTP is for loopback; set tls_certificate and tls_key, or insecure = true"]
        )
    return reactor.listenTCP(port, site, backlog=BACKLOG, interface=host)


def parse_address(address: str) -> tuple[str, int]:
    """:raises SettingsError: it is not ``host:port`` with an address for host; ``*`` is every IPv4 address."""
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if host == "*":
        host = "0.0.0.0"
    elif host == "localhost":
        host = "127.0.0.1"
    try:
        ipaddress.ip_address(host)
        number = int(port) if colon and port.isascii() and port.isdigit() else -1
    except ValueError:
        number = -1
    if not 0 <= number <= 65535:
        raise SettingsError([f"address {address}: it is neither <address>:<port> nor unix:<path>"])
    return host, number


def _is_loopback(host: str) -> bool:
    return ipaddress.ip_address(host).is_loopback


def _clear_socket(path: str) -> None:
    """A socket that a former process left is in the way; anything else there is not ours to remove."""
    try:
        if stat.S_ISSOCK(os.stat(path).st_mode):
            os.unlink(path)
    except FileNotFoundError:
        pass


def _context(certificate: str, key: str) -> Any:
    problems: list[str] = []
    chain: list[Any] = []
    private: Any = None
    try:
        with open(certificate, "rb") as file:
            blocks = file.read().split(b"-----BEGIN CERTIFICATE-----")[1:]
        chain = [
            crypto.load_certificate(crypto.FILETYPE_PEM, b"-----BEGIN CERTIFICATE-----" + block) for block in blocks
        ]
        if not chain:
            problems.append(f"tls_certificate {certificate}: it holds no certificate")
    except (OSError, crypto.Error) as error:
        problems.append(f"tls_certificate {certificate}: {_reason(error)}")
    try:
        with open(key, "rb") as file:
            private = crypto.load_privatekey(crypto.FILETYPE_PEM, file.read(), b"")
    except (OSError, ValueError, TypeError, crypto.Error) as error:
        problems.append(f"tls_key {key}: {_reason(error)}")
    if problems:
        raise SettingsError(problems)
    try:
        options = CertificateOptions(
            privateKey=private,
            certificate=chain[0],
            extraCertChain=chain[1:],
            raiseMinimumTo=TLSVersion.TLSv1_2,
        )
        options.getContext()
    except SSL.Error:
        raise SettingsError([f"tls_key {key}: it is not the key of {certificate}"]) from None
    return options


def _reason(error: Exception) -> str:
    return (error.strerror or "cannot be read") if isinstance(error, OSError) else "it is not PEM that can be read"
