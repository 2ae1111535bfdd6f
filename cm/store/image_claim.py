"""What images claim of their owners' quotas and of storages: while they come, while they are, and no more."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rpc.vocabulary import DiskFormat, ImageKind
from cm.rules.names import image_volume
from cm.store.claim import claim_quota, claim_storage, mib, release_quota, release_storage
from cm.store.image import ImageRow
from cm.store.snapshot import end_snapshots


def hold_image(session: Session, row: ImageRow, size_bytes: int) -> None:
    """
    Claim room for what has come of an image, and is to come; never less than before.

    :param row: under lock.
    :raises QuotaReached: it does not fit the owner's quota.
    :raises StorageFull: it does not fit the storage.
    """
    if size_bytes > row.claimed_bytes:
        _claim(session, row, size_bytes)
        session.execute(
            text("UPDATE volume SET claimed_bytes = :size WHERE id = (SELECT volume_id FROM image WHERE id = :id)"),
            {"id": row.id, "size": size_bytes},
        )


def _claim(session: Session, row: ImageRow, size_bytes: int) -> None:
    """Make so many bytes be claimed for an image, more or less than before."""
    more_mib = mib(size_bytes) - mib(row.claimed_bytes)
    more = size_bytes - row.claimed_bytes
    if more_mib > 0:
        claim_quota(session, row.account_id, storage_mib=more_mib)
    elif more_mib < 0:
        release_quota(session, row.account_id, storage_mib=-more_mib)
    if more > 0:
        claim_storage(session, row.storage_id, more)
    elif more < 0:
        release_storage(session, row.storage_id, -more)


def forget_inspection(session: Session, image_id: int) -> None:
    """An import begins anew: what comes this time may be another file."""
    session.execute(text("UPDATE image SET sha256 = '' WHERE id = :id"), {"id": image_id})


def claim_image(session: Session, row: ImageRow, format: DiskFormat, size_bytes: int, sha256: str) -> None:
    """
    Record what an image is, and claim its owner's quota and its storage for what guests will see of it. Repeatable.

    :param row: under lock.
    :raises QuotaReached: it does not fit the owner's quota.
    :raises StorageFull: it does not fit the storage.
    """
    if row.sha256 and size_bytes != row.claimed_bytes:
        raise AssertionError(f"image {row.id} was claimed with another size")
    _claim(session, row, size_bytes)
    session.execute(
        text(
            "WITH lies AS (UPDATE volume SET format = :format, size_bytes = :size, claimed_bytes = :size,"
            " name = :volume WHERE id = (SELECT volume_id FROM image WHERE id = :id))"
            " UPDATE image SET sha256 = :sha256, version = version + 1 WHERE id = :id"
        ),
        {
            "id": row.id,
            "format": format,
            "size": size_bytes,
            "sha256": sha256,
            "volume": image_volume(row.uuid, "iso" if row.kind is ImageKind.ISO else str(format)),
        },
    )


def set_sum(session: Session, image_id: int, sha256: str) -> None:
    """What the bytes of its volume have, which nobody writes to from now on; empty: not known."""
    session.execute(
        text("UPDATE volume SET sha256 = :sha256 WHERE id = (SELECT volume_id FROM image WHERE id = :id)"),
        {"sha256": sha256, "id": image_id},
    )


def sum_of(session: Session, image_id: int) -> str:
    """What ``set_sum`` recorded last."""
    found = session.scalar(
        text("SELECT u.sha256 FROM volume u JOIN image i ON i.volume_id = u.id WHERE i.id = :id"), {"id": image_id}
    )
    return found or ""


def release_image(session: Session, image_id: int) -> None:
    """Give back what an image claims, once; its volume is gone."""
    found = session.execute(
        text(
            "SELECT i.account_id, u.id, u.storage_id, u.claimed_bytes FROM image i JOIN volume u ON u.id = i.volume_id"
            " WHERE i.id = :id AND i.deleted_at IS NULL AND u.claimed_bytes > 0 FOR UPDATE OF i FOR NO KEY UPDATE OF u"
        ),
        {"id": image_id},
    ).first()
    if found is None:
        return
    session.execute(text("UPDATE volume SET claimed_bytes = 0 WHERE id = :id"), {"id": found.id})
    release_quota(session, found.account_id, storage_mib=mib(found.claimed_bytes))
    release_storage(session, found.storage_id, found.claimed_bytes)


def close_image(session: Session, image_id: int, *, free: bool = False, clean: bool = False) -> None:
    """
    An image whose volume is gone ends, with the snapshots of the disk that it is.

    :param free: its volume is not gone, and is for others to use; ``clean``: it reads as zeros.

    :raises sqlalchemy.exc.IntegrityError: something is made from its volume, or it is attached.
    """
    if not free:
        release_image(session, image_id)
    found = session.execute(
        text(
            "SELECT i.volume_id, i.account_id, u.claimed_bytes FROM image i JOIN volume u ON u.id = i.volume_id"
            " WHERE i.id = :id AND i.deleted_at IS NULL FOR UPDATE OF i"
        ),
        {"id": image_id},
    ).first()
    if found is None:
        return
    beside = end_snapshots(session, image_id)
    session.execute(
        text(
            "WITH gone AS (DELETE FROM disk WHERE image_id = :id RETURNING id, account_id)"
            " INSERT INTO change (account_id, kind, object_id, event) SELECT account_id, 'disk', id, 'exit' FROM gone"
        ),
        {"id": image_id},
    )
    session.execute(
        text(
            "UPDATE image SET state = 'deleted', deleted_at = clock_timestamp(), version = version + 1,"
            " volume_id = NULL WHERE id = :id"
        ),
        {"id": image_id},
    )
    if free:
        session.execute(
            text("INSERT INTO free_volume (volume_id, writer_id, clean) VALUES (:id, :writer, :clean)"),
            {"id": found.volume_id, "writer": found.account_id, "clean": clean},
        )
        release_quota(session, found.account_id, storage_mib=mib(found.claimed_bytes))
    else:
        ids = [found.volume_id, *(lies.id for lies in beside)]
        session.execute(text("DELETE FROM volume WHERE id = ANY(:ids)"), {"ids": ids})
    for lies in beside:
        release_quota(session, found.account_id, storage_mib=mib(lies.claimed_bytes))
        release_storage(session, lies.storage_id, lies.claimed_bytes)
