"""
Networks of people's own, public addresses and ports: asked for, given to VMs and taken away again, by draws of their
own, so that seeds of before tell the same story else.

Networks can be had now and then, as an administrator opens the pool and closes it: so there are people with VMs on a
network of their own by default, and people with none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simulation.beginning import LOGINS
from simulation.draws import Draws

if TYPE_CHECKING:
    from simulation.workload import Workload

PEOPLE: Final = tuple(login for login in LOGINS if login != "admin")
# An account's VM that lives, with its cards on networks that nodes make.
_CARDS: Final = """
SELECT a.login, v.id, n.number, n.id AS nic_id
  FROM nic n JOIN network w ON w.id = n.network_id JOIN vm v ON v.id = n.vm_id JOIN account a ON a.id = v.account_id
 WHERE v.closed_at IS NULL AND w.kind <> 'nat' AND a.login <> 'admin' ORDER BY n.id
"""


class PoolEdits(Draws):
    STREAM = "edits of pools"
    PACE_S = 90.0
    ASKED = {"edit": 1}

    def _edit(self) -> None:
        """Networks are larger or smaller from now on, or the pool has more room."""
        pool = self._one(
            "SELECT id, network::text FROM address_pool WHERE kind = 'vxlan' AND deleted_at IS NULL ORDER BY id"
        )
        if pool is not None:
            bits = self._rng.choice((26, 27, 28))
            more = {"network": pool.network.replace("/20", "/19")} if self._rng.random() < 0.3 else {}
            self._workload.ask("admin", "admin.pool.edit", pool_id=pool.id, prefix_default=bits, **more)


class Addressing(Draws):
    STREAM = "addresses"
    PACE_S = 5.0
    ASKED = {
        "pool": 1, "network": 4, "edit": 1, "release": 1, "vm": 4, "card": 4,
        "public": 1, "request": 4, "assign": 7, "unassign": 3, "give_back": 2, "note": 1, "port": 5, "unport": 3,
    }  # fmt: skip

    def __init__(self, workload: Workload, until_s: float) -> None:
        super().__init__(workload, until_s)
        self._made = 0
        if self.simulation.schedule.seconds() < until_s:
            for after_s, act in ((1.0, self._pool), (1.5, self._public), (2.0, self._public), (3.0, self._network)):
                self.simulation.later(after_s, act)

    def _ask(self, login: str, method: str, /, **params: Any) -> None:
        self._workload.ask(login, method, **params)

    def _pool(self) -> None:
        """Networks can be had for a while."""
        pools = self.simulation.sql(
            "SELECT id FROM address_pool WHERE kind = 'vxlan' AND deleted_at IS NULL ORDER BY id"
        )
        self._made += 1
        if not pools or self._rng.random() < 0.1:
            more = {"network6": "fd12:3456:789a::/48"} if not pools else {}
            name, network = f"pool{self._made}", f"10.{140 + self._made % 100}.0.0/20"
            self._ask("admin", "admin.pool.add", name=name, network=network, **more)
            return
        pool_id = self._rng.choice(pools).id
        if self._rng.random() < 0.2:
            self._ask("admin", "admin.pool.delete", pool_id=pool_id)  # while nothing is cut from it
        self._ask("admin", "admin.pool.unlock", pool_id=pool_id)
        self._workload._later(self._rng.uniform(5, 30), "admin", "admin.pool.lock", pool_id=pool_id)

    def _network(self) -> None:
        login = self._rng.choice(PEOPLE)
        self._made += 1
        more = {"mask": self._rng.choice((26, 28))} if self._rng.random() < 0.5 else {}
        self._ask(login, "user.network.request", name=f"lab{self._made}", **more)

    def _own(self) -> Any:
        return self._one(
            "SELECT a.login, w.id FROM network w JOIN account a ON a.id = w.account_id"
            " WHERE w.deleted_at IS NULL ORDER BY 2"
        )

    def _edit(self) -> None:
        found = self._own()
        if found is not None:
            dns = self._rng.choice(("", "9.9.9.9"))
            self._ask(found.login, "user.network.edit", network_id=found.id, description=f"{self._made}", dns=dns)

    def _release(self) -> None:
        found = self._own()
        if found is not None:
            self._ask(found.login, "user.network.release", network_id=found.id)

    def _vm(self) -> None:
        """On a network of one's own, now and then with a card on everybody's besides."""
        found = self._own()
        if found is None:
            return
        simulation, more = self.simulation, {}
        networks = [found.id]
        if self._rng.random() < 0.3:
            networks.append(simulation.network_id)
        free = self._free(found.login)
        if free is not None and self._rng.random() < 0.4:
            more["public_ip_id"] = free.id
        self._made += 1
        self._ask(
            found.login, "user.vm.create", name=f"own{self._made}", description="", networks=networks,
            image_id=simulation.image_id, template_id=simulation.template_id,
            on_poweroff=self._rng.choice(["stop", "restart"]), **more,
        )  # fmt: skip

    def _card(self) -> None:
        found = self._own()
        vm = None if found is None else self._one(
            "SELECT v.id FROM vm v JOIN account a ON a.id = v.account_id WHERE v.closed_at IS NULL"
            f" AND a.login = '{found.login}' ORDER BY v.id"
        )  # fmt: skip
        if vm is not None:
            self._ask(found.login, "user.nic.attach", vm_id=vm.id, network_id=found.id)

    # ------------------------------------------------------------------ public addresses

    def _public(self) -> None:
        """Whole ones and shared ones, which may be there already; one of them is taken away now and then."""
        shared = self._made % 2 == 1
        self._made += 1
        whole = ["203.0.113.1-203.0.113.5", "2001:db8:99::1-2001:db8:99::2"]
        given = ["203.0.113.101-203.0.113.103"] if shared else whole
        self._ask("admin", "admin.public_address.add", addresses=given, shared=shared)
        row = self._one("SELECT id FROM public_address WHERE deleted_at IS NULL ORDER BY id")
        if row is not None and self._rng.random() < 0.3:
            view = self._rng.choice(("unassign", "release", "delete"))
            self._ask("admin", f"admin.public_address.{view}", public_address_id=row.id)

    def _request(self) -> None:
        more = {"family": 6} if self._rng.random() < 0.3 else {}
        self._ask(self._rng.choice(PEOPLE), "user.public_address.request", **more)

    def _mine(self, where: str) -> Any:
        return self._one(
            "SELECT a.login, p.id FROM public_address p JOIN account a ON a.id = p.account_id"
            f" WHERE p.deleted_at IS NULL AND {where} ORDER BY p.id"
        )

    def _free(self, login: str) -> Any:
        return self._mine(f"p.nic_id IS NULL AND a.login = '{login}'")

    def _cards(self, login: str) -> list[Any]:
        return [row for row in self.simulation.sql(_CARDS) if row.login == login]

    def _assign(self) -> None:
        free = self._mine("p.nic_id IS NULL")
        cards = [] if free is None else self._cards(free.login)
        if cards:
            card = self._rng.choice(cards)
            to = {"public_address_id": free.id, "vm_id": card.id, "nic": card.number}
            self._ask(free.login, "user.public_address.assign", **to)

    def _unassign(self) -> None:
        found = self._mine("p.nic_id IS NOT NULL")
        if found is not None:
            self._ask(found.login, "user.public_address.unassign", public_address_id=found.id)

    def _give_back(self) -> None:
        found = self._mine("true")
        if found is not None:
            self._ask(found.login, "user.public_address.release", public_address_id=found.id)

    def _note(self) -> None:
        found = self._mine("true")
        if found is not None:
            about = {"public_address_id": found.id, "description": f"{self._made}"}
            self._ask(found.login, "user.public_address.edit", **about)

    def _port(self) -> None:
        card = self._one(_CARDS)
        if card is not None:
            port = self._rng.choice((22, 80, 3389))
            self._ask(card.login, "user.vm.add_port", vm_id=card.id, guest_port=port, nic=card.number)

    def _unport(self) -> None:
        found = self._one(
            "SELECT a.login, v.id, n.number, p.guest_port, p.protocol FROM public_port p JOIN nic n ON n.id = p.nic_id"
            " JOIN vm v ON v.id = n.vm_id JOIN account a ON a.id = v.account_id WHERE a.login <> 'admin' ORDER BY p.id"
        )
        if found is not None:
            about = {"vm_id": found.id, "guest_port": found.guest_port, "nic": found.number}
            self._ask(found.login, "user.vm.remove_port", **about)
