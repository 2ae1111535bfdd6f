"""Templates: the sizes that VMs are made in."""

from __future__ import annotations

import pytest
from admin_bench import Bench, cluster_bench

from cm.rpc.errors import InvalidParameter, NameTaken, ObjectNotFound, RoleNeeded, VersionChanged

bench = cluster_bench


def test_life(bench: Bench) -> None:
    """A template is added, changed and deleted; users see live ones, the smallest first."""
    large = bench.call("admin.template.add", name="large", cpu=4, memory_mib=4096, points=8, ec2name="m1.large")
    small = bench.call("admin.template.add", name="small", description="for trials", cpu=1, memory_mib=512)
    listed = bench.call("user.template.get_list", by=bench.user)
    assert [t["name"] for t in listed] == ["small", "large"]
    assert bench.call("user.template.get_by_id", by=bench.user, template_id=large["template_id"]) == large
    edited = bench.call("admin.template.edit", template_id=small["template_id"], cpu=2)
    assert (edited["cpu"], edited["name"], edited["description"]) == (2, "small", "for trials")
    assert edited["version"] == small["version"] + 1
    bench.call("admin.template.delete", template_id=small["template_id"])
    assert [t["name"] for t in bench.call("admin.template.get_list")] == ["large"]
    with pytest.raises(ObjectNotFound):
        bench.call("user.template.get_by_id", by=bench.user, template_id=small["template_id"])
    bench.call("admin.template.add", name="small")


def test_refused(bench: Bench) -> None:
    """Names are taken, versions change, sizes are positive, users only look; a refusal leaves nothing."""
    made = bench.call("admin.template.add", name="small")
    bench.call("admin.template.add", name="large")
    before = bench.trace()
    with pytest.raises(NameTaken):
        bench.call("admin.template.add", name="small")
    with pytest.raises(NameTaken):
        bench.call("admin.template.edit", template_id=made["template_id"], name="large")
    with pytest.raises(VersionChanged):
        bench.call("admin.template.edit", template_id=made["template_id"], cpu=2, if_version=made["version"] + 1)
    for wrong in ({"cpu": 0}, {"disk_mib": -1}, {"disk_mib": 2**22}):
        with pytest.raises(InvalidParameter):
            bench.call("admin.template.add", name="none", **wrong)
    with pytest.raises(ObjectNotFound):
        bench.call("admin.template.delete", template_id=999)
    with pytest.raises(RoleNeeded):
        bench.call("admin.template.add", by=bench.user, name="mine")
    assert bench.trace() == before


def test_load(bench: Bench) -> None:
    """VmSize.yml is loaded: sizes are added, or changed by their names, all or none, by administrators alone."""
    small = {"cpus": 2, "memory": 262144, "storage_size_in_gb": 15}
    (made,) = bench.call("admin.template.load", sizes={"small": small})
    assert (made["name"], made["cpu"], made["memory_mib"], made["disk_mib"]) == ("small", 2, 256, 15360)
    bench.call("admin.template.edit", template_id=made["template_id"], traits=["ssd"])
    both = bench.call("admin.template.load", sizes={"small": {**small, "cpus": 4}, "large": {**small, "cpus": 8}})
    assert [(each["name"], each["cpu"]) for each in both] == [("small", 4), ("large", 8)]
    assert both[0]["template_id"] == made["template_id"] and both[0]["traits"] == ["ssd"]
    before = bench.trace()
    for wrong in ({}, {"cpus": 1}, {**small, "disk": 1}, {**small, "memory": "much"}):
        with pytest.raises(InvalidParameter):
            bench.call("admin.template.load", sizes={"tiny": small, "wrong": wrong})
    for nothing in ({}, {" ": small}, {"small": {**small, "cpus": [2]}}):
        with pytest.raises(InvalidParameter):
            bench.call("admin.template.load", sizes=nothing)
    with pytest.raises(RoleNeeded):
        bench.call("admin.template.load", by=bench.user, sizes={"small": small})
    assert bench.trace() == before


def test_dry_run(bench: Bench) -> None:
    made = bench.call("admin.template.add", name="small")
    before = bench.trace()
    bench.call("admin.template.add", name="large", dry_run=True)
    bench.call("admin.template.edit", template_id=made["template_id"], cpu=2, dry_run=True)
    bench.call("admin.template.delete", template_id=made["template_id"], dry_run=True)
    assert bench.trace() == before
