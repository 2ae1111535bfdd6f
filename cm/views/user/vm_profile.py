"""VM profiles: a size and a VM template under one name, to make VMs by both at once."""

from __future__ import annotations

from cm.results.vm_profile import VMProfile
from cm.rpc.types import Id, Name
from cm.rpc.view import user_view
from cm.rules.access import Action
from cm.services import vm_profile as service
from cm.services.context import ClusterCall
from cm.store.vm_profile import get_vm_profile, list_vm_profiles


@user_view(changing=True, on={"vm_template_id": Action.USE})
def create(caller: ClusterCall, name: Name, vm_template_id: Id, template_id: Id) -> VMProfile:
    """
    Save a size and a VM template under a name: any size goes with any template.

    :param template_id: the size, as of ``user.template.get_list``.
    """
    values = {"name": name, "vm_template_id": vm_template_id, "template_id": template_id}
    return service.create(caller, values)


@user_view
def get_list(caller: ClusterCall) -> list[VMProfile]:
    """The caller's profiles, by name."""
    return list(list_vm_profiles(caller.session, caller.account_id))


@user_view
def get_by_id(caller: ClusterCall, vm_profile_id: Id) -> VMProfile:
    """One of the caller's profiles."""
    return get_vm_profile(caller.session, vm_profile_id, caller.account_id)


@user_view(changing=True)
def edit(
    caller: ClusterCall, vm_profile_id: Id, name: Name | None = None, template_id: Id | None = None
) -> VMProfile:
    """Change a profile's name or size; what is not given stays."""
    return service.edit(caller, vm_profile_id, {"name": name, "template_id": template_id, "vm_template_id": None})


@user_view(changing=True)
def delete(caller: ClusterCall, vm_profile_id: Id) -> None:
    """Delete a profile; neither its size nor its VM template goes with it."""
    service.delete(caller, vm_profile_id)
