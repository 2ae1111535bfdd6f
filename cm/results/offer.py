"""What may be asked of objects as they are now, and why not the rest."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

from msgspec import Meta

from cm.rpc.fields import Map, Number, Prose
from cm.rules.operation import OperationKind


class Reason(TypedDict):
    """Why something is not to be had now: the error that asking for it would give."""

    slug: Annotated[str, Meta(examples=["vm_wrong_state"])]
    message: Prose
    fields: Annotated[Map, Meta(description="The error's own, by its slug.")]


class Offer(TypedDict):
    """A call about an object, and whether it would be taken as things are."""

    call: Annotated[str, Meta(examples=["user.vm.start"])]
    kind: Annotated[OperationKind | None, Meta(description="The operation that it opens; null: it is done at once.")]
    allowed: bool
    reason: Annotated[Reason | None, Meta(description="Why not.")]


class _Offers(TypedDict):
    status: Annotated[str, Meta(examples=["ok"], description='"ok", or an error\'s slug.')]
    operations: NotRequired[list[Offer]]
    message: NotRequired[Prose]
    fields: NotRequired[Annotated[Map, Meta(description="The error's own, by its slug.")]]


class VMOffers(_Offers):
    """What may be asked of one VM of a list, or an error that concerns this VM alone."""

    vm_id: Number


class DiskOffers(_Offers):
    """What may be asked of one disk of a list, or an error that concerns this disk alone."""

    disk_id: Number


class SnapshotOffers(_Offers):
    """What may be asked of one snapshot of a list, or an error that concerns this snapshot alone."""

    snapshot_id: Number


class ImageOffers(_Offers):
    """What may be asked of one image of a list, or an error that concerns this image alone."""

    image_id: Number
