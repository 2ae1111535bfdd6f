"""
Every answer that a test gets out of a manager is held against the type that its view declares: unknown members, absent
ones and values that are none of theirs are faults. ``tests/conftest.py`` installs this and fails the test that met one.
In production nothing is looked at again.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

import clm.daemon.execute
import cm.runtime.execute
from clm.rules.forward import EVERYWHERE
from clm.views.forward import Forwarded
from cm.rpc.caller import Control, Identity
from cm.rpc.codec import plain
from cm.rpc.introspection import DryRun
from cm.rpc.view import Registry, View

FAULTS_SHOWN = 5
_faults: list[str] = []
_seen: set[str] = set()


def install() -> None:
    """Watch the executors of both managers, through which every call goes, whoever makes it."""
    for home in (cm.runtime.execute.Executor, clm.daemon.execute.Executor):
        _watch(home)


def take() -> list[str]:
    """What was found since the last time."""
    found = list(_faults)
    _faults.clear()
    return found


def answered() -> frozenset[str]:
    """The views whose answers were looked at in this process."""
    return frozenset(_seen)


def _watch(home: Any) -> None:
    inner = home.execute

    async def execute(self: Any, view: View, identity: Identity, arguments: dict[str, Any], control: Control) -> Any:
        if type(self).execute is not execute:  # the cloud's own calls this one
            return await inner(self, view, identity, arguments, control)
        result = await inner(self, view, identity, arguments, control)
        fault = _fault(view, arguments, control, plain(result))
        if fault is not None:
            _faults.append(f"{view.name} answered what it does not declare: {fault}")
        return result

    home.execute = execute


def _fault(view: View, arguments: dict[str, Any], control: Control, answer: Any) -> str | None:
    _seen.add(view.name)
    if view.changing and control.dry_run:
        return fault_of(answer, DryRun)
    if not isinstance(view, Forwarded):
        return fault_of(answer, view.returns)
    declared = _cluster_views().get(view.name).returns
    if not (view.row and view.row.is_list and arguments.get("cluster") == EVERYWHERE):
        return fault_of(answer, declared)
    items = [{name: value for name, value in item.items() if name != "cluster"} for item in answer["items"]]
    return fault_of(items, declared)


@cache
def _cluster_views() -> Registry:
    return Registry.collect("cm.views")


def fault_of(answer: Any, declared: Any) -> str | None:
    """
    What is wrong with an answer; None: nothing.

    :param answer: plain values, as they are on the wire.
    """
    try:
        read = msgspec.convert(answer, declared, strict=True)
    except msgspec.ValidationError as error:
        return str(error)
    return _surplus(answer, read, "$")


def _surplus(answer: Any, read: Any, at: str) -> str | None:
    """Members that were sent and are in no type: what was read of the answer lacks them."""
    if isinstance(answer, dict) and isinstance(read, dict):
        if answer.keys() - read.keys():
            return f"undeclared {', '.join(sorted(answer.keys() - read.keys()))} at {at}"
        return next((f for name in answer if (f := _surplus(answer[name], read[name], f"{at}.{name}"))), None)
    if isinstance(answer, list) and isinstance(read, list):
        pairs = enumerate(zip(answer, read, strict=True))
        return next((f for index, (a, r) in pairs if (f := _surplus(a, r, f"{at}[{index}]"))), None)
    return None
