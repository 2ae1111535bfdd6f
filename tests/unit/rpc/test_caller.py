"""Calls in process."""

from __future__ import annotations

import pytest
from zope.interface.verify import verifyObject

from cm.rpc.caller import ANONYMOUS, Call, Control, ICaller, LocalCaller
from cm.rpc.errors import NotAuthenticated, RoleNeeded, UnknownMethod, VMBusy
from cm.rpc.vocabulary import Role

from .sample import ANNA, NODE, ROOT, Sample, done


def make(identity: object = ANNA) -> LocalCaller:
    sample = Sample()
    return verifyObject(ICaller, LocalCaller(sample.registry, sample.execute, identity)) and LocalCaller(
        sample.registry,
        sample.execute,
        identity,  # type: ignore[arg-type]
    )


class TestLocalCaller:
    def test_plain_results(self) -> None:
        """Results are what the wire would give: decoded, with plain values."""
        assert done(make().call("user.vm.get_list")) == [{"id": 1}, {"id": 2}]
        assert done(make().call("user.vm.get_by_id", [1]))["state"] == "running"

    def test_errors(self) -> None:
        """Errors are raised as they are; roles and parameters count here too."""
        with pytest.raises(VMBusy):
            done(make().call("user.vm.destroy", [[13]]))
        with pytest.raises(RoleNeeded):
            done(make().call("admin.node.lock", [1]))
        with pytest.raises(UnknownMethod):
            done(make().call("nope"))
        with pytest.raises(NotAuthenticated):
            done(make(ANONYMOUS).call("get_data"))

    def test_on_behalf(self) -> None:
        assert done(make().call("node.hook.report", [1], credentials=NODE))["node_id"] == 1

    def test_request_id(self) -> None:
        assert done(make().call("user.vm.create", ["a"], request_id="r"))["request_id"] == "r"
        assert done(make().call("user.vm.create", {"name": "a", "dry_run": True}))["plan"]


class TestIdentity:
    def test_implied_roles(self) -> None:
        assert [role for role in Role if ANNA.may(role)] == [Role.GUEST, Role.USER]
        assert [role for role in Role if ROOT.may(role)] == [Role.GUEST, Role.USER, Role.ADMIN]
        assert [role for role in Role if NODE.may(role)] == [Role.GUEST, Role.NODE]

    def test_call(self) -> None:
        call = Call.of(ANNA, Control("c", request_id="r", dry_run=True, if_version=2, remote="192.0.2.1"))
        call.note("define", vm=1)
        assert (call.account_id, call.dry_run, call.if_version, call.plan) == (
            7,
            True,
            2,
            [{"step": "define", "vm": 1}],
        )
