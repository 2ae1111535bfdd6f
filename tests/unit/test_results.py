"""What views answer with is typed to the last member, and an answer that is not of its type is found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest

from clm.views.forward import add_forwarded
from cm.results.template import Template
from cm.results.vm import Ec2State, PowerState, VMOutcome
from cm.rpc.codec import plain
from cm.rpc.introspection import ReadySchema, introspection, openrpc, signatures
from cm.rpc.view import Registry
from cm.rules.vm import EC2_STATE, XO_POWER_STATE
from support.answers import fault_of, xml_kind

REGISTRIES = {
    "cm": lambda: Registry.collect("cm.views"),
    "clm": lambda: add_forwarded(Registry.collect("clm.views")),
}
DOCUMENTS: dict[str, Any] = {}


def document(manager: str) -> dict[str, Any]:
    if manager not in DOCUMENTS:
        registry = REGISTRIES[manager]()
        DOCUMENTS[manager] = plain(openrpc([*registry, *introspection(registry, "")], manager))
    told: dict[str, Any] = DOCUMENTS[manager]
    return told


def untyped(schema: Any, at: str) -> Iterator[str]:
    """Where a schema says nothing. An object of which more cannot be said tells what decides what is in it."""
    if "$ref" in schema or "enum" in schema:
        return
    for parts in ("anyOf", "allOf"):
        if parts in schema:
            for part in schema[parts]:
                yield from untyped(part, at)
            return
    kind = schema.get("type")
    if kind == "array":
        yield from untyped(schema.get("items", {}), f"{at}[]")
    elif kind == "object" and schema.get("properties"):
        for name, member in schema["properties"].items():
            yield from untyped(member, f"{at}.{name}")
    elif kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        yield from untyped(schema["additionalProperties"], f"{at}.*")
    elif kind is None or kind == "object":
        if not schema.get("description"):
            yield at


@pytest.mark.parametrize("manager", REGISTRIES)
def test_none_untyped(manager: str) -> None:
    """No result, and no member of one, may be just anything."""
    told = document(manager)
    found = [at for method in told["methods"] for at in untyped(method["result"]["schema"], method["name"])]
    found += [at for name, schema in told["components"]["schemas"].items() for at in untyped(schema, name)]
    assert found == []
    assert len(told["methods"]) > 80


@pytest.mark.parametrize("manager", REGISTRIES)
def test_types_are_told(manager: str) -> None:
    """Every type says what it is, in a sentence."""
    told = document(manager)["components"]["schemas"]
    assert [name for name, schema in told.items() if "properties" in schema and not schema.get("description")] == []


TEMPLATE = {
    "template_id": 1,
    "uuid": "5a1f6a52-7c0e-4b58-9d0a-3f2f0c7e9b11",
    "name": "small",
    "description": "",
    "cpu": 1,
    "memory_mib": 128,
    "disk_mib": 0,
    "local_disk": False,
    "points": 0,
    "ec2name": "",
    "traits": [],
    "version": 0,
    "created": "2026-03-01T12:00:00Z",
}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, None),
        ({"cpu": "1"}, "Expected `int`, got `str` - at `$.cpu`"),
        ({"cpu": None}, "Expected `int`, got `null` - at `$.cpu`"),
        ({"created": "2026-03-01"}, "Invalid RFC3339 encoded datetime - at `$.created`"),
        ({"colour": "red"}, "undeclared colour at $"),
    ],
)
def test_fault_found(change: dict[str, Any], told: str | None) -> None:
    """A value of another kind is a fault, and so is a member that nobody declared."""
    assert fault_of({**TEMPLATE, **change}, Template) == told


def test_fault_within() -> None:
    """An absent member is a fault, wherever it is; one that need not be there is none."""
    without = {name: value for name, value in TEMPLATE.items() if name != "name"}
    assert fault_of([TEMPLATE, without], list[Template]) == "Object missing required field `name` - at `$[1]`"
    assert fault_of([TEMPLATE, {**TEMPLATE, "x": 1}], list[Template]) == "undeclared x at $[1]"
    assert fault_of([{"status": "ok", "vm_id": 1}], list[VMOutcome]) is None


def test_states_of_others() -> None:
    """What other dialects call a VM's states is typed as it is translated."""
    assert set(get_args(PowerState)) == set(XO_POWER_STATE.values())
    assert set(get_args(Ec2State)) == set(EC2_STATE.values())


@pytest.mark.parametrize("manager", REGISTRIES)
def test_examples(manager: str) -> None:
    """Every view has an example: a call that it takes, and an answer that is of its type."""
    registry = REGISTRIES[manager]()
    own = introspection(registry, "")
    for method in document(manager)["methods"]:
        (shown,) = method["examples"]
        view = registry.find(method["name"]) or own.get(method["name"])
        view.bind({each["name"]: each["value"] for each in shown["params"]})
        if not isinstance(view.returns, ReadySchema):  # of one that is passed on the cluster has the type
            assert fault_of(shown["result"]["value"], view.returns) is None, method["name"]


@pytest.mark.parametrize("manager", REGISTRIES)
def test_signatures(manager: str) -> None:
    """XML-RPC's signatures are of what a call takes and answers: its example, as it is written on the wire."""
    registry = REGISTRIES[manager]()
    own = introspection(registry, "")
    for method in document(manager)["methods"]:
        view = registry.find(method["name"]) or own.get(method["name"])
        (shown,) = method["examples"]
        given = [xml_kind(each["value"]) for each in shown["params"]]
        told = signatures(view)
        assert xml_kind(shown["result"]["value"]) in {each[0] for each in told} | {"nil"}, view.name
        assert not given or any(each[1 : len(given) + 1] == given for each in told), view.name


def test_signatures_of_several() -> None:
    """A parameter that may be an id or a uuid has a signature for each, and so has a list of all clusters."""
    views = REGISTRIES["clm"]()
    assert signatures(views.get("user.vm.start")) == [["struct", "int"], ["struct", "string"]]
    assert ["struct", "struct"] in signatures(views.get("user.vm.get_list"))
    assert signatures(views.get("user.vm.get_list"))[-2][0] == "array"
    assert signatures(views.get("cloud.user.delete")) == [["nil", "int"]]
