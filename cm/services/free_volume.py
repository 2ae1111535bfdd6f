"""Free volumes that are to go, and reservations that nobody came back for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy.orm import Session
from twisted.logger import Logger

from cm.interfaces.volume import VolumeSeen
from cm.results.storage import FreeVolume
from cm.rpc.errors import CloudError
from cm.rpc.vocabulary import CauseKind
from cm.rules.cause import Cause
from cm.rules.names import pool_name
from cm.services.context import ClusterCall, Services
from cm.services.disk_bytes import open_volume_delete
from cm.store.change import record_change
from cm.store.free_volume import Doomed, delete_volume, doom_free, doomed_volumes, take_doomed
from cm.store.reservation import drop_reservation, expired_reservations, hold_expired
from cm.store.storage import node_reaching

log = Logger()

CAUSE: Final = Cause(CauseKind.LOOK, "sweep")


def delete_free(caller: ClusterCall, volume_id: int) -> FreeVolume:
    """
    Nobody gets a free volume any more; the next sweep deletes it.

    :raises ObjectNotFound: it is not free, or there is none.
    :raises InUse: it is reserved, or an unknown domain uses it.
    """
    found = doom_free(caller.session, volume_id)
    record_change(caller.session, "storage", found["storage_id"], None)
    caller.note("delete", volume_id=volume_id, volume=found["name"])
    return found


async def sweep(services: Services) -> None:
    """
    Let go of reservations that have expired and that nobody works on: a volume that was made is free for others then,
    of others nothing is left. And delete free volumes that somebody wants gone. What lies on a storage that no node
    reaches is left for another time.
    """
    database = services.database
    for row in await database.read(expired_reservations):
        found = await _asked(services, row.storage_id, row.volume, "find")
        if found is not None:
            there = found.seen is not None and found.seen.capacity_bytes >= row.size_bytes
            await database.transact(_let_go, row.id, row.storage_id, there)
    for doomed in await database.read(doomed_volumes):
        if doomed.wipe:  # which may take an hour
            await database.transact(_hand_over, doomed)
        elif await _asked(services, doomed.storage_id, doomed.name, "delete") is not None:
            await database.transact(_deleted, doomed.id, doomed.storage_id)


@dataclass(frozen=True)
class _Answer:
    seen: VolumeSeen | None


async def _asked(services: Services, storage_id: int, volume: str, what: Literal["find", "delete"]) -> _Answer | None:
    """A volume is looked for, or deleted, through a node that reaches its storage; None where that failed."""
    node_id = await services.database.read(node_reaching, storage_id)
    if node_id is None:
        return None
    volumes = services.fleet.node(node_id).volumes
    try:
        if what == "find":
            return _Answer(await volumes.find(pool_name(storage_id), volume))
        await volumes.delete(pool_name(storage_id), volume)
        return _Answer(None)
    except CloudError as error:
        log.info("volume {volume} of storage {id}: {error}", volume=volume, id=storage_id, error=str(error))
        return None


def _let_go(session: Session, reservation_id: int, storage_id: int, there: bool) -> None:
    row = hold_expired(session, reservation_id)
    if row is None or row.storage_id != storage_id:
        return
    log.info("reservation {id} of VM {vm_id} has expired", id=row.id, vm_id=row.vm_id)
    drop_reservation(session, row, made=there)
    record_change(session, "storage", row.storage_id, None)


def _hand_over(session: Session, doomed: Doomed) -> None:
    """An operation wipes and deletes it, as its storage has it."""
    if take_doomed(session, doomed.id):
        open_volume_delete(session, doomed.id, CAUSE)
        record_change(session, "storage", doomed.storage_id, None)


def _deleted(session: Session, volume_id: int, storage_id: int) -> None:
    delete_volume(session, volume_id)
    record_change(session, "storage", storage_id, None)
