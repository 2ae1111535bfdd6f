"""What people see and change of their own account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clm.results.user import Profile
from clm.services.account import record_user, user_changed
from clm.services.context import CloudCall, CloudIdentity
from clm.services.registration import ask_new_email
from clm.services.user import check_cluster
from clm.store.user import get_user, live_clusters, touch_clusters, update_user
from cm.rpc.errors import NameTaken
from cm.runtime.taken import refused_by


def show(caller: CloudCall) -> Profile:
    """The caller's account, what they may do, and where EC2 clients find their clusters."""
    identity = caller.identity
    user = get_user(caller.session, caller.user_id)
    clusters = live_clusters(caller.session)
    administers = identity.administers if isinstance(identity, CloudIdentity) else frozenset()
    permissions = identity.permissions if isinstance(identity, CloudIdentity) else frozenset()
    pattern = caller.policy.ec2_url
    return {
        **user,
        "roles": sorted(identity.roles),
        "permissions": sorted(permissions),
        "administers": [{"cluster_id": id, "name": name} for id, name in clusters.items() if id in administers],
        "default_cluster": clusters.get(user["default_cluster_id"] or 0),
        "ec2_endpoints": [
            {"cluster": name, "url": pattern.replace("{cluster}", name)} for name in clusters.values() if pattern
        ],
    }


def edit(caller: CloudCall, values: dict[str, Any]) -> Profile:
    """
    Change what is not None. With a mailer a new address is taken over once it has been confirmed; whether somebody
    else has it is then not told.

    :raises NameTaken: the address is somebody else's, and there is no mailer.
    :raises ObjectNotFound: there is no such cluster.
    """
    session = caller.session
    was = get_user(session, caller.user_id, lock=True, version=caller.if_version)
    check_cluster(session, values.get("default_cluster_id"))
    before: Mapping[str, Any] = was
    changes = {name: value for name, value in values.items() if value is not None and value != before[name]}
    if changes.get("email") and caller.policy.mail_from:
        ask_new_email(session, caller.policy, caller.user_id, was["login"], changes.pop("email"))
    with refused_by(session, {"uq_user_email": NameTaken("email", str(changes.get("email")))}):
        update_user(session, caller.user_id, changes)
    if changes.keys() & {"first_name", "last_name"}:
        touch_clusters(session, caller.user_id)
    if changes:
        user_changed(session, caller.user_id)
        record_user(session, caller.user_id)
    caller.note("edit account", **changes)
    return show(caller)
