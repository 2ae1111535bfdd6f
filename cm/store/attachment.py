"""What is attached to VMs of images: storage images, each to one VM at a time, and ISOs."""

from __future__ import annotations

from sqlalchemy.orm import Session

from cm.rpc.errors import InUse
from cm.runtime.prepared import Prepared

_WRITER = Prepared("writer_of_image", "SELECT vm_id FROM image_attachment WHERE image_id = :id AND NOT read_only")
# Whoever is faster has it: two creates look at the same free image, and the one that comes later waits here.
_ATTACH = Prepared(
    "attach_image",
    "INSERT INTO image_attachment (vm_id, image_id, device, read_only) VALUES (:vm_id, :image_id, :device, :read_only)"
    " ON CONFLICT DO NOTHING",
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
