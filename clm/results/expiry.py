"""VMs that a mailed link renews."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from cm.rpc.fields import Named, Time


class RenewableEnd(TypedDict):
    """What will become of it."""

    end: Literal["suspend", "delete"]
    at: Annotated[Time, Meta(description="When its interval is over.")]


class RenewableVM(TypedDict):
    """A VM as whoever has a link to renew it is told of it."""

    cluster: Named
    vm: Named
    expiry: Annotated[str, Meta(examples=["lab"], description="The lease's name; empty without one.")]
    ends: Annotated[list[RenewableEnd], Meta(description="In the order in which they come.")]
