"""A cloud with something of everything, so that no page is bare."""

from __future__ import annotations

from typing import Any

NOTHING = "00000000-0000-0000-0000-000000000000"
HOSTILE = "<img src=x onerror=alert(1)> " + "W" * 40


def furnish(cloud: Any) -> dict[str, str]:
    """What stands for each page's ``:uuid``, ``:id`` and ``:cluster``, by the page's first word."""
    north = cloud.cluster("north")
    user, admin, owner = north.user, north.admin, cloud.user
    found = {"cluster": "north"}
    admin.call("admin.template.edit", {"template_id": north.template_ids["tiny"], "points": 60})
    machine = north.create(name="web", description=HOSTILE)
    north.create(name=HOSTILE[:60])
    found["machine"] = str(machine["uuid"])
    found["accountPoints"] = str(user.call("user.user.check_quota")["user_id"])
    disk = user.call("user.disk.create", {"name": "data", "size_mib": 64, "description": HOSTILE})
    north.wait_operation(user, disk["operation_id"])
    found["disk"] = str(user.call("user.disk.get_by_id", {"disk_id": disk["disk_id"]})["uuid"])
    taken = user.call("user.disk.create_snapshot", {"disk_id": disk["disk_id"], "name": "before"})
    north.wait_operation(user, taken["operation_id"])
    gone = user.call("user.disk.create", {"name": "old", "size_mib": 16})
    north.wait_operation(user, gone["operation_id"])
    user.call("user.disk.delete", {"disk_id": gone["disk_id"]})
    group = user.call("user.security_group.create", {"name": "web", "description": HOSTILE})
    told = {"security_group_id": group["security_group_id"], "direction": "in", "protocol": "tcp", "ports": "80"}
    user.call("user.security_group.add_rule", told)
    found["security"] = str(group["uuid"])
    found["image"] = str(user.call("user.system_image.get_list")[0]["uuid"])
    found["clusterImage"] = found["image"]
    found["storage"] = str(admin.call("admin.storage.get_list")[0]["uuid"])
    user.call("user.affinity_group.create", {"name": HOSTILE[:60], "affinity": "apart"})
    found["node"] = str(admin.call("admin.node.get_list")[0]["uuid"])
    admin.call("admin.pool.add", {"name": "own", "network": "10.200.0.0/16"})
    admin.call("admin.public_address.add", {"addresses": ["192.0.2.7", "192.0.2.8"]})
    found["network"] = str(user.call("user.network.request", {"name": "inner", "pool": "own"})["uuid"])
    user.call("user.public_address.request", {"description": HOSTILE})
    image_id = user.call("user.system_image.get_list")[0]["image_id"]
    base = user.call("user.vm_template.create", {"name": "base", "image_id": image_id, "system": HOSTILE[:90]})
    told = {"name": HOSTILE[:60], "description": HOSTILE, "parent_template_id": base["vm_template_id"]}
    shown = user.call("user.vm_template.create", told)
    found["vmTemplate"] = str(shown["uuid"])
    told = {"vm_template_id": shown["vm_template_id"], "template_id": north.template_ids["tiny"]}
    user.call("user.vm_profile.create", {"name": HOSTILE[:60], **told})
    pool = admin.call("admin.resource_pool.add", {"name": "lab", "description": HOSTILE, "cpu": 8, "memory_mib": 4096})
    admin.call("admin.resource_pool.add", {"name": "bench", "parent_pool_id": pool["resource_pool_id"], "vms": 2})
    cloud.admin.call("admin.resource_pool.grant",
                     {"resource_pool_id": pool["resource_pool_id"], "privilege": "cloud_create", "cluster": "north",
                      "login": cloud.credentials.user.login})  # fmt: skip
    found["clusterPool"] = str(pool["uuid"])
    told = {"name": HOSTILE[:48], "description": HOSTILE, "image_id": image_id, "count": 2, "metadata": "none"}
    size = north.template_ids["tiny"]
    farm = user.call("user.farm.create", {**told, "head_template_id": size, "worker_template_id": size})
    found["farm"] = found["clusterFarm"] = str(farm["uuid"])
    calls = [{"vm_id": machine["vm_id"], "description": HOSTILE}, {"vm_id": 10**7}]
    told = {"name": HOSTILE[:60], "method": "user.vm.edit", "parameters": calls, "cron": "0 20 * * mon-fri"}
    job = user.call("user.job.create", {**told, "timezone": "Europe/Warsaw"})
    user.call("user.job.run", {"job_id": job["job_id"]})
    found["job"] = found["clusterJob"] = str(job["uuid"])
    lease = admin.call("admin.expiry.add", {"name": "a month", "suspend_s": 30 * 86400, "description": HOSTILE})
    admin.call("admin.expiry.set", {"vm_id": machine["vm_id"], "expiry_id": lease["expiry_id"]})
    owner.call("user.key.generate", {"name": "laptop"})
    owner.call("user.api_key.create", {"name": "script", "scope": ["user.*"], "ec2": True})
    found["group"] = str(owner.call("user.group.create", {"name": "Researchers", "description": HOSTILE})["group_id"])
    cloud.admin.call("user.group.join_request", {"group_id": int(found["group"])})
    cloud.admin.call("cloud.news.add", {"topic": "Works on Sunday", "content": HOSTILE, "sticky": True})
    with_login = {"login": "waiting", "email": "waiting@wawel.example", "password": "not a secret at all"}
    cloud.admin.call("guest.user.register", with_login)
    return found


def address_of(page: str, path: str, found: dict[str, str]) -> str:
    """
    A page's address, filled in by what there is; of a page that is about nothing here, one that is gone.

    :param found: as ``furnish`` gives it.
    """
    about = next((found[kind] for kind in sorted(found, key=len, reverse=True) if page.startswith(kind)), NOTHING)
    path = path.replace(":cluster", found["cluster"])
    return "/ui" + "/".join(about if part.startswith(":") else part for part in path.split("/"))
