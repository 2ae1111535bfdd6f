"""
What ``clm/views/cluster_views.json`` holds: the views of a cluster, for a cloud that never imports them.

``bin/generate`` writes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from cm.rpc.codec import plain
from cm.rpc.parameters import REQUIRED
from cm.rpc.types import schemas
from cm.rpc.view import Registry


def describe(registry: Registry) -> dict[str, Any]:
    """All views of a registry with their types as JSON schemas."""
    annotations = [each for view in registry for each in (view.returns, *(p.annotation for p in view.parameters))]
    made, components = schemas(annotations)
    schema = iter(made)
    views = []
    for view in registry:
        returns = next(schema)
        parameters = []
        for parameter in view.parameters:
            told: dict[str, Any] = {"name": parameter.name, "schema": next(schema)}
            if parameter.kind == "named":
                told["named"] = True
            if parameter.default is not REQUIRED:
                told["default"] = plain(parameter.default)
            parameters.append(told)
        views.append(
            {
                "name": view.name,
                "role": view.role.value,
                "changing": view.changing,
                "doc": view.doc,
                "parameters": parameters,
                "returns": returns,
                "errors": [case.code for case in view.errors],
                **({"waiting": True} if view.waiting else {}),
            }
        )
    return {"views": views, "components": components, "errors": registry.cases.plain()}


def text() -> str:
    """The file as it should be now: a view a line, and a definition a line, so that changes show and merge."""
    told = describe(Registry.collect("cm.views"))
    components = (f"{_line(name)}: {_line(schema)}" for name, schema in sorted(told["components"].items()))
    cases = (f"{_line(name)}: {_line(case)}" for name, case in told["errors"].pop("cases").items())
    groups = "".join(f',\n"{name}": {_line(codes)}' for name, codes in told["errors"].items())
    views = _lines(map(_line, told["views"]))
    return (
        f'{{"components": {{\n{_lines(components)}\n}},\n"views": [\n{views}\n],\n'
        f'"errors": {{"cases": {{\n{_lines(cases)}\n}}{groups}}}}}\n'
    )


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _lines(lines: Iterable[str]) -> str:
    return ",\n".join(lines)
