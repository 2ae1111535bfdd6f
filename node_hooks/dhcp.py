"""
Addresses and names for the guests of one network: a dnsmasq on its bridge, which outlives the agent.

It takes what guests are called, have and ask from three files, which it reads again at SIGHUP. It begins anew, without
what it knew of leases, only where one of them is over: it would keep the address for who had it, and answer for the
name, until the lease ends.
"""

import os
import pwd
import re
import select
import signal
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Final

from node_hooks.command import Run
from node_hooks.links import Host, Link
from node_hooks.tunnel import METADATA, dns_port

RUNTIME: Final = Path("/run/wawel-node")  # empty after a reboot, as dnsmasq is gone then
LEASE: Final = "1h"
LEASE6: Final = "10m"  # short, as a guest that was made anew asks by another DUID for what the old one holds
HOSTS_MAX: Final = 70_000
_USERS: Final = ("dnsmasq", "nobody")
_LEASED = re.compile(r"^(?P<mac>[0-9a-f:]{17}),(?P<rest>[^\n]*)$", re.MULTILINE)


def configuration(link: Link, slot: int, index: int, directory: Path, user: str) -> str:
    """
    :param slot: gives the port where names are asked for.
    :param index: of the bridge: sockets are bound to it, so that one that was made anew needs another dnsmasq.
    """
    lines = [
        f"# {link.name}, bridge {index}",
        f"interface={link.bridge}",
        "bind-interfaces",
        "except-interface=lo",
        f"port={dns_port(slot)}",
        f"pid-file={directory}/pid",
        f"user={user}" if user else "",
        "no-hosts",
        f"addn-hosts={directory}/names",
        "domain-needed",
        "bogus-priv",
        *(["no-resolv", *(f"server={each}" for each in link.dns)] if link.dns else ["clear-on-reload"]),
        f"dhcp-hostsfile={directory}/hosts",
        f"dhcp-optsfile={directory}/options",
        "dhcp-authoritative",
        "dhcp-ignore=tag:!known",
        "dhcp-ignore-names",
        f"dhcp-lease-max={HOSTS_MAX}",
        "leasefile-ro",
        "no-ping",
        "quiet-dhcp", "quiet-dhcp6", "quiet-ra",
    ]  # fmt: skip
    if link.domain:
        lines += [f"domain={link.domain}", f"local=/{link.domain}/"]
    for gateway in link.gateways:
        lines += [f"local=/{zone}/" for zone in reverse_zones(gateway.network)]
    gateway4, gateway6 = link.gateway(4), link.gateway(6)
    if gateway4 is not None:
        # A client that takes option 121 ignores the router (RFC 3442), so that the way out is in both.
        routes = [f"{METADATA}/32,{gateway4.ip}"] * link.metadata + [f"0.0.0.0/0,{gateway4.ip}"]
        lines += [
            f"dhcp-range={gateway4.network.network_address},static,{gateway4.netmask},{LEASE}",
            f"dhcp-option=option:router,{gateway4.ip}",
            f"dhcp-option=option:classless-static-route,{','.join(routes)}",
            f"dhcp-option=option:dns-server,{gateway4.ip}",
            f"dhcp-option=option:mtu,{link.mtu}",
            f"dhcp-option=option:domain-search,{link.domain}" if link.domain else "",
        ]
    if gateway6 is not None:
        lines += [
            "enable-ra",
            f"ra-param={link.bridge},mtu:{link.mtu},high,30,300",
            f"dhcp-range={gateway6.network.network_address},static,64,{LEASE6}",
            f"dhcp-option=option6:dns-server,[{gateway6.ip}]",
            f"dhcp-option=option6:domain-search,{link.domain}" if link.domain else "",
        ]
    return "\n".join(line for line in lines if line) + "\n"


def leases(hosts: Sequence[Host]) -> str:
    """As ``dhcp-hostsfile`` has it."""
    lines = []
    for host in hosts:
        told = [str(each) if each.version == 4 else f"[{each}]" for each in host.addresses]
        if told:
            tags = [f"set:{_tag(host)}"] if host.dns else []
            lines.append(",".join([host.mac, *tags, *told, *([host.name] if host.name else [])]))
    return "".join(f"{line}\n" for line in lines)


def options(hosts: Sequence[Host]) -> str:
    """
    As ``dhcp-optsfile`` has it: whom those ask who do not ask whom the network says. What a tag says outweighs what is
    said without one, and a family of which nothing is said has nobody to ask.
    """
    lines = []
    for host in hosts:
        if host.dns:
            told = [str(each) for each in host.dns if each.version == 4]
            told6 = [f"[{each}]" for each in host.dns if each.version == 6]
            lines.append(",".join([f"tag:{_tag(host)}", "option:dns-server", *told]))
            lines.append(",".join([f"tag:{_tag(host)}", "option6:dns-server", *told6]))
    return "".join(f"{line}\n" for line in lines)


def _tag(host: Host) -> str:
    return f"nic{host.mac.replace(':', '')}"


def names(hosts: Sequence[Host], domain: str) -> str:
    """As ``addn-hosts`` has it; what an address is called is the first on its line."""
    lines = []
    for host in hosts:
        if host.name:
            called = f"{host.name}.{domain} {host.name}" if domain else host.name
            lines += [f"{address} {called}" for address in host.addresses]
    return "".join(f"{line}\n" for line in lines)


def reverse_zones(network: IPv4Network | IPv6Network) -> list[str]:
    """What is asked for addresses of it is asked nowhere else: zones that cover it, at whole labels."""
    bits = 8 if network.version == 4 else 4
    prefix = -(-network.prefixlen // bits) * bits
    if network.version == 4 and prefix > 24:
        prefix = 24  # of a part of a /24 all of it
        network = network.supernet(new_prefix=24)
    return sorted(
        each.network_address.reverse_pointer.split(".", (each.max_prefixlen - prefix) // bits)[-1]
        for each in network.subnets(new_prefix=prefix)
    )


def outdated(before: str, after: str) -> bool:
    """
    Whether an address of the one is not the same NIC's, by the same name, in the other, each as ``leases`` has it. A
    dnsmasq that goes on keeps the lease of who had it: it gives the address to nobody else, and answers for the name
    for an hour.
    """
    return not _holders(before).items() <= _holders(after).items()


def _holders(text: str) -> dict[str, tuple[str, str]]:
    """By address whose it is, and what that is called."""
    holders: dict[str, tuple[str, str]] = {}
    for found in _LEASED.finditer(text):
        told = [each for each in found["rest"].split(",") if not each.startswith("set:")]
        addresses = [each for each in told if ":" in each or each.count(".") == 3]
        name = told[-1] if told[-1] not in addresses else ""
        holders |= dict.fromkeys(addresses, (found["mac"], name))
    return holders


class Server:
    """
    The dnsmasq of one network, found by its files whoever started it.

    :param runtime: where each network's files are, below its name.
    :ivar served: with what it was served last, as ``serve`` has it; ``failed``: with what it did not start, which is
        tried again at ``retry_at``. Both are the caller's.
    """

    def __init__(self, name: str, runtime: Path, run: Run) -> None:
        self._run = run
        self.directory = runtime / name
        self.served: object = None
        self.failed: object = None
        self.retry_at = 0.0
        self._user = next((user for user in _USERS if _is_user(user)), "")

    def serve(self, link: Link, slot: int, index: int, hosts: Sequence[Host] | None) -> bool:
        """
        Have it run with this, begun anew only where it must.

        :param hosts: None: those that it was told last.
        :return: whether anything was done.
        :raises CommandMissing, CommandFailed: it does not start; the text says why.
        :raises OSError: its files cannot be written.
        """
        make_directory(self.directory)
        wanted = configuration(link, slot, index, self.directory, self._user)
        told = self._read("hosts") if hosts is None else leases(hosts)
        called = self._read("names") if hosts is None else names(hosts, link.domain)
        asking = self._read("options") if hosts is None else options(hosts)
        again = self._read("dnsmasq.conf") != wanted or outdated(self._read("hosts"), told) or not self.is_running()
        changed = [self._write("hosts", told), self._write("names", called), self._write("options", asking)]
        if again:
            self.end()  # first, so that one that runs has what stands there
            self._write("dnsmasq.conf", wanted)
            self._run(["dnsmasq", f"--conf-file={self.directory}/dnsmasq.conf"], "")
        elif any(changed):
            self._signal(signal.SIGHUP)
        return again or any(changed)

    def is_running(self) -> bool:
        return self._signal(None)

    def end(self) -> None:
        """It has half a second to go by itself."""
        pid = self._find()
        if pid is None:
            return
        try:
            process = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            if self._find() == pid:
                signal.pidfd_send_signal(process, signal.SIGTERM)
                if not _ends(process, 0.5):
                    signal.pidfd_send_signal(process, signal.SIGKILL)
                    _ends(process, 0.5)
        except ProcessLookupError:
            pass
        finally:
            os.close(process)

    def remove(self) -> None:
        """:raises OSError: its files stay."""
        self.end()
        for name in ("dnsmasq.conf", "hosts", "names", "options", "pid"):
            (self.directory / name).unlink(missing_ok=True)

    def _signal(self, number: signal.Signals | None) -> bool:
        """Whether it is there; by a descriptor, so that a process that came to its number is not meant."""
        pid = self._find()
        if pid is None:
            return False
        if number is None:
            return True
        try:
            process = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        try:
            if self._find() != pid:
                return False
            signal.pidfd_send_signal(process, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(process)
        return True

    def _find(self) -> int | None:
        try:
            pid = int((self.directory / "pid").read_text())
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if f"--conf-file={self.directory}/dnsmasq.conf".encode() in arguments else None

    def _read(self, name: str) -> str:
        try:
            return (self.directory / name).read_text()
        except OSError:
            return ""

    def _write(self, name: str, text: str) -> bool:
        """:return: whether it is another."""
        path = self.directory / name
        if path.exists() and self._read(name) == text:
            return False
        being_written = path.with_suffix(".tmp")
        being_written.write_text(text)
        being_written.chmod(0o644)
        os.replace(being_written, path)
        return True


def make_directory(directory: Path) -> None:
    """One that dnsmasq can read as a user of its own, whatever the umask."""
    directory.mkdir(parents=True, exist_ok=True)
    for each in (directory.parent, directory):
        each.chmod(0o755)


def _ends(process: int, within_s: float) -> bool:
    return bool(select.select([process], [], [], within_s)[0])


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
