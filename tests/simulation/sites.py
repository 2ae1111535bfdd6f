"""
Networks of the site's own: an administrator tells of a bridge that some nodes have, and of VLANs of an interface that
all have; people have VMs and cards there. By draws of its own, so that seeds of before tell the same story else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simulation.beginning import LOGINS
from simulation.draws import Draws
from simulation.kernel import SITE_BRIDGE, UPLINK

if TYPE_CHECKING:
    from simulation.workload import Workload

VLANS: Final = range(11, 15)


class Sites(Draws):
    STREAM = "bridges of the site"
    PACE_S = 9.0
    ASKED = {"bridge": 1, "vlan": 2, "delete": 1, "vm": 4, "card": 5}

    def __init__(self, workload: Workload, until_s: float) -> None:
        super().__init__(workload, until_s)
        self._made = 0
        if self.simulation.schedule.seconds() < until_s:
            for after_s, act in ((1.2, self._bridge), (1.4, self._vlan), (4.0, self._vm)):
                self.simulation.later(after_s, act)

    def _bridge(self) -> None:
        """Everybody's; of one bridge there is one network."""
        self._made += 1
        self._workload.ask("admin", "admin.network.add_bridge", name=f"site{self._made}", uplink=SITE_BRIDGE)

    def _vlan(self) -> None:
        """With addresses of ours, or those of somebody who is not seen; everybody's, or somebody's."""
        self._made += 1
        vlan, more = self._rng.choice(VLANS), {}
        if self._rng.random() < 0.6:
            more["network"] = f"10.{240 + vlan - VLANS[0]}.0.0/24"
        found = "SELECT id FROM account WHERE login = ANY(:people) ORDER BY id"
        accounts = self.simulation.sql(found, people=[*LOGINS])
        if accounts and self._rng.random() < 0.4:
            more["user_id"] = self._rng.choice(accounts).id
        name = f"vlan{self._made}"
        self._workload.ask("admin", "admin.network.add_bridge", name=name, uplink=UPLINK, vlan=vlan, **more)

    def _site(self) -> tuple[str, int] | None:
        """One of these networks, and who might be on it."""
        row = self._one(
            "SELECT a.login, w.id FROM network w LEFT JOIN account a ON a.id = w.account_id"
            " WHERE w.kind = 'bridge' AND w.deleted_at IS NULL ORDER BY w.id"
        )
        return None if row is None else (row.login or self._rng.choice(LOGINS), row.id)

    def _delete(self) -> None:
        """Refused while somebody is on it."""
        found = self._site()
        if found is not None:
            self._workload.ask("admin", "admin.network.delete", pool_id=found[1])

    def _vm(self) -> None:
        found = self._site()
        if found is None:
            return
        simulation = self.simulation
        login, network_id = found
        networks = [network_id, *([simulation.network_id] if self._rng.random() < 0.4 else [])]
        self._made += 1
        self._workload.ask(
            login, "user.vm.create", name=f"site{self._made}", description="", networks=networks,
            image_id=simulation.image_id, template_id=simulation.template_id,
            on_poweroff=self._rng.choice(["stop", "restart"]),
        )  # fmt: skip

    def _card(self) -> None:
        found = self._site()
        if found is None:
            return
        vm = self._one(
            "SELECT v.id FROM vm v JOIN account a ON a.id = v.account_id WHERE v.closed_at IS NULL"
            f" AND a.login = '{found[0]}' ORDER BY v.id"
        )
        if vm is not None:
            self._workload.ask(found[0], "user.nic.attach", vm_id=vm.id, network_id=found[1])
