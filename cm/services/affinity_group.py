"""
Use cases of affinity groups: VMs of an account that are to run on one node, or each on another. They say where a VM
starts and moves to; none that runs is moved for them.
"""

from __future__ import annotations

from typing import Final

from cm.results.affinity_group import AffinityGroup
from cm.rpc.errors import InUse, NameTaken, QuotaReached, WrongVMState
from cm.rpc.vocabulary import Affinity
from cm.rules.vm import vms
from cm.runtime.taken import refused_by
from cm.services.access import authorized_vm, person_of
from cm.services.context import ClusterCall
from cm.store.affinity_group import (
    close_affinity_group,
    count_affinity_groups,
    edit_affinity_group,
    get_affinity_group,
    insert_affinity_group,
    put_into,
)
from cm.store.vm import render_vm

AFFINITY_GROUPS_MAX: Final = 50  # of an account


def create(caller: ClusterCall, name: str, affinity: Affinity, strict: bool) -> AffinityGroup:
    """
    :raises NameTaken: the account has one of the name.
    :raises QuotaReached: it has as many as it may.
    """
    session, account_id = caller.session, caller.account_id
    used = count_affinity_groups(session, account_id)
    if used >= AFFINITY_GROUPS_MAX:
        raise QuotaReached("affinity groups", AFFINITY_GROUPS_MAX, used, 1)
    with refused_by(session, {"uq_affinity_group_name": NameTaken("affinity_group", name)}):
        group_id = insert_affinity_group(session, account_id, name, affinity, strict)
    caller.note("create affinity group", name=name, affinity=affinity, strict=strict)
    return get_affinity_group(session, group_id, account_id=account_id)


def edit(
    caller: ClusterCall, group_id: int, name: str | None, strict: bool | None, account_id: int | None
) -> AffinityGroup:
    """
    Change what is not None.

    :param account_id: whose it has to be; None: anybody's.
    :raises NameTaken: the account has one of the name.
    """
    session = caller.session
    get_affinity_group(session, group_id, account_id=account_id, lock=True, version=caller.if_version)
    with refused_by(session, {"uq_affinity_group_name": NameTaken("affinity_group", name or "")}):
        edit_affinity_group(session, group_id, name, strict)
    caller.note("edit affinity group", affinity_group_id=group_id, name=name, strict=strict)
    return get_affinity_group(session, group_id, account_id=account_id)


def delete(caller: ClusterCall, group_id: int) -> None:
    """
    :raises InUse: VMs are in it.
    """
    session = caller.session
    version = caller.if_version
    found = get_affinity_group(session, group_id, account_id=caller.account_id, lock=True, version=version)
    if found["vm_ids"]:
        raise InUse("affinity_group", group_id, vms(found["vm_ids"]))
    close_affinity_group(session, group_id)
    caller.note("delete affinity group", affinity_group_id=group_id)


def put(caller: ClusterCall, vm_id: int, group_id: int | None) -> str:
    """
    Put a VM into a group of its owner's, and out of the one that it was in.

    :param group_id: None: into none.
    :return: the VM's summary.
    :raises ObjectNotFound: its owner has no such group.
    """
    session = caller.session
    who = person_of(caller.identity)
    row = authorized_vm(session, who, vm_id, caller.action("vm_id"), lock=True, version=caller.if_version)
    if row.closed_at is not None:
        raise WrongVMState(vm_id, row.state, "a VM that is not destroyed")
    if group_id is not None:
        get_affinity_group(session, group_id, account_id=row.account_id, lock=True)
    put_into(session, vm_id, group_id)
    caller.note("put into affinity group", vm_id=vm_id, affinity_group_id=group_id)
    return render_vm(session, vm_id)
