"""``IGuestAgents`` in memory: guests that say what a test has them say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from cm.drivers.memory.inside import Inside
from cm.drivers.memory.link import Link
from cm.interfaces.guest_agent import GuestFacts, NewPassword
from cm.rpc.errors import AgentRefused, AgentSilent
from cm.rpc.vocabulary import SeenReason


class MemoryGuestAgents:
    def __init__(self, link: Link) -> None:
        self._link = link

    def facts(self, uuid: str) -> GuestFacts:
        with self._inside("facts", uuid) as inside:
            return inside.facts

    def set_password(self, uuid: str, new: NewPassword) -> None:
        with self._inside("set_password", uuid) as inside:
            self._keys(inside, new.user)
            inside.passwords[new.user] = new.password

    def keys(self, uuid: str, user: str) -> Sequence[str]:
        with self._inside("keys", uuid) as inside:
            return list(self._keys(inside, user))

    def add_keys(self, uuid: str, user: str, keys: Sequence[str]) -> None:
        with self._inside("add_keys", uuid) as inside:
            there = self._keys(inside, user)
            there.extend(key for key in keys if key not in there)

    def remove_keys(self, uuid: str, user: str, keys: Sequence[str]) -> None:
        with self._inside("remove_keys", uuid) as inside:
            there = self._keys(inside, user)
            there[:] = [key for key in there if key not in keys]

    def set_time(self, uuid: str, unix_s: float) -> None:
        with self._inside("set_time", uuid) as inside:
            inside.unix_s = unix_s

    def power_off(self, uuid: str) -> None:
        """It has shut down at once."""
        with self._inside("power_off", uuid) as inside:
            inside.left.append("power_off")
        world, name = self._link.world, self._link.running(uuid).spec.name
        world.tell(uuid, name, "shutdown", "guest")
        world.stop(uuid, SeenReason.SHUTDOWN)

    def reboot(self, uuid: str) -> None:
        with self._inside("reboot", uuid) as inside:
            inside.left.append("reboot")

    @contextmanager
    def _inside(self, method: str, uuid: str) -> Iterator[Inside]:
        with self._link.call(method) as world, world.lock:
            domain = self._link.running(uuid)
            if domain.paused:
                raise AgentSilent("the guest is paused")
            if not world.agents.get(uuid, False):
                raise AgentSilent("Guest agent is not responding: QEMU guest agent is not connected")
            yield world.insides.setdefault(uuid, Inside())

    @staticmethod
    def _keys(inside: Inside, user: str) -> list[str]:
        if user not in inside.accounts:
            raise AgentRefused(f"unable to execute QEMU agent command: no user {user}")
        return inside.accounts[user]
