"""
libvirt's errors become ours here, once, by number (virErrorNumber and virErrorDomain, libvirt/virterror.h).
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Final

import libvirt

from cm.rpc.errors import (
    CloudError,
    DomainNotFound,
    HypervisorError,
    NodeBusy,
    NodeUnreachable,
    NotSupported,
    ObjectNotFound,
    StorageFull,
    VolumeNotFound,
)

# The connection itself failed: what was asked may or may not have happened.
_CONNECTION: Final = frozenset(
    {libvirt.VIR_ERR_NO_CONNECT, libvirt.VIR_ERR_INVALID_CONN, libvirt.VIR_ERR_RPC, libvirt.VIR_ERR_AUTH_FAILED}
)
# "client socket is closed" and "connection closed due to keepalive timeout" are VIR_ERR_INTERNAL_ERROR of the RPC
# layer; "Connection refused", "End of file while reading data" and "Connection reset" are its VIR_ERR_SYSTEM_ERROR.
_TRANSPORT_DOMAINS: Final = frozenset({libvirt.VIR_FROM_RPC, libvirt.VIR_FROM_REMOTE})
_TRANSPORT_CODES: Final = frozenset(
    {libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_ERR_GNUTLS_ERROR}
)
_UNSUPPORTED: Final = frozenset({libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_OPERATION_UNSUPPORTED})
_BUSY: Final = frozenset({libvirt.VIR_ERR_OPERATION_TIMEOUT, libvirt.VIR_ERR_RESOURCE_BUSY})
_FULL: Final = ("no space left on device", "disk quota exceeded")
# The last of a chain that cannot be opened is the one that is missing.
_NO_BASE: Final = re.compile(r".*could not open backing file: could not open '([^']+)': no such file", re.IGNORECASE)
REASON_MAX: Final = 500  # characters kept of libvirt's text


def code_of(error: libvirt.libvirtError) -> int:
    """virErrorNumber; -1 where libvirt left none (a crash of its binding)."""
    code = error.get_error_code()
    return -1 if code is None else int(code)


def _text_of(error: libvirt.libvirtError) -> str:
    return " ".join(str(error.get_error_message() or str(error) or "no reason was given").split())


def reason_of(error: libvirt.libvirtError) -> str:
    return _text_of(error)[:REASON_MAX]


def is_connection_error(error: libvirt.libvirtError) -> bool:
    """Whether the transport failed, rather than the hypervisor refusing."""
    code = code_of(error)
    return code in _CONNECTION or (code in _TRANSPORT_CODES and error.get_error_domain() in _TRANSPORT_DOMAINS)


def is_full(error: libvirt.libvirtError) -> bool:
    """
    Whether a storage ran out. libvirt passes qemu-img's words on, so this is read from the text (C locale), all of it:
    they stand behind the command that was run.
    """
    text = _text_of(error).lower()
    return any(mark in text for mark in _FULL)


def missing_base(error: libvirt.libvirtError) -> str:
    """The name of the file that qemu-img lacked below what it was to read; empty: that is not what was wrong."""
    found = _NO_BASE.match(_text_of(error))
    return "" if found is None else PurePosixPath(found[1]).name


def translate(error: libvirt.libvirtError, *, node: str, subject: str = "", storage: str = "") -> CloudError:
    """
    Our error for libvirt's.

    :param node: our name of the node.
    :param subject: what the call was about: a domain's uuid, a volume's, pool's or network's name.
    :param storage: the pool, where the subject is a volume.
    :return: ``StorageFull`` has storage_id 0 and no figures: a driver does not know them, its caller does.
    """
    code = code_of(error)
    reason = reason_of(error)
    if is_connection_error(error):
        return NodeUnreachable(node, reason)
    if code == libvirt.VIR_ERR_NO_DOMAIN:
        return DomainNotFound(subject)
    if code == libvirt.VIR_ERR_NO_STORAGE_VOL:
        return VolumeNotFound(storage, subject)
    if code == libvirt.VIR_ERR_NO_STORAGE_POOL:
        return ObjectNotFound("storage", storage or subject)
    if code == libvirt.VIR_ERR_NO_NETWORK:
        return ObjectNotFound("network", subject)
    if is_full(error):
        return StorageFull(0, 0, 0)
    if storage and (base := missing_base(error)):
        return VolumeNotFound(storage, base)
    if code in _UNSUPPORTED:
        return NotSupported(f"do this ({reason})")
    if code in _BUSY:
        return NodeBusy(node, reason)
    return HypervisorError(reason, code)
