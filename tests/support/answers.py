"""
Every answer that a test gets out of a manager is held against the type that its view declares: unknown members, absent
ones and values that are none of theirs are faults. Every error is held against those that the view is said to answer
with (``errors.json`` beside the views). ``tests/conftest.py`` installs this and fails the test that met a fault. In
production nothing is looked at again.

With ``WAWEL_ERRORS_SEEN=FILE`` the errors that were met are added to that file, a view and a slug a line;
``docs/errors.py FILE`` tells which others are said to be possible.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

import clm.daemon.execute
import cm.runtime.execute
from clm.rules.forward import EVERYWHERE
from clm.views.forward import Forwarded
from cm.rpc.caller import Control, Identity, LocalCaller
from cm.rpc.codec import encode_xml, plain
from cm.rpc.dispatch import Dispatcher
from cm.rpc.errors import CloudError
from cm.rpc.introspection import DryRun, described_types, json_types, signatures
from cm.rpc.view import Registry, View

FAULTS_SHOWN = 5
_faults: list[str] = []
_seen: set[str] = set()
_errors: set[tuple[str, str]] = set()
_signed: dict[tuple[str, type[View]], frozenset[str]] = {}  # a cloud's of one name differs from the cluster's


def install() -> None:
    """Watch the executors of both managers, through which every call goes, whoever makes it, and the ways to them."""
    for home in (cm.runtime.execute.Executor, clm.daemon.execute.Executor):
        _watch(home)
    for way in (Dispatcher, LocalCaller):
        _watch_errors(way)


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
        answer = plain(result)
        hold_answer(view, arguments, control, answer)
        if not control.dry_run and (kind := xml_kind(answer)) not in _kinds(view):
            _faults.append(f"{view.name} answered {kind} in XML-RPC, which is none of {sorted(_kinds(view))}")
        return result

    home.execute = execute


def xml_kind(answer: Any) -> str:
    """What XML-RPC calls a plain value: the tag that it is written with."""
    shallow = type(answer)() if isinstance(answer, (dict, list)) else answer
    tag = re.search(r"<(nil|int|i8|string|boolean|double|array|struct)\b", encode_xml(shallow))
    assert tag is not None, shallow
    return "int" if tag[1] == "i8" else tag[1]


def _kinds(view: View) -> frozenset[str]:
    """What ``system.methodSignature`` says that a method answers with, and nil where its result may be absent."""
    key = (view.name, type(view))
    if key not in _signed:
        made, components = described_types([view.returns])
        absent = {"nil"} if "null" in json_types(made[0], components) else set()
        _signed[key] = frozenset({each[0] for each in signatures(view)} | absent)
    return _signed[key]


def _watch_errors(home: Any) -> None:
    inner = home.call

    async def call(self: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return await inner(self, method, *args, **kwargs)
        except CloudError as error:
            registry: Registry = self._registry
            view = self.find(method) if isinstance(self, Dispatcher) else registry.find(method)
            if view is not None and registry.cases.every:  # of a manager, not of a test's own views
                hold(view, error)
            raise

    home.call = call


def hold(view: View, error: CloudError) -> None:
    """An error that a call was answered with against those of its view."""
    if error.code not in {case.code for case in (*view.errors, *view.common)}:
        _faults.append(f"{view.name} answered with {error.code} ({type(error).__name__}), which is none of its errors")
    if (view.name, error.code) not in _errors:
        _errors.add((view.name, error.code))
        if path := os.environ.get("WAWEL_ERRORS_SEEN"):
            with Path(path).open("a") as file:
                file.write(f"{view.name} {error.code}\n")


def hold_answer(view: View, arguments: dict[str, Any], control: Control, answer: Any) -> None:
    """
    Remember what is wrong with a view's answer.

    :param answer: plain values, as they are on the wire.
    """
    fault = _fault(view, arguments, control, answer)
    if fault is not None:
        _faults.append(f"{view.name} answered what it does not declare: {fault}")


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
