"""
Attributes of instances one at a time, as Terraform reads and writes them. What cannot be changed here may be set to
what it is: clients do so before they delete an instance.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, Final

from clm.ec2 import ids
from clm.ec2.actions.catalogue import find_type, type_name
from clm.ec2.actions.group import group_id, groups
from clm.ec2.actions.instance import find, groups_of_vm, instance, instance_id
from clm.ec2.actions.launch import ON_SHUTDOWN
from clm.ec2.context import Context, only
from clm.ec2.errors import EC2Error, bad_value
from cm.rpc.vocabulary import UserDataEncoding

# By the names of the actions' members, and as the member ``Attribute`` has it.
_MEMBERS: Final = {
    "blockDeviceMapping": "BlockDeviceMappings",
    "disableApiStop": "DisableApiStop",
    "disableApiTermination": "DisableApiTermination",
    "ebsOptimized": "EbsOptimized",
    "enaSupport": "EnaSupport",
    "enclaveOptions": "EnclaveOptions",
    "groupSet": "Groups",
    "instanceInitiatedShutdownBehavior": "InstanceInitiatedShutdownBehavior",
    "instanceType": "InstanceType",
    "kernel": "KernelId",
    "productCodes": "ProductCodes",
    "ramdisk": "RamdiskId",
    "rootDeviceName": "RootDeviceName",
    "sourceDestCheck": "SourceDestCheck",
    "sriovNetSupport": "SriovNetSupport",
    "userData": "UserData",
}
# What no instance here has, or all have.
_FIXED: Final[Mapping[str, Any]] = {
    "DisableApiStop": {"Value": False},
    "EbsOptimized": {"Value": False},
    "EnaSupport": {"Value": False},
    "EnclaveOptions": {"Enabled": False},
    "KernelId": {},
    "RamdiskId": {},
    "SriovNetSupport": {},
}
_BOOLEANS: Final = frozenset({"DisableApiTermination", "SourceDestCheck"})
_TRUTHS: Final = {"true": True, "false": False}


async def describe_instance_attribute(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """One of an instance's attributes; user data as they were given, to the byte."""
    only(params, "InstanceId", "Attribute")
    member = _member(params["Attribute"])
    (vm,) = await find(context, [params["InstanceId"]], ended=True)
    return {"InstanceId": params["InstanceId"], member: await _value(context, vm, member)}


def _member(name: str) -> str:
    if name not in _MEMBERS:
        raise bad_value("Attribute", f"'{name[:100]}' is no attribute of instances")
    return _MEMBERS[name]


async def _value(context: Context, vm: Mapping[str, Any], member: str) -> Any:
    """What an attribute is, as the answer has it."""
    if member in _FIXED:
        return _FIXED[member]
    if member == "InstanceInitiatedShutdownBehavior":
        return {"Value": "terminate" if vm["on_poweroff"] == "destroy" else "stop"}
    if member == "DisableApiTermination":
        detail = await context.read("user.vm.get_by_id", vm_id=vm["vm_id"])
        return {"Value": detail["guarded"]}
    if member == "UserData":
        detail = await context.read("user.vm.get_by_id", vm_id=vm["vm_id"])
        text = detail["user_data"]
        return {"Value": _told_user_data(text, detail["user_data_encoding"])} if text else {}
    if member == "Groups":
        return groups_of_vm(vm)
    told = instance(context, vm)
    return _OF_INSTANCE[member](told)


_OF_INSTANCE: Final[Mapping[str, Callable[[Mapping[str, Any]], Any]]] = {
    "BlockDeviceMappings": lambda told: told["BlockDeviceMappings"],
    "InstanceType": lambda told: {"Value": told["InstanceType"]},
    "ProductCodes": lambda told: told["ProductCodes"],
    "RootDeviceName": lambda told: {"Value": told["RootDeviceName"]},
    "SourceDestCheck": lambda told: {"Value": told["SourceDestCheck"]},
}


def _told_user_data(text: str, encoding: str) -> str:
    """What EC2's clients gave is kept as they gave it, base64; other fronts keep plain text too."""
    if encoding == UserDataEncoding.BASE64:
        return text
    if encoding == UserDataEncoding.PLAIN:
        return base64.b64encode(text.encode()).decode()
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return base64.b64encode(text.encode()).decode()
    return text


async def modify_instance_attribute(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """
    Security groups, ``disableApiTermination``, ``instanceInitiatedShutdownBehavior`` and, of a stopped instance,
    ``instanceType`` can be changed. Each of the others can be set to what it is, and is an ``UnsupportedOperation``
    otherwise: nothing is changed then.
    """
    wanted = _wanted(params)
    (vm,) = await find(context, [params["InstanceId"]])
    chosen = wanted.pop("Groups", None)
    policy = _policy(wanted)
    size = await _size(context, vm, wanted.pop("InstanceType", None))
    for member, value in wanted.items():
        if value != await _value(context, vm, member):
            raise EC2Error("UnsupportedOperation", f"{member} of an instance cannot be changed here.")
    there: list[Any] = []
    if chosen is not None:
        if not chosen:
            raise bad_value("GroupId", "an instance needs at least one group")
        there = ids.pick(ids.GROUP, chosen, await groups(context), group_id)
    if size is not None:  # before the others: it is refused most
        if vm["state"] != "stopped":  # in EC2, whatever it was prepared for here
            raise EC2Error("IncorrectInstanceState", f"The instance '{instance_id(vm)}' is not in the 'stopped' state.")
        await context.change("user.vm.resize", vm_id=vm["vm_id"], template_id=size)
    if there:
        await context.change(
            "user.security_group.assign", vm_id=vm["vm_id"],
            security_group_ids=[each["security_group_id"] for each in there],
        )  # fmt: skip
    if policy:
        await context.change("user.vm.set_policy", vm_id=vm["vm_id"], **policy)
    return {}


async def _size(context: Context, vm: Mapping[str, Any], wanted: Mapping[str, Any] | None) -> int | None:
    """
    The template that is to be an instance's; None: it has it.

    :raises EC2Error: there is none of this name.
    """
    if wanted is None or wanted.get("Value") == vm["type"]:
        return None
    found = await find_type(context, str(wanted.get("Value", "")))
    return None if type_name(found) == vm["type"] else int(found["template_id"])


def _policy(wanted: dict[str, Any]) -> dict[str, Any]:
    """
    What is to become of the instance at its end, taken out of what is wanted.

    :raises EC2Error: it is not known.
    """
    made: dict[str, Any] = {}
    ends = wanted.pop("InstanceInitiatedShutdownBehavior", None)
    if ends is not None:
        if ends.get("Value") not in ON_SHUTDOWN:
            raise bad_value("InstanceInitiatedShutdownBehavior", "it is neither stop nor terminate")
        made["on_poweroff"] = ON_SHUTDOWN[ends["Value"]]
    guarded = wanted.pop("DisableApiTermination", None)
    if guarded is not None:
        made["guarded"] = bool(guarded.get("Value", False))
    return made


def _wanted(params: Mapping[str, Any]) -> dict[str, Any]:
    """
    What is to be, by members of the answer of ``DescribeInstanceAttribute``; the old form names one by ``Attribute``.

    :raises EC2Error: nothing is asked for, or something else.
    """
    rest = {name: value for name, value in params.items() if name not in ("InstanceId", "DryRun")}
    made: dict[str, Any] = {}
    if "Attribute" in rest:
        member, text = _member(rest.pop("Attribute")), rest.pop("Value", "")
        now = _FIXED.get(member, {"Value": ""})
        if member == "Groups":
            raise EC2Error("UnsupportedOperation", "Groups are set by GroupId.")
        if member in _BOOLEANS or isinstance(now.get("Value"), bool):
            if text not in _TRUTHS:
                raise bad_value("Value", f"'{text[:100]}' is neither true nor false")
            made[member] = {"Value": _TRUTHS[text]}
        else:
            made[member] = {"Value": text}
    for name in ("DisableApiStop", "DisableApiTermination", "EbsOptimized", "EnaSupport", "EnclaveOptions", "Groups",
                 "InstanceInitiatedShutdownBehavior", "InstanceType", "SourceDestCheck"):  # fmt: skip
        if name in rest:
            made[name] = rest.pop(name)
    if "UserData" in rest:
        value = rest.pop("UserData").get("Value", b"")
        made["UserData"] = {"Value": base64.b64encode(value).decode()} if value else {}
    only(rest)
    if not made:
        raise EC2Error("InvalidParameterCombination", "No attributes specified.")
    return made


HANDLERS: Final = {
    "DescribeInstanceAttribute": describe_instance_attribute,
    "ModifyInstanceAttribute": modify_instance_attribute,
}
