"""
Seeds: what a guest is told, on a CD that is in a drive of its VM for the first boot. It lies on the storage of the root
disk, is counted as that is, and is deleted when the VM stops for the first time after its guest has read it. Should the
disk go before where no node has both storages, it follows.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy.orm import Session

from cm.rules.cause import Cause
from cm.rules.cloud_init import LABELS, seed_files
from cm.rules.metadata import FIRST_BOOT_S, HELLO_URL, SEED_BYTES
from cm.rules.names import moved_volume
from cm.rules.storage import capabilities
from cm.runtime.wall import utc_now
from cm.services.context import ClusterPolicy
from cm.services.disk_bytes import open_volume_delete
from cm.services.farm_key import farm_secret_from, private_key_for
from cm.services.guest import guest_of
from cm.store.claim import claim_storage, count_quota, mib, release_quota
from cm.store.disk_bytes import are_together
from cm.store.seed import SeedRow, delete_seed, find_seed, switch_seed
from cm.store.storage import get_storage
from cm.store.vm import VMRow


@dataclass(frozen=True)
class SeedPlan:
    """A seed that is to be written."""

    row: SeedRow
    label: str
    files: Mapping[str, bytes] = field(repr=False)


def plan_seed(session: Session, vm_id: int, policy: ClusterPolicy) -> SeedPlan | None:
    """What is to be written before a VM is launched; None: nothing, or it is there."""
    row = find_seed(session, vm_id)
    if row is None or row.made:
        return None
    guest = guest_of(session, vm_id)
    farm_key = private_key_for(guest, farm_secret_from(policy.secret))
    more = (policy.vendor_data, farm_key, policy.install_agent)
    files = seed_files(guest, guest.metadata, policy.name, HELLO_URL, *more)
    return SeedPlan(row, LABELS[guest.metadata], files)


def have_seed_follow(session: Session, vm_id: int, storage_id: int, cause: Cause) -> None:
    """
    A stopped VM's root disk lies on another storage from now on. Where no node has that and the seed's, the VM would
    start nowhere: its seed is written anew beside the disk, before the next launch.

    :raises StorageFull: there is no room for it.
    """
    found = find_seed(session, vm_id)
    if found is None or are_together(session, found.storage_id, storage_id):
        return
    size_bytes = capabilities(get_storage(session, storage_id)["kind"]).whole(SEED_BYTES)
    claim_storage(session, storage_id, size_bytes)
    switch_seed(session, vm_id, storage_id, moved_volume(found.volume, uuid.uuid4(), "iso"), size_bytes)
    more_mib = mib(size_bytes) - mib(found.claimed_bytes)
    if more_mib:
        count_quota(session, found.account_id, cpu=0, memory_mib=0, storage_mib=more_mib, vms=0, force=True)
    open_volume_delete(session, found.volume_id, cause)


def forget_seed(session: Session, row: VMRow, cause: Cause) -> bool:
    """
    A VM has stopped: its seed is deleted if its guest has read it, as far as that can be known. One whose first boot
    was cut off finds it again.

    :return: whether there was one, and is none any more.
    """
    found = find_seed(session, row.id)
    if found is None or row.launched_at is None:
        return False
    if found.read_at is None and utc_now() - row.launched_at < timedelta(seconds=FIRST_BOOT_S):
        return False
    delete_seed(session, row.id)
    release_quota(session, found.account_id, storage_mib=mib(found.claimed_bytes))
    open_volume_delete(session, found.volume_id, cause)
    return True
