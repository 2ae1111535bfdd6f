"""Templates: the sizes that VMs are made in."""

from __future__ import annotations

from cm.results.template import Template
from cm.rpc.types import Id
from cm.rpc.view import user_view
from cm.services.context import ClusterCall
from cm.store.template import get_template, list_templates


@user_view
def get_list(caller: ClusterCall) -> list[Template]:
    """All templates, the smallest first."""
    return list(list_templates(caller.session))


@user_view
def get_by_id(caller: ClusterCall, template_id: Id) -> Template:
    """One template."""
    return get_template(caller.session, template_id)
