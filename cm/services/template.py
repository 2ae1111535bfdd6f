"""Use cases of templates. VMs keep the size they were made in, so a template may change or go at any time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cm.results.template import Template
from cm.rpc.errors import NameTaken
from cm.rules.template import size_of
from cm.runtime.taken import refused_by
from cm.services.context import ClusterCall
from cm.store.change import record_change
from cm.store.template import close_template, find_named, get_template, insert_template, update_template


def add(caller: ClusterCall, values: dict[str, Any]) -> Template:
    """
    :raises NameTaken: another live template has the name.
    """
    with refused_by(caller.session, {"uq_template_name": NameTaken("template", values["name"])}):
        template_id = insert_template(caller.session, values)
    record_change(caller.session, "template", template_id, None, "enter")
    caller.note("add template", **values)
    return get_template(caller.session, template_id)


def edit(caller: ClusterCall, template_id: int, values: dict[str, Any]) -> Template:
    """
    Change what is not None; VMs made from it stay as they are.

    :raises NameTaken: another live template has the name.
    """
    get_template(caller.session, template_id, lock=True, version=caller.if_version)
    with refused_by(caller.session, {"uq_template_name": NameTaken("template", values["name"] or "")}):
        update_template(caller.session, template_id, values)
    record_change(caller.session, "template", template_id, None)
    caller.note("edit template", template_id=template_id, **{k: v for k, v in values.items() if v is not None})
    return get_template(caller.session, template_id)


def load(caller: ClusterCall, sizes: Mapping[str, Mapping[str, int | float | str]]) -> list[Template]:
    """
    Have templates of these names be of these sizes: those that are there are changed, the others added; all, or none.

    :raises InvalidParameter: a size says what is none.
    """
    made = []
    new: dict[str, Any] = {"description": "", "local_disk": False, "traits": [], "points": 0, "ec2name": ""}
    for name, said in sizes.items():
        values = {"name": name, **size_of(name, said)}
        found = find_named(caller.session, name)
        if found is None:
            made.append(add(caller, {**new, **values}))
        else:
            made.append(edit(caller, found, {**dict.fromkeys(new), **values}))
    return made


def delete(caller: ClusterCall, template_id: int) -> None:
    """No VM can be made from it any more; those that were go on."""
    get_template(caller.session, template_id, lock=True, version=caller.if_version)
    close_template(caller.session, template_id)
    record_change(caller.session, "template", template_id, None, "exit")
    caller.note("delete template", template_id=template_id)
