"""
New disks for VMs, by size: a free volume is used again, or room for a new one is reserved. Nodes are asked later, by
the operation (``operations/providing.py``); what it did not come to is swept away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import msgspec
from sqlalchemy.orm import Session
from twisted.logger import Logger

from cm.results.storage import ProvidedDisk
from cm.rpc.errors import InUse, InvalidParameter, NoStorage, StorageFull, WrongVMState
from cm.rpc.vocabulary import DiskFormat, Match, StorageId
from cm.rules.attach_or_create import Place, Want, creatable, makes, refusal, reusable, rounded
from cm.rules.operation import SPECS, ObjectKind, OperationKind
from cm.services.context import ClusterCall
from cm.store.change import record_change
from cm.store.domain import root_storage
from cm.store.free_volume import count_free, free_volumes
from cm.store.operation import OperationRow, open_operation
from cm.store.placement import storages_of
from cm.store.reservation import (
    ReservationRow,
    Seat,
    attached_numbers,
    drop_reservation,
    find_reservation,
    hardware_pools,
    move_reservation,
    next_number,
    places,
    renew_reservations,
    reservations_of,
    reserve_free,
    reserve_new,
)
from cm.store.storage import get_storage
from cm.store.vm import VMRow, get_vm, render_vm

log = Logger()
DISKS_MAX: Final = 23  # of a VM beside its root disk: vdb to vdx


class IVM(Protocol):
    """What is to be known of a VM that gets a disk."""

    @property
    def id(self) -> int: ...

    @property
    def uuid(self) -> str: ...

    @property
    def account_id(self) -> int: ...


@dataclass(frozen=True)
class Asker:
    """A VM that is being made."""

    id: int
    uuid: str
    account_id: int


@dataclass(frozen=True)
class Asked:
    """
    A disk that is asked for.

    :ivar format: None: as it comes; a new one in qcow2 where its storage has that.
    :ivar storage_ids: the only storages to look at; empty: all of the VM's hardware pool.
    :ivar keep_data: a volume that the same account had last is not wiped.
    """

    size_bytes: int
    match: Match = Match.EXACT
    format: DiskFormat | None = None
    storage_ids: Sequence[int] = ()
    keep_data: bool = False

    def want(self, account_id: int) -> Want:
        return Want(self.size_bytes, account_id, self.match, self.format, frozenset(self.storage_ids))


def reserve(
    session: Session, asked: Asked, seat: Seat, *, vm: IVM, number: int, operation_id: int, anew: bool = False
) -> ReservationRow:
    """
    Reserve a disk: step 1 uses a free volume, step 2 a storage's room, step 3 fails and says why. The account's row is
    locked before a storage's, a storage's before volumes are written; of those who come at once each sees what the
    others have.

    :param anew: no free volume will do.
    :raises NoStorage: nothing fits, with each storage's reason.
    :raises QuotaReached: it does not fit the account's quota.
    """
    want = asked.want(vm.account_id)
    who = {"vm_id": vm.id, "number": number, "account_id": vm.account_id, "operation_id": operation_id}
    there = places(session, seat)
    free = [] if anew else free_volumes(session, want, [place.id for place in there])
    for volume in reusable(want, free, there):
        wipe = volume.needs_wipe(vm.account_id, keep_data=asked.keep_data)
        reserved = reserve_free(session, volume, **who, wipe=wipe)
        if reserved is not None:
            return _found(session, reserved)
    fitting, _ = creatable(want, there)
    for place in fitting:
        try:
            format, size_bytes = made_there(place.kind, asked)
            reserved = reserve_new(session, place.id, vm.uuid, format, size_bytes, **who)
        except StorageFull:
            continue  # somebody was faster
        row = _found(session, reserved)
        if _still_fits(session, seat, place.id):
            return row
        drop_reservation(session, row, made=None)
    raise refused(session, want, seat)


def made_there(kind: str, asked: Asked) -> tuple[DiskFormat, int]:
    """The format and size of a new volume on a storage that can make it."""
    can = makes(kind)
    assert can is not None
    return asked.format or can.best(DiskFormat.QCOW2), can.whole(rounded(asked.size_bytes))


def _found(session: Session, reservation_id: int) -> ReservationRow:
    row = find_reservation(session, reservation_id)
    assert row is not None
    return row


def _still_fits(session: Session, seat: Seat, storage_id: int) -> bool:
    """Whether a storage, whose row is locked now, holds what is promised of it, ours among it."""
    (place,) = places(session, seat, storage_id)
    return place.room_bytes >= 0


def refused(session: Session, want: Want, seat: Seat) -> NoStorage:
    """Why nothing fits, as it is now."""
    there = [place for place in places(session, seat) if not want.storages or place.id in want.storages]
    fitting, checked = creatable(want, there)
    # What fitted a moment ago, or fits again: somebody else was faster.
    told = [(place.id, place.name, "insufficient", max(place.room_bytes, 0)) for place in fitting]
    told += [(each.storage_id, each.storage, str(each.reason), each.room_bytes) for each in checked]
    names = ("storage_id", "storage", "reason", "room_bytes")
    return NoStorage(
        want.size_bytes,
        [dict(zip(names, each, strict=True)) for each in sorted(told)],
        count_free(session, [place.id for place in there]),
    )


def likely(session: Session, disks: Sequence[Asked], account_id: int, seat: Seat) -> frozenset[StorageId]:
    """
    The storages that new disks will come to lie on, if nobody is faster: a node for their VM has to have them.

    :raises NoStorage: one fits nowhere.
    """
    there = places(session, seat)
    found = set()
    for asked in disks:
        want = asked.want(account_id)
        free = reusable(want, free_volumes(session, want, [place.id for place in there]), there)
        fitting, _ = creatable(want, there)
        if not free and not fitting:
            raise refused(session, want, seat)
        found.add(StorageId(free[0].storage_id if free else fitting[0].id))
    return frozenset(found)


def reserve_all(session: Session, disks: Mapping[int, Asked], seat: Seat, vm: IVM, operation_id: int) -> None:
    """``reserve`` of several, by their numbers."""
    for number, asked in disks.items():
        reserve(session, asked, seat, vm=vm, number=number, operation_id=operation_id)


def next_place(session: Session, row: ReservationRow, asked: Asked, seat: Seat) -> ReservationRow:
    """
    A storage could not make a volume: have the next one make it, each once.

    :raises NoStorage: each has failed, or has no room.
    """
    want = replace(asked.want(row.account_id), without=frozenset({*row.tried, row.storage_id}))
    fitting, _ = creatable(want, places(session, seat))
    for place in fitting:
        try:
            move_reservation(session, row, place.id, made_there(place.kind, asked)[0])
        except StorageFull:
            continue
        return _found(session, row.id)
    raise refused(session, want, seat)


def fits_here(session: Session, row: ReservationRow, seat: Seat) -> bool:
    """Whether the storage that a volume is to be made on takes it still, by what was seen of it since."""
    found: list[Place] = places(session, seat, row.storage_id)
    # What is reserved is within its claims already.
    own = Want(0, row.account_id)
    return bool(found) and refusal(own, found[0]) is None and found[0].room_bytes >= 0


def seat_of(session: Session, row: VMRow) -> Seat:
    """
    Where a VM's disks are seen from: its node, or those that have the storages of all its disks.

    :raises WrongVMState: it has no disks.
    """
    root = root_storage(session, row.id)
    if root is None:
        raise WrongVMState(row.id, row.state, "a VM with a disk")
    return Seat(root, row.node_id if row.node_claimed else None, frozenset(storages_of(session, row.id)))


# ------------------------------------------------------------------ the call


def attach_or_create(caller: ClusterCall, vm_id: int, asked: Asked, number: int | None) -> ProvidedDisk:
    """
    Give a VM one more disk, which is made, or wiped, by an operation; a running one gets it then, and what fails is
    taken back.

    Repeatable by ``number``: what is reserved for it already, or was attached as it since, is told again.

    :raises ObjectNotFound: there is no such VM, or no such storage.
    :raises WrongVMState: VMBusy: it neither runs nor is stopped.
    :raises InUse: the number is another disk's.
    :raises NoStorage: QuotaReached: as ``reserve``.
    """
    session = caller.session
    row = get_vm(session, vm_id, lock=True, version=caller.if_version)
    spec = SPECS[OperationKind.ATTACH_OR_CREATE]
    held = {found.number: found for found in reservations_of(session, vm_id)}
    if number in held and held[number].operation_id == row.operation_id:
        return told(held[number], hardware_pools(session))
    for storage_id in asked.storage_ids:
        get_storage(session, storage_id)
    if row.closed_at is not None or (row.operation_id is None and row.state not in spec.allowed):
        raise WrongVMState(vm_id, row.state, " or ".join(sorted(spec.allowed)))
    taken = next_number(session, vm_id)
    if number is None:
        number = taken
    elif number < taken:
        raise InUse("disk number", number, f"VM {vm_id}")
    if number > DISKS_MAX:
        raise InvalidParameter("number", f"a VM has at most {DISKS_MAX} disks beside its first")
    seat = seat_of(session, row)
    operation_id = open_operation(
        session,
        OperationKind.ATTACH_OR_CREATE,
        account_id=caller.account_id or None,
        objects={ObjectKind.VM: [vm_id]},
        node_id=row.node_id,
        arguments=arguments_of({number: asked}),
        cause=caller.cause,
    )
    made = reserve(session, asked, seat, vm=row, number=number, operation_id=operation_id)
    render_vm(session, vm_id)
    record_change(session, "storage", made.storage_id, None)
    caller.note(
        "use again" if made.reused else "create", storage_id=made.storage_id, volume=made.volume, wipe=made.wipe
    )
    caller.note("operation", vm_id=vm_id, kind=OperationKind.ATTACH_OR_CREATE)
    return told(made, hardware_pools(session))


def told(row: ReservationRow, pools: Sequence[str] = ()) -> ProvidedDisk:
    """:param pools: the hardware pools that there are; with one there is nothing to tell."""
    answer: ProvidedDisk = {
        "vm_id": row.vm_id,
        "number": row.number,
        "storage_id": row.storage_id,
        "volume": row.volume,
        "size_bytes": row.size_bytes,
        "reused": row.reused,
        "wiped": row.wipe,
        "operation_id": row.operation_id,
    }
    if len(pools) > 1:
        answer["hardware_pools"] = list(pools)
    return answer


# What an operation remembers of what was asked: for the next storage, and for a retry.
DISKS: Final = "disks"


def arguments_of(disks: Mapping[int, Asked]) -> dict[str, Any]:
    """:param disks: by their numbers."""
    return {
        DISKS: [
            {
                "number": number,
                "size_bytes": asked.size_bytes,
                "match": asked.match,
                "format": asked.format,
                "storage_ids": list(asked.storage_ids),
                "keep_data": asked.keep_data,
            }
            for number, asked in disks.items()
        ]
    }


def encoded(disks: Mapping[int, Asked], beside: Mapping[str, Any]) -> str:
    """The same, as JSON. :param beside: other arguments."""
    return msgspec.json.encode({**(arguments_of(disks) if disks else {}), **beside}).decode()


def asked_in(arguments: Mapping[str, Any]) -> dict[int, Asked]:
    """The other way round."""
    return {
        each["number"]: Asked(
            each["size_bytes"],
            Match(each["match"]),
            None if each["format"] is None else DiskFormat(each["format"]),
            tuple(each["storage_ids"]),
            each["keep_data"],
        )
        for each in arguments.get(DISKS) or ()
    }


def reserve_again(session: Session, vm: VMRow, op: OperationRow) -> None:
    """
    For an operation that begins again: what it had reserved stays so, what is not any more is reserved anew.

    :raises NoStorage: QuotaReached: as ``reserve``.
    """
    asked = asked_in(op.arguments)
    if not asked:
        return
    renew_reservations(session, op.id)
    there = attached_numbers(session, vm.id) | {row.number for row in reservations_of(session, vm.id)}
    seat = seat_of(session, vm)
    for number in sorted(asked.keys() - there):
        reserve(session, asked[number], seat, vm=vm, number=number, operation_id=op.id)
