"""
People who have something done within guests, by whichever agent those have: passwords, keys, names, clocks, shares and
reboots. Drawn apart from the rest of the workload.
"""

from __future__ import annotations

from typing import Any

from simulation.beginning import LOGINS
from simulation.draws import Draws

_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"


class Insiders(Draws):
    STREAM = "insiders"
    PACE_S = 3.0
    ASKED = {
        "password_reset": 3, "install_keys": 3, "remove_keys": 2, "set_time": 1, "reboot": 2, "set_hostname": 2,
        "set_hosts": 1, "generate_key": 1, "grow_root": 1, "mount_share": 2, "unmount_share": 1, "guest_info": 2,
        "shutdown": 1,
    }  # fmt: skip

    def _ask(self, verb: str, reading: bool = False, own: bool = False, **more: Any) -> None:
        """
        Of a VM that runs, more often than not one whose guest has an agent; now and then by somebody who may not.

        :param own: what our own agent alone does.
        """
        rows = self.simulation.sql(
            "SELECT a.login, v.id, v.uuid::text AS uuid FROM vm v JOIN account a ON a.id = v.account_id"
            " WHERE v.closed_at IS NULL AND v.seen = 'running' ORDER BY 2"
        )
        insides = self.simulation.insides
        able = [row for row in rows if row.uuid in (insides.agents if own else insides.able)]
        if self._rng.random() < 0.85:
            rows = able
        if rows:
            row = self._rng.choice(rows)
            login = row.login if self._rng.random() < 0.85 else self._rng.choice(LOGINS)
            self._workload.ask(login, f"user.vm.{verb}", reading=reading, vm_id=row.id, **more)

    @property
    def _number(self) -> int:
        return len(self._workload.asks)

    def _password_reset(self) -> None:
        self._ask("password_reset")

    def _install_keys(self) -> None:
        self._ask("install_keys", keys=f"{_KEY}{self._number:043d} key{self._number}")

    def _remove_keys(self) -> None:
        """One that was put in before, if there is one."""
        given = [ask.params for ask in self._workload.asks if ask.method == "user.vm.install_keys"]
        if given:
            key = self._rng.choice(given)["keys"]
            self._ask("remove_keys", keys=key)

    def _set_time(self) -> None:
        self._ask("set_time")

    def _reboot(self) -> None:
        self._ask("reboot")

    def _set_hostname(self) -> None:
        self._ask("set_hostname", own=True, hostname=f"host-{self._number}")

    def _set_hosts(self) -> None:
        self._ask("set_hosts", own=True, hosts=f"192.0.2.1 one-{self._number}\n192.0.2.2 two-{self._number} more")

    def _generate_key(self) -> None:
        self._ask("generate_key", own=True)

    def _grow_root(self) -> None:
        self._ask("grow_root", own=True)

    def _mount_share(self) -> None:
        self._ask("mount_share", own=True, kind="nfs", source="192.0.2.9:/srv", mountpoint="/mnt/share")

    def _unmount_share(self) -> None:
        self._ask("unmount_share", own=True, mountpoint="/mnt/share")

    def _guest_info(self) -> None:
        self._ask("guest_info", reading=True)

    def _shutdown(self) -> None:
        self._ask("shutdown")
