"""``admin.instance.*``: everybody's VMs as CIRCLE has them, with what is for its superusers alone."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cm.results.instance import Activity, AvailableOperations, Instance, InstanceDetail, InstanceOutcome
from cm.rpc.types import Id, IdList, Limit
from cm.rpc.view import admin_view
from cm.rpc.vocabulary import PAGE_MAX, InstanceOperation
from cm.services import instance as service
from cm.services import migrating
from cm.services.context import ClusterCall
from cm.views.user.instance import Page

Priority = Annotated[int, Meta(ge=2, le=10_000, description="CPU shares, of which domains have 1024 by default.")]


@admin_view
def get_list(
    caller: ClusterCall,
    user_id: Id | None = None,
    node_id: Id | None = None,
    everything: bool = False,
    limit: Limit = PAGE_MAX,
    before: Id | None = None,
) -> list[Instance]:
    """
    Instances, newest first.

    :param user_id: of one user; ``node_id`` of one node.
    :param everything: also those that are destroyed.
    :param before: the last ``vm_id`` of the page before.
    """
    return service.list_all(
        caller, account_id=user_id, node_id=node_id, everything=everything, limit=limit, before=before
    )


@admin_view
def get_by_id(caller: ClusterCall, vm_id: Id) -> InstanceDetail:
    """All of one instance, also of a destroyed one."""
    return service.detail(caller, vm_id, administrator=True)


@admin_view
def get_activities(caller: ClusterCall, vm_id: Id, limit: Page = 50, before: Id | None = None) -> list[Activity]:
    """What was done to an instance, newest first, with nodes and what is for administrators alone."""
    return service.activities(caller, vm_id, limit=limit, before=before, administrator=True)


@admin_view
def get_operations(caller: ClusterCall, vm_ids: IdList) -> list[AvailableOperations]:
    """What may be asked of instances as they are now, as their owners are told, and of administrators' own."""
    return service.available(caller, vm_ids, administrator=True)


@admin_view(changing=True)
def deploy(caller: ClusterCall, vm_ids: IdList) -> list[InstanceOutcome]:
    """Start instances, as ``user.instance.deploy``."""
    return service.operate(caller, vm_ids, InstanceOperation.DEPLOY, administrator=True)


@admin_view(changing=True)
def shut_off(caller: ClusterCall, vm_ids: IdList) -> list[InstanceOutcome]:
    """Cut the power of instances, as ``user.instance.shut_off``."""
    return service.operate(caller, vm_ids, InstanceOperation.SHUT_OFF, administrator=True)


@admin_view(changing=True)
def sleep(caller: ClusterCall, vm_ids: IdList) -> list[InstanceOutcome]:
    """Suspend instances, as ``user.instance.sleep``; their accounts pay for the room."""
    return service.operate(caller, vm_ids, InstanceOperation.SLEEP, administrator=True)


@admin_view(changing=True)
def wake_up(caller: ClusterCall, vm_ids: IdList) -> list[InstanceOutcome]:
    """Have suspended instances go on, as ``user.instance.wake_up``."""
    return service.operate(caller, vm_ids, InstanceOperation.WAKE_UP, administrator=True)


@admin_view(changing=True)
def destroy(caller: ClusterCall, vm_ids: IdList) -> list[InstanceOutcome]:
    """Destroy instances, as ``user.instance.destroy``, be they guarded."""
    return service.operate(caller, vm_ids, InstanceOperation.DESTROY, administrator=True)


@admin_view(changing=True)
def recover(caller: ClusterCall, vm_ids: IdList) -> list[InstanceOutcome]:
    """Have destroyed instances back that are not gone for good, as ``user.instance.recover``."""
    return service.recover(caller, vm_ids, administrator=True)


@admin_view(changing=True)
def migrate(caller: ClusterCall, vm_id: Id, node_id: Id | None = None, live_migration: bool = True) -> Activity:
    """
    Move a running instance to another node, as ``admin.vm.migrate``.

    :param node_id: where to; without it placement chooses.
    :param live_migration: false: its power is cut, and it is started there.
    """
    work = migrating.migrate(caller, vm_id, node_id, live_migration, migrating.How(None, None, None))
    return service.opened(caller, work["operation_id"])


@admin_view(changing=True)
def edit(caller: ClusterCall, vm_id: Id, priority: Priority) -> InstanceDetail:
    """
    Change an instance.

    :param priority: how much its CPUs count among others' of its node, from its next start on.
    """
    return service.tune(caller, vm_id, priority)
