"""Our own agents within guests, and the queue of what each is asked to do."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy.orm import Session

from cm.rpc.vocabulary import GuestCommandState
from cm.rules.guest_word import AgentWord
from cm.runtime.database import notify
from cm.runtime.prepared import Prepared

COMMAND: Final = "guest_command"  # topic, with a VM's id: its agent has something to do
ENDED: Final = "guest_command_ended"  # topic, with a command's id
SEEN_EVERY_S: Final = 10.0  # what an agent says is written so often, unless it is news
ALIVE_S: Final = 45.0  # since an agent spoke last; it does every 25 s
OPEN: Final = frozenset({GuestCommandState.PENDING, GuestCommandState.EXECUTING})


@dataclass(frozen=True)
class Outcome:
    """:ivar result: sealed. :ivar error: the guest's own word."""

    state: GuestCommandState
    result: str = field(repr=False)
    error: str


_AGENT = Prepared(
    "guest_agent_of_launch",
    "SELECT a.key_hash, a.version, a.actions, extract(epoch FROM clock_timestamp() - a.seen_at) AS age_s"
    " FROM guest_agent a WHERE a.vm_id = :vm_id AND a.launch = :launch",
)
_SPEAK = Prepared(
    "guest_agent_speaks",
    """
INSERT INTO guest_agent AS a (vm_id, launch, key_hash, version, actions, seen_at)
SELECT v.id, v.launches, :key_hash, :version, CAST(:actions AS jsonb), clock_timestamp() FROM vm v
 WHERE v.id = :vm_id AND v.launches = :launch AND v.node_id = :node_id AND v.node_claimed AND v.closed_at IS NULL
ON CONFLICT (vm_id) DO UPDATE
   SET launch = EXCLUDED.launch, key_hash = EXCLUDED.key_hash, version = EXCLUDED.version,
       actions = EXCLUDED.actions, seen_at = EXCLUDED.seen_at
 WHERE a.launch <> EXCLUDED.launch OR a.key_hash = EXCLUDED.key_hash
RETURNING a.vm_id
""",
)


def is_agent(session: Session, vm_id: int, launch: int, node_id: int, word: AgentWord) -> bool:
    """
    Whether who says this is the agent of a VM's guest: it was the first to speak since the VM was launched, or has the
    key of who was. What it says is written, now and then.

    :param node_id: where the VM has to be.
    """
    known = _AGENT(session, vm_id=vm_id, launch=launch).first()
    if known is not None and known.key_hash != word.key_hash:
        return False
    said = (word.version, list(word.actions))
    if known is not None and float(known.age_s) < SEEN_EVERY_S and (known.version, known.actions) == said:
        return True
    values = {"key_hash": word.key_hash, "version": word.version, "actions": json.dumps(word.actions)}
    return bool(_SPEAK(session, vm_id=vm_id, launch=launch, node_id=node_id, **values))


_ACTIONS = Prepared(
    "guest_agent_actions",
    "SELECT a.actions, v.launches FROM guest_agent a JOIN vm v ON v.id = a.vm_id"
    " WHERE a.vm_id = :vm_id AND a.launch = v.launches"
    " AND a.seen_at > clock_timestamp() - make_interval(secs => :alive)",
)


def agent_of(session: Session, vm_id: int) -> tuple[int, frozenset[str]] | None:
    """The launch of a VM whose agent has spoken lately, and what that can do; None: it has none of ours."""
    found = _ACTIONS(session, vm_id=vm_id, alive=ALIVE_S).first()
    return None if found is None else (found.launches, frozenset(found.actions))


_LOCK = Prepared("lock_guest_agent", "SELECT 1 AS there FROM guest_agent WHERE vm_id = :vm_id FOR UPDATE")
_COUNT = Prepared(
    "open_guest_commands",
    "SELECT count(*) AS open FROM guest_command WHERE vm_id = :vm_id AND state IN ('pending', 'executing')"
    " AND expires_at > clock_timestamp()",
)
_INSERT = Prepared(
    "insert_guest_command",
    "INSERT INTO guest_command (vm_id, launch, action, arguments, created_at, expires_at)"
    " VALUES (:vm_id, :launch, :action, :arguments, clock_timestamp(), clock_timestamp() + make_interval(secs => :s))"
    " RETURNING id",
)


def count_open(session: Session, vm_id: int) -> int:
    """How much a VM's agent has to do; until the transaction's end nobody adds to it."""
    _LOCK(session, vm_id=vm_id)
    return int(_COUNT(session, vm_id=vm_id).one().open)


def insert_command(session: Session, vm_id: int, launch: int, action: str, arguments: str, within_s: float) -> int:
    """:param arguments: sealed. :param within_s: in which it has to have ended."""
    row = _INSERT(session, vm_id=vm_id, launch=launch, action=action, arguments=arguments, s=within_s).one()
    notify(session, COMMAND, vm_id)
    return int(row.id)


_NEXT = Prepared(
    "next_guest_command",
    "SELECT id FROM guest_command WHERE vm_id = :vm_id AND launch = :launch AND state = 'pending'"
    " AND expires_at > clock_timestamp() ORDER BY id LIMIT 1",
)
_BEGIN = Prepared(
    "begin_guest_command",
    """
WITH due AS (
    SELECT c.id, c.arguments FROM guest_command c JOIN vm v ON v.id = c.vm_id
     WHERE c.id = :id AND c.vm_id = :vm_id AND c.launch = :launch AND c.state = 'pending'
       AND c.expires_at > clock_timestamp()
       AND v.launches = c.launch AND v.node_id = :node_id AND v.node_claimed AND v.closed_at IS NULL
       FOR UPDATE OF c
)
UPDATE guest_command c SET state = 'executing', began_at = clock_timestamp(), arguments = '' FROM due
 WHERE c.id = due.id
RETURNING c.action, due.arguments, extract(epoch FROM c.expires_at - clock_timestamp())::float8 AS left_s
""",
)


def next_command(session: Session, vm_id: int, launch: int) -> int | None:
    """What its agent is to begin with; asked again it is told the same, until it has begun or it is too late."""
    found = _NEXT(session, vm_id=vm_id, launch=launch).first()
    return None if found is None else int(found.id)


@dataclass(frozen=True)
class Due:
    """What an agent is to do. :ivar arguments: sealed. :ivar left_s: in which it has to have ended."""

    action: str
    arguments: str = field(repr=False)
    left_s: float


def begin_command(session: Session, command_id: int, vm_id: int, launch: int, node_id: int) -> Due | None:
    """
    Its agent begins: what it is to do, and the arguments, which are forgotten here. None: it is not to any more, or
    has begun before.
    """
    found = _BEGIN(session, id=command_id, vm_id=vm_id, launch=launch, node_id=node_id).first()
    return None if found is None else Due(found.action, found.arguments, found.left_s)


_END = Prepared(
    "end_guest_command",
    "UPDATE guest_command SET state = :state, result = :result, error = :error, ended_at = clock_timestamp()"
    " WHERE id = :id AND vm_id = :vm_id AND launch = :launch AND state = 'executing' RETURNING id",
)


def end_command(
    session: Session, command_id: int, vm_id: int, launch: int, state: GuestCommandState, result: str, error: str
) -> bool:
    """What became of it, as its agent tells. False: it is not at that."""
    values = {"state": state, "result": result, "error": error}
    if not _END(session, id=command_id, vm_id=vm_id, launch=launch, **values):
        return False
    notify(session, ENDED, command_id)
    return True


_LATE = Prepared(
    "late_guest_command",
    "UPDATE guest_command SET state = CASE state WHEN 'pending' THEN 'expired' ELSE 'timed_out' END, arguments = '',"
    " ended_at = clock_timestamp()"
    " WHERE id = :id AND state IN ('pending', 'executing') AND (:at_once OR expires_at <= clock_timestamp())",
)
_COLLECT = Prepared("collect_guest_command", "SELECT state, result, error FROM guest_command WHERE id = :id")
_FORGET = Prepared("forget_guest_result", "UPDATE guest_command SET result = '' WHERE id = :id AND result <> ''")


def collect(session: Session, command_id: int, give_up: bool = False) -> Outcome:
    """
    How far a command is; a result is told this once.

    :param give_up: nobody waits any more: what has not begun never does.
    """
    _LATE(session, id=command_id, at_once=give_up)
    row = _COLLECT(session, id=command_id).one()
    if row.result:
        _FORGET(session, id=command_id)
    return Outcome(GuestCommandState(row.state), row.result, row.error)
