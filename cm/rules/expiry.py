"""
When expiry leases end: what is to be done about a VM now, and when to look again.

People are told once a tenth of an interval is left. Nothing ends before a tenth has passed since then, whenever that
was, and a VM is deleted at the second of two looks that both find it due. All times are the database's.

Source: CIRCLE's leases and collector (deletes, then suspends, then tells).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from cm.rpc.vocabulary import VMState

NOTICE: Final = 0.1  # of an interval
LOOKS_APART_S: Final = 600.0  # between the two looks that find a deletion due, at the least
LOOKS_WITHIN_S: Final = 3600.0  # and at the most: a clock that was ahead twice, days apart, has found nothing due
BUSY_S: Final = 60.0  # until a VM is looked at again on which work is under way
STATE_S: Final = 300.0  # that is in no state for it
GUARDED_S: Final = 3600.0
LONGEST_S: Final = 6 * 3600.0  # between any two looks
AGAIN_S: Final = (900.0, LONGEST_S)  # the first wait after a suspension or deletion was begun, and the longest
OFF: Final = frozenset({VMState.STOPPED, VMState.SUSPENDED, VMState.TRASHED, VMState.DESTROYED})


class End(StrEnum):
    """What an interval ends with."""

    SUSPEND = "suspend"
    DELETE = "delete"


class Step(StrEnum):
    """In the order in which a round takes them."""

    DELETE = "delete"
    SUSPEND = "suspend"
    NOTIFY = "notify"


ORDER: Final = tuple(Step)


class Waits(StrEnum):
    """Why what is due is not done yet."""

    NOTHING = ""
    BUSY = "busy"  # work is under way
    GUARDED = "guarded"  # its owner has it guarded against being destroyed
    STATE = "state"  # it does not run, nor is it off
    SECOND_LOOK = "second_look"  # it was found due once
    REFUSED = "refused"  # what it needs, such as room for its memory, was refused; tried again


@dataclass(frozen=True)
class Term:
    """
    :ivar at: when its interval is over.
    :ivar told_at: when people were told.
    """

    seconds: int
    at: datetime
    told_at: datetime | None = None

    @property
    def notice(self) -> timedelta:
        return timedelta(seconds=self.seconds * NOTICE)

    @property
    def notice_at(self) -> datetime:
        return self.at - self.notice

    def due_at(self, now: datetime) -> datetime:
        """The earliest moment at which it may end; of one nobody was told of, should they be told at once."""
        return max(self.at, (self.told_at or max(now, self.notice_at)) + self.notice)


@dataclass(frozen=True)
class VMTerms:
    """What is on record of a VM, as far as its ends depend on it. ``found_at``: when its deletion was found due."""

    state: VMState
    busy: bool
    guarded: bool
    suspend: Term | None
    delete: Term | None
    found_at: datetime | None = None
    attempts: int = 0


@dataclass(frozen=True)
class Verdict:
    """
    :ivar tell: the ends that people are to be told of.
    :ivar untold: of a deletion that cannot come now they are told anew once it can.
    :ivar look_at: when to look again; None: there is nothing to wait for.
    """

    step: Step | None = None
    tell: tuple[End, ...] = ()
    waits: Waits = Waits.NOTHING
    found_at: datetime | None = None
    untold: bool = False
    look_at: datetime | None = None


def plan(vm: VMTerms, now: datetime) -> Verdict:
    """
    What to do about a VM now, one thing at a time. It is looked at again in ``LONGEST_S`` at the latest, so that a
    later moment on record is known to be of a clock that was ahead.
    """
    verdict = _plan(vm, now)
    return verdict if verdict.look_at is None else replace(verdict, look_at=min(verdict.look_at, _in(now, LONGEST_S)))


def _plan(vm: VMTerms, now: datetime) -> Verdict:
    found = _deletion(vm, now)
    if found.step is not None or found.found_at is not None:
        return found  # it goes: nobody suspends it before
    asleep = _suspension(vm, now)
    look_at = min((each for each in (found.look_at, asleep.look_at) if each is not None), default=None)
    if asleep.step is not None:
        return replace(asleep, untold=found.untold, look_at=look_at)
    tell = _to_tell(vm, now)
    step = Step.NOTIFY if tell else None
    return Verdict(step, tell, found.waits or asleep.waits, untold=found.untold, look_at=look_at)


def _deletion(vm: VMTerms, now: datetime) -> Verdict:
    term = vm.delete
    if term is None:
        return Verdict()
    if vm.guarded:
        waits = Waits.GUARDED if now >= term.notice_at else Waits.NOTHING
        return Verdict(waits=waits, untold=term.told_at is not None, look_at=max(term.notice_at, _in(now, GUARDED_S)))
    if term.told_at is None:
        return Verdict(look_at=max(term.notice_at, now))
    due_at = term.due_at(now)
    if now < due_at:
        return Verdict(look_at=due_at)
    found_at = _found_at(vm, due_at, now)
    if found_at is None:
        return Verdict(waits=Waits.SECOND_LOOK, found_at=now, look_at=_in(now, LOOKS_APART_S))
    second_at = _in(found_at, LOOKS_APART_S)
    if now < second_at:
        return Verdict(waits=Waits.SECOND_LOOK, found_at=found_at, look_at=second_at)
    if vm.busy:
        return Verdict(waits=Waits.BUSY, found_at=found_at, look_at=_in(now, BUSY_S))
    return Verdict(Step.DELETE, found_at=found_at, look_at=_in(now, AGAIN_S[0]))


def _found_at(vm: VMTerms, due_at: datetime, now: datetime) -> datetime | None:
    """When a deletion was found due; None: not by a look that still counts."""
    first = max(due_at, _in(now, -LOOKS_WITHIN_S))
    return vm.found_at if vm.found_at is not None and first <= vm.found_at <= now else None


def _suspension(vm: VMTerms, now: datetime) -> Verdict:
    term = vm.suspend
    if term is None:
        return Verdict()
    if vm.state in OFF:
        return Verdict(look_at=_in(now, LONGEST_S))
    if term.told_at is None:
        return Verdict(look_at=max(term.notice_at, now))
    due_at = term.due_at(now)
    if now < due_at:
        return Verdict(look_at=due_at)
    if vm.busy:
        return Verdict(waits=Waits.BUSY, look_at=_in(now, BUSY_S))
    if vm.state is not VMState.RUNNING:
        return Verdict(waits=Waits.STATE, look_at=_in(now, STATE_S))
    first_s, longest_s = AGAIN_S
    return Verdict(Step.SUSPEND, look_at=_in(now, min(first_s * 2**vm.attempts, longest_s)))


def _to_tell(vm: VMTerms, now: datetime) -> tuple[End, ...]:
    ends = []
    if vm.suspend is not None and vm.state not in OFF and _is_untold(vm.suspend, now):
        ends.append(End.SUSPEND)
    if vm.delete is not None and not vm.guarded and _is_untold(vm.delete, now):
        ends.append(End.DELETE)
    return tuple(ends)


def _is_untold(term: Term, now: datetime) -> bool:
    return term.told_at is None and now >= term.notice_at


def _in(now: datetime, seconds: float) -> datetime:
    return now + timedelta(seconds=seconds)


@dataclass(frozen=True)
class Outlook:
    """
    What will become of a VM at one end of its lease.

    :ivar told_at: when people were told, or are going to be.
    :ivar due_at: when it comes, as things are; None: not before ``waits`` ends.
    """

    end: End
    at: datetime
    told_at: datetime
    due_at: datetime | None
    waits: Waits


def outlook(vm: VMTerms, now: datetime) -> list[Outlook]:
    """What will become of a VM, in the order in which it comes."""
    found = []
    if vm.suspend is not None:
        found.append(_look_out(End.SUSPEND, vm.suspend, now, vm))
    if vm.delete is not None:
        found.append(_look_out(End.DELETE, vm.delete, now, vm))
    return sorted(found, key=lambda each: (each.at, ORDER.index(Step(each.end))))


def _look_out(end: End, term: Term, now: datetime, vm: VMTerms) -> Outlook:
    told_at, due_at = term.told_at or max(term.notice_at, now), term.due_at(now)
    is_due = term.told_at is not None and now >= due_at
    if end is End.SUSPEND:
        if not vm.busy and vm.state is not VMState.RUNNING:
            return Outlook(end, term.at, told_at, None, Waits.STATE)
        return Outlook(end, term.at, told_at, due_at, Waits.BUSY if is_due and vm.busy else Waits.NOTHING)
    if vm.guarded:
        return Outlook(end, term.at, told_at, None, Waits.GUARDED)
    second_at = _in(_found_at(vm, due_at, now) or max(due_at, now), LOOKS_APART_S)
    waits = Waits.SECOND_LOOK if now < second_at else Waits.BUSY if vm.busy else Waits.NOTHING
    return Outlook(end, term.at, told_at, max(second_at, now), waits if is_due else Waits.NOTHING)


def terms_from(seconds: int | None, now: datetime) -> Term | None:
    """An interval that begins now; None: one that never ends."""
    return None if seconds is None else Term(seconds, _in(now, seconds))


def was_ahead(vm: VMTerms, now: datetime) -> bool:
    """Whether people were told by a clock that was ahead: they were, at some moment that has passed by now."""
    return any(term is not None and term.told_at is not None and term.told_at > now for term in (vm.suspend, vm.delete))
