"""What everybody asks at rest, by every reading view: all that is theirs, and some of what is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from simulation.beginning import LOGINS
from simulation.model import EVER, Model, Thing

if TYPE_CHECKING:
    from simulation.simulation import Simulation

SAMPLE: Final = 3  # things of which each asks by their ids, of each kind

_KEYS = "SELECT id, name FROM ssh_key ORDER BY id DESC LIMIT 2"

class Questions:
    """
    Mixed into ``eyes.Look``, by way of ``things.Things``.

    :ivar rows: of all VMs, ``images`` and ``operations`` (the last ones) likewise.
    """

    simulation: Simulation
    model: Model
    rows: dict[int, Any]
    images: dict[int, Any]
    operations: Any

    def _asked(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        uuids = [row.uuid for row in (*self.rows.values(), *self.images.values())][-60:]
        for login in LOGINS:
            for params in ({}, {"shared": True}, {"closed": True}, {"limit": 2}):
                yield login, "user.vm.get_list", params
            yield login, "user.vm.list_whole", {}
            beginnings = [row.uuid.replace("-", "")[:17] for row in self.rows.values()][-60:]
            yield login, "user.vm.list_whole", {"uuids": beginnings, "ended_s": 3600}
            for kind in ("system", "storage", "iso"):
                yield login, f"user.{kind}_image.get_list", {}
            for params in ({}, {"shared": True}, {"trashed": True}, {"kind": "vm", "limit": 2}):
                yield login, "user.disk.get_list", params
            for disk_id in self._disks():
                yield login, "user.disk.get_by_id", {"disk_id": disk_id}
                yield login, "user.disk.operations", {"disk_ids": [disk_id]}
            yield login, "user.storage.get_list", {}
            yield login, "user.storage_image.get_filesystems", {}
            yield login, "user.storage_image.get_disk_controllers", {}
            yield login, "user.snapshot.get_list", {}
            for row in self.simulation.sql("SELECT id FROM snapshot ORDER BY id DESC LIMIT 2"):
                yield login, "user.snapshot.get_by_id", {"snapshot_id": row.id}
                yield login, "user.snapshot.operations", {"snapshot_ids": [row.id]}
            yield login, "user.system_image.get_newest", {"family": "tiny-1"}
            yield login, "user.system_image.get_list", {"access": "private"}
            yield login, "user.object.find", {"uuids": uuids}
            yield login, "user.object.get_all", {}
            yield login, "user.operation.get_list", {}
            yield login, "user.template.get_list", {}
            yield login, "user.template.get_by_id", {"template_id": self.simulation.template_id}
            yield login, "user.security_group.get_list", {}
            yield login, "user.affinity_group.get_list", {}
            for row in self.simulation.sql("SELECT id FROM affinity_group ORDER BY id DESC LIMIT 2"):
                yield login, "user.affinity_group.get_by_id", {"affinity_group_id": row.id}
            for row in self.simulation.sql("SELECT id FROM security_group ORDER BY id DESC LIMIT 2"):
                yield login, "user.security_group.get_by_id", {"security_group_id": row.id}
            yield from self._networks(login)
            yield login, "user.expiry.get_list", {}
            yield login, "user.expiry.list_vms", {}
            yield login, "user.vm_template.get_list", {}
            yield login, "user.vm_profile.get_list", {}
            for noun, things in (("vm_template", self.model.templates), ("vm_profile", self.model.profiles)):
                for number in sorted(things)[-2:]:
                    yield login, f"user.{noun}.get_by_id", {f"{noun}_id": number}
            yield login, "user.job.get_list", {}
            for job_id in self._jobs():
                yield login, "user.job.get_by_id", {"job_id": job_id}
                yield login, "user.job.get_runs", {"job_id": job_id}
            for run_id in self._job_runs():
                yield login, "user.job.get_run", {"job_run_id": run_id}
            yield login, "user.account.get", {}
            yield login, "user.account.get_statistics", {}
            yield login, "user.user.check_quota", {}
            yield login, "user.user.points_history", {}
            yield login, "user.message.get_list", {}
            for thing in self.some("vm"):
                yield login, "user.vm.get_by_id", {"vm_id": thing.id}
                yield login, "user.vm.get_console", {"vm_id": thing.id}
                yield login, "user.expiry.get_vms", {"vm_ids": [thing.id]}
                yield login, "user.vm.get_screenshot", {"vm_id": thing.id}
                yield login, "user.vm.operations", {"vm_ids": [thing.id]}
                yield login, "user.vm.statistics", {"vm_ids": [thing.id]}
                yield login, "user.vm.get_load", {"vm_ids": [thing.id]}
                flow = {"vm_id": thing.id, "address": "198.51.100.7", "port": 443}
                yield login, "user.network.explain", flow
                yield login, "user.nic.get_list", {"vm_id": thing.id}
                yield login, "user.vm.get_connections", {"vm_id": thing.id}
                yield login, "user.acl.get_list", {"kind": "vm", "object_id": thing.id}
                yield login, "user.operation.get_list", {"vm_id": thing.id}
            for thing in self.some("image"):
                kind = self.images[thing.id].kind
                yield login, f"user.{kind}_image.get_by_id", {"image_id": thing.id}
                yield login, "user.system_image.operations", {"image_ids": [thing.id]}
                yield login, "user.acl.get_list", {"kind": "image", "object_id": thing.id}
            for op in self.operations:
                yield login, "user.operation.get", {"operation_id": op.id}
            for op in self.operations[:1]:
                yield login, "user.operation.wait", {"operation_id": op.id, "timeout": 1}
            yield login, "user.vm.get_by_id", {"vm_id": 10**7}
            yield login, "admin.vm.get_list", {}
        yield from self._asked_by_administrator(uuids)
        if self.simulation.cloud is not None:
            yield from self._asked_of_cloud()

    def _asked_by_administrator(self, uuids: list[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
        simulation = self.simulation
        node, storage = {"node_id": simulation.nodes[0].node_id}, {"storage_id": simulation.storage_id}
        pool, template = {"pool_id": simulation.network_id}, {"template_id": simulation.template_id}
        account = {"user_id": self._account("ann")}
        views: list[tuple[str, dict[str, Any]]] = [
            ("vm.get_list", {}), ("vm.get_list", {"closed": True}), ("vm.get_list", account), ("vm.get_list", node),
            ("node.get_list", {}), ("node.get_by_id", node), ("storage.get_list", {}), ("storage.get_by_id", storage),
            ("storage.get_usage", {}), ("storage.get_free_volumes", {}), ("storage.get_content", storage),
            ("storage.get_statistics", {}), ("user.get_statistics", account),
            ("network.get_list", {}), ("network.get_by_id", pool),
            ("network.list_leases", {**pool, "used_only": True}), ("template.get_list", {}),
            ("template.get_by_id", template), ("user.get_list", {}), ("user.get_by_id", account),
            ("user.check_quota", account), ("user.points_report", {}), ("user.points_history", account),
            ("operation.get_list", {}), ("drift.get_list", {}), ("login.get_list", {}),
            ("object.find", {"uuids": uuids}), ("object.get_all", {}), ("system_image.get_list", {}),
            ("cluster.check", {}),
            ("placement.explain", template), ("system_image.get_known", {}), ("system_image.get_cached", {}),
        ]  # fmt: skip
        views += [("affinity_group.get_list", {})]
        views += [("security_group.get_list", {}), ("pool.get_list", {}), ("public_address.get_list", {})]
        views += [
            (f"{noun}.get_by_id", {f"{noun}_id": row.id}) for noun, table in (("pool", "address_pool"),
                                                                             ("public_address", "public_address"))
            for row in simulation.sql(f"SELECT max(id) AS id FROM {table}") if row.id is not None
        ]  # fmt: skip
        for row in simulation.sql("SELECT id FROM security_group ORDER BY id DESC LIMIT 1"):
            views.append(("security_group.get_by_id", {"security_group_id": row.id}))
        for thing in self.some("vm")[:1]:
            views.append(("network.explain", {"vm_id": thing.id, "address": "198.51.100.7", "port": 443}))
        views += [("operation.wait", {"operation_id": op.id, "timeout": 1}) for op in self.operations[:1]]
        views += [("vm_template.get_list", {})]
        views += [("expiry.get_list", {}), ("expiry.list_vms", {}), ("expiry.simulate", {"suspend_s": 3600})]
        for row in simulation.sql("SELECT id FROM expiry WHERE deleted_at IS NULL ORDER BY id DESC LIMIT 1"):
            views += [("expiry.get_by_id", {"expiry_id": row.id}), ("expiry.list_vms", {"expiry_id": row.id})]
        views += [("job.get_list", {}), ("job.get_list", account)]
        views += [(f"job.{view}", {"job_id": job_id}) for job_id in self._jobs() for view in ("get_by_id", "get_runs")]
        views += [("job.get_run", {"job_run_id": run_id}) for run_id in self._job_runs()]
        views += [("disk.get_list", {}), ("disk.get_list", {"trashed": True})]
        views += [
            ("node.statistics", {"node_ids": list(node.values())}),
            ("storage.statistics", {"storage_ids": list(storage.values())}),
        ]
        views += [("storage.get_unknown_volumes", {"storage_id": each}) for each in simulation.storage_ids]
        views += [("disk.get_by_id", {"disk_id": disk_id}) for disk_id in self._disks()]
        views += [("vm.get_by_id", {"vm_id": thing.id}) for thing in self.some("vm")[:2]]
        for thing in self.some("vm")[:1]:
            views += [(f"vm.{view}", {"vm_ids": [thing.id]}) for view in ("statistics", "get_load")]
        views += [("nic.get_list", {"vm_id": thing.id}) for thing in self.some("vm")[:1]]
        views += [("acl.get_list", {"kind": "vm", "object_id": thing.id}) for thing in self.some("vm")[:2]]
        views += [("placement.explain", {"vm_id": thing.id}) for thing in self.some("vm")[:1]]
        views += [("system_image.get_by_id", {"image_id": thing.id}) for thing in self.some("image")[:2]]
        views += [("operation.get", {"operation_id": op.id}) for op in self.operations[:2]]
        if simulation.cloud is None:
            views += [("trust.get_list", {})]
        for view, params in views:
            yield "admin", f"admin.{view}", params
        yield "admin", "guest.cluster.get_info", {}
        yield "admin", "guest.cluster.get_identity_certificate", {}

    def _asked_of_cloud(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        assert self.simulation.cloud is not None
        groups = sorted(self.model.groups)[-3:]
        for login in LOGINS:
            for view in (
                "cluster.get_list", "message.count", "session.get_list", "key.get_list", "group.get_list",
                "group.list_groups", "group.list_own_groups", "api_key.get_list", "totp.get",
            ):  # fmt: skip
                yield login, f"user.{view}", {}
            for group_id in groups:
                for view in ("get_by_id", "list_members", "list_requests"):
                    yield login, f"user.group.{view}", {"group_id": group_id}
            yield login, "cloud.user.get_list", {}
        keys = [(row.id, row.name) for row in self.simulation.cloud.sql(_KEYS)]
        for key_id, name in keys or [(10**7, "a key that never was")]:
            for login in LOGINS:
                yield login, "user.key.get_by_id", {"key_id": key_id}
                yield login, "user.key.get", {"name": name}
        user_id = self.simulation.cloud.user_ids["ann"]
        for view, params in (
            ("user.get_list", {}), ("user.get_by_id", {"user_id": user_id}), ("cluster.get_list", {}),
            ("cluster.get_by_id", {"cluster_id": self.simulation.cloud.cluster_id}), ("group.get_list", {}),
            ("quota.get", {"cluster": "cluster", "user_id": user_id}), ("audit.get_list", {}),
            ("login.get_list", {}), ("mail.get_list", {}), ("permission.get_list", {}),
        ):  # fmt: skip
            yield "admin", f"cloud.{view}", params
        yield "admin", "admin.administrator.get_list", {"cluster": "cluster"}
        for row in self.simulation.cloud.sql("SELECT id FROM news ORDER BY id LIMIT 1"):
            yield "admin", "cloud.news.get_by_id", {"news_id": row.id}
        for view, params in (
            ("cloud.get_info", {}), ("cluster.list_names", {}), ("news.get_list", {}), ("oidc.get_list", {}),
            ("user.exists", {"login": "ann"}), ("user.email_exists", {"email": "ann@example.org"}),
            ("user.is_mailer_active", {}),
        ):  # fmt: skip
            yield "ann", f"guest.{view}", params

    def _networks(self, login: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Networks and public addresses, the newest of somebody's by its number."""
        for view in ("network.list_user_networks", "network.list_available_networks", "public_address.get_list"):
            yield login, f"user.{view}", {}
        for row in self.simulation.sql("SELECT max(id) AS id FROM network WHERE account_id IS NOT NULL"):
            if row.id is not None:
                yield login, "user.network.get_by_id", {"network_id": row.id}
                yield login, "user.network.list_leases", {"network_id": row.id}
        for row in self.simulation.sql("SELECT max(id) AS id FROM public_address WHERE account_id IS NOT NULL"):
            if row.id is not None:
                yield login, "user.public_address.get_by_id", {"public_address_id": row.id}

    def some(self, kind: str) -> list[Thing]:
        """The newest; of VMs those that live first."""
        things = sorted((self.model.vms if kind == "vm" else self.model.images).values(), key=lambda t: t.id)
        live = [thing for thing in things if thing.ended == EVER and thing.gone == EVER]
        dead = [thing for thing in things if thing.ended < EVER or thing.gone < EVER]
        if kind == "image":
            live = [*live[1:3], *live[-SAMPLE:]]  # an ISO image and a disk
        return list({thing.id: thing for thing in (*live[-SAMPLE - 2 :], *dead[-1:])}.values())

    def _disks(self) -> list[int]:
        """The newest that is an entry's, and the newest that is a VM's own."""
        found = self.simulation.sql("SELECT max(id) AS id FROM disk GROUP BY image_id IS NULL ORDER BY 1")
        return [row.id for row in found]

    def _jobs(self) -> list[int]:
        """The newest."""
        return [row.id for row in self.simulation.sql("SELECT id FROM job ORDER BY id DESC LIMIT 2")]

    def _job_runs(self) -> list[int]:
        return [row.id for row in self.simulation.sql("SELECT id FROM job_run ORDER BY id DESC LIMIT 2")]

    def _account(self, login: str) -> int:
        accounts = self.simulation.users if self.simulation.cloud is None else self.simulation.cloud.accounts
        return accounts[login]
