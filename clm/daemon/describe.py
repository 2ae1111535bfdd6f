"""
Writes ``clm/views/cluster_views.json``: what the views of a cluster are, for a cloud that never imports them.

``python -m clm.daemon.describe`` from the repository's root; ``tests/unit/clm/test_forward_table.py`` fails when the
file is old.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from cm.rpc.codec import plain
from cm.rpc.parameters import REQUIRED
from cm.rpc.types import schemas
from cm.rpc.view import Registry

PATH: Final = Path(__file__).parents[1] / "views" / "cluster_views.json"


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
            }
        )
    return {"views": views, "components": components}


def text() -> str:
    """The file as it should be now."""
    return json.dumps(describe(Registry.collect("cm.views")), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    PATH.write_text(text())
