"""What people do too soon, too late, or to what is not theirs; and what they look at meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simulation.asking import OPEN
from simulation.chores import Chores
from simulation.mirror import HOST, SOURCE
from simulation.model import ABOVE, IMAGE_VIEWS, VM_VIEWS

SOON_S: Final = 2.0
RETRY_S: Final = 15.0
LISTS: Final = (
    "user.vm.get_list", "user.system_image.get_list", "user.iso_image.get_list", "user.storage_image.get_list",
    "user.operation.get_list", "user.template.get_list", "user.user.check_quota", "user.message.get_list",
)  # fmt: skip
ROOTS: Final = ("admin.vm.get_list", "admin.user.get_list", "admin.node.get_list", "admin.drift.get_list")


class Haste(Chores):
    """Mixed into ``Workload``."""

    if TYPE_CHECKING:  # what it has from there

        def _create(self, count: int = 1, login: str = "", image_id: int = 0) -> None: ...

    # ------------------------------------------------------------------ too soon

    def _hasty(self) -> None:
        """A call, and within two seconds its VM's end, or the call's."""
        found = self._vm()
        if found is None:
            return
        login, vm_id = found
        verb = self.rng.choice(["start", "stop", "save_and_shutdown", "pause", "reset", "shutdown"])
        params: dict[str, Any] = {"vm_ids": [vm_id]} if verb == "reset" else {"vm_id": vm_id}
        if verb == "save_and_shutdown":
            params |= {"name": f"hasty{len(self.asks)}", "description": ""}
        self.ask(login, f"user.vm.{verb}", **params)
        after_s = self.rng.uniform(0.0, SOON_S)
        if self.rng.random() < 0.7:
            self.simulation.later(after_s, self._abandon_of, login, vm_id)
        else:
            self._later(after_s, login, "user.vm.destroy", vm_ids=[vm_id])

    def _abandon_of(self, login: str, vm_id: int) -> None:
        found = self.simulation.sql(
            f"SELECT id FROM operation WHERE vm_id = :v AND state IN {OPEN} ORDER BY id DESC LIMIT 1", v=vm_id
        )
        if found:
            self.ask(login, "user.operation.abandon", operation_id=found[0].id)

    def _retry_soon(self) -> None:
        """Whoever sees that something has failed tries again at once, more often than not."""
        simulation = self.simulation
        rows = simulation.sql(
            "SELECT o.id, a.login FROM operation o JOIN account a ON a.id = o.account_id WHERE o.state = 'failed'"
            " AND o.finished_at > clock_timestamp() - make_interval(secs => :soon) ORDER BY o.id",
            soon=RETRY_S,
        )
        if rows and self.rng.random() < 0.7:
            found = self.rng.choice(rows)
            self.ask(found.login, "user.operation.retry", operation_id=found.id)

    def _save_again(self) -> None:
        """A VM of what a VM was saved to; the saves of these are saves of saves."""
        found = self._row(
            "SELECT i.id, a.login FROM image i JOIN account a ON a.id = i.account_id WHERE i.deleted_at IS NULL"
            " AND i.state = 'ok' AND i.kind = 'system' AND i.name NOT LIKE 'tiny%' ORDER BY i.id"
        )
        if found is not None:
            self._create(login=found.login if found.login != "admin" else "", image_id=found.id)
        saved = self._row(
            "SELECT v.id, a.login FROM vm v JOIN account a ON a.id = v.account_id JOIN image i ON i.id = v.image_id"
            " WHERE v.closed_at IS NULL AND i.name NOT LIKE 'tiny%' ORDER BY v.id"
        )
        if saved is not None:
            self.ask(
                saved.login, "user.vm.save_and_shutdown", vm_id=saved.id, name=f"again{len(self.asks)}", description=""
            )

    def _import_image(self) -> None:
        simulation = self.simulation
        source = simulation.import_dir / "boots.raw"
        source.write_bytes(SOURCE)
        self.ask(
            "admin", "admin.system_image.import_file", name=f"imported{len(self.asks)}", description="",
            path=str(source), storage_id=self._storage_id(),
        )  # fmt: skip

    def _import_own(self) -> None:
        """By a user, from a server that is slow to answer now and then."""
        number = len(self.asks)
        view = self.rng.choice(["user.system_image.import_url", "user.storage_image.import_url"])
        url = f"{HOST}/{self.rng.choice(['late', 'here'])}/{number}/boots.raw"
        sums = self.rng.choice([{}, {"sums": "SHA256SUMS"}])
        told = {"name": f"own{number}", "description": ""}
        self.ask(self._user(), view, **told, url=url, **sums)

    # ------------------------------------------------------------------ what is not theirs

    def _anything(self, login: str, vm_id: int) -> None:
        """Any view of one VM; more often than not what takes hardly more than they have, or just that."""
        views = [*self._edge(login, vm_id), *VM_VIEWS] if self.rng.random() < 0.7 else VM_VIEWS
        view = self.rng.choice(list(views))
        params: dict[str, Any] = {"vm_ids": [vm_id]} if view.endswith(("destroy", "reset")) else {"vm_id": vm_id}
        if view.endswith("save_and_shutdown"):
            params |= {"name": f"taken{len(self.asks)}", "description": ""}
        elif view.endswith(("create_snapshot", ".save")):
            params["name"] = f"taken{len(self.asks)}"
        elif view.endswith("edit"):
            params["description"] = f"by {login}, {len(self.asks)}"
        self.ask(login, view, reading="get_" in view, **params)

    def _edge(self, login: str, vm_id: int) -> list[str]:
        """Views that take the level that somebody was given, or the next, in some places."""
        row = self._row(
            f"SELECT g.level FROM acl g JOIN account a ON a.id = g.account_id WHERE g.kind = 'vm'"
            f" AND g.object_id = {vm_id} AND a.login = '{login}'"
        )
        if row is None:
            return []
        return 3 * [view for view, needs in VM_VIEWS.items() if needs in (row.level, ABOVE[row.level])]

    def _trespass(self) -> None:
        """Somebody else's VM, image, operation or grant; or what is not there."""
        login, what = self._user(), self.rng.random()
        found = self._vm()
        if what < 0.5 and found is not None:
            self._anything(login, found[1] if self.rng.random() < 0.9 else 10**6 + len(self.asks))
        elif what < 0.65 and found is not None:
            other = self.rng.choice(["ann", "bob", "eve"])
            level = self.rng.choice(["user", "operator", "owner", None])
            self.ask(login, "user.acl.set", kind="vm", object_id=found[1], level=level, login=other)
        elif what < 0.85:
            image = self._row("SELECT id, kind FROM image WHERE deleted_at IS NULL ORDER BY id")
            views = [view for view in IMAGE_VIEWS if view.startswith(f"user.{image.kind}_") and "group" not in view]
            view = self.rng.choice(views)
            params = {"description": f"by {login}"} if view.endswith("edit") else {}
            self.ask(login, view, reading="get_" in view, image_id=image.id, **params)
        else:
            rows = self.simulation.sql("SELECT id FROM operation ORDER BY id DESC LIMIT 6")
            if rows:
                view = self.rng.choice(["get", "retry", "abandon"])
                op_id = self.rng.choice(rows).id
                self.ask(login, f"user.operation.{view}", reading=view == "get", operation_id=op_id)

    def _withdraw(self) -> None:
        """What was granted is taken back; whoever had it tries again and again."""
        row = self._row(
            "SELECT g.object_id, o.login AS owner, a.login FROM acl g JOIN account a ON a.id = g.account_id"
            " JOIN vm v ON v.id = g.object_id JOIN account o ON o.id = v.account_id"
            " WHERE g.kind = 'vm' AND v.closed_at IS NULL ORDER BY g.object_id, a.login"
        )
        if row is None:
            found = self._vm()
            if found is None:
                return
            other = self.rng.choice([login for login in ("ann", "bob", "eve") if login != found[0]])
            level = self.rng.choice(["user", "operator", "owner"])
            self.ask(found[0], "user.acl.set", kind="vm", object_id=found[1], level=level, login=other)
            return
        self._anything(row.login, row.object_id)
        self.ask(row.owner, "user.acl.set", kind="vm", object_id=row.object_id, level=None, login=row.login)
        for after_s in (1.0, 5.0):
            self.simulation.later(after_s + self.rng.random(), self._anything, row.login, row.object_id)

    def _wrong_role(self) -> None:
        self.ask(self._user(), self.rng.choice(ROOTS), reading=True)

    def _look(self) -> None:
        self.ask(self._user(), self.rng.choice(LISTS), reading=True)
