"""
What is done about a storage that runs low: less of it is really free than ``cluster.storage_low_percent``.

Leftovers of what has ended the pass has deleted already. Then go, as much as is needed, copies of images that nothing
stands on, which can come again, and what lies in the trash, oldest first; the owners are told, and administrators that
the storage runs low. What somebody still holds is never deleted: what more is needed only people can decide.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from cm.interfaces.volume import StorageUsage
from cm.rpc.vocabulary import CauseKind, ImageState
from cm.rules.cause import Cause
from cm.rules.storage import low_by
from cm.services.cached_image import evict_unused
from cm.services.image import open_delete
from cm.services.message import tell
from cm.store.change import record_change
from cm.store.clearing import Trashed, administrators, copies_on, trashed_on, write_low
from cm.store.image import find_image, set_state


def clear(session: Session, storage_id: int, node_id: int, usage: StorageUsage, low_percent: int) -> list[Trashed]:
    """
    :param node_id: through which the storage was looked at.
    :param low_percent: of its capacity; 0: nothing is done.
    :return: what is deleted of the trash.
    """
    lacking_bytes = low_by(usage.available_bytes, usage.capacity_bytes, low_percent)
    low = write_low(session, storage_id, lacking_bytes > 0)
    if low is None:
        return []
    lacking_bytes -= low.going_bytes
    cause = Cause(CauseKind.LOOK, str(node_id))
    for copy_id, bytes in copies_on(session, storage_id) if lacking_bytes > 0 else ():
        if lacking_bytes > 0 and evict_unused(session, copy_id, cause):
            lacking_bytes -= bytes
    purged: list[Trashed] = []
    for each in trashed_on(session, storage_id) if lacking_bytes > 0 else ():
        if lacking_bytes <= 0:
            break
        row = find_image(session, each.image_id, lock=True)
        if row is None or row.state is not ImageState.TRASHED:
            continue  # somebody restored it meanwhile
        set_state(session, row.id, ImageState.DELETED)
        record_change(session, "image", row.id, row.account_id)
        open_delete(session, row, account_id=None, cause=cause)
        tell(session, (each.account_id,), "info", "disk_purged", {"disk_id": each.disk_id, "name": each.name})
        lacking_bytes -= each.bytes
        purged.append(each)
    if low.new or purged:
        params = {
            "storage_id": storage_id,
            "name": low.name,
            "available_bytes": usage.available_bytes,
            "capacity_bytes": usage.capacity_bytes,
            "purged": len(purged),
            "purged_bytes": sum(each.bytes for each in purged),
        }
        tell(session, administrators(session), "error", "storage_low", params)
    return purged
