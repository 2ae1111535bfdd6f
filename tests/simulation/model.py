"""
A second opinion on what people may see and do, in a few lines: it hears what was accepted, in the order in which it
was, and knows nothing of the product's rules. It imports nothing of ours.

Levels are "user" (sees), "operator" (screen, power, name) and "owner" (all); None sees nothing. Moments are seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

RANK: Final[Mapping[str | None, int]] = {None: 0, "user": 1, "operator": 2, "owner": 3}
ABOVE: Final = {"user": "operator", "operator": "owner", "owner": "owner"}
EVER: Final = math.inf
TURNED: Final = {"system": "storage", "storage": "system"}  # what an image was that was turned into another kind

# What it takes to call a view, and which of its parameters names the object. As the documentation tells it.
VM_VIEWS: Final = {
    "user.vm.get_by_id": "user", "user.vm.get_console": "user", "user.vm.start": "operator",
    "user.vm.stop": "operator", "user.vm.shutdown": "operator", "user.vm.reset": "operator",
    "user.vm.pause": "operator", "user.vm.resume": "operator", "user.vm.suspend": "operator",
    "user.vm.wake_up": "operator", "user.vm.attach_vnc": "operator",
    "user.vm.detach_vnc": "operator", "user.vm.edit": "operator", "user.vm.save_and_shutdown": "owner",
    "user.vm.create_snapshot": "owner", "user.vm.save": "owner",
    "user.vm.destroy": "owner", "user.vm.trash": "owner", "user.vm.recover": "owner",
    "user.vm.save_as_template": "owner", "user.expiry.renew": "operator",
}  # fmt: skip
# What is done within a guest.
GUEST_VIEWS: Final = {
    "user.vm.guest_info": "user", "user.vm.reboot": "operator", "user.vm.set_time": "operator",
    "user.vm.set_hostname": "operator", "user.vm.set_hosts": "operator", "user.vm.grow_root": "operator",
    "user.vm.password_reset": "owner", "user.vm.install_keys": "owner", "user.vm.remove_keys": "owner",
    "user.vm.generate_key": "owner", "user.vm.mount_share": "owner", "user.vm.unmount_share": "owner",
}  # fmt: skip
IMAGE_VIEWS: Final = {
    "user.system_image.get_by_id": "user", "user.system_image.edit": "operator", "user.system_image.delete": "owner",
    "user.system_image.set_private": "owner", "user.system_image.set_group": "owner",
    "user.storage_image.get_by_id": "user", "user.storage_image.delete": "owner",
    "user.iso_image.get_by_id": "user", "user.iso_image.delete": "owner",
}  # fmt: skip
TEMPLATE_VIEWS: Final = {
    "user.vm_template.get_by_id": "user", "user.vm_template.edit": "owner", "user.vm_template.delete": "owner",
}  # fmt: skip
JOB_FACTS: Final = ("name", "method", "parameters", "cron", "enabled")
# Retrying work, or giving it up, takes what asking for it does.
WORK: Final = {
    "disk_grow": "operator", "disk_copy": "operator", "disk_move": "operator",
    "vm_create": "owner", "vm_trash": "owner", "vm_destroy": "owner", "vm_save": "owner",
    "vm_save_and_shutdown": "owner", "vm_to_image": "owner", "disk_flatten": "owner", "vm_resize": "owner",
    "image_import": "owner", "image_delete": "owner",
    "snapshot_create": "owner", "snapshot_revert": "owner", "snapshot_delete": "owner",
    "disk_create": "owner", "disk_attach": "owner", "disk_detach": "owner", "attach_or_create": "owner",
    "nic_attach": "owner", "nic_detach": "owner",
    "vm_cd": "operator",
}  # fmt: skip


@dataclass(frozen=True)
class Accepted:
    """A call that was accepted. ``made``: the ids of what it made."""

    at: float
    login: str
    method: str
    params: Mapping[str, Any]
    made: Sequence[int] = ()


@dataclass
class Thing:
    """
    A VM, an image, a lease, a VM template or a profile.

    :ivar ended: from when on it is its owner's alone, and ``gone``: nobody's.
    :ivar usable: a public image that is not ready is not everybody's; it is by now, or it is not.
    :ivar grants: (moment, (what, who), level): what is "login" or "group".
    :ivar public: (moment, whether).
    :ivar turned: (moment, the kind of image that it became).
    """

    kind: str
    id: int
    owner: str
    born: float
    ended: float = EVER
    gone: float = EVER
    usable: bool = True
    grants: list[tuple[float, tuple[str, Any], str | None]] = field(default_factory=list)
    public: list[tuple[float, bool]] = field(default_factory=list)
    turned: list[tuple[float, str]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def moments(self) -> Iterator[float]:
        yield from (self.born, self.ended, self.gone)
        yield from (at for at, *_ in self.grants)
        yield from (at for at, _ in self.public)

    def kinds(self, begin: float, end: float) -> frozenset[str]:
        """Of which kind an image was at one moment or another, by what it is now (``facts``)."""
        moments = [begin, begin - 1e-6, *(at for at, _ in self.turned if begin <= at <= end)]
        return frozenset(
            next((TURNED[became] for since, became in self.turned if since > at), self.facts["kind"])
            for at in moments
        )

    def granted(self, at: float) -> dict[tuple[str, Any], str]:
        """What holds at a moment, with what was changed in it."""
        held: dict[tuple[str, Any], str] = {}
        for since, whom, level in self.grants:
            if since <= at:
                held.pop(whom, None)
                if level is not None:
                    held[whom] = level
        return held

    def is_public(self, at: float) -> bool:
        return next((now for since, now in reversed(self.public) if since <= at), False)


@dataclass
class Job:
    """Of jobs that are there: whose it is, and what it is by its owner's word."""

    owner: str
    facts: dict[str, Any]


@dataclass
class Model:
    """
    :ivar groups: by group, its members from each moment on.
    :ivar blocked: by login, from when until when; ``ended``: when their sessions were ended.
    """

    vms: dict[int, Thing] = field(default_factory=dict)
    images: dict[int, Thing] = field(default_factory=dict)
    expiries: dict[int, Thing] = field(default_factory=dict)
    templates: dict[int, Thing] = field(default_factory=dict)  # of VMs
    profiles: dict[int, Thing] = field(default_factory=dict)
    groups: dict[int, list[tuple[float, frozenset[str]]]] = field(default_factory=dict)
    jobs: dict[int, Job] = field(default_factory=dict)
    blocked: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    ended: dict[str, list[float]] = field(default_factory=dict)

    def of(self, kind: str, object_id: int) -> Thing | None:
        of_kind = {"vm": self.vms, "expiry": self.expiries, "vm_template": self.templates}
        return of_kind.get(kind, self.images).get(object_id)

    # ------------------------------------------------------------------ what was accepted

    def hear(self, call: Accepted) -> None:
        noun, _, verb = call.method.partition(".")[2].partition(".")
        params, at = call.params, call.at
        if verb == "create" and noun == "vm":
            for vm_id in call.made:
                vm = self.vms[vm_id] = Thing("vm", vm_id, call.login, at)
                for group_id in params.get("groups") or ():
                    vm.grants.append((at, ("group", group_id), "user"))
                count = params.get("count", 1)
                number = call.made.index(vm_id) + 1
                vm.facts = {
                    "name": params["name"] if count == 1 else f"{params['name']}_{number}",
                    "description": params["description"],
                    "image_id": params.get("image_id") or self.installed(params.get("vm_template_id")),
                    "template_id": params["template_id"], "vnc_enabled": params.get("vnc", False),
                    "on_poweroff": params.get("on_poweroff", "stop"), "disks": tuple(params.get("disk_list") or ()),
                }  # fmt: skip
                self._lease(vm_id, params.get("expiry_id") or self._default_lease(), at)
        elif noun == "vm" and verb in ("edit", "attach_vnc", "detach_vnc"):
            changed = self.vms[params["vm_id"]].facts
            if verb == "edit":
                changed |= {key: params[key] for key in ("name", "description") if params.get(key) is not None}
            else:
                changed["vnc_enabled"] = verb == "attach_vnc"
        elif noun == "vm" and verb == "resize":
            facts = self.vms[params["vm_id"]].facts
            if params.get("came_of_it", "done") == "done":
                facts |= {"template_id": params["template_id"], "perhaps": ()}
            else:  # it has what it had, or may have some of what it was to get, and then it counts as that
                facts["perhaps"] = (*facts.get("perhaps", ()), params["template_id"])
        elif noun == "vm" and verb in ("save", "save_and_shutdown", "save_as_template"):
            for image_id in call.made:
                self.images[image_id] = Thing("image", image_id, self.vms[params["vm_id"]].owner, at)
                facts = {"name": params.get("name"), "description": params.get("description", "")}
                self.images[image_id].facts = {name: value for name, value in facts.items() if value is not None}
        elif noun == "disk" and verb == "attach":
            self.vms[params["vm_id"]].facts.setdefault("attached", []).append((at, params["image_id"]))
        elif noun in ("disk", "snapshot"):
            for image_id in call.made:  # whoever asks for it gets it, whosever what it is copied from
                self.images[image_id] = Thing("image", image_id, call.login, at, facts={"name": params["name"]})
        elif verb.startswith("convert_to_"):
            became = verb.removeprefix("convert_to_").removesuffix("_image")
            self.images[params["image_id"]].turned.append((at, became))
        elif noun == "acl" and verb == "set":
            whom = ("login", params["login"]) if params.get("login") else ("group", params["group_id"])
            thing = self.of(params["kind"], params["object_id"])
            assert thing is not None
            thing.grants.append((at, whom, params["level"]))
        elif noun == "system_image":
            self._image(call, verb)
        elif noun == "expiry":
            self._expiry(call, verb)
        elif noun in ("vm_template", "vm_profile"):
            self._installs(call, noun, verb)
        elif noun == "job":
            self._job(call, verb)
        elif noun in ("storage_image", "iso_image") and verb == "delete":
            self.images[params["image_id"]].gone = min(at, self.images[params["image_id"]].gone)
        elif noun in ("group", "user"):
            self._people(call, noun, verb)

    def _image(self, call: Accepted, verb: str) -> None:
        params, at = call.params, call.at
        if verb.startswith("import") or verb == "upload":
            for image_id in call.made:
                self.images[image_id] = made = Thing("image", image_id, call.login, at)
                # What users bring in is theirs; an administrator brings in for all, unless told otherwise.
                for_all = call.method.startswith("admin.") and params.get("access", "public") == "public"
                made.public.append((at, for_all))
            return
        image = self.images[params["image_id"]]
        if verb == "delete":
            image.gone = min(at, image.gone)
        elif verb == "edit":
            image.facts |= {key: params[key] for key in ("name", "description") if params.get(key) is not None}
        elif verb == "set_access":
            image.public.append((at, params["access"] == "public"))
        elif verb in ("set_private", "set_group"):
            image.public.append((at, False))
            if verb == "set_private":
                image.grants += [(at, whom, None) for whom in image.granted(at) if whom[0] == "group"]
            elif ("group", params["group_id"]) not in image.granted(at):
                image.grants.append((at, ("group", params["group_id"]), "user"))

    def _expiry(self, call: Accepted, verb: str) -> None:
        """Leases, and which VMs have them: what a lease was when it was given is what it is of that VM."""
        params, at = call.params, call.at
        if verb == "add":
            for expiry_id in call.made:
                self.expiries[expiry_id] = made = Thing("expiry", expiry_id, call.login, at)
                made.facts = {name: params.get(name) for name in ("name", "suspend_s", "delete_s", "for_all")}
        elif verb == "edit":
            facts = self.expiries[params["expiry_id"]].facts
            facts |= {name: params[name] for name in facts if params.get(name) is not None}
        elif verb == "delete":
            self.expiries[params["expiry_id"]].gone = at
            self.expiries[params["expiry_id"]].facts["default"] = False
        elif verb == "set_default":
            for each in self.expiries.values():
                each.facts["default"] = each.id == params.get("expiry_id")
        elif verb == "apply":
            for vm in self.vms.values():
                if params.get("replace") or vm.facts.get("expiry", 0) is None:
                    self._lease(vm.id, params["expiry_id"], at)
        elif verb == "set":
            self._lease(params["vm_id"], params["expiry_id"], at)
        elif verb == "renew" and "expiry" in self.vms[params["vm_id"]].facts:  # of a farm's it is not known which
            self._lease(params["vm_id"], self.vms[params["vm_id"]].facts["expiry"], at)
        for lease in self.expiries.values():
            lease.public.append((at, bool(lease.facts["for_all"] or lease.facts.get("default"))))

    def _installs(self, call: Accepted, noun: str, verb: str) -> None:
        """VM templates and profiles; a template that a VM was saved as comes by its row."""
        things, params = self.templates if noun == "vm_template" else self.profiles, call.params
        names = ("name", "parent_template_id", "image_id", "vm_template_id", "template_id")
        if verb == "create":
            for number in call.made:
                facts = {name: params.get(name) for name in names}
                things[number] = Thing(noun, number, call.login, call.at, facts=facts)
            return
        thing = things[params[f"{noun}_id"]]
        if verb == "delete":
            thing.gone = call.at
        elif verb == "edit":
            thing.facts |= {name: params[name] for name in names if params.get(name) and name != f"{noun}_id"}

    def installed(self, template_id: int | None) -> int | None:
        """The image that VMs get by a template: its own, or its parents', be these deleted since."""
        if template_id is None:
            return None
        facts: dict[str, Any] = self.templates[template_id].facts
        image_id: int | None = facts["image_id"]
        return self.installed(facts["parent_template_id"]) if image_id is None else image_id

    def _default_lease(self) -> int | None:
        return next((each.id for each in self.expiries.values() if each.facts.get("default")), None)

    def _lease(self, vm_id: int, expiry_id: int | None, at: float) -> None:
        facts = self.vms[vm_id].facts
        facts["expiry"] = expiry_id
        has = {} if expiry_id is None else self.expiries[expiry_id].facts
        facts.setdefault("terms", []).append((at, has.get("suspend_s"), has.get("delete_s")))

    def _job(self, call: Accepted, verb: str) -> None:
        params = call.params
        facts = {name: params.get(name) for name in JOB_FACTS}
        if verb == "create":
            for job_id in call.made:
                self.jobs[job_id] = Job(call.login, {"cron": "", "enabled": True})
                self.jobs[job_id].facts |= {name: value for name, value in facts.items() if value is not None}
        elif params.get("job_id") in self.jobs:  # of one that was deleted since nothing is known
            if verb == "edit":
                self.jobs[params["job_id"]].facts |= {name: value for name, value in facts.items() if value is not None}
            elif verb == "disable":
                self.jobs[params["job_id"]].facts["enabled"] = False

    def _people(self, call: Accepted, noun: str, verb: str) -> None:
        params, at = call.params, call.at
        if verb == "block":
            self.block(params["login"], at, params["block"])
        elif verb == "end_sessions":
            self.ended.setdefault(params["login"], []).append(at)
        elif noun == "group" and verb == "create":
            for group_id in call.made:
                self.groups[group_id] = [(at, frozenset({call.login}))]
        elif noun == "group" and verb in ("activate_user", "delete_user", "delete"):
            members = self.groups[params["group_id"]]
            was = members[-1][1]
            if verb == "delete":
                members.append((at, frozenset()))
            else:
                who = frozenset({params["login"]})
                members.append((at, was | who if verb == "activate_user" else was - who))

    def block(self, login: str, at: float, blocked: bool) -> None:
        spans = self.blocked.setdefault(login, [])
        is_blocked = bool(spans) and spans[-1][1] == EVER
        if blocked and not is_blocked:
            spans.append((at, EVER))
        elif not blocked and is_blocked:
            spans[-1] = (spans[-1][0], at)

    # ------------------------------------------------------------------ who may

    def groups_of(self, login: str, at: float) -> frozenset[int]:
        return frozenset(
            group_id
            for group_id, changes in self.groups.items()
            if login in next((members for since, members in reversed(changes) if since <= at), ())
        )

    def level(
        self, login: str, thing: Thing, at: float, groups: frozenset[int] | None = None, usable: bool | None = None
    ) -> str | None:
        """:param groups: that somebody is taken to be in; None: in which they are. ``usable`` likewise."""
        if not thing.born <= at < thing.gone:
            return None
        if login == thing.owner:
            return "owner"
        if at >= thing.ended:
            return None
        mine = self.groups_of(login, at) if groups is None else groups
        ready = thing.usable if usable is None else usable
        held = ["user"] if ready and thing.is_public(at) else []
        for (what, who), level in thing.granted(at).items():
            if (what == "login" and who == login) or (what == "group" and who in mine):
                held.append(level)
        return max(held, key=RANK.__getitem__, default=None)

    def levels(
        self, login: str, thing: Thing, begin: float, end: float, slack_s: float = 0.0
    ) -> frozenset[str | None]:
        """
        Those that somebody had at one moment or another.

        :param slack_s: for how long after it who is in a group may not have been heard of.
        """
        moments = [begin, *(at for at in thing.moments() if begin <= at <= end)]
        changes = sorted({at for each in self.groups.values() for at, _ in each if begin - slack_s <= at <= end})
        memberships = {self.groups_of(login, at) for at in (begin - slack_s, *changes)}
        moments += [at - 1e-6 for at in moments]  # what happened at this very moment was before or after
        ready = (True,) if thing.born == 0.0 or not thing.public else (True, False)
        return frozenset(
            self.level(login, thing, at, groups, usable) for at in moments for groups in memberships for usable in ready
        )


def enough(level: str | None, needs: str) -> bool:
    return RANK[level] >= RANK[needs]
