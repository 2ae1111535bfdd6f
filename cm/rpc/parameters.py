"""
A view's parameters: read once from the function's signature, then bound to what a caller sent.

Per view one ``msgspec`` struct is compiled, so that a call costs one conversion and looks nothing up by introspection.
"""

from __future__ import annotations

import ast
import inspect
import math
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, is_typeddict

import msgspec
from msgspec import UNSET, UnsetType

from cm.rpc.errors import InvalidParameter
from cm.rpc.types import ID_MAX, PATTERNS, RequestId, Version, decode_hook

Kind = Literal["either", "named"]  # whether a parameter may also be given by position
Params = Sequence[Any] | Mapping[str, Any] | None

REQUIRED: Final[Any] = inspect.Parameter.empty
CONTROLS: Final[dict[str, Any]] = {"dry_run": bool, "request_id": RequestId | None, "if_version": Version | None}

# Nothing that XML 1.0 cannot carry passes either dialect: else one could make objects that the other cannot show.
ILLEGAL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`\Z", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`\Z", re.DOTALL)
_AT = re.compile(r"(.*) - at `(?:key in )?\$\.(\w+)(.*)`\Z", re.DOTALL)
_PATTERN = re.compile(r"Expected `str` matching regex ('.*'|\".*\")\Z", re.DOTALL)
_REASON_MAX = 200  # characters; messages may quote what was sent


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    annotation: Any
    required: bool
    default: Any
    kind: Kind


class Binder:
    """Turns what a caller sent into a view's arguments and controls."""

    __slots__ = ("_positional", "_struct", "_distinct", "_changing", "parameters")

    def __init__(self, parameters: Sequence[Parameter], changing: bool) -> None:
        self.parameters = tuple(parameters)
        self._changing = changing
        self._positional = tuple(p.name for p in parameters if p.kind == "either")
        self._distinct = tuple(p.name for p in parameters if _is_distinct(p.annotation))
        every = [(p.name, p.annotation, p.required) for p in parameters]
        if changing:
            every += [(name, annotation, False) for name, annotation in CONTROLS.items()]
        # A default stays the function's own affair: what was not sent is UNSET and not passed on.
        members: list[Any] = [
            (name, annotation) if required else (name, annotation | UnsetType, UNSET)
            for name, annotation, required in every
        ]
        self._struct = msgspec.defstruct("Parameters", members, kw_only=True, forbid_unknown_fields=True, gc=False)
        try:
            msgspec.convert({}, self._struct)  # a type that msgspec cannot read is told now, not to the first caller
        except msgspec.ValidationError:
            pass

    def bind(self, params: Params) -> tuple[dict[str, Any], dict[str, Any]]:
        """
        The view's arguments by name, and the controls that were sent.

        :raises InvalidParameter: names the first parameter at fault.
        """
        sent: dict[str, Any]
        if isinstance(params, Mapping):
            sent = params if isinstance(params, dict) else dict(params)
        elif params:
            if len(params) > len(self._positional):
                raise InvalidParameter(str(len(self._positional) + 1), self._too_many(len(params)))
            sent = dict(zip(self._positional, params, strict=False))
        else:
            sent = {}
        for name, value in sent.items():
            fault = unsendable(value)
            if fault:
                raise InvalidParameter(shown(str(name)), fault)
        try:
            made = msgspec.convert(sent, self._struct, strict=True, dec_hook=decode_hook)
        except (msgspec.ValidationError, RecursionError) as error:
            raise _explained(error) from None
        arguments = {name: value for name, value in msgspec.structs.asdict(made).items() if value is not UNSET}
        for name in self._distinct:
            items = arguments.get(name)
            if items and len(set(items)) != len(items):
                raise InvalidParameter(name, "an item is repeated")
        controls = {name: arguments.pop(name) for name in CONTROLS if name in arguments} if self._changing else {}
        return arguments, controls

    def _too_many(self, count: int) -> str:
        names = ", ".join(self._positional) or "none"
        return f"{count} were given by position and the method takes {len(self._positional)} ({names})"


def read_parameters(function: Callable[..., Any], changing: bool) -> tuple[list[Parameter], Any]:
    """
    The parameters of a view after its first, the caller; and its return annotation.

    :raises TypeError: the function cannot be a view; a fault of the program, told when it starts.
    """
    where = f"{function.__module__}.{function.__qualname__}"
    hints = typing.get_type_hints(function, include_extras=True)
    signature = list(inspect.signature(function).parameters.values())
    if not signature or signature[0].name != "caller":
        raise TypeError(f"{where}: the first parameter of a view is the caller")
    parameters: list[Parameter] = []
    for item in signature[1:]:
        if item.kind in (item.VAR_POSITIONAL, item.VAR_KEYWORD, item.POSITIONAL_ONLY):
            raise TypeError(f"{where}: {item} cannot travel by name")
        if item.name not in hints:
            raise TypeError(f"{where}: {item.name} has no annotation")
        if changing and item.name in CONTROLS:
            raise TypeError(f"{where}: {item.name} is a control of every changing view, see caller.{item.name}")
        parameters.append(
            Parameter(
                name=item.name,
                annotation=hints[item.name],
                required=item.default is REQUIRED,
                default=item.default,
                kind="named" if item.kind is item.KEYWORD_ONLY else "either",
            )
        )
    return parameters, hints.get("return", Any)


def unsendable(value: Any) -> str | None:
    """What is wrong with a value whatever the parameter: illegal characters, integers beyond 64 bits."""
    kind = type(value)
    if kind is str:
        return "it holds a character that cannot be sent" if ILLEGAL.search(value) else None
    if kind is int:
        return None if -ID_MAX - 1 <= value <= ID_MAX else "the number is beyond 64 bits"
    if kind is float:
        return None if math.isfinite(value) else "the number is not finite"
    if kind is list:
        return next((fault for fault in map(unsendable, value) if fault), None)
    if kind is dict:
        return next((fault for pair in value.items() for fault in map(unsendable, pair) if fault), None)
    return None


def takes_struct(annotation: Any) -> bool:
    """Whether a parameter may itself be an object on the wire."""
    if annotation is Any or annotation is dict:
        return True
    if isinstance(annotation, type):
        return is_dataclass(annotation) or issubclass(annotation, (msgspec.Struct, Mapping)) or is_typeddict(annotation)
    origin = get_origin(annotation)
    if origin is Annotated:
        return takes_struct(get_args(annotation)[0])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return True
    return origin in (Union, UnionType) and any(takes_struct(part) for part in get_args(annotation))


def _is_distinct(annotation: Any) -> bool:
    if get_origin(annotation) is Annotated:
        return any(isinstance(m, msgspec.Meta) and (m.extra or {}).get("distinct") for m in get_args(annotation)[1:])
    return any(_is_distinct(part) for part in get_args(annotation) if part is not None)


def _explained(error: Exception) -> InvalidParameter:
    """msgspec's message as a parameter and a reason."""
    if isinstance(error, RecursionError):
        return InvalidParameter("params", "it is nested too deeply")
    message = str(error)
    if found := _AT.match(message):
        reason, name, within = found.groups()
        if inner := _UNKNOWN.match(reason) or _MISSING.match(reason):
            word = "unknown" if reason.startswith("Object contains") else "missing"
            reason = f"the field {inner[1]} is {word}"
        if pattern := _PATTERN.match(reason):
            return InvalidParameter(name, PATTERNS.get(ast.literal_eval(pattern[1]), "it has not the form needed"))
        reason = reason[:1].lower() + reason[1:]
        return InvalidParameter(name, shown(reason + (f" at {within.lstrip('.')}" if within else "")))
    if found := _UNKNOWN.match(message):
        return InvalidParameter(shown(found[1]), "the method has no such parameter")
    if found := _MISSING.match(message):
        return InvalidParameter(shown(found[1]), "it is required")
    return InvalidParameter("params", shown(message[:1].lower() + message[1:]))


def shown(text: str) -> str:
    """A text from outside as it may stand in a message: of one line and bounded."""
    clean = "".join(c if c.isprintable() else "\ufffd" for c in text[:_REASON_MAX])
    return clean + "..." if len(text) > _REASON_MAX else clean
