"""What every ``IVariables`` does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any
from uuid import uuid4

import pytest

from cm.interfaces.node import INode
from cm.interfaces.volume import StorageSpec
from cm.rpc.errors import NotSupported, VolumeNotFound
from cm.rpc.vocabulary import Firmware
from cm.rules.machine import NVRAM_DIRECTORY
from tests.contract.hypervisor import domain_spec

QCOW2 = b"QFI\xfb\0\0\0\3"  # as whoever looks into a file takes for a disk
HALF_MIB = 540_672  # of OVMF


class VariablesContract:
    """On what ``make`` gives, in the directory of ``storage``, which no domain of its has open."""

    def make(self) -> INode:
        raise NotImplementedError

    def storage(self) -> StorageSpec:
        raise NotImplementedError

    def there(self, node: INode, storage: StorageSpec) -> set[str]:
        """The files of variables, by their paths in the storage."""
        raise NotImplementedError

    def directories(self, node: INode, storage: StorageSpec) -> set[str]:
        raise NotImplementedError

    @pytest.fixture()
    def place(self) -> Iterator[tuple[INode, StorageSpec]]:
        node, storage = self.make(), self.storage()
        node.pools.attach(storage)
        node.variables.ensure(f"{storage.path}/{NVRAM_DIRECTORY}")
        yield node, storage
        node.pools.detach(storage.name)
        node.close()

    def test_written(self, place: tuple[INode, StorageSpec]) -> None:
        """What is written is read, whatever it looks like, and once more; in a directory that goes with it."""
        node, storage = place
        name = f"{NVRAM_DIRECTORY}/{uuid4().hex[:12]}/vm-{uuid4()}.fd"
        path = f"{storage.path}/{name}"
        with pytest.raises(VolumeNotFound) as caught:
            node.variables.read(path)
        assert PurePosixPath(path).name in str(caught.value)
        for content in (b"\0" * 40 + b"_FVH" + b"\xff" * HALF_MIB, QCOW2 + b"\0" * 100_000, b"less", b""):
            node.variables.write(path, content)
            assert node.variables.read(path) == content
            assert self.there(node, storage) == {name}
        for _ in range(2):
            node.variables.delete(path)
            assert self.there(node, storage) == set()
            assert self.directories(node, storage) == {NVRAM_DIRECTORY}
        assert [each.name for each in node.volumes.list_all(storage.name)] == []

    def test_beside_others(self, place: tuple[INode, StorageSpec]) -> None:
        """One is written where none else is, so nothing looks at the others' on the way."""
        node, storage = place
        path = f"{storage.path}/{NVRAM_DIRECTORY}/vm-{uuid4()}.fd"
        with pytest.raises(NotSupported):
            node.variables.write(path, b"any")
        assert self.there(node, storage) == set()

    def test_started(self, place: tuple[INode, StorageSpec]) -> None:
        """A guest that starts has a file made where its definition says, and finds one that was written."""
        node, storage = place
        for written in (None, b"\0" * 40 + b"_FVH" + b"\xff" * (HALF_MIB - 44)):
            name = f"{NVRAM_DIRECTORY}/{uuid4().hex[:12]}/vm-{uuid4()}.fd"
            path = f"{storage.path}/{name}"
            if written is None:
                node.variables.ensure(str(PurePosixPath(path).parent))
            else:
                node.variables.write(path, written)
            spec: Any = replace(domain_spec(), firmware=Firmware.UEFI, nvram=path)
            node.hypervisor.define(spec)
            node.hypervisor.start(spec.uuid)
            node.hypervisor.destroy(spec.uuid)
            node.hypervisor.undefine(spec.uuid)
            assert self.there(node, storage) == {name}, "its definition's end is not its end"
            read = node.variables.read(path)
            assert len(read) == len(written or read) and read[40:44] == b"_FVH"
            node.variables.delete(path)
