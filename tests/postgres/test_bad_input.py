"""Bad input to the views of VMs: each gets its own typed error and leaves no trace; no secret shows anywhere."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from lxml import etree

from cm.drivers.libvirt.domain_xml import domain_xml
from cm.operations.vm_launch import placed
from cm.rpc.errors import (
    CloudError,
    InvalidParameter,
    InvalidRequest,
    NotFound,
    ObjectNotFound,
    RoleNeeded,
    UnknownMethod,
    WrongImageState,
)
from cm.store.domain import domain_plan
from support.cloud import MemoryCloud, at_database


@pytest.fixture(scope="module")
def cloud(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryCloud]:
    with at_database(postgres, tmp_path_factory, "bad_input") as made:
        yield made


BAD_NAMES: list[Any] = ["", " ", "a" * 101, "x" * 10_000, "a\x00b", "a\nb", "a\x1bb", "a\x7fb", "a\ud800b", "a\x85b"]
BAD_NAMES += [7, None, ["x"]]


@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda n: repr(n)[:20])
def test_bad_names(cloud: MemoryCloud, name: Any) -> None:
    """A name that no terminal, log or XML could carry is refused by its parameter's name."""
    with pytest.raises(InvalidParameter) as refused:
        cloud.create(name=name)
    assert refused.value.parameter == "name"
    assert cloud.call("user.vm.get_list") == []


@pytest.mark.parametrize("name", ["<a>&\"'", "]]>", "Ünïcödé 漢字 🐉", "'; DROP TABLE vm; --", "%s %(x)s {0}", "-rf"])
def test_odd_names(cloud: MemoryCloud, name: str) -> None:
    """Any other text is a name: it comes back as it was, and the domain's XML has the shape that "x" gives."""
    vm_id = cloud.create(name=name, description=name)["vm_id"]
    vm = cloud.wait(vm_id, "running")
    assert (vm["name"], vm["description"]) == (name, name)
    plan = cloud.manager.database.read_now(domain_plan, vm_id, "password")
    node = next(iter(cloud.memory.values()))
    tree = etree.fromstring(domain_xml(placed(node, plan), node.hypervisor.info()))
    assert tree.findtext("title") == name
    cloud.call("user.vm.destroy", [[vm_id]])
    cloud.wait(vm_id, "destroyed")


UNKNOWN_IDS = [
    ("user.vm.get_by_id", {"vm_id": 10**9}),
    ("user.vm.edit", {"vm_id": 10**9, "name": "x"}),
    ("user.vm.start", {"vm_id": 10**9}),
    ("user.vm.attach_vnc", {"vm_id": 10**9}),
    ("user.vm.save_and_shutdown", {"vm_id": 10**9, "name": "x", "description": ""}),
    ("user.vm.get_console", {"vm_id": 10**9}),
    ("user.vm.get_screenshot", {"vm_id": 10**9}),
    ("user.operation.get", {"operation_id": 10**9}),
    ("user.operation.wait", {"operation_id": 10**9}),
    ("user.operation.retry", {"operation_id": 10**9}),
    ("user.operation.abandon", {"operation_id": 10**9}),
]


@pytest.mark.parametrize(("method", "params"), UNKNOWN_IDS, ids=[m for m, _ in UNKNOWN_IDS])
def test_unknown_ids(cloud: MemoryCloud, method: str, params: dict[str, Any]) -> None:
    """An id that is nobody's is not found, by its kind."""
    with pytest.raises(ObjectNotFound):
        cloud.call(method, params)


@pytest.mark.parametrize(
    ("field", "value"), [("image_id", 10**9), ("template_id", 10**9), ("iso_list", [10**9]), ("disk_list", [10**9]),
                         ("public_ip_id", 5)],
)  # fmt: skip
def test_unknown_parts(cloud: MemoryCloud, field: str, value: Any) -> None:
    """A part of a VM that is not there refuses the VM, and nothing of it stays claimed."""
    with pytest.raises(NotFound):
        cloud.create(**{field: value})
    assert cloud.leaks() == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("count", 0), ("count", 201), ("count", "2"), ("image_id", -1), ("image_id", 2**63), ("image_id", 1.5),
        ("image_id", True), ("vnc", "yes"), ("user_data", "x" * 70_000), ("ssh_key", "not a key"),
        ("ssh_key", "ssh-ed25519 AAAA\nssh-rsa BBBB"), ("ssh_username", "root; rm"), ("on_poweroff", "explode"),
        ("iso_list", [1, 1]), ("iso_list", "1"), ("nonsense", 1), ("description", "x" * 3000),
    ],
)  # fmt: skip
def test_bad_values(cloud: MemoryCloud, field: str, value: Any) -> None:
    """A value out of its parameter's range, of another type, or of a parameter that is not there."""
    with pytest.raises(InvalidRequest):
        cloud.create(**{field: value})
    assert cloud.leaks() == []


def test_private_image(cloud: MemoryCloud) -> None:
    """Somebody else's private image does not exist; one that is not ready says so."""
    cloud.sql("UPDATE image SET access = 'private' WHERE id = :i", i=cloud.image_id)
    with pytest.raises(ObjectNotFound):
        cloud.create()
    cloud.sql("UPDATE image SET access = 'public', state = 'adding' WHERE id = :i", i=cloud.image_id)
    with pytest.raises(WrongImageState):
        cloud.create()
    cloud.sql("UPDATE image SET state = 'ok' WHERE id = :i", i=cloud.image_id)


def test_roles(cloud: MemoryCloud) -> None:
    """A user may call no administrator's view; an unknown method has its own error."""
    for name in cloud.manager.registry.names():
        if name.startswith("admin."):
            with pytest.raises(RoleNeeded):
                cloud.call(name)
    with pytest.raises(UnknownMethod):
        cloud.call("user.vm.explode")


def test_fuzz(cloud: MemoryCloud) -> None:
    """Random arguments to every user view give an answer or one of our errors, never anything else."""
    chance = random.Random(7)
    pool: list[Any] = [None, 0, 1, -1, 2**63, "", "x", "\x00", [], [1], [[1]], {}, {"a": 1}, True, 1.5, "1"]
    pool.append(float("nan"))
    for view in cloud.manager.registry:
        if not view.name.startswith("user.") or view.name == "user.account.set_password":
            continue
        for _ in range(15):
            params = {p.name: chance.choice(pool) for p in view.parameters if chance.random() < 0.8}
            params.pop("timeout", None)
            try:
                cloud.call(view.name, params)
            except CloudError as error:
                assert error.code != "incident", (view.name, params)
    for vm in cloud.call("user.vm.get_list"):
        cloud.call("user.vm.destroy", [[vm["vm_id"]]])
        cloud.wait(vm["vm_id"], "destroyed")
    assert cloud.leaks() == []


def test_secrets_stay_secret(cloud: MemoryCloud) -> None:
    """User data is kept for the guest and its owner alone: not in lists, audit or journal, and gone with the VM."""
    canary = "canary-4d1f"
    vm = cloud.create(user_data=canary)
    cloud.wait(vm["vm_id"], "running")
    assert canary in str(cloud.vm(vm["vm_id"]))
    assert canary not in str(cloud.call("user.vm.get_list"))
    answer = cloud.call("user.vm.attach_vnc", [vm["vm_id"]], request_id="vnc-canary")
    cloud.ended(answer["operation_id"])
    password = answer["password"]
    for table in ("audit", "request", "operation", "change", "placement", "hook_event", "drift"):
        text = cloud.sql(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t")
        assert canary not in text and password not in text, table
    # VMs of releases before have one in their metadata's address.
    cloud.sql("UPDATE vm SET secret = 'older-5e2a' WHERE id = :i", i=vm["vm_id"])
    assert "older-5e2a" not in str(cloud.vm(vm["vm_id"]))
    cloud.call("user.vm.destroy", [[vm["vm_id"]]])
    cloud.wait(vm["vm_id"], "destroyed")
    assert cloud.sql("SELECT user_data || secret FROM vm WHERE id = :i", i=vm["vm_id"]) == ""
