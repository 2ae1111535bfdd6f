"""
What is asked of a running VM's guest: by the way that it has, which is told, or refused with the reason. The way is our
own agent where it speaks and can do it, else the QEMU guest agent; what a guest answers is its own word.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, cast

from sqlalchemy.orm import Session

from cm.interfaces.calls import GuestAgentCalls
from cm.interfaces.guest_agent import NewPassword
from cm.results.guest import GuestChange, GuestHostname, GuestInfo, GuestKeys, GuestOwnKey, GuestPassword, GuestRoot
from cm.rpc.errors import AgentNeeded, InvalidParameter, ObjectNotFound, WrongVMState
from cm.rpc.types import Secret
from cm.rpc.vocabulary import GuestWay, ShareKind, VMEventCode, VMState
from cm.rules.access import Action
from cm.runtime.wall import unix_seconds
from cm.services.access import Who, authorized_vm, person_of
from cm.services.context import AsyncClusterCall
from cm.services.guest_command import OwnAgent, Share
from cm.services.guest_power import reboot as reboot_guest
from cm.store.guest_command import agent_of
from cm.store.instance import note_event
from cm.store.vm import login_of_guest

ASKED: Final = frozenset({VMState.RUNNING})
ALPHABET: Final = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # no l, I, O, 0, 1: people type it
LENGTH: Final = 16  # 92 bits
KEYS_MAX: Final = 64  # in a call
HOSTS_MAX: Final = 1024  # likewise
LABEL: Final = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
HOSTNAME: Final = rf"{LABEL}(\.{LABEL})*"


async def reset_password(
    caller: AsyncClusterCall, vm_id: int, user: str | None, password: Secret | None
) -> GuestPassword:
    """
    :param user: of the guest; None: whom the VM was made for, else whom its image names, else root.
    :param password: None: one is drawn, and told this once.
    :raises WrongVMState: it does not run.
    :raises AgentSilent: AgentRefused: NotSupported: its guest has no way to do it, or did not.
    """
    if password is not None and not password.reveal().isprintable():
        raise InvalidParameter("password", "it has characters that nobody can type")
    guest = await _guest(caller, vm_id, user, "set_password")
    told = password.reveal() if password is not None else _drawn(caller, guest)
    await guest.agents.set_password(guest.uuid, NewPassword(guest.login, told))
    await _note(caller, vm_id, VMEventCode.PASSWORD_RESET, guest)
    return {"vm_id": vm_id, "way": guest.way, "user": guest.login, "password": told if password is None else None}


def _drawn(caller: AsyncClusterCall, guest: _Guest) -> str:
    """
    A new password. A repeat of a call that comes while the first is under way draws the same: either may be the last
    that the guest hears, and either's answer the one that is told.
    """
    if caller.request_id is None:
        return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    about = f"guest password\0{caller.account_id}\0{caller.request_id}\0{guest.uuid}\0{guest.login}"
    number = int.from_bytes(hmac.digest(caller.policy.secret, about.encode(), "sha512"))
    letters = []
    for _ in range(LENGTH):
        number, letter = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[letter])
    return "".join(letters)


async def install_keys(caller: AsyncClusterCall, vm_id: int, user: str | None, keys: str) -> GuestKeys:
    """:param keys: lines of an authorized_keys file. Raises as ``reset_password``."""
    lines = _lines(keys)
    guest = await _guest(caller, vm_id, user, "add_keys")
    await guest.agents.add_keys(guest.uuid, guest.login, lines)
    await _note(caller, vm_id, VMEventCode.INSTALL_KEYS, guest)
    return await _told(guest, vm_id)


async def remove_keys(caller: AsyncClusterCall, vm_id: int, user: str | None, keys: str) -> GuestKeys:
    """Likewise."""
    lines = _lines(keys)
    guest = await _guest(caller, vm_id, user, "remove_keys")
    await guest.agents.remove_keys(guest.uuid, guest.login, lines)
    await _note(caller, vm_id, VMEventCode.REMOVE_KEYS, guest)
    return await _told(guest, vm_id)


async def set_time(caller: AsyncClusterCall, vm_id: int) -> GuestChange:
    """Raises as ``reset_password``."""
    guest = await _guest(caller, vm_id, None, "set_time")
    await guest.agents.set_time(guest.uuid, unix_seconds())
    return {"vm_id": vm_id, "way": guest.way}


async def reboot(caller: AsyncClusterCall, vm_id: int) -> GuestChange:
    """
    :raises WrongVMState: it does not run.
    :raises AgentSilent: AgentRefused: NotSupported: as ``guest_power.reboot``.
    """
    where = await _place(caller, vm_id)
    way = await reboot_guest(caller.services, caller.services.fleet.node(where.node_id), vm_id, where.uuid)
    await _note_event(caller, vm_id, VMEventCode.REBOOT, {"way": way})
    return {"vm_id": vm_id, "way": way}


async def set_hostname(caller: AsyncClusterCall, vm_id: int, hostname: str) -> GuestHostname:
    """
    :raises WrongVMState: it does not run.
    :raises AgentNeeded: AgentSilent: AgentRefused: its guest has no agent of ours that can, or that did not.
    """
    own = await _own(caller, vm_id, "set_hostname")
    now = await own.agent.set_hostname(hostname)
    await _note_event(caller, vm_id, VMEventCode.HOSTNAME, {"hostname": now})
    return {"vm_id": vm_id, "way": GuestWay.WAWEL, "hostname": now}


async def set_hosts(caller: AsyncClusterCall, vm_id: int, hosts: str) -> GuestChange:
    """
    :param hosts: lines of an /etc/hosts.
    :raises InvalidParameter: a line is none.
    """
    entries = hosts_of(hosts)
    own = await _own(caller, vm_id, "set_hosts")
    await own.agent.set_hosts(entries)
    return {"vm_id": vm_id, "way": GuestWay.WAWEL}


def hosts_of(text: str) -> list[list[str]]:
    """:raises InvalidParameter: a line has no address, or no name; comments and empty lines are left out."""
    entries = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            ipaddress.ip_address(words[0])
        except ValueError:
            raise InvalidParameter("hosts", f"line {number} begins with no address") from None
        if len(words) < 2 or not all(re.fullmatch(HOSTNAME, word) for word in words[1:]):
            raise InvalidParameter("hosts", f"line {number} has no name, or one that is none")
        entries.append(words)
    if len(entries) > HOSTS_MAX:
        raise InvalidParameter("hosts", f"at most {HOSTS_MAX} hosts")
    return entries


async def mount_share(caller: AsyncClusterCall, vm_id: int, share: Share) -> GuestChange:
    """
    :raises InvalidParameter: a key and a password, or one of them where that kind takes none.
    """
    if share.password and share.key:
        raise InvalidParameter("key", "give a key or a password")
    if share.key and share.kind != ShareKind.SSHFS:
        raise InvalidParameter("key", "a key is for sshfs")
    if share.kind == ShareKind.SSHFS and not (share.password or share.key):
        raise InvalidParameter("password", "sshfs needs a password or a key")
    if share.kind == ShareKind.NFS and (share.user or share.password):
        raise InvalidParameter("user", "NFS knows whoever asks by the guest's address alone")
    own = await _own(caller, vm_id, "mount_share")
    await own.agent.mount_share(share)
    told = {"source": share.source, "mountpoint": share.mountpoint}
    await _note_event(caller, vm_id, VMEventCode.MOUNT_SHARE, told)
    return {"vm_id": vm_id, "way": GuestWay.WAWEL}


async def unmount_share(caller: AsyncClusterCall, vm_id: int, mountpoint: str) -> GuestChange:
    """Raises as ``set_hostname``."""
    own = await _own(caller, vm_id, "unmount_share")
    await own.agent.unmount_share(mountpoint)
    await _note_event(caller, vm_id, VMEventCode.UNMOUNT_SHARE, {"mountpoint": mountpoint})
    return {"vm_id": vm_id, "way": GuestWay.WAWEL}


async def generate_key(caller: AsyncClusterCall, vm_id: int, user: str | None) -> GuestOwnKey:
    """:param user: as of ``reset_password``. Raises as ``set_hostname``."""
    own = await _own(caller, vm_id, "generate_key")
    login = user or own.login
    key = await own.agent.generate_key(login)
    if key.made:
        await _note_event(caller, vm_id, VMEventCode.GENERATE_KEY, {"login": login})
    told = {"public_key": key.public, "path": key.path, "made": key.made}
    return cast(GuestOwnKey, {"vm_id": vm_id, "way": GuestWay.WAWEL, "user": login, **told})


async def grow_root(caller: AsyncClusterCall, vm_id: int) -> GuestRoot:
    """Raises as ``set_hostname``."""
    own = await _own(caller, vm_id, "grow_root")
    root = await own.agent.grow_root()
    await _note_event(caller, vm_id, VMEventCode.GROW_ROOT, {"total_bytes": root.total_bytes})
    return cast(GuestRoot, {"vm_id": vm_id, "way": GuestWay.WAWEL, **asdict(root)})


async def guest_info(caller: AsyncClusterCall, vm_id: int) -> GuestInfo:
    """Raises as ``reset_password``."""
    guest = await _guest(caller, vm_id, None, "facts")
    facts = await guest.agents.facts(guest.uuid)
    return cast(GuestInfo, {"vm_id": vm_id, "way": guest.way, **asdict(facts)})


@dataclass(frozen=True)
class _Guest:
    """:ivar login: the guest's account that is meant."""

    agents: GuestAgentCalls | OwnAgent
    way: GuestWay
    uuid: str
    login: str


async def _note(caller: AsyncClusterCall, vm_id: int, code: VMEventCode, guest: _Guest) -> None:
    await _note_event(caller, vm_id, code, {"login": guest.login})


async def _note_event(caller: AsyncClusterCall, vm_id: int, code: VMEventCode, told: Mapping[str, Any]) -> None:
    await caller.services.database.transact(note_event, vm_id, code, caller.account_id, told)


async def _told(guest: _Guest, vm_id: int) -> GuestKeys:
    keys = await guest.agents.keys(guest.uuid, guest.login)
    return {"vm_id": vm_id, "way": guest.way, "user": guest.login, "keys": list(keys)}


async def _guest(caller: AsyncClusterCall, vm_id: int, user: str | None, action: str) -> _Guest:
    services, where = caller.services, await _place(caller, vm_id)
    login = user or where.login
    if where.own is not None and action in where.own[1]:
        return _Guest(OwnAgent(services, vm_id, where.own[0]), GuestWay.WAWEL, where.uuid, login)
    return _Guest(services.fleet.node(where.node_id).guest_agents, GuestWay.AGENT, where.uuid, login)


@dataclass(frozen=True)
class _Own:
    """An agent of ours that can do what is asked. :ivar login: the guest's account that is meant, if none is named."""

    agent: OwnAgent
    login: str


async def _own(caller: AsyncClusterCall, vm_id: int, action: str) -> _Own:
    where = await _place(caller, vm_id)
    if where.own is None:
        raise AgentNeeded(action, "it has none that speaks")
    launch, actions = where.own
    if action not in actions:
        raise AgentNeeded(action, "the one that it has cannot: it is of another version")
    return _Own(OwnAgent(caller.services, vm_id, launch), where.login)


async def _place(caller: AsyncClusterCall, vm_id: int) -> _Where:
    who, level = person_of(caller.identity), caller.action("vm_id")
    return await caller.services.database.read(_where, vm_id, who, level)


@dataclass(frozen=True)
class _Where:
    """:ivar own: the launch that an agent of ours speaks in, and what it can do."""

    node_id: int
    uuid: str
    login: str
    own: tuple[int, frozenset[str]] | None


def _where(session: Session, vm_id: int, who: Who, action: Action) -> _Where:
    row = authorized_vm(session, who, vm_id, action)
    if row.state not in ASKED:
        raise WrongVMState(vm_id, row.state, " or ".join(sorted(ASKED)))
    if row.node_id is None:
        raise ObjectNotFound("node of vm", vm_id)
    return _Where(row.node_id, str(row.uuid), login_of_guest(session, vm_id) or "root", agent_of(session, vm_id))


def _lines(keys: str) -> Sequence[str]:
    lines = [line.strip() for line in keys.splitlines()]
    found = list(dict.fromkeys(line for line in lines if line and not line.startswith("#")))
    if not 1 <= len(found) <= KEYS_MAX:
        raise InvalidParameter("keys", f"give 1 to {KEYS_MAX} keys")
    return found
