"""Security groups, which are the caller's own of the cluster, with their rules."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from clm.ec2 import ids
from clm.ec2.actions.vpc import default_vpc
from clm.ec2.context import Context, only
from clm.ec2.errors import EC2Error, bad_value
from clm.ec2.lists import Values, filtered, page
from clm.ec2.names import CONTROLS, GROUPS, Tags, tags_of_all, told, wanted_tags
from cm.rpc.errors import CloudError

_PROTOCOLS: Final = {"6": "tcp", "17": "udp", "1": "icmp", "-1": "any", "all": "any"}
Rule = tuple[str, str | None, str | None, int | None]
"""Protocol, ports, the other side's range, the other side's group: of one direction."""
DESCRIPTION_MAX: Final = 255


def group_id(group: Mapping[str, Any]) -> str:
    return ids.id_of(ids.GROUP, group["uuid"])


def rule_id(rule: Mapping[str, Any]) -> str:
    return ids.numbered(ids.RULE, rule["rule_id"])


GROUP_FILTERS: Final[dict[str, Values]] = {
    "group-id": lambda each: [group_id(each)],
    "group-name": lambda each: [each["name"]],
    "description": lambda each: [each["description"]],
    "ip-permission.cidr": lambda each: [r["remote"] for r in each["rules"] if r["direction"] == "in" and r["remote"]],
    "ip-permission.protocol": lambda each: [_told_protocol(r) for r in each["rules"] if r["direction"] == "in"],
    "egress.ip-permission.cidr": lambda each: [
        r["remote"] for r in each["rules"] if r["direction"] == "out" and r["remote"]
    ],
}


async def groups(context: Context) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await context.read("user.security_group.get_list")
    return found


async def describe_security_groups(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """The caller's groups, with their rules."""
    only(params, "GroupIds", "GroupNames", "Filters", "MaxResults", "NextToken")
    there: Sequence[Mapping[str, Any]] = await groups(context)
    every = {each["security_group_id"]: each for each in there}
    if params.get("GroupIds"):
        there = ids.pick(ids.GROUP, params["GroupIds"], there, group_id)
    if params.get("GroupNames"):
        there = [_named(there, name) for name in params["GroupNames"]]
    tags, vpc = await tags_of_all(context, GROUPS), await default_vpc(context)
    known: dict[str, Values] = {
        **GROUP_FILTERS, "vpc-id": lambda each: [vpc] if vpc else [], "owner-id": lambda each: [context.owner],
    }  # fmt: skip
    kept = filtered(there, params.get("Filters"), known, tags.of)
    shown, token = page(kept, lambda each: each["security_group_id"], params, "GroupIds")
    return {"SecurityGroups": [_shown(context, each, every, tags, vpc) for each in shown], "NextToken": token}


async def create_security_group(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """As with EC2 it lets all out by IPv4, and nothing in; one of our own views lets nothing out either."""
    only(params, "GroupName", "Description", "TagSpecifications", "VpcId")
    if params.get("VpcId"):
        vpc = await default_vpc(context)
        ids.pick(ids.VPC, [params["VpcId"]], [{"VpcId": vpc}] if vpc else [], lambda each: str(each["VpcId"]))
    (tags,) = wanted_tags(params.get("TagSpecifications"), GROUPS)
    made = await context.change(
        "user.security_group.create", name=params["GroupName"], description=params["Description"], **tags.asked
    )
    held = made["security_group_id"]
    try:
        await context.change(
            "user.security_group.add_rule", security_group_id=held, direction="out", remote="0.0.0.0/0"
        )
    except CloudError:
        await context.change("user.security_group.delete", security_group_id=held)
        raise
    return {"GroupId": group_id(made), "Tags": told(tags.tags)}


async def delete_security_group(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """One that no network card is in."""
    only(params, "GroupId", "GroupName")
    group = find_group(await groups(context), params)
    await context.change("user.security_group.delete", security_group_id=group["security_group_id"])
    return {"Return": True, "GroupId": group_id(group)}


async def authorize_ingress(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Allow what comes in: all rules or none, by addresses or by groups."""
    return await _authorize(context, params, "in")


async def authorize_egress(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Likewise what goes out."""
    return await _authorize(context, params, "out")


async def revoke_ingress(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Allow no longer what comes in; what is not there is refused, and nothing removed then."""
    return await _revoke(context, params, "in")


async def revoke_egress(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Likewise what goes out."""
    return await _revoke(context, params, "out")


_TAKES: Final = ("GroupId", "GroupName", "IpPermissions", "IpProtocol", "FromPort", "ToPort", "CidrIp",
                 "SourceSecurityGroupName", "SourceSecurityGroupOwnerId")  # fmt: skip


def of_direction(group: Mapping[str, Any], direction: str) -> list[Mapping[str, Any]]:
    return [each for each in group["rules"] if each["direction"] == direction]


async def _authorize(context: Context, params: dict[str, Any], direction: str) -> dict[str, Any]:
    """All rules or none: those added before one that is refused are taken back."""
    only(params, *_TAKES)
    there = await groups(context)
    group = find_group(there, params)
    wanted = dict(read_described(params, there, context))
    refuse_known(group, direction, list(wanted))
    made = await add_rules(context, group, [(direction, rule, text or "") for rule, text in wanted.items()])
    every = {each["security_group_id"]: each for each in there}
    return {"Return": True, "SecurityGroupRules": [told_rule(context, group, each, every) for each in made]}


def refuse_known(group: Mapping[str, Any], direction: str, wanted: Sequence[Rule]) -> None:
    """:raises EC2Error: the group has one of these."""
    known = {as_rule(each) for each in of_direction(group, direction)}
    for rule in wanted:
        if rule in known:
            raise EC2Error("InvalidPermission.Duplicate", f"The specified rule {_words(rule)} already exists")


async def add_rules(
    context: Context, group: Mapping[str, Any], wanted: Sequence[tuple[str, Rule, str]]
) -> list[Mapping[str, Any]]:
    """
    Rules with their directions and descriptions; none of them where one is refused.

    :return: as they are kept.
    """
    added: list[Mapping[str, Any]] = []
    try:
        for direction, (protocol, ports, remote, other), text in wanted:
            made = await context.change(
                "user.security_group.add_rule", security_group_id=group["security_group_id"], direction=direction,
                protocol=protocol, ports=ports, remote=remote, remote_group_id=other, description=text,
            )  # fmt: skip
            added.append(max(made["rules"], key=lambda each: int(each["rule_id"])))
    except CloudError:
        await remove_rules(context, group, added)
        raise
    return added


async def remove_rules(context: Context, group: Mapping[str, Any], rules: Sequence[Mapping[str, Any]]) -> None:
    for each in rules:
        held = {"security_group_id": group["security_group_id"], "rule_id": each["rule_id"]}
        await context.change("user.security_group.remove_rule", **held)


async def _revoke(context: Context, params: dict[str, Any], direction: str) -> dict[str, Any]:
    """:raises EC2Error: one of the rules is not there; none is removed then."""
    only(params, *_TAKES, "SecurityGroupRuleIds")
    there = await groups(context)
    group = find_group(there, params)
    rules = of_direction(group, direction)
    if params.get("SecurityGroupRuleIds"):
        await remove_rules(context, group, ids.pick(ids.RULE, params["SecurityGroupRuleIds"], rules, rule_id))
        return {"Return": True, "UnknownIpPermissions": []}
    known = {as_rule(each) for each in rules}
    wanted = set(read_rules(params, there, context))
    for rule in wanted:
        if rule not in known:
            raise EC2Error("InvalidPermission.NotFound", f"The specified rule {_words(rule)} does not exist")
    await remove_rules(context, group, [each for each in rules if as_rule(each) in wanted])
    return {"Return": True, "UnknownIpPermissions": []}


# ------------------------------------------------------------------ rules, ours and theirs


def as_rule(rule: Mapping[str, Any]) -> Rule:
    return rule["protocol"], rule["ports"], rule["remote"], rule["remote_group_id"]


def _words(rule: Rule) -> str:
    protocol, ports, remote, other = rule
    return f"{protocol} {ports or 'all ports'} {remote or (other and 'of a group') or 'anybody'}"


def read_rules(params: Mapping[str, Any], there: Sequence[Mapping[str, Any]], context: Context) -> Iterator[Rule]:
    """Every pair of a permission and another side that is asked for."""
    return (rule for rule, _ in read_described(params, there, context))


def read_described(
    params: Mapping[str, Any], there: Sequence[Mapping[str, Any]], context: Context
) -> Iterator[tuple[Rule, str | None]]:
    """Likewise, with what is said of it; None: nothing."""
    permissions = params.get("IpPermissions")
    if not permissions:
        old: dict[str, Any] = {name: params[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in params}
        if "CidrIp" in params:
            old["IpRanges"] = [{"CidrIp": params["CidrIp"]}]
        if "SourceSecurityGroupName" in params:
            old["UserIdGroupPairs"] = [{"GroupName": params["SourceSecurityGroupName"]}]
        permissions = [old]
    for permission in permissions:
        only(permission, "IpProtocol", "FromPort", "ToPort", "IpRanges", "Ipv6Ranges", "UserIdGroupPairs")
        protocol, ports = _protocol(permission), None
        if protocol in ("tcp", "udp"):
            ports = _ports(permission)
        elif permission.get("FromPort", -1) != -1 and protocol == "icmp":
            raise EC2Error("UnsupportedOperation", "Rules of ICMP are for all of its types here: FromPort is -1.")
        sides: list[tuple[str | None, int | None, str | None]] = []
        sides += [(_cidr(each, "CidrIp"), None, described(each)) for each in permission.get("IpRanges", [])]
        sides += [(_cidr(each, "CidrIpv6"), None, described(each)) for each in permission.get("Ipv6Ranges", [])]
        for each in permission.get("UserIdGroupPairs", []):
            sides.append((None, _other(each, there, context), described(each)))
        if not sides:
            raise EC2Error("MissingParameter", "A rule needs IpRanges, Ipv6Ranges or UserIdGroupPairs")
        for remote, other, text in sides:
            yield (protocol, ports, remote, other), text


def described(side: Mapping[str, Any]) -> str | None:
    """:raises EC2Error: its description is too long, or holds a control character."""
    text: str | None = side.get("Description")
    if text is not None and (len(text) > DESCRIPTION_MAX or CONTROLS & set(text)):
        raise bad_value("Description", f"it has more than {DESCRIPTION_MAX} characters, or control characters")
    return text


def _protocol(permission: Mapping[str, Any]) -> str:
    given = permission.get("IpProtocol")
    if not given:
        raise EC2Error("MissingParameter", "A rule needs IpProtocol")
    return _PROTOCOLS.get(given.lower(), given.lower())


def _ports(permission: Mapping[str, Any]) -> str | None:
    first, last = permission.get("FromPort"), permission.get("ToPort")
    if first is None or last is None:
        raise EC2Error("MissingParameter", "A rule of tcp or udp needs FromPort and ToPort")
    if not 0 <= first <= last <= 65_535:
        raise bad_value("FromPort", f"{first} to {last} is no range of ports")
    if (first, last) == (0, 65_535):
        return None
    return str(first) if first == last else f"{first}-{last}"


def _cidr(side: Mapping[str, Any], name: str) -> str:
    if name not in side:
        raise EC2Error("MissingParameter", f"A range needs {name}")
    try:
        network = ipaddress.ip_network(side[name], strict=False)
    except ValueError:
        raise bad_value(name, "it is no CIDR block") from None
    if (network.version == 6) != (name == "CidrIpv6"):
        raise bad_value(name, "it is of the other family")
    return str(network)


def _other(side: Mapping[str, Any], there: Sequence[Mapping[str, Any]], context: Context) -> int:
    if side.get("UserId") not in (None, context.owner):
        raise EC2Error(ids.GROUP.missing, "The security group is of another account")
    if "GroupId" in side:
        return int(ids.pick(ids.GROUP, [side["GroupId"]], there, group_id)[0]["security_group_id"])
    return int(_named(there, side.get("GroupName", ""))["security_group_id"])


def _told_protocol(rule: Mapping[str, Any]) -> str:
    return "-1" if rule["protocol"] == "any" else rule["protocol"]


def _permission(context: Context, rule: Mapping[str, Any], every: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "IpProtocol": _told_protocol(rule), "UserIdGroupPairs": [], "IpRanges": [], "Ipv6Ranges": [],
        "PrefixListIds": [],
    }  # fmt: skip
    if rule["protocol"] in ("tcp", "udp"):
        first, _, last = (rule["ports"] or "0-65535").partition("-")
        made |= {"FromPort": int(first), "ToPort": int(last or first)}
    elif rule["protocol"] == "icmp":
        made |= {"FromPort": -1, "ToPort": -1}
    text = {"Description": rule["description"]} if rule["description"] else {}
    if rule["remote_group_id"] is not None:
        other = every.get(rule["remote_group_id"])
        made["UserIdGroupPairs"] = [{"UserId": context.owner, "GroupId": other and group_id(other), **text}]
        return made
    # A rule without another side is for anybody, in both families.
    if rule["remote"] is None or ":" not in rule["remote"]:
        made["IpRanges"] = [{"CidrIp": rule["remote"] or "0.0.0.0/0", **text}]
    if rule["remote"] is None or ":" in rule["remote"]:
        made["Ipv6Ranges"] = [{"CidrIpv6": rule["remote"] or "::/0", **text}]
    return made


def told_rule(
    context: Context, group: Mapping[str, Any], rule: Mapping[str, Any], every: Mapping[int, Mapping[str, Any]]
) -> dict[str, Any]:
    """A rule with its id; one for anybody tells both families."""
    told = _permission(context, rule, every)
    others = [{"GroupId": each["GroupId"], "UserId": each["UserId"]} for each in told["UserIdGroupPairs"]]
    return {
        "SecurityGroupRuleId": rule_id(rule),
        "GroupId": group_id(group),
        "GroupOwnerId": context.owner,
        "IsEgress": rule["direction"] == "out",
        "IpProtocol": told["IpProtocol"],
        "FromPort": told.get("FromPort", -1),
        "ToPort": told.get("ToPort", -1),
        "CidrIpv4": next((each["CidrIp"] for each in told["IpRanges"]), None),
        "CidrIpv6": next((each["CidrIpv6"] for each in told["Ipv6Ranges"]), None),
        "ReferencedGroupInfo": others[0] if others else None,
        "Description": rule["description"] or None,
        "Tags": [],
    }


def _shown(
    context: Context,
    group: Mapping[str, Any],
    every: Mapping[int, Mapping[str, Any]],
    tags: Tags,
    vpc: str | None,
) -> dict[str, Any]:
    def permitted(direction: str) -> list[dict[str, Any]]:
        return [_permission(context, each, every) for each in group["rules"] if each["direction"] == direction]

    return {
        "GroupId": group_id(group),
        "GroupName": group["name"],
        "Description": group["description"],
        "OwnerId": context.owner,
        "VpcId": vpc,
        "IpPermissions": permitted("in"),
        "IpPermissionsEgress": permitted("out"),
        "Tags": tags.shown(group),
    }


# ------------------------------------------------------------------ of whom


def _named(there: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    found = next((each for each in there if each["name"] == name), None)
    if found is None:
        raise EC2Error(ids.GROUP.missing, f"The security group '{name[:100]}' does not exist")
    return found


def find_group(there: Sequence[Mapping[str, Any]], params: Mapping[str, Any]) -> Mapping[str, Any]:
    """:raises EC2Error: none is named, or none of the caller's is called so."""
    if params.get("GroupId"):
        return ids.pick(ids.GROUP, [params["GroupId"]], there, group_id)[0]
    if params.get("GroupName"):
        return _named(there, params["GroupName"])
    raise EC2Error("MissingParameter", "The request must contain either GroupId or GroupName")


async def wanted_groups(context: Context, params: Mapping[str, Any]) -> list[int]:
    """Which groups an instance is to be in; empty: those that it is in by itself."""
    wanted, names = params.get("SecurityGroupIds") or [], params.get("SecurityGroups") or []
    if not wanted and not names:
        return []
    there = await groups(context)
    found = [*ids.pick(ids.GROUP, wanted, there, group_id), *(_named(there, name) for name in names)]
    return list(dict.fromkeys(int(each["security_group_id"]) for each in found))


HANDLERS: Final = {
    "DescribeSecurityGroups": describe_security_groups,
    "CreateSecurityGroup": create_security_group,
    "DeleteSecurityGroup": delete_security_group,
    "AuthorizeSecurityGroupIngress": authorize_ingress,
    "AuthorizeSecurityGroupEgress": authorize_egress,
    "RevokeSecurityGroupIngress": revoke_ingress,
    "RevokeSecurityGroupEgress": revoke_egress,
}
