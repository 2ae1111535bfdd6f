"""Examples of calls and answers, made of the examples that types have, so that none of them can be of another type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SCALARS: dict[str, Any] = {"integer": 1, "number": 1.0, "boolean": True, "null": None}


def example(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Any:
    """
    A value of a JSON schema: its own example, else one made of its members'; of several types the first that is not
    null.

    :param components: what it may refer to, by name.
    """
    if "examples" in schema:
        return schema["examples"][0]
    if "$ref" in schema:
        return example(components[schema["$ref"].rpartition("/")[2]], components)
    if "allOf" in schema:
        parts = [example(part, components) for part in schema["allOf"]]
        return {name: value for part in parts for name, value in part.items()}
    if "anyOf" in schema:
        return example(next(part for part in schema["anyOf"] if part.get("type") != "null"), components)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "array":
        if schema.get("maxItems") == 0 or "items" not in schema:
            return []
        return [example(schema["items"], components)]
    if kind == "object":
        return {name: example(member, components) for name, member in schema.get("properties", {}).items()}
    if kind == "string":
        return "text".ljust(schema.get("minLength", 0), "0")
    if kind == "integer":
        return schema.get("minimum", 1)
    return _SCALARS.get(str(kind))
