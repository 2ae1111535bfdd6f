"""Expiry leases: nothing ends early, nobody is told twice, a deletion is found due twice, and all comes in time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cm.rpc.vocabulary import VMState
from cm.rules.expiry import (
    LONGEST_S,
    LOOKS_APART_S,
    LOOKS_WITHIN_S,
    OFF,
    End,
    Step,
    Term,
    Verdict,
    VMTerms,
    Waits,
    outlook,
    plan,
    terms_from,
)

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAY = 86_400


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


MOMENTS = st.integers(0, 40 * DAY).map(at)
INTERVALS = st.integers(600, 20 * DAY)
TERMS = st.one_of(st.none(), st.builds(Term, INTERVALS, MOMENTS, st.one_of(st.none(), MOMENTS)))
VMS = st.builds(
    VMTerms, st.sampled_from(VMState), st.booleans(), st.booleans(), TERMS, TERMS, st.one_of(st.none(), MOMENTS),
    st.integers(0, 20),
)  # fmt: skip


@given(VMS, MOMENTS)
def test_nothing_early(vm: VMTerms, now: datetime) -> None:
    """An end comes after its time, and a tenth of its interval after people were told."""
    verdict = plan(vm, now)
    for step, term in ((Step.DELETE, vm.delete), (Step.SUSPEND, vm.suspend)):
        if verdict.step is step:
            assert term is not None and term.told_at is not None
            assert now >= term.at and now >= term.told_at + timedelta(seconds=term.seconds / 10)
            assert not vm.busy
    if verdict.step is Step.DELETE:
        assert not vm.guarded
        assert vm.found_at is not None and LOOKS_APART_S <= (now - vm.found_at).total_seconds() <= LOOKS_WITHIN_S
        assert vm.delete is not None and vm.found_at >= vm.delete.due_at(now)
    if verdict.step is Step.SUSPEND:
        assert vm.state is VMState.RUNNING


@given(VMS, MOMENTS)
def test_told_once(vm: VMTerms, now: datetime) -> None:
    """Who was told of an end is not told again, and nobody before a tenth is left."""
    verdict = plan(vm, now)
    assert (verdict.step is Step.NOTIFY) == bool(verdict.tell)
    for end in verdict.tell:
        term = vm.suspend if end is End.SUSPEND else vm.delete
        assert term is not None and term.told_at is None and now >= term.notice_at


@given(VMS, MOMENTS)
def test_looked_at_again(vm: VMTerms, now: datetime) -> None:
    """What has an end is looked at again, and never in the past; what has none is not."""
    verdict = plan(vm, now)
    if vm.suspend is None and vm.delete is None:
        assert verdict == Verdict()
    else:
        assert verdict.look_at is not None and now <= verdict.look_at <= now + timedelta(seconds=LONGEST_S)


@given(VMS, MOMENTS)
def test_outlook(vm: VMTerms, now: datetime) -> None:
    """What people are shown is never earlier than what comes."""
    for each in outlook(vm, now):
        term = vm.suspend if each.end is End.SUSPEND else vm.delete
        assert term is not None and each.at == term.at
        if each.due_at is not None:
            assert each.due_at >= term.at and each.due_at >= each.told_at + term.notice
    verdict = plan(vm, now)
    if verdict.step in (Step.SUSPEND, Step.DELETE):
        (due,) = [each for each in outlook(vm, now) if each.end == str(verdict.step)]
        assert due.due_at is not None and due.due_at <= now and due.waits is Waits.NOTHING


def live(vm: VMTerms, now: datetime, until: datetime) -> list[tuple[Step, datetime]]:
    """What becomes of a VM that is looked at whenever it asks for it."""
    done: list[tuple[Step, datetime]] = []
    while now <= until:
        verdict = plan(vm, now)
        vm = replace(vm, found_at=verdict.found_at)
        if verdict.step is not None:
            done.append((verdict.step, now))
        for end in verdict.tell:
            term = vm.suspend if end is End.SUSPEND else vm.delete
            assert term is not None
            vm = replace(vm, **{str(end): replace(term, told_at=now)})
        if verdict.step is Step.DELETE or verdict.look_at is None:
            break
        if verdict.step is Step.SUSPEND:
            vm = replace(vm, state=VMState.SUSPENDED)
        now = verdict.look_at
    return done


@given(st.one_of(st.none(), INTERVALS), INTERVALS)
def test_life(suspend_s: int | None, more_s: int) -> None:
    """From a renewal on: told at nine tenths, suspended, told, deleted; each in its moment, nothing late."""
    delete_s = (suspend_s or 0) + more_s
    vm = VMTerms(VMState.RUNNING, False, False, terms_from(suspend_s, BEGIN), terms_from(delete_s, BEGIN))
    done = live(vm, BEGIN, at(60 * DAY))
    ends = [when for step, when in done if step is Step.DELETE]
    assert len(ends) == 1 and at(delete_s) <= ends[0] <= at(delete_s + LOOKS_APART_S + 1)
    asleep = [when for step, when in done if step is Step.SUSPEND]
    if suspend_s is not None and ends[0] > at(suspend_s + LOOKS_APART_S):
        assert len(asleep) == 1 and at(suspend_s) <= asleep[0] <= at(suspend_s + 1)


def test_guarded() -> None:
    """A VM that is guarded is not deleted, and nobody is told that it were; afterwards they are told anew."""
    term = Term(10 * DAY, at(10 * DAY), at(9 * DAY))
    vm = VMTerms(VMState.RUNNING, False, True, None, term)
    verdict = plan(vm, at(20 * DAY))
    assert (verdict.step, verdict.waits, verdict.untold) == (None, Waits.GUARDED, True)
    after = replace(vm, guarded=False, delete=replace(term, told_at=None))
    assert plan(after, at(21 * DAY)).tell == (End.DELETE,)
    told = replace(after, delete=replace(term, told_at=at(21 * DAY)))
    assert plan(told, at(21.9 * DAY)).step is None
    assert plan(told, at(22 * DAY)).waits is Waits.SECOND_LOOK


def test_off() -> None:
    """What is off is not suspended, nor is anybody told so; it is looked at now and then, as it may be started."""
    for state in OFF:
        verdict = plan(VMTerms(state, False, False, Term(DAY, at(DAY)), None), at(2 * DAY))
        assert (verdict.step, verdict.waits) == (None, Waits.NOTHING)
        assert verdict.look_at == at(2 * DAY + LONGEST_S)


def test_clock_that_jumps() -> None:
    """A deletion that one look found due, by a clock that was ahead, is found due anew: the first look is forgotten."""
    vm = VMTerms(VMState.STOPPED, False, False, None, Term(10 * DAY, at(10 * DAY), at(9 * DAY)))
    ahead = plan(vm, at(40 * DAY))
    assert (ahead.step, ahead.waits) == (None, Waits.SECOND_LOOK)
    back = plan(replace(vm, found_at=ahead.found_at), at(9.5 * DAY))
    assert (back.step, back.found_at, back.look_at) == (None, None, at(9.75 * DAY))
    again = plan(replace(vm, found_at=ahead.found_at), at(40.5 * DAY))  # and ahead once more, before it was right
    assert (again.step, again.found_at) == (None, at(40.5 * DAY))
