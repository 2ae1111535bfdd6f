"""
What the server tells of itself: ``system.listMethods``, ``methodSignature``, ``methodHelp``, ``rpc.discover``.

They are views like any other, for guests, answered by the dispatcher without the executor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, TypedDict

from msgspec import Meta

from cm.rpc.caller import Call
from cm.rpc.cases import Case
from cm.rpc.codec import Rendered, encode_json
from cm.rpc.errors import CloudError
from cm.rpc.examples import example
from cm.rpc.parameters import CONTROLS, REQUIRED, Parameter
from cm.rpc.types import schemas
from cm.rpc.view import Registry, View, guest_view, unknown

MULTICALL: Final = "system.multicall"
OPENRPC: Final = "1.3.2"
Described = Annotated[dict[str, Any], Meta(description="As the specification of OpenRPC has it.")]
Outcome = Annotated[Any, Meta(description="A call's result alone in a list, or an error as a fault struct.")]

# What an error's number means: the family that has it.
FAMILIES: Final = {each.number: each.code for each in CloudError.__subclasses__()}

_XML_TYPES: Final = {
    "integer": "int",
    "string": "string",
    "boolean": "boolean",
    "number": "double",
    "array": "array",
    "object": "struct",
    "null": "nil",
}


class OpenRPC(TypedDict):
    """A document by the specification of OpenRPC."""

    openrpc: Annotated[str, Meta(description="The specification's version.")]
    info: Annotated[dict[str, str], Meta(description="Title and version.")]
    methods: Annotated[list[Described], Meta(description="By name.")]
    components: Annotated[dict[str, Described], Meta(description="What the methods refer to.")]


class DryRun(TypedDict):
    """What a changing call with dry_run answers in place of its result; nothing was changed."""

    dry_run: Literal[True]
    plan: Annotated[list[dict[str, Any]], Meta(description="What would be done, in order: each a step, and its own.")]


@dataclass(frozen=True)
class ReadySchema:
    """
    The annotation of a parameter or result whose type stands elsewhere: its JSON schema, and the definitions that the
    schema refers to below ``#/components/schemas/``. A definition of one name is the same everywhere.
    """

    schema: dict[str, Any]
    components: dict[str, Any] = field(default_factory=dict, repr=False)


def described_types(annotations: list[Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """As ``types.schemas``, for annotations that may be ready schemas."""
    made, components = schemas([each for each in annotations if not isinstance(each, ReadySchema)])
    read = iter(made)
    result = [each.schema if isinstance(each, ReadySchema) else next(read) for each in annotations]
    for each in annotations:
        if isinstance(each, ReadySchema):
            for name, schema in each.components.items():
                components.setdefault(name, schema)
    return result, components


def introspection(registry: Registry, title: str) -> Registry:
    """
    The server's own methods, which tell of the registry's and of themselves. What they tell stays the same as long as
    the server lives, so each answer is made once and kept as text.
    """
    own = Registry(cases=registry.cases)
    made: dict[tuple[str, str], Rendered] = {}

    def kept(what: str, of: str, make: Callable[[], Any]) -> Any:
        """:return: the text of what ``make`` makes. Only names of views come here, so there are few."""
        found = made.get((what, of))
        if found is None:
            found = made[what, of] = Rendered(encode_json(make()))
        return found

    def described(name: str) -> View:
        view = registry.find(name) or own.find(name)
        if view is None:
            raise unknown(name)
        return view

    @guest_view(name="system.listMethods")
    async def list_methods(caller: Call) -> list[str]:
        """The names of all methods."""
        return kept("methods", "", lambda: sorted([*registry.names(), *own.names()]))

    @guest_view(name="system.methodSignature")
    async def method_signature(caller: Call, method: str) -> list[list[str]]:
        """
        The XML-RPC types of a method, its result's first: one list for each number of parameters it takes, and for each
        kind of them. A list of a struct alone is of parameters by name.

        A result that may be absent is nil then; a dry run answers a struct.
        """
        view = described(method)
        return kept("signature", method, lambda: signatures(view))

    @guest_view(name="system.methodHelp")
    async def method_help(caller: Call, method: str) -> str:
        """The documentation of a method."""
        view = described(method)
        return kept("help", method, lambda: view.doc)

    @guest_view(name=MULTICALL)
    async def multicall(caller: Call, calls: list[Any]) -> list[Outcome]:
        """
        Several calls in one, made in order.

        Each is a struct of methodName and params. A result comes alone in a list, an error as a fault struct.
        """
        raise AssertionError("the dispatcher does this")

    @guest_view(name="rpc.discover")
    async def discover(caller: Call) -> OpenRPC:
        """This service as an OpenRPC document."""
        return kept("document", "", lambda: openrpc([*registry, *own], title))

    for function in (list_methods, method_signature, method_help, multicall, discover):
        own.add(function)
    return own


def signatures(view: View) -> list[list[str]]:
    positional = [p for p in view.parameters if p.kind == "either"]
    needed = sum(p.required for p in positional)
    made, components = described_types([view.returns, *(p.annotation for p in positional)])
    results, *types = [_xml_types(schema, components) for schema in made]
    found = []
    for count in range(len(positional), needed - 1, -1):
        taken = types[:count]
        for turn in range(max(map(len, taken), default=1)):  # ids everywhere, and uuids everywhere
            found.append([results[0], *(each[min(turn, len(each) - 1)] for each in taken)])
    # What only a parameter asks for that is given by name: a cluster's lists answer otherwise when all are asked.
    return found + [[other, "struct"] for other in results[1:]]


def _xml_types(schema: dict[str, Any], components: dict[str, Any]) -> list[str]:
    """What XML-RPC calls a schema's values: all kinds of them, but nil only where there is no other."""
    told = list(dict.fromkeys(json_types(schema, components)))
    return [_XML_TYPES.get(name, "struct") for name in told if name != "null"] or ["nil"]


def json_types(schema: dict[str, Any], components: dict[str, Any]) -> list[str]:
    if "$ref" in schema:
        schema = components.get(schema["$ref"].rpartition("/")[2], {})
    if "anyOf" in schema:
        return [name for part in schema["anyOf"] for name in json_types(part, components)]
    told = schema.get("type", "object")
    return told if isinstance(told, list) else [told]


def openrpc(views: list[View], title: str) -> dict[str, Any]:
    """The OpenRPC document of these views."""
    annotations: list[Any] = []
    for view in views:
        annotations += [view.returns, *(p.annotation for p in view.parameters)]
    control_annotations = list(CONTROLS.values())
    made, components = described_types(annotations + control_annotations)
    schema_of = iter(made)
    control_schemas = dict(zip(CONTROLS, made[len(annotations) :], strict=True))
    cases = {case.code: case for view in views for case in (*view.errors, *view.common)}
    methods = []
    for view in views:
        result = next(schema_of)
        parameters = [_described(p, next(schema_of)) for p in view.parameters]
        if view.changing:
            parameters += [{"name": n, "required": False, "schema": s} for n, s in control_schemas.items()]
        methods.append(
            {
                "name": view.name,
                "summary": view.summary,
                "description": view.doc,
                "params": parameters,
                "result": {"name": "result", "schema": result},
                "errors": _errors(view),
                "paramStructure": "either",
                "examples": [_example(view, parameters, result, components)],
                "x-errors": [case.code for case in view.errors],
                "x-role": view.role.value,
                "x-changing": view.changing,
            }
        )
    return {
        "openrpc": OPENRPC,
        "info": {"title": title, "version": "1"},
        "methods": methods,
        "components": {"schemas": components, "errors": {code: _case(cases[code]) for code in sorted(cases)}},
    }


def _errors(view: View) -> list[dict[str, Any]]:
    """
    What a method can answer with in place of its result. By the specification no two have one number, so they are told
    by family: which cases there are of each, the method's own first; the components tell of a case.
    """
    found: dict[int, list[str]] = {}
    for case in (*view.errors, *view.common):
        found.setdefault(case.number, []).append(case.code)
    return [{"code": n, "message": FAMILIES.get(n, found[n][0]), "data": {"slugs": found[n]}} for n in sorted(found)]


def _case(case: Case) -> dict[str, Any]:
    """:return: an error object; braces in its message stand for fields, which come in ``data.fields`` of an answer."""
    return {"code": case.number, "message": case.message, "data": {"slug": case.code, "retry": case.retry}}


def _example(
    view: View, parameters: list[dict[str, Any]], result: dict[str, Any], components: dict[str, Any]
) -> dict[str, Any]:
    """A call with what it takes at least, and an answer."""
    params = [{"name": p["name"], "value": example(p["schema"], components)} for p in parameters if p["required"]]
    return {"name": view.name, "params": params, "result": {"name": "result", "value": example(result, components)}}


def _described(parameter: Parameter, schema: dict[str, Any]) -> dict[str, Any]:
    if not parameter.required and parameter.default is not REQUIRED:
        default = parameter.default
        if default is None or isinstance(default, (str, int, float, bool)):
            schema = {"allOf": [schema], "default": default} if "$ref" in schema else {**schema, "default": default}
    return {"name": parameter.name, "required": parameter.required, "schema": schema}
