"""What every ``INetworks`` does."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest

from cm.interfaces.network import INetworks, NetworkSpec
from cm.interfaces.node import INode


def network_spec(**changes: Any) -> NetworkSpec:
    """A network of 13 guests somewhere in 10.128.0.0/9."""
    number = random.randrange(2**15)
    pool = IPv4Network((0x0A800000 + number * 256, 28))
    spec = NetworkSpec(f"contract-{number:04x}", f"wvc{number:04x}", pool, pool[1], pool[2], pool[14])
    return replace(spec, **changes)


class NetworkContract(ABC):
    """``make`` gives a node, ``active`` says which of its networks are there and active."""

    @abstractmethod
    def make(self) -> INode: ...

    @abstractmethod
    def active(self, name: str) -> bool: ...

    @pytest.fixture()
    def spec(self) -> NetworkSpec:
        return network_spec()

    @pytest.fixture()
    def networks(self, spec: NetworkSpec) -> Iterator[INetworks]:
        node = self.make()
        yield node.networks
        node.networks.remove(spec.name)
        node.close()

    def test_ensure(self, networks: INetworks, spec: NetworkSpec) -> None:
        """A network is there after the first call, and after each further one."""
        assert not self.active(spec.name)
        for _ in range(3):
            networks.ensure(spec)
            assert self.active(spec.name)

    def test_changed(self, networks: INetworks, spec: NetworkSpec) -> None:
        """Another definition replaces the first."""
        networks.ensure(spec)
        networks.ensure(replace(spec, last=spec.pool[10], dns=("192.0.2.1",)))
        assert self.active(spec.name)
        networks.ensure(spec)
        assert self.active(spec.name)

    def test_remove(self, networks: INetworks, spec: NetworkSpec) -> None:
        """A removed network is gone; removing it again changes nothing."""
        networks.ensure(spec)
        for _ in range(2):
            networks.remove(spec.name)
            assert not self.active(spec.name)
