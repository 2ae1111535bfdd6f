"""What clients ask of every instance that has one answer here."""

from __future__ import annotations

from typing import Any, Final

from clm.ec2.actions.instance import find, instance_id
from clm.ec2.actions.metadata_option import OPTIONS, metadata_options, wanted_options
from clm.ec2.context import Context, only
from clm.ec2.errors import EC2Error
from cm.runtime.wall import utc_now


async def get_password_data(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """No guest tells its password: it is empty, as of guests with EC2 that have not told theirs yet."""
    only(params, "InstanceId")
    await find(context, [params["InstanceId"]])
    return {"InstanceId": params["InstanceId"], "Timestamp": utc_now(), "PasswordData": ""}


async def unmonitor_instances(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """None is monitored in detail; ``MonitorInstances`` is not there."""
    only(params, "InstanceIds")
    vms = await find(context, params["InstanceIds"])
    told = [{"InstanceId": instance_id(vm), "Monitoring": {"State": "disabled"}} for vm in vms]
    return {"InstanceMonitorings": told}


async def modify_instance_metadata_options(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Each option holds from the guest's next request on."""
    only(params, "InstanceId", *OPTIONS)
    asked = wanted_options({name: params[name] for name in OPTIONS if name in params})
    (vm,) = await find(context, [params["InstanceId"]])
    if asked:
        await context.change("user.vm.set_imds", vm_id=vm["vm_id"], **asked)
    return {"InstanceId": params["InstanceId"], "InstanceMetadataOptions": metadata_options({**vm["imds"], **asked})}


async def describe_instance_credit_specifications(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """No instance is of a type with credits: the list is empty."""
    only(params, "InstanceIds", "Filters", "MaxResults", "NextToken")
    if params.get("InstanceIds"):
        await find(context, params["InstanceIds"])
        raise EC2Error("InvalidParameterCombination", "No instance here is of a type with CPU credits.")
    return {"InstanceCreditSpecifications": []}


HANDLERS: Final = {
    "GetPasswordData": get_password_data,
    "UnmonitorInstances": unmonitor_instances,
    "ModifyInstanceMetadataOptions": modify_instance_metadata_options,
    "DescribeInstanceCreditSpecifications": describe_instance_credit_specifications,
}
