"""What an administrator may say of a storage, by its kind: each has a function that judges it and fills in the rest."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from cm.rpc.errors import InvalidParameter
from cm.rpc.vocabulary import StorageKind
from cm.rules.names import CONSOLE_DIRECTORY
from cm.rules.storage import CAPABILITIES

PATH_MAX: Final = 200  # characters; volumes' names come after it
DEVICES_MAX: Final = 32
OPTIONS_MAX: Final = 32
_SYSTEM: Final = (
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/sbin", "/sys", "/usr",
)  # fmt: skip
_WHOLE: Final = ("/", "/home", "/media", "/mnt", "/opt", "/root", "/run", "/srv", "/tmp", "/var", "/var/lib")
_PATH: Final = re.compile(r"/[A-Za-z0-9_./@+=:-]*\Z")
_HOST: Final = re.compile(r"[A-Za-z0-9:][A-Za-z0-9:.-]{0,252}\Z")
_GROUP: Final = re.compile(r"[A-Za-z0-9_+.][A-Za-z0-9_+.-]{0,126}\Z")  # lvm(8), valid names
_DEVICE: Final = re.compile(r"/dev/[A-Za-z0-9_./:+-]{1,190}\Z")
_OPTION: Final = re.compile(r"[a-z][a-z0-9_]{0,30}(=[A-Za-z0-9_.:/-]{1,100})?\Z")
VERSIONS: Final = ("3", "4", "4.0", "4.1", "4.2")
# A soft mount gives up on what a guest has written. Versions have a parameter; the others would let files on the
# storage become devices and programs of the node.
_NO_OPTIONS: Final = frozenset(
    {"soft", "softerr", "softreval", "vers", "nfsvers", "dev", "suid", "exec", "ro", "remount"}
)

Values = dict[str, Any]


def check_path(path: str, parameter: str = "path") -> None:
    """
    :raises InvalidParameter: not absolute and normal, or a place that belongs to the system.
    """
    if len(path) > PATH_MAX or not _PATH.match(path):
        raise InvalidParameter(parameter, f"it must be absolute, at most {PATH_MAX} letters, digits and _./@+=:-")
    if posixpath.normpath(path) != path or path.startswith("//"):
        raise InvalidParameter(parameter, "it must be normal: no '.', '..', double or last slash")
    if path in _WHOLE or any(path == top or path.startswith(top + "/") for top in _SYSTEM):
        raise InvalidParameter(parameter, "that directory belongs to the system")
    pool, logs = PurePosixPath(path), PurePosixPath(CONSOLE_DIRECTORY)
    if pool.is_relative_to(logs) or logs.is_relative_to(pool):
        raise InvalidParameter(parameter, f"nodes have the logs of consoles there ({logs})")


def _none_of(kind: StorageKind, values: Values, *parameters: str) -> None:
    for parameter in parameters:
        if values[parameter]:
            raise InvalidParameter(parameter, f"a {kind} has none")


def _dir(values: Values) -> Values:
    check_path(values["path"])
    _none_of(StorageKind.DIR, values, "address", "source", "devices", "nfs_version", "mount_options")
    return values


def _netfs(values: Values) -> Values:
    check_path(values["path"])
    if not _HOST.match(values["address"]):
        raise InvalidParameter("address", "a netfs needs the address or name of its server")
    source = values["source"]
    if len(source) > PATH_MAX or not _PATH.match(source) or posixpath.normpath(source) != source:
        raise InvalidParameter("source", "a netfs needs the absolute path that its server exports")
    _none_of(StorageKind.NETFS, values, "devices")
    if values["nfs_version"] and values["nfs_version"] not in VERSIONS:
        raise InvalidParameter("nfs_version", f"it must be one of {', '.join(VERSIONS)}")
    for option in values["mount_options"]:
        if not _OPTION.match(option) or option.partition("=")[0] in _NO_OPTIONS:
            raise InvalidParameter("mount_options", f"{option[:40]!r} is not taken")
    return values


def _logical(values: Values) -> Values:
    group = values["source"]
    if not _GROUP.match(group) or group in (".", ".."):
        raise InvalidParameter("source", "a logical needs the name of its volume group: letters, digits and _+.-")
    path = f"/dev/{group}"  # LVM's own, whatever a pool says
    if values["path"] not in ("", path):
        raise InvalidParameter("path", f"the volumes of group {group} are in {path}")
    _none_of(StorageKind.LOGICAL, values, "address", "nfs_version", "mount_options")
    for device in values["devices"]:
        if not _DEVICE.match(device) or posixpath.normpath(device) != device:
            raise InvalidParameter("devices", f"{device[:40]!r} is no device's path")
    if len(set(values["devices"])) < len(values["devices"]):
        raise InvalidParameter("devices", "one is named twice")
    return {**values, "path": path}


_CHECKS: Final[Mapping[StorageKind, Callable[[Values], Values]]] = {
    StorageKind.DIR: _dir,
    StorageKind.NETFS: _netfs,
    StorageKind.LOGICAL: _logical,
}


def checked(values: Values) -> Values:
    """
    What a storage is made of, as its row has it.

    :raises InvalidParameter: something does not fit its kind.
    """
    found = _CHECKS[values["kind"]](values)
    check_overcommit(values["kind"], values["overcommit"])
    return {**found, "devices": " ".join(found["devices"]), "mount_options": ",".join(found["mount_options"])}


def check_overcommit(kind: StorageKind, overcommit: float | None) -> None:
    """
    :raises InvalidParameter: more is promised than there is, where volumes take their whole size at once.
    """
    if overcommit is not None and overcommit > 1 and not CAPABILITIES[kind].sparse:
        raise InvalidParameter("overcommit", f"volumes of a {kind} take their whole size at once: 1 at the most")
