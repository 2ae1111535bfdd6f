"""Every function of CC1's ``src.cm.views.user.vm``, called with its parameters' names, through both dialects."""

from __future__ import annotations

import json
import subprocess
import xmlrpc.client
from collections.abc import Callable
from typing import Any

from lab.cloud import Cloud

Call = Callable[[str, dict[str, Any]], Any]
FUNCTIONS = {
    "attach_vnc", "create", "destroy", "detach_vnc", "edit", "get_by_id", "get_list", "reset", "save_and_shutdown",
}  # fmt: skip


def by_jsonrpc(cloud: Cloud) -> Call:
    """Through curl, so that nothing of ours is between the test and the wire; parameters by name."""

    def call(function: str, params: dict[str, Any]) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": f"user.vm.{function}", "params": params})
        done = subprocess.run(["curl", "-K", f"{cloud.base}/user.curl", "-d", "@-"], input=body, capture_output=True,
                              text=True, timeout=60, check=True)
        answer = json.loads(done.stdout)
        assert answer["id"] == 7 and "error" not in answer, answer
        return answer["result"]

    return call


def by_xmlrpc(cloud: Cloud) -> Call:
    """Through Python's client; XML-RPC has no names for parameters, a struct at the end gives them."""
    told = json.loads((cloud.base / "credentials.json").read_text())["user"]
    server = xmlrpc.client.ServerProxy(told["xmlrpc"], allow_none=True)

    def call(function: str, params: dict[str, Any]) -> Any:
        method = getattr(server.user.vm, function)
        return method(params) if params else method()

    return call


def begin(cloud: Cloud, call: Call, dialect: str, blank: int) -> tuple[set[str], int, int]:
    """
    Call all functions but the last destroy.

    :return: the functions called, the VM that is being saved and the one that is left.
    """
    called = set()

    def ask(function: str, **params: Any) -> Any:
        called.add(function)
        return call(function, params)

    made = ask("create", name=dialect, description="of the seed", image_id=blank,
               template_id=cloud.template_ids["tiny"], public_ip_id=None, iso_list=[], disk_list=[], vnc=True,
               groups=[], count=2, user_data="#cloud-config\n", ssh_key=None, ssh_username=None)
    assert [vm["name"] for vm in made] == [f"{dialect}_1", f"{dialect}_2"]
    first, second = (vm["vm_id"] for vm in made)
    for vm_id in (first, second):
        cloud.wait_running(vm_id, contextualized=False)
    found = ask("get_by_id", vm_id=first)
    assert (found["name"], found["user_data"], found["vnc_enabled"]) == (f"{dialect}_1", "#cloud-config\n", True)
    assert [vm["vm_id"] for vm in ask("get_list") if vm["name"].startswith(dialect)] == [second, first]
    edited = ask("edit", vm_id=first, name=f"{dialect} renamed", description="anew")
    assert (edited["name"], edited["description"]) == (f"{dialect} renamed", "anew")
    vnc = ask("attach_vnc", vm_id=first)
    cloud.wait_operation(cloud.user, vnc["operation_id"])
    assert vnc["address"] and vnc["port"] and vnc["password"]
    cloud.wait_operation(cloud.user, ask("detach_vnc", vm_id=first)["operation_id"])
    assert not ask("get_by_id", vm_id=first)["vnc_enabled"]
    assert [entry["status"] for entry in ask("reset", vm_ids=[first, second])] == ["ok", "ok"]
    cloud.wait_running(first, contextualized=False)
    cloud.wait_running(second, contextualized=False)
    saved = ask("save_and_shutdown", vm_id=second, name=f"{dialect} saved", description="an image")
    assert saved["image_id"]
    assert [entry["status"] for entry in ask("destroy", vm_ids=[first])] == ["ok"]
    return called, second, first


def test_seed_002(shared_cloud: Cloud) -> None:
    """All nine functions do what they say, by curl with JSON-RPC and by xmlrpc.client; nothing is left."""
    cloud = shared_cloud
    blank = cloud.import_blank()
    left: list[int] = []
    for dialect, call in (("json", by_jsonrpc(cloud)), ("xml", by_xmlrpc(cloud))):
        called, *vms = begin(cloud, call, dialect, blank)
        assert called == FUNCTIONS
        left += vms
    # An empty disk's firmware obeys no power button, so these saves end when the cluster's patience does.
    for vm_id in left:
        cloud.wait_for(vm_id, "destroyed")
    assert cloud.check_leaks() == []
    saved = {image["name"]: image["state"] for image in cloud.admin.call("admin.system_image.get_list")}
    assert (saved["json saved"], saved["xml saved"]) == ("ok", "ok")
