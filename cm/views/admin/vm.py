"""Everybody's VMs."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cm.results.node import MovingVM
from cm.results.operation import OperationNumber
from cm.results.series import MeasuredVM, VMLoad
from cm.results.vm import VM, ErasedVM, RawData, VMDetail, VMOutcome, VMWork
from cm.rpc.caller import RawList, RawObject
from cm.rpc.types import Id, IdList, Limit, Name, Traits
from cm.rpc.view import admin_view
from cm.rules.operation import OperationKind
from cm.services import adopting, migrating, raw_data, release, vm_policy, vm_size
from cm.services import vm as service
from cm.services.context import AsyncClusterCall, ClusterCall
from cm.services.series import vm_loads, vm_statistics
from cm.services.suspension import claim_memory
from cm.services.trash import recover_all
from cm.store import vm as store
from cm.views.admin.domain import HostAccess
from cm.views.user.vm import MaxCpu, MaxMemory, Moment, Resolution, VMMetrics

Rate = Annotated[int, Meta(ge=0, le=2**20, description="MiB in a second.")]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
RawXml = Annotated[str, Meta(max_length=65_536, description="libvirt's XML.")]
Uuid = Annotated[str, Meta(min_length=32, max_length=36)]


@admin_view(prompt=True)
def get_list(
    caller: ClusterCall,
    user_id: Id | None = None,
    node_id: Id | None = None,
    limit: Limit = 1000,
    before: Id | None = None,
    closed: bool = False,
) -> RawList[VM]:
    """
    VMs, newest first; destroyed ones only if ``closed``.

    :param user_id: of one user; ``node_id`` of one node.
    :param before: the last ``vm_id`` of the page before.
    """
    found = store.list_text(
        caller.session, account_id=user_id, node_id=node_id, limit=limit, before=before, closed=closed
    )
    return RawList(found)


@admin_view(prompt=True)
def get_by_id(caller: ClusterCall, vm_id: Id) -> RawObject[VMDetail]:
    """Everything about one VM, also a destroyed one."""
    return RawObject(service.detail(caller, vm_id, administrator=True))


def _change(caller: ClusterCall, vm_id: int, kind: OperationKind) -> VMWork:
    return service.change_state(caller, vm_id, kind, administrator=True)


@admin_view(changing=True)
def destroy(caller: ClusterCall, vm_ids: IdList) -> list[VMOutcome]:
    """Destroy VMs: cut their power and delete their disks."""
    return service.for_each(caller, vm_ids, lambda vm_id: _change(caller, vm_id, OperationKind.VM_DESTROY))


@admin_view(changing=True)
def trash(caller: ClusterCall, vm_ids: IdList) -> list[VMOutcome]:
    """Put VMs into the trash, as ``user.vm.trash``."""
    return service.for_each(caller, vm_ids, lambda vm_id: _change(caller, vm_id, OperationKind.VM_TRASH))


@admin_view(changing=True)
def recover(caller: ClusterCall, vm_ids: IdList) -> list[VMOutcome]:
    """Take VMs out of the trash again, as ``user.vm.recover``."""
    return recover_all(caller, vm_ids, administrator=True)


@admin_view(changing=True)
def start(caller: ClusterCall, vm_id: Id) -> VMWork:
    """Start a stopped VM, on any node that reaches its disks."""
    return _change(caller, vm_id, OperationKind.VM_START)


@admin_view(changing=True)
def stop(caller: ClusterCall, vm_id: Id) -> VMWork:
    """Cut a VM's power; its disk, address and quota stay."""
    return _change(caller, vm_id, OperationKind.VM_STOP)


@admin_view(changing=True)
def resize(
    caller: ClusterCall,
    vm_id: Id,
    template_id: Id,
    max_cpu: MaxCpu | None = None,
    max_memory_mib: MaxMemory | None = None,
) -> RawObject[VM]:
    """Give a VM another size, as ``user.vm.resize``; its account's quota counts it."""
    return RawObject(vm_size.resize(caller, vm_id, template_id, max_cpu, max_memory_mib, administrator=True))


@admin_view
def get_raw_data(caller: ClusterCall, vm_id: Id) -> RawData:
    """What an administrator has put into the definition of a VM's domain."""
    return raw_data.shown(caller, vm_id)


@admin_view(changing=True)
def set_raw_data(caller: ClusterCall, vm_id: Id, xml: RawXml, host_access: HostAccess = False) -> RawObject[VM]:
    """
    Put something into the definition of a VM's domain beside what is written by itself, from its next start on. Its
    owner is told that there is something (``raw_data`` of ``user.vm.get_by_id``).

    :param xml: a ``<domain>`` with the elements that are added, 64 KiB at the most; devices are added to the VM's,
        other elements replace those that are there. What calls say of a VM is not for it to say: name, memory, CPUs,
        disks, network cards, screens. "": nothing any more.
    """
    return RawObject(raw_data.put(caller, vm_id, xml, host_access))


@admin_view(changing=True)
def suspend(caller: ClusterCall, vm_id: Id) -> VMWork:
    """Suspend a running VM, as ``user.vm.suspend``; its account pays for the room."""
    return service.change_state(caller, vm_id, OperationKind.VM_SUSPEND, administrator=True, before=claim_memory)


@admin_view(changing=True)
def wake_up(caller: ClusterCall, vm_id: Id) -> VMWork:
    """Have a suspended VM go on, on any node that it can go on on."""
    return _change(caller, vm_id, OperationKind.VM_WAKE_UP)


@admin_view(changing=True)
def migrate(
    caller: ClusterCall,
    vm_id: Id,
    node_id: Id | None = None,
    live: bool = True,
    limit_mib_s: Rate | None = None,
    post_copy: bool | None = None,
    timeout_s: Seconds | None = None,
) -> MovingVM:
    """
    Move a running VM to another node while its guest goes on; its disks have to be on storages that both nodes have.

    Its place is claimed, and what is known to be in its way is told, before anything is done. Should it fail on its
    way, the VM runs on where it was.

    :param node_id: where to; without it placement chooses.
    :param live: false: its power is cut, and it is started there.
    :param limit_mib_s: MiB of its memory that are sent in a second; 0: as fast as it goes; without it, by the cluster's
        settings.
    :param post_copy: whether a guest that writes faster than that goes on there before all has come; likewise.
    :param timeout_s: seconds until it stays, or goes on there all the same; likewise.
    """
    return migrating.migrate(caller, vm_id, node_id, live, migrating.How(limit_mib_s, post_copy, timeout_s))


@admin_view(changing=True)
def set_traits(caller: ClusterCall, vm_id: Id, traits: Traits) -> RawObject[VM]:
    """
    Say what a node must have that a VM starts on, or moves to, in place of what its size asked for; where it runs now
    it runs on.
    """
    return RawObject(vm_policy.set_traits(caller, vm_id, traits))


@admin_view(changing=True)
def abort_migration(caller: ClusterCall, vm_id: Id) -> OperationNumber:
    """
    Have a VM stay on its node that is on its way to another while it runs. Its operation ends as failed once both nodes
    have told that it stays; a guest that is there already goes on there.
    """
    return {"operation_id": migrating.abort(caller, vm_id)}


@admin_view(changing=True)
async def adopt(
    caller: AsyncClusterCall,
    node_id: Id,
    uuid: Uuid,
    user_id: Id,
    name: Name | None = None,
    image_id: Id | None = None,
    template_id: Id | None = None,
    force: bool = False,
) -> VM:
    """
    Take a domain into the records that Wawel made and the database does not know, or knows elsewhere: after an older
    dump was restored. It goes on as it is, as a VM of a user.

    :param uuid: the domain's; an ``unknown_domain`` of the drift ledger has it as its subject.
    :param user_id: whose VM it is.
    :param name: without it, the domain's title.
    :param image_id: the image it counts as made of, where its disk does not say.
    :param template_id: likewise the template; without it, one of its size.
    :param force: also beyond the user's quota, and without a word of the node that the VM is placed on.
    """
    wanted = adopting.Wanted(user_id, name, image_id, template_id, force)
    return await adopting.adopt(caller, node_id, uuid, wanted)


@admin_view(changing=True)
def erase(caller: ClusterCall, vm_id: Id) -> ErasedVM:
    """
    Close a VM without asking its node, which will not answer any more.

    Should the node come back with it, it is removed there.
    """
    return release.erase(caller, vm_id)


@admin_view
def statistics(
    caller: ClusterCall,
    vm_ids: IdList,
    metrics: VMMetrics | None = None,
    resolution_s: Resolution | None = None,
    since: Moment | None = None,
    until: Moment | None = None,
    devices: bool = False,
) -> list[MeasuredVM]:
    """What anybody's VMs used over a time, as ``user.vm.statistics``."""
    return vm_statistics(caller, vm_ids, metrics, resolution_s, since, until, devices, administrator=True)


@admin_view
def get_load(caller: ClusterCall, vm_ids: IdList) -> list[VMLoad]:
    """How busy anybody's VMs were over the last 1, 5 and 15 minutes, as means of their CPU: 100 is one CPU."""
    return vm_loads(caller, vm_ids, administrator=True)
