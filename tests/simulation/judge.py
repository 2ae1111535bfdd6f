"""
Whether each call was let in that had to be, and no other: what the audit says was accepted, in its order, is told to
the ``model``; it then says of each call of the workload who might do it when.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simulation.beginning import ELSEWHERE, STANDING
from simulation.model import (
    ABOVE,
    EVER,
    GUEST_VIEWS,
    IMAGE_VIEWS,
    RANK,
    TEMPLATE_VIEWS,
    VM_VIEWS,
    WORK,
    Accepted,
    Model,
    Thing,
    enough,
)
from simulation.simulation import EPOCH

if TYPE_CHECKING:
    from simulation.simulation import Simulation
    from simulation.workload import Ask, Workload

# Who is in a group, and who is blocked, may be remembered for so long where it was not heard that it changed.
SLACK_S: Final = 45.0
ABOUT_PEOPLE: Final = frozenset({"cloud.user.block", "cloud.user.end_sessions"})
UNSEEN: Final = "object_not_found"
SHUT_OUT: Final = frozenset({"not_authenticated", "account_blocked", "account_inactive", "permission_needed"})
OWNERS: Final = "owner_blocked"
# Of calls that somebody may make: nothing of these says who may.
ANYBODYS: Final = {
    "rate_limited": "told to wait", "too_many_at_once": "told to wait", "cluster_locked": "told to wait",
    "invalid_parameter": "wrong parameter",
}  # fmt: skip


# What a call makes, by the end of its name: an entry of the catalogue is an image.
MAKES: Final = {
    "user.vm.create": "vm", "vm.save_and_shutdown": "image", "vm.save": "image",
    ".import_file": "image", ".import_url": "image", "_image.upload": "image",
    "disk.create": "image", "disk.copy": "image", "disk.to_image": "image",
    "snapshot.create_disk": "image", "snapshot.to_image": "image", ".job.create": "job",
    "vm.save_as_template": "image", "vm_template.create": "vm_template", "vm_profile.create": "vm_profile",
    "admin.expiry.add": "expiry",
}  # fmt: skip


def model_of(simulation: Simulation) -> Model:
    """
    What was accepted until now, told to a model. An image that was to be made, by work that was given up, is gone from
    then on, though it takes until its remains are deleted that its row says so.
    """
    model = Model()
    logins = {row.id: row.login for row in simulation.sql("SELECT id, login FROM account")}
    vms = simulation.sql(
        "SELECT id, account_id, extract(epoch FROM created_at)::float8 AS born,"
        " extract(epoch FROM closed_at)::float8 AS ended FROM vm ORDER BY id"
    )
    images = simulation.sql(
        "SELECT id, kind, name, account_id, state, extract(epoch FROM created_at)::float8 AS born,"
        " extract(epoch FROM least(deleted_at, (SELECT min(o.created_at) FROM operation o WHERE o.kind = 'image_delete'"
        " AND o.cause_kind = 'operation' AND o.arguments->>'keep' = 'false'"
        " AND (o.objects->'image'->>0)::bigint = image.id)))::float8 AS gone FROM image ORDER BY id"
    )
    born: dict[tuple[str, float], list[int]] = {}
    jobs = simulation.sql("SELECT id, extract(epoch FROM created_at)::float8 AS born FROM job ORDER BY id")
    query = "SELECT id, extract(epoch FROM created_at)::float8 AS born FROM {} ORDER BY id"
    leases, profiles = (simulation.sql(query.format(table)) for table in ("expiry", "vm_profile"))
    templates = simulation.sql(_TEMPLATES)
    for kind, rows in (
        ("vm", vms), ("image", images), ("job", jobs), ("expiry", leases), ("vm_template", templates),
        ("vm_profile", profiles),
    ):  # fmt: skip
        for row in rows:
            born.setdefault((kind, row.born), []).append(row.id)
    for call in _heard(simulation, born):
        _fill(model, call, vms, images, logins)
        _save(model, call.at, templates, logins)
        model.hear(call)
    _fill(model, None, vms, images, logins)
    _save(model, EVER, templates, logins)
    for row in vms:
        model.vms[row.id].ended = EVER if row.ended is None else row.ended
    for row in images:
        image = model.images[row.id]
        image.gone = min(image.gone, EVER if row.gone is None else row.gone)
        image.usable, image.facts["kind"] = row.state == "ok", row.kind
    return model


# One that a VM was saved as is there once its image is made, as was told then, and begins with the image and its name,
# whatever its owner made of it since.
_TEMPLATES: Final = """
SELECT t.id, t.account_id, t.parent_id, i.id AS image_id, i.name, extract(epoch FROM t.created_at)::float8 AS born,
       (SELECT extract(epoch FROM min(c.at))::float8 FROM change c
         WHERE c.kind = 'vm_template' AND c.object_id = t.id AND c.event = 'enter') AS made
  FROM vm_template t LEFT JOIN operation w ON w.kind = 'vm_to_image' AND w.created_at = t.created_at
  LEFT JOIN image i ON i.id = (w.objects->'image'->>0)::bigint
 ORDER BY 1
"""


def _save(model: Model, at: float, templates: Any, logins: dict[int, str]) -> None:
    """The VM templates that VMs were saved as by then."""
    for row in templates:
        ready = row.image_id is not None and row.made is not None and row.made <= at
        if ready and row.id not in model.templates:
            made = Thing("vm_template", row.id, logins[row.account_id], row.made)
            made.facts = {"name": row.name, "parent_template_id": row.parent_id, "image_id": row.image_id}
            model.templates[row.id] = made


def _fill(model: Model, call: Accepted | None, vms: Any, images: Any, logins: dict[int, str]) -> None:
    """What nobody asked for in so many words is its account's: a VM that was adopted, an image of an automatic save."""
    at = EVER if call is None else call.at
    mine = () if call is None else call.made
    for row in vms:
        if row.born <= at and row.id not in model.vms and row.id not in mine:
            model.vms[row.id] = Thing("vm", row.id, logins[row.account_id], row.born)
    for row in images:
        if row.born <= at and row.id not in model.images and row.id not in mine:
            ours = row.name in (*STANDING, ELSEWHERE, "data 3")  # there from the start, for all
            image = Thing("image", row.id, logins[row.account_id], 0.0 if ours else row.born)
            image.public.append((0.0, True)) if ours else None
            model.images[row.id] = image


def _heard(simulation: Simulation, born: dict[tuple[str, float], list[int]]) -> list[Accepted]:
    query = (
        "SELECT id, extract(epoch FROM at)::float8 AS at, login, method, arguments FROM audit"
        " WHERE method NOT LIKE 'node.%' ORDER BY id"
    )
    found: list[tuple[float, int, Accepted]] = []
    logins = {row.id: row.login for row in simulation.sql("SELECT id, login FROM account")}
    disks = {row.id: row.image_id for row in simulation.sql("SELECT id, image_id FROM disk")}
    resizing = {
        (row.vm_id, row.at): row
        for row in simulation.sql(
            "SELECT vm_id, state, extract(epoch FROM created_at)::float8 AS at,"
            " extract(epoch FROM finished_at)::float8 AS ended FROM operation WHERE kind = 'vm_resize'"
        )
    }
    for row in simulation.sql(query):
        method, params, at = row.method, row.arguments, row.at
        kind = next((kind for end, kind in MAKES.items() if method.endswith(end)), "")
        if method == "admin.user.edit" and params.get("active") is not None:
            method = "user.user.block"
            params = {"login": logins[params["user_id"]], "block": not params["active"]}
        elif method.endswith(".disk.attach"):
            params = {**params, "image_id": disks.get(params["disk_id"])}
        elif method.endswith(".vm.resize"):
            method, work = "user.vm.resize", resizing.get((params["vm_id"], at))
            if work is not None and work.ended is not None:  # of one that runs it is what came of it
                at, params = work.ended, {**params, "came_of_it": work.state}
        elif method.startswith("admin.vm.") or method.startswith("cloud."):
            continue  # of these none changes who may do what, but the end of a VM, which its row has
        made = born.get((kind, row.at), ())
        found.append((at, row.id, Accepted(at, row.login, method, params, made)))
    cloud = simulation.cloud
    if cloud is not None:
        people = {number: login for login, number in cloud.user_ids.items()}
        groups = {
            row.at: row.id
            for row in cloud.sql("SELECT id, extract(epoch FROM created_at)::float8 AS at FROM user_group")
        }
        for row in cloud.sql(query):
            if row.method.startswith(("user.group.", "cloud.group.")) or row.method in ABOUT_PEOPLE:
                params = dict(row.arguments)
                if "user_id" in params:
                    params["login"] = people[params["user_id"]]
                method = "user.user.block" if row.method == "cloud.user.block" else row.method
                made = (groups[row.at],) if method.endswith(".create") else ()
                found.append((row.at, row.id, Accepted(row.at, row.login, method, params, made)))
    found.sort(key=lambda each: each[:2])
    return [each for *_, each in found]


# ------------------------------------------------------------------ the judgement


def calls(simulation: Simulation, workload: Workload, model: Model, since: int = 0) -> list[str]:
    """
    Of the calls that were answered, those that should have been answered otherwise.

    :param since: how many of the first are left out.
    """
    accepted = {
        row.request_id: row.at
        for row in simulation.sql(
            "SELECT request_id, extract(epoch FROM min(at))::float8 AS at FROM audit"
            " WHERE request_id IS NOT NULL GROUP BY 1"
        )
    }
    work = {
        row.id: row
        for row in simulation.sql(
            "SELECT id, kind, vm_id, (objects->'image'->>0)::bigint AS image_id, account_id FROM operation"
        )
    }
    names = {row.id: row.login for row in simulation.sql("SELECT id, login FROM account")}
    wrong = []
    for ask in workload.asks[since:]:
        if not ask.ended or ask.method in workload.own:
            continue
        begin, end = ask.asked_at + EPOCH, ask.ended_at + EPOCH
        outcome = "" if ask.accepted else ask.error
        at = accepted.get(ask.request_id)
        if ask.accepted:
            end = max(begin, at) if at is not None else end
            # A read, and what is asked outside of a transaction, was let in at some moment before its answer.
            begin = end if at is not None else begin
        who = f"call {ask.number} of {ask.login} ({ask.method} {ask.params})"
        spans = model.blocked.get(ask.login, ())
        if ask.accepted and any(since + SLACK_S < begin and end < until for since, until in spans):
            wrong.append(f"{who} was let in while they were blocked")
        if ask.login == "admin":
            continue
        if ask.method.startswith(("admin.", "cloud.")):
            if outcome not in {"role_needed", "cloud_role_needed", "not_cluster_administrator", *SHUT_OUT, *ANYBODYS}:
                wrong.append(f"{who} is for administrators, and was answered {outcome or 'accepted'}")
            continue
        for thing, needs, told in subjects(model, ask, work, names, begin, end):
            excuse = _excuse(model, ask, thing, needs, outcome or told, begin, end)
            if excuse:
                simulation.excuses.use(excuse, ask.number)
            else:
                wrong += judged(model, ask, who, thing, needs, outcome or told, begin, end)
    return wrong


def subjects(
    model: Model, ask: Ask, work: dict[int, Any], names: dict[int, str], begin: float, end: float
) -> list[tuple[Any, str, str]]:
    """What a call is about, the level that it needs, and how it was answered for each ("": done)."""
    params, method = ask.params, ask.method
    if method in GUEST_VIEWS:
        return [(model.vms.get(params["vm_id"]), GUEST_VIEWS[method], "")]
    if method in VM_VIEWS:
        ids = params.get("vm_ids") or [params["vm_id"]]
        told = {}
        if isinstance(ask.answer, list):
            told = {each["vm_id"]: each["status"] for each in ask.answer if "status" in each}
        if method == "user.vm.create_snapshot" and ask.error == "access_needed" and _lacks_disk(model, ask, begin, end):
            return []
        return [(model.vms.get(i), VM_VIEWS[method], told.get(i, "").replace("ok", "")) for i in ids]
    if method in IMAGE_VIEWS:
        image = model.images.get(params["image_id"])
        kinds = frozenset() if image is None else image.kinds(begin, end)
        fits = method.split(".")[1].removesuffix("_image") in kinds
        if len(kinds) > 1 and ask.error == UNSEEN:  # it was turned into another just then
            fits = False
        return [(image if fits else None, IMAGE_VIEWS[method], "")]
    if method == "user.expiry.set":
        about: list[tuple[Any, str, str]] = [(model.vms.get(params["vm_id"]), "operator", "")]
        if ask.accepted or ask.absent == "expiry":  # that is asked last
            about.append((model.expiries.get(params["expiry_id"]), "user", ""))
        return about
    if method == "user.expiry.edit":
        return [(model.expiries.get(params["expiry_id"]), "owner", "")]
    if method == "user.vm.create":
        return [
            (things.get(params[f"{kind}_id"]), "user", "")
            for kind, things in (("expiry", model.expiries), ("vm_template", model.templates))
            if params.get(f"{kind}_id") and (ask.accepted or ask.absent == kind)
        ]
    if method == "user.vm_template.create":
        parent_id = params.get("parent_template_id")
        return [] if parent_id is None else [(model.templates.get(parent_id), "user", "")]
    if method in TEMPLATE_VIEWS:
        return [(model.templates.get(params["vm_template_id"]), TEMPLATE_VIEWS[method], "")]
    if method == "user.vm_profile.create":
        return [(model.templates.get(params["vm_template_id"]), "user", "")]
    if method.startswith("user.vm_profile."):
        return [(model.profiles.get(params["vm_profile_id"]), "owner", "")]
    if method in ("user.acl.set", "user.acl.get_list"):
        thing = model.of(params["kind"], params["object_id"])
        level = params.get("level")
        return [(thing, "user" if method.endswith("get_list") else ABOVE.get(level, "operator"), "")]
    if method in ("user.operation.get", "user.operation.wait", "user.operation.retry", "user.operation.abandon"):
        op = work.get(params["operation_id"])
        if op is None or (op.vm_id is None and op.image_id is None):
            return []
        thing = model.vms[op.vm_id] if op.vm_id is not None else model.images[op.image_id]
        asked = names.get(op.account_id) == ask.login and (thing.ended < EVER or thing.gone < EVER)
        if asked:
            return []  # whoever asked for it may go on seeing it; what they may do with it, its state says
        changing = method.endswith(("retry", "abandon"))
        return [(thing, WORK.get(op.kind, "operator") if changing else "user", "")]
    return []


def _lacks_disk(model: Model, ask: Ask, begin: float, end: float) -> bool:
    """
    Whether somebody who sees a VM has too little on a disk of somebody else's that it was made with, or that it was
    given before: whoever sees the VM is a user of its disks.
    """
    vm = model.vms.get(ask.params["vm_id"])
    if vm is None or model.levels(ask.login, vm, begin, end, SLACK_S) == {None}:
        return False
    given = [image_id for at, image_id in vm.facts.get("attached", ()) if at <= end]
    disks = [model.images[image_id] for image_id in (*vm.facts.get("disks", ()), *given) if image_id in model.images]
    levels = [level for each in disks for level in model.levels(ask.login, each, begin, end, SLACK_S)]
    return any(not enough(level, "owner") for level in levels)


def _excuse(
    model: Model, ask: Ask, thing: Thing | None, needs: str, outcome: str, begin: float, end: float
) -> str:
    """Why an answer says nothing of who may do what; "" where it does."""
    if outcome in ANYBODYS:
        return ANYBODYS[outcome]
    if outcome == "not_authenticated" and any(begin - 1.0 <= at <= end for at in model.ended.get(ask.login, ())):
        return "session ended"
    if outcome and outcome not in SHUT_OUT and ask.unsure and thing is not None:
        levels = model.levels(ask.login, thing, begin, end, SLACK_S)
        if any(enough(level, needs) for level in levels):
            return "answer lost"  # it may have been done, and then be refused
    return ""


def judged(
    model: Model, ask: Ask, who: str, thing: Thing | None, needs: str, outcome: str, begin: float, end: float,
    slack_s: float = SLACK_S,
) -> list[str]:  # fmt: skip
    """:param slack_s: for how long after it may not have been heard that somebody was blocked, or is so no more."""
    if outcome in SHUT_OUT:
        spans = model.blocked.get(ask.login, ())
        if not any(since <= end and begin <= until + slack_s for since, until in spans):
            return [f"{who} was shut out ({outcome}), and never blocked"]
        return []
    if outcome == OWNERS:
        spans = () if thing is None else model.blocked.get(thing.owner, ())
        if not any(since <= end and begin <= until + slack_s for since, until in spans):
            return [f"{who} was refused with {outcome}, and its owner never blocked"]
    if thing is None:
        return [] if outcome == UNSEEN else [f"{who} is about nothing, and was answered {outcome or 'accepted'}"]
    levels = model.levels(ask.login, thing, begin, end, SLACK_S)
    might = any(enough(level, needs) for level in levels)
    told = sorted(levels, key=RANK.__getitem__)
    if outcome == "image_wrong_state" and thing.owner == ask.login and thing.gone <= end:
        return []  # of one that was given up, while its remains are being deleted
    if not outcome:
        return [] if might else [f"{who} was accepted; they had {told}, and it needs {needs}"]
    if outcome == UNSEEN:
        # It may be something else that is not there: whom to share with, the disk to save.
        fine = None in levels or ask.absent not in ("vm", "image", "operation", thing.kind)
        return [] if fine else [f"{who} was told that there is nothing; they had {told}"]
    if outcome == "access_needed":
        most = "owner" if ask.method == "user.acl.set" else needs
        fine = any(level is not None and not enough(level, most) for level in levels)
        return [] if fine else [f"{who} was told to need more; they had {told}, and it needs {needs}"]
    if ask.method == "user.acl.set":
        fine = any(enough(level, "operator") for level in levels)
        return [] if fine else [f"{who}: {outcome} tells of what is hidden"]
    return [] if might else [f"{who} was refused with {outcome}, which tells of what they may not; they had {told}"]
