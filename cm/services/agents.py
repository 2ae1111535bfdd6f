"""Node agents: how a machine becomes a node of ours, and what its agent says of itself by the way."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import secrets
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rpc.errors import EnrolmentRefused, ObjectNotFound
from cm.rpc.vocabulary import DriftKind, NodeId
from cm.rules.host import host_of
from cm.runtime.database import notify
from cm.services.node_report import drop_report
from cm.store.change import record_change
from cm.store.host import machine_node

CREDENTIAL: Final = "credential"  # topic, with the node's id: its key has changed
TEXT_MAX: Final = 200  # characters of what an agent says of itself
SEEN_EVERY_S: Final = 5
CONSOLE_LOG_MIN: Final = 1 << 19  # half of it is left after each cut, which is what get_console gives at most
CONSOLE_LOG_MAX: Final = 1 << 30
CLOCK: Final = "clock"  # subject of clock_skew drift: a node has one


@dataclass(frozen=True)
class Enrolled:
    """The credential leaves us this once; the database keeps its hash."""

    node_id: NodeId
    credential: str = field(repr=False)


def issue_enrolment_token(session: Session, node_id: int, ttl_s: int = 3600) -> str:
    """
    A token that enrols the agent of one node, once. Others issued for the node before keep their own terms.

    :raises ObjectNotFound: there is no such node.
    """
    if session.scalar(text("SELECT 1 FROM node WHERE id = :id AND deleted_at IS NULL"), {"id": node_id}) is None:
        raise ObjectNotFound("node", node_id)
    token = secrets.token_urlsafe(24)
    session.execute(text("DELETE FROM enrolment_token WHERE expires_at < clock_timestamp() - interval '1 day'"))
    session.execute(
        text(
            "INSERT INTO enrolment_token (token_hash, node_id, expires_at)"
            " VALUES (:hash, :node_id, clock_timestamp() + make_interval(secs => :ttl))"
        ),
        {"hash": _digest(token), "node_id": node_id, "ttl": ttl_s},
    )
    return token


def enrol(
    session: Session,
    token: str,
    boot_id: str,
    agent_version: str,
    hook_version: str,
    machine_id: str = "",
    hostname: str = "",
) -> Enrolled:
    """
    Spend a token. The node's former credential ends, and from now on its evidence comes by hooks.

    :param machine_id: a digest of the machine's own id; "" where the agent did not tell.
    :raises EnrolmentRefused: the token is unknown, used or expired; which of them is not told.
    :raises SameHost: the machine's agent is another node's already. The token is still good.
    """
    node_id = session.scalar(
        text(
            "UPDATE enrolment_token t SET used_at = clock_timestamp() FROM node n"
            " WHERE t.token_hash = :hash AND t.used_at IS NULL AND t.expires_at > clock_timestamp()"
            " AND n.id = t.node_id AND n.deleted_at IS NULL RETURNING t.node_id"
        ),
        {"hash": _digest(token)},
    )
    if node_id is None:
        raise EnrolmentRefused()
    label = host_of("", hostname).label
    other = machine_node(session, machine_id, label, node_id) if machine_id else None
    if other is not None:
        raise other
    credential = secrets.token_urlsafe(32)
    session.execute(
        text(
            "UPDATE node SET credential_key = :key, hooks = true, agent_boot_id = :boot_id, agent_version = :agent,"
            " hook_version = :hook, machine_id = :machine, machine_label = :label, agent_seen_at = clock_timestamp(),"
            " hooks_since = clock_timestamp(), unhooked_since = NULL, agent_silent_since = NULL,"
            " version = version + 1 WHERE id = :id"
        ),
        {
            "key": _digest(credential),
            "boot_id": boot_id[:TEXT_MAX],
            "agent": agent_version[:TEXT_MAX],
            "hook": hook_version[:TEXT_MAX],
            "machine": machine_id[:TEXT_MAX],
            "label": label[:TEXT_MAX],
            "id": node_id,
        },
    )
    drop_report(session, node_id)
    record_change(session, "node", node_id, None)
    notify(session, CREDENTIAL, node_id)
    notify(session, "look", node_id)
    return Enrolled(NodeId(node_id), credential)


def credential_key(session: Session, node_id: int) -> bytes | None:
    """The key of a node's signatures; None for a node that is absent, deleted or not enrolled."""
    found = session.scalar(
        text("SELECT credential_key FROM node WHERE id = :id AND deleted_at IS NULL"), {"id": node_id}
    )
    return None if found is None else bytes(found)


def record_agent(
    session: Session, node_id: int, boot_id: str = "", hook_version: str = "", protocol: int = 0
) -> bool:
    """
    Record that a node's agent spoke, at most every five seconds unless it says something new.

    A new boot id asks for a look at the node: what ran there has ended, perhaps without a hook.

    :param boot_id: empty where the request did not tell; ``hook_version`` likewise, and ``protocol`` 0. An agent that
        reported, and speaks a protocol now that has no reports, was replaced by an older one.
    :return: whether anything was written.
    """
    found = session.execute(
        text(
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
"""
        ),
        {"id": node_id, "boot_id": boot_id[:TEXT_MAX], "hook": hook_version[:TEXT_MAX], "protocol": protocol,
         "every": SEEN_EVERY_S},
    ).first()
    if found is not None and found.silent:
        record_change(session, "node", node_id, None)
    if found is not None and protocol and protocol < found.spoke:
        drop_report(session, node_id)
    if found is not None and found.rebooted:
        notify(session, "look", node_id)
    return found is not None


def record_skew(session: Session, node_id: int, skew_s: float) -> None:
    """
    Keep the node's open drift row about its clock, or close it.

    :param skew_s: the node's clock minus ours; 0 where they agree again.
    """
    if skew_s:
        session.execute(
            text(
                """
INSERT INTO drift (kind, node_id, subject, evidence, proposal)
VALUES (:kind, :node_id, :subject, CAST(:evidence AS jsonb), 'set the clock of the node, and keep it by NTP')
ON CONFLICT (kind, node_id, subject) WHERE closed_at IS NULL
DO UPDATE SET evidence = excluded.evidence, last_seen_at = clock_timestamp()
"""
            ),
            {
                "kind": DriftKind.CLOCK_SKEW,
                "node_id": node_id,
                "subject": CLOCK,
                "evidence": json.dumps({"skew_s": round(skew_s, 1)}),
            },
        )
    else:
        session.execute(
            text(
                "UPDATE drift SET closed_at = clock_timestamp(), outcome = 'the clocks agree again'"
                " WHERE kind = :kind AND node_id = :node_id AND subject = :subject AND closed_at IS NULL"
            ),
            {"kind": DriftKind.CLOCK_SKEW, "node_id": node_id, "subject": CLOCK},
        )


@dataclass(frozen=True)
class GuestSettings:
    """
    What the cluster's settings say of guests, for their nodes. Networks are IPv4 (CIDR).

    :ivar management_networks: that guests do not reach, besides the addresses of nodes and storages.
    :ivar reachable_networks: that they reach all the same, also on the networks of each node's own links.
    :ivar console_log_bytes: a larger log of a VM's serial console loses its older part.
    """

    management_networks: tuple[str, ...] = ()
    reachable_networks: tuple[str, ...] = ()
    console_log_bytes: int = 1 << 20

    def problems(self) -> list[str]:
        """What is wrong with them, one line each."""
        found = []
        for key in ("management_networks", "reachable_networks"):
            for network in getattr(self, key):
                try:
                    ipaddress.IPv4Network(network)
                except ValueError as error:
                    found.append(f"guests.{key}: {error}")
        if not CONSOLE_LOG_MIN <= self.console_log_bytes <= CONSOLE_LOG_MAX:
            found.append(f"guests.console_log_bytes is not between {CONSOLE_LOG_MIN} and {CONSOLE_LOG_MAX}")
        return found


GUEST_DEFAULTS: Final = GuestSettings()


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
