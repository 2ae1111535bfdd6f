"""
An exam, when all is at rest: VMs and a VM template are shared, and something is taken back; then everybody tries all
that they may not. The ``judge`` says of each call whether it was answered as it has to be; none of it changes anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from simulation import judge
from simulation.beginning import LOGINS
from simulation.model import ABOVE, EVER, IMAGE_VIEWS, TEMPLATE_VIEWS, VM_VIEWS, WORK, Model, Thing, enough

if TYPE_CHECKING:
    from simulation.simulation import Simulation
    from simulation.workload import Workload

ANSWERED_S: Final = 200.0  # by when each has its answer, with all repeats of whoever serves none
BETWEEN_S: Final = 0.2  # so that nobody is told that they ask too much


def sit(simulation: Simulation, workload: Workload) -> list[str]:
    """Calls that were answered otherwise than they have to be."""
    since = len(workload.asks)
    vms = _vms(simulation, judge.model_of(simulation))
    if not vms:  # whoever has all taken from them begins anew
        params = {"image_id": simulation.image_id, "template_id": simulation.template_id, "user_data": "#!/bin/sh"}
        _ask(simulation, workload, "ann", "user.vm.create", name="examined", description="", **params)
        vms = _vms(simulation, judge.model_of(simulation))
    for number, vm in enumerate(vms):
        one, other = _others(vm.owner)
        shared: dict[str, Any] = {"kind": "vm", "object_id": vm.id}
        if number == 0:
            _ask(simulation, workload, vm.owner, "user.acl.set", **shared, level="user", login=one)
            _ask(simulation, workload, vm.owner, "user.acl.set", **shared, level="operator", login=other)
        else:
            for level in ("operator", None):
                _ask(simulation, workload, vm.owner, "user.acl.set", **shared, level=level, login=one)
    templates = _newest(judge.model_of(simulation).templates)
    for template in templates[:1]:
        shared = {"kind": "vm_template", "object_id": template.id, "level": "user", "login": _others(template.owner)[0]}
        _ask(simulation, workload, template.owner, "user.acl.set", **shared)
    simulation.run_for(2.0)
    model = judge.model_of(simulation)
    for vm in vms:
        for login in LOGINS:
            _try_all(simulation, workload, model, login, model.vms[vm.id])
    for image in _newest(model.images):
        for login in LOGINS:
            _try_image(simulation, workload, model, login, image)
    for template in templates:
        for login in LOGINS:
            _try_template(simulation, workload, login, model.level(login, template, simulation.unix_s()), template.id)
    return judge.calls(simulation, workload, judge.model_of(simulation), since)


def _vms(simulation: Simulation, model: Model) -> list[Thing]:
    """The newest two that live; the first has what only its owner is told, where there is one that has."""
    live = [vm for vm in model.vms.values() if vm.ended == EVER and vm.owner in LOGINS]
    return sorted(live, key=lambda vm: (not simulation.handed.get(vm.id), -vm.id))[:2]


def _newest(things: Mapping[int, Thing]) -> list[Thing]:
    """Of images, or of VM templates, the newest of each owner."""
    live = {thing.owner: thing for thing in things.values() if thing.gone == EVER and thing.born > 0.0}
    return list(live.values())


def _others(login: str) -> list[str]:
    return [each for each in LOGINS if each != login]


def _ask(simulation: Simulation, workload: Workload, login: str, method: str, /, **params: Any) -> None:
    """Ask, and wait for the answer: what one call gave is what the next is judged by."""
    asked = workload.ask(login, method, reading=".get" in method, **params)
    end = simulation.schedule.seconds() + ANSWERED_S
    simulation.run_for(BETWEEN_S)
    while not asked.ended and simulation.schedule.seconds() < end:
        simulation.run_for(BETWEEN_S)


def _try_all(simulation: Simulation, workload: Workload, model: Model, login: str, vm: Thing) -> None:
    """Whatever takes more than the level that somebody has on a VM."""
    level = model.level(login, vm, simulation.unix_s())

    def attempt(method: str, **params: Any) -> None:
        _ask(simulation, workload, login, method, **params)

    for view, needs in VM_VIEWS.items():
        if not enough(level, needs):
            several = view.endswith(("destroy", "reset", "trash", "recover"))
            params: dict[str, Any] = {"vm_ids": [vm.id]} if several else {"vm_id": vm.id}
            if view.endswith("save_and_shutdown"):
                params |= {"name": "taken", "description": ""}
            elif view.endswith(("create_snapshot", ".save")):
                params["name"] = "taken"
            elif view.endswith("edit"):
                params["description"] = "taken"
            attempt(view, **params)
    for given in ("user", "operator", "owner"):
        if not enough(level, ABOVE[given]):
            whom = next(each for each in LOGINS if each not in (vm.owner, login))
            attempt("user.acl.set", kind="vm", object_id=vm.id, level=given, login=whom)
    for row in simulation.sql(
        "SELECT o.id, o.kind, a.login FROM operation o JOIN account a ON a.id = o.account_id WHERE o.vm_id = :v"
        " ORDER BY o.id DESC LIMIT 1",
        v=vm.id,
    ):
        if row.login != login and not enough(level, WORK.get(row.kind, "operator")):
            attempt("user.operation.retry", operation_id=row.id)
            attempt("user.operation.abandon", operation_id=row.id)


def _try_image(simulation: Simulation, workload: Workload, model: Model, login: str, image: Thing) -> None:
    level, kind = model.level(login, image, simulation.unix_s()), f"user.{image.facts['kind']}_image."
    for view, needs in IMAGE_VIEWS.items():
        if view.startswith(kind) and not enough(level, needs) and "group" not in view:
            params = {"description": "taken"} if view.endswith("edit") else {}
            _ask(simulation, workload, login, view, image_id=image.id, **params)


def _try_template(simulation: Simulation, workload: Workload, login: str, level: str | None, template_id: int) -> None:
    """:param level: that somebody has on a VM template."""
    by_it = {"vm_template_id": template_id, "template_id": simulation.template_id}
    for view, needs in TEMPLATE_VIEWS.items():
        if not enough(level, needs):
            params = {"description": "taken"} if view.endswith("edit") else {}
            _ask(simulation, workload, login, view, vm_template_id=template_id, **params)
    if not enough(level, "user"):
        _ask(simulation, workload, login, "user.vm_template.create", name="taken", parent_template_id=template_id)
        _ask(simulation, workload, login, "user.vm_profile.create", name=f"taken {template_id}", **by_it)
        _ask(simulation, workload, login, "user.vm.create", name="taken", description="", image_id=None, **by_it)
