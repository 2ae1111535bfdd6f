"""Rules of security groups one by one, each with an id of its own, as Terraform's newer resources keep them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from clm.ec2 import ids
from clm.ec2.actions.group import (
    Rule,
    add_rules,
    as_rule,
    described,
    find_group,
    groups,
    of_direction,
    read_described,
    read_rules,
    refuse_known,
    remove_rules,
    rule_id,
    told_rule,
)
from clm.ec2.context import Context, only
from clm.ec2.errors import EC2Error, bad_value
from clm.ec2.lists import Values, filtered, page

RULE_FILTERS: Final[dict[str, Values]] = {
    "group-id": lambda each: [each["GroupId"]],
    "security-group-rule-id": lambda each: [each["SecurityGroupRuleId"]],
}


async def describe_security_group_rules(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Of all of the caller's groups, or of some by the filter ``group-id``."""
    only(params, "SecurityGroupRuleIds", "Filters", "MaxResults", "NextToken")
    every = {each["security_group_id"]: each for each in await groups(context)}
    there = [
        {**told_rule(context, group, rule, every), "_rule_id": rule["rule_id"]}
        for group in every.values()
        for rule in group["rules"]
    ]
    if params.get("SecurityGroupRuleIds"):
        wanted = params["SecurityGroupRuleIds"]
        there = ids.pick(ids.RULE, wanted, there, lambda each: str(each["SecurityGroupRuleId"]))
    kept = filtered(there, params.get("Filters"), RULE_FILTERS, lambda each: {})
    shown, token = page(kept, lambda each: int(each["_rule_id"]), params, "SecurityGroupRuleIds")
    for each in shown:
        del each["_rule_id"]
    return {"SecurityGroupRules": shown, "NextToken": token}


async def modify_security_group_rules(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """
    Others in place of some of a group's rules, of the same direction: all or none. What lets pass is there before what
    it replaces goes, and has an id of its own.
    """
    only(params, "GroupId", "SecurityGroupRules")
    there = await groups(context)
    group = find_group(there, params)
    given = [each.get("SecurityGroupRuleId") or "" for each in params["SecurityGroupRules"]]
    old = ids.pick(ids.RULE, given, group["rules"], rule_id)
    if len(old) < len(given):
        raise bad_value("SecurityGroupRule", "an id is there twice")
    wanted: list[tuple[str, Rule, str]] = []
    going: list[Mapping[str, Any]] = []
    renamed: list[tuple[Mapping[str, Any], str]] = []
    for rule, update in zip(old, params["SecurityGroupRules"], strict=True):
        asked, text = _asked(update.get("SecurityGroupRule") or {}, there, context)
        if asked != as_rule(rule):
            refuse_known(group, rule["direction"], [asked])
            wanted.append((rule["direction"], asked, text))
            going.append(rule)
        elif text != rule["description"]:
            renamed.append((rule, text))
    await add_rules(context, group, wanted)
    await remove_rules(context, group, going)
    await _describe(context, group, renamed)
    return {"Return": True}


async def _describe(
    context: Context, group: Mapping[str, Any], told: Sequence[tuple[Mapping[str, Any], str]]
) -> None:
    for rule, text in told:
        held = {"security_group_id": group["security_group_id"], "rule_id": rule["rule_id"]}
        await context.change("user.security_group.edit_rule", **held, description=text)


async def update_ingress(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """What rules of what comes in are said to be for; one that is named without a description has none then."""
    return await _update(context, params, "in")


async def update_egress(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Likewise of what goes out."""
    return await _update(context, params, "out")


async def _update(context: Context, params: dict[str, Any], direction: str) -> dict[str, Any]:
    """:raises EC2Error: one of the rules is not there; none is changed then."""
    only(params, "GroupId", "GroupName", "IpPermissions", "SecurityGroupRuleDescriptions")
    there = await groups(context)
    group = find_group(there, params)
    rules = of_direction(group, direction)
    permissions, named = params.get("IpPermissions"), params.get("SecurityGroupRuleDescriptions")
    if bool(permissions) == bool(named):
        raise EC2Error("MissingParameter", "The rules are named by IpPermissions or SecurityGroupRuleDescriptions")
    if named:
        given = [each.get("SecurityGroupRuleId") or "" for each in named]
        texts = {each.get("SecurityGroupRuleId"): described(each) or "" for each in named}
        found = ids.pick(ids.RULE, given, rules, rule_id)
        told = [(each, texts[rule_id(each)]) for each in found]
    else:
        known = {as_rule(each): each for each in rules}
        told = []
        for rule, text in read_described({"IpPermissions": permissions}, there, context):
            if rule not in known:
                raise EC2Error("InvalidPermission.NotFound", "One of the specified rules does not exist")
            told.append((known[rule], text or ""))
    await _describe(context, group, [(rule, text) for rule, text in told if text != rule["description"]])
    return {"Return": True}


def _asked(given: Mapping[str, Any], there: Sequence[Mapping[str, Any]], context: Context) -> tuple[Rule, str]:
    """
    :return: with what it is said to be for.
    :raises EC2Error: it has not one other side.
    """
    only(given, "IpProtocol", "FromPort", "ToPort", "CidrIpv4", "CidrIpv6", "ReferencedGroupId", "Description")
    permission = {name: given[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in given}
    sides = [(kind, [{member: given[name]}]) for name, kind, member in _SIDES if given.get(name)]
    if len(sides) != 1:
        raise EC2Error("InvalidParameterCombination", "A rule has one of CidrIpv4, CidrIpv6 and ReferencedGroupId")
    (rule,) = read_rules({"IpPermissions": [{**permission, **dict(sides)}]}, there, context)
    return rule, described(given) or ""


_SIDES: Final = (
    ("CidrIpv4", "IpRanges", "CidrIp"), ("CidrIpv6", "Ipv6Ranges", "CidrIpv6"),
    ("ReferencedGroupId", "UserIdGroupPairs", "GroupId"),
)  # fmt: skip

HANDLERS: Final = {
    "DescribeSecurityGroupRules": describe_security_group_rules,
    "ModifySecurityGroupRules": modify_security_group_rules,
    "UpdateSecurityGroupRuleDescriptionsIngress": update_ingress,
    "UpdateSecurityGroupRuleDescriptionsEgress": update_egress,
}
