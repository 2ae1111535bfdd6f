"""The last report of each node's agent, and what it says of the node."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.runtime.prepared import Prepared
from cm.runtime.rows import has_row

REPLAY_S: Final = 600  # a request that comes again later is refused: see ``contextualization/authenticate.py``

_LOCK = Prepared(
    "lock_node_report",
    """
SELECT r.run, r.behind_since, r.drifted, r.links, r.public, r.content->'coming' AS coming, n.troubles, n.makes_links,
       n.answers_public, clock_timestamp() AS now,
       CASE WHEN r.run = :run THEN r.sequence < :sequence
            ELSE r.signed_at < :signed_at OR r.received_at < clock_timestamp() - make_interval(secs => :replay) END
           AS newer
  FROM node_report r JOIN node n ON n.id = r.node_id WHERE r.node_id = :id AND n.deleted_at IS NULL FOR UPDATE OF r
""",
)


def lock_report(session: Session, node_id: int, run: str, sequence: int, signed_at: int) -> Any | None:
    """
    What was found the last time, its row locked; ``newer``: whether a report is newer than the one there.

    A request that somebody overheard may come again, also to another process than the one that had it. Within one
    run of an agent reports are counted; between runs the time of the signature decides, but where the clock of a node
    was set back the last report is forgotten once it can no longer come again.

    :param signed_at: unix seconds, by the node's clock.
    :return: None: there is no such node.
    """
    parameters = {"id": node_id, "run": run, "sequence": sequence, "signed_at": signed_at, "replay": REPLAY_S}
    found = _LOCK(session, **parameters).first()
    if found is not None:
        return found
    session.execute(
        text(
            "INSERT INTO node_report (node_id) SELECT id FROM node WHERE id = :id AND deleted_at IS NULL"
            " ON CONFLICT DO NOTHING"
        ),
        {"id": node_id},
    )
    return _LOCK(session, **parameters).first()


_SAVE = Prepared(
    "save_node_report",
    """
UPDATE node_report SET run = :run, sequence = :sequence, signed_at = :signed_at, received_at = clock_timestamp(),
                       content = CAST(:content AS jsonb), behind_since = :behind_since, drifted = :drifted,
                       links = :links, public = :public
 WHERE node_id = :id
""",
)


def save_report(
    session: Session,
    node_id: int,
    *,
    run: str,
    sequence: int,
    signed_at: int,
    content: str,
    behind_since: datetime | None,
    drifted: bool,
    links: Sequence[str],
    public: Sequence[str],
) -> None:
    """
    :param content: the report as it is shown, JSON.
    :param drifted: whether it led to rows in the drift ledger.
    :param links: the bridges of networks that are there.
    :param public: the addresses that the node answers for.
    """
    _SAVE(
        session,
        id=node_id,
        run=run,
        sequence=sequence,
        signed_at=signed_at,
        content=content,
        behind_since=behind_since,
        drifted=drifted,
        links=list(links),
        public=list(public),
    )


_SAID = Prepared(
    "record_node_said",
    """
UPDATE node SET troubles = CAST(:troubles AS jsonb), unfit = :unfit, agent_version = :agent_version,
                makes_links = :makes_links, answers_public = :answers_public, uplinks = :uplinks
 WHERE id = :id AND (troubles, unfit, agent_version, makes_links, answers_public, uplinks) IS DISTINCT FROM
                    (CAST(:troubles AS jsonb), :unfit, :agent_version, CAST(:makes_links AS boolean),
                     CAST(:answers_public AS boolean), CAST(:uplinks AS text[]))
RETURNING 1
""",
)


def record_said(
    session: Session,
    node_id: int,
    troubles: Sequence[Mapping[str, Any]],
    unfit: str,
    agent_version: str,
    makes_links: bool,
    answers_public: bool,
    uplinks: Sequence[str],
) -> bool:
    """:return: whether any of it is new."""
    parameters: dict[str, Any] = {"troubles": json.dumps(troubles), "unfit": unfit, "agent_version": agent_version}
    parameters |= {"makes_links": makes_links, "answers_public": answers_public, "uplinks": list(uplinks)}
    return _SAID(session, id=node_id, **parameters).first() is not None


def forget_report(session: Session, node_id: int) -> bool:
    """
    What was reported is no longer known to be so.

    :return: whether there was any.
    """
    session.execute(
        text(
            "UPDATE node SET troubles = '[]', unfit = '', makes_links = false, answers_public = false, uplinks = '{}'"
            " WHERE id = :id AND (unfit <> '' OR troubles <> '[]' OR makes_links OR answers_public OR uplinks <> '{}')"
        ),
        {"id": node_id},
    )
    return has_row(session, "DELETE FROM node_report WHERE node_id = :id RETURNING 1", {"id": node_id})
