"""
What was measured: samples of the running hour, blocks of older ones, and how far these have been made. How they are
packed says ``rules/series.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from math import isnan, nan
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rules.series import (
    LEVELS,
    Block,
    Kept,
    Level,
    Sample,
    begin_of,
    bytes_of,
    coarsen,
    floats,
    gather,
    pack,
    unpack,
)
from cm.runtime.prepared import Prepared

BATCH: Final = 200  # objects whose blocks are made in one transaction
LATE_S: Final = 60  # after an hour's end until its block is made: what was measured at its end is written by then


class Kind(IntEnum):
    """Of whom samples are; what is stored of it."""

    VM = 1
    NODE = 2
    STORAGE = 3


@dataclass(frozen=True, slots=True)
class NewSample:
    kind: Kind
    object_id: int
    at: int
    names: tuple[str, ...]
    values: tuple[float, ...]
    loads: tuple[float, float, float] | None = None


# ------------------------------------------------------------------ which process

_LEASE = Prepared(
    "take_measuring_lease",
    "INSERT INTO measuring_lease AS l (id, holder, until)"
    " VALUES (1, :holder, clock_timestamp() + make_interval(secs => :seconds))"
    " ON CONFLICT (id) DO UPDATE SET holder = EXCLUDED.holder, until = EXCLUDED.until"
    "  WHERE l.holder = EXCLUDED.holder OR l.until < clock_timestamp() RETURNING 1",
)


def take_lease(session: Session, holder: str, seconds: float) -> bool:
    """
    Be the one that measures, or stay so.

    :param seconds: until another may; 0: at once.
    :return: whether it is.
    """
    return _LEASE(session, holder=holder, seconds=seconds).first() is not None


# ------------------------------------------------------------------ what is measured

_NODES = Prepared("measured_nodes", "SELECT id, name FROM node WHERE deleted_at IS NULL AND state = 'ok' ORDER BY id")
_VMS = Prepared(
    "measured_vms",
    "SELECT v.node_id, v.id, v.uuid::text AS uuid FROM vm v"
    " WHERE v.closed_at IS NULL AND v.node_id IS NOT NULL AND v.seen IN ('running', 'paused')",
)
_NICS = Prepared(
    "measured_nics",
    "SELECT v.node_id, n.tap, n.number FROM vm v JOIN nic n ON n.vm_id = v.id"
    " WHERE v.closed_at IS NULL AND v.node_id IS NOT NULL AND v.seen IN ('running', 'paused')",
)


@dataclass(frozen=True)
class Measured:
    """
    Whom samples are taken of: nodes that answer, with their names; by node and uuid its VMs' ids; by node and tap the
    card's number.
    """

    nodes: Mapping[int, str]
    vms: Mapping[int, Mapping[str, int]]
    nics: Mapping[int, Mapping[str, int]]


def measured(session: Session) -> Measured:
    vms: dict[int, dict[str, int]] = {}
    for row in _VMS(session):
        vms.setdefault(row.node_id, {})[row.uuid] = row.id
    nics: dict[int, dict[str, int]] = {}
    for row in _NICS(session):
        nics.setdefault(row.node_id, {})[row.tap] = row.number
    return Measured({row.id: row.name for row in _NODES(session)}, vms, nics)


_STORAGES: Final = text(
    "SELECT id, name, capacity_bytes, claimed_bytes, allocated_bytes, available_bytes FROM storage"
    " WHERE deleted_at IS NULL ORDER BY id"
)
_LOADS: Final = text(
    "SELECT node_id, content->'load' AS load FROM node_report"
    " WHERE content ? 'load' AND received_at > clock_timestamp() - make_interval(secs => :within)"
)
STORAGE_NAMES: Final = ("capacity", "claimed", "allocated", "available")


def storage_samples(session: Session, at: int) -> dict[str, NewSample]:
    """What storages hold, as their passes found it last; by their names."""
    return {
        row.name: NewSample(
            Kind.STORAGE, row.id, at, STORAGE_NAMES, tuple(nan if value is None else float(value) for value in row[2:])
        )
        for row in session.execute(_STORAGES)
    }


def node_loads(session: Session, within_s: float) -> dict[int, tuple[float, ...]]:
    """The load averages that nodes' agents reported not longer ago than that."""
    return {row.node_id: tuple(map(float, row.load)) for row in session.execute(_LOADS, {"within": within_s})}


# ------------------------------------------------------------------ writing samples

_LAYOUTS = Prepared("sample_layouts", "SELECT id, names FROM sample_layout")
_ADD_LAYOUT = Prepared(
    "add_sample_layout",
    "INSERT INTO sample_layout (names) VALUES (CAST(:names AS text[])) ON CONFLICT (names) DO NOTHING RETURNING id",
)
_FIND_LAYOUT = Prepared("find_sample_layout", "SELECT id FROM sample_layout WHERE names = CAST(:names AS text[])")
_WRITE = Prepared(
    "write_samples",
    """
INSERT INTO sample_recent (kind, object_id, at, layout_id, loads, body)
SELECT s.kind, s.object_id, s.at, s.layout_id,
       CASE WHEN s.one IS NOT NULL THEN ARRAY[s.one, s.five, s.fifteen] END, decode(s.body, 'hex')
  FROM unnest(CAST(:kinds AS smallint[]), CAST(:ids AS bigint[]), CAST(:ats AS bigint[]), CAST(:layouts AS int[]),
              CAST(:ones AS real[]), CAST(:fives AS real[]), CAST(:fifteens AS real[]), CAST(:bodies AS text[]))
    AS s(kind, object_id, at, layout_id, one, five, fifteen, body)
 WHERE s.at >= (SELECT through FROM sample_progress WHERE level = 0)
ON CONFLICT DO NOTHING
""",
)


def number_layouts(session: Session, layouts: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], int]:
    """The numbers of layouts; those that are new get one."""
    found = {}
    for names in layouts:
        listed = list(names)
        number = _FIND_LAYOUT(session, names=listed).scalar() or _ADD_LAYOUT(session, names=listed).scalar()
        found[names] = int(number or _FIND_LAYOUT(session, names=listed).scalar_one())
    return found


def write_samples(session: Session, samples: Sequence[NewSample], numbers: Mapping[tuple[str, ...], int]) -> None:
    """
    Add to the running hour. What is of an hour whose blocks are made, and what is there already, is left out.

    :param numbers: of their layouts.
    """
    loads = [sample.loads or (None, None, None) for sample in samples]
    _WRITE(
        session,
        kinds=[int(sample.kind) for sample in samples],
        ids=[sample.object_id for sample in samples],
        ats=[sample.at for sample in samples],
        layouts=[numbers[sample.names] for sample in samples],
        ones=[each[0] for each in loads],
        fives=[each[1] for each in loads],
        fifteens=[each[2] for each in loads],
        bodies=[bytes_of(sample.values).hex() for sample in samples],
    )


# ------------------------------------------------------------------ making blocks

_ENSURE = text("INSERT INTO sample_progress (level, through) VALUES (:level, :through) ON CONFLICT DO NOTHING")
_PROGRESS = Prepared("sample_progress_of", "SELECT level, through, kind, object_id FROM sample_progress ORDER BY level")
_LOCK = Prepared(
    "lock_sample_progress",
    "SELECT through, kind, object_id FROM sample_progress WHERE level = :level FOR UPDATE",
)
_MOVE = Prepared(
    "move_sample_progress",
    "UPDATE sample_progress SET through = :through, kind = :kind, object_id = :object_id WHERE level = :level",
)
_HOUR = Prepared(
    "hour_of_samples",
    """
SELECT r.kind, r.object_id, array_agg(r.at ORDER BY r.at) AS ats, array_agg(r.layout_id ORDER BY r.at) AS layouts,
       string_agg(r.body, '' ORDER BY r.at) AS body
  FROM sample_recent r
 WHERE (r.kind, r.object_id) > (CAST(:kind AS smallint), CAST(:object_id AS bigint)) AND r.at >= :start AND r.at < :end
 GROUP BY r.kind, r.object_id ORDER BY r.kind, r.object_id LIMIT :batch
""",
)
_FORGET_HOUR = Prepared(
    "forget_hour_of_samples",
    "DELETE FROM sample_recent r USING unnest(CAST(:kinds AS smallint[]), CAST(:ids AS bigint[])) AS g(kind, object_id)"
    " WHERE r.kind = g.kind AND r.object_id = g.object_id AND r.at < :end",
)
_FINER = Prepared(
    "finer_sample_blocks",
    """
SELECT b.kind, b.object_id, b.start, b.step_s, b.layout_id, b.body FROM (
  SELECT DISTINCT kind, object_id FROM sample_block
   WHERE level = :finer AND (kind, object_id) > (CAST(:kind AS smallint), CAST(:object_id AS bigint))
     AND start >= :start AND start < :end
   ORDER BY kind, object_id LIMIT :batch) k
  JOIN sample_block b ON b.kind = k.kind AND b.object_id = k.object_id AND b.level = :finer
   AND b.start >= :start AND b.start < :end
 ORDER BY b.kind, b.object_id, b.start
""",
)
_NEXT_RECENT = Prepared("next_recent_sample", "SELECT min(at) FROM sample_recent WHERE at >= :start")
_NEXT_BLOCK = Prepared(
    "next_sample_block", "SELECT min(start) FROM sample_block WHERE level = :finer AND start >= :start"
)
_ADD_BLOCKS = Prepared(
    "add_sample_blocks",
    """
INSERT INTO sample_block (kind, object_id, level, start, step_s, layout_id, body)
SELECT b.kind, b.object_id, :level, :start, b.step_s, b.layout_id, decode(b.body, 'hex')
  FROM unnest(CAST(:kinds AS smallint[]), CAST(:ids AS bigint[]), CAST(:steps AS int[]), CAST(:layouts AS int[]),
              CAST(:bodies AS text[])) AS b(kind, object_id, step_s, layout_id, body)
ON CONFLICT DO NOTHING
""",
)


def begin_progress(session: Session, now: float) -> None:
    """Have blocks made from now on, of a cluster that measures for the first time."""
    for level in LEVELS:
        session.execute(_ENSURE, {"level": level.number, "through": begin_of(now, level.span_s)})


@dataclass(frozen=True)
class Progress:
    through: int
    kind: int
    object_id: int


def progress_of(session: Session) -> dict[int, Progress]:
    """By level, how far its blocks are made; nothing where nobody has measured yet."""
    return {row.level: Progress(row.through, row.kind, row.object_id) for row in _PROGRESS(session)}


def names_of_layouts(session: Session) -> dict[int, tuple[str, ...]]:
    return {row.id: tuple(row.names) for row in _LAYOUTS(session)}


def make_blocks(session: Session, level: Level, now: float) -> bool:
    """
    Make blocks of a level for a batch of objects, where their span has ended.

    :return: whether there is more to do of this level.
    """
    at = _LOCK(session, level=level.number).first()
    if at is None:
        return False
    end = at.through + level.span_s
    finer = progress_of(session)
    if now < end + LATE_S if level.number == 0 else finer[level.number - 1].through < end:
        return False
    names = names_of_layouts(session)
    if level.number == 0:
        made = _of_hour(session, at, end, names)
    else:
        made = _of_finer(session, level, at, end, names)
    there = [(kind, object_id, block) for kind, object_id, block in made if block is not None]
    if there:
        numbers = number_layouts(session, {block.names for _, _, block in there})
        _ADD_BLOCKS(
            session,
            level=level.number,
            start=at.through,
            kinds=[kind for kind, _, _ in there],
            ids=[object_id for _, object_id, _ in there],
            steps=[block.step_s for _, _, block in there],
            layouts=[numbers[block.names] for _, _, block in there],
            bodies=[pack(block.columns).hex() for _, _, block in there],
        )
    if level.number == 0 and made:
        kinds, ids = [kind for kind, _, _ in made], [object_id for _, object_id, _ in made]
        _FORGET_HOUR(session, kinds=kinds, ids=ids, end=end)
    if len(made) >= BATCH:
        _MOVE(session, level=level.number, through=at.through, kind=made[-1][0], object_id=made[-1][1])
        return True
    through = end
    if not made and not at.object_id:
        # Nobody measured in this span; the next ones may be as empty.
        if level.number == 0:
            first = _NEXT_RECENT(session, start=end).scalar()
            through = max(end, begin_of(min(now, first or now), level.span_s))
        else:
            first = _NEXT_BLOCK(session, finer=level.number - 1, start=end).scalar()
            through = max(end, begin_of(min(finer[level.number - 1].through, first or now), level.span_s))
    _MOVE(session, level=level.number, through=through, kind=0, object_id=0)
    return True


Made = list[tuple[int, int, Block | None]]


def _of_hour(session: Session, at: Any, end: int, names: Mapping[int, tuple[str, ...]]) -> Made:
    found = _HOUR(session, kind=at.kind, object_id=at.object_id, start=at.through, end=end, batch=BATCH)
    return [(row.kind, row.object_id, gather(_samples(row, names), at.through, end - at.through)) for row in found]


def _samples(row: Any, names: Mapping[int, tuple[str, ...]]) -> list[Sample]:
    """Of a row with moments, layouts, and the bodies one after the other."""
    made, place, body = [], 0, bytes(row.body)
    for at, layout_id in zip(row.ats, row.layouts, strict=True):
        known = names[layout_id]
        part = body[place : place + 4 * len(known)]
        place += len(part)
        made.append(Sample(at, known, floats(part)))
    return made


def _of_finer(session: Session, level: Level, at: Any, end: int, names: Mapping[int, tuple[str, ...]]) -> Made:
    found = _FINER(
        session, finer=level.number - 1, kind=at.kind, object_id=at.object_id, start=at.through, end=end, batch=BATCH
    )
    grouped: dict[tuple[int, int], list[Block]] = {}
    for row in found:
        grouped.setdefault((row.kind, row.object_id), []).append(_block(row, names))
    return [(*key, coarsen(blocks, at.through, level)) for key, blocks in grouped.items()]


def _block(row: Any, names: Mapping[int, tuple[str, ...]]) -> Block:
    known = names[row.layout_id]
    return Block(row.start, row.step_s, known, unpack(bytes(row.body), len(known)))


# ------------------------------------------------------------------ letting go

_OLD = Prepared(
    "delete_old_sample_blocks",
    "DELETE FROM sample_block WHERE ctid IN"
    " (SELECT ctid FROM sample_block WHERE level = :level AND start < :before ORDER BY start LIMIT :batch)",
)
_SEEN = Prepared(
    "objects_with_samples",
    """
WITH RECURSIVE o AS (
  (SELECT kind, object_id FROM sample_block
    WHERE (kind, object_id) > (CAST(:kind AS smallint), CAST(:object_id AS bigint))
    ORDER BY kind, object_id LIMIT 1)
  UNION ALL
  SELECT n.kind, n.object_id FROM o, LATERAL (
    SELECT b.kind, b.object_id FROM sample_block b WHERE (b.kind, b.object_id) > (o.kind, o.object_id)
     ORDER BY b.kind, b.object_id LIMIT 1) n)
SELECT o.kind, o.object_id,
       CASE o.kind WHEN 1 THEN NOT EXISTS (SELECT 1 FROM vm v WHERE v.id = o.object_id
              AND (v.closed_at IS NULL OR v.closed_at > clock_timestamp() - make_interval(days => :days)))
            WHEN 2 THEN NOT EXISTS (SELECT 1 FROM node n WHERE n.id = o.object_id
              AND (n.deleted_at IS NULL OR n.deleted_at > clock_timestamp() - make_interval(days => :days)))
            ELSE NOT EXISTS (SELECT 1 FROM storage s WHERE s.id = o.object_id
              AND (s.deleted_at IS NULL OR s.deleted_at > clock_timestamp() - make_interval(days => :days)))
       END AS ended
  FROM (SELECT * FROM o LIMIT :batch) o
""",
)
_FORGET = Prepared(
    "forget_samples",
    "DELETE FROM sample_block b USING unnest(CAST(:kinds AS smallint[]), CAST(:ids AS bigint[])) AS g(kind, object_id)"
    " WHERE b.kind = g.kind AND b.object_id = g.object_id",
)
_ENDED: Final = -1  # the level under which is kept up to whom ended objects were looked for


def prune_blocks(session: Session, kept: Kept, now: float) -> bool:
    """
    Delete blocks that are older than their level is kept, once the next level has what they tell.

    :return: whether there may be more.
    """
    made = progress_of(session)
    more = False
    for level, kept_s in zip(LEVELS, kept.seconds, strict=True):
        before = now - kept_s - level.span_s
        if level.number + 1 in made:
            before = min(before, made[level.number + 1].through)
        more |= _OLD(session, level=level.number, before=int(before), batch=BATCH).rowcount >= BATCH
    return more


def forget_ended(session: Session, days: int) -> int:
    """
    Delete what was measured of VMs, nodes and storages that ended longer ago than that; of some at a time, and the next
    time of those after them.

    :return: how many were looked at.
    """
    session.execute(_ENSURE, {"level": _ENDED, "through": 0})
    at = _LOCK(session, level=_ENDED).one()
    found = _SEEN(session, kind=at.kind, object_id=at.object_id, days=days, batch=BATCH)
    ended = [row for row in found if row.ended]
    if ended:
        _FORGET(session, kinds=[row.kind for row in ended], ids=[row.object_id for row in ended])
    last = found[-1] if len(found) >= BATCH else None
    _MOVE(session, level=_ENDED, through=0, kind=last.kind if last else 0, object_id=last.object_id if last else 0)
    return len(found)


# ------------------------------------------------------------------ reading

_BLOCKS = text(
    "SELECT object_id, start, step_s, layout_id, body FROM sample_block"
    " WHERE kind = :kind AND object_id = ANY(:ids) AND level = :level AND start >= :since AND start < :until"
)
_RECENT = text(
    """
SELECT object_id, array_agg(at ORDER BY at) AS ats, array_agg(layout_id ORDER BY at) AS layouts,
       string_agg(body, '' ORDER BY at) AS body
  FROM sample_recent WHERE kind = :kind AND object_id = ANY(:ids) AND at >= :since AND at < :until GROUP BY object_id
"""
)


def find_blocks(
    session: Session, kind: Kind, ids: Sequence[int], levels: Iterable[Level], since: int, until: int
) -> dict[int, dict[int, list[Block]]]:
    """
    By object and level, what there is of a time.

    :param levels: the coarsest first. What one of them tells is not read of the next one too.
    """
    made, names = progress_of(session), names_of_layouts(session)
    found: dict[int, dict[int, list[Block]]] = {}
    if not made:
        return found
    for level in levels:
        rows = session.execute(
            _BLOCKS,
            {"kind": int(kind), "ids": list(ids), "level": level.number, "since": begin_of(since, level.span_s),
             "until": until},
        )  # fmt: skip
        for row in rows:
            found.setdefault(row.object_id, {}).setdefault(level.number, []).append(_block(row, names))
        since = max(since, made[level.number].through)
    rows = session.execute(
        _RECENT,
        {"kind": int(kind), "ids": list(ids), "since": begin_of(since, LEVELS[0].span_s), "until": until},
    )
    for row in rows:
        samples = _samples(row, names)
        blocks = found.setdefault(row.object_id, {}).setdefault(0, [])
        told = {block.start for block in blocks}
        for start in sorted({begin_of(sample.at, LEVELS[0].span_s) for sample in samples} - told):
            block = gather(samples, start, LEVELS[0].span_s)
            if block is not None:
                blocks.append(block)
    return found


_LATEST = Prepared(
    "latest_loads",
    """
SELECT i.id, r.at, r.loads FROM unnest(CAST(:ids AS bigint[])) AS i(id), LATERAL (
  SELECT at, loads FROM sample_recent WHERE kind = :kind AND object_id = i.id ORDER BY at DESC LIMIT 1) r
 WHERE r.at >= :since AND r.loads IS NOT NULL
""",
)


def latest_loads(session: Session, ids: Sequence[int], since: float) -> dict[int, tuple[int, tuple[float, ...]]]:
    """Of VMs: when they were measured last, where that was not before a moment, and their loads then."""
    found = _LATEST(session, ids=list(ids), kind=int(Kind.VM), since=int(since))
    return {row.id: (row.at, tuple(row.loads)) for row in found}


_NEWEST = Prepared(
    "latest_samples",
    """
SELECT i.id, r.layout_id, r.body FROM unnest(CAST(:ids AS bigint[])) AS i(id), LATERAL (
  SELECT at, layout_id, body FROM sample_recent WHERE kind = :kind AND object_id = i.id ORDER BY at DESC LIMIT 1) r
 WHERE r.at >= :since
""",
)


def latest(session: Session, kind: Kind, ids: Sequence[int], since: float) -> dict[int, dict[str, float]]:
    """Of those that were measured not longer ago than that: what was measured last, but for what could not be."""
    rows = _NEWEST(session, ids=list(ids), kind=int(kind), since=int(since)) if ids else []
    names = names_of_layouts(session) if rows else {}
    return {
        row.id: {
            name: value
            for name, value in zip(names[row.layout_id], floats(bytes(row.body)), strict=True)
            if not isnan(value)
        }
        for row in rows
    }
