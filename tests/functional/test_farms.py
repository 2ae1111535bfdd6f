"""A farm on real hosts with real guests: its workers follow their head, and its guests are told each other's names."""

from __future__ import annotations

from functional.test_snapshots import Shell
from lab.cloud import Cloud


def test_workers_follow_their_head(shared_cloud: Cloud) -> None:
    """
    The worker starts after the head's own hello, and the head reads its name. (These guests have neither cloud-init nor
    an SSH server, so that keys are not spread to them: tests/unit/rules/test_farm.py has what others are told.)
    """
    cloud, tiny = shared_cloud, shared_cloud.template_ids["tiny"]
    asked = {"name": "sums", "description": "", "image_id": cloud.image_id, "head_template_id": tiny}
    made = cloud.user.call("user.farm.create", {**asked, "worker_template_id": tiny, "count": 1})
    cloud.wait_operation(cloud.user, made["operation_id"], 240)
    head, worker = (cloud.vm(vm_id) for vm_id in made["made"])
    assert head["launched"] < head["contextualized_at"] < worker["launched"]
    told = cloud.user.call("user.farm.get_by_id", {"farm_id": made["farm_id"]})
    assert (told["state"], told["workers"]) == ("running", 1)
    hosts = "".join(f"{vm['addresses'][0]} {vm['host']}\n" for vm in told["vms"])
    with Shell(cloud, head) as shell:
        heard = shell.run("wget -q -O - http://169.254.169.254/farm/hosts")
    assert heard.split() == hosts.split()
    cloud.user.call("user.farm.destroy", {"farm_id": made["farm_id"]})
    for vm_id in made["made"]:
        cloud.wait_for(vm_id, "destroyed", 120)
    assert cloud.check_leaks([]) == []
