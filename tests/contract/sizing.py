"""What every ``ISizing`` does. Its guests are none: nobody in them lets go of anything."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cm.interfaces.hypervisor import DomainSpec
from cm.interfaces.node import INode
from cm.interfaces.sizing import DomainSize
from cm.rpc.errors import DomainNotRunning, HypervisorError, NotSupported
from tests.contract.hypervisor import domain_spec

MIB = 128


class SizingContract:
    """``make`` gives a node."""

    resizes = True  # whether this hypervisor changes what runs

    def make(self) -> Any:
        raise NotImplementedError

    def deaf(self, node: INode, domain: str) -> None:
        """See to it that no guest in it lets go of anything."""

    @pytest.fixture()
    def node(self) -> Iterator[INode]:
        made = self.make()
        yield made
        made.close()

    @pytest.fixture()
    def domain(self, node: INode) -> Iterator[Callable[..., DomainSpec]]:
        made: list[str] = []

        def start(**changes: Any) -> DomainSpec:
            spec = domain_spec(**changes)
            made.append(spec.uuid)
            node.hypervisor.define(spec)
            node.hypervisor.start(spec.uuid)
            return spec

        yield start
        for each in made:
            node.hypervisor.destroy(each)
            node.hypervisor.undefine(each)

    def test_grows(self, node: INode, domain: Callable[..., DomainSpec]) -> None:
        """CPUs and modules come up to what it was started with, and are told; what no guest gives back stays."""
        if not self.resizes:
            pytest.skip("needs a hypervisor that changes running domains")
        spec = domain(memory_mib=MIB, max_vcpus=3, max_memory_mib=4 * MIB)
        assert node.sizing.size(spec.uuid) == DomainSize(1, MIB)
        node.sizing.set_vcpus(spec.uuid, 3)
        node.sizing.set_vcpus(spec.uuid, 3)
        node.sizing.plug_memory(spec.uuid, 2 * MIB)
        assert node.sizing.size(spec.uuid) == DomainSize(3, 3 * MIB, (2 * MIB,))
        told = node.hypervisor.describe(spec.uuid)
        assert told is not None and (told.vcpus, told.memory_mib) == (3, 3 * MIB)
        with pytest.raises(HypervisorError):
            node.sizing.set_vcpus(spec.uuid, 4)
        with pytest.raises(HypervisorError):
            node.sizing.plug_memory(spec.uuid, 2 * MIB)
        self.deaf(node, spec.uuid)
        node.sizing.unplug_memory(spec.uuid, MIB)
        node.sizing.unplug_memory(spec.uuid, 2 * MIB)
        with pytest.raises(HypervisorError):
            node.sizing.set_vcpus(spec.uuid, 1)
        assert node.sizing.size(spec.uuid) == DomainSize(3, 3 * MIB, (2 * MIB,))

    def test_off(self, node: INode) -> None:
        """Of what does not run nothing is changed."""
        absent = str(uuid.uuid4())
        sizing = node.sizing
        for ask in (
            lambda: sizing.size(absent), lambda: sizing.set_vcpus(absent, 1), lambda: sizing.plug_memory(absent, MIB),
            lambda: sizing.unplug_memory(absent, MIB),
        ):  # fmt: skip
            with pytest.raises(DomainNotRunning if self.resizes else NotSupported):
                ask()
