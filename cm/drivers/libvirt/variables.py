"""``IVariables`` by what libvirt does for the logs of consoles: neither lies in a pool."""

from __future__ import annotations

from cm.drivers.libvirt.console_log import LibvirtConsoleLogs


class LibvirtVariables:
    def __init__(self, files: LibvirtConsoleLogs) -> None:
        self._files = files

    def ensure(self, directory: str) -> None:
        self._files.ensure(directory)

    def delete(self, path: str) -> None:
        self._files.delete_file(path)
