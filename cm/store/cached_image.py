"""
Copies of images on nodes' own storages: what there is, what is to become of it, and who needs it.

A copy is claimed of its storage from the moment it is asked for until its volume is gone; of no quota. Its volume's row
says by ``made`` whether disks can be made from it, and foreign keys keep it as long as one is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.results import image as results
from cm.rpc.errors import ObjectNotFound
from cm.rpc.vocabulary import CachedState, DiskFormat, ImageState
from cm.runtime.prepared import Prepared
from cm.store.claim import release_storage

_SLOTS: Final = 0x43414348  # the advisory lock of those who begin to copy; "CACH"
_ONCE: Final = 0x434F4E43  # first key of those under which a storage gets an image; "CONC"


@dataclass(frozen=True)
class Copy:
    """
    :ivar source, source_storage_id: the image's own volume; None: the image is deleted.
    :ivar source_sha256: of that volume's bytes; empty or None: not known.
    :ivar needed: disks are made from it, or are to be.
    """

    id: int
    image_id: int
    image_state: ImageState
    source: str | None
    source_storage_id: int | None
    source_sha256: str | None
    volume_id: int
    volume: str
    format: DiskFormat
    size_bytes: int
    storage_id: int
    node_id: int
    state: CachedState
    error: str
    made: bool
    needed: bool

    @property
    def wanted(self) -> bool:
        """Whether it is to be there, for all that is known of its image."""
        return self.needed or (self.source is not None and self.image_state is not ImageState.DELETED)


_COPY = """
SELECT c.id, c.image_id, i.state AS image_state, f.name AS source, f.storage_id AS source_storage_id,
       f.sha256 AS source_sha256, u.id AS volume_id, u.name AS volume, u.format, u.size_bytes, u.storage_id, s.node_id,
       c.state, c.error, u.made, EXISTS (SELECT 1 FROM volume b WHERE b.backing_id = u.id) AS needed
  FROM cached_image c JOIN volume u ON u.id = c.volume_id JOIN storage s ON s.id = u.storage_id
  JOIN image i ON i.id = c.image_id LEFT JOIN volume f ON f.id = i.volume_id
"""


def _copies(session: Session, where: str, **values: object) -> list[Copy]:
    found = []
    for row in session.execute(text(_COPY + where), values):
        told = dict(row._mapping)
        told["image_state"], told["state"] = ImageState(told["image_state"]), CachedState(told["state"])
        found.append(Copy(**{**told, "format": DiskFormat(told["format"])}))
    return found


def find_copy(session: Session, copy_id: int, *, lock: bool = False) -> Copy | None:
    """:param lock: hold it and its volume until the transaction ends: no disk is made from it meanwhile."""
    if lock:
        # Apart from what is read: whoever was waited for may have made a disk from it.
        session.execute(
            text(
                "SELECT 1 FROM cached_image c JOIN volume u ON u.id = c.volume_id WHERE c.id = :id FOR UPDATE OF c, u"
            ),
            {"id": copy_id},
        )
    return next(iter(_copies(session, " WHERE c.id = :id", id=copy_id)), None)


def copy_at(session: Session, volume_id: int) -> Copy | None:
    """The copy that a volume is."""
    return next(iter(_copies(session, " WHERE u.id = :id", id=volume_id)), None)


def copies_of(session: Session, image_id: int) -> Sequence[Copy]:
    return _copies(session, " WHERE c.image_id = :id ORDER BY c.id", id=image_id)


def copies_on_node(session: Session, node_id: int) -> Sequence[Copy]:
    return _copies(session, " WHERE s.node_id = :id ORDER BY c.id", id=node_id)


@dataclass(frozen=True)
class Present:
    """:ivar stale: its last use is on record as of some time ago."""

    id: int
    volume_id: int
    state: CachedState
    made: bool
    stale: bool


_PRESENT = Prepared(
    "copy_of_image",
    """
SELECT c.id, c.volume_id, c.state, u.made, c.last_used_at < now() - interval '10 minutes' AS stale
  FROM cached_image c JOIN volume u ON u.id = c.volume_id WHERE c.image_id = :image_id AND u.storage_id = :storage_id
""",
)


def find_present(session: Session, image_id: int, storage_id: int) -> Present | None:
    row = _PRESENT(session, image_id=image_id, storage_id=storage_id).first()
    return None if row is None else Present(row.id, row.volume_id, CachedState(row.state), row.made, row.stale)


def touch(session: Session, copy_id: int) -> None:
    """It is being used. Now and then is often enough: everybody's creates would wait for each other here."""
    session.execute(text("UPDATE cached_image SET last_used_at = clock_timestamp() WHERE id = :id"), {"id": copy_id})


def insert_copy(
    session: Session, image_id: int, storage_id: int, volume: str, format: DiskFormat, size_bytes: int
) -> Present | None:
    """
    A copy to be, which is still to be claimed of its storage.

    :return: None: somebody was faster.
    """
    # Those who come at once wait for each other here, and look anew behind that.
    session.execute(
        text("SELECT pg_advisory_xact_lock(:key, hashtext(:what))"), {"key": _ONCE, "what": f"{image_id}:{storage_id}"}
    )
    found = session.execute(
        text(
            "WITH lies AS (INSERT INTO volume (storage_id, name, format, size_bytes, claimed_bytes)"
            " SELECT CAST(:storage_id AS bigint), :volume, :format, CAST(:size AS bigint), CAST(:size AS bigint)"
            "  WHERE NOT EXISTS (SELECT 1 FROM cached_image c JOIN volume u ON u.id = c.volume_id"
            "   WHERE c.image_id = :image_id AND u.storage_id = :storage_id) ON CONFLICT DO NOTHING"
            " RETURNING id) INSERT INTO cached_image (image_id, volume_id, state)"
            " SELECT :image_id, id, 'waiting' FROM lies RETURNING id, volume_id"
        ),
        {"storage_id": storage_id, "volume": volume, "format": format, "size": size_bytes, "image_id": image_id},
    ).first()
    return None if found is None else Present(found.id, found.volume_id, CachedState.WAITING, False, False)


def set_copy(session: Session, copy_id: int, state: CachedState, error: str = "") -> None:
    """What it is, or is to be; its volume is there as a whole in one state alone."""
    session.execute(
        text("UPDATE cached_image SET state = :state, error = :error WHERE id = :id"),
        {"state": state, "error": error, "id": copy_id},
    )
    session.execute(
        text("UPDATE volume SET made = :made WHERE id = (SELECT volume_id FROM cached_image WHERE id = :id)"),
        {"made": state is CachedState.OK, "id": copy_id},
    )


def take_slot(session: Session, copy_id: int, limit: int) -> bool:
    """Begin to copy, if no more than ``limit`` are then being copied in the cluster."""
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SLOTS})
    if copying(session, copy_id) >= limit:
        return False
    set_copy(session, copy_id, CachedState.COPYING)
    return True


def copying(session: Session, but: int = 0) -> int:
    return int(
        session.execute(
            text("SELECT count(*) FROM cached_image c WHERE c.state = 'copying' AND c.id <> :but"), {"but": but}
        ).scalar_one()
    )


def delete_copy(session: Session, copy_id: int) -> None:
    """
    Its volume is gone: so are its row and its claim.

    :raises sqlalchemy.exc.IntegrityError: something is made from it.
    """
    volume_id = session.scalar(
        text("DELETE FROM cached_image WHERE id = :id RETURNING volume_id"), {"id": copy_id}
    )
    found = session.execute(
        text("DELETE FROM volume WHERE id = :id RETURNING storage_id, claimed_bytes"), {"id": volume_id}
    ).first()
    if found is not None:
        release_storage(session, found.storage_id, found.claimed_bytes)


def own_storage_of(session: Session, node_id: int, image_id: int) -> int | None:
    """Of a node's own storages the one that has an image, else the one with most room; None: it has none to use."""
    found: int | None = session.scalar(
        text(
            "SELECT s.id FROM storage s JOIN storage_attachment a ON a.storage_id = s.id AND a.node_id = s.node_id"
            " LEFT JOIN (cached_image c JOIN volume u ON u.id = c.volume_id) ON c.image_id = :image_id"
            " AND u.storage_id = s.id WHERE s.node_id = :node_id AND s.deleted_at IS NULL AND NOT s.locked"
            " AND NOT s.draining AND a.state = 'attached' ORDER BY c.id IS NULL, s.limit_bytes - s.claimed_bytes DESC,"
            " s.id LIMIT 1"
        ),
        {"node_id": node_id, "image_id": image_id},
    )
    return found


def caching_nodes(session: Session) -> Sequence[int]:
    """The nodes that have a storage of their own."""
    return list(
        session.scalars(
            text(
                "SELECT DISTINCT s.node_id FROM storage s JOIN storage_attachment a ON a.storage_id = s.id"
                " AND a.state = 'attached' WHERE s.node_id IS NOT NULL AND s.deleted_at IS NULL AND NOT s.locked"
                " AND NOT s.draining ORDER BY 1"
            )
        )
    )


_SPARE = text(
    """
SELECT id FROM (
    SELECT c.id, c.last_used_at, u.storage_id, i.kind <> 'system' OR i.state = 'deleted' AS useless,
           s.limit_bytes * :free - (s.limit_bytes - s.claimed_bytes) AS missing,
           coalesce(sum(u.claimed_bytes) OVER (PARTITION BY u.storage_id ORDER BY c.last_used_at, c.id
                                               ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
      FROM cached_image c JOIN volume u ON u.id = c.volume_id JOIN storage s ON s.id = u.storage_id
      JOIN image i ON i.id = c.image_id
     WHERE c.state IN ('ok', 'failed') AND NOT EXISTS (SELECT 1 FROM volume b WHERE b.backing_id = u.id)
       AND NOT EXISTS (SELECT 1 FROM operation_object h WHERE h.kind = 'cached_image' AND h.object_id = c.id)
) unused
 WHERE missing > before OR useless ORDER BY storage_id, last_used_at, id LIMIT 100
"""
)


def spare_copies(session: Session, free: float) -> Sequence[int]:
    """
    Copies that nothing is made from, of storages of which less than a share of ``free`` can be claimed: those that were
    used longest ago, as many as make that much room. And those of what is no image any more, which nobody could remove
    so far.
    """
    return list(session.scalars(_SPARE, {"free": free}))


def list_cached(session: Session, image_id: int | None, node_id: int | None) -> Sequence[results.CachedImage]:
    found = session.execute(
        text(
            "SELECT c.image_id, i.name AS image_name, s.node_id, n.name AS node_name, u.storage_id,"
            " s.name AS storage_name, c.state, c.error, u.size_bytes, c.last_used_at AS last_used,"
            " (SELECT count(*) FROM volume b WHERE b.backing_id = u.id) AS disks, h.operation_id"
            " FROM cached_image c JOIN volume u ON u.id = c.volume_id JOIN storage s ON s.id = u.storage_id"
            " JOIN image i ON i.id = c.image_id JOIN node n ON n.id = s.node_id"
            " LEFT JOIN operation_object h ON h.kind = 'cached_image' AND h.object_id = c.id AND h.exclusive"
            " WHERE (c.image_id = :image_id OR CAST(:image_id AS bigint) IS NULL)"
            " AND (s.node_id = :node_id OR CAST(:node_id AS bigint) IS NULL) ORDER BY c.image_id, s.node_id, c.id"
        ),
        {"image_id": image_id, "node_id": node_id},
    )
    return [cast(results.CachedImage, dict(row._mapping)) for row in found]


def require_copy(session: Session, copy_id: int, *, lock: bool = False) -> Copy:
    """:raises ObjectNotFound: it is gone."""
    found = find_copy(session, copy_id, lock=lock)
    if found is None:
        raise ObjectNotFound("cached image", copy_id)
    return found
