"""
Use cases of VM templates. VMs keep what they were made with, so a template may change at any time.

Whoever sees one may make VMs by it, as far as they may use its images and networks: sharing a template shares none of
these.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final

from cm.results.vm import SavedTemplate
from cm.results.vm_template import ListedVMTemplate, VMTemplate
from cm.rpc.errors import InUse, InvalidParameter, ObjectNotFound, QuotaReached
from cm.rpc.vocabulary import Freeze, ImageKind, TagKind, TemplateField
from cm.rules.access import Action, Shared
from cm.rules.machine import MachineChange
from cm.rules.tag import check_keys
from cm.rules.vm_template import DEPTH_MAX, check_parent, next_version
from cm.services import vm_image
from cm.services.access import authorized_vm, authorized_vm_template, level_on, person_of, usable_image
from cm.services.context import ClusterCall
from cm.services.joining import usable
from cm.store.account import login_of
from cm.store.change import record_change
from cm.store.placement import needs_of
from cm.store.vm_profile import profiles_with
from cm.store.vm_template import (
    chain_of,
    close_vm_template,
    count_vm_templates,
    get_vm_template,
    heirs_of,
    hold_vm_templates,
    insert_vm_template,
    made_by,
    names_of,
    update_vm_template,
)

VM_TEMPLATES_MAX: Final = 200  # of an account


@dataclass(frozen=True)
class Given:
    """What a template says of a new VM, with what it has of its parents."""

    vm_template_id: int | None = None
    image_id: int | None = None
    iso_list: list[int] = field(default_factory=list)
    new_disks: list[int] = field(default_factory=list)  # MiB
    networks: list[int] = field(default_factory=list)
    traits: frozenset[str] = frozenset()
    tags: dict[str, str] = field(default_factory=dict)
    machine: MachineChange = MachineChange()


def given(caller: ClusterCall, template_id: int | None) -> Given:
    """
    :param template_id: None: nothing is said.
    :raises ObjectNotFound: AccessNeeded: as ``authorized_vm_template``.
    """
    if template_id is None:
        return Given()
    authorized_vm_template(caller.session, person_of(caller.identity), template_id, caller.action("vm_template_id"))
    told = get_vm_template(caller.session, template_id)["effective"]
    lists = (told["iso_list"], told["new_disks"], told["networks"])
    machine = MachineChange().over(told)
    return Given(template_id, told["image_id"], *lists, frozenset(told["traits"]), told["tags"], machine)


def detail(caller: ClusterCall, template_id: int) -> ListedVMTemplate:
    """:raises ObjectNotFound: neither the caller's nor shared with them."""
    session, who = caller.session, person_of(caller.identity)
    row = authorized_vm_template(session, who, template_id, caller.action("vm_template_id"))
    level = level_on(session, who, Shared.VM_TEMPLATE, row.id, row.account_id, live=True)
    assert level is not None
    return {**get_vm_template(session, row.id), "user_login": login_of(session, row.account_id), "access": level}


def create(caller: ClusterCall, values: dict[str, Any]) -> VMTemplate:
    """
    :raises ObjectNotFound: AccessNeeded: the caller may not use its parent, an image or a network.
    :raises InvalidParameter: its parent has too many parents.
    :raises QuotaReached: the account has as many as it may.
    """
    session, account_id = caller.session, caller.account_id
    _check(caller, values)
    used = count_vm_templates(session, account_id)
    if used >= VM_TEMPLATES_MAX:
        raise QuotaReached("VM templates", VM_TEMPLATES_MAX, used, 1)
    if values["parent_id"] is not None:
        _hold_parent(caller, values["parent_id"])
        check_parent(None, chain_of(session, values["parent_id"]))
    template_id = insert_vm_template(session, account_id, values)
    record_change(session, "vm_template", template_id, account_id, "enter")
    caller.note("create VM template", vm_template_id=template_id, name=values["name"])
    return get_vm_template(session, template_id)


def edit(
    caller: ClusterCall, template_id: int, values: dict[str, Any], inherit: Collection[TemplateField], orphan: bool
) -> VMTemplate:
    """
    Change what is not None; VMs that were made by it stay as they are, templates that are made of it follow.

    :param inherit: what it leaves open from now on.
    :param orphan: it has no parent any more.
    :raises ObjectNotFound: AccessNeeded: the caller may not edit it, or not use its parent, an image or a network.
    :raises InvalidParameter: its parent is made of it, or has too many parents; something is set and left open at once.
    """
    session = caller.session
    both = next((name for name in inherit if values[name] is not None), None)
    if both is not None:
        raise InvalidParameter("inherit", f"{both} is set by the same call")
    if orphan and values["parent_id"] is not None:
        raise InvalidParameter("orphan", "parent_template_id is set by the same call")
    authorized_vm_template(session, person_of(caller.identity), template_id, caller.action("vm_template_id"))
    _check(caller, values)
    parent_id = values["parent_id"]
    if parent_id is not None:
        _hold_parent(caller, parent_id, template_id)
    row = authorized_vm_template(
        session,
        person_of(caller.identity),
        template_id,
        caller.action("vm_template_id"),
        lock=True,
        version=caller.if_version,
    )
    heirs = heirs_of(session, template_id)
    if parent_id is not None:
        height = 1 + max((heir.depth for heir in heirs), default=0)
        check_parent(template_id, chain_of(session, parent_id), height)
    update_vm_template(session, template_id, values, inherit, orphan=orphan)
    for object_id, account_id in ((row.id, row.account_id), *((heir.id, heir.account_id) for heir in heirs)):
        record_change(session, "vm_template", object_id, account_id)
    caller.note("edit VM template", vm_template_id=template_id, inherit=sorted(inherit), orphan=orphan)
    return get_vm_template(session, template_id)


def delete(caller: ClusterCall, template_id: int) -> None:
    """
    No VM can be made by it any more; those that were go on. Others' templates that are made of it still have of it what
    they had: whoever it is shared with does not keep its owner from deleting it.

    :raises InUse: templates of the same account are made of it, or profiles have it; these are named.
    """
    session, who = caller.session, person_of(caller.identity)
    row = authorized_vm_template(
        session, who, template_id, caller.action("vm_template_id"), lock=True, version=caller.if_version
    )
    children = (heir for heir in heirs_of(session, template_id) if heir.depth == 1)
    heirs = [heir.id for heir in children if heir.account_id == row.account_id]
    users = [f"VM template {each}" for each in heirs]
    users += [f"VM profile {each}" for each in profiles_with(session, row.account_id, template_id)]
    if users:
        raise InUse("vm_template", template_id, ", ".join(users))
    close_vm_template(session, template_id)
    record_change(session, "vm_template", template_id, row.account_id, "exit")
    caller.note("delete VM template", vm_template_id=template_id)


def save(caller: ClusterCall, vm_id: int, name: str | None, description: str, freeze: Freeze) -> SavedTemplate:
    """
    Make a VM template of a VM as it is at one moment: an image of its root disk, and what the template that it was made
    by says beside. The image and the template are the VM's account's, whoever asks; the template is there once the
    image is made, and not at all where that fails or is given up.

    :param name: None: the next version of the template's that the VM was made by, or of the VM's own.
    :raises QuotaReached: also: the account has as many templates as it may.
    """
    session, who = caller.session, person_of(caller.identity)
    row = authorized_vm(session, who, vm_id, caller.action("vm_id"))
    origin_id = _origin(caller, vm_id)
    if name is None:
        named = row.name if origin_id is None else get_vm_template(session, origin_id)["name"]
        name = next_version(named, names_of(session, row.account_id))
    work = vm_image.save(caller, vm_id, name, description, freeze)
    used = count_vm_templates(session, row.account_id)
    if used >= VM_TEMPLATES_MAX:
        raise QuotaReached("VM templates", VM_TEMPLATES_MAX, used, 1)
    values: dict[str, Any] = {}
    if origin_id is not None:
        chain = chain_of(session, origin_id)
        # Versions of versions would be made of each other without end: then one stands by itself.
        by_itself = len(chain) >= DEPTH_MAX
        values = {**get_vm_template(session, origin_id)["effective"]} if by_itself else {"parent_id": origin_id}
    else:
        values = {"traits": sorted(needs_of(session, vm_id).traits)}
    values |= {"name": name, "description": description, "image_id": work["image_id"]}
    template_id = insert_vm_template(session, row.account_id, values, ready=False)
    caller.note("save as VM template", vm_id=vm_id, vm_template_id=template_id, name=name)
    return {**work, "vm_template_id": template_id, "name": name}


def _origin(caller: ClusterCall, vm_id: int) -> int | None:
    """The template that a VM was made by, where its caller may still use it."""
    found = made_by(caller.session, vm_id)
    if found is not None:
        try:
            authorized_vm_template(caller.session, person_of(caller.identity), found, Action.USE)
        except ObjectNotFound:
            return None
    return found


def _hold_parent(caller: ClusterCall, parent_id: int, *more: int) -> None:
    """
    Whoever gives another parent to one of a chain, or deletes one, comes before or after.

    :raises ObjectNotFound: AccessNeeded: the caller may not use it.
    """
    session = caller.session
    hold_vm_templates(session, [*chain_of(session, parent_id), *more])
    authorized_vm_template(session, person_of(caller.identity), parent_id, caller.action("parent_template_id"))


def _check(caller: ClusterCall, values: dict[str, Any]) -> None:
    """
    :raises ObjectNotFound: AccessNeeded: WrongImageState: the caller may not use an image or a network.
    :raises InvalidParameter: a tag's key is not for owners to give.
    """
    session, person = caller.session, person_of(caller.identity)
    if values["image_id"] is not None:
        usable_image(session, values["image_id"], person, [ImageKind.SYSTEM, ImageKind.ISO])
    for image_id in values["iso_list"] or ():
        usable_image(session, image_id, person, [ImageKind.ISO])
    for network_id in values["networks"] or ():
        usable(caller, network_id)
    if values["tags"]:
        check_keys(TagKind.VM, values["tags"])
