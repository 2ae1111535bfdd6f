"""``user.vm.list_whole`` says what the views of each noun say, VM by VM, and of nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab.postgres import PrivatePostgres
from support.cloud import MemoryCloud, at_database
from support.links import LinkAgent, link_agents


@pytest.fixture(scope="module")
def cloud(postgres: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryCloud]:
    """With a user's network and two VMs; the first one has what a VM can have."""
    with at_database(postgres, tmp_path_factory, "whole_vm", reconcile_s=3600.0) as made:
        agents = link_agents(made)
        params = {"name": "vx", "network": "10.130.0.0/16", "network6": "fd12:3456:789a::/48"}
        made.call("admin.pool.add", params, account="admin")
        free = {"addresses": ["203.0.113.7", "2001:db8::7"]}
        made.call("admin.public_address.add", free, account="admin")
        lab = made.call("user.network.request", {"name": "lab", "mask": 29})["network_id"]
        everybodys = made.sql("SELECT id FROM network WHERE kind = 'nat' AND deleted_at IS NULL ORDER BY id LIMIT 1")
        vm = made.create(networks=[everybodys, lab], new_disks=[64], tags={"a": '"', "b": ""}, name="first")
        mine = made.call("user.public_address.request")["public_address_id"]
        made.call("user.public_address.assign", {"public_address_id": mine, "vm_id": vm["vm_id"], "nic": 1})
        made.sql("UPDATE template SET ec2name = 'm1.tiny' WHERE id = :t", t=made.template_id)
        made.create(name="second", networks=[everybodys])
        made.until(lambda: _run(made, agents), "both run", deadline_s=120)
        yield made


def _run(cloud: MemoryCloud, agents: list[LinkAgent]) -> bool:
    for agent in agents:
        agent.converge()
    return all(vm["state"] == "running" and not vm["operation_id"] for vm in cloud.call("user.vm.get_list"))


def beginning(vm: dict[str, Any]) -> str:
    return str(vm["uuid"]).replace("-", "")[:17]


def test_agrees(cloud: MemoryCloud) -> None:
    """What is told of a VM is what lists of VMs, network cards, disks and tags tell of it."""
    rows = cloud.call("user.vm.get_list")
    whole = cloud.call("user.vm.list_whole")
    assert [{name: each[name] for name in row} for each, row in zip(whole, rows, strict=True)] == rows
    first = whole[1]
    assert (first["name"], first["type"]) == ("first", "m1.tiny") and first["image"]["architecture"] == "x86_64"
    for each in whole:
        cards = cloud.call("user.nic.get_list", {"vm_id": each["vm_id"]})
        for card in cards:
            shown = next(nic for nic in each["nics"] if nic["nic_id"] == card["nic_id"])
            same = shown.keys() & card.keys()
            assert len(same) == 9 and {name: shown[name] for name in same} == {name: card[name] for name in same}
            assert len(shown["groups"]) == len(card["security_group_ids"])
        assert len(each["nics"]) == len(cards)
        disks = cloud.call("user.disk.get_list", {"vm_id": each["vm_id"]})
        told = {}
        for disk in disks:
            (place,) = disk["attachments"]
            told[place["number"]] = {
                **{name: disk[name] for name in ("disk_id", "uuid", "created")},
                **{name: place[name] for name in ("device", "delete_with_vm", "arriving", "leaving")},
            }
        assert each["disks"] == [told[number] for number in sorted(told)]
        tags = cloud.call("user.tag.get_list", {"kind": "vm"})
        assert each["tags"] == next((tag["tags"] for tag in tags if tag["object_id"] == each["vm_id"]), {})
    assert len(first["disks"]) == 2 and first["tags"] == {"a": '"', "b": ""}
    theirs, own = first["nics"]
    network = cloud.call("user.network.list_user_networks")[0]
    assert theirs["subnet"] is None and own["subnet"] == network["uuid"] and own["groups"][0]["name"] == "default"
    assert theirs["public"] is None and own["public"] == "203.0.113.7"


def test_chosen(cloud: MemoryCloud) -> None:
    """By the beginnings of uuids and in pages the caller's own are told of, and those that ended a while ago."""
    second, first = cloud.call("user.vm.list_whole")

    def named(**params: Any) -> list[str]:
        return [vm["name"] for vm in cloud.call("user.vm.list_whole", params)]

    assert named(uuids=[beginning(first), "0" * 17]) == ["first"] and named(uuids=[]) == []
    assert named(limit=1) == ["second"] and named(before=second["vm_id"]) == ["first"]
    for params in ({}, {"uuids": [beginning(first)], "ended_s": 3600}):
        assert cloud.call("user.vm.list_whole", params, account="other") == []
    gone = cloud.create(name="third", networks=[first["nics"][0]["network_id"]])
    cloud.wait(gone["vm_id"], "running", deadline_s=60)
    cloud.call("user.vm.destroy", [[gone["vm_id"]]])
    cloud.wait(gone["vm_id"], "destroyed", deadline_s=60)
    assert named(uuids=[beginning(gone)]) == [] and "third" not in named(ended_s=3600)
    (ended,) = cloud.call("user.vm.list_whole", {"uuids": [beginning(gone)], "ended_s": 3600})
    assert ended["ec2_state"] == "terminated" and ended["nics"] == [] and ended["disks"] == []
    cloud.sql("UPDATE vm SET closed_at = now() - interval '2 hours' WHERE id = :v", v=gone["vm_id"])
    assert named(uuids=[beginning(gone)], ended_s=3600) == []
