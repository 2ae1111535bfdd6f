"""
What takes room on storages: volumes counted by what they serve, of a storage or of an account.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.results.statistics import AccountStatistics, StorageStatistics, VolumeCount
from cm.rpc.errors import ObjectNotFound
from cm.rpc.vocabulary import VolumeUse
from cm.store.leak import OF_SEEDS, OF_SNAPSHOTS, OF_SUSPENDED

_USE: Final = """CASE WHEN k.trashed_at IS NOT NULL THEN 'trash' WHEN i.kind = 'system' THEN 'system_image'
            WHEN i.kind = 'iso' THEN 'iso_image' WHEN i.id IS NOT NULL THEN 'data_disk'
            WHEN EXISTS (SELECT 1 FROM attachment t WHERE t.disk_id = k.id AND t.delete_with_vm) THEN 'root_disk'
            WHEN k.id IS NOT NULL THEN 'data_disk'
            WHEN m.volume_id IS NOT NULL THEN 'memory' WHEN e.volume_id IS NOT NULL THEN 'seed'
            WHEN EXISTS (SELECT 1 FROM cached_image c WHERE c.volume_id = u.id) THEN 'cache' ELSE 'snapshot' END"""
_COUNTED: Final = f"""
SELECT {{key}} AS key, {_USE} AS use, count(*) AS many, sum(u.size_bytes)::bigint AS size_bytes,
       sum(u.claimed_bytes)::bigint AS claimed_bytes, coalesce(sum(u.allocated_bytes), 0)::bigint AS allocated_bytes
  FROM volume u LEFT JOIN disk k ON k.volume_id = u.id LEFT JOIN image i ON i.volume_id = u.id
  LEFT JOIN ({OF_SNAPSHOTS}) p ON p.volume_id = u.id LEFT JOIN ({OF_SUSPENDED}) m ON m.volume_id = u.id
  LEFT JOIN ({OF_SEEDS}) e ON e.volume_id = u.id
 WHERE {{where}} GROUP BY 1, 2
"""
_BY_STORAGE: Final = text(_COUNTED.format(key="u.storage_id", where="u.storage_id = ANY(:ids)"))
_BY_ACCOUNT: Final = text(
    _COUNTED.format(
        key="coalesce(i.account_id, k.account_id, p.account_id, m.account_id, e.account_id)",
        where="u.id IN (SELECT volume_id FROM disk WHERE account_id = :id"
        " UNION SELECT volume_id FROM image WHERE account_id = :id AND volume_id IS NOT NULL"
        f" UNION SELECT x.volume_id FROM ({OF_SNAPSHOTS}) x WHERE x.account_id = :id"
        f" UNION SELECT x.volume_id FROM ({OF_SUSPENDED}) x WHERE x.account_id = :id"
        f" UNION SELECT x.volume_id FROM ({OF_SEEDS}) x WHERE x.account_id = :id)",
    )
)
_UNACCOUNTED: Final = text(
    """
SELECT split_part(split_part(subject, '/', 1), '-', 2)::bigint AS key, count(*) AS many,
       coalesce(sum((evidence->>'size_bytes')::bigint), 0)::bigint AS size_bytes,
       coalesce(sum((evidence->>'allocated_bytes')::bigint), 0)::bigint AS allocated_bytes
  FROM drift WHERE kind = 'leaked_volume' AND closed_at IS NULL GROUP BY 1
"""
)
_ORDER: Final = {use: number for number, use in enumerate(VolumeUse)}


def _counts(rows: Sequence[Any]) -> dict[int, list[VolumeCount]]:
    found: dict[int, list[VolumeCount]] = {}
    for row in rows:
        count: VolumeCount = {
            "use": VolumeUse(row.use),
            "count": row.many,
            "size_bytes": row.size_bytes,
            "claimed_bytes": row.claimed_bytes,
            "allocated_bytes": row.allocated_bytes,
        }
        found.setdefault(row.key, []).append(count)
    for counts in found.values():
        counts.sort(key=lambda each: _ORDER[each["use"]])
    return found


def storage_statistics(session: Session, storage_id: int | None) -> Sequence[StorageStatistics]:
    """
    :param storage_id: None: of all storages.
    :raises ObjectNotFound: absent or deleted.
    """
    storages = session.execute(
        text(
            "SELECT id AS storage_id, name, capacity_bytes, claimed_bytes FROM storage WHERE deleted_at IS NULL"
            " AND (CAST(:id AS bigint) IS NULL OR id = :id) ORDER BY id"
        ),
        {"id": storage_id},
    ).all()
    if storage_id is not None and not storages:
        raise ObjectNotFound("storage", storage_id)
    counts = _counts(session.execute(_BY_STORAGE, {"ids": [row.storage_id for row in storages]}).all())
    for row in session.execute(_UNACCOUNTED):
        counts.setdefault(row.key, []).append(
            {
                "use": VolumeUse.UNACCOUNTED,
                "count": row.many,
                "size_bytes": row.size_bytes,
                "claimed_bytes": 0,
                "allocated_bytes": row.allocated_bytes,
            }
        )
    return [cast(StorageStatistics, {**row._mapping, "uses": counts.get(row.storage_id, [])}) for row in storages]


def account_statistics(session: Session, account_id: int) -> AccountStatistics:
    """:raises ObjectNotFound: absent or deleted."""
    row = session.execute(
        text(
            "SELECT id AS user_id, login, quota_storage_mib, used_storage_mib FROM account"
            " WHERE id = :id AND deleted_at IS NULL"
        ),
        {"id": account_id},
    ).first()
    if row is None:
        raise ObjectNotFound("user", account_id)
    counts = _counts(session.execute(_BY_ACCOUNT, {"id": account_id}).all())
    return cast(AccountStatistics, {**row._mapping, "uses": counts.get(account_id, [])})
