"""Launch templates."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from cm.rpc.fields import Named, Number, TagMap, Text, Time, Uuid

VersionNumber = Annotated[
    int, Meta(ge=1, examples=[1], description="From 1 on; one that was deleted does not come again.")
]


class LaunchTemplate(TypedDict):
    """A launch template, without what is in it."""

    launch_template_id: Number
    uuid: Uuid
    cluster_id: Number
    name: Named
    default_version: VersionNumber
    latest_version: VersionNumber
    tags: TagMap
    created: Time


class LaunchTemplateVersion(TypedDict):
    """One version of a launch template."""

    launch_template_id: Number
    number: VersionNumber
    description: Text
    data: Annotated[str, Meta(examples=['{"InstanceType": "small"}'], description="JSON, as it was given.")]
    created: Time
