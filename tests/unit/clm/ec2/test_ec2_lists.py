"""Filters, pages and ids, without anything that they are of."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clm.ec2 import ids
from clm.ec2.actions import HANDLERS, why_not
from clm.ec2.context import only
from clm.ec2.errors import EC2Error
from clm.ec2.lists import filtered, page
from clm.ec2.model import model
from clm.ec2.refusals import in_ec2s_words
from cm.rpc.errors import (
    InvalidParameter,
    NotAuthenticated,
    ObjectNotFound,
    Overloaded,
    RequestIdReused,
    RoleNeeded,
)

VPC: dict[str, tuple[str, ...]] = {
    "Vpc": ("Create", "Delete"), "VpcAttribute": ("Modify",), "VpcCidrBlock": ("Associate",),
    "VpcPeeringConnection": ("Create",), "RouteTable": ("Create", "Associate"), "Route": ("Create", "Replace"),
    "InternetGateway": ("Create", "Attach"), "NatGateway": ("Create",), "NetworkAcl": ("Create",),
    "NetworkAclEntry": ("Create",), "DhcpOptions": ("Create", "Associate"),
    "NetworkInterface": ("Create", "Attach", "Delete", "Detach"),
}  # fmt: skip


@pytest.mark.parametrize("action", [verb + noun for noun, verbs in VPC.items() for verb in verbs])
def test_no_vpcs_own(action: str) -> None:
    """What of VPCs has nothing to map onto is EC2's, and refused with a reason."""
    assert model().is_known(action) and action not in HANDLERS and why_not(action)


def fits(pattern: str, text: str) -> bool:
    return bool(filtered([text], [{"Name": "text", "Values": [pattern]}], {"text": lambda each: [each]}))


def slowly(pattern: str, text: str) -> bool:
    """The same by the plainest expression there is, which may try for long."""
    parts = {"*": ".*", "?": "."}
    return re.fullmatch("".join(parts.get(each, re.escape(each)) for each in pattern), text, re.DOTALL) is not None


@given(st.text("ab*?", max_size=8), st.text("ab\n", max_size=10))
def test_wildcards(pattern: str, text: str) -> None:
    """A star stands for any characters, a question mark for one."""
    assert fits(pattern, text) == slowly(pattern, text)


def test_patterns() -> None:
    """What else is special to expressions is not; a backslash takes what follows as it is; stars cost no time."""
    assert fits("a.[b]", "a.[b]") and not fits("a.[b]", "axb")
    assert fits(r"a\*", "a*") and not fits(r"a\*", "ab") and fits("a\\", "a\\")
    assert not fits("*a" * 100 + "b", "a" * 5000)


def test_filters() -> None:
    """Values are alternatives, filters conditions; tags by key, by both, by value; an unknown one is refused."""
    items = [{"n": "x", "tags": {"team": "a"}}, {"n": "y", "tags": {"team": "b", "env": ""}}, {"n": "z", "tags": {}}]

    def names(*filters: tuple[str, list[str]]) -> str:
        told = [{"Name": name, "Values": values} for name, values in filters]
        kept = filtered(items, told, {"n": lambda each: [each["n"]]}, lambda each: each["tags"])
        return "".join(each["n"] for each in kept)

    assert names(("n", ["x", "z"])) == "xz" and names(("tag:team", ["?"])) == "xy" and names() == "xyz"
    assert names(("tag:team", ["*"]), ("n", ["y", "z"])) == "y"
    assert names(("tag-key", ["e*"])) == "y" == names(("tag:env", [""])) and names(("tag-value", ["a"])) == "x"
    assert names(("n", [])) == ""
    for wrong in (("N", ["x"]), ("", ["x"]), ("tags:team", ["a"])):
        with pytest.raises(EC2Error) as refused:
            names(wrong)
        assert refused.value.code == "InvalidParameterValue"
    with pytest.raises(EC2Error) as refused:
        names(("n", ["x"] * 201))
    assert refused.value.code == "FilterLimitExceeded"


@given(st.sets(st.integers(1, 60), min_size=1), st.sets(st.integers(1, 60)), st.sets(st.integers(61, 70)),
       st.integers(5, 20))  # fmt: skip
def test_pages(there: set[int], gone: set[int], new: set[int], size: int) -> None:
    """Whatever goes and comes between pages, what stays is told once."""
    seen: list[int] = []
    token, items = None, set(there)
    while True:
        shown, token = page(list(items), lambda each: each, {"MaxResults": size, "NextToken": token})
        seen += shown
        items = (items - gone) | new
        if token is None:
            break
    assert len(set(seen)) == len(seen) and set(seen) >= there - gone


@pytest.mark.parametrize(
    "token", ["x", "é", "YmVmb3JlOng=", "YWZ0ZXI6MQ==", "YmVmb3JlOjk5OTk5OTk5OTk5OTk5OTk5OTk5OTk="]
)
def test_tokens(token: str) -> None:
    """A token is one of ours, or refused."""
    with pytest.raises(EC2Error) as refused:
        page([1], lambda each: each, {"NextToken": token})
    assert refused.value.code == "InvalidNextToken"


@pytest.mark.parametrize(
    "given_", ["", "i-", "i-1234", "i-" + "0" * 8, "ami-" + "0" * 17, "i-" + "0" * 18, "i-" + "G" * 17, "I-" + "0" * 17]
)
def test_malformed(given_: str) -> None:
    """An id of another kind or shape is malformed; one of nothing is not found."""
    with pytest.raises(EC2Error) as refused:
        ids.pick(ids.INSTANCE, [given_], [], lambda each: "")
    assert refused.value.code == "InvalidInstanceID.Malformed"


def test_ids() -> None:
    """Of a uuid to an id and back, in the order asked, each once."""
    things: list[dict[str, Any]] = [{"uuid": str(uuid.uuid4())} for _ in range(3)]

    def of(thing: Any) -> str:
        return ids.id_of(ids.VOLUME, thing["uuid"])

    assert re.fullmatch(r"vol-[0-9a-f]{17}", of(things[0]))
    wanted = [of(things[2]), of(things[0]), of(things[2])]
    assert ids.pick(ids.VOLUME, wanted, things, of) == [things[2], things[0]]
    with pytest.raises(EC2Error) as refused:
        ids.pick(ids.VOLUME, ["vol-" + "0" * 17], things, of)
    assert refused.value.code == "InvalidVolume.NotFound"


def test_refusals() -> None:
    """Views' refusals have the code that clients know, and the status that says whether to repeat."""
    for error, code, status in (
        (ObjectNotFound("vm", 1), "InvalidInstanceID.NotFound", 400),
        (ObjectNotFound("cluster", 1), "InvalidParameterValue", 400),
        (NotAuthenticated(), "AuthFailure", 401),
        (RoleNeeded("admin"), "UnauthorizedOperation", 403),
        (RequestIdReused("x"), "IdempotentParameterMismatch", 400),
        (InvalidParameter("x", "y"), "InvalidParameterValue", 400),
        (Overloaded(), "RequestLimitExceeded", 503),
    ):
        told = in_ec2s_words(error)
        assert (told.code, told.status) == (code, status)


def test_only() -> None:
    """What is not done is refused, unless it is said to be off."""
    only({"A": 1, "B": False, "C": [], "DryRun": True}, "A")
    with pytest.raises(EC2Error) as refused:
        only({"B": True}, "A")
    assert refused.value.code == "UnsupportedOperation" and " B " in refused.value.message


def test_handlers() -> None:
    """Every handler is of an action in the cut, and says what it does."""
    assert set(HANDLERS) <= set(model().actions)
    assert all(handler.__doc__ for handler in HANDLERS.values())
