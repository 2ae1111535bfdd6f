"""
What calls, ends and steps change of operations that exist; ``operation.py`` has how they begin, ``worker.py`` how they
are worked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rules.operation import OperationKind
from cm.runtime.prepared import Prepared
from cm.store.conditions import is_open
from cm.store.operation import OperationRow, put_behind
from cm.store.operation_object import GIVEN_UP, GIVING_WAY, HELD, Objects, held, refuse


def lock_operation(session: Session, operation_id: int) -> None:
    """Hold its row until the transaction ends; its VM's is locked before it."""
    session.execute(text("SELECT 1 FROM operation WHERE id = :id FOR NO KEY UPDATE"), {"id": operation_id})


def hurry(session: Session, operation_id: int) -> None:
    """Have it go on at once."""
    session.execute(text("UPDATE operation SET not_before = now() WHERE id = :id"), {"id": operation_id})


_REOPEN = text(
    f"""
WITH opened AS (
    UPDATE operation SET state = 'queued', step = '', not_before = now(), finished_at = NULL, error = '',
           user_text = '', admin_text = '', attempts = attempts + 1, objects = CAST(:objects AS jsonb),
           arguments = arguments - CAST(:notes AS text[]), deadline = now() + make_interval(secs => :seconds)
     WHERE id = :id RETURNING id), {HELD}, {GIVING_WAY}
SELECT (SELECT count(*) FROM held) AS held, (SELECT array_agg(id) FROM giving_way) AS before
"""
)


def reopen(session: Session, op: OperationRow, objects: Objects, *, seconds: float, notes: Sequence[str]) -> None:
    """
    Have a failed operation begin again; those that yield it an object end, and it waits for that.

    :param objects: what it is about from now on.
    :param seconds: until it gives up.
    :param notes: names of what it has noted in its arguments, which it forgets.
    :raises VMBusy: WrongImageState: Faster: another holds one of these, as ``refuse`` says.
    """
    about = held(op.kind, objects)
    values = {"id": op.id, "objects": about.objects, "held": about.held, "notes": list(notes), "seconds": seconds}
    reopened = session.execute(_REOPEN, values).one()
    if reopened.held < about.number:
        refuse(session, about, op.id)
    if reopened.before:
        put_behind(session, op.id, op.kind, reopened.before)


# ------------------------------------------------------------------ given up


class GivenUp(NamedTuple):
    kind: OperationKind
    vm_id: int | None
    parent_id: int | None


_ABANDON = Prepared(
    "abandon_operation",
    f"""
WITH ended AS (
    UPDATE operation SET state = 'abandoned', finished_at = clock_timestamp() WHERE id = :id AND {is_open()}
    RETURNING id, worker_id, kind, vm_id, parent_id), {GIVEN_UP}
SELECT kind, vm_id, parent_id FROM ended
""",
)


def abandon(session: Session, operation_id: int) -> GivenUp | None:
    """
    Give an operation up. A worker that is at it keeps its mark until it has stopped.

    :return: None where it had ended.
    """
    found = _ABANDON(session, id=operation_id).first()
    return None if found is None else GivenUp(OperationKind(found.kind), found.vm_id, found.parent_id)


_ABANDON_ALL = text(
    f"""
WITH ended AS (
    UPDATE operation SET state = 'abandoned', finished_at = clock_timestamp(), admin_text = :why
     WHERE vm_id = :id AND {is_open()} RETURNING id, worker_id), {GIVEN_UP}
SELECT count(*) FROM ended
"""
)


def abandon_all(session: Session, vm_id: int, why: str) -> None:
    """Give up whatever is under way on a VM. :param why: for administrators."""
    session.execute(_ABANDON_ALL, {"id": vm_id, "why": why})


# ------------------------------------------------------------------ while it is worked

_PLACE = Prepared("place_operation", "UPDATE operation SET node_id = :node_id WHERE id = :id")


def place_operation(session: Session, operation_id: int, node_id: int | None) -> None:
    """Of which node it takes the tokens from now on."""
    _PLACE.post(session, id=operation_id, node_id=node_id)


def pause_restart(session: Session, operation_id: int, *, soon_s: float, pause_s: float) -> None:
    """
    Let a VM's start wait where its guest ended as soon as it had started, from the second time on: it must not keep its
    node busy with starting it.

    :param soon_s: within so many seconds of its launch; ``pause_s``: for so long it waits.
    """
    session.execute(
        text(
            "UPDATE operation SET not_before = now() + make_interval(secs => :pause) FROM vm WHERE vm.id = vm_id"
            " AND operation.id = :id AND vm.launches > 1 AND vm.launched_at > now() - make_interval(secs => :soon)"
        ),
        {"id": operation_id, "pause": pause_s, "soon": soon_s},
    )


def workers_of(session: Session, operation_ids: Sequence[int]) -> Mapping[int, int | None]:
    """Of those that are under way, by their ids, the worker that is at them."""
    found = session.execute(
        text(f"SELECT id, worker_id FROM operation WHERE id = ANY(:ids) AND {is_open()}"), {"ids": list(operation_ids)}
    )
    return {row.id: row.worker_id for row in found}


_MAY_RESUME = text(
    """
SELECT coalesce(max(created_at) < clock_timestamp() - make_interval(secs => least(10 * 2 ^ count(*), 900)), true)
  FROM operation WHERE vm_id = :id AND kind = 'vm_resume' AND cause_kind = 'look'
   AND created_at > clock_timestamp() - interval '1 hour'
"""
)


def may_resume(session: Session, vm_id: int) -> bool:
    """
    Whether a VM that its storage stopped is to be resumed by us now. One that is stopped again each time is resumed
    less and less often, every quarter of an hour at last.
    """
    return bool(session.scalar(_MAY_RESUME, {"id": vm_id}))
