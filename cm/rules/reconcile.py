"""
Reconciliation: the pure plan that leads from what a pass over one node saw to what should be done.

Evidence never overwrites intent. A difference with a safe answer becomes a step; any other becomes a finding for the
drift ledger, with a proposal that an administrator may apply.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cm.rpc.vocabulary import DriftKind, Seen, SeenReason, VMId, Wanted
from cm.rules.vm import GONE, hangs, is_stopped


@dataclass(frozen=True)
class VMRecord:
    """A live VM that is placed on the node, as it was recorded just before the pass looked."""

    id: VMId
    uuid: str
    version: int
    wanted: Wanted
    seen: Seen
    busy: bool  # an operation is open, or a worker still at one: it, not the pass, answers for the VM
    released: bool = False  # a hook told of its domain's end since it was launched


@dataclass(frozen=True)
class DomainFound:
    """A domain that the pass found on the node."""

    uuid: str
    name: str
    state: Seen
    reason: SeenReason


@dataclass(frozen=True)
class Placed:
    """
    A live VM of ours whose domain was found where the VM is not placed.

    :ivar node: the name of the node that it is placed on, "" for none.
    :ivar others: names of further nodes that have a domain of it.
    """

    vm_id: VMId
    name: str
    node: str = ""
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Observe:
    """Record evidence: the VM's domain was seen so. Valid while the VM is still at ``version``."""

    vm_id: VMId
    version: int
    state: Seen
    reason: SeenReason


@dataclass(frozen=True)
class Discard:
    """
    Destroy and undefine a leftover domain: its VM is ours and closed, or was taken from the node when it did not answer
    (``services/fencing.py``), so nobody can miss it.
    """

    uuid: str
    name: str


@dataclass(frozen=True)
class Finding:
    """A row for the drift ledger."""

    kind: DriftKind
    subject: str
    vm_id: VMId | None
    evidence: tuple[tuple[str, str], ...]
    proposal: str


@dataclass(frozen=True)
class Plan:
    """
    :ivar stopped: VMs that their storage stopped; it is to be asked whether it has room again.
    :ivar hung: VMs that their watchdogs stopped.
    """

    observe: tuple[Observe, ...] = ()
    discard: tuple[Discard, ...] = ()
    findings: tuple[Finding, ...] = ()
    stopped: tuple[VMId, ...] = ()
    hung: tuple[VMId, ...] = ()


NOTHING: Final = Plan()
MAKE_ROOM: Final = "make room on its storage, or mend it: it is resumed when there is some"
# What a VM that is off, and launched no more, may be wanted to be; and what no guest may run of.
RESTING: Final = frozenset({Wanted.STOPPED, Wanted.SUSPENDED, Wanted.TRASHED})
NO_GUEST: Final = frozenset({Wanted.STOPPED, Wanted.TRASHED, Wanted.DESTROYED})
DESTROY: Final = "destroy it and its disks: its VM was to be destroyed, which failed"


def _misplaced(domain: DomainFound, vm: Placed) -> str:
    """What to do about a domain that is not where its VM is: nothing that ends it while somebody else claims it."""
    who = f"VM {vm.vm_id} ({vm.name})"
    others = [f"node {name} has a domain of it" for name in vm.others if name != vm.node]
    if vm.node or others:
        claims = " and ".join([*([f"{who} is placed on node {vm.node}"] if vm.node else [f"it is {who}"]), *others])
        return f"leave it: {claims}; it is ended by hand, on the node, when it is certain which of them is right"
    return (
        f"destroy domain {domain.name} ({domain.uuid}) on this node: {who} is placed nowhere, and no other node has a"
        " domain of it; its disks stay"
    )


def plan(
    records: Sequence[VMRecord],
    domains: Sequence[DomainFound],
    closed: Mapping[str, VMId],
    elsewhere: Mapping[str, Placed],
) -> Plan:
    """
    :param records: the live VMs placed on the node, read before the node was asked.
    :param domains: every domain of the node.
    :param closed: uuid → id of our closed VMs among those domains.
    :param elsewhere: uuid → our live VMs among those domains that are placed on no node or on another one.
    :return: converging: applied to a node that then changes no more, the next plan is empty but for open findings.
    """
    found = {domain.uuid: domain for domain in domains}
    known = {record.uuid for record in records}
    observe: list[Observe] = []
    findings: list[Finding] = []
    stopped: list[VMId] = []
    hung: list[VMId] = []
    for record in records:
        if record.busy:
            continue
        domain = found.get(record.uuid)
        state = domain.state if domain else Seen.ABSENT
        reason = domain.reason if domain else SeenReason.ABSENT
        if record.released and reason in (SeenReason.ABSENT, SeenReason.HOST_RESTARTED):
            reason = SeenReason.OTHER  # its node knows no more why; that it ended before, the hook has told
        away = state is Seen.ABSENT or state is Seen.OFF and reason is SeenReason.MIGRATED
        away = away and reason is not SeenReason.OTHER
        if away and record.seen in (Seen.RUNNING, Seen.PAUSED):
            # Absence from one list is evidence, not a verdict: the volumes may be there, the definition is ours. What
            # somebody sent to another node has not ended.
            findings.append(
                Finding(
                    DriftKind.MISSING_DOMAIN,
                    record.uuid,
                    record.id,
                    (("recorded", record.seen), ("found", state)),
                    "record it as off, then act by its policy",
                )
            )
            continue
        if state in GONE and record.seen is Seen.UNKNOWN and record.wanted not in RESTING:
            continue  # a launch that failed: its operation has said so, and nothing ended
        if state is Seen.PAUSED and record.wanted is Wanted.SUSPENDED and record.seen is not Seen.RUNNING:
            continue  # it was being woken up: its domain has not gone on yet
        if state is not record.seen and not (state in GONE and record.seen in GONE):
            observe.append(Observe(record.id, record.version, state, reason))
            continue
        if state is Seen.RUNNING and record.wanted is Wanted.PAUSED:
            findings.append(
                Finding(
                    DriftKind.WRONG_STATE,
                    record.uuid,
                    record.id,
                    (("wanted", record.wanted), ("found", state)),
                    "pause it",
                )
            )
        elif state is Seen.PAUSED and record.wanted is Wanted.RUNNING:
            if is_stopped(record.wanted, state, reason):
                stopped.append(record.id)
            if hangs(record.wanted, state, reason):
                hung.append(record.id)
            findings.append(
                Finding(
                    DriftKind.WRONG_STATE,
                    record.uuid,
                    record.id,
                    (("wanted", record.wanted), ("found", state), ("reason", reason)),
                    MAKE_ROOM if reason is SeenReason.IO_ERROR else "resume it",
                )
            )
        elif state in (Seen.RUNNING, Seen.PAUSED) and record.wanted in NO_GUEST:
            findings.append(
                Finding(
                    DriftKind.WRONG_STATE,
                    record.uuid,
                    record.id,
                    (("wanted", record.wanted), ("found", state)),
                    DESTROY if record.wanted is Wanted.DESTROYED else "stop it",
                )
            )
    discard: list[Discard] = []
    for uuid, domain in sorted(found.items()):
        if uuid in known:
            continue
        if uuid in closed:
            discard.append(Discard(uuid, domain.name))
        elif uuid in elsewhere:
            if domain.state not in GONE:
                findings.append(
                    Finding(
                        DriftKind.UNKNOWN_DOMAIN,
                        uuid,
                        elsewhere[uuid].vm_id,
                        (
                            ("name", domain.name),
                            ("found", domain.state),
                            ("placed", elsewhere[uuid].node or "nowhere"),
                        ),
                        _misplaced(domain, elsewhere[uuid]),
                    )
                )
        else:
            findings.append(
                Finding(
                    DriftKind.UNKNOWN_DOMAIN,
                    uuid,
                    None,
                    (("name", domain.name), ("found", domain.state)),
                    "leave it; if Wawel made it, adopt it: wawel drift adopt DRIFT_ID --user USER (admin.vm.adopt)",
                )
            )
    return Plan(tuple(observe), tuple(discard), tuple(findings), tuple(stopped), tuple(hung))
