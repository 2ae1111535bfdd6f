"""The tables of a VM's life are total, and lead where they say."""

from __future__ import annotations

import itertools

import pytest

from cm.rpc.vocabulary import CrashPolicy, PowerOffPolicy, Seen, SeenReason, VMState, Wanted
from cm.rules.operation import SPECS, OperationKind
from cm.rules.vm import (
    CC1_CODES,
    CRASHES,
    EC2_STATE,
    GONE,
    XO_POWER_STATE,
    VMFacts,
    after_power_off,
    cc1_code,
    status,
)

EVERY = [
    VMFacts(*facts) for facts in itertools.product(Wanted, Seen, (False, True), (False, True), (None, *OperationKind))
]


def test_total() -> None:
    """Every combination of facts has a status, and every status a word in each dialect."""
    for facts in EVERY:
        state = status(facts)
        assert CC1_CODES[state] >= 0 and XO_POWER_STATE[state] and EC2_STATE[state]


def test_closed_is_destroyed() -> None:
    """A closed VM is destroyed, whatever else is on record, and only a closed one is."""
    assert {status(f) for f in EVERY if f.closed} == {VMState.DESTROYED}
    assert all(status(f) is not VMState.DESTROYED for f in EVERY if not f.closed)


def test_evidence_shows() -> None:
    """A VM without work under way that is seen running is shown running, whatever is wanted."""
    for facts in EVERY:
        if not facts.closed and facts.work is None and facts.seen is Seen.RUNNING:
            assert status(facts) is VMState.RUNNING


def test_every_rest_has_an_exit() -> None:
    """Every status without work under way allows a call that leads on, and destroy is always one."""
    rests = {status(f) for f in EVERY if f.work is None and not f.closed}
    assert rests <= SPECS[OperationKind.VM_DESTROY].allowed


def test_transitional_states_have_owners() -> None:
    """The statuses that only work gives are left when it ends: none of them is a rest."""
    rests = {status(f) for f in EVERY if f.work is None}
    assert rests.isdisjoint({spec.shown for spec in SPECS.values()})


def test_calls_are_complete() -> None:
    """Every kind has a row; one that a caller asks for of a VM writes an intent, and a destroy interrupts no end."""
    assert list(SPECS) == list(OperationKind)
    for kind, spec in SPECS.items():
        assert bool(spec.call) == (spec.wanted is not None and bool(spec.allowed)), kind
        assert not (spec.interruptible and spec.wanted in (Wanted.DESTROYED, Wanted.SAVED)), kind
        assert not (spec.concurrent and spec.shown), kind


@pytest.mark.parametrize(("wanted", "policy"), list(itertools.product(Wanted, PowerOffPolicy)))
def test_power_off(wanted: Wanted, policy: PowerOffPolicy) -> None:
    """Intent outweighs policy; a host's restart brings back what should run; nothing is destroyed unasked."""
    for reason in (SeenReason.SHUTDOWN, SeenReason.CRASHED, SeenReason.OTHER, SeenReason.HOST_RESTARTED):
        kind = after_power_off(wanted, policy, reason)
        if kind is OperationKind.VM_DESTROY:
            assert wanted is Wanted.DESTROYED or policy is PowerOffPolicy.DESTROY
        if wanted is Wanted.STOPPED:
            assert kind is OperationKind.VM_STOP
    if wanted in (Wanted.RUNNING, Wanted.PAUSED):
        assert after_power_off(wanted, policy, SeenReason.HOST_RESTARTED) is OperationKind.VM_START


@pytest.mark.parametrize(
    ("wanted", "policy", "crash"), list(itertools.product(Wanted, PowerOffPolicy, CrashPolicy))
)
def test_crash(wanted: Wanted, policy: PowerOffPolicy, crash: CrashPolicy) -> None:
    """A crash is nobody's wish: whatever a power-off leads to, it loses no disk, and intent outweighs that too."""
    for reason in CRASHES:
        kind = after_power_off(wanted, policy, reason, on_crash=crash)
        if wanted in (Wanted.RUNNING, Wanted.PAUSED):
            assert kind is (OperationKind.VM_START if crash is CrashPolicy.RESTART else OperationKind.VM_STOP)
        else:
            assert kind is after_power_off(wanted, policy, SeenReason.SHUTDOWN)


def test_running_ctx() -> None:
    """CC1's number tells a guest that said hello."""
    assert cc1_code(VMState.RUNNING, True) == 7 and cc1_code(VMState.RUNNING, False) == 1
    assert cc1_code(VMState.STOPPED, True) == 10
    assert GONE == {Seen.ABSENT, Seen.OFF, Seen.CRASHED}
