"""From what the database knows of a user to who they are as a caller."""

from __future__ import annotations

from typing import Any

from clm.services.context import CloudIdentity, CloudPolicy
from clm.store.identity import UserFacts
from cm.rpc.caller import Source
from cm.rpc.vocabulary import Role


def identity_of(facts: UserFacts, policy: CloudPolicy, source: Source = "local", **more: Any) -> CloudIdentity:
    """
    :param more: ``scope``, ``session_id``, ``api_key_id``.
    """
    roles = {Role.USER}
    if facts.administers:
        roles.add(Role.ADMIN)
    if facts.is_cloud_admin:
        roles.add(Role.CLOUD)
    granted = policy.permissions if facts.permissions is None else facts.permissions
    return CloudIdentity(
        facts.id,
        facts.login,
        frozenset(roles),
        facts.groups,
        source=source,
        permissions=frozenset(granted),
        administers=frozenset(facts.administers),
        default_cluster_id=facts.default_cluster_id,
        version=facts.version,
        **more,
    )
