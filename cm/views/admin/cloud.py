"""What a cloud manager keeps in step here: its people's accounts, and its groups."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cm.results.account import AppliedUsers, CloudAccount, DroppedGroups
from cm.rpc.types import ID_MAX, IdList, Limit, Login, matching
from cm.rpc.view import admin_view
from cm.services import cloud
from cm.services.context import ClusterCall
from cm.store.account import QUOTAS, list_external
from cm.views.admin.user import FullName, Quota

ExternalId = Annotated[
    str,
    Meta(
        pattern=matching(r"[1-9][0-9]{0,17}", "it must be a whole number as text"),
        description="The cloud manager's number of the account, as text.",
        examples=["7"],
    ),
]


QuotaName = Literal["quota_cpu", "quota_memory_mib", "quota_storage_mib", "quota_vms", "quota_networks"]


class CloudUser(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """
    A cloud manager's record of one of its people. A quota that is null: the cluster's default for a new account, what
    it has for another; one that is named in ``defaults``: the cluster's default for either.
    """

    external_id: ExternalId
    login: Login
    name: FullName = ""
    active: bool = True
    version: Annotated[int, Meta(ge=0, le=ID_MAX, description="Grows with each change of the record.")]
    quota_cpu: Quota | None = None
    quota_memory_mib: Quota | None = None
    quota_storage_mib: Quota | None = None
    quota_vms: Quota | None = None
    quota_networks: Quota | None = None
    defaults: Annotated[list[QuotaName], Meta(max_length=5)] = []


@admin_view(changing=True)
def put_users(caller: ClusterCall, users: Annotated[list[CloudUser], Meta(max_length=500)]) -> AppliedUsers:
    """
    Make accounts of the calling cloud manager as these records say: added, changed, blocked. All of them or none.

    A record of a lower version than the one in force is left alone and its ``external_id`` named in ``stale``; one of
    the same version is written again, which repairs what was changed here. A quota that is null stays as it is, or is
    the cluster's default again where ``defaults`` names it. Who is blocked is refused at once, by tokens that were
    signed before too.
    """
    return cloud.put_users(
        caller,
        [
            cloud.CloudRecord(
                external_id=user.external_id,
                login=user.login,
                name=user.name,
                active=user.active,
                version=user.version,
                quotas={quota: getattr(user, quota) for quota in QUOTAS},
                defaults=frozenset(user.defaults),
            )
            for user in users
        ],
    )


@admin_view
def get_users(caller: ClusterCall, after: ExternalId | None = None, limit: Limit = 1000) -> list[CloudAccount]:
    """
    The calling cloud manager's accounts as they are here, by the number of ``external_id``; ``version`` is that of its
    record which was last taken over, 0 for an account that its owner's first call made.

    A local administrator may have changed quotas or activity meanwhile: this shows it, and ``put_users`` repairs it.

    :param after: the last ``external_id`` of the page before.
    """
    return list(list_external(caller.session, cloud.issuer_of(caller), after=int(after or 0), limit=limit))


@admin_view(changing=True)
def drop_groups(caller: ClusterCall, group_ids: IdList) -> DroppedGroups:
    """
    Groups of the calling cloud manager are no more: what they were granted here ends.

    :return: how many objects that concerned.
    """
    return {"objects": cloud.end_groups(caller, group_ids)}
