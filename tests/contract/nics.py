"""What every ``INics`` does."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from cm.interfaces.hypervisor import NicSpec
from cm.interfaces.network import NetworkSpec
from cm.interfaces.node import INode
from cm.rpc.errors import DomainNotRunning, HypervisorError, NotSupported
from cm.rpc.vocabulary import NicModel
from tests.contract.hypervisor import domain_spec, eventually
from tests.contract.networks import network_spec


def nic_on(network: NetworkSpec) -> NicSpec:
    """A NIC that no other is like."""
    number = random.randrange(2**32)
    mac = ":".join(["02:58", *(f"{byte:02x}" for byte in number.to_bytes(4, "big"))])
    return NicSpec(network.name, mac, f"wvn{number:08x}")


class NicsContract:
    """``make`` gives a node. A domain with a NIC runs on a network of its own; it has no guest."""

    plugs = True  # whether this hypervisor changes what runs
    lets_go = True  # whether it takes a NIC away where no guest hears of it

    def make(self) -> Any:
        raise NotImplementedError

    @pytest.fixture()
    def node(self) -> Iterator[INode]:
        made = self.make()
        yield made
        made.close()

    @pytest.fixture()
    def network(self, node: INode) -> Iterator[NetworkSpec]:
        spec = network_spec()
        node.networks.ensure(spec)
        yield spec
        node.networks.remove(spec.name)

    @pytest.fixture(params=[NicModel.VIRTIO, NicModel.E1000])
    def first(self, network: NetworkSpec, request: pytest.FixtureRequest) -> NicSpec:
        """Of either sort: QEMU has them on buses of their own."""
        return replace(nic_on(network), model=request.param)

    @pytest.fixture()
    def running(self, node: INode, first: NicSpec) -> Iterator[str]:
        spec = domain_spec(nics=(first,))
        node.hypervisor.define(spec)
        node.hypervisor.start(spec.uuid)
        yield spec.uuid
        node.hypervisor.destroy(spec.uuid)
        node.hypervisor.undefine(spec.uuid)

    @pytest.fixture()
    def guest(self, running: str) -> str:
        if not self.plugs:
            pytest.skip("needs a hypervisor that changes running domains; test_none shows that this one does not")
        return running

    def asks(self, node: INode, uuid: str, nic: NicSpec) -> tuple[Callable[[], object], ...]:
        """All that can be asked."""
        return (
            lambda: node.nics.look(uuid, nic.mac),
            lambda: node.nics.attach(uuid, nic),
            lambda: node.nics.detach(uuid, nic.mac),
        )

    def test_none(self, node: INode, running: str, first: NicSpec) -> None:
        """Who has none of it says so."""
        if self.plugs:
            pytest.skip("needs a hypervisor that does not change running domains")
        for ask in self.asks(node, running, first):
            with pytest.raises(NotSupported):
                ask()

    def test_come_and_go(self, node: INode, network: NetworkSpec, guest: str, first: NicSpec) -> None:
        """
        A running domain is given a NIC of the model that it has once, and gives it back; the others stay, and it may
        have it again.
        """
        nic = replace(nic_on(network), model=first.model)
        assert node.nics.look(guest, nic.mac) is None
        for _ in range(2):
            for _ in range(2):  # there already
                node.nics.attach(guest, nic)
            seen = node.nics.look(guest, nic.mac)
            assert seen is not None and (seen.tap, seen.model, seen.source) == (nic.tap, first.model, network.name)
            for _ in range(2):
                node.nics.detach(guest, nic.mac)  # what it answers says nothing
            if not self.lets_go:
                assert node.nics.look(guest, nic.mac) is not None
                continue
            assert eventually(lambda: node.nics.look(guest, nic.mac) is None, 10)
            node.nics.detach(guest, nic.mac)
        assert node.nics.look(guest, first.mac) is not None

    def test_no_network(self, node: INode, network: NetworkSpec, guest: str) -> None:
        """A bridge or a network that is not there is refused, and nothing changes."""
        nic = nic_on(network)
        for wrong in (replace(nic, network="", bridge="wn4294967", mtu=1450), replace(nic, network="wawel-none")):
            with pytest.raises(HypervisorError):
                node.nics.attach(guest, wrong)
        assert node.nics.look(guest, nic.mac) is None

    def test_off(self, node: INode, guest: str, first: NicSpec) -> None:
        """Of what does not run there is nothing to change."""
        node.hypervisor.destroy(guest)
        for ask in self.asks(node, guest, first):
            with pytest.raises(DomainNotRunning):
                ask()
