"""Everybody's VM templates."""

from __future__ import annotations

from cm.results.vm_template import ListedVMTemplate
from cm.rpc.view import admin_view
from cm.services.context import ClusterCall
from cm.store.vm_template import list_all_vm_templates


@admin_view
def get_list(caller: ClusterCall) -> list[ListedVMTemplate]:
    """All VM templates, by name."""
    return list_all_vm_templates(caller.session)
