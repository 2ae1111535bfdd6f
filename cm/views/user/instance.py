"""
``user.instance.*``: VMs as CIRCLE has them, by its names, states and errors.

An instance is a VM: its id is that of ``user.vm``, and what is asked of it here is what is asked of it there. Power
takes lists and answers with one entry for each; all else answers with the activity that it is.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from cm.results.instance import Activity, AvailableOperations, Instance, InstanceDetail, InstanceOutcome
from cm.results.vm import Screenshot
from cm.rpc.types import Id, IdList, Limit, Name, Secret, SSHKeys, Text
from cm.rpc.view import user_view
from cm.rpc.vocabulary import PAGE_MAX, Freeze, InstanceOperation, PortProtocol
from cm.rules.access import Action
from cm.services import attach_or_create as providing
from cm.services import attaching, disk_bytes, public_port, vm_size, vm_template
from cm.services import expiry as expiries
from cm.services import instance as service
from cm.services import nic as nics
from cm.services import screenshot as screenshots
from cm.services import vm as vms
from cm.services.access import authorized_vm, person_of
from cm.services.attach_or_create import Asked
from cm.services.context import AsyncClusterCall, ClusterCall
from cm.store.nic import Bandwidth
from cm.views.user.nic import AddressText
from cm.views.user.security_group import Card
from cm.views.user.vm import GuestPort, Username

DiskBytes = Annotated[int, Meta(ge=2**20, le=2**61, description="Bytes.")]
Page = Annotated[int, Meta(ge=1, le=200)]


@user_view
def get_list(
    caller: ClusterCall, everything: bool = False, shared: bool = False, limit: Limit = PAGE_MAX,
    before: Id | None = None,
) -> list[Instance]:  # fmt: skip
    """
    The caller's instances, newest first: CIRCLE's ``active``.

    :param everything: also those that are destroyed: its ``objects``.
    :param shared: others' that are shared with the caller instead.
    :param before: the last ``vm_id`` of the page before.
    """
    return service.get_list(caller, everything=everything, shared=shared, limit=limit, before=before)


@user_view(on={"vm_id": Action.SEE})
def get_by_id(caller: ClusterCall, vm_id: Id) -> InstanceDetail:
    """All of one instance, also of a destroyed one of the caller's. ``pw`` is told to owners alone."""
    return service.detail(caller, vm_id)


@user_view(on={"vm_id": Action.SEE})
def get_activities(caller: ClusterCall, vm_id: Id, limit: Page = 50, before: Id | None = None) -> list[Activity]:
    """
    What was done to an instance, or is, newest first, each with what it had others do.

    :param before: the last ``activity_id`` of the page before.
    """
    return service.activities(caller, vm_id, limit=limit, before=before)


@user_view(on={"vm_ids": Action.SEE})
def get_operations(caller: ClusterCall, vm_ids: IdList) -> list[AvailableOperations]:
    """
    What may be asked of instances as they are now and, of the rest, why not; and what is best asked next. What else a
    call may be refused for, such as a quota, it tells itself.
    """
    return service.available(caller, vm_ids)


# ------------------------------------------------------------------ power


@user_view(changing=True, on={"vm_ids": Action.START})
def deploy(caller: ClusterCall, vm_ids: IdList) -> list[InstanceOutcome]:
    """Start instances that are stopped, pending or in error, as ``user.vm.start``."""
    return service.operate(caller, vm_ids, InstanceOperation.DEPLOY)


@user_view(changing=True, on={"vm_ids": Action.DESTROY})
def destroy(caller: ClusterCall, vm_ids: IdList) -> list[InstanceOutcome]:
    """
    Destroy instances, as ``user.vm.trash``: they can be recovered (``recover``) until they are gone for good, by
    ``user.vm.destroy`` or after ``cluster.vm_trash_s``.
    """
    return service.operate(caller, vm_ids, InstanceOperation.DESTROY)


@user_view(changing=True, on={"vm_ids": Action.DESTROY})
def recover(caller: ClusterCall, vm_ids: IdList) -> list[InstanceOutcome]:
    """Have destroyed instances back that are not gone for good, stopped, as ``user.vm.recover``."""
    return service.recover(caller, vm_ids)


@user_view(changing=True, on={"vm_ids": Action.RESET})
def reset(caller: ClusterCall, vm_ids: IdList) -> list[InstanceOutcome]:
    """Press the reset buttons of running instances, as ``user.vm.reset``."""
    return service.operate(caller, vm_ids, InstanceOperation.RESET)


@user_view(changing=True, on={"vm_ids": Action.SHUTDOWN})
def shutdown(caller: ClusterCall, vm_ids: IdList) -> list[InstanceOutcome]:
    """Ask the guests of running instances to shut down, as ``user.vm.shutdown``."""
    return service.operate(caller, vm_ids, InstanceOperation.SHUTDOWN)


@user_view(changing=True, on={"vm_ids": Action.STOP})
def shut_off(caller: ClusterCall, vm_ids: IdList) -> list[InstanceOutcome]:
    """Cut the power of instances, as ``user.vm.stop``: what their guests had not written yet is lost."""
    return service.operate(caller, vm_ids, InstanceOperation.SHUT_OFF)


@user_view(changing=True, on={"vm_ids": Action.STOP})
def sleep(caller: ClusterCall, vm_ids: IdList) -> list[InstanceOutcome]:
    """Write the memory of running instances to storages and free their nodes of them, as ``user.vm.suspend``."""
    return service.operate(caller, vm_ids, InstanceOperation.SLEEP)


@user_view(changing=True, on={"vm_ids": Action.START})
def wake_up(caller: ClusterCall, vm_ids: IdList) -> list[InstanceOutcome]:
    """Have suspended instances go on, on any node that they can, as ``user.vm.wake_up``."""
    return service.operate(caller, vm_ids, InstanceOperation.WAKE_UP)


# ------------------------------------------------------------------ all else


@user_view(changing=True, on={"vm_id": Action.SAVE})
def save_as_template(
    caller: ClusterCall,
    vm_id: Id,
    name: Name | None = None,
    description: Text = "",
    freeze: Freeze = Freeze.AUTO,
) -> Activity:
    """
    Make a VM template of an instance while it goes on, as ``user.vm.save_as_template``.

    :param name: without it the next version: "web v1" of "web", then "web v2".
    """
    return service.opened(caller, vm_template.save(caller, vm_id, name, description, freeze)["operation_id"])


@user_view(changing=True, on={"vm_id": Action.RENEW})
def renew(caller: ClusterCall, vm_id: Id) -> Activity:
    """Have the times of an instance's lease begin anew from now, as ``user.expiry.renew``. Its operators may."""
    expiries.renew(caller, person_of(caller.identity), vm_id)
    return service.newest_event(caller.session, vm_id)


@user_view(changing=True, on={"vm_id": Action.EDIT})
def rename(caller: ClusterCall, vm_id: Id, new_name: Name) -> Activity:
    """Give an instance another name. Its operators may."""
    vms.edit(caller, vm_id, new_name, None, always=True)
    return service.newest_event(caller.session, vm_id)


@user_view(changing=True, on={"vm_id": Action.EDIT})
def edit(caller: ClusterCall, vm_id: Id, description: Text) -> InstanceDetail:
    """Change what an instance says of itself. Its operators may."""
    return service.edit(caller, vm_id, description)


@user_view(changing=True, on={"vm_id": Action.RESIZE})
def resources_change(caller: ClusterCall, vm_id: Id, template_id: Id) -> Activity:
    """
    Give an instance the CPUs and memory of another size, as ``user.vm.resize``. Its owners may.

    :param template_id: a size (``user.template.get_list``).
    """
    operation_id = msgspec.json.decode(vm_size.resize(caller, vm_id, template_id))["operation_id"]
    if operation_id is not None:
        return service.opened(caller, operation_id)
    return service.newest_event(caller.session, vm_id)


@user_view(changing=True, on={"vm_id": Action.ATTACH, "network_id": Action.USE})
def add_interface(caller: ClusterCall, vm_id: Id, network_id: Id, address: AddressText | None = None) -> Activity:
    """
    Give an instance, running or stopped, a network card, as ``user.nic.attach``. Its owners may.

    :param address: which of the network's it gets; without it the first that is free.
    """
    work = nics.attach(caller, vm_id, network_id, address, None, None, Bandwidth(None, None))
    return service.opened(caller, work["operation_id"])


@user_view(changing=True, on={"vm_id": Action.ATTACH})
def remove_interface(caller: ClusterCall, vm_id: Id, nic: Card) -> Activity:
    """Take a network card from an instance, as ``user.nic.detach``. Its owners may."""
    return service.opened(caller, nics.detach(caller, vm_id, nic)["operation_id"])


@user_view(changing=True, on={"vm_id": Action.EDIT})
def add_port(
    caller: ClusterCall, vm_id: Id, port: GuestPort, protocol: PortProtocol = PortProtocol.TCP, nic: Card = 0
) -> Activity:
    """Have a port of an instance be reached from outside, as ``user.vm.add_port``. Its operators may."""
    public_port.add(caller, vm_id, port, protocol, nic, always=True)
    return service.newest_event(caller.session, vm_id)


@user_view(changing=True, on={"vm_id": Action.EDIT})
def remove_port(
    caller: ClusterCall, vm_id: Id, port: GuestPort, protocol: PortProtocol = PortProtocol.TCP, nic: Card = 0
) -> Activity:
    """Have a port of an instance be reached from outside no more. Its operators may."""
    public_port.remove(caller, vm_id, port, protocol, nic)
    return service.newest_event(caller.session, vm_id)


@user_view(changing=True, on={"vm_id": Action.ATTACH})
def create_disk(caller: ClusterCall, vm_id: Id, size: DiskBytes) -> Activity:
    """
    Give an instance, running or stopped, one more disk, which goes with it. Its owners may; its account's quota pays.
    """
    authorized_vm(caller.session, person_of(caller.identity), vm_id, caller.action("vm_id"))
    made = providing.attach_or_create(caller, vm_id, Asked(size), None)
    return service.opened(caller, made["operation_id"])


@user_view(changing=True, on={"disk_id": Action.EDIT})
def resize_disk(caller: ClusterCall, disk_id: Id, size: DiskBytes) -> Activity:
    """Make a disk larger, as ``user.disk.grow``. :param size: rounded up to MiB."""
    work = disk_bytes.grow(caller, disk_id, -(-size // 2**20), person_of(caller.identity))
    return service.opened(caller, work["operation_id"])


@user_view(changing=True, on={"disk_id": Action.SEE, "vm_id": Action.ATTACH})
def remove_disk(caller: ClusterCall, vm_id: Id, disk_id: Id) -> Activity:
    """
    Detach a disk from an instance, as ``user.disk.detach``. It stays, unlike CIRCLE's: ``user.disk.delete`` puts it
    into the trash then.
    """
    return service.opened(caller, attaching.detach(caller, disk_id, vm_id)["operation_id"])


@user_view(changing=True, waiting=True, on={"vm_id": Action.PASSWORD})
async def password_reset(
    caller: AsyncClusterCall, vm_id: Id, user: Username | None = None, password: Secret | None = None
) -> Activity:
    """
    Give an account of a running instance's guest another password, as ``user.vm.password_reset``. It is kept,
    encrypted, and told to owners by ``get_by_id`` (``pw``).

    :param password: without it one is drawn.
    """
    return await service.reset_password(caller, vm_id, user, password)


@user_view(changing=True, waiting=True, on={"vm_id": Action.KEYS})
async def install_keys(caller: AsyncClusterCall, vm_id: Id, keys: SSHKeys, user: Username | None = None) -> Activity:
    """Let SSH keys log in to a running instance's guest, as ``user.vm.install_keys``."""
    return await service.install_keys(caller, vm_id, user, keys)


@user_view(changing=True, waiting=True, on={"vm_id": Action.KEYS})
async def remove_keys(caller: AsyncClusterCall, vm_id: Id, keys: SSHKeys, user: Username | None = None) -> Activity:
    """Let SSH keys log in to a running instance's guest no more, as ``user.vm.remove_keys``."""
    return await service.remove_keys(caller, vm_id, user, keys)


@user_view(changing=True, waiting=True, on={"vm_id": Action.RESET})
async def reboot(caller: AsyncClusterCall, vm_id: Id) -> Activity:
    """Ask a running instance's guest to reboot, as ``user.vm.reboot``."""
    return await service.reboot(caller, vm_id)


@user_view(on={"vm_id": Action.CONSOLE})
async def screenshot(caller: AsyncClusterCall, vm_id: Id) -> Screenshot:
    """What a running instance's screen shows now, as a picture."""
    return await screenshots.take(caller, vm_id)


@user_view(changing=True, on={"operation_id": None})
def abort(caller: ClusterCall, operation_id: Id) -> Activity:
    """Give an activity up that is under way, as ``user.operation.abandon``. Whoever could ask for it may."""
    return service.abort(caller, operation_id)
