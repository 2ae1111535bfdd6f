"""What every ``IMigrations`` does, between two nodes that share a storage."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from cm.interfaces.hypervisor import VncSpec
from cm.interfaces.migration import MigrationSeen, MigrationSpec, MigrationState
from cm.interfaces.node import INode
from cm.interfaces.volume import StorageSpec
from cm.rpc.errors import DomainNotRunning, HypervisorError, NotSupported
from cm.rpc.vocabulary import Seen
from tests.contract.hypervisor import domain_spec, eventually
from tests.contract.two_nodes import TwoNodes

SCREEN = VncSpec("127.0.0.1", 5917, "secret12", True)


class MigrationsContract(TwoNodes):
    """As ``TwoNodes``, for the node that guests leave; ``make_other`` gives the one that they go to."""

    migrations = True  # whether this hypervisor has any

    @abstractmethod
    def way(self) -> str:
        """Where the node that guests leave reaches the other's hypervisor."""

    def hold_back(self, node: INode, uuid: str) -> Callable[[], None]:
        """Have the guest's memory come to no end, where the suite's limit alone does not; what ends that."""
        return lambda: None

    @pytest.fixture()
    def guest(self, holder: INode, other: INode, spec: StorageSpec) -> Iterator[str]:
        if not self.migrations:
            pytest.skip("needs a hypervisor with migrations; test_no_migrations shows that this one has none")
        for domain in self.running(holder, other, spec, SCREEN, 5913):
            yield domain.uuid

    def spec_of(self, uuid: str, **more: int | bool) -> MigrationSpec:
        return MigrationSpec(uuid, self.way(), vnc=SCREEN, **more)  # type: ignore[arg-type]  # of a test's own keywords

    def ended(self, node: INode, uuid: str) -> MigrationSeen:
        assert eventually(lambda: node.migrations.look(uuid).state is MigrationState.NONE, 60)
        return node.migrations.look(uuid)

    def test_no_migrations(self, holder: INode, spec: StorageSpec) -> None:
        """Who has none says so."""
        if self.migrations:
            pytest.skip("needs a hypervisor without migrations")
        domain = domain_spec()
        holder.hypervisor.define(domain)
        for ask in (holder.migrations.need, holder.migrations.switch, holder.migrations.cancel):
            with pytest.raises(NotSupported):
                ask(domain.uuid)
        with pytest.raises(NotSupported):
            holder.migrations.migrate(self.spec_of(domain.uuid))
        holder.hypervisor.undefine(domain.uuid)

    def test_migrate(self, holder: INode, other: INode, guest: str) -> None:
        """A guest goes on at the other node, with its disk, its definition and a screen of its own there."""
        assert other.migrations.takes(holder.migrations.need(guest)) == ""
        holder.migrations.migrate(self.spec_of(guest))
        assert self.ended(holder, guest).error == ""
        assert holder.hypervisor.look(guest).state is Seen.ABSENT
        seen = other.hypervisor.look(guest)
        assert (seen.state, seen.persistent) == (Seen.RUNNING, True)
        told = other.hypervisor.describe(guest)
        assert told is not None and told.ports == (SCREEN.port,)
        other.hypervisor.set_vnc(guest, replace(SCREEN, password="another1"))
        other.hypervisor.destroy(guest)
        other.hypervisor.start(guest)
        assert other.hypervisor.look(guest).state is Seen.RUNNING

    def test_paused(self, holder: INode, other: INode, guest: str) -> None:
        """A guest that stands still does so afterwards, too."""
        holder.hypervisor.pause(guest)
        holder.migrations.migrate(self.spec_of(guest))
        self.ended(holder, guest)
        assert (holder.hypervisor.look(guest).state, other.hypervisor.look(guest).state) == (Seen.ABSENT, Seen.PAUSED)

    def test_cancel(self, holder: INode, other: INode, guest: str) -> None:
        """One under way is told how far it is, is not begun twice, and is ended; the guest stays, and can go again."""
        release = self.hold_back(holder, guest)
        for _ in range(2):
            holder.migrations.migrate(self.spec_of(guest, limit_mib_s=1))
        seen = holder.migrations.look(guest)
        assert seen.state is MigrationState.RUNNING and 0 <= seen.left_bytes <= seen.total_bytes
        assert other.hypervisor.look(guest).state is not Seen.RUNNING
        for _ in range(2):
            holder.migrations.cancel(guest)
        told = self.ended(holder, guest)
        release()
        assert told.error and holder.hypervisor.look(guest).state is Seen.RUNNING
        assert eventually(lambda: other.hypervisor.look(guest).state is Seen.ABSENT, 20)
        holder.migrations.migrate(self.spec_of(guest))
        assert self.ended(holder, guest).error == ""
        assert other.hypervisor.look(guest).state is Seen.RUNNING

    def test_switch(self, holder: INode, other: INode, guest: str) -> None:
        """A guest whose memory comes to no end goes on at the other node at once, if that was made ready."""
        release = self.hold_back(holder, guest)
        holder.migrations.migrate(self.spec_of(guest, limit_mib_s=4, post_copy=True))

        def switched() -> bool:
            holder.migrations.look(guest)
            try:
                holder.migrations.switch(guest)
            except HypervisorError:
                return False  # nothing was sent yet
            return True

        assert eventually(switched, 20)
        self.ended(holder, guest)
        release()
        assert (holder.hypervisor.look(guest).state, other.hypervisor.look(guest).state) == (Seen.ABSENT, Seen.RUNNING)

    def test_refused(self, holder: INode, other: INode, spec: StorageSpec, guest: str) -> None:
        """Where the other node has not the storage, or is not there, the guest stays, and nothing of it is there."""
        other.pools.detach(spec.name)
        nowhere = replace(self.spec_of(guest), target_uri=self.nowhere())
        with pytest.raises(HypervisorError):
            holder.migrations.migrate(nowhere)
        assert self.ended(holder, guest).error
        assert holder.hypervisor.look(guest).state is Seen.RUNNING
        assert other.hypervisor.look(guest).state is Seen.ABSENT
        other.pools.attach(spec)

    @abstractmethod
    def nowhere(self) -> str:
        """An address of no hypervisor."""

    def test_off(self, holder: INode, guest: str) -> None:
        """What is off or absent does not go anywhere; to look at it, or end it, is no error."""
        holder.hypervisor.destroy(guest)
        for uuid in (guest, domain_spec().uuid):
            assert holder.migrations.look(uuid).state is MigrationState.NONE
            holder.migrations.cancel(uuid)
            with pytest.raises(DomainNotRunning):
                holder.migrations.need(uuid)
            with pytest.raises(DomainNotRunning):
                holder.migrations.migrate(self.spec_of(uuid))
