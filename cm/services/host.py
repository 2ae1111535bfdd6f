"""Recognising nodes: whether a node's address leads to the machine that was added, and what becomes of it where not."""

from __future__ import annotations

from sqlalchemy.orm import Session
from twisted.logger import Logger

from cm.interfaces.hypervisor import NodeInfo
from cm.rpc.errors import NotSupported, SameHost
from cm.rpc.vocabulary import DriftKind
from cm.rules.host import Host, host_of
from cm.rules.reconcile import Finding
from cm.store.change import record_change
from cm.store.drift import record_findings
from cm.store.host import NodeHost, accept_host, lock_host, node_of, write_seen

log = Logger()
SUBJECT = "host"


def seen_host(info: NodeInfo) -> Host:
    return host_of(info.host_uuid, info.hostname)


def recognise(session: Session, node_id: int, host: Host) -> bool:
    """
    Record which machine a node's address leads to now. The first one that is seen is the node's, unless it is another
    node's; any other is told by the drift ledger, and nothing is placed on it until it is accepted.

    :return: whether it is the node's.
    """
    was = lock_host(session, node_id)
    if was is None or not host.known:
        return True
    findings: list[Finding] = []
    if host != was.accepted:
        other = node_of(session, host, node_id)
        if other is None and not was.accepted.known:
            accept_host(session, node_id, host)
        else:
            findings.append(_finding(was.accepted, host, other))
    if host != was.seen:
        write_seen(session, node_id, host)
        if was.seen.known or findings:
            log.warn("node {node_id}: its address leads to {host}", node_id=node_id, host=str(host))
        record_change(session, "node", node_id, None)
    record_findings(session, node_id, findings, (DriftKind.OTHER_HOST,))
    return not findings


def _finding(accepted: Host, host: Host, other: SameHost | None) -> Finding:
    evidence = [("found", str(host))]
    if accepted.known:
        evidence.insert(0, ("added", str(accepted)))
    if other is None:
        proposal = "accept it: this machine is the node from now on; what VMs of the node had on the other is not on it"
    else:
        evidence.append(("node", f"{other.node} ({other.node_id})"))
        proposal = f"correct the URI of this node or of node {other.node}, or delete one: they are one machine"
    return Finding(DriftKind.OTHER_HOST, SUBJECT, None, tuple(evidence), proposal)


def accept(session: Session, node_id: int) -> None:
    """
    The machine that was seen last is the node's from now on.

    :raises SameHost: it is another node's.
    """
    was: NodeHost | None = lock_host(session, node_id)
    if was is None or not was.seen.known:
        raise NotSupported("accept a machine that was not seen")
    accept_host(session, node_id, was.seen)
    record_change(session, "node", node_id, None)
