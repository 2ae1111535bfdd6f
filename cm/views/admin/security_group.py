"""Security groups of all accounts."""

from __future__ import annotations

from cm.results.security_group import SecurityGroup
from cm.rpc.types import Id
from cm.rpc.view import admin_view
from cm.services.context import ClusterCall
from cm.store.security_group import get_security_group, list_security_groups


@admin_view
def get_list(caller: ClusterCall, user_id: Id | None = None) -> list[SecurityGroup]:
    """All groups with their rules, or an account's, by account and name."""
    return list(list_security_groups(caller.session, user_id))


@admin_view
def get_by_id(caller: ClusterCall, security_group_id: Id) -> SecurityGroup:
    """One group."""
    return get_security_group(caller.session, security_group_id, account_id=None)
