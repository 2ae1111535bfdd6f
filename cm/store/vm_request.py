"""
What a new VM is made by and from, what its account and storage have left, and which nodes there are: all that is looked
at before anything is decided, in one statement. Each of them in its own took a third of what a create takes of the
database, and a round trip.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from sqlalchemy.orm import Session

from cm.rpc.errors import ObjectNotFound
from cm.runtime.prepared import Prepared
from cm.store.booking import Booking
from cm.store.claim import QUOTA, ROOM, check_quota, check_room
from cm.store.image import USABLE, UsableImage, usable
from cm.store.node_load import NodeLines, lines_in, lines_of
from cm.store.template import Size

_LOOK = Prepared(
    "look_for_vm",
    f"""
WITH u AS ({USABLE.format(more=f", {ROOM} AS room")})
SELECT {", ".join(f"t.{name} AS template_{name}" for name in Size._fields)}, u.*, a.*,
       (SELECT id FROM network WHERE account_id = :account_id AND is_default AND deleted_at IS NULL) AS network_id,
       EXISTS (SELECT 1 FROM address_pool WHERE kind = 'vxlan' AND NOT locked AND deleted_at IS NULL)
       AND EXISTS (SELECT 1 FROM node WHERE makes_links AND deleted_at IS NULL) AS has_pools,
       l.nodes, l.attached, l.own
  FROM (SELECT 1) AS one
  LEFT JOIN (SELECT {QUOTA} FROM account WHERE id = :account_id) AS a ON true
  LEFT JOIN template t ON t.id = :template_id AND t.deleted_at IS NULL
  LEFT JOIN u ON true
  CROSS JOIN LATERAL ({lines_of("ARRAY[u.storage_id]", "CAST(NULL AS bigint)")}) AS l
""",
)
_SIZE: Final = len(Size._fields)
_IMAGE: Final = len(UsableImage._fields)


class Requested(NamedTuple):
    """
    :ivar size: None: there is no such template.
    :ivar image: None: there is no such image. Neither it nor its storage can be deleted until the transaction ends.
    :ivar lines: all nodes, as they are to who asks for the image's storage alone.
    """

    size: Size | None
    image: UsableImage | None
    lines: NodeLines
    found: Any

    def refuse(self, booking: Booking) -> None:
        """
        Look whether what it would hold can be booked as far as account and storage go, without a lock.

        :raises QuotaReached: naming the first resource that would go over.
        :raises OwnerBlocked: ObjectNotFound: StorageFull: likewise.
        """
        check_quota(booking.account_id, self.found if self.found.active is not None else None, booking.quota)
        for storage_id, size in booking.storages.items():
            if self.image is None or storage_id != self.image.storage_id:
                raise ObjectNotFound("storage", storage_id)
            check_room(storage_id, self.found.room, size)


def look_up(session: Session, account_id: int, template_id: int, image_id: int) -> Requested:
    found = _LOOK(session, account_id=account_id, template_id=template_id, image_id=image_id).one()
    size = None if found.template_id is None else Size(*found[:_SIZE])
    image = None if found.storage_id is None else usable(found[_SIZE : _SIZE + _IMAGE])
    return Requested(size, image, lines_in(found), found)
