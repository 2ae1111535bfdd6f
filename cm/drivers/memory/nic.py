"""``INics`` in memory. Whether a guest lets go is its world's to say (``holds_nics``)."""

from __future__ import annotations

from dataclasses import replace

from cm.drivers.memory.domain import Domain
from cm.drivers.memory.link import Link
from cm.interfaces.hypervisor import NicSpec
from cm.interfaces.nics import NicSeen


class MemoryNics:
    def __init__(self, link: Link) -> None:
        self._link = link

    def look(self, uuid: str, mac: str) -> NicSeen | None:
        with self._link.call("look_nic") as world, world.lock:
            found = next((nic for nic in _nics(self._link.running(uuid)) if nic.mac == mac), None)
            return None if found is None else NicSeen(mac, found.tap, found.model, found.bridge or found.network)

    def attach(self, uuid: str, nic: NicSpec) -> None:
        with self._link.call("attach") as world, world.lock:
            domain = self._link.running(uuid)
            if all(each.mac != nic.mac for each in _nics(domain)):
                world.check_nic(nic)
                _put(domain, (*_nics(domain), nic))

    def detach(self, uuid: str, mac: str) -> None:
        with self._link.call("detach") as world, world.lock:
            domain = self._link.running(uuid)
            domain.asked_nics.add(mac)
            if uuid not in world.holds_nics and not domain.paused:
                let_go_of_nics(domain)


def let_go_of_nics(domain: Domain) -> None:
    """The guest does what it was asked; under the world's lock."""
    _put(domain, tuple(nic for nic in _nics(domain) if nic.mac not in domain.asked_nics))
    domain.asked_nics.clear()


def _nics(domain: Domain) -> tuple[NicSpec, ...]:
    return () if domain.running is None else domain.running.nics


def _put(domain: Domain, nics: tuple[NicSpec, ...]) -> None:
    assert domain.running is not None
    domain.running = replace(domain.running, nics=nics)
