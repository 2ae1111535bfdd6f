"""What runs and is changed: a domain's lookup, and how its guest is asked to let go of a device."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import libvirt

from cm.drivers.libvirt.connection import Connections
from cm.drivers.libvirt.errors import code_of, reason_of
from cm.drivers.libvirt.xml_text import Element, parsed
from cm.rpc.errors import DomainNotRunning, NotSupported

ASK_AGAIN_S: Final = 3.0  # between two requests to let go; a guest that hears them takes less than a second, mostly
LIVE: Final = libvirt.VIR_DOMAIN_AFFECT_LIVE
# QEMU's words of a guest that was asked already and has not answered; libvirt has no number for them.
_ASKED: Final = "in the process of unplug"


def definition_of(domain: Any) -> Element:
    return parsed(domain.XMLDesc())


@contextmanager
def running_domain(connections: Connections, connection: Any, uuid: str, change: str) -> Iterator[Any]:
    """
    The domain. What libvirt says of one that has ended leaves the block as our error.

    :param change: what is done to one that runs, which the test driver does not do.
    :raises DomainNotRunning: it is off.
    """
    if connections.driver == "test":
        raise NotSupported(f"{change} of a running domain")
    domain = None
    try:
        domain = connection.lookupByUUIDString(uuid)
        if not domain.isActive():
            raise DomainNotRunning(uuid)
        yield domain
    except libvirt.libvirtError as error:
        if code_of(error) == libvirt.VIR_ERR_NO_DOMAIN:
            raise DomainNotRunning(uuid) from None
        if code_of(error) == libvirt.VIR_ERR_OPERATION_INVALID and domain is not None and not _active(domain):
            raise DomainNotRunning(uuid) from error
        raise


def _active(domain: Any) -> bool:
    try:
        return bool(domain.isActive())
    except libvirt.libvirtError:
        return False


class Asking:
    """
    Which guests were asked lately. Who asks again soon is not heard: libvirtd 9 asks QEMU for a device that is just
    going, and dies of the answer.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: dict[tuple[str, str], float] = {}  # by domain and device, when the guest was last asked

    def ask(
        self, domain: Any, uuid: str, device: str, find: Callable[[Element, str], Element | None]
    ) -> None:
        """
        Ask a guest for a device by its alias: that call never waits, while the other waits for 5 s and then says that
        all is well.

        :param find: finds it in a domain's definition.
        """
        found = find(definition_of(domain), device)
        alias = None if found is None else found.find("alias")
        if alias is None or not self._may_ask(uuid, device):
            return
        try:
            domain.detachDeviceAlias(alias.get("name"), LIVE)
        except libvirt.libvirtError as error:
            if _ASKED not in reason_of(error) and find(definition_of(domain), device) is not None:
                self.forget(uuid, device)
                raise

    def _may_ask(self, uuid: str, device: str) -> bool:
        """Whether a guest was not asked lately; from now on it was."""
        now = time.monotonic()
        with self._lock:
            self._asked = {key: at for key, at in self._asked.items() if now - at < ASK_AGAIN_S}
            if (uuid, device) in self._asked:
                return False
            self._asked[uuid, device] = now
            return True

    def forget(self, uuid: str, device: str) -> None:
        with self._lock:
            self._asked.pop((uuid, device), None)
