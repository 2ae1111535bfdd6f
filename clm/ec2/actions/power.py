"""What is done to instances that are there. All ids are looked at before anything is done to one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from clm.ec2 import ids
from clm.ec2.actions.instance import find, instance_id, state_of
from clm.ec2.context import Context, only
from clm.ec2.errors import EC2Error
from clm.ec2.refusals import in_ec2s_words
from cm.rpc.errors import CloudError

_ON: Final = frozenset({"running", "pending"})
_OFF: Final = frozenset({"stopped", "stopping"})
_CODES: Final = {
    "vm_wrong_state": "IncorrectInstanceState",
    "vm_busy": "IncorrectInstanceState",
    "vm_guarded": "OperationNotPermitted",
    "object_not_found": ids.INSTANCE.missing,
    "not_permitted": "UnauthorizedOperation",
}


async def start_instances(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """One that runs is started already; one that was hibernated goes on."""
    only(params, "InstanceIds")
    vms = await find(context, params["InstanceIds"])
    for vm in vms:
        if vm["ec2_state"] not in _ON:
            view = "user.vm.wake_up" if vm["state"] == "suspended" else "user.vm.start"
            await context.change(view, vm_id=vm["vm_id"])
    return {"StartingInstances": await _changes(context, vms)}


async def stop_instances(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """
    The guest is asked to shut down; with ``Force`` or ``SkipOsShutdown`` the power is cut; with ``Hibernate`` its
    memory is kept.
    """
    only(params, "InstanceIds", "Force", "SkipOsShutdown", "Hibernate")
    view = "user.vm.stop" if params.get("Force") or params.get("SkipOsShutdown") else "user.vm.shutdown"
    if params.get("Hibernate"):
        view = "user.vm.suspend"
    vms = await find(context, params["InstanceIds"])
    for vm in vms:
        if vm["ec2_state"] not in _OFF:
            await context.change(view, vm_id=vm["vm_id"])
    return {"StoppingInstances": await _changes(context, vms)}


async def reboot_instances(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Press the reset buttons."""
    only(params, "InstanceIds")
    vms = await find(context, params["InstanceIds"])
    _refused(await context.change("user.vm.reset", vm_ids=[vm["vm_id"] for vm in vms]))
    return {}


async def terminate_instances(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Destroy them, with their own disks. One that has ended within the hour is terminated already."""
    only(params, "InstanceIds", "Force", "SkipOsShutdown")
    vms = await find(context, params["InstanceIds"], ended=True)
    going = [vm["vm_id"] for vm in vms if vm["ec2_state"] not in ("terminated", "shutting-down")]
    if going:
        _refused(await context.change("user.vm.destroy", vm_ids=going))
    return {"TerminatingInstances": await _changes(context, vms)}


def _refused(outcomes: list[dict[str, Any]]) -> None:
    """:raises EC2Error: it was refused of one of them; the others' is done."""
    for each in outcomes:
        if each["status"] != "ok":
            raise EC2Error(_CODES.get(each["status"], "IncorrectState"), each.get("message", each["status"]))


async def _changes(context: Context, before: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What they were, and what they are now."""
    try:
        now = {instance_id(vm): vm for vm in await find(context, [instance_id(vm) for vm in before], ended=True)}
    except CloudError as error:  # what was asked is done all the same
        if not error.retry:
            raise in_ec2s_words(error) from None
        now = {}
    return [
        {
            "InstanceId": instance_id(vm),
            "PreviousState": state_of(vm),
            "CurrentState": state_of(now.get(instance_id(vm), vm)),
        }
        for vm in before
    ]


HANDLERS: Final = {
    "StartInstances": start_instances,
    "StopInstances": stop_instances,
    "RebootInstances": reboot_instances,
    "TerminateInstances": terminate_instances,
}
