"""What an administrator does with an empty cluster: nodes, a storage, a network, templates, an image, a user."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cm.rpc.errors import Unavailable
from lab import forgotten
from lab.network import accepts
from lab.nfs import EXPORT
from lab.nodes import Node, RealNode
from lab.processes import wait_until

if TYPE_CHECKING:
    from lab.cloud import Cloud

MOUNTED = "/run/wawel-main"                                              # on the nodes
TEMPLATES = (("tiny", 1, 128), ("small", 1, 256), ("medium", 2, 512))    # name, CPUs, MiB
QUOTA = {"quota_cpu": 100, "quota_memory_mib": 32_768, "quota_storage_mib": 1_048_576, "quota_vms": 100}


def furnish(cloud: Cloud) -> None:
    """Make what is missing; what a kept cloud has already stays."""
    with cloud.steps.step("adding nodes, storage and network"):
        for node in cloud.nodes:
            add_node(cloud, node)
        cloud.storage_id = add_storage(cloud)
        forgotten.restore_volumes(cloud)
        if by_name(cloud.admin.call("admin.network.get_list"), "guests") is None:
            cloud.admin.call("admin.network.add", {"name": "guests", "network": cloud.guest_network})
    forgotten.settle(cloud)
    real = [node for node in cloud.nodes if isinstance(node, RealNode)]
    if real:
        with cloud.steps.step("enrolling the nodes' agents"):
            for each in real:
                token = cloud.admin.call("admin.node.enrol", {"node_id": each.node_id})["token"]
                each.enrol(cloud.endpoint, token)
            wait_until(lambda: agents_seen(cloud, real), "the first word of the nodes' agents", pause=0.1)
    for name, cpu, memory in TEMPLATES:
        kept = by_name(cloud.admin.call("admin.template.get_list"), name)
        kept = kept or cloud.admin.call("admin.template.add", {"name": name, "cpu": cpu, "memory_mib": memory})
        cloud.template_ids[name] = kept["template_id"]
    if cloud.local_user:
        cloud.user_id = add_user(cloud)
    with cloud.steps.step("building the tiny image"):
        path, description = cloud.image_file()
    image = find_image(cloud, "tiny", description)
    if image is not None:
        cloud.image_id = image["image_id"]
    else:
        with cloud.steps.step("importing it"):
            cloud.image_id = import_image(cloud, "tiny", description, path)


def find_image(cloud: Cloud, name: str, description: str) -> dict[str, Any] | None:
    """The image that we imported; people may have some of that name, too."""
    found = cloud.admin.call("admin.system_image.get_list")
    ours = {"name": name, "description": description, "state": "ok", "access": "public"}
    return next((each for each in found if ours.items() <= each.items()), None)


def by_name(found: Sequence[dict[str, Any]], name: str, key: str = "name") -> dict[str, Any] | None:
    return next((each for each in found if each[key] == name), None)


def add_node(cloud: Cloud, node: Node) -> None:
    kept = by_name(cloud.admin.call("admin.node.get_list"), node.name)
    if kept is None:
        kept = cloud.admin.call("admin.node.add", {"name": node.name, "uri": node.uri, "address": node.address})
    elif (kept["uri"], kept["address"]) != (node.uri, node.address):
        told = {"node_id": kept["node_id"], "address": node.address}
        cloud.admin.call("admin.node.edit", told if kept["uri"] == node.uri else {**told, "uri": node.uri})
    node.node_id = kept["node_id"]
    wait_until(lambda: answers(cloud, node), f"{node.name}'s answer to the cluster manager", pause=0.1)


def answers(cloud: Cloud, node: Node) -> bool:
    """Whether the cluster manager reaches a node; it is asked to look now."""
    try:
        return str(cloud.admin.call("admin.node.check", {"node_id": node.node_id})["state"]) == "ok"
    except Unavailable:
        return False


def add_storage(cloud: Cloud) -> int:
    storage = by_name(cloud.admin.call("admin.storage.get_list"), "main")
    if storage is None:
        told = {"name": "main", "kind": "dir", "path": str(cloud.storage_dir)}
        if cloud.hypervisor == "memory":                                 # where a directory is each node's own
            told |= {"kind": "netfs", "address": "127.0.0.1", "source": "/main"}
        elif cloud.nfs is not None:
            told |= {"kind": "netfs", "path": MOUNTED}
            told |= {"address": cloud.nfs.address, "source": EXPORT, "nfs_version": "4.2"}
        storage = cloud.admin.call("admin.storage.add", told)
    storage_id: int = storage["storage_id"]
    for node in cloud.nodes:
        # Repeated for a node that has it already: the host may have forgotten its pools.
        answer = cloud.admin.call("admin.storage.attach", {"storage_id": storage_id, "node_id": node.node_id})
        if answer.get("operation_id"):
            cloud.wait_operation(cloud.admin, answer["operation_id"])
    return storage_id


def agents_seen(cloud: Cloud, nodes: Sequence[RealNode]) -> bool:
    for node in nodes:
        node.agent.check()
    known = {each["node_id"]: each for each in cloud.admin.call("admin.node.get_list")}
    return all(known[node.node_id].get("agent_seen_at") for node in nodes)


def add_user(cloud: Cloud) -> int:
    account = cloud.credentials.user
    kept = by_name(cloud.admin.call("admin.user.get_list"), account.login, "login")
    if kept is None:
        told = {"login": account.login, "password": account.password, "name": "A user to try", **QUOTA}
        kept = cloud.admin.call("admin.user.add", told)
    user_id: int = kept["user_id"]
    return user_id


def import_image(cloud: Cloud, name: str, description: str, path: Path, **more: Any) -> int:
    """Import an image that everybody may use, a system's unless ``kind`` is told; its id."""
    told = {"name": name, "description": description, "path": str(path), "storage_id": cloud.storage_id, **more}
    made = cloud.admin.call("admin.system_image.import_file", {**told, "access": "public"})
    cloud.wait_operation(cloud.admin, made["operation_id"], deadline=300)
    image_id: int = made["image_id"]
    return image_id


def findings(checked: dict[str, Any], live: bool) -> list[str]:
    """What ``admin.cluster.check`` found wrong, as texts; ``live``: VMs may be at work."""
    found = [f"{each['subject']}: {each['finding']}" for each in checked["leaks"]]
    if not live and checked["open_operations"]:
        found.append(f"{checked['open_operations']} operations are open")
    return found


def listens(url: str) -> bool:
    parts = urlsplit(url)
    return accepts(socket.AF_INET, (parts.hostname, parts.port))
