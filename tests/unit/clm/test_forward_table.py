"""The table of views that are passed on: as the clusters have them, described like any other."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from clm.rules.forward import LEFT_OUT, reason_left_out
from clm.views.forward import TABLE, Forwarded, add_forwarded, read_table
from cm.rpc.errors import InvalidParameter
from cm.rpc.introspection import openrpc, signatures
from cm.rpc.view import Registry
from cm.rpc.vocabulary import Role


@pytest.fixture(scope="module")
def registry() -> Registry:
    return add_forwarded(Registry.collect("clm.views"))


def test_table_merges() -> None:
    """A view is a line of its own, so that two changes of two views are no conflict."""
    lines = TABLE.read_text().splitlines()
    for told in read_table()["views"]:
        assert sum(f'"name":"{told["name"]}"' in line for line in lines) == 1, told["name"]


def test_every_view(registry: Registry) -> None:
    """Each view of a cluster is the cloud's too: its own, or passed on, or left out with a reason."""
    own = Registry.collect("clm.views")
    for told in read_table()["views"]:
        name = told["name"]
        left_out = reason_left_out(name) is not None
        assert (name in registry) == (name in own or not left_out), name
        view = registry.find(name)
        assert view is None or isinstance(view, Forwarded) != (name in own)


def test_left_out_is_needed() -> None:
    """A pattern that leaves nothing out is struck off."""
    names = [told["name"] for told in read_table()["views"]]
    for pattern in LEFT_OUT:
        assert any(reason_left_out(name) == LEFT_OUT[pattern] for name in names) or pattern in (
            "node.*",  # nodes' views are the contextualization endpoint's
            "user.message.*",
        ), pattern


def test_same_as_there(registry: Registry) -> None:
    """A view that is passed on has role, parameters, order and defaults of the cluster's own, and ``cluster``."""
    clusters = Registry.collect("cm.views")
    for view in registry:
        if isinstance(view, Forwarded):
            there = clusters.get(view.name)
            assert (view.role, view.changing, view.doc) == (there.role, there.changing, there.doc)
            assert view.waiting == there.waiting
            assert [p.name for p in view.parameters] == [*(p.name for p in there.parameters), "cluster"]
            for mine, its in zip(view.parameters, there.parameters, strict=False):
                assert (mine.required, mine.kind) == (its.required, its.kind)
                assert mine.required or mine.default == its.default


def test_guests_are_waited_for(registry: Registry) -> None:
    """
    What is asked of guests keeps nothing else of a person's waiting: of calls that work few are on their way at once,
    and a guest may be silent for half a minute.
    """
    for name in ("guest_info", "reboot", "password_reset", "install_keys", "mount_share", "grow_root"):
        view = registry.get(f"user.vm.{name}")
        assert view.waiting and isinstance(view, Forwarded) and view.row.waiting and view.row.patience is None
    (patience,) = {each.row.patience for each in registry if isinstance(each, Forwarded) and each.row.patience}
    assert patience[0] == "timeout"
    assert not registry.get("user.vm.get_by_id").waiting


def test_no_parameter_of_that_name() -> None:
    """No cluster's view has a parameter ``cluster`` of its own."""
    for told in read_table()["views"]:
        if reason_left_out(told["name"]) is None:
            assert "cluster" not in [each["name"] for each in told["parameters"]], told["name"]


def test_components_agree(registry: Registry) -> None:
    """Definitions of one name, the cloud's and the clusters', are one definition."""
    from cm.rpc.types import schemas

    own = Registry.collect("clm.views")
    _, mine = schemas([each for view in own for each in (view.returns, *(p.annotation for p in view.parameters))])
    theirs = read_table()["components"]
    assert {name: mine[name] for name in mine if name in theirs} == {
        name: theirs[name] for name in theirs if name in mine
    }


def test_discover(registry: Registry) -> None:
    """The whole is told as OpenRPC: every reference leads somewhere, ids may be uuids, lists may be of all."""
    document = json.loads(json.dumps(openrpc(list(registry), "cloud")))
    methods = {method["name"]: method for method in document["methods"]}
    params = {p["name"]: p for p in methods["user.vm.get_by_id"]["params"]}
    assert {"type": "string", "format": "uuid"} in params["vm_id"]["schema"]["anyOf"]
    assert not params["cluster"]["required"]
    assert [p["name"] for p in methods["user.vm.destroy"]["params"]][-3:] == ["dry_run", "request_id", "if_version"]

    def references(value: object) -> list[str]:
        if isinstance(value, dict):
            own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return own + [each for item in value.values() for each in references(item)]
        return [each for item in value for each in references(item)] if isinstance(value, list) else []

    for reference in references(document["methods"]):
        assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"]


def test_signatures(registry: Registry) -> None:
    """XML-RPC's introspection has types for every view; ``cluster`` is by name alone."""
    assert signatures(registry.get("user.vm.get_by_id")) == [["struct", "int"], ["struct", "string"]]
    for view in registry:
        assert signatures(view)


def test_bind(registry: Registry) -> None:
    """Values go through as they are; what cannot be sent does not, nor do controls of the wrong type."""
    view = registry.get("user.vm.edit")
    arguments, controls = view.bind({"vm_id": "no id", "cluster": "alpha", "dry_run": True, "request_id": "r"})
    assert arguments == {"vm_id": "no id", "cluster": "alpha"} and controls == {"dry_run": True, "request_id": "r"}
    assert view.bind([3, "name"]) == ({"vm_id": 3, "name": "name"}, {})
    for wrong in ({"vm_id": 2**70}, {"name": "\0"}, {"dry_run": "yes"}, {"cluster": []}, {"request_id": "a b"}):
        with pytest.raises(InvalidParameter):
            view.bind(wrong)
    with pytest.raises(InvalidParameter):
        registry.get("user.vm.get_list").bind({"dry_run": True})


def test_roles(registry: Registry) -> None:
    """What is passed on is for users and cluster administrators; guests' and nodes' views are not."""
    assert {view.role for view in registry if isinstance(view, Forwarded)} == {Role.USER, Role.ADMIN}


def test_clusters_are_not_imported() -> None:
    """A cloud knows the views of clusters without a line of theirs."""
    code = (
        "import sys; from clm.daemon.app import CloudManager; from clm.views.forward import add_forwarded;"
        "from cm.rpc.view import Registry; add_forwarded(Registry.collect('clm.views'));"
        "print([m for m in sys.modules if m.startswith(('cm.views', 'cm.services', 'cm.store', 'cm.daemon'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
