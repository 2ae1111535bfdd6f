"""Use cases of VM profiles: a size and a VM template under one name. Any size goes with any template."""

from __future__ import annotations

from typing import Any, Final

from cm.results.vm_profile import VMProfile
from cm.rpc.errors import NameTaken, QuotaReached
from cm.rules.access import Action
from cm.runtime.taken import refused_by
from cm.services.access import authorized_vm_template, person_of
from cm.services.context import ClusterCall
from cm.store.template import get_template
from cm.store.vm_profile import (
    close_vm_profile,
    count_vm_profiles,
    get_vm_profile,
    insert_vm_profile,
    update_vm_profile,
)

VM_PROFILES_MAX: Final = 200  # of an account


def create(caller: ClusterCall, values: dict[str, Any]) -> VMProfile:
    """
    :raises ObjectNotFound: AccessNeeded: the caller may not make VMs by the template; or there is no such size.
    :raises NameTaken: the account has one of the name.
    :raises QuotaReached: it has as many as it may.
    """
    session, account_id = caller.session, caller.account_id
    _check(caller, values)
    used = count_vm_profiles(session, account_id)
    if used >= VM_PROFILES_MAX:
        raise QuotaReached("VM profiles", VM_PROFILES_MAX, used, 1)
    with refused_by(session, {"uq_vm_profile_name": NameTaken("vm_profile", values["name"])}):
        profile_id = insert_vm_profile(session, account_id, values)
    caller.note("create VM profile", vm_profile_id=profile_id, **values)
    return get_vm_profile(session, profile_id, account_id)


def edit(caller: ClusterCall, profile_id: int, values: dict[str, Any]) -> VMProfile:
    """
    Change what is not None.

    :raises ObjectNotFound: AccessNeeded: NameTaken: as ``create``; or it is not the caller's.
    """
    session, account_id = caller.session, caller.account_id
    get_vm_profile(session, profile_id, account_id, lock=True, version=caller.if_version)
    _check(caller, values)
    with refused_by(session, {"uq_vm_profile_name": NameTaken("vm_profile", values["name"] or "")}):
        update_vm_profile(session, profile_id, values)
    caller.note("edit VM profile", vm_profile_id=profile_id)
    return get_vm_profile(session, profile_id, account_id)


def delete(caller: ClusterCall, profile_id: int) -> None:
    get_vm_profile(caller.session, profile_id, caller.account_id, lock=True, version=caller.if_version)
    close_vm_profile(caller.session, profile_id)
    caller.note("delete VM profile", vm_profile_id=profile_id)


def _check(caller: ClusterCall, values: dict[str, Any]) -> None:
    """The template stays until the transaction ends."""
    session = caller.session
    if values["vm_template_id"] is not None:
        authorized_vm_template(session, person_of(caller.identity), values["vm_template_id"], Action.USE, lock=True)
    if values["template_id"] is not None:
        get_template(session, values["template_id"])
