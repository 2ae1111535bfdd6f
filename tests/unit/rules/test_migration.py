"""Which of two domains of one VM is the guest's, and where guests may go."""

from __future__ import annotations

from itertools import product

import pytest

from cm.rpc.vocabulary import Seen, SeenReason
from cm.rules.migration import NOWHERE, Next, Side, data_host, differs, migration_uri, settle

REASONS = (
    SeenReason.BOOTED, SeenReason.MIGRATED, SeenReason.MIGRATION, SeenReason.USER, SeenReason.POSTCOPY,
    SeenReason.POSTCOPY_FAILED,
)  # fmt: skip
SIDES = [Side(state, reason) for state, reason in product(Seen, REASONS)] + [NOWHERE]
RUNS = Side(Seen.RUNNING, SeenReason.BOOTED)
ABSENT = Side(Seen.ABSENT, SeenReason.ABSENT)
WAITS = Side(Seen.PAUSED, SeenReason.MIGRATION)


def after(step: Next, source: Side, target: Side) -> tuple[Side, Side]:
    """What a step leads to."""
    if step is Next.CLEAR_TARGET:
        return source, ABSENT
    if step in (Next.CLEAR_SOURCE, Next.END_SOURCE):
        return ABSENT, target
    assert step is Next.RESUME_SOURCE
    return RUNS, target


@pytest.mark.parametrize("source", SIDES)
def test_never_two(source: Side) -> None:
    """From everything that can be seen it comes to one guest at the most, and to an answer, in a few steps."""
    for target in SIDES:
        here, there = source, target
        for _ in range(4):
            step = settle(here, there)
            if step in (Next.MOVED, Next.STAYED, Next.ENDED, Next.LOOK_AGAIN):
                break
            # Nothing is resumed while the other node has anything, or is off and may have had; a node that is off is
            # asked nothing; and the one that is ended is not the only one.
            assert step is not Next.RESUME_SOURCE or there.state is Seen.ABSENT and not there.lost
            assert not (step is Next.CLEAR_TARGET and there.lost)
            assert not (step in (Next.CLEAR_SOURCE, Next.END_SOURCE, Next.RESUME_SOURCE) and here.lost)
            here, there = after(step, here, there)
        if step is Next.LOOK_AGAIN:
            assert Seen.UNKNOWN in (source.state, target.state)
            continue
        assert step in (Next.MOVED, Next.STAYED, Next.ENDED), (source, target, step)
        assert (not there.gone) is (step is Next.MOVED) and (not here.gone) is (step is Next.STAYED)


def test_cases() -> None:
    """What libvirt was seen to leave."""
    runs_there = Side(Seen.RUNNING, SeenReason.MIGRATED)
    assert settle(ABSENT, runs_there) is Next.MOVED
    assert settle(Side(Seen.OFF, SeenReason.MIGRATED), runs_there) is Next.CLEAR_SOURCE
    assert settle(RUNS, ABSENT) is Next.STAYED
    assert settle(RUNS, runs_there) is Next.CLEAR_TARGET, "its libvirtd hung in the last moment, and both ran"
    assert settle(RUNS, Side(Seen.OFF, SeenReason.FAILED)) is Next.CLEAR_TARGET, "it got no lock of the disk"
    assert settle(WAITS, runs_there) is Next.CLEAR_SOURCE, "the source's libvirtd was killed, and does not know"
    assert settle(WAITS, WAITS) is Next.CLEAR_TARGET
    assert settle(WAITS, ABSENT) is Next.RESUME_SOURCE
    assert settle(Side(Seen.PAUSED, SeenReason.USER), ABSENT) is Next.STAYED
    assert settle(Side(Seen.OFF, SeenReason.SHUTDOWN), WAITS) is Next.CLEAR_TARGET
    assert settle(Side(Seen.OFF, SeenReason.SHUTDOWN), ABSENT) is Next.ENDED


def test_lost() -> None:
    """Of a node that is off nothing runs; that its guest was there, and has left the other behind, nobody can tell."""
    runs_there = Side(Seen.RUNNING, SeenReason.MIGRATED)
    assert settle(RUNS, NOWHERE) is Next.STAYED
    assert settle(ABSENT, NOWHERE) is settle(Side(Seen.OFF, SeenReason.MIGRATED), NOWHERE) is Next.ENDED
    assert settle(WAITS, NOWHERE) is Next.END_SOURCE
    assert settle(Side(Seen.PAUSED, SeenReason.USER), NOWHERE) is Next.STAYED
    assert settle(Side(Seen.PAUSED, SeenReason.POSTCOPY_FAILED), NOWHERE) is Next.CLEAR_SOURCE
    assert settle(NOWHERE, runs_there) is Next.MOVED
    assert settle(NOWHERE, Side(Seen.PAUSED, SeenReason.USER)) is Next.MOVED
    assert settle(NOWHERE, WAITS) is settle(NOWHERE, Side(Seen.RUNNING, SeenReason.POSTCOPY)) is Next.CLEAR_TARGET
    assert settle(NOWHERE, ABSENT) is settle(NOWHERE, NOWHERE) is Next.ENDED
    assert settle(Side(Seen.UNKNOWN, SeenReason.NONE), NOWHERE) is Next.LOOK_AGAIN


def test_uris() -> None:
    """Over the network others reach a node as we do; by a socket or ssh they do not."""
    assert migration_uri("qemu+tls://n1.example.org/system?pkipath=/etc/x", "") == "qemu+tls://n1.example.org/system"
    assert migration_uri("qemu://n1/system", "") == "qemu://n1/system"
    for uri in ("qemu:///system", "qemu+unix:///system?socket=/run/x", "qemu+ssh://root@n1/system", "test:///default"):
        assert migration_uri(uri, "") == ""
    assert migration_uri("qemu:///system", "qemu+tls://n1/system") == "qemu+tls://n1/system"
    assert data_host("qemu+tls://[fd00::1]:16514/system") == "[fd00::1]" and data_host("qemu+unix:///system") == ""


def test_differs() -> None:
    here = {"hypervisor": "QEMU", "arch": "x86_64", "domain_types": ["kvm", "qemu"], "hypervisor_version": "7.2.0"}
    assert differs(here, here) == differs({}, here) == differs(here, {}) == ""
    assert differs(here, {**here, "hypervisor_version": "8.0.0"}) == ""
    assert "older" in differs(here, {**here, "hypervisor_version": "6.9.9"})
    assert "arm64" in differs(here, {**here, "arch": "arm64"})
    assert "not by kvm" in differs(here, {**here, "domain_types": ["qemu"]})
