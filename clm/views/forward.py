"""
The views of clusters, as the cloud's: one table, ``cluster_views.json``, and no function of each.

``bin/generate`` reads the table out of the cluster's own registry (``clm/daemon/describe.py``). Every row that the
cloud does not define itself, and that ``rules/forward.py`` does not leave out, becomes a view of the same name, role
and parameters. Added is ``cluster``: an id, name or uuid; ``*`` in lists for all of them. Where an id of an object may
stand, its uuid may too. What was sent is checked by the cluster; here only the names of parameters are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from clm.rules.forward import EVERYWHERE, ID_MAX, Row, id_shape, reason_left_out, with_uuid
from clm.services.context import AsyncCloudCall
from cm.rpc.cases import Case, Cases, cases_of
from cm.rpc.errors import InvalidParameter
from cm.rpc.introspection import ReadySchema
from cm.rpc.parameters import REQUIRED, Binder, Parameter, Params, shown, unsendable
from cm.rpc.view import Registry, View
from cm.rpc.vocabulary import Role

TABLE: Final = Path(__file__).with_name("cluster_views.json")
_CLUSTER: Final = Parameter("cluster", int | str | None, False, None, "named")


@dataclass(frozen=True, slots=True)
class Forwarded(View):
    """A view that is passed on."""

    row: Row | None = None


@cache
def _own(changing: bool) -> Binder:
    """Of what is the cloud's in each view: it is the same in all, and a binder compiles its types."""
    return Binder([_CLUSTER], changing)


class ForwardBinder:
    """Takes names and positions apart, and leaves the values to the cluster; only ``cluster`` and controls are ours."""

    def __init__(self, parameters: tuple[Parameter, ...], changing: bool) -> None:
        self._names = frozenset(p.name for p in parameters)
        self._positional = tuple(p.name for p in parameters if p.kind == "either")
        self._ours = _own(changing)
        self._own = frozenset({"cluster", *(("dry_run", "request_id", "if_version") if changing else ())})

    def bind(self, params: Params) -> tuple[dict[str, Any], dict[str, Any]]:
        """
        :raises InvalidParameter: there is no such parameter, or a value that cannot be sent.
        """
        sent: dict[str, Any]
        if isinstance(params, Mapping):
            sent = dict(params)
        else:
            given = params or ()
            if len(given) > len(self._positional):
                names = ", ".join(self._positional) or "none"
                reason = f"{len(given)} were given by position and the method takes {len(self._positional)} ({names})"
                raise InvalidParameter(str(len(self._positional) + 1), reason)
            sent = dict(zip(self._positional, given, strict=False))
        own = {}
        for name, value in sent.items():
            if name in self._own:
                own[name] = value
            elif name not in self._names:
                raise InvalidParameter(shown(str(name)), "the method has no such parameter")
            elif fault := unsendable(value):
                raise InvalidParameter(name, fault)
        mine, controls = self._ours.bind(own)
        arguments = {name: value for name, value in sent.items() if name not in self._own}
        return {**arguments, **mine}, controls


def read_table(path: Path = TABLE) -> dict[str, Any]:
    table: dict[str, Any] = json.loads(path.read_text())
    return table


def forwarded_views(own: Registry, table: Mapping[str, Any] | None = None) -> Iterator[View]:
    """The views that are passed on, beside the cloud's own."""
    table = read_table() if table is None else table
    components = table["components"]
    cases = cases_of(
        {**table["errors"], "views": {described["name"]: described["errors"] for described in table["views"]}}
    )
    for described in table["views"]:
        if described["name"] not in own and reason_left_out(described["name"]) is None:
            yield _view(described, components, _errors(described, cases, own.cases))


def _errors(described: Mapping[str, Any], cluster: Cases, cloud: Cases) -> tuple[Case, ...]:
    """What a call can end with that is passed on: what the cluster answers to it, and what there is on the way."""
    name, role, changing = described["name"], Role(described["role"]), described["changing"]
    parts = (cluster.views[name], cluster.common(role, changing), cloud.passed_on, cloud.views.get(name, ()))
    found = {case.code: case for part in parts for case in part}
    for case in cloud.common(role, changing):
        found.pop(case.code, None)
    return tuple(found[code] for code in sorted(found))


def add_forwarded(registry: Registry) -> Registry:
    """The registry, with what clusters do beside what the cloud does itself."""
    for view in list(forwarded_views(registry)):
        registry.add(view)
    return registry


def _view(described: Mapping[str, Any], components: dict[str, Any], errors: tuple[Case, ...]) -> Forwarded:
    role = Role(described["role"])
    ids = {}
    patience = None
    secrets = set()
    parameters = []
    for each in described["parameters"]:
        name, schema = each["name"], each["schema"]
        shape = id_shape(name, schema)
        if shape is not None:
            ids[name] = shape
            schema = with_uuid(schema, shape)
        if name == "timeout" and schema.get("type") in ("number", "integer"):
            patience = (name, float(each.get("default") or 0))
        if schema.get("writeOnly") or any(part.get("writeOnly") for part in schema.get("anyOf", ())):
            secrets.add(name)
        parameters.append(
            Parameter(
                name=name,
                annotation=ReadySchema(schema, components),
                required="default" not in each,
                default=each.get("default", REQUIRED),
                kind="named" if each.get("named") else "either",
            )
        )
    row = Row(
        described["name"], role is Role.ADMIN, described["changing"], ids, described.get("waiting", False), patience,
        frozenset(secrets),
    )  # fmt: skip
    returns, doc = described["returns"], described["doc"]
    if row.is_list:
        returns = {"anyOf": [returns, _everywhere_schema(returns["items"])]}
    every = (*parameters, Parameter("cluster", ReadySchema(_cluster_schema(row)), False, None, "named"))

    async def forward(caller: AsyncCloudCall, **arguments: Any) -> Any:
        return await caller.services.forwarder.forward(row, caller, arguments)

    return Forwarded(
        name=row.name,
        role=role,
        function=forward,
        parameters=every,
        changing=row.changing,
        summary=doc.split("\n\n", 1)[0].replace("\n", " ").strip(),
        doc=doc,
        is_async=True,
        returns=ReadySchema(returns, components),
        waiting=row.waiting,
        errors=errors,
        _binder=ForwardBinder(tuple(parameters), row.changing),  # type: ignore[arg-type]  # binds as a Binder does
        row=row,
    )


def _cluster_schema(row: Row) -> dict[str, Any]:
    text = "The cluster: its id, name or uuid; otherwise where the objects are, your default, or the only one."
    if row.is_list:
        text += f' "{EVERYWHERE}" for all, each with its deadline; those that did not answer are named.'
    kinds = [{"type": "integer", "minimum": 1, "maximum": ID_MAX}, {"type": "string"}, {"type": "null"}]
    return {"anyOf": kinds, "description": text}


def _everywhere_schema(item: Mapping[str, Any]) -> dict[str, Any]:
    """Of a list of all clusters: each of its items tells where it is."""
    text = {"type": "string"}
    names = ("cluster", "code", "message")
    placed = {"type": "object", "properties": {"cluster": text}, "required": ["cluster"]}
    absent = {"type": "object", "properties": dict.fromkeys(names, text), "required": [*names]}
    return {
        "type": "object",
        "description": 'With cluster "*".',
        "properties": {
            "items": {"type": "array", "items": {"allOf": [item, placed]}},
            "missing": {"type": "array", "items": absent, "description": "Clusters that did not answer, and why."},
        },
        "required": ["items", "missing"],
    }
