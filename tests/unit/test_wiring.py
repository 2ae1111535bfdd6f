"""Parts are handed what they use when they are made: by type, so that whoever reads a class knows what it needs."""

from __future__ import annotations

import ast
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import clm.drivers.oidc
import clm.services.authenticator
import clm.services.connection
import clm.services.context
import clm.services.forward
import cm.rpc.gate
import cm.rpc.keys
import cm.runtime.database
import cm.runtime.listener
import cm.runtime.logins
import cm.runtime.threads
import cm.services.authenticator
import cm.services.context
import cm.services.fleet

ROOT = Path(__file__).parents[2]
PRODUCT = sorted(p for top in ("cm", "clm", "contextualization") for p in (ROOT / top).rglob("*.py"))
APPS = [p for p in PRODUCT if p.name == "app.py"]
KNOWN = {
    name: value
    for module in (
        cm.rpc.gate, cm.rpc.keys, cm.runtime.database, cm.runtime.listener, cm.runtime.logins, cm.runtime.threads,
        cm.services.authenticator, cm.services.fleet, clm.drivers.oidc, clm.services.authenticator,
        clm.services.connection, clm.services.forward,
    )
    for name, value in vars(module).items()
}  # fmt: skip


@pytest.mark.parametrize("context", [cm.services.context, clm.services.context])
def test_services(context: Any) -> None:
    """Every living part has a type; but for the reactor, whose parts are interfaces, it is a class of ours."""
    hints = get_type_hints(context.Services, localns=KNOWN)
    untyped = {field.name for field in fields(context.Services) if "Any" in str(hints[field.name])}
    assert untyped <= {"reactor"}
    assert not [name for name, hint in hints.items() if "None" in str(hint)], "a part that may be missing"


def parts_of(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text())))


@pytest.mark.parametrize("path", APPS, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_is_put_into_others(path: Path) -> None:
    """Who wires a program sets attributes of its own alone: what a part calls is given to it, or subscribes."""
    foreign = [
        f"{path.name}:{node.lineno}"
        for node in parts_of(path)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and not (isinstance(node.value, ast.Name) and node.value.id == "self")
    ]
    assert foreign == []


def test_no_capability_by_name() -> None:
    """Nobody asks a part whether it happens to have a method: a protocol says what is needed."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in PRODUCT
        for node in parts_of(path)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("getattr", "hasattr")
        and ast.unparse(node.args[0]).endswith(("authenticator", "services", "_reader", "gate"))
    ]
    assert found == []
