"""Views: names, parameters, validation, the registry."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cm.rpc.caller import Call
from cm.rpc.errors import InvalidParameter, UnknownMethod
from cm.rpc.types import Cursor, Id, IdList, Ids, Limit, Login, Name, Secret, SSHKeys, Text, UserData
from cm.rpc.view import Registry, admin_view, user_view, view_of
from cm.rpc.vocabulary import NodeId, Role, VMState

from . import sample

CREATE = view_of(sample.create)


def refusal(function: Any, params: Any) -> InvalidParameter:
    with pytest.raises(InvalidParameter) as caught:
        view_of(function).bind(params)
    return caught.value


class TestView:
    def test_plain_function(self) -> None:
        """A decorated function stays callable as it was."""

        @user_view(changing=True)
        def double(caller: Call, number: int) -> int:
            return 2 * number

        assert double(None, 4) == 8  # type: ignore[arg-type]

    def test_read_from_signature(self) -> None:
        """A view knows its parameters but the caller, and the first paragraph of its documentation."""
        assert [(p.name, p.required, p.kind) for p in CREATE.parameters] == [
            ("name", True, "either"),
            ("description", False, "either"),
            ("size", False, "either"),
            ("key", False, "named"),
        ]
        assert CREATE.changing and CREATE.role is Role.USER and not CREATE.is_async
        assert CREATE.summary == "Create a VM." and "Then it starts." in CREATE.doc
        assert view_of(sample.slow).is_async

    def test_name_from_module(self) -> None:
        """A view in cm.views.user.vm is user.vm.<function>."""

        def create(caller: Call) -> None: ...

        create.__module__ = "cm.views.user.vm"
        assert view_of(user_view(create)).name == "user.vm.create"

    def test_no_name(self) -> None:
        """Outside of views/ a name is needed."""

        @user_view
        def stray(caller: Call) -> None: ...

        with pytest.raises(TypeError, match="needs a name"):
            view_of(stray)

    @pytest.mark.parametrize("fault", ["caller", "args", "unannotated", "control", "undecorated"])
    def test_faults_of_the_program(self, fault: str) -> None:
        """What cannot be a view is refused when the program starts."""

        def no_caller(name: str) -> None: ...
        def args(caller: Call, *names: str) -> None: ...
        def unannotated(caller: Call, name) -> None: ...  # type: ignore[no-untyped-def]
        def control(caller: Call, dry_run: bool) -> None: ...

        function = {"caller": no_caller, "args": args, "unannotated": unannotated, "control": control}.get(fault)
        with pytest.raises(TypeError):
            view_of(user_view(name="x", changing=True)(function) if function else lambda caller: None)


class TestBind:
    def test_by_position_and_name(self) -> None:
        """Both ways give the same arguments; defaults stay the function's."""
        assert CREATE.bind(["a", "b"]) == CREATE.bind({"name": "a", "description": "b"})
        assert CREATE.bind(["a"]) == ({"name": "a"}, {})

    def test_controls(self) -> None:
        """A changing view takes the three controls, apart from its arguments; a reading one does not."""
        arguments, controls = CREATE.bind({"name": "a", "dry_run": True, "request_id": "r-1", "if_version": 3})
        assert arguments == {"name": "a"}
        assert controls == {"dry_run": True, "request_id": "r-1", "if_version": 3}
        assert refusal(sample.get_by_id, {"vm_id": 1, "dry_run": True}).parameter == "dry_run"

    @pytest.mark.parametrize(
        ("params", "parameter", "reason"),
        [
            ({}, "name", "it is required"),
            ([], "name", "it is required"),
            ({"name": "a", "caller": 1}, "caller", "no such parameter"),
            ({"name": "a", "nmae": 1}, "nmae", "no such parameter"),
            (["a", "b", {"cpus": 1, "memory_mib": 1}, "key", 5], "4", "5 were given by position"),
            ({"name": 5}, "name", "expected `str`, got `int`"),
            ({"name": ""}, "name", "length >= 1"),
            ({"name": "x" * 10_240}, "name", "length <= 100"),
            ({"name": " \t"}, "name", "one line"),
            ({"name": "a\n"}, "name", "one line"),
            ({"name": "a\x07"}, "name", "cannot be sent"),
            ({"name": "a\ud800"}, "name", "cannot be sent"),
            ({"name": "a\ufffe"}, "name", "cannot be sent"),
            ({"name": "a", "size": {"cpus": 1}}, "size", "missing"),
            ({"name": "a", "size": {"cpus": "1", "memory_mib": 1}}, "size", "expected `int`, got `str`"),
            ({"name": "a", "dry_run": 1}, "dry_run", "expected `bool`"),
            ({"name": "a", "request_id": "a b"}, "request_id", "printable"),
            ({"name": "a", "if_version": -1}, "if_version", ">= 0"),
            ({"name": "a", "key": ""}, "key", "length 1"),
            ({"name": "a", "x" * 5000: 1}, "x" * 200 + "...", "no such parameter"),
        ],
    )
    def test_refusals(self, params: Any, parameter: str, reason: str) -> None:
        """Each refusal names the parameter and says why."""
        error = refusal(sample.create, params)
        assert error.parameter == parameter
        assert reason in error.reason

    def test_numbers(self) -> None:
        """An integer serves for a float; nothing serves for an integer but an integer of 64 bits."""
        assert view_of(sample.subtract).bind([1, 2.5])[0] == {"minuend": 1.0, "subtrahend": 2.5}
        for wrong in ("1", 1.0, True, None, 2**63, float("nan"), [1]):
            assert refusal(sample.add, [wrong, 1, 1]).parameter == "a"
        assert refusal(sample.subtract, [float("inf"), 1]).reason == "the number is not finite"

    def test_distinct(self) -> None:
        """A list of ids repeats none; the place of a bad one is told."""
        assert refusal(sample.destroy, [[1, 2, 1]]).reason == "an item is repeated"
        assert refusal(sample.destroy, [[1, 0]]).reason == "expected `int` >= 1 at [1]"
        assert refusal(sample.destroy, [[]]).parameter == "vm_ids"
        assert refusal(sample.destroy, [list(range(1, 202))]).parameter == "vm_ids"

    def test_types(self) -> None:
        """Enumerations, typed ids, optional and structured values are converted; a secret hides itself."""

        @user_view(name="x")
        def view(caller: Call, state: VMState, node: NodeId | None = None, key: Secret | None = None) -> None: ...

        arguments, _ = view_of(view).bind({"state": "running", "node": 3, "key": "hunter2"})
        assert arguments["state"] is VMState.RUNNING
        assert "hunter2" not in repr(arguments) and arguments["key"].reveal() == "hunter2"
        assert view_of(sample.create).bind(["a", "", {"cpus": 1, "memory_mib": 2}])[0]["size"] == sample.Size(1, 2)

    @pytest.mark.parametrize(
        ("annotation", "good", "bad"),
        [
            (Name, ["a", "żółw", "a b"], ["", "\u00a0", "a\u0085"]),
            (Text, ["", "a\n\tb"], ["\r", "\x7f", "x" * 2001]),
            (Id, [1, 2**63 - 1], [0, -1, 2**63]),
            (IdList, [[1]], [[], [1, 1]]),
            (Ids, [[], [1]], [[1, 1]]),
            (UserData, ["#cloud-config\n"], ["x" * 65_537]),
            (Login, ["anna", "a.b@c"], ["", "-a", "a b", "a\n"]),
            (Limit, [1, 10_000], [0, 10_001]),
            (Cursor, ["", "AbC_-="], ["a b", "\n"]),
            (
                SSHKeys,
                [
                    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBPgCQSEWGzzXq8vN3rTnYk2LmWJxUcDfHs7 anna@home",
                    f"ssh-rsa {'A' * 60}\necdsa-sha2-nistp256 {'A' * 60} two\n",
                ],
                [
                    "ssh-dss AAAA",
                    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBPgCQSEWGzzXq8vN3rTnYk2LmWJxUcDfHs7 a\nssh-rsa AAAA",
                    "ssh-rsa ",
                    f"ssh-rsa {'A' * 60}\n\n",
                    f"ssh-rsa {'A' * 60}\ncommand=x ssh-rsa {'A' * 60}",
                ],
            ),
        ],
    )
    def test_common_types(self, annotation: Any, good: list[Any], bad: list[Any]) -> None:
        def function(caller, value): ...  # type: ignore[no-untyped-def]

        function.__annotations__ = {"caller": Call, "value": annotation}
        view = view_of(user_view(name="x")(function))
        for value in good:
            assert view.bind([value])[0] == {"value": value}
        for value in bad:
            with pytest.raises(InvalidParameter) as caught:
                view.bind([value])
            assert caught.value.parameter == "value" and len(caught.value.reason) < 300

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=8,
        )
    )
    def test_anything(self, value: Any) -> None:
        """Whatever is sent is bound or refused as a parameter."""
        for view in (CREATE, view_of(sample.destroy), view_of(sample.echo)):
            for params in ([value], {"name": value}, value if isinstance(value, (list, dict)) else []):
                try:
                    view.bind(params)
                except InvalidParameter as error:
                    assert str(error).isprintable() and len(str(error)) < 700


class TestRegistry:
    def test_collect(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A module's own views are collected, not those it imported."""
        module = ModuleType("sample_views.user.vm")

        def mine(caller: Call) -> None: ...

        mine.__module__ = module.__name__
        module.mine = admin_view(name="admin.mine")(mine)  # type: ignore[attr-defined]
        module.theirs = sample.create  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        registry = Registry.collect(module.__name__)
        assert registry.names() == ["admin.mine"] and "admin.mine" in registry and len(registry) == 1

    def test_same_name(self) -> None:
        registry = Registry([CREATE])
        with pytest.raises(TypeError, match="two views"):
            registry.add(sample.create)

    def test_unknown(self) -> None:
        """An unknown name is refused and repeated only in part."""
        with pytest.raises(UnknownMethod) as caught:
            Registry().get("x\n" * 5000)
        assert len(str(caught.value)) < 200 and str(caught.value).isprintable()
