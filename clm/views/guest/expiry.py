"""
Renewing a VM by the link that its owner was mailed, without a login. It is good for three days, for one VM, and once;
what only looks at links, as some mailers' programs do, renews nothing.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from clm.results.expiry import RenewableVM
from clm.services import expiry as service
from clm.services.context import AsyncCloudCall
from cm.rpc.types import matching
from cm.rpc.view import guest_view

RenewalToken = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=400,
        pattern=matching(r"[A-Za-z0-9_-]+", "it is not a token as it was mailed"),
        description="As it was mailed.",
    ),
]


@guest_view
async def get(caller: AsyncCloudCall, token: RenewalToken) -> RenewableVM:
    """What will become of the VM that a mailed link is for, unless it is renewed."""
    return await service.look(caller, token)


@guest_view(changing=True)
async def renew(caller: AsyncCloudCall, token: RenewalToken) -> RenewableVM:
    """Have both intervals of the VM begin anew that a mailed link is for. A repeat gets the first answer."""
    return await service.renew(caller, token)
