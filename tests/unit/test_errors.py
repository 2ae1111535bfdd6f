"""Each view's errors are read off its code, told to whoever asks, and an error that is none of them is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import raising
from test_results import REGISTRIES, document

import values
from clm.console.descriptions import packaged
from clm.console.generate import command_of
from clm.rules.permission import GATES
from clm.rules.scope import SESSION_ONLY
from clm.views.forward import Forwarded
from cm.rpc.errors import NoCapacity, ObjectNotFound
from cm.rpc.introspection import introspection, openrpc
from cm.rpc.view import Registry, View
from errors import cluster_cases, superfluous
from generate import cases
from raises import Raises
from support import answers

WORK = {name: values.Bound(getattr(raising.Work, name), raising.Work) for name in ("plain", "locked", "at_version")}


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (raising.find, {"object_not_found"}),
        (raising.caught, {"stopping"}),
        (raising.raised_again, {"object_not_found"}),
        (raising.suppressed, set()),
        (raising.raises_made, {"vm_busy"}),
        (raising.handed_on, {"object_not_found"}),
        (raising.told, {"not_permitted"}),
        (raising.permitted, set()),
        (raising.within, {"object_not_found"}),
        (raising.in_a_circle, {"object_not_found"}),
        (raising.looked_up, {"vm_busy", "no_free_address"}),
        (WORK["plain"], set()),
        (WORK["locked"], {"vm_busy"}),
        (WORK["at_version"], {"no_free_address"}),
    ],
)
def test_read(function: Any, expected: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is raised and not caught, through attributes, across branches that a call rules out, and in circles."""
    monkeypatch.setattr(values, "OURS", (*values.OURS, "raising"))
    assert {error.code for error in Raises().of(function)} == expected


def view_of(name: str, registry: Callable[[], Registry] = REGISTRIES["cm"]) -> View:
    return registry().get(name)


def codes(view: View) -> set[str]:
    return {case.code for case in (*view.errors, *view.common)}


def test_of_views() -> None:
    """Some that are known: by what a view does, by its role, and by changing something."""
    create, shown = view_of("user.vm.create"), view_of("user.vm.get_by_id")
    assert {"quota_reached", "no_capacity", "storage_full", "role_needed", "request_id_reused"} <= codes(create)
    assert {"object_not_found", "role_needed", "not_authenticated"} <= codes(shown)
    assert codes(shown).isdisjoint({"version_changed", "quota_reached", "rate_limited", "request_id_reused"})
    assert {"vm_busy", "vm_wrong_state", "version_changed"} <= codes(view_of("user.vm.start"))
    assert "role_needed" not in codes(view_of("guest.session.login"))


def test_passed_on() -> None:
    """What a cloud passes on can end as at the cluster, on the way there, and before."""
    passed = {view.name: view for view in REGISTRIES["clm"]() if isinstance(view, Forwarded)}
    own = REGISTRIES["cm"]()
    assert len(passed) > 50
    for name, view in passed.items():
        assert codes(own.get(name)) | {"cluster_unavailable", "cluster_locked", "scope_needed"} <= codes(view), name
        assert ("permission_needed" in codes(view)) == (name in GATES)
        assert ("session_needed" in codes(view)) == (name in SESSION_ONLY)


def test_undeclared_is_found() -> None:
    """An error that is none of a view's fails the test that met it, by name; one of them does not."""
    view = view_of("user.vm.get_by_id")
    answers.hold(view, ObjectNotFound("vm", 1))
    assert answers.take() == []
    answers.hold(view, NoCapacity("none"))
    assert answers.take() == ["user.vm.get_by_id answered with no_capacity (NoCapacity), which is none of its errors"]


@pytest.mark.parametrize("manager", REGISTRIES)
def test_told(manager: str) -> None:
    """The document has each method's errors, one of a number as the specification wants it, and each case."""
    registry = REGISTRIES[manager]()
    made = document(manager)
    told = made["components"]["errors"]
    for method in made["methods"]:
        view = registry.find(method["name"]) or introspection(registry, "").get(method["name"])
        numbers = [error["code"] for error in method["errors"]]
        slugs = {slug: error["code"] for error in method["errors"] for slug in error["data"]["slugs"]}
        assert len(set(numbers)) == len(numbers) and set(slugs) == codes(view) and len(slugs) >= 5
        assert all(told[slug]["code"] == number for slug, number in slugs.items())
    assert told["object_not_found"]["message"] == ObjectNotFound.message


def test_every_case_is_one() -> None:
    """A slug in the tables is one of an error of ours, with its number."""
    known = {each.code: each for program in ("cm", "clm") for each in cases(program)}
    for registry in (make() for make in REGISTRIES.values()):
        for case in {case for view in registry for case in (*view.errors, *view.common)}:
            assert (known[case.code].number, known[case.code].retry) == (case.number, case.retry)


def test_without_table() -> None:
    """Views of a test's own are said to answer with nothing, and are not held."""
    assert openrpc(list(Registry([])), "")["components"]["errors"] == {}


def test_help() -> None:
    """A command's help names what it can be refused with."""
    (method,) = [each for each in packaged("cm") if each.name == "user.vm.start"]
    assert "vm_busy" in method.errors and "deadline_exceeded" not in method.errors
    help_text = command_of(method).help or ""
    assert "It can be refused with access_needed, object_not_found" in help_text


def test_none_superfluous() -> None:
    """What is left out by hand would be read off the code; what would not needs no reason any more."""
    cluster_cases()
    assert superfluous() == []
