"""
People who make VM templates, of what is there and of VMs of theirs, share them with each level, make VMs by them, and
give them with a size a name, a profile. Now and then they try that with another's. Drawn apart from the rest of the
workload.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from simulation.beginning import LOGINS
from simulation.draws import Draws

if TYPE_CHECKING:
    from simulation.workload import Workload


class Templates(Draws):
    STREAM = "VM templates"
    PACE_S = 8.0
    ASKED = {
        "create": 4, "save": 3, "edit": 2, "delete": 1, "share": 3, "make": 7, "profile": 2, "profile_edit": 1,
        "profile_delete": 1, "trespass": 3,
    }  # fmt: skip

    def _template(self) -> Any:
        return self._one(
            "SELECT a.login, t.id FROM vm_template t JOIN account a ON a.id = t.account_id"
            " WHERE t.deleted_at IS NULL AND t.ready ORDER BY 2"
        )

    def _profile_of(self) -> Any:
        return self._one(
            "SELECT a.login, p.id FROM vm_profile p JOIN account a ON a.id = p.account_id"
            " WHERE p.deleted_at IS NULL ORDER BY 2"
        )

    def _other(self, login: str) -> str:
        return self._rng.choice([each for each in LOGINS if each != login])

    def _create(self) -> None:
        """
        Of an image that is there for all, or of another template, which says what the image is: their own mostly, or
        another's, which its owner may delete, be they made of it or not.
        """
        parent, number = self._template(), len(self._workload.asks)
        login, of = self._rng.choice(LOGINS), {"image_id": self.simulation.image_id}
        if parent is not None and self._rng.random() < 0.5:
            of = {"parent_template_id": parent.id}
            login = parent.login if self._rng.random() < 0.6 else self._other(parent.login)
        self._workload.ask(login, "user.vm_template.create", name=f"by{number}", system="Tiny 1", **of)

    def _save(self) -> None:
        vm = self._one(
            "SELECT a.login, v.id FROM vm v JOIN account a ON a.id = v.account_id WHERE v.closed_at IS NULL ORDER BY 2"
        )
        if vm is not None:
            named = {"name": f"saved{len(self._workload.asks)}"} if self._rng.random() < 0.5 else {}
            self._workload.ask(vm.login, "user.vm.save_as_template", vm_id=vm.id, **named)

    def _edit(self) -> None:
        row, number = self._template(), len(self._workload.asks)
        if row is not None:
            change = self._rng.choice([{"name": f"other{number}"}, {"image_id": self.simulation.image_id}])
            self._workload.ask(row.login, "user.vm_template.edit", vm_template_id=row.id, **change)

    def _delete(self) -> None:
        row = self._template()
        if row is not None:
            self._workload.ask(row.login, "user.vm_template.delete", vm_template_id=row.id)

    def _share(self) -> None:
        row = self._template()
        if row is not None:
            self._workload.ask(
                row.login, "user.acl.set", kind="vm_template", object_id=row.id, login=self._other(row.login),
                level=self._rng.choice(["user", "operator", "owner", None]),
            )  # fmt: skip

    def _make(self) -> None:
        """Mostly by their own, or by one that is shared with them; an owner's call before that may have ended it."""
        row = self._template()
        if row is not None:
            login = row.login if self._rng.random() < 0.6 else self._other(row.login)
            self._workload.ask(
                login, "user.vm.create", name=f"made{len(self._workload.asks)}", description="",
                image_id=None, template_id=self.simulation.template_id, vm_template_id=row.id,
            )  # fmt: skip

    def _profile(self) -> None:
        row = self._template()
        if row is not None:
            login = row.login if self._rng.random() < 0.7 else self._other(row.login)
            self._workload.ask(
                login, "user.vm_profile.create", name=f"profile{len(self._workload.asks)}", vm_template_id=row.id,
                template_id=self.simulation.template_id,
            )  # fmt: skip

    def _profile_edit(self) -> None:
        row, number = self._profile_of(), len(self._workload.asks)
        if row is not None:
            self._workload.ask(row.login, "user.vm_profile.edit", vm_profile_id=row.id, name=f"other{number}")

    def _profile_delete(self) -> None:
        row = self._profile_of()
        if row is not None:
            self._workload.ask(row.login, "user.vm_profile.delete", vm_profile_id=row.id)

    def _trespass(self) -> None:
        """With another's template or profile."""
        row, profile = self._template(), self._profile_of()
        if profile is not None and self._rng.random() < 0.3:
            other = self._other(profile.login)
            self._workload.ask(other, "user.vm_profile.delete", vm_profile_id=profile.id)
        elif row is not None:
            other, verb = self._other(row.login), self._rng.choice(["get_by_id", "edit", "delete"])
            change = {"name": f"taken{len(self._workload.asks)}"} if verb == "edit" else {}
            view = f"user.vm_template.{verb}"
            self._workload.ask(other, view, reading=verb == "get_by_id", vm_template_id=row.id, **change)


def counted(workload: Workload) -> Counter[str]:
    """What was done of them, for ``effects.EXPECTED``."""
    made = Counter[str]()
    launched = {row.id for row in workload.simulation.sql("SELECT id FROM vm WHERE launches > 0")}
    for ask in workload.asks:
        if ask.accepted and ask.method == "user.vm.create" and ask.params.get("vm_template_id"):
            made["vm_create by a template"] += ask.answer[0]["vm_id"] in launched
        elif ask.accepted and ask.method == "user.vm_profile.create":
            made["profile made"] += 1
    (row,) = workload.simulation.sql(
        "SELECT count(*) AS n FROM vm_template t JOIN audit a ON a.at = t.created_at"
        " AND a.method = 'user.vm.save_as_template' WHERE t.ready"
    )
    made["saved as a template"] += row.n
    return made
