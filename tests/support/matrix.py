"""
The matrix of authorization: every view with an id among its parameters × everybody who may call × every kind of object
that the id may mean. What it walks is the registry, so a new view is in it from its first day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cm.rpc.caller import RawJSON
from cm.rpc.errors import CloudError
from cm.rpc.parameters import Parameter
from cm.rpc.types import schemas
from cm.rpc.view import Registry, View

NOBODYS = 10**12  # an id that nothing has
# Values of parameters that are required and no ids: by view and parameter, by parameter, else by their schema.
SAMPLES: dict[str, Any] = {
    "login": "somebody",
    "name": "matrix",
    "description": "",
    "password": "Correct-horse-7",
    "old": "Correct-horse-7",
    "new": "Correct-horse-8",
    "url": "https://images.example.org/a.qcow2",
    "path": "/nowhere/a.qcow2",
    "network": "10.77.0.0/24",
    "uri": "qemu+tls://n9.example.org/system",
    "address": "192.0.2.9",
    "level": "user",
    "topic": "topic",
    "text": "text",
    "content": "content",
    "key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB7LpQ8eG1Sfbm5cLyZxmDnIM6oUOHpCyDRDmpjVXhRG somebody",
}


@dataclass(frozen=True)
class Case:
    """One view and one of its id parameters; ``many``: the parameter takes a list."""

    view: View
    parameter: Parameter
    many: bool

    def __str__(self) -> str:
        return f"{self.view.name}({self.parameter.name})"


def is_id(parameter: Parameter) -> tuple[bool, bool]:
    """Whether a parameter names objects, and whether it names several."""
    name = parameter.name
    if name in ("iso_list", "disk_list"):
        return True, True
    if name.endswith("_ids"):
        return True, True
    return name.endswith("_id") and name not in ("key_id", "external_id"), False


def cases(registry: Registry) -> Iterator[Case]:
    for view in registry:
        for parameter in view.parameters:
            named, many = is_id(parameter)
            if named:
                yield Case(view, parameter, many)


def sample(view: View, parameter: Parameter, samples: Mapping[str, Any]) -> Any:
    """A value that the parameter takes."""
    for key in (f"{view.name}.{parameter.name}", parameter.name):
        if key in samples:
            return samples[key]
    schema = getattr(parameter.annotation, "schema", None)
    components: dict[str, Any] = {}
    if schema is None:
        (schema,), components = schemas([parameter.annotation])
    return _of_schema(schema, components)


def _of_schema(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Any:
    if "$ref" in schema:
        return _of_schema(components[schema["$ref"].rpartition("/")[2]], components)
    if "anyOf" in schema:
        return _of_schema(next(part for part in schema["anyOf"] if part.get("type") != "null"), components)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next(each for each in kind if each != "null")
    if kind == "integer":
        return schema.get("minimum", 1)
    if kind == "number":
        return float(schema.get("minimum", 1))
    if kind == "boolean":
        return False
    if kind == "array":
        return [_of_schema(schema.get("items", {}), components)] * schema.get("minItems", 0)
    if kind == "object":
        return {}
    return "x" * max(schema.get("minLength", 1), 1)


def arguments(
    case: Case, object_id: Any, ids: Mapping[str, Any], samples: Mapping[str, Any], *, dry_run: bool
) -> dict[str, Any]:
    """The case's id, and what else is required: other ids are the caller's own objects."""
    values: dict[str, Any] = {}
    for parameter in case.view.parameters:
        named, many = is_id(parameter)
        if parameter.name == case.parameter.name:
            values[parameter.name] = [object_id] if many else object_id
        elif parameter.required and named:
            values[parameter.name] = [ids[parameter.name]] if many else ids[parameter.name]
        elif parameter.required:
            values[parameter.name] = sample(case.view, parameter, samples)
    if dry_run and case.view.changing:
        values["dry_run"] = True
    return values


def outcome(call: Callable[[], Any]) -> str:
    """
    The slug of how a call ended: "ok", an error's, or that of the one entry of a list with one entry per object. An
    empty list is "empty".
    """
    try:
        result = call()
    except CloudError as error:
        return error.code
    assert not isinstance(result, RawJSON)
    if isinstance(result, dict) and result.get("dry_run"):
        refused = [step["status"] for step in result["plan"] if step.get("status", "ok") != "ok"]
        return refused[0] if refused else "ok"
    if result == []:
        return "empty"
    if isinstance(result, list) and isinstance(result[0], dict):
        status = result[0].get("status", "ok")
        if isinstance(status, str):
            return status
    return "ok"
