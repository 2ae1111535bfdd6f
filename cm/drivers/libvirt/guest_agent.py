"""``IGuestAgents`` by libvirt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import libvirt

from cm.drivers.libvirt.connection import Connections
from cm.drivers.libvirt.errors import code_of, is_connection_error, reason_of
from cm.interfaces.guest_agent import (
    AGENT_S,
    GuestFacts,
    GuestFilesystem,
    GuestInterface,
    GuestUser,
    NewPassword,
)
from cm.rpc.errors import AgentRefused, AgentSilent, DomainNotFound, DomainNotRunning, NotSupported
from cm.rules.guest_word import KEY_MAX, KEYS_MAX, LIST_MAX, line_of, number_of

# No agent, one that does not answer, a domain without its channel. What an agent itself refuses is an internal error
# with "agent" in its words.
SILENT: Final = frozenset({libvirt.VIR_ERR_AGENT_UNRESPONSIVE, libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED})
# Of libvirt 11.2 and later: an agent was late, or refused. Bindings of before have no names for them.
_LATE: Final = 112
_FAILED: Final = 113
_UNTOLD: Final = frozenset(
    {libvirt.VIR_ERR_OPERATION_UNSUPPORTED, libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_INTERNAL_ERROR, _LATE, _FAILED}
)


class LibvirtGuestAgents:
    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def facts(self, uuid: str) -> GuestFacts:
        """Part by part: an agent refuses all of what is asked at once for one part that it does not know."""
        with self._domain(uuid) as domain:
            found: dict[str, Any] = {}
            silent = []

            def ask(part: str, call: Callable[[], Any]) -> Any:
                try:
                    return call()
                except libvirt.libvirtError as error:
                    if is_connection_error(error) or code_of(error) not in _UNTOLD:
                        raise
                    silent.append(part)
                    return None

            def info(part: str, kind: int) -> Mapping[str, Any]:
                told = ask(part, lambda: domain.guestInfo(kind, 0))
                if told is not None and not told:
                    silent.append(part)
                return told or {}

            found["hostname"] = line_of(info("hostname", libvirt.VIR_DOMAIN_GUEST_INFO_HOSTNAME).get("hostname"))
            system = info("os", libvirt.VIR_DOMAIN_GUEST_INFO_OS)
            found["os"] = line_of(system.get("os.pretty-name") or system.get("os.name"))
            found["kernel"] = line_of(system.get("os.kernel-release"))
            source = libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT
            found["interfaces"] = _interfaces(ask("interfaces", lambda: domain.interfaceAddresses(source, 0)))
            found["filesystems"] = _filesystems(info("filesystems", libvirt.VIR_DOMAIN_GUEST_INFO_FILESYSTEM))
            found["users"] = _users(info("users", libvirt.VIR_DOMAIN_GUEST_INFO_USERS))
            return GuestFacts(**found, silent=tuple(dict.fromkeys(silent)))

    def set_password(self, uuid: str, new: NewPassword) -> None:
        with self._domain(uuid) as domain:
            domain.setUserPassword(new.user, new.password, 0)

    def keys(self, uuid: str, user: str) -> Sequence[str]:
        with self._domain(uuid) as domain:
            return [line_of(key, KEY_MAX) for key in (domain.authorizedSSHKeysGet(user, 0) or ())[:KEYS_MAX]]

    def add_keys(self, uuid: str, user: str, keys: Sequence[str]) -> None:
        with self._domain(uuid) as domain:
            domain.authorizedSSHKeysSet(user, list(keys), libvirt.VIR_DOMAIN_AUTHORIZED_SSH_KEYS_SET_APPEND)

    def remove_keys(self, uuid: str, user: str, keys: Sequence[str]) -> None:
        with self._domain(uuid) as domain:
            domain.authorizedSSHKeysSet(user, list(keys), libvirt.VIR_DOMAIN_AUTHORIZED_SSH_KEYS_SET_REMOVE)

    def set_time(self, uuid: str, unix_s: float) -> None:
        with self._domain(uuid) as domain:
            domain.setTime({"seconds": int(unix_s), "nseconds": int(unix_s % 1 * 1e9)}, 0)

    def power_off(self, uuid: str) -> None:
        with self._domain(uuid) as domain:
            domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT)

    def reboot(self, uuid: str) -> None:
        """
        By its agent alone: asked otherwise libvirt presses the power button, and has whatever end of the guest comes
        next, be it hours later, be a reboot.
        """
        with self._domain(uuid) as domain:
            domain.reboot(libvirt.VIR_DOMAIN_REBOOT_GUEST_AGENT)

    @contextmanager
    def _domain(self, uuid: str) -> Iterator[Any]:
        """A running domain whose agent has answered just now."""
        if self._connections.driver == "test":
            raise NotSupported("ask guests' agents")
        try:
            with self._connections.slow(uuid) as connection:
                domain = connection.lookupByUUIDString(uuid)
                if not domain.isActive():
                    raise DomainNotRunning(uuid)
                reason = why_silent(domain)
                if reason:
                    raise AgentSilent(reason)
                try:
                    yield domain
                except libvirt.libvirtError as error:
                    reason = reason_of_agent(error)
                    if code_of(error) in SILENT or code_of(error) == _LATE:
                        raise AgentSilent(reason) from None
                    raise AgentRefused(reason) from None
        except DomainNotFound:
            raise DomainNotRunning(uuid) from None


def why_silent(domain: Any) -> str:
    """
    Why a guest's agent is told nothing; empty: it answers. What one that hangs is told now it may do at any later time,
    when nobody waits for it.
    """
    if domain.state()[0] != libvirt.VIR_DOMAIN_RUNNING:
        return "the guest is paused"
    try:
        domain.agentSetResponseTimeout(AGENT_S, 0)
        domain.getTime(0)  # of guestInfo libvirt 9.0 does not say that nobody answered
    except libvirt.libvirtError as error:
        reason = reason_of_agent(error)
        return reason if code_of(error) in SILENT else ""  # while it is frozen an agent refuses this, and so answers
    return ""


def reason_of_agent(error: libvirt.libvirtError) -> str:
    """
    Why an agent did not do something.

    :raises libvirt.libvirtError: it has another reason than the agent.
    """
    reason = reason_of(error)
    if is_connection_error(error) or not (code_of(error) in SILENT or "agent" in reason.lower()):
        raise error
    return reason


# ------------------------------------------------------------------ a guest's word


def _numbered(told: Mapping[str, Any], what: str) -> Iterable[int]:
    return range(min(number_of(told.get(f"{what}.count")), LIST_MAX))


def _interfaces(told: Mapping[str, Any] | None) -> tuple[GuestInterface, ...]:
    found = []
    for name, facts in list((told or {}).items())[:LIST_MAX]:
        told_addresses = (facts.get("addrs") or ())[:LIST_MAX]
        addresses = [f"{line_of(each['addr'], 45)}/{number_of(each['prefix'])}" for each in told_addresses]
        found.append(GuestInterface(line_of(name), line_of(facts.get("hwaddr"), 17), tuple(addresses)))
    return tuple(found)


def _filesystems(told: Mapping[str, Any]) -> tuple[GuestFilesystem, ...]:
    return tuple(
        GuestFilesystem(
            line_of(told.get(f"fs.{n}.mountpoint")),
            line_of(told.get(f"fs.{n}.name")),
            line_of(told.get(f"fs.{n}.fstype")),
            number_of(told.get(f"fs.{n}.total-bytes")),
            number_of(told.get(f"fs.{n}.used-bytes")),
        )
        for n in _numbered(told, "fs")
    )


def _users(told: Mapping[str, Any]) -> tuple[GuestUser, ...]:
    return tuple(
        GuestUser(line_of(told.get(f"user.{n}.name")), number_of(told.get(f"user.{n}.login-time")) / 1000)
        for n in _numbered(told, "user")
    )
