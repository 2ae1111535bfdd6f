"""
Whether nodes do what VMs need of them, and what is doubtful of VMs. Written by passes; agents and hooks that speak
clear what they can at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.results.node import Trouble
from cm.rpc.vocabulary import Doubt, NodeHealth, NodeTrouble
from cm.runtime.prepared import Prepared
from cm.store.conditions import is_on, is_set_aside

# An agent that is said to be silent is so until it speaks. One is not said to be while a manager has started a short
# while ago: nobody may have listened before.
_RECORD = Prepared(
    "record_health",
    f"""
UPDATE node n SET agent_silent_since = CASE WHEN f.silent THEN n.agent_seen_at END, unhooked_since = f.unhooked
  FROM (SELECT o.id,
               o.hooks AND coalesce(o.agent_seen_at < clock_timestamp() - make_interval(secs => :agent_s), false)
                 AND (o.agent_silent_since IS NOT NULL OR NOT EXISTS (
                   SELECT 1 FROM worker w WHERE w.started_at > clock_timestamp() - make_interval(secs => :agent_s)))
                 AS silent,
               CASE WHEN o.hooks THEN (
                 SELECT min(v.launched_at) FROM vm v WHERE v.node_id = o.id AND v.closed_at IS NULL
                    AND {is_on("v")}
                    AND v.launched_at < clock_timestamp() - make_interval(secs => :hooks_s)
                    AND v.launched_at > coalesce(greatest(o.hooked_at, o.hooks_since), '-infinity')) END AS unhooked
          FROM node o WHERE o.id = ANY(CAST(:ids AS bigint[])) AND o.deleted_at IS NULL) f
 WHERE n.id = f.id AND ((n.agent_silent_since IS NOT NULL) <> f.silent OR n.unhooked_since IS DISTINCT FROM f.unhooked)
RETURNING n.id, {is_set_aside("n")} AS set_aside
""",
)


def record_health(session: Session, node_ids: Sequence[int], agent_s: float, hooks_s: float) -> Mapping[int, bool]:
    """
    Judge nodes' agents by their last word, and their hooks by the launches that they did not tell of.

    :param agent_s: after how many seconds of silence; ``hooks_s`` likewise, after a launch.
    :return: those of which something changed, and whether that is expected of them.
    """
    found = _RECORD(session, ids=list(node_ids), agent_s=agent_s, hooks_s=hooks_s)
    return {row.id: row.set_aside for row in sorted(found, key=lambda row: row.id)}


_HOOKED = Prepared(
    "record_hooked",
    "UPDATE node n SET hooked_at = clock_timestamp(), unhooked_since = NULL"
    " FROM (SELECT id, unhooked_since FROM node WHERE id = :id FOR NO KEY UPDATE) o WHERE n.id = o.id"
    " RETURNING o.unhooked_since IS NOT NULL AS mended",
)


def record_hooked(session: Session, node_id: int) -> bool:
    """
    A hook of the node spoke.

    :return: whether it was said to be silent.
    """
    row = _HOOKED(session, id=node_id).first()
    return row is not None and bool(row.mended)


def troubles(row: Any) -> list[Trouble]:
    """
    What is wrong with a node, the gravest first: code, since when, a sentence, and whether placement leaves
    the node out for it.

    :param row: of the table ``node``, as far as ``store/node.py`` reads it.
    """
    found: list[Trouble] = []
    if row.other_host:
        seen = f"{row.seen_host_label} ({row.seen_host_uuid})"
        told = f"Its URI leads to another machine, {seen}."
        found.append({"code": NodeTrouble.OTHER_HOST, "since": None, "text": told, "blocks": True})
    if row.agent_silent_since is not None:
        told = "Its agent has not spoken since then."
        since = row.agent_silent_since
        found.append({"code": NodeTrouble.AGENT_SILENT, "since": since, "text": told, "blocks": True})
    if row.unhooked_since is not None:
        told = "No hook has told of a VM that was launched there then: was libvirtd reloaded since the enrolment?"
        found.append({"code": NodeTrouble.HOOKS_SILENT, "since": row.unhooked_since, "text": told, "blocks": True})
    reported = ({**each, "since": datetime.fromisoformat(each["since"])} for each in row.reported)
    return [*found, *(cast(Trouble, each) for each in reported)]


def health(found: Collection[Any]) -> NodeHealth:
    return NodeHealth.DEGRADED if found else NodeHealth.OK


# ------------------------------------------------------------------ VMs


def doubt(session: Session, vm_id: int, why: Doubt) -> bool:
    """
    Say that what is shown of a VM is doubtful, or no longer so; call with its row locked.

    :return: whether that changed.
    """
    changed = session.execute(
        text(
            "UPDATE vm v SET doubt = :why, doubt_since = CASE"
            "  WHEN :why = '' THEN NULL"
            "  WHEN :why = 'node_silent' THEN (SELECT n.seen_at FROM node n WHERE n.id = v.node_id)"
            "  ELSE clock_timestamp() END"
            " WHERE id = :id AND closed_at IS NULL AND doubt <> :why RETURNING id"
        ),
        {"id": vm_id, "why": why.value},
    ).first()
    return changed is not None


def silent_for(session: Session, node_id: int, seconds: float) -> bool:
    """Whether a node has not answered for so long."""
    found = session.scalar(
        text(
            "SELECT coalesce(seen_at < clock_timestamp() - make_interval(secs => :s), false) FROM node WHERE id = :id"
        ),
        {"id": node_id, "s": seconds},
    )
    return bool(found)
