"""The caller's own account."""

from __future__ import annotations

from clm.results.user import Profile
from clm.services import password as passwords
from clm.services import profile
from clm.services.context import AsyncCloudCall, CloudCall
from clm.views.types import Email, PersonName
from cm.rpc.types import Id, Secret
from cm.rpc.view import user_view


@user_view
def get(caller: CloudCall) -> Profile:
    """The caller's account with roles, permissions, the clusters they administer, and where EC2 clients connect to."""
    return profile.show(caller)


@user_view(changing=True)
def edit(
    caller: CloudCall,
    first_name: PersonName | None = None,
    last_name: PersonName | None = None,
    organization: PersonName | None = None,
    email: Email | None = None,
    default_cluster_id: Id | None = None,
) -> Profile:
    """Change the caller's account; what is not given stays. A new address is mailed a token for guest.user.activate."""
    values = {
        "first_name": first_name,
        "last_name": last_name,
        "organization": organization,
        "email": email,
        "default_cluster_id": default_cluster_id,
    }
    return profile.edit(caller, values)


@user_view(changing=True)
async def set_password(caller: AsyncCloudCall, old_password: Secret, new_password: Secret) -> None:
    """Change the caller's password; their other sessions end, this one goes on."""
    await passwords.change_own(caller, old_password, new_password)
