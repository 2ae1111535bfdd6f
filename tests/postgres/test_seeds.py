"""Seeds: CDs that guests are told by as they boot for the first time; counted, there for that, and gone after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cm.rpc.errors import HypervisorError, QuotaReached
from cm.rpc.vocabulary import DiskBus
from cm.rules.metadata import FIRST_BOOT_S, SEED_BYTES, SEED_DEVICE
from cm.services.guest import guest_of, hello
from support.cloud import MemoryCloud
from support.guest import Guest, check_balance, done, rows, share_storages, used

MIB = 2**20


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[MemoryCloud]:
    made = MemoryCloud(database_url, tmp_path)
    share_storages(made)
    yield made
    made.stop()


class Seeded(Guest):
    def __init__(self, cloud: MemoryCloud, metadata: str = "seed-iso", **more: Any) -> None:
        super().__init__(cloud, metadata=metadata, **more)

    def drives(self) -> list[Any]:
        running = self.node.world.domains[self.uuid].running
        return [disk for disk in running.disks if disk.device == SEED_DEVICE]

    def greet(self) -> None:
        database = self.cloud.manager.database
        assert database.transact_now(lambda session: hello(session, guest_of(session, self.vm_id)))

    def settled(self) -> None:
        under_way = "SELECT count(*) FROM operation WHERE state IN ('queued', 'running', 'waiting')"
        self.cloud.until(lambda: self.cloud.sql(under_way) == 0, "it settles")
        check_balance(self.cloud)


def seeds(cloud: MemoryCloud) -> int:
    share = next(iter(cloud.memory.values())).world.storages.share(f"wawel-{cloud.storage_id}")
    return sum("-seed" in name for name in share.volumes)


@pytest.mark.parametrize("metadata", ["seed-iso", "config-drive"])
def test_first_boot(cloud: MemoryCloud, metadata: str) -> None:
    """
    It is in a drive of its own for the first boot, and counted; should that be cut off, for the next one too. Once the
    guest has said hello the next stop takes it away, with all that it held.
    """
    before = used(cloud)
    guest = Seeded(cloud, metadata)
    (drive,) = guest.drives()
    assert (drive.cdrom, drive.read_only, drive.bus, drive.boot_order) == (True, True, DiskBus.SCSI, None)
    volume = guest.node.world.storages.behind(drive.path)
    assert (volume.capacity_bytes, volume.half_made) == (SEED_BYTES, False)
    assert used(cloud) == (before[0] + 65, before[1] + 64 * MIB + SEED_BYTES)
    assert guest.node.world.domains[guest.uuid].running.smbios_serial == ""
    uses = {each["use"]: each["count"] for each in cloud.call("user.account.get_statistics")["uses"]}
    assert uses["seed"] == 1
    content = cloud.call("admin.storage.get_content", {"storage_id": cloud.storage_id}, account="admin")
    assert [each["vm_id"] for each in content if "-seed" in each["name"]] == [guest.vm_id]
    guest.settled()
    guest.stop()
    guest.settled()
    assert seeds(cloud) == 1
    guest.start()
    assert len(guest.drives()) == 1 and seeds(cloud) == 1
    guest.greet()
    guest.stop()
    guest.settled()
    assert seeds(cloud) == 0 and used(cloud) == (before[0] + 64, before[1] + 64 * MIB)
    guest.start()
    assert guest.drives() == []
    guest.settled()


def test_silent_guest(cloud: MemoryCloud) -> None:
    """A guest that has nobody to say hello to has read its seed some minutes after its launch."""
    guest = Seeded(cloud)
    cloud.sql(
        f"UPDATE vm SET launched_at = now() - interval '{FIRST_BOOT_S} seconds' WHERE id = :v", v=guest.vm_id
    )
    guest.stop()
    guest.settled()
    assert seeds(cloud) == 0


def test_end(cloud: MemoryCloud) -> None:
    """Nothing of it is left of a VM that ends, and what it held goes back."""
    before = used(cloud)
    guest = Seeded(cloud)
    guest.destroy()
    guest.settled()
    assert seeds(cloud) == 0 and used(cloud) == before


def test_suspended(cloud: MemoryCloud) -> None:
    """A guest that sleeps goes on with the drive that it had."""
    guest = Seeded(cloud)
    guest.greet()
    done(cloud, "user.vm.suspend", vm_id=guest.vm_id)
    cloud.wait(guest.vm_id, "suspended")
    assert seeds(cloud) == 1
    done(cloud, "user.vm.wake_up", vm_id=guest.vm_id)
    cloud.wait(guest.vm_id, "running")
    assert len(guest.drives()) == 1
    guest.settled()


def test_quota(cloud: MemoryCloud) -> None:
    """It counts of the quota: where it does not fit nothing is made."""
    cloud.sql("UPDATE account SET quota_storage_mib = 64 WHERE login = 'user'")
    with pytest.raises(QuotaReached):
        cloud.create(metadata="seed-iso")
    assert rows(cloud, "SELECT 1 FROM seed") == [] and cloud.leaks() == []
    assert cloud.create()["vm_id"]


def test_not_written(cloud: MemoryCloud) -> None:
    """A storage that does not take it fails the launch with its reason; tried again it is written."""
    for memory in cloud.memory.values():
        memory.fail_next("upload", HypervisorError("No space left on device", 1))
    made = cloud.create(metadata="seed-iso")
    ended = cloud.ended(made["operation_id"])
    assert ended["state"] == "failed" and cloud.leaks() == []
    for memory in cloud.memory.values():
        memory._faults.next.clear()
    cloud.call("user.operation.retry", {"operation_id": made["operation_id"]})
    cloud.wait(made["vm_id"], "running")
    assert seeds(cloud) == 1 and cloud.leaks() == []
