"""Placement: why a VM is where it is, or why it would not fit."""

from __future__ import annotations

from typing import cast

from cm.results.placement import NodeVerdict, Placement
from cm.rpc.errors import InvalidParameter, ObjectNotFound
from cm.rpc.types import Id
from cm.rpc.view import admin_view
from cm.rpc.vocabulary import StorageId
from cm.rules.placement import VMRequest, judge, order
from cm.services.context import ClusterCall
from cm.store.image import get_image
from cm.store.node_load import node_loads
from cm.store.placement import last_placement
from cm.store.template import get_template


@admin_view
def explain(
    caller: ClusterCall, vm_id: Id | None = None, template_id: Id | None = None, image_id: Id | None = None
) -> Placement:
    """
    Each node's verdict, the best first, with its score and what would make the VM fit there.

    With ``vm_id`` the decision that placed a VM last: the best ten nodes' verdicts, and in ``others`` how many of the
    other nodes had which reason. With ``template_id``, and perhaps an image, a trial now, with all nodes'.
    """
    if (vm_id is None) == (template_id is None):
        raise InvalidParameter("vm_id", "give a VM, or a template and perhaps an image")
    if vm_id is not None:
        found = last_placement(caller.session, vm_id)
        if found is None:
            raise ObjectNotFound("placement of vm", vm_id)
        return {
            "vm_id": vm_id,
            "node_id": found.node_id,
            "at": found.at,
            "trial": False,
            "verdicts": found.verdicts,
            "others": found.others,
        }
    assert template_id is not None
    template = get_template(caller.session, template_id)
    storages = frozenset[StorageId]()
    if image_id is not None:
        storages = frozenset({StorageId(get_image(caller.session, image_id).storage_id)})
    traits = frozenset(template["traits"])
    request = VMRequest(template["cpu"], template["memory_mib"], storages, traits=traits)
    verdicts = [judge(request, node, caller.policy.placement) for node in node_loads(caller.session)]
    verdicts.sort(key=order)
    chosen = verdicts[0].node_id if verdicts and verdicts[0].fits else None
    told = [cast(NodeVerdict, verdict._asdict()) for verdict in verdicts]
    return {"vm_id": None, "node_id": chosen, "at": None, "trial": True, "verdicts": told, "others": {}}
