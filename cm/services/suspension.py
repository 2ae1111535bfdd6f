"""
VMs that are suspended: their guests' memory lies on the storage of their root disk, their share of their node is given
back, and they go on at any node that has their disks. What is claimed for it, and when it is of no use any more.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection

from sqlalchemy.orm import Session

from cm.rpc.errors import NotSupported, ObjectNotFound
from cm.rules.cause import Cause
from cm.rules.migration import differs
from cm.rules.names import memory_volume
from cm.rules.operation import ObjectKind
from cm.rules.storage import capabilities
from cm.rules.suspension import memory_bytes
from cm.services.disk_bytes import open_volume_delete
from cm.services.storage import refuse_new
from cm.store.claim import claim_quota, claim_storage, mib, release_quota
from cm.store.domain import root_storage
from cm.store.migration import ways
from cm.store.operation_object import Objects
from cm.store.storage import get_storage
from cm.store.suspension import delete_suspension, find_suspension, insert_suspension
from cm.store.vm import VMRow


def claim_memory(session: Session, row: VMRow) -> Objects:
    """
    Claim what a VM's memory is going to be written to, of its account's quota and of its root disk's storage.

    :return: the volume, which the operation has to itself.
    :raises QuotaReached: StorageFull: it does not fit.
    :raises StorageLocked: StorageDraining: that storage takes nothing new.
    :raises NotSupported: it has no files.
    """
    storage_id = root_storage(session, row.id)
    if storage_id is None or row.node_id is None:
        raise ObjectNotFound("disk of vm", row.id)
    storage = get_storage(session, storage_id)
    if not capabilities(storage["kind"]).files:
        raise NotSupported(f"suspend a VM whose root disk is on a storage of the kind {storage['kind']}")
    refuse_new(storage, own=True)
    size_bytes = memory_bytes(row.memory_mib)
    claim_quota(session, row.account_id, storage_mib=mib(size_bytes))
    claim_storage(session, storage_id, size_bytes)
    name = memory_volume(row.uuid, uuid.uuid4())
    greeted = row.contextualized_at is not None
    return {ObjectKind.VOLUME: [insert_suspension(session, row.id, storage_id, name, size_bytes, row.node_id, greeted)]}


def forget_memory(session: Session, vm_id: int, cause: Cause) -> bool:
    """
    A VM's guest goes on, or begins anew, from now on: what lies there is of before, and is deleted.

    :return: whether there was any.
    """
    found = find_suspension(session, vm_id)
    if found is None:
        return False
    delete_suspension(session, vm_id)
    release_quota(session, found.account_id, storage_mib=mib(found.claimed_bytes))
    open_volume_delete(session, found.volume_id, cause)
    return True


def going_on(session: Session, vm_id: int) -> Collection[int]:
    """The nodes where a suspended VM's guest can go on, as far as they are known."""
    found = find_suspension(session, vm_id)
    if found is None:
        return ()
    return {way.id for way in ways(session).values() if way.id == found.node_id or not differs(found.info, way.info)}
