"""Queries about images of every kind."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.models import Image
from cm.results import image as results
from cm.rpc.errors import ObjectNotFound, VersionChanged
from cm.rpc.vocabulary import DiskFormat, ImageAccess, ImageKind, ImageState
from cm.rules.access import Level, Person, enough, highest
from cm.rules.names import unmade_volume
from cm.runtime.prepared import Prepared
from cm.runtime.rows import Columns, edit_row
from cm.store.access import FOR_CALLER, values_of
from cm.store.conditions import account_number, is_open
from cm.store.rendered import Rendered, rendered

EDITED: Final[Columns] = (
    Image.name, Image.description, Image.platform, Image.disk_controller, Image.network_device, Image.video_device,
    Image.system, Image.architecture, Image.least_memory_mib, Image.least_disk_bytes, Image.default_user, Image.agent,
    Image.family, Image.family_version, Image.metadata_source, Image.imds_tokens, Image.imds_hop_limit,
    Image.imds_enabled, Image.firmware, Image.machine,
)  # fmt: skip


@dataclass(frozen=True)
class ImageRow:
    """An image as its services and operations need it. What is ``deleted`` but still here has a volume left."""

    id: int
    uuid: str
    kind: ImageKind
    name: str
    account_id: int
    storage_id: int
    volume: str
    format: DiskFormat
    size_bytes: int
    claimed_bytes: int
    sha256: str
    state: ImageState
    access: ImageAccess
    version: int


_ROW = """
SELECT i.id, i.uuid::text AS uuid, i.kind, i.name, i.account_id, u.storage_id, u.name AS volume, u.format, u.size_bytes,
       u.claimed_bytes, i.sha256, i.state, i.access, i.version
  FROM image i JOIN volume u ON u.id = i.volume_id WHERE i.id = :id AND i.deleted_at IS NULL
"""
_LOCKED = " FOR UPDATE OF i FOR NO KEY UPDATE OF u"


def find_image(session: Session, image_id: int, *, lock: bool = False) -> ImageRow | None:
    """
    :param lock: hold its row until the transaction ends, also against those who would use it (``FOR UPDATE``).
    """
    found = session.execute(text(_ROW + (_LOCKED if lock else "")), {"id": image_id}).first()
    if found is None:
        return None
    values = dict(found._mapping)
    values["kind"], values["state"] = ImageKind(values["kind"]), ImageState(values["state"])
    values["format"], values["access"] = DiskFormat(values["format"]), ImageAccess(values["access"])
    return ImageRow(**values)


def get_image(
    session: Session,
    image_id: int,
    *,
    kinds: Sequence[ImageKind] | None = None,
    lock: bool = False,
    version: int | None = None,
) -> ImageRow:
    """
    An image, whoever asks for it (``services/access.py`` asks who).

    :raises ObjectNotFound: absent, deleted or of another kind.
    :raises VersionChanged: it is not at ``version``.
    """
    row = find_image(session, image_id, lock=lock)
    if row is None or (kinds is not None and row.kind not in kinds):
        raise ObjectNotFound("image", image_id)
    if version is not None and row.version != version:
        raise VersionChanged("image", image_id, row.version, version)
    return row


class UsableImage(NamedTuple):
    """An image that is held for a VM that is to use it. ``bus``, ``nic_model``: of its guests' disks and NICs."""

    id: int
    kind: ImageKind
    state: ImageState
    account_id: int
    access: ImageAccess
    volume_id: int
    storage_id: int
    size_bytes: int
    format: str
    bus: str
    nic_model: str
    storage_locked: bool
    least_memory_mib: int
    least_disk_bytes: int
    storage_kind: str
    storage_draining: bool
    metadata_source: str
    firmware: str
    machine: str
    architecture: str  # of system images; "" of others, which run nowhere by themselves


def least_memory(session: Session, image_id: int) -> int:
    """MiB that the guests of an image cannot do without, be it deleted since."""
    return int(session.scalar(text("SELECT least_memory_mib FROM image WHERE id = :id"), {"id": image_id}) or 0)


# ``more``: columns beside those of ``UsableImage``, each after a comma.
USABLE: Final = """
SELECT i.id, i.kind, i.state, i.account_id, i.access, u.id AS volume_id, u.storage_id, u.size_bytes, u.format,
       i.disk_controller, i.network_device, s.locked, i.least_memory_mib, i.least_disk_bytes, s.kind AS storage_kind,
       s.draining, i.metadata_source, i.firmware, i.machine,
       CASE WHEN i.kind = 'system' THEN i.architecture ELSE '' END AS architecture{more}
  FROM image i JOIN volume u ON u.id = i.volume_id JOIN storage s ON s.id = u.storage_id
 WHERE i.id = :image_id AND i.deleted_at IS NULL FOR KEY SHARE OF i, s
"""
_USABLE = Prepared("usable_image", USABLE.format(more=""))


def find_usable(session: Session, image_id: int) -> UsableImage | None:
    """An image and its storage: neither can be deleted until the transaction ends, and so the volume cannot."""
    found = _USABLE(session, image_id=image_id).first()
    return None if found is None else usable(found)


def usable(found: Sequence[Any]) -> UsableImage:
    """:param found: the columns of ``USABLE``, in their order."""
    made = UsableImage(*found)
    return made._replace(kind=ImageKind(made.kind), state=ImageState(made.state), access=ImageAccess(made.access))


# What everybody sees who may see an image; who else may, and whose VMs have it, depends on who asks.
_COLUMNS = f"""i.id AS image_id, i.uuid::text AS uuid, i.kind, i.name, i.description, i.account_id AS user_id,
       a.login AS user_login, {account_number('a')} AS account_number,
       u.storage_id, s.name AS storage_name, u.format, u.size_bytes, u.claimed_bytes, i.sha256,
       coalesce(u.sha256, '') AS volume_sha256, i.state, i.progress, i.error, i.access, i.platform, i.disk_controller,
       i.network_device, i.video_device, i.system, i.architecture, i.least_memory_mib, i.least_disk_bytes,
       i.default_user, i.agent, i.metadata_source AS metadata, i.imds_tokens, i.imds_hop_limit, i.imds_enabled,
       i.firmware, i.machine, i.family, i.family_version, i.version, i.created_at AS created"""
_FROM = "image i JOIN account a ON a.id = i.account_id LEFT JOIN volume u ON u.id = i.volume_id"
_FROM += " LEFT JOIN storage s ON s.id = u.storage_id"  # one that is deleted has neither
_FEED = Prepared(
    "feed_image",
    f"SELECT {_COLUMNS}, i.id AS _id, i.deleted_at IS NOT NULL AS _gone FROM {_FROM} WHERE i.id = ANY(:ids)",
)


def render_images(session: Session, ids: list[int]) -> Mapping[int, Rendered]:
    return rendered(_FEED(session, ids=ids))


_SHOWN = f"""
SELECT {_COLUMNS},
       o.id AS operation_id, coalesce(o.user_text, '') AS waiting_for,
       (SELECT array_agg(t.vm_id ORDER BY t.vm_id) FROM disk k JOIN attachment t ON t.disk_id = k.id
         WHERE k.image_id = i.id) AS vm_ids,
       (SELECT array_agg(g.group_id ORDER BY g.group_id) FROM acl g
         WHERE g.kind = 'image' AND g.object_id = i.id AND g.group_id IS NOT NULL
           AND (g.issuer = :issuer OR CAST(:issuer AS text) IS NULL)
           AND (i.account_id = :account_id OR CAST(:account_id AS bigint) IS NULL
                OR g.group_id = ANY(CAST(:groups AS bigint[])))) AS group_ids,
       (SELECT array_agg(g.level) FROM acl g WHERE g.kind = 'image' AND g.object_id = i.id AND {FOR_CALLER}) AS levels
  FROM {_FROM}
  LEFT JOIN operation_object h ON h.kind = 'image' AND h.object_id = i.id AND h.exclusive
  LEFT JOIN operation o ON o.id = h.operation_id
 WHERE i.deleted_at IS NULL
"""
_GRANTED = f"i.id IN (SELECT g.object_id FROM acl g WHERE g.kind = 'image' AND {FOR_CALLER})"
# Others see a public image once it can be used, and what they were granted until it is deleted.
_VISIBLE = (
    " AND i.state <> 'deleted' AND (i.account_id = :account_id OR (i.access = 'public' AND i.state = 'ok')"
    f" OR {_GRANTED})"
)


def _viewer(viewer: Person | None) -> dict[str, Any]:
    return {"account_id": None, "issuer": None, "groups": []} if viewer is None else values_of(viewer)


def _shown(row: Any, viewer: Person | None) -> results.Image:
    """An image as its viewer sees it: users and operators are not told which VMs have it attached."""
    found = dict(row._mapping)
    levels = [Level(level) for level in found.pop("levels") or ()]
    mine = viewer is None or found["user_id"] == viewer.account_id
    level = Level.OWNER if mine else highest([Level.USER, *levels])
    found["vm_ids"] = (found["vm_ids"] or []) if enough(level, Level.OWNER) else []
    found["group_ids"] = found["group_ids"] or []
    found["mine"] = mine
    found["level"] = level
    return cast(results.Image, found)


def show_image(
    session: Session, image_id: int, viewer: Person | None, kinds: Sequence[ImageKind] | None = None
) -> results.Image:
    """
    :param viewer: the caller; None for administrators, who see all.
    :return: with ``level``, the viewer's own, and ``group_ids``: of their cloud manager's groups those that may use
        it, as far as they are in them or it is theirs.
    :raises ObjectNotFound: absent, deleted, of another kind, or not shared with them.
    """
    where = " AND i.id = :id" + ("" if viewer is None else _VISIBLE)
    found = session.execute(text(_SHOWN + where), {"id": image_id, **_viewer(viewer)}).first()
    if found is None or (kinds is not None and found.kind not in kinds):
        raise ObjectNotFound("image", image_id)
    return _shown(found, viewer)


def list_images(
    session: Session,
    *,
    viewer: Person | None,
    limit: int,
    failed: bool = False,
    kinds: Sequence[ImageKind] | None = None,
    access: str | None = None,
    group_id: int | None = None,
    account_id: int | None = None,
    storage_id: int | None = None,
    before: int | None = None,
) -> Sequence[results.Image]:
    """
    A page, newest first; without what lies in the trash.

    :param viewer: the caller, who sees their own, public ones and what is shared with them; None for administrators,
        who see all.
    :param failed: with those whose import failed.
    :param access: "private" gives the viewer's own, "public" all that are public, "group" what the viewer's groups
        share, of which ``group_id`` picks one; for administrators what is private, public or any group's.
    :param before: the last id of the page before.
    """
    where = " AND i.state <> 'trashed'" + ("" if viewer is None else _VISIBLE)
    if not failed:
        where += " AND i.state <> 'failed'"
    if kinds is not None:
        where += " AND i.kind = ANY(:kinds)"
    if access == "group" or group_id is not None:
        where += " AND i.id IN (SELECT g.object_id FROM acl g WHERE g.kind = 'image' AND g.group_id IS NOT NULL"
        where += "" if viewer is None else " AND g.issuer = :issuer AND g.group_id = ANY(CAST(:groups AS bigint[]))"
        where += ")" if group_id is None else " AND g.group_id = :group_id)"
    if access == "public" or (access == "private" and viewer is None):
        where += " AND i.access = :access"
    elif access == "private":
        where += " AND i.account_id = :account_id"
    if account_id is not None:
        where += " AND i.account_id = :whose"
    if storage_id is not None:
        where += " AND u.storage_id = :storage_id"
    if before is not None:
        where += " AND i.id < :before"
    found = session.execute(
        text(f"{_SHOWN}{where} ORDER BY i.id DESC LIMIT :limit"),
        {
            **_viewer(viewer),
            "kinds": [str(kind) for kind in kinds or ()],
            "access": access,
            "group_id": group_id,
            "whose": account_id,
            "storage_id": storage_id,
            "before": before,
            "limit": limit,
        },
    )
    return [_shown(row, viewer) for row in found]


def versions_of(session: Session, family: str, viewer: Person | None) -> Sequence[tuple[str, int]]:
    """Of a family the versions and ids of the system images that can be used by this viewer, or by anybody."""
    where = "" if viewer is None else _VISIBLE
    found = session.execute(
        text(
            "SELECT i.family_version, i.id FROM image i WHERE i.deleted_at IS NULL AND i.family = :family"
            f" AND i.family <> '' AND i.kind = 'system' AND i.state = 'ok'{where}"
        ),
        {"family": family, **_viewer(viewer)},
    )
    return [(row.family_version, row.id) for row in found]


def write_access(session: Session, image_id: int, access: ImageAccess) -> None:
    edit_row(session, Image, image_id, (Image.access,), {"access": access})
    _tell_disk(session, image_id)


_INSERT = text(
    """
WITH lies AS (
    INSERT INTO volume (storage_id, name, format) VALUES (:storage_id, :volume, :format) RETURNING id
), made AS (
    INSERT INTO image (uuid, kind, name, description, account_id, volume_id, state, access, platform, disk_controller,
                       network_device, video_device, system, architecture, least_memory_mib, least_disk_bytes,
                       default_user, agent, family, family_version)
    SELECT :uuid, :kind, :name, :description, :account_id, id, :state, :access, :platform, :disk_controller,
           :network_device, :video_device, :system, :architecture, :least_memory_mib, :least_disk_bytes, :default_user,
           :agent, :family, :family_version FROM lies
    RETURNING id, kind, account_id, volume_id
), attachable AS (
    INSERT INTO disk (account_id, image_id, volume_id)
    SELECT account_id, id, volume_id FROM made WHERE kind <> 'system' RETURNING id, account_id
), told AS (
    INSERT INTO change (account_id, kind, object_id, event) SELECT account_id, 'disk', id, 'enter' FROM attachable
)
SELECT id FROM made
"""
)


def insert_image(session: Session, values: dict[str, Any]) -> int:
    """An image to be: nothing is claimed for it, and its volume has a name only."""
    key = uuid.uuid4()
    return int(session.execute(_INSERT, {**values, "uuid": key, "volume": unmade_volume(key)}).scalar_one())


def open_imports(session: Session, account_id: int) -> int:
    """How many imports of an account are under way; no other begins until the transaction ends."""
    session.execute(text("SELECT 1 FROM account WHERE id = :id FOR NO KEY UPDATE"), {"id": account_id})
    return int(
        session.execute(
            text(f"SELECT count(*) FROM operation WHERE account_id = :id AND kind = 'image_import' AND {is_open()}"),
            {"id": account_id},
        ).scalar_one()
    )


def update_image(session: Session, image_id: int, values: Mapping[str, Any]) -> None:
    """Write what is not None of ``EDITED``."""
    edit_row(session, Image, image_id, EDITED, values)
    _tell_disk(session, image_id)


_TELL_DISK = Prepared(
    "tell_disk_of_image",
    "INSERT INTO change (account_id, kind, object_id, event)"
    " SELECT account_id, 'disk', id, 'change' FROM disk WHERE image_id = :id",
)


def _tell_disk(session: Session, image_id: int) -> None:
    """What is shown of an entry is shown of the disk that it is, if it is one."""
    _TELL_DISK.post(session, id=image_id)


# A disk stands on an image by any of its volumes: with a snapshot of it, by that alone.
_USERS = text(
    """
WITH made AS (
    SELECT u.id FROM image i JOIN volume u ON u.backing_id = i.volume_id WHERE i.id = :id
    UNION ALL
    SELECT u.id FROM cached_image c JOIN volume u ON u.backing_id = c.volume_id WHERE c.image_id = :id
), disks AS (
    SELECT k.id FROM made m JOIN disk k ON k.volume_id = m.id
    UNION
    SELECT s.disk_id FROM made m JOIN snapshot s ON s.volume_id = m.id
    UNION
    SELECT s.disk_id FROM made m JOIN snapshot s ON s.spare_id = m.id
    UNION
    SELECT k.id FROM disk k WHERE k.image_id = :id
)
SELECT DISTINCT a.vm_id FROM disks d JOIN attachment a ON a.disk_id = d.id ORDER BY 1
"""
)


def users_of(session: Session, image_id: int) -> Sequence[int]:
    """Live VMs that need an image's volume: disks and snapshots that stand on it, copies not finished, attachments."""
    return list(session.scalars(_USERS, {"id": image_id}))


def set_state(session: Session, image_id: int, state: ImageState, error: str = "") -> None:
    session.execute(
        text("UPDATE image SET state = :state, error = :error, version = version + 1 WHERE id = :id"),
        {"id": image_id, "state": state, "error": error},
    )
    if state is ImageState.OK:
        session.execute(
            text("UPDATE volume SET made = true WHERE id = (SELECT volume_id FROM image WHERE id = :id)"),
            {"id": image_id},
        )
    _tell_disk(session, image_id)


def set_progress(session: Session, image_id: int, percent: int) -> None:
    session.execute(
        text("UPDATE image SET progress = greatest(progress, :percent) WHERE id = :id"),
        {"id": image_id, "percent": percent},
    )


_FAILED = text(
    """
SELECT i.id, i.account_id FROM image i JOIN volume u ON u.id = i.volume_id
 WHERE i.state = 'failed' AND i.deleted_at IS NULL AND u.claimed_bytes = 0
   AND NOT EXISTS (SELECT 1 FROM operation_object h WHERE h.kind = 'image' AND h.object_id = i.id)
   AND NOT EXISTS (SELECT 1 FROM operation o WHERE o.finished_at > now() - make_interval(secs => :seconds)
                    AND CAST(o.objects->'image'->>0 AS bigint) = i.id)
 ORDER BY i.id LIMIT 1000 FOR UPDATE OF i SKIP LOCKED
"""
)


def long_failed(session: Session, seconds: float) -> Sequence[tuple[int, int]]:
    """Images, with their owners, that failed so long ago, hold nothing, and that nobody tries again; locked."""
    return [(row.id, row.account_id) for row in session.execute(_FAILED, {"seconds": seconds})]
