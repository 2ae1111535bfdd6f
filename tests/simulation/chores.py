"""What an administrator of a cluster does beside VMs, and what people and an administrator of a cloud do."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from simulation.simulation import Simulation
    from simulation.spare import Spare

# As ``workload.ACTIONS``; the second kind only where there is a cloud.
CHORES: Final = {
    "network_add": 1, "network_lock": 1, "network_delete": 1, "storage_lock": 1, "storage_edit": 1, "storage_cycle": 3,
    "storage_drain": 1, "storage_default": 1,
    "node_edit": 1, "image_access": 1, "image_private": 1, "template_edit": 1, "template_delete": 1,
    "message_delete": 1, "prefetch": 1, "evict": 1, "storage_check": 1, "adopt": 2, "admin_operation": 2,
    "admin_image": 1, "admin_grant": 2, "node_turn": 3, "new_disk": 6, "storage_frees": 2, "delete_free": 1,
}  # fmt: skip
PEOPLE: Final = {
    "profile": 2, "rename": 1, "block": 2, "quota": 2, "group_create": 2, "group_join": 3, "group_let_in": 3,
    "group_leave": 1, "group_delete": 1, "group_share": 2, "key_add": 2, "key_delete": 1, "news": 1, "end_sessions": 1,
    "group_edit": 1, "group_hand_over": 1, "group_end": 1, "news_edit": 1, "news_delete": 1, "key_delete_by_id": 1,
    "mark_read": 1, "image_to_group": 2,
}  # fmt: skip
ALONE: Final = {"suspend": 2}  # where there is no cloud
LOOK_AGAIN_S: Final = 5.0
_KEY: Final = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA"  # up to the first bits of the key itself
_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


class Chores:
    """Mixed into ``Workload``."""

    simulation: Simulation
    rng: random.Random
    asks: list[Any]
    spare: Spare | None

    if TYPE_CHECKING:  # what it has from ``Workload``

        def ask(self, login: str, method: str, /, reading: bool = False, **params: Any) -> Any: ...

        def _user(self) -> str: ...

        def _node_id(self) -> int: ...

        def _vm(self, login: str | None = None) -> tuple[str, int] | None: ...

    def _later(self, seconds: float, login: str, method: str, /, **params: Any) -> None:
        self.simulation.later(seconds, lambda: self.ask(login, method, **params))

    def _undo(self, first: Any, login: str, method: str, /, **params: Any) -> None:
        """Ask for the opposite of what was asked for first, some time later, and not before that was answered."""

        def undo() -> None:
            if first.ended:
                self.ask(login, method, **params)
            else:
                self.simulation.later(LOOK_AGAIN_S, undo)

        self.simulation.later(self.rng.uniform(5, 90), undo)

    def _row(self, statement: str) -> Any:
        """One of its rows by chance; None: it has none."""
        rows = self.simulation.sql(statement)
        return self.rng.choice(rows) if rows else None

    def _one(self, statement: str) -> int | None:
        found = self._row(statement)
        return None if found is None else int(found[0])

    # ------------------------------------------------------------------ disks

    def _disk(self, where: str) -> Any:
        """One that is somebody's own entry, with whose it is."""
        return self._row(
            "SELECT a.login, k.id, (SELECT t.vm_id FROM attachment t WHERE t.disk_id = k.id LIMIT 1) AS vm_id"
            " FROM disk k JOIN account a ON a.id = k.account_id JOIN image i ON i.id = k.image_id"
            f" WHERE i.kind = 'storage' AND a.login <> 'admin' AND {where} ORDER BY k.id"
        )

    def _on_disk(self, view: str, where: str, **more: Any) -> None:
        row = self._disk(where)
        if row is not None:
            self.ask(row.login, f"user.disk.{view}", disk_id=row.id, **more)

    def _disk_create(self) -> None:
        self.ask(self._user(), "user.disk.create", name=f"disk{len(self.asks)}", size_mib=self.rng.choice([1, 8]))

    def _disk_attach(self) -> None:
        """To a VM of the same person's; now and then to end with it."""
        row = self._disk("i.state = 'ok'")
        vm = None if row is None else self._vm(row.login)
        if vm is not None:
            bus = self.rng.choice(["virtio", "virtio", "scsi"])
            more = {"delete_with_vm": True} if self.rng.random() < 0.1 else {}
            self.ask(row.login, "user.disk.attach", disk_id=row.id, vm_id=vm[1], bus=bus, **more)

    def _disk_detach(self) -> None:
        row = self._disk("EXISTS (SELECT 1 FROM attachment t WHERE t.disk_id = k.id)")
        if row is not None:
            self.ask(row.login, "user.disk.detach", disk_id=row.id, vm_id=row.vm_id)

    def _disk_trash(self) -> None:
        self._on_disk("delete", "i.state = 'ok'")

    def _disk_restore(self) -> None:
        self._on_disk("restore", "i.state = 'trashed'")
        self._on_disk("edit", "true", description=f"{len(self.asks)}")

    def _cd(self) -> None:
        found = self._vm()
        if found is None:
            return
        view = self.rng.choice(["insert_cd", "insert_cd", "eject_cd", "set_boot_order"])
        more: dict[str, Any] = {"insert_cd": {"iso_image_id": self.simulation.iso_id}, "eject_cd": {}}.get(
            view, {"devices": ["vda"]}
        )
        self.ask(found[0], f"user.vm.{view}", vm_id=found[1], **more)

    def _disk_purge(self) -> None:
        self._on_disk("purge", "i.state IN ('trashed', 'failed')")

    # ------------------------------------------------------------------ a cluster's

    def _storage_id(self) -> int:
        return self.rng.choice(self.simulation.storage_ids)

    def _node_turn(self) -> None:
        """The spare node comes, or goes."""
        if self.spare is not None:
            self.spare.turn()

    def _network_add(self) -> None:
        number = len(self.asks) % 200
        self.ask("admin", "admin.network.add", name=f"net{len(self.asks)}", network=f"10.129.{number}.0/26")

    def _network_lock(self) -> None:
        found = self._one("SELECT id FROM network WHERE deleted_at IS NULL ORDER BY id")
        if found is not None:
            self.ask("admin", "admin.network.lock", pool_id=found)
            self._later(self.rng.uniform(5, 60), "admin", "admin.network.unlock", pool_id=found)

    def _network_delete(self) -> None:
        found = self._one("SELECT id FROM network WHERE deleted_at IS NULL AND name <> 'net' ORDER BY id")
        if found is not None:
            self.ask("admin", "admin.network.delete", pool_id=found)

    def _prefetch(self) -> None:
        self._cached("prefetch")

    def _evict(self) -> None:
        self._cached("evict")

    def _cached(self, verb: str) -> None:
        found = self._one("SELECT id FROM image WHERE deleted_at IS NULL AND kind = 'system' ORDER BY id")
        if found is not None:
            self.ask("admin", f"admin.system_image.{verb}", image_id=found)

    def _storage_lock(self) -> None:
        storage_id = self._storage_id()
        self.ask("admin", "admin.storage.lock", storage_id=storage_id)
        self._later(self.rng.uniform(3, 30), "admin", "admin.storage.unlock", storage_id=storage_id)

    def _storage_drain(self) -> None:
        storage_id = self._storage_id()
        self.ask("admin", "admin.storage.drain", storage_id=storage_id)
        self._later(self.rng.uniform(3, 30), "admin", "admin.storage.undrain", storage_id=storage_id)

    def _storage_default(self) -> None:
        is_default = self.rng.random() < 0.7
        self.ask("admin", "admin.storage.set_default", storage_id=self._storage_id(), is_default=is_default)

    def _storage_check(self) -> None:
        self.ask("admin", "admin.storage.check", storage_id=self._storage_id())

    def _adopt(self) -> None:
        """Of strangers it is refused; a VM that was seen where it is not placed may come to be placed there."""
        row = self._row(
            "SELECT d.node_id, d.uuid::text AS uuid, v.account_id FROM unknown_domain d LEFT JOIN vm v USING (uuid)"
            " ORDER BY 1, 2"
        )
        if row is not None:
            user_id = row.account_id or self.simulation.sql("SELECT min(id) FROM account")[0][0]
            self.ask("admin", "admin.vm.adopt", node_id=row.node_id, uuid=row.uuid, user_id=user_id)

    def _storage_edit(self) -> None:
        self.ask("admin", "admin.storage.edit", storage_id=self._storage_id(), overcommit=1.0)

    def _storage_cycle(self) -> None:
        """Away from a node, and back."""
        both = {"storage_id": self._storage_id(), "node_id": self._node_id()}
        self.ask("admin", "admin.storage.detach", **both)
        self._later(self.rng.uniform(10, 90), "admin", "admin.storage.attach", **both)

    def _storage_frees(self) -> None:
        """What is freed is kept, or not, from now on; and what is done to its content."""
        params = {"keep_freed": self.rng.random() < 0.7, "freed": self.rng.choice(["none", "discard", "wipe"])}
        self.ask("admin", "admin.storage.edit", storage_id=self._storage_id(), **params)

    def _new_disk(self) -> None:
        """One more disk for a VM that is off, or runs; two at once where one free volume may do for both."""
        wanted = self.rng.choice(["stopped", "stopped", "running"])
        found = self.simulation.sql(
            "SELECT id FROM vm WHERE closed_at IS NULL AND wanted = :wanted ORDER BY id", wanted=wanted
        )
        for row in found[: self.rng.choice([1, 2])]:
            size_bytes = self.rng.choice([32, 64]) * 2**20
            self.ask("admin", "admin.storage.attach_or_create", vm_id=row.id, size_bytes=size_bytes)

    def _delete_free(self) -> None:
        found = self._one("SELECT volume_id FROM free_volume ORDER BY 1")
        if found is not None:
            self.ask("admin", "admin.storage.delete_free_volume", volume_id=found)

    def _node_edit(self) -> None:
        self.ask("admin", "admin.node.edit", node_id=self._node_id(), comment=f"rack {len(self.asks)}")

    def _image_access(self) -> None:
        where = "deleted_at IS NULL AND kind = 'system' AND name NOT LIKE 'tiny%'"
        found = self._one(f"SELECT id FROM image WHERE {where} ORDER BY id")
        if found is not None:
            access = self.rng.choice(["public", "private"])
            self.ask("admin", "admin.system_image.set_access", image_id=found, access=access)

    def _image_private(self) -> None:
        found = self._row(
            "SELECT a.login, i.id FROM image i JOIN account a ON a.id = i.account_id"
            " WHERE i.deleted_at IS NULL AND a.login <> 'admin' ORDER BY i.id"
        )
        if found is not None:
            self.ask(found.login, "user.system_image.set_private", image_id=found.id)

    def _template_edit(self) -> None:
        found = self._one("SELECT id FROM template WHERE deleted_at IS NULL AND name <> 'small' ORDER BY id")
        if found is not None:
            self.ask("admin", "admin.template.edit", template_id=found, memory_mib=self.rng.choice([128, 256]))

    def _template_delete(self) -> None:
        found = self._one("SELECT id FROM template WHERE deleted_at IS NULL AND name <> 'small' ORDER BY id")
        if found is not None:
            self.ask("admin", "admin.template.delete", template_id=found)

    def _message_delete(self) -> None:
        if self.simulation.cloud is not None:
            found = self._cloud_one(
                "SELECT u.login, m.id FROM message m JOIN user_account u ON u.id = m.user_id"
                " WHERE m.deleted_at IS NULL ORDER BY m.id"
            )
        else:
            found = self._row("SELECT a.login, m.id FROM message m JOIN account a ON a.id = m.account_id ORDER BY m.id")
        if found is not None:
            self.ask(found.login, "user.message.delete", message_ids=[found.id])

    def _admin_operation(self) -> None:
        view, state = self.rng.choice([("retry", "failed"), ("abandon", "waiting"), ("abandon", "running")])
        found = self._one(f"SELECT id FROM operation WHERE state = '{state}' ORDER BY id DESC LIMIT 3")
        if found is not None:
            self.ask("admin", f"admin.operation.{view}", operation_id=found)

    def _admin_image(self) -> None:
        found = self._one("SELECT id FROM image WHERE deleted_at IS NULL AND kind = 'system' AND name NOT LIKE 'tiny%'")
        if found is not None and self.rng.random() < 0.7:
            self.ask("admin", "admin.system_image.edit", image_id=found, description=f"{len(self.asks)}, by admin")
        elif found is not None:
            self.ask("admin", "admin.system_image.delete", image_id=found)

    def _admin_grant(self) -> None:
        found = self._vm()
        if found is not None:
            level, login = self.rng.choice(["user", "operator", None]), self._user()
            self.ask("admin", "admin.acl.set", kind="vm", object_id=found[1], level=level, login=login)

    def _suspend(self) -> None:
        """An account of the cluster's own is blocked for a while."""
        user_id = self.simulation.users[self._user()]
        blocking = self.ask("admin", "admin.user.edit", user_id=user_id, active=False)
        self._undo(blocking, "admin", "admin.user.edit", user_id=user_id, active=True)

    # ------------------------------------------------------------------ a cloud's

    def _cloud_one(self, statement: str) -> Any:
        assert self.simulation.cloud is not None
        rows = self.simulation.cloud.sql(statement)
        return self.rng.choice(rows) if rows else None

    def _user_id(self) -> int:
        assert self.simulation.cloud is not None
        return self.simulation.cloud.user_ids[self._user()]

    def _profile(self) -> None:
        self.ask(self._user(), "user.account.edit", first_name=f"First {len(self.asks)}")

    def _rename(self) -> None:
        self.ask("admin", "cloud.user.edit", user_id=self._user_id(), last_name=f"Last {len(self.asks)}")

    def _block(self) -> None:
        user_id = self._user_id()
        blocking = self.ask("admin", "cloud.user.block", user_id=user_id, block=True)
        self._undo(blocking, "admin", "cloud.user.block", user_id=user_id, block=False)

    def _quota(self) -> None:
        self.ask(
            "admin", "cloud.quota.edit", cluster="cluster", user_ids=[self._user_id()],
            vms=self.rng.choice([10, 12, 14]), cpu=self.rng.choice([20, 30]), networks=self.rng.choice([1, 4]),
        )  # fmt: skip

    def _end_sessions(self) -> None:
        self.ask("admin", "cloud.user.end_sessions", user_id=self._user_id())

    def _group_create(self) -> None:
        self.ask(self._user(), "user.group.create", name=f"group{len(self.asks)}")

    def _group(self) -> Any:
        return self._cloud_one(
            "SELECT g.id, u.login FROM user_group g JOIN user_account u ON u.id = g.leader_id"
            " WHERE g.deleted_at IS NULL ORDER BY g.id"
        )

    def _group_join(self) -> None:
        found = self._group()
        if found is not None:
            self.ask(self._user(), "user.group.join_request", group_id=found.id)

    def _group_let_in(self) -> None:
        found = self._group()
        if found is not None:
            self.ask(found.login, "user.group.activate_user", group_id=found.id, user_id=self._user_id())

    def _group_leave(self) -> None:
        found = self._group()
        if found is not None:
            self.ask(found.login, "user.group.delete_user", group_id=found.id, user_id=self._user_id())

    def _group_delete(self) -> None:
        found = self._group()
        if found is not None:
            self.ask(found.login, "user.group.delete", group_id=found.id)

    def _group_share(self) -> None:
        """A VM to a group that its owner is in."""
        group, vm = self._group(), self._vm()
        if group is not None and vm is not None:
            self.ask(vm[0], "user.acl.set", kind="vm", object_id=vm[1], level="user", group_id=group.id)

    def _key_add(self) -> None:
        rest = "".join(self.rng.choice(_ALPHABET) for _ in range(42))
        self.ask(self._user(), "user.key.add", name=f"key{len(self.asks)}", key=_KEY + rest)

    def _key_delete(self) -> None:
        found = self._cloud_one(
            "SELECT k.name, u.login FROM ssh_key k JOIN user_account u ON u.id = k.user_id ORDER BY k.id"
        )
        if found is not None:
            self.ask(found.login, "user.key.delete", name=found.name)

    def _news(self) -> None:
        self.ask("admin", "cloud.news.add", topic=f"News {len(self.asks)}", content="All is well.")

    def _group_edit(self) -> None:
        found = self._group()
        if found is not None:
            self.ask(found.login, "user.group.edit", group_id=found.id, description=f"{len(self.asks)}")

    def _group_hand_over(self) -> None:
        found = self._group()
        if found is not None:
            self.ask(found.login, "user.group.change_owner", group_id=found.id, user_id=self._user_id())

    def _group_end(self) -> None:
        found = self._group()
        if found is not None:
            self.ask("admin", "cloud.group.delete", group_id=found.id)

    def _image_to_group(self) -> None:
        """An image to a group, in place of everybody."""
        group = self._group()
        found = self.simulation.sql(
            "SELECT i.id, a.login FROM image i JOIN account a ON a.id = i.account_id WHERE i.deleted_at IS NULL"
            " AND a.login <> 'admin' AND i.kind = 'system' ORDER BY i.id"
        )
        if group is not None and found:
            image = self.rng.choice(found)
            self.ask(image.login, "user.system_image.set_group", image_id=image.id, group_id=group.id)

    def _news_edit(self) -> None:
        found = self._cloud_one("SELECT id FROM news ORDER BY id")
        if found is not None:
            self.ask("admin", "cloud.news.edit", news_id=found.id, content=f"All is well, {len(self.asks)}.")

    def _news_delete(self) -> None:
        found = self._cloud_one("SELECT id FROM news ORDER BY id")
        if found is not None:
            self.ask("admin", "cloud.news.delete", news_id=found.id)

    def _key_delete_by_id(self) -> None:
        found = self._cloud_one(
            "SELECT k.id, u.login FROM ssh_key k JOIN user_account u ON u.id = k.user_id ORDER BY k.id"
        )
        if found is not None:
            self.ask(found.login, "user.key.delete_by_id", key_id=found.id)

    def _mark_read(self) -> None:
        found = self._cloud_one(
            "SELECT m.id, u.login FROM message m JOIN user_account u ON u.id = m.user_id"
            " WHERE m.deleted_at IS NULL ORDER BY m.id"
        )
        if found is not None:
            self.ask(found.login, "user.message.mark_read", message_ids=[found.id])
