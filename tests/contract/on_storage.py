"""What suites of contracts on a storage have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from uuid import uuid4

import pytest

from cm.interfaces.node import INode
from cm.interfaces.volume import StorageSpec
from cm.rpc.vocabulary import StorageKind
from cm.rules.storage import Capabilities, capabilities


class OnStorage(ABC):
    """``make`` gives a node, ``storage`` the description of a new, empty storage of the kind ``kind`` on its node."""

    kind = StorageKind.DIR

    @property
    def can(self) -> Capabilities:
        return capabilities(self.kind)

    @abstractmethod
    def make(self) -> INode: ...

    def storage(self) -> StorageSpec:
        name = f"contract-{uuid4().hex[:8]}"
        if self.kind is StorageKind.LOGICAL:
            return StorageSpec(name, self.kind, f"/dev/{name}", source=name)
        return StorageSpec(name, self.kind, f"/srv/{name}")

    @pytest.fixture()
    def spec(self) -> StorageSpec:
        return self.storage()

    @pytest.fixture()
    def holder(self, spec: StorageSpec) -> Iterator[INode]:
        made = self.make()
        made.pools.attach(spec)
        yield made
        made.pools.attach(spec)  # a test may have detached it
        for volume in made.volumes.list_all(spec.name):
            made.volumes.delete(spec.name, volume.name)
        made.pools.detach(spec.name)
        made.close()
