"""What libvirt tells of a guest's agent, as it is told on: bounded, and with the reason where there is nothing."""

# What is tested imports libvirt; without it all of this is skipped, which has to be said before.
# ruff: noqa: E402

from __future__ import annotations

from contextlib import contextmanager
from typing import Any

import pytest

libvirt = pytest.importorskip("libvirt")

from cm.drivers.libvirt.guest_agent import LibvirtGuestAgents
from cm.interfaces.guest_agent import NewPassword
from cm.rpc.errors import AgentRefused, AgentSilent, DomainNotRunning
from cm.rules.guest_word import KEYS_MAX, LIST_MAX, TEXT_MAX

UUID = "12345678-9abc-4def-8123-456789abcdef"


def failing(code: int, text: str) -> Exception:
    error = libvirt.libvirtError(text)
    error.err = (code, 0, text, 2, "", None, None, -1, -1)
    return error


class Domain:
    """A domain of libvirt's, whose agent says what a test has it say."""

    def __init__(self) -> None:
        self.active, self.told, self.calls = True, {}, []

    def isActive(self) -> bool:
        return self.active

    def state(self) -> list[int]:
        return [libvirt.VIR_DOMAIN_RUNNING, 0]

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            self.calls.append((name, arguments))
            answer = self.told.get(name, self.told.get((name, *arguments), {}))
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


class Connections:
    driver = "qemu"

    def __init__(self, domain: Domain) -> None:
        self.domain = domain

    @contextmanager
    def slow(self, *_: str) -> Any:
        yield self

    def lookupByUUIDString(self, uuid: str) -> Domain:
        return self.domain


@pytest.fixture
def domain() -> Domain:
    return Domain()


@pytest.fixture
def agents(domain: Domain) -> LibvirtGuestAgents:
    return LibvirtGuestAgents(Connections(domain))  # type: ignore[arg-type]


def test_lies(agents: LibvirtGuestAgents, domain: Domain) -> None:
    """Sizes below zero or beyond all disks, names without end, counts that are none: cut to what can be shown."""
    info, many = "guestInfo", 10**9
    domain.told = {
        (info, libvirt.VIR_DOMAIN_GUEST_INFO_HOSTNAME, 0): {"hostname": "x" * 10_000 + "\n\x1b[2J"},
        (info, libvirt.VIR_DOMAIN_GUEST_INFO_OS, 0): {"os.pretty-name": "a\x00b\u202ec", "os.kernel-release": None},
        (info, libvirt.VIR_DOMAIN_GUEST_INFO_FILESYSTEM, 0): {
            "fs.count": many, "fs.0.mountpoint": "/", "fs.0.total-bytes": 2**80, "fs.0.used-bytes": -5,
        },
        (info, libvirt.VIR_DOMAIN_GUEST_INFO_USERS, 0): {"user.count": "many"},
        "interfaceAddresses": {
            f"e{n}": {"hwaddr": None, "addrs": [{"addr": "10.0.0.1" * 100, "prefix": 10**30}] * 10_000}
            for n in range(999)
        },
    }  # fmt: skip
    facts = agents.facts(UUID)
    assert facts.hostname == "x" * TEXT_MAX and facts.os == "abc" and facts.kernel == ""
    assert len(facts.filesystems) == len(facts.interfaces) == len(facts.interfaces[0].addresses) == LIST_MAX
    assert (facts.filesystems[0].total_bytes, facts.filesystems[0].used_bytes) == (2**63 - 1, 0)
    assert facts.users == () and len(facts.interfaces[0].addresses[0]) < 100
    domain.told["authorizedSSHKeysGet"] = ["k" * 100_000] * 10_000
    assert len(agents.keys(UUID, "root")) == KEYS_MAX


def test_untold(agents: LibvirtGuestAgents, domain: Domain) -> None:
    """Parts that an agent does not know are left out and named; the others are told."""
    code = libvirt.VIR_ERR_OPERATION_UNSUPPORTED
    domain.told = {
        ("guestInfo", libvirt.VIR_DOMAIN_GUEST_INFO_HOSTNAME, 0): {"hostname": "web"},
        ("guestInfo", libvirt.VIR_DOMAIN_GUEST_INFO_USERS, 0): failing(code, "no such command"),
        "interfaceAddresses": failing(libvirt.VIR_ERR_INTERNAL_ERROR, "unable to execute QEMU agent command"),
    }
    facts = agents.facts(UUID)
    assert facts.hostname == "web" and set(facts.silent) == {"os", "interfaces", "filesystems", "users"}


def test_silent(agents: LibvirtGuestAgents, domain: Domain) -> None:
    """One that does not answer is told nothing, since it would do it at any later time."""
    reason = "Guest agent is not responding: QEMU guest agent is not connected"
    domain.told = {"getTime": failing(libvirt.VIR_ERR_AGENT_UNRESPONSIVE, reason)}
    with pytest.raises(AgentSilent) as refused:
        agents.set_password(UUID, NewPassword("root", "secret-1"))
    assert reason in str(refused.value)
    assert "setUserPassword" not in [name for name, _ in domain.calls]
    domain.active = False
    with pytest.raises(DomainNotRunning):
        agents.facts(UUID)


def test_refused(agents: LibvirtGuestAgents, domain: Domain) -> None:
    """What an agent answers is the reason; nothing that is told has the password in it."""
    words = "unable to execute QEMU agent command 'guest-set-user-password': child process has failed"
    domain.told = {"setUserPassword": failing(libvirt.VIR_ERR_INTERNAL_ERROR, words)}
    new = NewPassword("nobody", "secret-1")
    with pytest.raises(AgentRefused) as refused:
        agents.set_password(UUID, new)
    assert "child process" in str(refused.value) and "secret-1" not in f"{refused.value!r}{refused.value}{new!r}"


def test_broken(agents: LibvirtGuestAgents, domain: Domain) -> None:
    """A connection that breaks is not a guest's word."""
    domain.told = {"setUserPassword": failing(libvirt.VIR_ERR_SYSTEM_ERROR, "client socket is closed")}
    with pytest.raises(libvirt.libvirtError):
        agents.set_password(UUID, NewPassword("root", "secret-1"))


def test_leaves(agents: LibvirtGuestAgents, domain: Domain) -> None:
    """A guest goes down and anew by its agent alone: libvirt's other ways remember that the next end is a reboot."""
    agents.power_off(UUID)
    agents.reboot(UUID)
    assert domain.calls[-1] == ("reboot", (libvirt.VIR_DOMAIN_REBOOT_GUEST_AGENT,))
    assert ("shutdownFlags", (libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT,)) in domain.calls
    domain.told["getTime"] = failing(libvirt.VIR_ERR_AGENT_UNRESPONSIVE, "QEMU guest agent is not connected")
    domain.calls.clear()
    for leave in (agents.power_off, agents.reboot):
        with pytest.raises(AgentSilent):
            leave(UUID)
    assert not {"reboot", "shutdownFlags"} & {name for name, _ in domain.calls}
