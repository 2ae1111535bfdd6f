"""Use cases of launch templates. A version is never changed; another one is made in its place."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clm.results.launch_template import LaunchTemplate, LaunchTemplateVersion
from clm.services.context import CloudCall
from clm.store import launch_template as store
from cm.rpc.errors import Conflict, InvalidParameter, LimitReached, NameTaken, ObjectNotFound, TooManyTags
from cm.rpc.vocabulary import TAGS_MAX
from cm.runtime.taken import refused_by


@dataclass(eq=False)
class TooManyLaunchTemplates(LimitReached):
    code = "launch_template_limit"
    message = "You have {limit} versions of launch templates, which is as many as one may have; delete one first."
    limit: int


@dataclass(eq=False)
class DefaultVersionStays(Conflict):
    code = "launch_template_default"
    message = "Version {default} is the one that is taken where none is named; name another one first."
    default: int


def create(
    caller: CloudCall, name: str, data: str, cluster_id: int, description: str, tags: Mapping[str, str]
) -> LaunchTemplate:
    """
    Keep a template with its first version.

    :raises ObjectNotFound: there is no such cluster.
    :raises TooManyLaunchTemplates: the caller has as many versions as one may have.
    :raises NameTaken: one of theirs has this name there.
    :raises InvalidParameter: the data are no JSON object.
    """
    session, user_id = caller.session, caller.user_id
    _check(caller, data)
    if not store.has_cluster(session, cluster_id):
        raise ObjectNotFound("cluster", cluster_id)
    with refused_by(session, {"uq_launch_template_user_id_cluster_id_name": NameTaken("launch_template", name)}):
        template_id = store.insert_template(session, user_id, cluster_id, name, tags)
    store.insert_version(session, template_id, 1, description, data)
    caller.note("create launch template", name=name, cluster_id=cluster_id)
    return store.get_template(session, user_id, template_id)


def _check(caller: CloudCall, data: str) -> None:
    try:
        held = json.loads(data)
    except (ValueError, RecursionError):
        held = None
    if not isinstance(held, dict):
        raise InvalidParameter("data", "it is no JSON object")
    if store.count_versions(caller.session, caller.user_id) >= caller.policy.launch_templates_max:
        raise TooManyLaunchTemplates(caller.policy.launch_templates_max)


def add_version(caller: CloudCall, template_id: int, data: str, description: str) -> LaunchTemplateVersion:
    """
    :raises ObjectNotFound: it is not theirs.
    :raises TooManyLaunchTemplates: InvalidParameter: as of ``create``.
    """
    session = caller.session
    _check(caller, data)
    row = store.get_template(session, caller.user_id, template_id, lock=True)
    number = row["latest_version"] + 1
    store.insert_version(session, template_id, number, description, data)
    caller.note("add version", launch_template_id=template_id, number=number)
    return store.get_version(session, template_id, number)


def list_versions(caller: CloudCall, template_id: int) -> list[LaunchTemplateVersion]:
    """:raises ObjectNotFound: it is not theirs."""
    store.get_template(caller.session, caller.user_id, template_id)
    return store.list_versions(caller.session, template_id)


def set_default(caller: CloudCall, template_id: int, number: int) -> LaunchTemplate:
    """:raises ObjectNotFound: it is not theirs, or has no such version."""
    session = caller.session
    store.get_template(session, caller.user_id, template_id, lock=True)
    store.get_version(session, template_id, number)
    store.write_default(session, template_id, number)
    caller.note("set default version", launch_template_id=template_id, number=number)
    return store.get_template(session, caller.user_id, template_id)


def delete_version(caller: CloudCall, template_id: int, number: int) -> None:
    """
    :raises ObjectNotFound: it is not theirs, or has no such version.
    :raises DefaultVersionStays: it is the default one.
    """
    session = caller.session
    row = store.get_template(session, caller.user_id, template_id, lock=True)
    if row["default_version"] == number:
        raise DefaultVersionStays(number)
    if not store.delete_version(session, template_id, number):
        raise ObjectNotFound("launch_template_version", number)
    caller.note("delete version", launch_template_id=template_id, number=number)


def delete(caller: CloudCall, template_id: int) -> None:
    """With all its versions; VMs that were made of it go on. :raises ObjectNotFound: it is not theirs."""
    store.get_template(caller.session, caller.user_id, template_id, lock=True)
    store.delete_template(caller.session, template_id)
    caller.note("delete launch template", launch_template_id=template_id)


def tag(caller: CloudCall, template_id: int, tags: Mapping[str, str], remove: Sequence[str]) -> LaunchTemplate:
    """
    :raises ObjectNotFound: it is not theirs.
    :raises TooManyTags: it would have more than an object may have.
    """
    session = caller.session
    store.get_template(session, caller.user_id, template_id, lock=True)
    if store.write_tags(session, template_id, tags, remove) > TAGS_MAX:
        raise TooManyTags(TAGS_MAX)
    caller.note("tag", launch_template_id=template_id)
    return store.get_template(session, caller.user_id, template_id)
