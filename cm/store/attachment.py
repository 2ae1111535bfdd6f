"""What is attached to VMs beside their own disks: storage images, each to one VM at a time, and ISOs."""

from __future__ import annotations

from sqlalchemy.orm import Session

from cm.rpc.errors import InUse
from cm.runtime.prepared import Prepared

_WRITER = Prepared(
    "writer_of_image",
    "SELECT a.vm_id FROM attachment a JOIN disk k ON k.id = a.disk_id WHERE k.image_id = :id AND NOT a.read_only",
)
# Whoever is faster has it: two creates look at the same free image, and the one that comes later waits here.
_ATTACH = Prepared(
    "attach_image",
    """
INSERT INTO attachment (vm_id, number, disk_id, device, bus, read_only, cdrom)
SELECT CAST(:vm_id AS bigint), (SELECT coalesce(max(number), 0) + 1 FROM attachment WHERE vm_id = :vm_id), k.id,
       CAST(:device AS text),
       CASE WHEN i.kind = 'iso' THEN 'sata' ELSE 'virtio' END, CAST(:read_only AS boolean) OR i.kind = 'iso',
       i.kind = 'iso'
  FROM disk k JOIN image i ON i.id = k.image_id WHERE k.image_id = :image_id
    ON CONFLICT DO NOTHING
""",
)


def attach_image(session: Session, vm_id: int, image_id: int, device: str, *, read_only: bool) -> None:
    """
    :param device: its name in the guest, ``vdb``.
    :raises InUse: another VM may write to it, or this one has it already.
    """
    if _ATTACH(session, vm_id=vm_id, image_id=image_id, device=device, read_only=read_only).rowcount:
        return
    writer = _WRITER(session, id=image_id).scalar()
    raise InUse("image", image_id, f"VM {writer or vm_id}")
