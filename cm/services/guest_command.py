"""
What our own agent in a guest is asked to do: put into its queue by whoever waits for the answer, and taken out by the
agent, which calls the endpoint.

Both ends seal arguments and results: they lie in the database for a moment, and a password is none of its backups'.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from sqlalchemy.orm import Session

from cm.interfaces.guest_agent import GuestFacts, GuestFilesystem, GuestInterface, GuestUser, NewPassword
from cm.rpc.errors import AgentRefused, AgentSilent
from cm.rpc.vocabulary import GuestCommandState
from cm.rules.guest import Guest
from cm.rules.guest_word import KEY_MAX, AgentWord, amount_of, line_of, lines_of, list_of, maps_of, number_of
from cm.runtime.closing import Closing
from cm.services.context import Services
from cm.services.sealing import seal, unseal
from cm.store.guest_command import (
    ENDED,
    OPEN,
    Outcome,
    agent_of,
    begin_command,
    collect,
    count_open,
    end_command,
    insert_command,
    is_agent,
    next_command,
)

COMMAND_S: Final = 10.0  # in which a command has to have ended
GROW_S: Final = 60.0  # likewise where a file system grows
MOUNT_S: Final = 45.0  # where another host has to answer
NOTICE_S: Final = 300.0  # and where nobody waits
NOTICE: Final = "notice"
AGAIN_S: Final = 0.2  # between looks once it should have
OPEN_MAX: Final = 8  # that one agent has to do at once
_FACTS: Final = ("hostname", "os", "interfaces", "filesystems", "users")


def command_key(secret: bytes) -> bytes:
    """What commands are sealed by, from a cluster's secret: the endpoint has it as the manager does."""
    return hmac.new(secret, b"wawel guest commands", hashlib.sha256).digest()


def _seal(key: bytes, about: str, content: Any) -> str:
    return seal(key, about, json.dumps(content).encode())


def _unseal(key: bytes, about: str, sealed: str) -> Any:
    return json.loads(unseal(key, about, sealed))


# ------------------------------------------------------------------ the endpoint's end


@dataclass(frozen=True)
class Begun:
    """:ivar left_s: in which it has to have ended; an agent that hears of it later does not do it."""

    action: str
    arguments: Any = field(repr=False)
    left_s: float


def poll(session: Session, guest: Guest, word: AgentWord) -> tuple[bool, int | None]:
    """Whether who asks is the guest's agent; and which command it is to begin with."""
    if not is_agent(session, guest.vm_id, guest.launches, guest.node_id, word):
        return False, None
    return True, next_command(session, guest.vm_id, guest.launches)


def begin(session: Session, guest: Guest, word: AgentWord, command_id: int, key: bytes) -> Begun | None:
    """The agent begins; None: it is not to, for it is too late, or it is not that guest's agent."""
    if not is_agent(session, guest.vm_id, guest.launches, guest.node_id, word):
        return None
    found = begin_command(session, command_id, guest.vm_id, guest.launches, guest.node_id)
    if found is None:
        return None
    arguments = _unseal(key, _about(guest.vm_id, found.action), found.arguments)
    return Begun(found.action, arguments, found.left_s)


def take_result(
    session: Session, guest: Guest, word: AgentWord, command_id: int, key: bytes, result: Any, error: str | None
) -> bool:
    """
    What the agent says became of it. False: it is not at that.

    :param error: why it was not done; None: it was.
    """
    if not is_agent(session, guest.vm_id, guest.launches, guest.node_id, word):
        return False
    state = GuestCommandState.FINISHED if error is None else GuestCommandState.FAILED
    sealed = "" if error is not None else _seal(key, f"result of {command_id}", result)
    return end_command(session, command_id, guest.vm_id, guest.launches, state, sealed, line_of(error))


def _about(vm_id: int, action: str) -> str:
    return f"{action} of {vm_id}"


# ------------------------------------------------------------------ who asks


@dataclass(frozen=True)
class GuestKey:
    """An SSH key of a guest's account. :ivar public: its line. :ivar made: whether it had none before."""

    public: str
    made: bool
    path: str


@dataclass(frozen=True)
class Share:
    """What a guest is to mount, and where. :ivar key: an SSH key's private part."""

    kind: str
    source: str
    mountpoint: str
    user: str = ""
    password: str = field(default="", repr=False)
    key: str = field(default="", repr=False)


@dataclass(frozen=True)
class GuestRoot:
    """A guest's root file system, before and after it grew."""

    kind: str
    before_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class OwnAgent:
    """
    The agent of ours in a guest, asked as QEMU's is (``IGuestAgents``).

    Each raises ``AgentSilent`` where it does not answer, ``AgentRefused`` where it does and has not done it.
    """

    services: Services
    vm_id: int
    launch: int

    async def facts(self, uuid: str) -> GuestFacts:
        return facts_of(await self._ask("facts"))

    async def set_password(self, uuid: str, new: NewPassword) -> None:
        await self._ask("set_password", user=new.user, password=new.password)

    async def keys(self, uuid: str, user: str) -> list[str]:
        return lines_of(await self._ask("keys", user=user))

    async def add_keys(self, uuid: str, user: str, keys: Any) -> None:
        await self._ask("add_keys", user=user, keys=list(keys))

    async def remove_keys(self, uuid: str, user: str, keys: Any) -> None:
        await self._ask("remove_keys", user=user, keys=list(keys))

    async def set_time(self, uuid: str, unix_s: float) -> None:
        await self._ask("set_time", unix_s=unix_s)

    async def power_off(self, uuid: str) -> None:
        await self._ask("power_off")

    async def reboot(self, uuid: str) -> None:
        await self._ask("reboot")

    async def set_hostname(self, hostname: str) -> str:
        """What it is called then."""
        return line_of(await self._ask("set_hostname", hostname=hostname))

    async def set_hosts(self, hosts: Sequence[Sequence[str]]) -> None:
        """:param hosts: of each the address, then its names; they are in place of those of the call before."""
        await self._ask("set_hosts", hosts=[list(each) for each in hosts])

    async def mount_share(self, share: Share) -> None:
        await self._ask("mount_share", MOUNT_S, **asdict(share))

    async def unmount_share(self, mountpoint: str) -> None:
        await self._ask("unmount_share", MOUNT_S, mountpoint=mountpoint)

    async def generate_key(self, user: str) -> GuestKey:
        told = _map_of(await self._ask("generate_key", user=user))
        return GuestKey(line_of(told.get("public_key"), KEY_MAX), told.get("made") is True, line_of(told.get("path")))

    async def grow_root(self) -> GuestRoot:
        told = _map_of(await self._ask("grow_root", GROW_S))
        return GuestRoot(line_of(told.get("kind")), number_of(told.get("before_bytes")),
                         number_of(told.get("total_bytes")))  # fmt: skip

    async def _ask(self, action: str, within_s: float | None = None, /, **arguments: Any) -> Any:
        """:param within_s: in which it has to have ended."""
        within_s = COMMAND_S if within_s is None else within_s
        database, key = self.services.database, command_key(self.services.policy.secret)
        sealed = _seal(key, _about(self.vm_id, action), arguments)
        command_id = await database.transact(_enqueue, self.vm_id, self.launch, action, sealed, within_s)
        outcome: Outcome | None = None

        async def leave() -> None:
            if outcome is None:  # whoever asked has left: what has not begun is not to
                await database.transact(collect, command_id, True)

        async with Closing(leave):
            outcome = await self._wait(command_id, within_s)
        if outcome.state is GuestCommandState.FINISHED:
            return _unseal(key, f"result of {command_id}", outcome.result)
        if outcome.state is GuestCommandState.FAILED:
            raise AgentRefused(outcome.error or "it does not say why")
        if outcome.state is GuestCommandState.TIMED_OUT:
            raise AgentSilent(f"it began, and told nothing within {within_s:g} s; it may have done it")
        raise AgentSilent(f"it did not begin within {within_s:g} s, and will not")

    async def _wait(self, command_id: int, wait_s: float) -> Outcome:
        """Until it has ended; that it is too late is the database's word, whose clock the agent's time runs by."""
        while True:
            # Asked for before the look, so that an end between the two is not missed.
            told = self.services.signals.wait(ENDED, str(command_id), wait_s)
            outcome = await self.services.database.transact(collect, command_id)
            if outcome.state not in OPEN:
                told.cancel()
                return outcome
            await told
            wait_s = AGAIN_S


def notify_guest(session: Session, secret: bytes, vm_id: int, told: str) -> None:
    """
    Have whoever is logged in to a VM's guest, and who logs in later, told something by our own agent, if there is one
    that speaks. Nobody waits for it: one that does not begin within ``NOTICE_S`` never tells it.

    :param secret: the cluster's.
    :param told: in place of what was told before; "": nothing any more.
    """
    own = agent_of(session, vm_id)
    if own is not None and NOTICE in own[1]:
        sealed = _seal(command_key(secret), _about(vm_id, NOTICE), {"text": told})
        insert_command(session, vm_id, own[0], NOTICE, sealed, NOTICE_S)


def _enqueue(
    session: Session, vm_id: int, launch: int, action: str, sealed: str, within_s: float = COMMAND_S
) -> int:
    if count_open(session, vm_id) >= OPEN_MAX:
        raise AgentSilent(f"it has {OPEN_MAX} other things to do")
    return insert_command(session, vm_id, launch, action, sealed, within_s)


def _map_of(told: Any) -> Mapping[str, Any]:
    return told if isinstance(told, dict) else {}


def facts_of(told: Any) -> GuestFacts:
    """What an agent tells of its guest."""
    said = _map_of(told)
    interfaces = [
        GuestInterface(
            line_of(each.get("name")),
            line_of(each.get("mac"), 17),
            tuple(line_of(address, 49) for address in list_of(each.get("addresses"))),
        )
        for each in maps_of(said.get("interfaces"))
    ]
    filesystems = [
        GuestFilesystem(
            line_of(each.get("mountpoint")),
            line_of(each.get("device")),
            line_of(each.get("kind")),
            number_of(each.get("total_bytes")),
            number_of(each.get("used_bytes")),
        )
        for each in maps_of(said.get("filesystems"))
    ]
    users = [GuestUser(line_of(each.get("name")), amount_of(each.get("since"))) for each in maps_of(said.get("users"))]
    return GuestFacts(
        line_of(said.get("hostname")),
        line_of(said.get("os")),
        line_of(said.get("kernel")),
        tuple(interfaces),
        tuple(filesystems),
        tuple(users),
        tuple(part for part in _FACTS if part not in said),
        tuple(amount_of(each) for each in list_of(said.get("load"), 3)),
    )
