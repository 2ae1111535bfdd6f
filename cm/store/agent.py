"""Nodes' agents: the tokens that enrol them, their credentials, and when they were heard of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.runtime.prepared import Prepared


def insert_token(session: Session, digest: bytes, node_id: int, ttl_s: float) -> None:
    """
    A token that enrols a node's agent once; those that ended a day ago go.

    :param digest: of the token, SHA-256.
    """
    session.execute(text("DELETE FROM enrolment_token WHERE expires_at < clock_timestamp() - interval '1 day'"))
    session.execute(
        text(
            "INSERT INTO enrolment_token (token_hash, node_id, expires_at)"
            " VALUES (:hash, :node_id, clock_timestamp() + make_interval(secs => :ttl))"
        ),
        {"hash": digest, "node_id": node_id, "ttl": ttl_s},
    )


def spend_token(session: Session, digest: bytes) -> int | None:
    """The node that a token enrols, once; None where it is unknown, used or expired, or its node is deleted."""
    found: int | None = session.scalar(
        text(
            "UPDATE enrolment_token t SET used_at = clock_timestamp() FROM node n"
            " WHERE t.token_hash = :hash AND t.used_at IS NULL AND t.expires_at > clock_timestamp()"
            " AND n.id = t.node_id AND n.deleted_at IS NULL RETURNING t.node_id"
        ),
        {"hash": digest},
    )
    return found


@dataclass(frozen=True)
class AgentFacts:
    """
    What is known of an agent that was just enrolled.

    :ivar key: SHA-256 of its credential.
    :ivar machine_id: a digest of the machine's own id, with its label.
    """

    key: bytes = field(repr=False)
    boot_id: str
    agent_version: str
    hook_version: str
    machine_id: str
    machine_label: str


def write_agent(session: Session, node_id: int, facts: AgentFacts) -> None:
    """A node has a new agent: the former's credential ends, and hooks are expected from now on."""
    session.execute(
        text(
            "UPDATE node SET credential_key = :key, hooks = true, agent_boot_id = :boot_id, agent_version = :agent,"
            " hook_version = :hook, machine_id = :machine, machine_label = :label, agent_seen_at = clock_timestamp(),"
            " hooks_since = clock_timestamp(), unhooked_since = NULL, agent_silent_since = NULL,"
            " version = version + 1 WHERE id = :id"
        ),
        {
            "key": facts.key,
            "boot_id": facts.boot_id,
            "agent": facts.agent_version,
            "hook": facts.hook_version,
            "machine": facts.machine_id,
            "label": facts.machine_label,
            "id": node_id,
        },
    )


def credential_key(session: Session, node_id: int) -> bytes | None:
    """The key of a node's signatures; None for a node that is absent, deleted or not enrolled."""
    found = session.scalar(
        text("SELECT credential_key FROM node WHERE id = :id AND deleted_at IS NULL"), {"id": node_id}
    )
    return None if found is None else bytes(found)


class Heard(NamedTuple):
    """
    What an agent's word changed.

    :ivar rebooted: it speaks of another boot than before.
    :ivar was_silent: it was said to be silent.
    :ivar spoke: the protocol that it spoke before.
    """

    rebooted: bool
    was_silent: bool
    spoke: int


_WORD = Prepared(
    "agent_word",
    """
UPDATE node n SET agent_seen_at = clock_timestamp(), agent_silent_since = NULL,
                  agent_boot_id = coalesce(nullif(:boot_id, ''), n.agent_boot_id),
                  hook_version = coalesce(nullif(:hook, ''), n.hook_version),
                  agent_protocol = coalesce(nullif(CAST(:protocol AS bigint), 0), n.agent_protocol)
  FROM (SELECT id, agent_boot_id, agent_silent_since, agent_protocol FROM node WHERE id = :id AND deleted_at IS NULL
           FOR NO KEY UPDATE) old
 WHERE n.id = old.id
   AND (n.agent_seen_at IS NULL OR n.agent_seen_at < clock_timestamp() - make_interval(secs => :every)
        OR :boot_id NOT IN ('', n.agent_boot_id) OR :hook NOT IN ('', n.hook_version)
        OR CAST(:protocol AS bigint) NOT IN (0, n.agent_protocol))
RETURNING :boot_id NOT IN ('', old.agent_boot_id) AS rebooted, old.agent_silent_since IS NOT NULL AS silent,
          old.agent_protocol AS spoke
""",
)


def record_word(
    session: Session, node_id: int, boot_id: str, hook_version: str, protocol: int, every_s: float
) -> Heard | None:
    """
    A node's agent spoke.

    :param boot_id: "" where it did not tell; ``hook_version`` likewise, and ``protocol`` 0.
    :param every_s: within so many seconds of the last word nothing is written, unless it says something new.
    :return: None where nothing was written.
    """
    found = _WORD(session, id=node_id, boot_id=boot_id, hook=hook_version, protocol=protocol, every=every_s).first()
    return None if found is None else Heard(found.rebooted, found.silent, found.spoke)
