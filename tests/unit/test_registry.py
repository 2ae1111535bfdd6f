"""What holds of every view of both managers, for clients in other languages."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from typing import Any

import pytest

from clm.views.forward import add_forwarded
from cm.rpc.codec import plain
from cm.rpc.introspection import introspection, openrpc, signatures
from cm.rpc.types import PATTERNS
from cm.rpc.view import Registry, View
from cm.rules.operation import SPECS

# Words that are no names in the languages clients are written in (ECMA-262 12.7.2; JLS 3.9; C# 6.4.4; Go's and Rust's
# lists), and so neither parameters nor fields of what is generated for them.
RESERVED = frozenset(keyword.kwlist) | frozenset(
    """
    abstract arguments as assert async await base bool boolean break byte case catch char checked chan class const
    continue crate debugger decimal default defer delegate delete do double dyn else enum eval event explicit export
    extends extern fallthrough false final finally fixed float fn for foreach func function go goto if impl implements
    implicit import in instanceof int interface internal is let lock long loop map match mod move mut namespace native
    new null object operator out override package params private protected public pub range readonly ref return sbyte
    sealed select self short sizeof stackalloc static strictfp string struct super switch synchronized this throw
    throws trait transient true try typeof uint ulong unchecked unsafe unsigned ushort use using var virtual void
    volatile where while with yield
    """.split()
)


def test_calls_of_kinds() -> None:
    """The call that asks for a kind of operation needs what retrying it and giving it up do."""
    cluster = Registry.collect("cm.views")
    for kind, spec in SPECS.items():
        view = cluster.find(f"user.{spec.call}")
        if view is not None:
            assert set(view.on.values()) == {spec.action}, kind


@pytest.fixture(scope="module")
def views() -> list[View]:
    cluster = Registry.collect("cm.views")
    cloud = add_forwarded(Registry.collect("clm.views"))
    return [*cluster, *introspection(cluster, ""), *cloud]


def schemas(views: list[View]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema below the document of these views, with where it stands."""
    waiting: list[tuple[str, Any]] = [("", plain(openrpc(views, "")))]
    while waiting:
        where, found = waiting.pop()
        if isinstance(found, dict):
            yield where, found
            waiting += [(f"{where}/{name}", each) for name, each in found.items()]
        elif isinstance(found, list):
            waiting += [(f"{where}/{index}", each) for index, each in enumerate(found)]


def test_parameters_are_names(views: list[View]) -> None:
    taken = {(view.name, p.name) for view in views for p in view.parameters if p.name in RESERVED}
    assert taken == set()


def test_patterns(views: list[View]) -> None:
    """Every pattern means the same in Python and ECMAScript, and whoever breaks it is told the form in words."""
    patterns = {found["pattern"] for _, found in schemas(views) if isinstance(found.get("pattern"), str)}
    assert len(patterns) > 10
    for pattern in patterns:
        assert pattern in PATTERNS, pattern
        assert not re.search(r"\\[AZGbz]|\(\?[P<#aiLmsux]", pattern), f"only Python knows this of {pattern}"


def test_enumerations_have_types(views: list[View]) -> None:
    enumerations = [(where, found) for where, found in schemas(views) if isinstance(found.get("enum"), list)]
    assert enumerations and [where for where, found in enumerations if "type" not in found] == []


def test_signatures(views: list[View]) -> None:
    """XML-RPC is told what really comes: lists are arrays, enumerations strings."""
    told = {view.name: signatures(view)[0] for view in views}
    for name in ("user.vm.get_list", "admin.vm.get_list", "user.vm.create", "user.operation.get_list"):
        assert told[name][0] == "array", name
    assert told["user.vm.get_by_id"] == ["struct", "int"]
    assert told["user.system_image.get_list"][:2] == ["array", "string"]
