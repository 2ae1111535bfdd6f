"""
The kernel of a simulated node, and programs that speak to it: ``ip``, ``bridge``, ``nft`` and dnsmasq, in the words
that the agent uses. The agent is the production one; what it finds here, and whether its commands can be done, is as
Linux has it, as far as a simulation asks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from node_hooks.command import CommandFailed
from node_hooks.links import BRIDGE, Host, Link, is_own
from simulation.netfilter import NetFilter
from simulation.traffic import TrafficControl

if TYPE_CHECKING:
    from simulation.world import Node

UPLINK: Final = "eth0"
SITE_BRIDGE: Final = "br0"  # of the nodes with a number below 3, made by their administrator
ALL: Final = "00:00:00:00:00:00"
_EXISTS: Final = "RTNETLINK answers: File exists"
_ABSENT: Final = "RTNETLINK answers: No such file or directory"
_NO_DEVICE: Final = "Cannot find device"


@dataclass
class Device:
    index: int
    kind: str
    mac: str = ""
    mtu: int = 1500
    up: bool = False
    master: str = ""
    told: dict[str, Any] = field(default_factory=dict)
    peer: str = ""  # of a pair
    below: str = ""  # the interface that a VLAN is of


class System:
    """What is below ``/proc/sys/net``; a setting that nobody made is "0"."""

    def __init__(self, values: dict[str, str], path: str = "") -> None:
        self._values = values
        self._path = path

    def __truediv__(self, path: str) -> System:
        return System(self._values, f"{self._path}/{path}" if self._path else path)

    def exists(self) -> bool:
        return True

    def is_dir(self) -> bool:
        return True

    def read_text(self) -> str:
        return self._values.get(self._path, "0")

    def write_text(self, value: str) -> None:
        self._values[self._path] = value


class Kernel:
    """
    Of one node. What it holds is gone with the node's power.

    :ivar peers: by VXLAN, to whom it floods, in the order in which they came.
    :ivar routes: by (family, to, table, metric): through which device; "" unreachable.
    :ivar rules: by (family, preference, mark): the table.
    :ivar proxies: what is answered for: (address, interface).
    :ivar served: by network, what its dnsmasq gives to whom; of networks whose dnsmasq runs.
    """

    current: ClassVar[Kernel]

    def __init__(self, node: Node) -> None:
        self.node = node
        self.nft = NetFilter()
        self._numbers = 100
        self._found: dict[str, int] = {}  # indexes of libvirt's bridges, and of taps by their domain's run
        self.site = frozenset({SITE_BRIDGE}) if node.number < 3 else frozenset[str]()
        self.traffic = TrafficControl(self.find)
        self.clear()

    def clear(self) -> None:
        """The power is off."""
        self.nft.flush()
        self.traffic.clear()
        self.devices: dict[str, Device] = {}
        self.addresses: dict[str, dict[str, None]] = {}
        self.peers: dict[str, dict[str, None]] = {}
        self.routes: dict[tuple[int, str, str, str], tuple[str, str]] = {}
        self.rules: dict[tuple[int, str, str], dict[str, Any]] = {}
        self.proxies: dict[tuple[str, str], None] = {}
        self.served: dict[str, tuple[Host, ...]] = {}
        self.settings: dict[str, str] = {"ipv6/conf/all/forwarding": "1"}
        self.tell_node()

    def tell_node(self) -> None:
        """What domains can be put on."""
        made = {name for name in self.devices if name.startswith(BRIDGE) and is_own(name)}
        self.node.memory.world.links = made | self.site

    # ------------------------------------------------------------------ as the agent asks

    def find(self, name: str) -> int | None:
        device = self.devices.get(name)
        if device is not None:
            return device.index
        if name == UPLINK:
            return 2
        if name in self.site or any(each.bridge == name for each in self.node.memory.world.networks.values()):
            return self._index(name)
        for uuid, domain in self.node.memory.world.domains.items() if name.startswith("wv") else ():
            if domain.running is not None and any(nic.tap == name for nic in domain.running.nics):
                return self._index(f"{name} of {uuid}, run {self.node.launches.get(uuid)}")
        return None

    def _index(self, name: str) -> int:
        if name not in self._found:
            self._numbers += 1
            self._found[name] = self._numbers
        return self._found[name]

    def uplinks(self) -> tuple[str, ...]:
        """The node's own interfaces, which guests may be put on."""
        return tuple(sorted({UPLINK} | self.site))

    def has_vlans(self) -> bool:
        return any(device.kind == "vlan" for device in self.devices.values())

    def listens(self) -> list[IPv4Address]:
        """libvirt's dnsmasq, of each of its networks."""
        return [each.gateway for each in self.node.memory.world.networks.values()]

    def taps(self) -> dict[str, str]:
        """Those of what runs, each with its bridge."""
        networks = self.node.memory.world.networks
        found = {}
        for domain in self.node.memory.world.domains.values():
            for nic in domain.running.nics if domain.running is not None else ():
                known = networks.get(nic.network)
                found[nic.tap] = nic.bridge or (known.bridge if known is not None else "")
        return found

    def ports(self, bridge: str) -> list[str]:
        there = bridge in self.devices or bridge in self.site
        return [tap for tap, on in self.taps().items() if on == bridge and there]

    def run(self, arguments: Sequence[str], text: str = "") -> str:
        """:raises CommandFailed: as the program does."""
        program, rest = arguments[0], list(arguments[1:])
        if program == "nft":
            return self._nft(rest, text)
        if program == "tc":
            return self.traffic.run(rest, text)
        if "-batch" not in rest:
            return self._alone(program, rest)
        if "-json" in rest:
            return "".join(json.dumps(self._answer(program, rest, line)) + "\n" for line in text.splitlines())
        complaints: list[str] = []
        for number, line in enumerate(text.splitlines(), 1):
            try:
                self._do(program, 6 if "-6" in rest else 4, line.split())
            except CommandFailed as error:
                complaints += [str(error), f"Command failed -:{number}"]
                if "-force" not in rest:
                    break
        self.tell_node()
        if complaints:
            raise CommandFailed(complaints[0], complaints)
        return ""

    def lease(self, bridge: str, mac: str) -> str:
        """The address that a guest is given by IPv4; "": none."""
        hosts = self.served.get(bridge, ()) if bridge in self.devices else ()
        found = [str(each) for host in hosts if host.mac == mac for each in host.addresses if each.version == 4]
        return found[0] if found else ""

    def answers(self) -> list[str]:
        """The public addresses that it answers for, whoever had it do so."""
        return [address for address, device in self.proxies if device == UPLINK]

    # ------------------------------------------------------------------ programs

    def _nft(self, rest: list[str], text: str) -> str:
        if "--check" in rest:
            raise CommandFailed("Error: Could not process rule: Operation not supported")  # no conntrack of bridges
        if "list" in rest:
            if "--json" in rest:
                raise CommandFailed("Error: No such file or directory")  # ended connections: there are none
            return self.nft.list(" ".join(rest[-2:]))
        self.nft.load(text)
        return ""

    def _alone(self, program: str, rest: list[str]) -> str:
        if rest[1:] == ["-json", "address"]:
            return json.dumps(self._own(rest[0] == "-6"))
        if rest == ["-json", "link", "show", "type", "ifb"]:
            return json.dumps([self._device(name, each) for name, each in self.devices.items() if each.kind == "ifb"])
        family = 6 if "-6" in rest else 4
        self._do(program, family, [each for each in rest if each not in ("-4", "-6")])
        self.tell_node()
        return ""

    def _own(self, v6: bool) -> list[Any]:
        own = {name: list(each) for name, each in self.addresses.items()}
        own[UPLINK] = [f"{self.node.address}/24"]
        return [
            {"ifname": name, "addr_info": [
                {"local": each.partition("/")[0], "prefixlen": int(each.partition("/")[2] or (128 if v6 else 32))}
                for each in addresses if (":" in each) is v6
            ]} for name, addresses in own.items()
        ]  # fmt: skip

    def _answer(self, program: str, rest: list[str], question: str) -> list[dict[str, Any]]:
        family = 6 if "-6" in rest else 4
        if program == "bridge":
            return [{"mac": ALL, "ifname": name, "dst": peer} for name, peers in self.peers.items() for peer in peers]
        if " type " in question:
            kind = question.rpartition(" ")[2]
            found = [self._device(name, each) for name, each in self.devices.items() if each.kind == kind]
            if kind == "bridge":  # the site's, which are as the agent found them
                found += [self._device(name, Device(self.find(name) or 0, kind, up=True)) for name in sorted(self.site)]
            return found
        if question == "rule show":
            return [each for (version, _, _), each in self.rules.items() if version == family]
        if question == "neigh show proxy":
            return [{"dst": to, "dev": device} for to, device in self.proxies if (":" in to) is (family == 6)]
        if question == "route show table main":
            own = [{"dst": "default", "dev": UPLINK, "gateway": "192.0.2.254"}, {"dst": "192.0.2.0/24", "dev": UPLINK}]
            return own if family == 4 else [{"dst": "default", "dev": UPLINK, "gateway": "fe80::254"}]
        protocol = question.rpartition(" ")[2]
        return [
            {"dst": to, "table": table, **({"dev": device} if device else {"type": "unreachable"})}
            for (version, to, table, _), (device, of) in self.routes.items() if version == family and of == protocol
        ]  # fmt: skip

    def _device(self, name: str, device: Device) -> dict[str, Any]:
        told: dict[str, Any] = {
            "ifname": name, "ifindex": device.index, "address": device.mac, "mtu": device.mtu,
            "flags": ["UP"] if device.up else [], "master": device.master, "link": device.below,
            "linkinfo": {"info_data": device.told},
        }  # fmt: skip
        if device.kind == "bridge":
            told["addr_info"] = [
                {"local": each.partition("/")[0], "prefixlen": int(each.partition("/")[2])}
                for each in self.addresses.get(name, ())
            ]
        return told

    def _do(self, program: str, family: int, words: list[str]) -> None:
        """:raises CommandFailed: it cannot be done."""
        what, verb, told = words[0], words[1], words[2:]
        if program == "bridge":
            self._fdb(verb, told)
        else:
            {"link": self._link, "address": self._address, "route": self._route, "rule": self._rule,
             "neigh": self._neigh}[what](family, verb, told)  # fmt: skip

    def _need(self, name: str) -> Device:
        if name not in self.devices:
            raise CommandFailed(f'{_NO_DEVICE} "{name}"')
        return self.devices[name]

    def _link(self, family: int, verb: str, told: list[str]) -> None:
        if verb == "delete":
            self.delete(_after(told, "dev"))
        elif verb == "set":
            self._set(_after(told, "dev"), told)
        else:
            name = _after(told, "name")
            if name in self.devices:
                raise CommandFailed(_EXISTS)
            kind = _after(told, "type")
            about = told[told.index("type") :]
            self._numbers += 1
            device = Device(self._numbers, kind, _after(told, "address"), int(_after(told, "mtu") or "1500"))
            if kind == "vxlan":
                device.told = {"id": int(_after(about, "id")), "local": _after(about, "local"),
                               "port": int(_after(about, "dstport"))}  # fmt: skip
            elif kind == "bridge":
                device.told = {"no_linklocal_learn": True} if "no_linklocal_learn" in about else {}
            elif kind == "vlan":
                device.below = _after(told, "link")
                if self.find(device.below) is None:
                    raise CommandFailed(f'{_NO_DEVICE} "{device.below}"')
                device.told = {"id": int(_after(about, "id"))}
            elif kind == "veth":
                device.peer = _after(about, "name")
                self._numbers += 1
                self.devices[device.peer] = Device(self._numbers, kind, device.mac, device.mtu, peer=name)
            self.devices[name] = device

    def delete(self, name: str) -> None:
        """A device, with all that goes with it."""
        device = self._need(name)
        for each in [name, *([device.peer] if device.peer else [])]:
            del self.devices[each]
            self.addresses.pop(each, None)
            self.peers.pop(each, None)
            self.routes = {key: route for key, route in self.routes.items() if route[0] != each}
            for other in self.devices.values():
                other.master = "" if other.master == each else other.master
        self.tell_node()

    def _set(self, name: str, told: list[str]) -> None:
        if name not in self.devices and self.find(name) is not None:
            return  # libvirt's
        device = self._need(name)
        device.up = device.up or "up" in told
        master = _after(told, "master")
        if master:
            self._need(master)
            device.master = master
        device.mtu = int(_after(told, "mtu") or device.mtu)
        device.mac = _after(told, "address") or device.mac
        if "no_linklocal_learn" in told:
            device.told["no_linklocal_learn"] = True

    def _address(self, family: int, verb: str, told: list[str]) -> None:
        name, address = _after(told, "dev"), told[0]
        if name not in self.devices and self.find(name) is not None:
            return  # libvirt's
        self._need(name)
        here = self.addresses.setdefault(name, {})
        if verb == "add" and address in here:
            raise CommandFailed(_EXISTS)
        if verb == "delete":
            if here.pop(address, self) is self:
                raise CommandFailed("RTNETLINK answers: Cannot assign requested address")
        else:
            here[address] = None

    def _route(self, family: int, verb: str, told: list[str]) -> None:
        table, metric = _after(told, "table") or "main", _after(told, "metric")
        device, protocol = _after(told, "dev"), _after(told, "protocol")
        to = told[1] if told[0] == "unreachable" else told[0]
        key = (family, to, table, metric)
        if verb == "delete":
            if key not in self.routes:
                raise CommandFailed("RTNETLINK answers: No such process")
            del self.routes[key]
        else:
            if device:
                self._need(device)
            self.routes[key] = (device, protocol)

    def _rule(self, family: int, verb: str, told: list[str]) -> None:
        mark = _after(told, "fwmark").partition("/")[0]
        key = (family, _after(told, "pref"), mark)
        if verb == "delete":
            if self.rules.pop(key, None) is None:
                raise CommandFailed(_ABSENT)
        elif key in self.rules:
            raise CommandFailed(_EXISTS)
        else:
            rule: dict[str, Any] = {"priority": int(key[1]), "table": _after(told, "lookup")}
            rule |= {"fwmark": mark} if mark else {"iif": _after(told, "iif")}
            self.rules[key] = rule

    def _neigh(self, family: int, verb: str, told: list[str]) -> None:
        key = (told[1], _after(told, "dev"))
        if verb == "delete":
            if self.proxies.pop(key, self) is self:
                raise CommandFailed(_ABSENT)
        elif self.find(key[1]) is None:
            raise CommandFailed(f'{_NO_DEVICE} "{key[1]}"')
        else:
            self.proxies[key] = None

    def _fdb(self, verb: str, told: list[str]) -> None:
        name, peer = _after(told, "dev"), _after(told, "dst")
        self._need(name)
        here = self.peers.setdefault(name, {})
        if verb == "append":
            here[peer] = None
        elif here.pop(peer, self) is self:
            raise CommandFailed(_ABSENT)


def _after(words: list[str], word: str) -> str:
    """What stands behind a word; "": it is not there."""
    return words[words.index(word) + 1] if word in words else ""


class SimServer:
    """In place of ``dhcp.Server``: the dnsmasq of one network, which outlives the agent."""

    def __init__(self, name: str, runtime: Path, run: Callable[..., str]) -> None:
        self._kernel: Kernel = run.__self__  # type: ignore[attr-defined]
        self._name = name
        self.served: object = None
        self.failed: object = None
        self.retry_at = 0.0

    def serve(self, link: Link, slot: int, index: int, hosts: Iterable[Host] | None) -> bool:
        known = self._kernel.served.get(self._name, ())
        self._kernel.served[self._name] = known if hosts is None else tuple(hosts)
        return True

    def is_running(self) -> bool:
        return self._name in self._kernel.served

    def remove(self) -> None:
        self._kernel.served.pop(self._name, None)
