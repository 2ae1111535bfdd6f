"""What anybody may know of the cloud."""

from __future__ import annotations

from datetime import UTC, datetime

from clm.results.cloud import CloudInfo
from clm.services.context import CloudCall
from cm.rpc.view import guest_view
from cm.runtime.program import release


@guest_view
def get_info(caller: CloudCall) -> CloudInfo:
    """The cloud's name, its version and clock, whether one may register, and whom to ask."""
    policy = caller.policy
    return {
        "name": policy.name,
        "version": release(),
        "time": datetime.now(UTC),
        "registration": "open" if policy.registration else "closed",
        "mailer_active": bool(policy.mail_from),
        "contact_email": policy.contact_email,
        "oidc": sorted(policy.oidc),
    }
