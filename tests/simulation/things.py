"""What everybody sees of VMs and images at rest: what there is in the model, as it is there and on the nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simulation.model import EVER, Thing, enough
from simulation.questions import Questions

if TYPE_CHECKING:
    from simulation.eyes import Eyes

FACTS: Final = ("name", "description", "image_id", "template_id", "vnc_enabled", "on_poweroff")
NO_LOG: Final = "!volume_not_found"  # it never ran, or its disk is gone
RESTS: Final = frozenset({"stopped", "suspended", "trashed", "error", "pending"})


class Things(Questions):
    """Mixed into ``eyes.Look``."""

    eyes: Eyes
    now: float

    def level(self, login: str, thing: Thing) -> str | None:
        return self.model.level(login, thing, self.now)

    def _live(self, login: str, *, shared: bool) -> list[Thing]:
        """Newest first."""
        found = [
            thing
            for thing in self.model.vms.values()
            if thing.ended == EVER and self.level(login, thing) and (thing.owner != login) is shared
        ]
        return sorted(found, key=lambda thing: -thing.id)

    def _lists(self, login: str) -> None:
        eyes = self.eyes
        for shared in (False, True):
            listed = eyes.listed(login, "user.vm.get_list", **({"shared": True} if shared else {}))
            what = f"the list of VMs {'shared with' if shared else 'of'} {login}"
            wanted = self._live(login, shared=shared)
            eyes.expect(what, [vm["vm_id"] for vm in listed], [thing.id for thing in wanted])
            for vm in listed:
                thing = self.model.vms.get(vm["vm_id"])
                if thing is not None:
                    self._shown(f"VM {vm['vm_id']} in {what}", vm, thing)
                    if shared:
                        eyes.expect(f"{login}'s level in {what} of {thing.id}", vm["access"], self.level(login, thing))
        whole = [thing.id for thing in self._live(login, shared=False)]
        eyes.expect(
            f"the first page of {login}", [vm["vm_id"] for vm in eyes.listed(login, "user.vm.get_list", limit=2)],
            whole[:2],
        )  # fmt: skip
        closed = [thing.id for thing in self.model.vms.values() if thing.owner == login and thing.ended < EVER]
        listed = eyes.listed(login, "user.vm.get_list", closed=True)
        eyes.expect(f"the ended VMs of {login}", sorted(vm["vm_id"] for vm in listed), sorted(closed))
        for kind in ("system", "storage", "iso"):
            listed = eyes.listed(login, f"user.{kind}_image.get_list")
            wanted_ids = [i for i in self._images_of(login) if self.images[i].kind == kind]
            eyes.expect(f"the {kind} images of {login}", [image["image_id"] for image in listed], wanted_ids)
            for image in listed:
                known = self.model.images.get(image["image_id"])
                if known is not None:
                    for name in ("name", "description"):
                        if name in known.facts:
                            eyes.expect(f"{name} of image {known.id}", image[name], known.facts[name])
                    eyes.expect(f"{login}'s level on image {known.id}", image["level"], self.level(login, known))
        seen = [thing for kind in ("vm", "image") for thing in self._seen(login, kind)]
        uuids = {(self.rows if t.kind == "vm" else self.images)[t.id].uuid for t in seen}
        asked = [row.uuid for row in (*self.rows.values(), *self.images.values())][-60:]
        found = eyes.listed(login, "user.object.find", uuids=asked)
        eyes.expect(f"what {login} finds", {each["uuid"] for each in found}, uuids & set(asked))
        eyes.expect("users in the administrator's list", eyes.answer(login, "admin.vm.get_list"), _refusal(self))
        used = eyes.record(login, "user.user.check_quota")
        mine = self._live(login, shared=False)
        eyes.expect(f"the VMs that are counted for {login}", used["used_vms"], len(mine))

    def _seen(self, login: str, kind: str) -> list[Thing]:
        things = self.model.vms if kind == "vm" else self.model.images
        return [thing for thing in things.values() if self.level(login, thing) is not None]

    def _images_of(self, login: str) -> list[int]:
        """Those that somebody may use, newest first; what failed is left out of lists."""
        found = [t.id for t in self._seen(login, "image") if self.images[t.id].state in ("ok", "adding")]
        return sorted(found, reverse=True)

    def _shown(self, what: str, vm: dict[str, Any], thing: Thing) -> None:
        """A VM as it is shown is as people asked for it, and as its node has it."""
        for name in FACTS:
            if name == "template_id" and vm[name] in thing.facts.get("perhaps", ()):
                continue
            if name in thing.facts and not (name == "vnc_enabled" and thing.ended < EVER):
                self.eyes.expect(f"{name} of {what}", vm[name], thing.facts[name])
        self.eyes.expect(f"the operation of {what}", vm["operation_id"], None)
        row = self.rows[thing.id]
        if thing.ended < EVER:
            return
        running = [node for node in self.simulation.nodes if row.uuid in node.running()]
        if not running:
            if vm["state"] not in RESTS and not self.simulation.excuses.holds("tampered", row.uuid):
                self.eyes.wrong.append(f"{what} is shown as {vm['state']}, and does not run")
        else:
            paused = running[0].memory.world.domains[row.uuid].paused
            wanted = "paused" if paused else "running"
            if vm["state"] != wanted and not self.simulation.excuses.holds("tampered", row.uuid):
                self.eyes.expect(f"the state of {what}", vm["state"], wanted)

    def _ones(self, login: str) -> None:
        """By their ids: everything to owners, less to others, and to strangers that there is no such thing."""
        eyes = self.eyes
        eyes.expect("a VM that never was", eyes.answer(login, "user.vm.get_by_id", vm_id=10**7), "!object_not_found")
        for thing in self.some("vm"):
            level = self.level(login, thing)
            who = f"to {login} ({level}) VM {thing.id}"
            found = eyes.answer(login, "user.vm.get_by_id", vm_id=thing.id)
            console = eyes.answer(login, "user.vm.get_console", vm_id=thing.id)
            grants = eyes.answer(login, "user.acl.get_list", kind="vm", object_id=thing.id)
            work = eyes.answer(login, "user.operation.get_list", vm_id=thing.id)
            if level is None:
                for answer in (found, console, grants, work):
                    eyes.expect(who, answer, "!object_not_found")
                continue
            if not isinstance(found, dict):
                eyes.wrong.append(f"{who} is {found}")
                continue
            eyes.expect(f"the level told {who}", found["access"], level)
            if not enough(level, "owner"):
                eyes.expect(f"the user data told {who}", found["user_data"], None)
            elif thing.id in self.simulation.handed:
                handed = self.simulation.handed[thing.id] if thing.ended == EVER else ""  # it goes with its VM
                eyes.expect(f"the user data told {who}", found["user_data"], handed)
            self._shown(who, found, thing)
            if str(console).startswith("!") and console != NO_LOG:
                eyes.wrong.append(f"the console {who} is {console}")
            if thing.ended == EVER:
                self._grants(login, who, thing, grants)
        for thing in self.some("image"):
            level = self.level(login, thing)
            kind = self.images[thing.id].kind
            found = eyes.answer(login, f"user.{kind}_image.get_by_id", image_id=thing.id)
            if level is None:
                eyes.expect(f"to {login} image {thing.id}", found, "!object_not_found")
            else:
                eyes.expect(f"the level told {login} of image {thing.id}", found["level"], level)
                grants = eyes.answer(login, "user.acl.get_list", kind="image", object_id=thing.id)
                self._grants(login, f"to {login} ({level}) image {thing.id}", thing, grants)

    def _grants(self, login: str, who: str, thing: Thing, listed: Any) -> None:
        held = thing.granted(self.now)
        mine = self.model.groups_of(login, self.now)
        gone = {group for group, changes in self.model.groups.items() if not changes[-1][1]}
        wanted = {(what, name, level) for (what, name), level in held.items() if what != "group" or name not in gone}
        if enough(self.level(login, thing), "operator"):
            wanted.add(("login", thing.owner, "owner"))
        else:
            subjects = {("login", login), *(("group", group) for group in mine)}
            wanted = {each for each in wanted if each[:2] in subjects}
        told = {
            ("group", each["subject"]["group_id"], each["level"])
            if "group_id" in each["subject"]
            else ("login", each["subject"]["login"], each["level"])
            for each in listed
        }
        self.eyes.expect(f"the grants shown {who}", sorted(told, key=str), sorted(wanted, key=str))

    def _leases(self, login: str) -> None:
        """Which they may choose, and which their VMs have; of others' VMs there is nothing to be seen."""
        eyes, leases = self.eyes, self.model.expiries
        wanted = {i: lease.facts["name"] for i, lease in leases.items() if self.level(login, lease) is not None}
        listed = {each["expiry_id"]: each["name"] for each in eyes.listed(login, "user.expiry.get_list")}
        eyes.expect(f"the leases that {login} may choose", listed, wanted)
        has = {each["vm_id"]: each["expiry_id"] for each in eyes.listed(login, "user.expiry.list_vms")}
        mine = {vm.id: vm.facts["expiry"] for vm in self._live(login, shared=False) if "expiry" in vm.facts}
        told = {vm_id: has.get(vm_id) for vm_id in mine}
        eyes.expect(f"the leases of {login}'s VMs", told, mine)
        for thing in self.some("vm"):
            found = eyes.answer(login, "user.expiry.get_vms", vm_ids=[thing.id])
            if self.level(login, thing) is None:
                eyes.expect(f"to {login} the lease of VM {thing.id}", found, "!object_not_found")
            elif "expiry" in thing.facts and thing.ended == EVER:
                eyes.expect(f"to {login} the lease of VM {thing.id}", found[0]["expiry_id"], thing.facts["expiry"])
                _, *lengths = thing.facts["terms"][-1]
                ends = {end for end, seconds in zip(("suspend", "delete"), lengths, strict=True) if seconds is not None}
                eyes.expect(f"to {login} the ends of VM {thing.id}", {each["end"] for each in found[0]["ends"]}, ends)

    def _installed(self, login: str) -> None:
        """VM templates with their levels, names and images, and profiles, which are their owners' alone."""
        eyes, model = self.eyes, self.model

        def told(each: dict[str, Any]) -> tuple[Any, ...]:
            return each["name"], each["access"], each["effective"]["image_id"]

        levels = {number: self.level(login, thing) for number, thing in model.templates.items()}
        wanted = {
            i: (model.templates[i].facts["name"], level, model.installed(i)) for i, level in levels.items() if level
        }
        listed = {each["vm_template_id"]: told(each) for each in eyes.listed(login, "user.vm_template.get_list")}
        eyes.expect(f"the VM templates of {login}", listed, wanted)
        mine = {i: each.facts["name"] for i, each in model.profiles.items() if self.level(login, each)}
        has = {each["vm_profile_id"]: each["name"] for each in eyes.listed(login, "user.vm_profile.get_list")}
        eyes.expect(f"the VM profiles of {login}", has, mine)
        for noun, things, seen in (
            ("vm_template", model.templates, wanted.keys()), ("vm_profile", model.profiles, mine.keys()),
        ):  # fmt: skip
            for number in sorted(things)[-2:]:
                view, which = f"user.{noun}.get_by_id", {f"{noun}_id": number}
                if number not in seen:
                    eyes.expect(f"to {login} {noun} {number}", eyes.answer(login, view, **which), "!object_not_found")
                else:
                    name = eyes.record(login, view, **which)["name"]
                    eyes.expect(f"the name of {noun} {number}", name, things[number].facts["name"])

    def _own_jobs(self, login: str) -> None:
        """As their owner's last word has them; of others', and of their runs, there is nothing to be seen."""
        eyes, jobs = self.eyes, self.model.jobs
        listed = {job["job_id"]: job for job in eyes.listed(login, "user.job.get_list")}
        eyes.expect(f"the jobs of {login}", list(listed), sorted(i for i, job in jobs.items() if job.owner == login))
        for job_id in sorted(listed.keys() & jobs.keys()):
            for name in ("name", "method", "cron", "enabled"):
                eyes.expect(f"{name} of job {job_id}", listed[job_id][name], jobs[job_id].facts[name])
        for job_id in self._jobs():
            found = eyes.answer(login, "user.job.get_by_id", job_id=job_id)
            ran = eyes.answer(login, "user.job.get_runs", job_id=job_id)
            if job_id in listed:
                eyes.expect(f"the calls of job {job_id}", found["params"], jobs[job_id].facts["parameters"])
                rows = self.simulation.sql("SELECT id, state FROM job_run WHERE job_id = :i ORDER BY id DESC LIMIT 20",
                                           i=job_id)  # fmt: skip
                told = [(run["job_run_id"], run["state"]) for run in ran]
                eyes.expect(f"the runs of job {job_id}", told, [(row.id, row.state) for row in rows])
            else:
                eyes.expect(f"to {login} job {job_id} and its runs", (found, ran), ("!object_not_found",) * 2)
        for run_id in self._job_runs():
            (row,) = self.simulation.sql("SELECT job_id, array(SELECT status FROM job_call WHERE run_id = r.id"
                                         " ORDER BY number) AS log FROM job_run r WHERE id = :i", i=run_id)  # fmt: skip
            found = eyes.answer(login, "user.job.get_run", job_run_id=run_id)
            if row.job_id in listed:
                eyes.expect(f"the log of run {run_id}", [call["status"] for call in found["log"]], list(row.log))
            else:
                eyes.expect(f"to {login} run {run_id}", found, "!object_not_found")

    def _work(self, login: str) -> None:
        for op in self.operations:
            about = self.model.vms.get(op.vm_id) if op.vm_id is not None else self.model.images.get(op.image_id)
            if about is None or about.ended < EVER or about.gone < EVER:
                continue
            answer = self.eyes.answer(login, "user.operation.get", operation_id=op.id)
            if self.level(login, about) is None:
                self.eyes.expect(f"to {login} operation {op.id}", answer, "!object_not_found")
            else:
                self.eyes.expect(f"to {login} operation {op.id}", answer["state"], op.state)


def _refusal(look: Things) -> str:
    return "!role_needed" if look.simulation.cloud is None else look.eyes.answer("ann", "admin.vm.get_list")
