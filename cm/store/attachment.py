"""What is attached to VMs of images: storage images, each to one VM at a time, and ISOs."""

from __future__ import annotations

from sqlalchemy.orm import Session

from cm.runtime.prepared import Prepared

_WRITER = Prepared("writer_of_image", "SELECT vm_id FROM image_attachment WHERE image_id = :id AND NOT read_only")
_ATTACH = Prepared(
    "attach_image",
    "INSERT INTO image_attachment (vm_id, image_id, device, read_only) VALUES (:vm_id, :image_id, :device, :read_only)",
)


def writer_of(session: Session, image_id: int) -> int | None:
    """The VM that may write to an image."""
    vm_id: int | None = _WRITER(session, id=image_id).scalar()
    return vm_id


def attach_image(session: Session, vm_id: int, image_id: int, device: str, *, read_only: bool) -> None:
    """:param device: its name in the guest, ``vdb``."""
    _ATTACH(session, vm_id=vm_id, image_id=image_id, device=device, read_only=read_only)
