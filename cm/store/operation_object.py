"""
What operations are about while they are open. Whoever holds an object has it to itself: the rows' one partial unique
index says so for every kind of object, and what a kind holds is said by its row in ``cm/rules/operation.py``.

An operation's rows are written and removed by the statements that begin and end it: ``opening`` and ``ENDED`` are their
parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, NoReturn

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rpc.errors import CloudError, InUse, Overloaded, VMBusy, WrongImageState
from cm.rules.operation import GIVE_WAY, SPECS, YIELDING, ObjectKind, OperationKind
from cm.runtime.database import Faster
from cm.runtime.prepared import Prepared
from cm.store.conditions import is_open

Objects = Mapping[str, Sequence[int]]  # numbers, by ``ObjectKind``

_YIELDING: Final = ", ".join(f"'{kind}'" for kind in YIELDING)

# After ``opened``, which gives the operation's id.
HELD: Final = """
held AS (
    INSERT INTO operation_object (operation_id, kind, object_id, exclusive)
    SELECT o.id, h.kind, h.object_id, h.exclusive
      FROM opened o, json_to_recordset(CAST(:held AS json)) AS h (kind text, object_id bigint, exclusive boolean)
    ON CONFLICT DO NOTHING RETURNING 1)
"""
# After ``ended``, which gives id and worker of what was given up: while a worker is at it, its objects are touched.
GIVEN_UP: Final = """
freed AS (
    DELETE FROM operation_object h USING ended e WHERE h.operation_id = e.id AND e.worker_id IS NULL),
left_to AS (
    UPDATE operation_object h SET exclusive = false FROM ended e
     WHERE h.operation_id = e.id AND e.worker_id IS NOT NULL)
"""


# Of ``:held``: those that yield end, as far as they are.
GIVING_WAY: Final = f"""
giving_way AS (
    UPDATE operation y SET arguments = y.arguments || '{{"{GIVE_WAY}": true}}',
           not_before = least(y.not_before, clock_timestamp())
      FROM json_to_recordset(CAST(:held AS json)) AS w (kind text, object_id bigint, exclusive boolean)
      JOIN operation_object s ON s.kind = w.kind AND s.object_id = w.object_id AND NOT s.exclusive
     WHERE w.exclusive AND y.id = s.operation_id AND y.kind IN ({_YIELDING}) AND {is_open("y")}
    RETURNING y.id)
"""

# For the books: whose end left rows, and whose begin wrote none.
LEAKS: Final = f"""
SELECT 'operation ' || o.id, 'has ended, and is about ' || h.kind || ' ' || h.object_id || ' still'
  FROM operation_object h
       CROSS JOIN LATERAL (SELECT * FROM operation WHERE id = h.operation_id OFFSET 0) o -- each by its number
 WHERE NOT {is_open("o")} AND NOT (o.state = 'abandoned' AND o.worker_id IS NOT NULL)
UNION ALL
SELECT 'operation ' || o.id, 'is open, and about nothing'
  FROM operation o WHERE {is_open("o")} AND NOT EXISTS (SELECT 1 FROM operation_object h WHERE h.operation_id = o.id)
"""


class Held(NamedTuple):
    """
    As the statements take it.

    :ivar objects: JSON for the operation's own column, which has a VM elsewhere.
    :ivar held: JSON for the rows; ``number``: of which there are so many.
    """

    objects: str
    held: str
    number: int


def held(kind: OperationKind, objects: Objects) -> Held:
    """:raises ValueError: a kind's operation was given more or other objects than it is about."""
    spec = SPECS[kind]
    about = {*spec.holds, *spec.shares}
    # A disk may be attached to no VM.
    if {*objects} != about and not (ObjectKind.DISK in about and {*objects} == about - {ObjectKind.VM}):
        raise ValueError(f"{kind} is about {[*spec.holds, *spec.shares]}, not {[*objects]}")
    rows = [
        {"kind": noun, "object_id": number, "exclusive": noun in spec.holds}
        for noun, numbers in objects.items()
        for number in numbers
    ]
    beside = {noun: list(numbers) for noun, numbers in objects.items() if noun is not ObjectKind.VM}
    return Held(_json(beside), _json(rows), len(rows))


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


class Holder(NamedTuple):
    """The open operation that has an object to itself."""

    id: int
    kind: OperationKind
    noun: str
    object_id: int


# What callers are told of objects whose refusals have words of their own.
_REFUSALS: Final[Mapping[str, Callable[[Holder], CloudError]]] = {
    ObjectKind.VM: lambda holder: VMBusy(holder.object_id, holder.id, holder.kind),
    ObjectKind.IMAGE: lambda holder: WrongImageState(holder.object_id, "busy", "no other operation under way"),
}


def refuse(session: Session, wanted: Held, but: int = 0) -> NoReturn:
    """
    Say who holds what another operation would.

    :param but: that operation, where it is there already.
    :raises VMBusy: WrongImageState: it is a VM or image.
    :raises Faster: InUse: it is another object. Whoever works on it looks for the other operation first; a repeated
        transaction sees it. So it does where the other has ended meanwhile.
    """
    holder = find_other(session, wanted, but)
    if holder is None:
        raise Faster(Overloaded())
    known = _REFUSALS.get(holder.noun)
    if known is not None:
        raise known(holder)
    raise Faster(InUse(holder.noun, holder.object_id, f"operation {holder.id} ({holder.kind})"))


_HOLDERS = Prepared(
    "holders_of_objects",
    """
SELECT o.id, o.kind, h.kind AS noun, h.object_id
  FROM json_to_recordset(CAST(:held AS json)) AS w (kind text, object_id bigint, exclusive boolean)
  JOIN operation_object h ON h.kind = w.kind AND h.object_id = w.object_id AND h.exclusive
  JOIN operation o ON o.id = h.operation_id
 WHERE w.exclusive AND o.id <> :but ORDER BY o.id LIMIT 1
""",
)


def find_other(session: Session, wanted: Held, but: int = 0) -> Holder | None:
    """An operation, ``but`` for one, that holds what another would."""
    return _holder(_HOLDERS(session, held=wanted.held, but=but).first())


def find_holder(session: Session, noun: str, object_id: int, *, lock: bool = False) -> Holder | None:
    """
    The open operation that has an object to itself.

    :param lock: its row is locked until the transaction ends, before those of its VMs. It may have ended while that was
        waited for.
    """
    found = session.execute(
        text(
            "SELECT o.id, o.kind, h.kind AS noun, h.object_id FROM operation_object h JOIN operation o"
            " ON o.id = h.operation_id WHERE h.kind = :noun AND h.object_id = :object AND h.exclusive"
            + (" FOR NO KEY UPDATE OF o" if lock else "")
        ),
        {"noun": noun, "object": object_id},
    ).first()
    return _holder(found)


def _holder(found: Any) -> Holder | None:
    return None if found is None else Holder(found[0], OperationKind(found[1]), found[2], found[3])


def find_yielding(session: Session, noun: str, object_id: int) -> Sequence[int]:
    """The open operations about an object that end as soon as another wants it to itself."""
    found = session.scalars(
        text(
            "SELECT o.id FROM operation_object h JOIN operation o ON o.id = h.operation_id WHERE h.kind = :noun"
            f" AND h.object_id = :object AND NOT h.exclusive AND o.kind IN ({_YIELDING}) AND {is_open('o')} ORDER BY 1"
        ),
        {"noun": noun, "object": object_id},
    )
    return list(found)


# Of objects ``h`` and their operation ``o``: a worker is still touching them for it, though it was given up.
LEFT_TO: Final = (
    "NOT h.exclusive AND o.state = 'abandoned' AND o.worker_id IS NOT NULL AND o.lease_until > clock_timestamp()"
)
_OTHERS = Prepared(
    "others_at_work",
    f"""
SELECT 1 FROM operation_object h JOIN operation o ON o.id = h.operation_id
 WHERE h.kind = :noun AND h.object_id = :object AND o.id <> :id AND {LEFT_TO}
""",
)


def others_at_work(session: Session, noun: str, object_id: int, but: int) -> bool:
    """Whether a worker is still touching an object for an operation, ``but`` for one, that was given up."""
    return bool(_OTHERS(session, noun=noun, object=object_id, id=but))
