"""
Network cards: people give them to their VMs and take them away again, by draws of their own, so that seeds of before
tell the same story else.
"""

from __future__ import annotations

from simulation.draws import Draws


class Cards(Draws):
    STREAM = "network cards"
    PACE_S = 12.0
    ASKED = {"attach": 3, "detach": 2}

    def _attach(self) -> None:
        """On a network that is everybody's, of one's own VM."""
        vm = self._one(
            "SELECT a.login, v.id FROM vm v JOIN account a ON a.id = v.account_id"
            " WHERE v.closed_at IS NULL AND a.login <> 'admin' ORDER BY v.id"
        )
        network = self._one("SELECT id FROM network WHERE deleted_at IS NULL AND NOT locked ORDER BY id")
        if vm is not None and network is not None:
            more = {"model": "e1000"} if self._rng.random() < 0.2 else {}
            self._workload.ask(vm.login, "user.nic.attach", vm_id=vm.id, network_id=network.id, **more)

    def _detach(self) -> None:
        """Now and then a VM's only one."""
        nic = self._one(
            "SELECT a.login, v.id, n.number FROM nic n JOIN vm v ON v.id = n.vm_id"
            " JOIN account a ON a.id = v.account_id WHERE v.closed_at IS NULL AND a.login <> 'admin'"
            " ORDER BY n.number > 0 DESC, n.id LIMIT 12"
        )
        if nic is not None:
            self._workload.ask(nic.login, "user.nic.detach", vm_id=nic.id, nic=nic.number)


class CardEdits(Draws):
    STREAM = "edits of network cards"
    PACE_S = 60.0
    ASKED = {"edit": 1}

    def _edit(self) -> None:
        """An administrator lets a card send as anybody, or somebody takes that back from theirs."""
        nic = self._one(
            "SELECT a.login, v.id, n.number FROM nic n JOIN vm v ON v.id = n.vm_id"
            " JOIN account a ON a.id = v.account_id WHERE v.closed_at IS NULL AND a.login <> 'admin' ORDER BY n.id"
        )
        if nic is not None and self._rng.random() < 0.5:
            self._workload.ask("admin", "admin.nic.edit", vm_id=nic.id, nic=nic.number, spoofing=True)
        elif nic is not None:
            self._workload.ask(nic.login, "user.nic.edit", vm_id=nic.id, nic=nic.number, spoofing=False)


class CardLimits(Draws):
    STREAM = "bandwidth of network cards"
    PACE_S = 30.0
    ASKED = {"limit": 1}

    def _limit(self) -> None:
        """Somebody bounds what theirs carries, in a direction or both, or bounds it no more."""
        nic = self._one(
            "SELECT a.login, v.id, n.number FROM nic n JOIN vm v ON v.id = n.vm_id"
            " JOIN account a ON a.id = v.account_id WHERE v.closed_at IS NULL AND a.login <> 'admin' ORDER BY n.id"
        )
        if nic is not None:
            asked = [key for key in ("kbit_in", "kbit_out") if self._rng.random() < 0.7]
            limits = {key: self._rng.choice((0, 64, 1000)) for key in asked}
            self._workload.ask(nic.login, "user.nic.edit", vm_id=nic.id, nic=nic.number, **limits)
