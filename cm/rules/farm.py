"""
Farms: a head and workers that are made and end as one. What its VMs are called, what a farm shows of itself, when a
worker may start, and which workers go when a farm shrinks.

Source: CC1's farms, whose workers start when the head's guest has said hello; ours do not wait for ever.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cm.rpc.errors import Conflict, InvalidParameter
from cm.rpc.vocabulary import FarmRole, FarmState, MetadataSource, VMState

HEAD: Final = 0  # its number in its farm
# From the head's launch until its workers start without its hello: as long as a full boot takes where it is emulated.
HEAD_S: Final = 600.0
HEADS: Final = "heads"  # in the arguments of a head's creation: this farm, whose workers wait for it
# In those of a worker's.
FARM: Final = "farm_id"  # it waits for this farm's head
UNHEARD: Final = "unheard"  # why it did not wait for longer
# What a guest is told by, together with how to say hello and how to reach the others.
TELLS: Final = frozenset({MetadataSource.NOCLOUD, MetadataSource.SEED_ISO, MetadataSource.CONFIG_DRIVE})
_MAY_COME_UP: Final = frozenset({VMState.STARTING, VMState.RUNNING, VMState.PAUSED, VMState.REBOOTING})
_UP: Final = frozenset({VMState.RUNNING, VMState.PAUSED, VMState.REBOOTING})

# In which a farm may get more workers.
GROWS: Final = frozenset(
    {FarmState.STARTING_HEAD, FarmState.STARTING_WORKERS, FarmState.RUNNING, FarmState.DEGRADED}
)

# CC1's numbers (common/states.py), as far as a farm of ours is ever in such a state.
CC1_CODES: Final[dict[FarmState, int]] = {
    FarmState.STARTING_HEAD: 1,
    FarmState.STARTING_WORKERS: 2,
    FarmState.RUNNING: 3,
    FarmState.DEGRADED: 3,
    FarmState.STOPPED: 3,
    FarmState.DESTROYING: 4,
    FarmState.DESTROYED: 5,
    FarmState.ERROR: 6,
    FarmState.SAVING_HEAD: 9,
}


@dataclass(eq=False)
class FarmHeadDown(Conflict):
    """A worker would start for a head that is not going to be up."""

    code = "farm_head_down"
    message = "The farm's head, VM {vm_id}, is {state}{reason}; workers start once it is up."
    vm_id: int
    state: VMState
    reason: str


@dataclass(eq=False)
class FarmWrongState(Conflict):
    """CC1's code of a farm that is not there for what is asked."""

    code = "farm_wrong_state"
    message = "Farm {farm_id} is {state}, not {expected}."
    farm_id: int
    state: FarmState
    expected: str


@dataclass(eq=False)
class FarmIncomplete(Conflict):
    """Some VMs of a farm were not started, or were given up."""

    code = "farm_incomplete"
    message = "Of {vms} VMs of farm {farm} these were not started: {missing}."
    farm: str
    vms: int
    missing: str


def role(number: int) -> FarmRole:
    return FarmRole.HEAD if number == HEAD else FarmRole.WORKER


def member_name(host: str, number: int) -> str:
    """:param host: what the farm's names begin with."""
    return host if number == HEAD else f"{host}-worker-{number}"


@dataclass(frozen=True)
class Member:
    """A live VM of a farm."""

    vm_id: int
    number: int
    state: VMState


def farm_state(members: Sequence[Member], greeted: bool) -> FarmState:
    """
    Total: whatever states its VMs are in, a farm has one.

    :param members: the live ones.
    :param greeted: whether the head's guest has said hello since it was started, or none is awaited of it.
    """
    if not members:
        return FarmState.DESTROYED
    states = {member.state for member in members}
    head = next((member.state for member in members if member.number == HEAD), None)
    if states == {VMState.DESTROYING} or head is VMState.DESTROYING:
        return FarmState.DESTROYING
    if head is VMState.SAVING:
        return FarmState.SAVING_HEAD
    if head is None or head is VMState.ERROR:
        return FarmState.ERROR
    if head is VMState.STARTING or (VMState.STARTING in states and not greeted):
        return FarmState.STARTING_HEAD
    if VMState.STARTING in states:
        return FarmState.STARTING_WORKERS
    if states == {VMState.RUNNING}:
        return FarmState.RUNNING
    if states == {VMState.STOPPED}:
        return FarmState.STOPPED
    return FarmState.DEGRADED


def missing_of(joined: bool, tells: bool) -> str:
    """
    What of a farm its VMs will not have, for who asks for them; "": it lacks nothing. No refusal: workers that need no
    other are made so, too, and clusters without networks of users' own have none but these.

    :param joined: whether they are on one network on which they reach each other.
    :param tells: as of ``Head``.
    """
    if not joined:
        return (
            "Its VMs do not reach each other: they share no network of a user's own or of the site's, and on those of"
            " everybody's guests are kept apart."
        )
    if not tells:
        return "Its guests are told neither names nor keys by this source of metadata."
    return ""


@dataclass(frozen=True)
class Head:
    """
    What a worker looks at before it starts.

    :ivar error: why it is in that state, if it is told.
    :ivar tells: whether its guest is told how to say hello (``TELLS``).
    """

    vm_id: int
    name: str
    state: VMState
    error: str
    greeted: bool
    tells: bool
    launched_at: datetime | None


@dataclass(frozen=True)
class Release:
    """
    Whether a worker starts.

    :ivar reason: why it waits; or why it starts though the head has said nothing. "": all is well.
    :ivar look_s: until it is looked again, should nobody tell before.
    """

    starts: bool
    reason: str = ""
    look_s: float = 0.0


LOOK_S: Final = 15.0


def release(head: Head, now: datetime) -> Release:
    """
    Whether a worker of this head starts now.

    :raises FarmHeadDown: the head is not going to be up by itself.
    """
    if head.state not in _MAY_COME_UP:
        raise FarmHeadDown(head.vm_id, head.state, f" ({head.error.rstrip('.')})" if head.error else "")
    if head.state in _UP and (head.greeted or not head.tells):
        return Release(True)
    if head.launched_at is None or head.state is VMState.STARTING:
        return Release(False, f"Waits for the farm's head, VM {head.vm_id}, to start.", LOOK_S)
    left = (head.launched_at + timedelta(seconds=HEAD_S) - now).total_seconds()
    if left <= 0:
        return Release(True, f"The farm's head, VM {head.vm_id}, has not said hello within {HEAD_S:g} s.")
    told = f"Waits for the guest of the farm's head, VM {head.vm_id}, to say hello, for {HEAD_S:g} s at the most."
    return Release(False, told, min(left, LOOK_S))


def leaving(members: Sequence[Member], count: int | None, vm_ids: Collection[int] | None) -> list[int]:
    """
    The workers that go when a farm shrinks, youngest first.

    :param members: its live VMs.
    :param count: so many of the youngest that are not going already; or ``vm_ids``: these.
    :raises InvalidParameter: neither or both are given, there are not so many, or one is no worker of the farm.
    """
    workers = {m.vm_id: m for m in members if m.number != HEAD and m.state is not VMState.DESTROYING}
    if (count is None) == (vm_ids is None):
        raise InvalidParameter("count", "give either how many, or which workers")
    if vm_ids is not None:
        for vm_id in vm_ids:
            if vm_id not in workers:
                raise InvalidParameter("worker_ids", f"VM {vm_id} is no worker of the farm")
        chosen = [workers[vm_id] for vm_id in vm_ids]
    else:
        assert count is not None
        if count > len(workers):
            raise InvalidParameter("count", f"the farm has {len(workers)} workers")
        chosen = sorted(workers.values(), key=lambda each: each.number)[-count:]
    return [each.vm_id for each in sorted(chosen, key=lambda each: -each.number)]
