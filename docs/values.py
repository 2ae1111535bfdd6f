"""
What a name or an expression of our code is, as far as its annotations say: a function, a class, an instance of one, or
many of them. ``raises.py`` follows calls by this.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import sys
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cm.interfaces.calls import Call

# Below these only what is common to all calls is raised, or nothing that a caller is told.
_NOT_ENTERED = ("cm.runtime", "cm.rpc.dispatch", "cm.rpc.codec", "cm.models", "clm.models")
OURS = ("cm", "clm")
_UNKNOWN = (NameError, AttributeError, TypeError, SyntaxError)  # what an annotation that means nothing here raises
_CONTAINERS = ("list", "Sequence", "Iterable", "Iterator", "tuple", "set", "frozenset", "Collection")
_MAPPINGS = ("dict", "Mapping", "MutableMapping", "defaultdict")


@dataclass(frozen=True)
class Instance:
    """A value of a class of ours."""

    of: type


@dataclass(frozen=True)
class Many:
    """A container of values of one type."""

    of: Any


@dataclass(frozen=True)
class Bound:
    function: Any
    of: type


@dataclass(frozen=True)
class Method:
    of: Many
    name: str


@cache
def tree(module: str) -> dict[str, Any]:
    """A module's functions by their qualified names."""
    path = sys.modules[module].__file__
    assert path is not None
    found: dict[str, Any] = {}

    def walk(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                found[prefix + node.name] = node
            elif isinstance(node, ast.ClassDef):
                walk(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, (ast.If, ast.Try)):
                walk(node.body, prefix)

    walk(ast.parse(Path(path).read_text()).body, "")
    return found


def is_ours(module: str | None) -> bool:
    return module is not None and module.split(".")[0] in OURS and not module.startswith(_NOT_ENTERED)


@cache
def _hints(of: Any) -> dict[str, Any]:
    space: dict[str, Any] = {}
    for cls in reversed(of.__mro__ if isinstance(of, type) else ()):
        space |= _type_checking(cls.__module__)
    if not isinstance(of, type):
        space = dict(_type_checking(of.__name__ if isinstance(of, types.ModuleType) else of.__module__))
    try:
        return typing.get_type_hints(of, localns=space)
    except _UNKNOWN:
        made = {}
        for name, told in getattr(of, "__annotations__", {}).items():
            try:
                scope = {**vars(sys.modules[of.__module__]), **space}
                made[name] = eval(told, scope) if isinstance(told, str) else told
            except _UNKNOWN:
                continue
        return made


@cache
def _type_checking(module: str) -> dict[str, Any]:
    """What a module imports for type checkers alone."""
    loaded = sys.modules.get(module)
    path = getattr(loaded, "__file__", None)
    if not is_ours(module) or path is None:
        return {}
    found: dict[str, Any] = {}
    for node in ast.walk(ast.parse(Path(path).read_text())):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for each in node.body:
                if isinstance(each, ast.ImportFrom) and each.module:
                    for alias in each.names:
                        try:
                            value = getattr(importlib.import_module(each.module), alias.name)
                        except (ImportError, AttributeError):
                            continue
                        found[alias.asname or alias.name] = value
    return found


def typed(annotation: Any) -> Any:
    """What an annotation says a value is, as far as it is of ours."""
    if annotation is None or annotation is inspect.Parameter.empty:
        return None
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return typed(parts[0])
    if origin in (typing.Union, types.UnionType):
        return next((made for made in map(typed, parts) if made is not None), None)
    if origin is not None:
        name = getattr(origin, "__name__", str(origin))
        if name in _MAPPINGS and len(parts) == 2:
            return Many(typed(parts[1]))
        if name in _CONTAINERS and parts:
            return Many(typed(parts[0]))
        if name in ("Awaitable", "Deferred", "Coroutine") and parts:
            return typed(parts[-1])
        return typed(origin)
    if isinstance(annotation, type) and is_ours(annotation.__module__):
        return Instance(annotation)
    if isinstance(annotation, type) and annotation.__module__.startswith(("cm.", "clm.")):
        return Instance(annotation)
    return None


@cache
def changed_in(code: Any) -> frozenset[str]:
    """Names that a function assigns to: what it was handed in them may be another value by and by."""
    names = (each for each in ast.walk(code) if isinstance(each, ast.Name))
    return frozenset(each.id for each in names if not isinstance(each.ctx, ast.Load))


def is_function(found: Any) -> bool:
    return isinstance(found, Bound) or (isinstance(found, types.FunctionType) and is_ours(found.__module__))


class Names(ast.NodeVisitor):
    """
    The names of one function, as they are bound while it is read.

    :param owner: whose method it is.
    """

    def __init__(self, function: Any, owner: type | None) -> None:
        self.function, self.owner = function, owner
        self.module = sys.modules[function.__module__]
        self.local: dict[str, Any] = {}
        self.hints = hints = _hints(function)
        code = tree(function.__module__)[function.__qualname__]
        arguments = [*code.args.posonlyargs, *code.args.args, *code.args.kwonlyargs]
        for argument in arguments:
            self.local[argument.arg] = typed(hints.get(argument.arg))
        if owner is not None and arguments and arguments[0].arg in ("self", "cls"):
            self.local[arguments[0].arg] = Instance(owner)
        self.code = code

    def call(self, function: Any, known: Mapping[str, Any] | None = None) -> None:
        """A function is called, or a property read."""

    def found(self, name: str) -> Any:
        if name in self.local:
            return self.local[name]
        space = vars(self.module)
        held = space.get(name)
        if isinstance(held, dict) and held:  # a register: what its values have in common
            ours = [each for each in type(next(iter(held.values()))).__mro__ if is_ours(each.__module__)]
            return Many(Instance(ours[-1])) if ours else held
        if name in space:
            return held
        return _type_checking(self.function.__module__).get(name) or getattr(builtins, name, None)

    def is_present(self, node: ast.AST) -> bool:
        """Whether annotations say that a value is never None."""
        hint = None
        match node:
            case ast.Name(id=name) if name not in changed_in(self.code):
                hint = self.hints.get(name)
            case ast.Attribute(value=inner, attr=name):
                held = self.value(inner)
                if isinstance(held, Instance):
                    hint = next((_hints(cls)[name] for cls in held.of.__mro__ if name in _hints(cls)), None)
            case ast.Call(func=called):
                function = self.value(called)
                hint = _hints(getattr(function, "function", function)).get("return") if is_function(function) else None
        return hint is not None and hint is not Any and type(None) not in typing.get_args(hint)

    def value(self, node: ast.AST) -> Any:
        """What an expression is: an object of a module, an ``Instance``, or None."""
        match node:
            case ast.Await():
                return self.value(node.value)
            case ast.Name():
                return self.found(node.id)
            case ast.Attribute():
                return self.attribute(self.value(node.value), node.attr)
            case ast.Call():
                return self.result(self.value(node.func), node)
            case ast.Subscript():
                held = self.value(node.value)
                return held.of if isinstance(held, Many) else None
            case ast.IfExp():
                made = self.value(node.body)
                return self.value(node.orelse) if made is None else made
            case ast.BoolOp():
                return next((made for made in map(self.value, node.values) if made is not None), None)
            case ast.NamedExpr():
                return self.value(node.value)
        return None

    def attribute(self, of: Any, name: str) -> Any:
        if isinstance(of, Many):
            return Method(of, name)
        if not isinstance(of, Instance):
            return getattr(of, name, None) if isinstance(of, (types.ModuleType, type)) else None
        there = inspect.getattr_static(of.of, name, None)
        if isinstance(there, property):
            self.call(there.fget)
            return typed(_hints(there.fget).get("return"))
        if isinstance(there, Call):
            return there
        if isinstance(there, (types.FunctionType, classmethod, staticmethod)):
            return Bound(getattr(there, "__func__", there), of.of)
        for cls in of.of.__mro__:
            hint = _hints(cls).get(name)
            if hint is not None:
                return typed(hint)
            made = _made_by_init(cls, name)
            if made is not None:
                return made
        return None

    def result(self, called: Any, node: ast.Call) -> Any:
        if isinstance(called, Method):
            return called.of.of if called.name in ("get", "pop", "setdefault") else called.of
        if isinstance(called, Bound):
            return typed(_hints(called.function).get("return"))
        if isinstance(called, types.FunctionType):
            return typed(_hints(called).get("return")) if is_ours(called.__module__) else None
        if isinstance(called, type):
            if called in (list, sorted, tuple, set) and node.args:
                return self.value(node.args[0])
            return Instance(called) if is_ours(called.__module__) else None
        return None


@cache
def _made_by_init(cls: type, name: str) -> Any:
    init = vars(cls).get("__init__")
    if not isinstance(init, types.FunctionType) or not is_ours(init.__module__):
        return None
    if init.__qualname__ not in tree(init.__module__):
        return None
    reader = Names(init, cls)
    for node in ast.walk(reader.code):
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Attribute) and target.attr == name and node.value is not None:
                    if isinstance(node, ast.AnnAssign):
                        try:
                            space = {**vars(reader.module), **_type_checking(cls.__module__)}
                            return typed(eval(ast.unparse(node.annotation), space))
                        except _UNKNOWN:
                            return None
                    made = reader.value(node.value)
                    return made if isinstance(made, (Instance, Many)) else None
    return None
