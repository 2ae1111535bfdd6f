"""Taking the reports of nodes' agents."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from sqlalchemy.orm import Session
from twisted.logger import Logger

from cm.rules.names import is_link
from cm.rules.node_document import PUBLIC
from cm.rules.node_report import KINDS, Report, assess
from cm.store.change import record_change
from cm.store.drift import record_findings
from cm.store.link import LINKS
from cm.store.node_document import document_changed
from cm.store.node_report import forget_report, lock_report, record_said, save_report
from cm.store.public_address import answers_changed
from cm.store.waking import wake

log = Logger()


def take_report(
    session: Session, node_id: int, report: Report, signed_at: int, wanted: Mapping[str, str], hook_version: str
) -> bool:
    """
    Keep what a node's agent reports, and what that means for the node.

    :param signed_at: unix seconds, by the node's clock.
    :param wanted: the versions of the sections of the node's document.
    :param hook_version: of the hook that the node should have.
    :return: whether it was taken: one that is not newer than the last changes nothing.
    """
    was = lock_report(session, node_id, report.run, report.sequence, signed_at)
    if was is None or not was.newer:
        return False
    links = sorted({each.bridge for each in report.bridges if each.present and is_link(each.network)})
    uplinks = sorted(set(report.uplinks))
    makes_links, answers_public = LINKS in report.capabilities, PUBLIC in report.capabilities
    public = sorted(set(report.public))
    found = assess(report, wanted, hook_version, was.troubles, was.behind_since, was.now)
    save_report(
        session,
        node_id,
        run=report.run,
        sequence=report.sequence,
        signed_at=signed_at,
        content=msgspec.json.encode(report).decode(),
        behind_since=found.behind_since,
        drifted=bool(found.findings),
        links=links,
        public=public,
    )
    version = report.versions.get("agent", "")
    if record_said(session, node_id, found.troubles, found.unfit, version, makes_links, answers_public, uplinks):
        codes = [each["code"] for each in found.troubles]
        if codes != [each["code"] for each in was.troubles]:
            told = ", ".join(codes) or "no trouble"
            log.warn("node {node_id}: its agent reports {codes}", node_id=node_id, codes=told)
        record_change(session, "node", node_id, None)
    if answers_public != was.answers_public:
        document_changed(session)  # another node may answer for what this one does, or no longer does
    elif makes_links != was.makes_links:
        document_changed(session, node_id)
    answers_changed(session, set(public) ^ set(was.public))
    if not set(links) <= set(was.links) or not set(report.coming) <= set(was.coming or ()):
        wake(session, LINKS, node_id)
    if found.findings or was.drifted:
        record_findings(session, node_id, found.findings, KINDS)
    return True


def drop_report(session: Session, node_id: int) -> None:
    """The agent is another one, or one that does not report: nothing is known of what was reported."""
    if forget_report(session, node_id):
        record_findings(session, node_id, (), KINDS)
        record_change(session, "node", node_id, None)
