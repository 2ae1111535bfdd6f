"""The types of what views answer with, as tables: every member with its type, its unit and what it means."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

from msgspec import Meta

WORDS: dict[Any, str] = {bool: "bool", int: "int", float: "number", str: "text", dict: "struct", Any: "any"}


def type_word(annotation: Any) -> str:
    """A type in a word, as a caller sees it; types of results by their names."""
    origin = get_origin(annotation)
    if origin in (Annotated, NotRequired):
        return type_word(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return " or ".join(type_word(part) for part in get_args(annotation))
    if origin is list:
        return f"list of {type_word(get_args(annotation)[0])}"
    if origin is Literal:
        return "/".join(str(value) or '""' for value in get_args(annotation))
    if origin is dict:
        return "struct"
    if annotation in (None, NoneType):
        return "null"
    if is_typeddict(annotation):
        return f"`{annotation.__name__}`"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return "/".join(str(member.value) or '""' for member in annotation)
    return WORDS.get(annotation) or ("time" if annotation.__name__ == "datetime" else str(annotation.__name__).lower())


def type_tables(package: str) -> str:
    """Of every type of a package of results; what it has in common with another is told by that one's name."""
    types = list(_types(package))
    return "\n\n".join(_table(each, types) for each in types)


def _types(package: str) -> Iterator[Any]:
    for info in pkgutil.iter_modules(importlib.import_module(package).__path__):
        module = importlib.import_module(f"{package}.{info.name}")
        yield from (each for each in vars(module).values() if is_typeddict(each) and each.__module__ == module.__name__)


def _table(kind: Any, types: list[Any]) -> str:
    hints = _hints(kind)
    within = [other for other in types if other is not kind and _hints(other).items() < hints.items()]
    base = max(within, key=lambda other: len(_hints(other)), default=None)
    doc = " ".join((inspect.getdoc(kind) or "").split()).replace("``", "`")
    told = f"**{kind.__name__}**: {doc}" + (f" As `{base.__name__}`, and:" if base else "")
    rows = [f"| `{name}` | {_shown(hint)} |" for name, hint in hints.items() if not base or name not in _hints(base)]
    return "\n".join([told, "", "| member | |", "|---|---|", *rows])


def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _shown(hint: Any) -> str:
    word = type_word(hint)
    if get_origin(hint) is NotRequired:
        word, hint = f"{word}, if it is told", get_args(hint)[0]
    metas = [each.description for each in _metas(hint) if each.description]
    return f"{word}: {metas[-1]}".replace("``", "`") if metas else word


def _metas(hint: Any) -> Iterator[Meta]:
    """The innermost first."""
    if get_origin(hint) is Annotated:
        inner, *more = get_args(hint)
        yield from _metas(inner)
        yield from (each for each in more if isinstance(each, Meta))
    elif get_origin(hint) in (Union, UnionType):
        yield from (each for part in get_args(hint) for each in _metas(part))
