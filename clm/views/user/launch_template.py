"""
Launch templates: what VMs are made of at a cluster, by a name and in versions. EC2's clients keep them and run
instances of them (``clm/ec2``); they are the caller's alone.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from clm.results.launch_template import LaunchTemplate, LaunchTemplateVersion
from clm.services import launch_template as service
from clm.services.context import CloudCall
from clm.store.launch_template import list_templates
from cm.rpc.types import Id, Name, TagKeys, TagValues, Text
from cm.rpc.view import user_view

DATA_MAX = 32_768  # characters: EC2's 16 KiB of user data are 21,848 in base64
Data = Annotated[
    str, Meta(min_length=2, max_length=DATA_MAX, description="A JSON object: what EC2's RunInstances takes.")
]
Number = Annotated[int, Meta(ge=1, le=2**31 - 1, description="Of a version.")]


@user_view(changing=True)
def create(
    caller: CloudCall, name: Name, data: Data, cluster_id: Id, description: Text = "", tags: TagValues | None = None
) -> LaunchTemplate:
    """
    Keep a launch template, with its first version, which is the default one. What its data name is looked at when VMs
    are made of it.
    """
    return service.create(caller, name, data, cluster_id, description, tags or {})


@user_view(changing=True)
def add_version(caller: CloudCall, launch_template_id: Id, data: Data, description: Text = "") -> LaunchTemplateVersion:
    """Another version; the default one stays what it is."""
    return service.add_version(caller, launch_template_id, data, description)


@user_view
def get_list(caller: CloudCall) -> list[LaunchTemplate]:
    """The caller's for all clusters, newest first."""
    return list_templates(caller.session, caller.user_id)


@user_view
def list_versions(caller: CloudCall, launch_template_id: Id) -> list[LaunchTemplateVersion]:
    """All versions of one, the newest first."""
    return service.list_versions(caller, launch_template_id)


@user_view(changing=True)
def set_default(caller: CloudCall, launch_template_id: Id, number: Number) -> LaunchTemplate:
    """Have another version be the one that is taken where none is named."""
    return service.set_default(caller, launch_template_id, number)


@user_view(changing=True)
def tag(
    caller: CloudCall, launch_template_id: Id, tags: TagValues | None = None, remove: TagKeys | None = None
) -> LaunchTemplate:
    """Give it tags, or take some; others that it has stay."""
    return service.tag(caller, launch_template_id, tags or {}, remove or [])


@user_view(changing=True)
def delete_version(caller: CloudCall, launch_template_id: Id, number: Number) -> None:
    """Delete a version, but for the default one."""
    service.delete_version(caller, launch_template_id, number)


@user_view(changing=True)
def delete(caller: CloudCall, launch_template_id: Id) -> None:
    """Delete one with all its versions. VMs that were made of it go on."""
    service.delete(caller, launch_template_id)
