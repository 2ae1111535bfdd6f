"""
How long a node's calls last is said once, in the interfaces: threads follow it, and the drivers' connections agree.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from cm.drivers.libvirt import connection
from cm.interfaces.node import INodeDriver, is_slow
from cm.operations import engine
from cm.runtime.threads import NODE_SIZE, NODE_SLOW_SIZE, SIZES

ROOT = Path(__file__).resolve().parents[3]
CALLS = set(INodeDriver.names(all=True))


def functions(path: Path) -> Iterator[ast.FunctionDef]:
    yield from (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef))


def called(function: ast.FunctionDef) -> set[str]:
    """The attributes that a function calls."""
    calls = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
    return {call.attr for call in calls if isinstance(call, ast.Attribute)}


def test_connections_agree() -> None:
    """Of the libvirt driver's calls those marked slow, and no others, take a slow connection."""
    taken = {}
    for name in ("hypervisor", "images", "network"):
        for function in functions(ROOT / f"cm/drivers/libvirt/{name}.py"):
            if function.name in CALLS and {"fast", "slow"} & called(function):
                taken[function.name] = "slow" in called(function)
    assert len(taken) >= 20
    assert taken == {name: is_slow(name) for name in taken}


def test_functions_agree() -> None:
    """A function that is run with a driver, and makes a slow call, is marked slow itself."""
    seen = set()
    for path in sorted((ROOT / "cm").rglob("*.py")):
        if "drivers" in path.parts:
            continue
        for function in functions(path):
            if not function.args.args or function.args.args[0].arg != "driver" or function.name.startswith("_"):
                continue
            calls = called(function) & CALLS
            marks = {mark.id for mark in function.decorator_list if isinstance(mark, ast.Name)}
            assert bool(marks & {"slow", "lasting"}) == any(is_slow(call) for call in calls) or not calls, function.name
            seen.add(function.name)
    assert {"boot", "seal", "make_volumes", "make_copies", "delete_volumes"} <= seen


def test_sizes_fit() -> None:
    """No more threads than connections, and no more operations at a node than can work there."""
    assert (SIZES["node"], SIZES["node-slow"]) == (NODE_SIZE, NODE_SLOW_SIZE)
    assert engine.PER_NODE <= NODE_SLOW_SIZE
    made = connection.Connections("qemu+tcp://192.0.2.1/system", node="n1")
    assert (len(made._fast._lanes), len(made._slow._lanes)) == (NODE_SIZE, NODE_SLOW_SIZE)
