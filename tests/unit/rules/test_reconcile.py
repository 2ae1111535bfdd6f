"""Plans converge, act on nothing that an operation answers for, and take absence for evidence alone."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cm.rpc.vocabulary import DriftKind, Seen, SeenReason, VMId, Wanted
from cm.rules.reconcile import DESTROY, DomainFound, Placed, VMRecord, plan
from cm.rules.vm import GONE

UUIDS = [str(uuid.UUID(int=n)) for n in range(6)]
SEEN_ON_NODE = [Seen.OFF, Seen.RUNNING, Seen.PAUSED, Seen.CRASHED]

records = st.lists(
    st.builds(
        VMRecord,
        id=st.integers(1, 99).map(VMId),
        uuid=st.sampled_from(UUIDS),
        version=st.just(1),
        wanted=st.sampled_from(Wanted),
        seen=st.sampled_from(Seen),
        busy=st.booleans(),
        released=st.booleans(),
    ),
    unique_by=(lambda r: r.uuid, lambda r: r.id),
)
domains = st.lists(
    st.builds(
        DomainFound,
        uuid=st.sampled_from(UUIDS),
        name=st.just("vm-1"),
        state=st.sampled_from(SEEN_ON_NODE),
        reason=st.just("shutdown"),
    ),
    unique_by=lambda d: d.uuid,
)


@given(records, domains)
def test_converges(recorded: list[VMRecord], found: list[DomainFound]) -> None:
    """Once its observations are recorded, a second pass over an unchanged node observes nothing."""
    made = plan(recorded, found, {}, {})
    seen = {o.vm_id: o.state for o in made.observe}
    after = [
        VMRecord(r.id, r.uuid, r.version + 1, r.wanted, seen.get(r.id, r.seen), r.busy, r.released) for r in recorded
    ]
    assert plan(after, found, {}, {}).observe == ()


@given(records, domains)
def test_busy_is_left_alone(recorded: list[VMRecord], found: list[DomainFound]) -> None:
    """A VM with an open operation is neither observed nor found fault with."""
    made = plan(recorded, found, {}, {})
    busy = {r.id for r in recorded if r.busy}
    assert busy.isdisjoint({o.vm_id for o in made.observe} | {f.vm_id for f in made.findings})


@given(records)
def test_absence_is_no_verdict(recorded: list[VMRecord]) -> None:
    """An empty list ends no VM that was seen running: it is found missing, unless its hook told of an end."""
    made = plan(recorded, [], {}, {})
    assert made.discard == ()
    for record in recorded:
        if record.seen in (Seen.RUNNING, Seen.PAUSED) and not record.busy and record.released:
            assert (record.id, SeenReason.OTHER) in {(o.vm_id, o.reason) for o in made.observe}
        elif record.seen in (Seen.RUNNING, Seen.PAUSED) and not record.busy:
            assert record.id not in {o.vm_id for o in made.observe}
            assert (DriftKind.MISSING_DOMAIN, record.id) in {(f.kind, f.vm_id) for f in made.findings}


@given(domains)
def test_strangers(found: list[DomainFound]) -> None:
    """Only domains of our closed VMs are discarded; a stranger's domain is reported, never touched."""
    closed = {UUIDS[0]: VMId(7)}
    elsewhere = {UUIDS[1]: Placed(VMId(8), "web")}
    made = plan([], found, closed, elsewhere)
    assert {d.uuid for d in made.discard} <= set(closed)
    reported = {f.subject for f in made.findings}
    for domain in found:
        if domain.uuid in closed:
            assert domain.uuid in {d.uuid for d in made.discard}
        elif domain.uuid in elsewhere:
            assert (domain.uuid in reported) == (domain.state not in GONE)
        else:
            assert domain.uuid in reported


@pytest.mark.parametrize(
    ("told", "found", "reason"),
    [
        (True, SeenReason.HOST_RESTARTED, SeenReason.OTHER),
        (False, SeenReason.HOST_RESTARTED, SeenReason.HOST_RESTARTED),
        (True, SeenReason.CRASHED, SeenReason.CRASHED),
        (True, SeenReason.SHUTDOWN, SeenReason.SHUTDOWN),
    ],
)
def test_why_it_ended(told: bool, found: SeenReason, reason: SeenReason) -> None:
    """A node that has forgotten why is taken for restarted only where no hook told of an end before."""
    record = VMRecord(VMId(1), UUIDS[0], 1, Wanted.RUNNING, Seen.RUNNING, False, told)
    (seen,) = plan([record], [DomainFound(UUIDS[0], "vm-1", Seen.OFF, found)], {}, {}).observe
    assert seen.reason is reason


@pytest.mark.parametrize("wanted", Wanted)
def test_hung(wanted: Wanted) -> None:
    """What its watchdog has stopped is told once more by each pass, until somebody has seen to it."""
    record = VMRecord(VMId(1), UUIDS[0], 1, wanted, Seen.PAUSED, False)
    made = plan([record], [DomainFound(UUIDS[0], "vm-1", Seen.PAUSED, SeenReason.WATCHDOG)], {}, {})
    assert made.hung == ((VMId(1),) if wanted is Wanted.RUNNING else ())


def test_destroyed_and_running() -> None:
    """A destroy that failed is not forgotten: its domain that runs on is a finding, with what to do."""
    record = VMRecord(VMId(1), UUIDS[0], 1, Wanted.DESTROYED, Seen.RUNNING, False)
    made = plan([record], [DomainFound(UUIDS[0], "vm-1", Seen.RUNNING, SeenReason.BOOTED)], {}, {})
    assert [(finding.kind, finding.proposal) for finding in made.findings] == [(DriftKind.WRONG_STATE, DESTROY)]


@pytest.mark.parametrize(
    ("placed", "words"),
    [
        (Placed(VMId(8), "web", "n2"), "leave it: VM 8 (web) is placed on node n2;"),
        (Placed(VMId(8), "web", "n2", ("n2", "n3")), "is placed on node n2 and node n3 has a domain of it;"),
        (Placed(VMId(8), "web", "", ("n3",)), "leave it: it is VM 8 (web) and node n3 has a domain of it;"),
    ],
)
def test_claimed_domain(placed: Placed, words: str) -> None:
    """What another node or the VM's own place claims is not proposed to be destroyed."""
    found = DomainFound(UUIDS[0], "vm-8", Seen.RUNNING, SeenReason.BOOTED)
    (finding,) = plan([], [found], {}, {UUIDS[0]: placed}).findings
    assert words in finding.proposal and "destroy" not in finding.proposal


def test_unclaimed_domain() -> None:
    """A proposal to destroy says what, and why nothing else claims it."""
    found = DomainFound(UUIDS[0], "vm-8", Seen.RUNNING, SeenReason.BOOTED)
    (finding,) = plan([], [found], {}, {UUIDS[0]: Placed(VMId(8), "web")}).findings
    assert finding.proposal.startswith(f"destroy domain vm-8 ({UUIDS[0]}) on this node: VM 8 (web) is placed nowhere")
    assert "no other node has a domain of it" in finding.proposal
