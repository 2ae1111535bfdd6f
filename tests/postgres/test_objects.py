"""``object.get_all``: the seed's objects to the last member, what each caller sees of them, filters, statements."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cm.rpc.errors import InvalidParameter
from cm.rules.filter import LENGTH_MAX
from cm.runtime import prepared
from cm.runtime.wall import unix_seconds
from cm.store.sample import Kind, NewSample, begin_progress, number_layouts, write_samples
from lab.postgres import PrivatePostgres
from support.cloud import MemoryCloud, at_database
from support.graph import faults

# The seed's objects, without its remarks; the whole document is as good.
SEED = Path(os.environ.get("WAWEL_SEED_003", Path(__file__).with_name("seed_003.txt")))
# Of which there is none here, and that is told.
ABSENT = {("host", "controller"), ("host", "iSCSI_name")}
TOKEN = re.compile(r"""'[^']*'|\.\.\.|[{}\[\]]|\$?\w+:|[\w.]+""")


def seed() -> dict[str, dict[str, Any]]:
    """The objects of the seed by their types: an example of each member."""
    lines = [line for line in SEED.read_text().splitlines() if line.strip() != "|"]
    text = "\n".join(re.sub(r"(^|\s)#.*$", "", line) for line in lines)
    blocks = re.findall(r"^\{.*?^(?=```|\{|\Z)", text + "\n", re.DOTALL | re.MULTILINE)
    read = [_value(iter(TOKEN.findall(block))) for block in blocks]
    return {each["type"]: each for each in read}


def _value(tokens: Iterator[str], token: str = "") -> Any:
    token = token or next(tokens)
    if token == "{":
        made = {}
        while (name := next(tokens)) != "}":
            made[name.rstrip(":")] = _value(tokens)
        return made
    if token == "[":
        items = []
        while (item := next(tokens)) != "]":
            items.append("an item" if item == "..." else _value(tokens, item))
        return items
    return {"true": True, "false": False}.get(token, token.strip("'") if token.startswith("'") else None) or (
        int(token) if token.isdecimal() else False
    )


def kind_of(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: kind_of(each) for name, each in value.items()}
    if isinstance(value, list):
        return [kind_of(value[0])] if value and isinstance(value[0], dict) else "list"
    return {bool: "flag", str: "text", int: "number", float: "number"}.get(type(value), "null")


@pytest.fixture(scope="module")
def cloud(postgres: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryCloud]:
    """A VM that runs and was measured, one that is stopped; the other user's, which is shared with the user."""
    with at_database(postgres, tmp_path_factory, "objects", reconcile_s=3600.0) as made:
        made.call("admin.storage.set_default", {"storage_id": made.storage_id, "is_default": True}, account="admin")
        web = made.create(name="Web", description="with Apache", new_disks=[64], tags={"team": "red", "old": ""})
        off = made.create(name='Off\\ "quoted"')
        for vm in (web, off):
            made.wait(vm["vm_id"], "running")
        made.call("user.vm.stop", {"vm_id": off["vm_id"]})
        made.wait(off["vm_id"], "stopped")
        theirs = {"name": "theirs", "description": "", "image_id": made.image_id, "template_id": made.template_id}
        shared, hidden = (made.call("user.vm.create", theirs, account="other")[0] for _ in range(2))
        for vm in (shared, hidden):
            made.until(
                lambda vm=vm: made.sql("SELECT seen FROM vm WHERE id = :v", v=vm["vm_id"]) == "running", "it runs"
            )
        grant = {"kind": "vm", "object_id": shared["vm_id"], "login": "user", "level": "user"}
        made.call("user.acl.set", grant, account="other")
        made.sql("UPDATE volume SET allocated_bytes = 4096")
        made.manager.database.transact_now(_measure, web["vm_id"], made.node_ids)
        made.vms = {"web": web, "off": off, "shared": shared, "hidden": hidden}  # type: ignore[attr-defined]  # this module's own
        yield made


def _measure(session: Any, vm_id: int, node_ids: list[int]) -> None:
    at = int(unix_seconds())
    begin_progress(session, at)
    names = ("vcpu/0", "memory", "memory_available")
    made = [NewSample(Kind.VM, vm_id, at, names, (12.5, 128 * 2.0**20, 28 * 2.0**20))]
    made += [NewSample(Kind.NODE, each, at, ("cpu", "memory_used"), (40.0, 2.0**30)) for each in node_ids]
    write_samples(session, made, number_layouts(session, {each.names for each in made}))


def by_type(objects: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for each in objects:
        found.setdefault(each["type"], []).append(each)
    return found


def everything(cloud: MemoryCloud, account: str = "admin", **params: Any) -> list[dict[str, Any]]:
    role = "admin" if account == "admin" else "user"
    found: list[dict[str, Any]] = cloud.call(f"{role}.object.get_all", params, account=account)
    return found


def uuid_of(cloud: Any, name: str) -> str:
    return str(cloud.vms[name]["uuid"])


def test_seed(cloud: MemoryCloud) -> None:
    """Each object of the seed has each of its members, no other, and of the same type."""
    told, wanted = by_type(everything(cloud)), seed()
    assert list(told) == ["xo", "pool", "host", "SR", "PBD", "VM", "VDI", "VBD"] and set(wanted) == set(told)
    web = next(vm for vm in told["VM"] if vm["UUID"] == uuid_of(cloud, "web"))
    disk = next(each for each in told["VDI"] if each["$VBD"] in web["$VBDs"])
    host = next(each for each in told["host"] if each["$running_VMs"])
    for kind, members in wanted.items():
        found = {"VM": web, "VDI": disk, "host": host}.get(kind, told[kind][0])
        assert set(found) == set(members), kind
        for name, example in members.items():
            if (kind, name) in ABSENT:
                assert found[name] is None
            elif name == "$vCPUs" and kind == "host":
                assert kind_of(found[name]) == [{"usage": "number"}] or None in [cpu["usage"] for cpu in found[name]]
            else:
                assert kind_of(found[name]) == kind_of(example), f"{name} of {kind}"


def test_derived(cloud: MemoryCloud) -> None:
    """To whomever they are told, objects name objects that are told, and ``$`` follows from the rest."""
    for account in ("admin", "user", "other"):
        assert faults(everything(cloud, account)) == [], account


def test_values(cloud: MemoryCloud) -> None:
    """In bytes and per cent, by the names that other views tell."""
    told = by_type(everything(cloud))
    web, off = (next(vm for vm in told["VM"] if vm["UUID"] == uuid_of(cloud, name)) for name in ("web", "off"))
    vm = cloud.vm(cloud.vms["web"]["vm_id"])  # type: ignore[attr-defined]  # this module's own
    assert (web["name_label"], web["name_description"], web["tags"]) == ("Web", "with Apache", ["old", "team=red"])
    assert web["address"] == vm["leases"][0]["address"] and web["power_state"] == vm["power_state"] == "Running"
    assert web["memory"] == {"size": 128 * 2**20, "usage": 100 * 2**20}
    assert (web["CPUs"], web["$CPU_usage"], len(web["$VBDs"])) == ([{"usage": 12.5}], 12.5, 2)
    host = next(each for each in told["host"] if each["UUID"] == web["$container"])
    assert cloud.sql("SELECT node_id FROM vm WHERE id = :v", v=vm["vm_id"]) == cloud.sql(
        "SELECT id FROM node WHERE uuid = CAST(:u AS uuid)", u=host["UUID"]
    )
    assert host["CPUs"] == [{"usage": 40.0}] * 16 and host["memory"]["usage"] == 2**30
    assert off["name_label"] == 'Off\\ "quoted"' and off["power_state"] == "Halted"
    assert (off["CPUs"], off["memory"]["usage"]) == ([{"usage": 0}], 0)
    (pool,) = told["pool"]
    assert off["$container"] == pool["UUID"] and pool["VMs"] == [off["UUID"]]
    (sr,) = told["SR"]
    assert pool["default_SR"] == sr["UUID"] and sr["SR_type"] == "dir" and sr["size"] == 2**40
    disks = {each["UUID"]: each for each in told["VDI"]}
    for disk in cloud.call("user.disk.get_list"):
        shown = disks[disk["uuid"]]
        assert (shown["size"], shown["usage"], shown["name_label"]) == (disk["size_bytes"], 4096, disk["name"])
    (xo,) = told["xo"]
    assert (xo["$CPUs"], xo["$running_VMs"], xo["$vCPUs"]) == (32, 3, 3)


def test_who_sees_what(cloud: MemoryCloud) -> None:
    """Others' VMs that are not shared are in nobody's graph but an administrator's, nor are hosts."""
    mine = by_type(everything(cloud, "user"))
    assert {vm["UUID"] for vm in mine["VM"]} == {uuid_of(cloud, name) for name in ("web", "off", "shared")}
    assert set(mine) == {"xo", "pool", "SR", "VM", "VDI", "VBD"}
    theirs = by_type(everything(cloud, "other"))
    assert {vm["UUID"] for vm in theirs["VM"]} == {uuid_of(cloud, name) for name in ("shared", "hidden")}
    assert "hidden" not in str(mine).replace("hidden_", "") and uuid_of(cloud, "hidden") not in str(mine)
    for secret in ("secret", "password", "ssh_key", "user_data"):
        assert secret not in str(everything(cloud))


def test_revoked(cloud: MemoryCloud) -> None:
    """Who loses a right on a VM finds neither it, nor its disk, nor its place."""
    before = everything(cloud, "user")
    shared = cloud.vms["shared"]["vm_id"]  # type: ignore[attr-defined]  # this module's own
    grant = {"kind": "vm", "object_id": shared, "login": "user"}
    cloud.call("user.acl.set", {**grant, "level": None}, account="other")
    after = everything(cloud, "user")
    cloud.call("user.acl.set", {**grant, "level": "user"}, account="other")
    gone = {each["UUID"] for each in before} - {each["UUID"] for each in after}
    assert {each["type"] for each in before if each["UUID"] in gone} == {"VM", "VDI", "VBD"} and len(gone) == 3
    assert faults(after) == [] and everything(cloud, "user") == before


def test_filters(cloud: MemoryCloud) -> None:
    """A filter chooses among what the caller sees, and a limit takes the first of that."""
    whole = everything(cloud)

    def named(text: str, **more: Any) -> list[str]:
        found = everything(cloud, filter=text, **more)
        assert all(each in whole for each in found)
        return [each.get("name_label", each["type"]) for each in found]

    assert named("type:VM power_state:running") == ["Web", "theirs", "theirs"]
    assert named("type:VM !power_state:running") == ['Off\\ "quoted"']
    assert named('tags:"team=red"') == ["Web"]
    assert named("type:VM memory:usage:>0 memory:usage:<104857601") == ["Web"]
    assert named("type:VM $VBDs:length:2") == ["Web"]
    assert named("type:/^V(DI|BD)$/", limit=1) == [whole[[each["type"] for each in whole].index("VDI")]["name_label"]]
    assert named("nosuch") == [] and len(named("", limit=3)) == 3 and len(named("")) == len(whole)
    assert [each["UUID"] for each in everything(cloud, filter=uuid_of(cloud, "web") + " type:VM")] == [
        uuid_of(cloud, "web")
    ]


@pytest.mark.parametrize("text", ["(", "x:>bar", "!" * 1000, "(" * 1000, "/(a/", "a" * (LENGTH_MAX + 1), "a=b"])
def test_refused(cloud: MemoryCloud, text: str) -> None:
    with pytest.raises(InvalidParameter):
        everything(cloud, "user", filter=text)


def test_too_long(cloud: MemoryCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would be looked for too often is refused, unless fewer objects come into question."""
    monkeypatch.setattr("cm.services.object.LOOKS_MAX", 20)
    assert len(everything(cloud, filter="type:pool |(a b c d e)")) == 1
    with pytest.raises(InvalidParameter, match="too long"):
        everything(cloud, filter="|(a b c d e)")


def test_statements(cloud: MemoryCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many statements for many VMs as for few."""
    counted: list[int] = []
    said: list[str] = []
    inner = prepared._run
    monkeypatch.setattr(prepared, "_run", lambda *given: said.append(given[1]) or inner(*given))
    everything(cloud)  # what is prepared once is not counted
    for _ in range(2):
        said.clear()
        everything(cloud, filter="type:VM")
        counted.append(len([each for each in said if each.startswith("EXECUTE object_")]))
        cloud.sql(
            "INSERT INTO vm (name, account_id, image_id, template_id, reservation_id, cpu, memory_mib, secret)"
            " SELECT 'many', :a, :i, :t, gen_random_uuid(), 1, 128, '' FROM generate_series(1, 50)",
            a=cloud.user_id, i=cloud.image_id, t=cloud.template_id,
        )  # fmt: skip
    cloud.sql("DELETE FROM vm WHERE name = 'many'")
    assert counted == [6, 6]
